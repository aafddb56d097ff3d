/*
 * watch.c - core/watch.h: death against a removal that prunes, entries really freed
 *
 * An object with two watches, each in an entry that has the list's hold and a holder's. One
 * thread lets the object die; one removes the older watch, which makes a prune due; one
 * removes the younger one. Shows: removed or fired, exactly one of the two; each hold is
 * dropped once; nobody sees freed memory, the object's included, which the entries own no
 * unit of.
 */
#include "core/count.h"
#include "core/watch.h"

#include "model.h"

uint32_t wki_generation; /* constant here: no forks */

struct object {
	struct wki_count count;
	wki_watch_head watches;
};

struct entry {
	struct wki_watch watch; /* first */
	struct object *object;
	atomic_int ended;       /* removed or fired */
};

static struct object *object;
static struct entry *entries[2];
static _Thread_local struct model_limbo limbo;

static void drop_hold(struct wki_watch *watch)
{
	if (wki_watch_drop_hold(watch))
		model_retire(&limbo, watch);
}

static void end_entry(struct entry *entry)
{
	assert(atomic_fetch_add_explicit(&entry->ended, 1, memory_order_relaxed) == 0);
}

static void fire(void)
{
	struct wki_watch *watch, *next;

	for (watch = wki_watch_take(&object->watches); watch != NULL; watch = next) {
		next = wki_watch_next(watch);
		if (wki_watch_move(watch, WKI_WATCH_LIVE, WKI_WATCH_FIRED)) {
			end_entry((struct entry *)(void *)watch);
			drop_hold(watch);
		} else if (wki_watch_move(watch, WKI_WATCH_REMOVED, WKI_WATCH_RETIRED)) {
			drop_hold(watch);
		}
	}
}

static void *death(void *unused)
{
	model_read_lock(0);
	if (!wki_count_decide(&object->count, wki_count_release(&object->count, 1)))
		abort(); /* nobody revives it */
	fire();
	model_read_unlock(0);
	model_retire(&limbo, object);
	model_reclaim(&limbo);
	return unused;
}

static void remove_entry(unsigned me, struct entry *entry)
{
	model_read_lock(me);
	if (wki_watch_state(&entry->watch) == WKI_WATCH_LIVE && wki_watch_move(&entry->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED)) {
		end_entry(entry);
		if (wki_watch_littered(&entry->object->count.meta))
			wki_watch_prune(&entry->object->watches, &entry->object->count.meta, drop_hold);
	}
	drop_hold(&entry->watch); /* the holder's */
	model_read_unlock(me);
	model_reclaim(&limbo);
}

static void *older(void *unused)
{
	remove_entry(1, entries[0]);
	return unused;
}

static void *younger(void *unused)
{
	remove_entry(2, entries[1]);
	return unused;
}

int main(void)
{
	object = model_allocate(sizeof(*object));
	wki_count_init(&object->count, 0);
	atomic_store_explicit(&object->count.meta, 7u << WKI_META_GARBAGE_SHIFT, memory_order_relaxed);
	for (int i = 0; i < 2; i++) {
		entries[i] = model_allocate(sizeof(*entries[i]));
		entries[i]->object = object;
		wki_watch_init(&entries[i]->watch, 0, 2);
		wki_watch_push(&object->watches, &entries[i]->watch);
	}
	model_run(death, older, younger);
	return 0;
}
