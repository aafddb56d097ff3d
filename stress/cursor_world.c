/*
 * stress/cursor_world.c - containers of four kinds, items, keys, counted memory
 */
#include "cursor_world.h"

#include <stdio.h>
#include <stdlib.h>

struct field world_fields[WORLD_FIELDS] = {
	{ .name = "numbers", .each = 64 },
	{ .name = "texts", .each = 32, .keys = WK_KEYS_BYTES, .values = WK_VALUES_STRONG },
	{ .name = "ties", .each = 16, .keys = WK_KEYS_CUSTOM, .is_tied = true },
	{ .name = "set", .each = 64, .is_set = true },
};

wki_atomic_u64 world_grown, world_shrunk, world_swept;

static wki_atomic_u64 items_made, items_destroyed, keys_copied, keys_released;

static uint64_t world_count(wki_atomic_u64 *count)
{
	return atomic_load_relaxed(count);
}

/* Items. */

static void item_destroy(void *payload)
{
	struct item *item = payload;

	stress_expect(stress_canary_is_whole(&item->canary), "destroyed twice, or overwritten");
	stress_canary_break(&item->canary);
	stress_count(&items_destroyed);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);

struct item *world_item(unsigned spot)
{
	struct item *item = wk_new(&item_type);

	if (!stress_expect(item != NULL, "no object: %s", wk_strerror(wk_last_status())))
		abort();
	stress_canary_set(&item->canary, atomic_fetch_add_relaxed(&items_made, 1) + 1);
	item->spot = spot;
	return item;
}

/* Memory. */

#define ARRAY_BYTES 1024 /* larger than any entry: slots */

static void tally_array(struct tally *tally, size_t size)
{
	uint64_t before = atomic_exchange_acq_rel(&tally->array, size);

	stress_count(&tally->resized);
	if (size == before)
		stress_count(&world_swept);
	else
		stress_count(size > before ? &world_grown : &world_shrunk);
}

static void *tally_allocate(void *context, size_t size, size_t alignment)
{
	struct tally *tally = context;

	(void)atomic_fetch_add_relaxed(&tally->bytes, size);
	if (size >= ARRAY_BYTES)
		tally_array(tally, size);
	return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void tally_release(void *context, void *memory, size_t size, size_t alignment)
{
	struct tally *tally = context;

	(void)alignment;
	(void)atomic_fetch_sub_relaxed(&tally->bytes, size);
	free(memory);
}

/* Keys. */

/* Eight keys have one hash. */
static uint64_t tied_hash(const void *key, uint64_t seed)
{
	const struct stress_canary *tied = key;

	return (tied->number / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ seed;
}

static bool tied_equal(const void *a, const void *b)
{
	const struct stress_canary *one = a, *other = b;

	stress_expect(stress_canary_is_whole(one) && stress_canary_is_whole(other), "a key was compared after its release");
	return one->number == other->number;
}

static void *tied_copy(const void *key)
{
	struct stress_canary *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *(const struct stress_canary *)key;
	stress_count(&keys_copied);
	return copy;
}

static void tied_release(void *key)
{
	stress_canary_break(key);
	stress_count(&keys_released);
	free(key);
}

static const wk_key_type tied_type = { tied_hash, tied_equal, tied_copy, tied_release, NULL };

union key_memory {
	char text[48];
	struct stress_canary tied;
};

static wk_key key_of(const struct field *field, unsigned spot, union key_memory *memory)
{
	switch (field->keys) {
	case WK_KEYS_BYTES:
		snprintf(memory->text, sizeof(memory->text), "the text of number %u", spot);
		return wk_key_string(memory->text);
	case WK_KEYS_CUSTOM:
		stress_canary_set(&memory->tied, spot);
		return wk_key_custom(&memory->tied);
	default:
		return wk_key_u64(spot);
	}
}

bool world_key_is(const struct field *field, const wk_cursor *cursor, unsigned spot)
{
	union key_memory memory;
	wk_key wanted = key_of(field, spot, &memory);
	size_t length;
	const void *key = wk_cursor_key(cursor, &length);

	if (field->is_set)
		return key == NULL;
	switch (field->keys) {
	case WK_KEYS_BYTES:
		return length == wanted.number && memcmp(key, wanted.data, length) == 0;
	case WK_KEYS_CUSTOM:
		return length == 0 && tied_equal(key, wanted.data);
	default:
		return wk_cursor_key_u64(cursor) == wanted.number;
	}
}

/* Containers. */

int world_put(struct field *field, const struct spot *spot, struct item *item)
{
	union key_memory memory;

	if (field->is_set)
		return wk_weak_set_add(field->container, item);
	return wk_value_dict_set(field->container, key_of(field, (unsigned)(spot - field->spots), &memory), item);
}

bool world_take_out(struct field *field, const struct spot *spot, struct item *item)
{
	union key_memory memory;

	if (field->is_set)
		return wk_weak_set_discard(field->container, item);
	return wk_value_dict_remove(field->container, key_of(field, (unsigned)(spot - field->spots), &memory)) == WK_OK;
}

size_t world_len(const struct field *field)
{
	return field->is_set ? wk_weak_set_len(field->container) : wk_value_dict_len(field->container);
}

static void *container_new(const struct field *field)
{
	const wk_value_dict_options options = {
		.struct_size = sizeof(options),
		.name = field->name,
		.keys = field->keys,
		.values = field->values,
		.key_type = field->keys == WK_KEYS_CUSTOM ? &tied_type : NULL,
		.value_type = &item_type,
		.allocator = &field->allocator,
	};
	const wk_weak_set_options of_set = {
		.struct_size = sizeof(of_set),
		.name = field->name,
		.element_type = &item_type,
		.allocator = &field->allocator,
	};

	return field->is_set ? (void *)wk_weak_set_new(&of_set, NULL) : (void *)wk_value_dict_new(&options, NULL);
}

void world_begin(void)
{
	struct field *field;
	unsigned i;

	for (field = world_fields; field < world_fields + WORLD_FIELDS; field++) {
		field->allocator = (wk_allocator){ tally_allocate, tally_release, &field->tally };
		field->spot_count = field->each * stress_run.threads;
		field->spots = calloc(field->spot_count, sizeof(*field->spots));
		field->container = container_new(field);
		if (!stress_expect(field->container != NULL && field->spots != NULL, "%s: no memory", field->name))
			abort();
		for (i = 0; i < field->spot_count; i++)
			atomic_store_relaxed(&field->spots[i].presence, PRESENCE_ABSENT);
	}
}

void world_end(void)
{
	struct field *field;

	for (field = world_fields; field < world_fields + WORLD_FIELDS; field++) {
		wk_clear(&field->container);
		free(field->spots);
	}
	stress_settle_runtime();
	stress_settle_census();
	for (field = world_fields; field < world_fields + WORLD_FIELDS; field++)
		stress_expect(world_count(&field->tally.bytes) == 0, "%s: %llu bytes did not come back", field->name,
			(unsigned long long)world_count(&field->tally.bytes));
	stress_expect(world_count(&items_made) == world_count(&items_destroyed), "%llu objects made, destroy ran %llu times",
		(unsigned long long)world_count(&items_made), (unsigned long long)world_count(&items_destroyed));
	stress_expect(world_count(&keys_copied) == world_count(&keys_released), "%llu keys copied, %llu released",
		(unsigned long long)world_count(&keys_copied), (unsigned long long)world_count(&keys_released));
}
