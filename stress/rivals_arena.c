/*
 * stress/rivals_arena.c - see the header
 */
#include "rivals_arena.h"

#include <stdlib.h>

static void item_destroy(void *payload)
{
	struct item *item = payload;

	stress_expect(stress_canary_is_whole(&item->canary), "destroyed twice, or overwritten");
	stress_canary_break(&item->canary);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);

struct item *arena_item(const struct arena *arena, uint64_t key)
{
	struct item *item = wk_new(&item_type);

	if (!stress_expect(item != NULL, "no object: %s", wk_strerror(wk_last_status())))
		abort();
	stress_canary_set(&item->canary, key);
	item->arena = arena->number;
	return item;
}

void arena_retain(void *held)
{
	(void)atomic_fetch_add_relaxed(&((struct arena *)held)->holders, 1);
}

void arena_release(void *held)
{
	struct arena *arena = held;

	if (atomic_fetch_sub_acq_rel(&arena->holders, 1) != 1)
		return;
	wk_release(arena->dict);
	free(arena);
}

struct arena *arena_new(wk_value_mode values)
{
	static wki_atomic_u64 made;
	const wk_value_dict_options options = {
		.struct_size = sizeof(options),
		.name = "arena",
		.values = values,
		.value_type = &item_type,
	};
	struct arena *arena = calloc(1, sizeof(*arena));
	int status;

	if (arena == NULL)
		abort();
	atomic_store_relaxed(&arena->holders, 1);
	arena->number = atomic_fetch_add_relaxed(&made, 1) + 1;
	arena->dict = wk_value_dict_new(&options, &status);
	if (!stress_expect(arena->dict != NULL, "no dictionary: %s", wk_strerror(status)))
		abort();
	return arena;
}

void arena_check(const struct arena *arena, uint64_t key, const struct item *item)
{
	stress_expect(stress_canary_is_whole(&item->canary), "found a broken object");
	stress_expect(item->canary.number == key, "found the object of another key");
	stress_expect(item->arena == arena->number, "found the object of another dictionary");
}

/* Factories. */

static void *make_item(wk_key key, void *context, int *status);

/* A factory that asks for its own key, or for another one, gets an answer at once, whatever it is. */
static void make_nested(const struct making *outer)
{
	uint64_t key = outer->key ^ stress_below(outer->worker, 2);
	struct making making = { .worker = outer->worker, .arena = outer->arena, .key = key, .plain = true };
	struct item *item;
	int status;

	item = wk_value_dict_get_or_create(
		outer->arena->dict, wk_key_u64(key), WK_CREATE_ONCE, make_item, &making, &status);
	stress_expect((item != NULL) == (status >= 0), "get_or_create: %s", wk_strerror(status));
	wk_release(item);
}

static void *make_item(wk_key key, void *context, int *status)
{
	struct making *making = context;

	stress_expect(key.data == NULL && key.number == making->key, "a factory was given another key");
	if (making->alone != NULL)
		stress_expect(atomic_fetch_add_relaxed(making->alone, 1) == 0, "two factories ran at once");
	stress_hesitate(making->worker);
	if (!making->plain && stress_one_in(making->worker, 16))
		make_nested(making);
	if (stress_one_in(making->worker, 8))
		*status = WK_EINVAL;
	else
		making->made = arena_item(making->arena, making->key);
	if (making->alone != NULL)
		(void)atomic_fetch_sub_relaxed(making->alone, 1);
	return making->made;
}

struct item *arena_make(struct making *making, wk_create_mode mode, int *status)
{
	struct item *item = wk_value_dict_get_or_create(
		making->arena->dict, wk_key_u64(making->key), mode, make_item, making, status);

	if (item == NULL) {
		stress_expect(*status == WK_EINVAL || (mode == WK_CREATE_TRY && *status == WK_EBUSY),
			"get_or_create: %s", wk_strerror(*status));
		return NULL;
	}
	arena_check(making->arena, making->key, item);
	stress_expect((*status == WK_CREATED) == (item == making->made), "whose object is it?");
	return item;
}

