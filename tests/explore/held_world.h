/*
 * held_world.h - a key dictionary for the explorer: the library's own files, and what they stand on
 *
 * Compiled here as they are: held.c, entry.c, values.c, value_store.c, key_dict.c. In place of the
 * rest: memory, grace periods and read sections are the explorer's; objects die by core/count.h and
 * core/watch.h; a table is one bucket of collect/slots.h; the runner is whoever calls run_mail.
 *
 * A planted bug takes the place of a function where those files call it: held_library.h.
 */
#ifndef EXPLORE_HELD_WORLD_H
#define EXPLORE_HELD_WORLD_H

#define WKI_BUCKET_SLOTS 2u
#include "explorer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "collect/key_dict.h"
#include "collect/move.h"
#include "core/owner.h"
#include "reclaim/mailbox.h"
#include "reclaim/runner.h"
#include "reclaim/service.h"
#include "sync/rcu.h"

enum bug {
	NO_BUG,
	STATE_ALONE,      /* an entry is live by its state, whatever has become of its word */
	TAKEN_BY_LOOK,    /* who removes does not compare: he has read the word, and stores 0 */
	WORD_ALONE,       /* who has the word counts, whoever has ended the entry */
	ENTRY_NOT_HELD,   /* a weak value's watch leads to an entry that it has no hold on */
	FORGOTTEN_BY_LOOK, /* who replaces a weak value does not compete with its death */
	FREED_AT_ONCE,    /* no grace period */
	STAYS_AT_HOME,    /* who removes an entry does not say so to its value's control block first */
	OWNS_NOTHING,     /* an entry that is removed owns no unit of its value */
	STORE_LEFT,       /* what a lost thread was storing is not finished */
	TAKEN_AND_LEFT,   /* who meets an entry whose word a lost thread has taken does not end it */
};

static enum bug bug;

/* Sections. */

_Thread_local unsigned long *wki_reader_known;

void wki_read_lock_slowly(void)
{
}

void wki_read_unlock_slowly(void)
{
}

bool wki_reader_is_known(void)
{
	return true;
}

void wki_reader_introduce(void)
{
}

void urcu_bp_read_lock(void)
{
	explore_read_lock();
}

void urcu_bp_read_unlock(void)
{
	explore_read_unlock();
}

int urcu_bp_read_ongoing(void)
{
	return explore_reading();
}

/* Threads have no records, and spare intents. */

_Thread_local struct wki_thread *wki_thread_current;
_Thread_local uint32_t wki_callback_depth;
static struct wki_intent *intents; /* one for each thread */

struct wki_thread *wki_thread_make(void)
{
	return NULL;
}

struct wki_intent *wki_intent_begin_spare(void)
{
	return &intents[explore_thread()];
}

void wki_intent_end_spare(struct wki_intent *intent)
{
	EXPLORE_CHECK(intent == &intents[explore_thread()]);
}

/* Memory. */

static unsigned failures; /* so many allocations from now on have none */

void *wki_cache_allocate(size_t size)
{
	if (failures > 0) {
		failures--;
		return NULL;
	}
	return explore_alloc(size, size == 40 + sizeof(wki_atomic_word) ? "entry" : "held");
}

void wki_cache_free(void *memory, size_t size)
{
	(void)size;
	explore_free(memory);
}

wki_atomic_u8 wki_memory_pooling = WKI_POOLED;

bool wki_memory_find_pooling(void)
{
	return true;
}

static void reclaim(wki_tagged tagged)
{
	struct wki_deferred *deferred = (struct wki_deferred *)(void *)wki_tag_link(tagged);

	if (wki_tag_kind(tagged) == WKI_KIND_ENTRY)
		wki_entry_reclaim(wki_tag_link(tagged));
	else
		deferred->run(deferred);
}

static void grace_over(void *ticket)
{
	wki_tagged tagged = *(wki_tagged *)ticket;

	explore_free(ticket);
	reclaim(tagged);
}

void wki_runner_after_grace(wki_tagged tagged)
{
	wki_tagged *ticket = explore_zeroed(sizeof(*ticket), "ticket");

	*ticket = tagged;
	if (bug == FREED_AT_ONCE)
		grace_over(ticket);
	else
		explore_retire(ticket, grace_over);
}

void wki_limbo_retire(wki_tagged tagged, size_t bytes)
{
	(void)bytes;
	wki_runner_after_grace(tagged);
}

static struct wki_mailbox *mail;

void wki_runner_now(wki_tagged tagged)
{
	(void)wki_mailbox_push(mail, tagged);
}

static void run_mail(void)
{
	wki_tagged next, tagged;

	for (tagged = wki_mailbox_take(mail); tagged != 0; tagged = next) {
		next = wki_link_next(tagged);
		reclaim(tagged);
	}
}

/* Objects. */

#define VALUES 3u

struct object {
	struct wki_control control;
	unsigned number;
};

static const wk_type object_type = { .name = "object", .size = sizeof(unsigned) };

static struct object *object_new(const char *name, unsigned references)
{
	struct object *object = explore_zeroed(sizeof(*object), name);

	wki_count_init(&object->control.count, 0);
	(void)wki_count_retain(&object->control.count, references - 1);
	object->control.type = &object_type;
	object->control.end.back = wki_back_word(&object->control);
	return object;
}

static void settle(void *object)
{
	if (wki_count_drop_strong_side(&((struct wki_control *)object)->count))
		explore_free(object);
}

void wki_control_drop_unit(struct wki_control *control)
{
	if (wki_count_drop_unit(&control->count))
		explore_free(control);
}

void wki_control_pay_home(struct wki_control *control)
{
	(void)atomic_fetch_and_relaxed(&control->count.meta, ~WKI_OWED);
	wki_control_drop_unit(control);
}

static void leave(struct wki_watch *watch)
{
	if (watch->kind == WKI_WATCH_ENTRY)
		wki_entry_leave(watch);
	else
		wki_held_leave(watch);
}

static void fire(struct wki_control *control)
{
	struct wki_watch *watch, *next;

	for (watch = wki_watch_take(&control->watches); watch != NULL; watch = next) {
		next = wki_watch_next(watch);
		if (wki_watch_move(watch, WKI_WATCH_LIVE, WKI_WATCH_FIRED)) {
			if (watch->kind == WKI_WATCH_ENTRY)
				wki_entry_fired(watch);
			else
				wki_held_fired(watch);
		} else if (wki_watch_move(watch, WKI_WATCH_REMOVED, WKI_WATCH_RETIRED)) {
			leave(watch);
		}
	}
}

void wki_control_release(struct wki_control *control, uint64_t many)
{
	uint64_t before = wki_count_release(&control->count, many);
	bool won;

	if (wki_strong_count(before) != many)
		return;
	explore_read_lock();
	won = wki_count_decide(&control->count, before);
	if (won) {
		fire(control);
#ifdef EXPLORE_HINTS
		/* What it is chained with: as nasty as can be, it is one of the keys. */
		wki_link_set(wki_tag(&control->link, WKI_KIND_OBJECT), 1);
#endif
	}
	explore_read_unlock();
	if (won)
		explore_retire(control, settle);
	else if (wki_count_drop_unit(&control->count))
		explore_free(control);
}

void wki_control_unwatch_rcu(struct wki_control *control)
{
	if (wki_watch_littered(&control->count.meta))
		wki_watch_prune(&control->watches, &control->count.meta, leave);
}

void wki_control_prune_rcu(struct wki_control *control)
{
	wki_watch_prune(&control->watches, &control->count.meta, leave);
}

void *(wk_retain)(const void *object)
{
	(void)wki_count_retain(&wki_control_of(object)->count, 1);
	return (void *)(uintptr_t)object;
}

/* The table: one bucket, which may move to another one. */

static bool entry_is_kept(const struct wki_entry *entry)
{
	return wki_entry_state_is_live(entry);
}

static void entry_dropped(void *context, struct wki_entry *entry)
{
	(void)context;
	wki_entry_drop(entry);
}

static uint64_t entry_number(void *table, const struct wki_entry *entry)
{
	return wki_entry_hash(entry, ((struct wki_table *)table)->seed);
}

static struct wki_bucket *no_bucket(void *context)
{
	(void)context;
	return NULL;
}

static void no_bucket_free(void *context, struct wki_bucket *bucket)
{
	(void)context;
	(void)bucket;
}

#ifdef EXPLORE_HINTS
static uintptr_t entry_hint(const struct wki_entry *entry)
{
	return (uintptr_t)entry->control;
}
#define HINT entry_hint
#else
#define HINT NULL
#endif

static const struct wki_slots_ops ops = { entry_number, entry_is_kept, entry_dropped, no_bucket, no_bucket_free, HINT, wki_entry_is_home };

static struct wki_array *array_new(void)
{
	struct wki_array *array = explore_zeroed(sizeof(*array), "array");

	array->buckets = explore_zeroed(sizeof(struct wki_bucket), "bucket");
	array->shift = wki_slots_shift(0);
	return array;
}

static void array_free(void *memory)
{
	explore_free(((struct wki_array *)memory)->buckets);
	explore_free(memory);
}

struct wki_place wki_table_find_room_rcu(const struct wki_table *table, uint64_t hash, wki_same_key *same, const void *key)
{
	return wki_slots_find_room(wki_slots_route(&table->root, hash), hash, same, key, &ops);
}

enum wki_stored wki_table_store_rcu(struct wki_table *table, const struct wki_place *place, uint64_t hash,
				    struct wki_entry *entry, wki_same_key *same, const void *key, bool *tend)
{
	enum wki_stored stored = wki_slots_store(place, hash, entry, same, key, &ops, table);

	(void)tend;
	if ((stored == WKI_STORED || stored == WKI_STORE_LOST) && place->claims && wki_word_entry(place->seen) != NULL)
		wki_entry_drop(wki_word_entry(place->seen));
	return stored;
}

bool wki_table_vacate_rcu(const struct wki_table *table, const struct wki_entry *entry)
{
	return wki_slots_vacate(&table->root, entry_number((void *)(uintptr_t)table, entry), entry);
}

void wki_table_withdraw(struct wki_table *table, const struct wki_entry *entry)
{
	uint64_t hash = entry_number(table, entry);

	wki_slots_withdraw(wki_slots_route(&table->root, hash), hash, entry);
}

bool wki_table_pass_rcu(struct wki_table *table, struct wki_array *array, uint64_t hash)
{
	struct wki_array *next = wki_slots_next(array);
	bool passed = wki_slots_pass(array, hash, &ops, table);

	if (passed && wki_slots_finish(&table->root, array, next))
		explore_retire(array, array_free);
	return passed;
}

void wki_table_tend(struct wki_table *table)
{
	(void)table;
}

void wki_table_look_rcu(struct wki_table *table)
{
	explore_touch(table);
}

/* A mover: what has ended stays behind. */
static void table_move(struct wki_table *table)
{
	struct wki_array *array, *next;

	explore_read_lock();
	array = wki_slots_current(&table->root);
	next = array_new();
	if (!wki_slots_start(array, next))
		array_free(next);
	EXPLORE_CHECK(wki_table_pass_rcu(table, array, 0));
	explore_read_unlock();
}

bool wki_table_each_rcu(struct wki_table *table, uint64_t *from, void (*visit)(struct wki_entry *entry, void *context),
			void *context)
{
	struct wki_array *array = wki_slots_route(&table->root, 0);

	(void)from;
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++) {
		struct wki_entry *entry = wki_word_entry(wki_slots_load(&array->buckets->slot[i]));

		if (entry != NULL)
			visit(entry, context);
	}
	return false;
}

static void slot_drain(wki_atomic_u64 *slot, wki_table_end *end, void *context)
{
	uint64_t word = wki_slots_load(slot);
	struct wki_entry *entry = wki_word_entry(word);
	struct wki_control *owned = entry != NULL ? end(entry, context) : NULL;

	if (entry != NULL && atomic_cas_relaxed(slot, &word, WKI_FREE))
		wki_entry_drop(entry);
	if (owned != NULL)
		wki_control_release(owned, 1);
}

/* No migration is left running. */
bool wki_table_drain(struct wki_table *table, struct wki_table_drain *drain, wki_table_end *end, void *context)
{
	struct wki_bucket *bucket = wki_slots_route(&table->root, 0)->buckets;

	(void)drain;
	explore_read_lock();
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
		slot_drain(&bucket->slot[i], end, context);
	explore_read_unlock();
	return false;
}

void wki_table_destroy(struct wki_table *table)
{
	array_free(wki_slots_current(&table->root));
}

size_t wki_table_len(const struct wki_table *table)
{
	return (size_t)atomic_load_relaxed((wki_atomic_u64 *)(uintptr_t)&table->own.live);
}

#endif
