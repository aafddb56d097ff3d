/*
 * count.c - core/count.h: a decider against two revivers, with real frees
 *
 * One thread releases the last reference; one upgrades through a weak handle; one through a
 * door, as an entry of a container is, with nothing but a read section to keep the block. The
 * revivers end the life without a decision where they own all references. Shows: nobody sees
 * freed memory, one end of life, and what the releaser wrote before his release is seen by it.
 *
 * With -DOWNER_ENDS the first one does so as well; what he wrote is seen by who upgrades in vain.
 */
#include "core/count.h"

#include "model.h"

struct object {
	struct wki_count count;
	int payload;
};

static struct object *object;
static atomic_int door = 1, deaths, written;

static void drop_unit(void)
{
	if (wki_count_drop_unit(&object->count))
		free(object);
}

/* As a decider, if the word has no references, else as the owner of them all. */
static bool try_end(unsigned me, uint64_t word)
{
	bool won;

	model_read_lock(me);
	if (wki_strong_count(word) == 0)
		won = wki_count_decide(&object->count, word);
	else
		won = wki_count_try_end(&object->count, word);
	if (won)
		atomic_store_explicit(&door, 0, memory_order_release);
	model_read_unlock(me);
	if (!won)
		return false;
	assert(atomic_fetch_add_explicit(&deaths, 1, memory_order_relaxed) == 0);
	assert(object->payload >= 1); /* destroy */
	model_synchronize();
	if (wki_count_drop_strong_side(&object->count))
		free(object);
	return true;
}

static void release(unsigned me)
{
	uint64_t before = wki_count_release(&object->count, 1);

	if (wki_strong_count(before) == 1 && !try_end(me, before & WKI_STRONG_FLAGS))
		drop_unit();
}

static void let_go(unsigned me)
{
	uint64_t word = wki_count_peek(&object->count);

	if (!wki_count_is_all(word, 1) || !try_end(me, word))
		release(me);
}

/* A failed upgrade sees what was done before the death. */
static bool upgrade(void)
{
	if ((wki_count_upgrade(&object->count) & WKI_STRONG_DEAD) == 0)
		return true;
	assert(atomic_load_explicit(&written, memory_order_relaxed) == 1);
	return false;
}

static void *owner(void *unused)
{
	object->payload = 1;
	atomic_store_explicit(&written, 1, memory_order_relaxed);
#ifdef OWNER_ENDS
	let_go(0);
#else
	release(0);
#endif
	return unused;
}

static void *with_handle(void *unused)
{
	if (upgrade())
		let_go(1);
	drop_unit();
	return unused;
}

static void *through_door(void *unused)
{
	bool upgraded = false;

	model_read_lock(2);
	if (atomic_load_explicit(&door, memory_order_acquire) != 0)
		upgraded = upgrade();
	model_read_unlock(2);
	if (upgraded)
		let_go(2);
	return unused;
}

int main(void)
{
	object = model_allocate(sizeof(*object));
	wki_count_init(&object->count, 0);
	(void)wki_count_add_unit(&object->count); /* the handle */
	model_run(owner, with_handle, through_door);
	assert(atomic_load_explicit(&deaths, memory_order_relaxed) == 1);
	return 0;
}
