/*
 * count.c - core/count.h: a decider against two revivers, with real frees
 *
 * One thread releases the last reference; one upgrades through a weak handle; one through a
 * door, as an entry of a container is, with nothing but a read section to keep the block.
 * Shows: nobody sees freed memory, one end of life, and what the releaser wrote before his
 * release is seen by the end of life.
 */
#include "core/count.h"

#include "model.h"

struct object {
	struct wki_count count;
	int payload;
};

static struct object *object;
static atomic_int door = 1, deaths;

static void drop_unit(void)
{
	if (wki_count_drop_unit(&object->count))
		free(object);
}

static void release(unsigned me)
{
	uint64_t before = wki_count_release(&object->count, 1);
	bool won;

	if (wki_strong_count(before) != 1)
		return;
	model_read_lock(me);
	won = wki_count_decide(&object->count, before);
	if (won)
		atomic_store_explicit(&door, 0, memory_order_release);
	model_read_unlock(me);
	if (!won) {
		drop_unit();
		return;
	}
	assert(atomic_fetch_add_explicit(&deaths, 1, memory_order_relaxed) == 0);
	assert(object->payload >= 1); /* destroy */
	model_synchronize();
	if (wki_count_drop_strong_side(&object->count))
		free(object);
}

static void *owner(void *unused)
{
	object->payload = 1;
	release(0);
	return unused;
}

static void *with_handle(void *unused)
{
	if ((wki_count_upgrade(&object->count) & WKI_STRONG_DEAD) == 0)
		release(1);
	drop_unit();
	return unused;
}

static void *through_door(void *unused)
{
	bool upgraded = false;

	model_read_lock(2);
	if (atomic_load_explicit(&door, memory_order_acquire) != 0)
		upgraded = (wki_count_upgrade(&object->count) & WKI_STRONG_DEAD) == 0;
	model_read_unlock(2);
	if (upgraded)
		release(2);
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
