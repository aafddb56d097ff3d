/*
 * construct.c - core/count.h: a constructor against one who upgrades and one who peeks, with real frees
 *
 * Shows: nobody sees a payload that is not complete, nobody sees freed memory, and the object ends once.
 */
#include "core/count.h"

#include "model.h"

struct object {
	struct wki_count count;
	int payload;
};

static struct object *object;
static atomic_int deaths;

static void drop_unit(void)
{
	if (wki_count_drop_unit(&object->count))
		free(object);
}

static void release(void)
{
	uint64_t before = wki_count_release(&object->count, 1);

	if (wki_strong_count(before) != 1)
		return;
	if (!wki_count_decide(&object->count, before)) {
		drop_unit();
		return;
	}
	assert(atomic_fetch_add_explicit(&deaths, 1, memory_order_relaxed) == 0);
	model_synchronize();
	if (wki_count_drop_strong_side(&object->count))
		free(object);
}

static void *constructor(void *unused)
{
	object->payload = 1;
	wki_count_bear(&object->count);
	release();
	return unused;
}

static void *with_handle(void *unused)
{
	if ((wki_count_upgrade(&object->count) & WKI_STRONG_DEAD) == 0) {
		assert(object->payload == 1);
		release();
	}
	drop_unit();
	return unused;
}

static void *peeking(void *unused)
{
	model_read_lock(2);
	if ((wki_count_peek(&object->count) & WKI_STRONG_DEAD) == 0)
		assert(object->payload == 1);
	model_read_unlock(2);
	drop_unit();
	return unused;
}

int main(void)
{
	object = model_allocate(sizeof(*object));
	wki_count_init(&object->count, 0);
	wki_count_begin_construction(&object->count);
	(void)wki_count_add_unit(&object->count); /* two handles that the constructor has given away */
	(void)wki_count_add_unit(&object->count);
	model_run(constructor, with_handle, peeking);
	assert(atomic_load_explicit(&deaths, memory_order_relaxed) == 1);
	return 0;
}
