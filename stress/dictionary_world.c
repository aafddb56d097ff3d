/*
 * stress/dictionary_world.c - fields, items, keys of three kinds, counted memory
 */
#include "dictionary_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/memory.h"

struct field world_fields[WORLD_FIELDS] = {
	{ .name = "small", .each = 4 },
	{ .name = "large", .each = 256, .counted = true },
	{ .name = "bytes", .each = 64, .keys = WK_KEYS_BYTES },
	{ .name = "custom", .each = 64, .keys = WK_KEYS_CUSTOM },
	{ .name = "strong", .each = 64, .values = WK_VALUES_STRONG, .counted = true },
};

wki_atomic_u64 world_grown, world_shrunk;

static wki_atomic_u64 items_destroyed, keys_copied, keys_released;

/* Objects. */

static void item_destroy(void *payload)
{
	struct item *item = payload;

	stress_expect(stress_canary_is_whole(&item->canary), "destroyed twice, or overwritten");
	stress_canary_break(&item->canary);
	stress_count(&items_destroyed);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);

struct item *world_item(struct stress_worker *worker, struct spot *spot)
{
	static _Thread_local uint64_t made;
	struct item *item = wk_new(&item_type);

	if (!stress_expect(item != NULL, "no object: %s", wk_strerror(wk_last_status())))
		abort();
	stress_canary_set(&item->canary, ++made * STRESS_THREADS_MAX + worker->index);
	item->spot = spot;
	return item;
}

/* Memory. */

#define ARRAY_BYTES 1024 /* larger than any entry: slots */

static void *tally_allocate(void *context, size_t size, size_t alignment)
{
	struct tally *tally = context;
	uint64_t before;

	(void)atomic_fetch_add_relaxed(&tally->bytes, size);
	if (size >= ARRAY_BYTES) {
		before = atomic_exchange_acq_rel(&tally->array, size);
		if (size != before)
			stress_count(size > before ? &world_grown : &world_shrunk);
	}
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

static uint64_t custom_hash(const void *key, uint64_t seed)
{
	const struct stress_canary *custom = key;

	return (custom->number + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ seed;
}

static bool custom_equal(const void *a, const void *b)
{
	const struct stress_canary *one = a, *other = b;

	stress_expect(stress_canary_is_whole(one) && stress_canary_is_whole(other), "a key was compared after its release");
	return one->number == other->number;
}

static void *custom_copy(const void *key)
{
	struct stress_canary *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *(const struct stress_canary *)key;
	stress_count(&keys_copied);
	return copy;
}

static void custom_release(void *key)
{
	stress_canary_break(key);
	stress_count(&keys_released);
	free(key);
}

static const wk_key_type custom_type = { custom_hash, custom_equal, custom_copy, custom_release, NULL };

wk_key world_key(const struct field *field, const struct spot *spot, union key_memory *memory)
{
	unsigned number = (unsigned)(spot - field->spots);
	int length;

	switch (field->keys) {
	case WK_KEYS_BYTES: /* of many lengths */
		length = snprintf(memory->text, sizeof(memory->text), "%u%.*s", number, (int)(number % 32),
			"................................");
		return wk_key_bytes(memory->text, (size_t)length);
	case WK_KEYS_CUSTOM:
		stress_canary_set(&memory->custom, number);
		return wk_key_custom(&memory->custom);
	default:
		return wk_key_u64(number);
	}
}

/* Fields. */

static void field_begin(struct field *field)
{
	const wk_value_dict_options options = {
		.struct_size = sizeof(options),
		.name = field->name,
		.keys = field->keys,
		.values = field->values,
		.key_type = field->keys == WK_KEYS_CUSTOM ? &custom_type : NULL,
		.value_type = &item_type,
		.allocator = field->counted ? &field->allocator : NULL,
	};
	int status;

	field->allocator = (wk_allocator){ tally_allocate, tally_release, &field->tally };
	field->spot_count = field->each * stress_run.threads;
	field->spots = calloc(field->spot_count, sizeof(*field->spots));
	field->dict = wk_value_dict_new(&options, &status);
	if (!stress_expect(field->dict != NULL && field->spots != NULL, "no dictionary: %s", wk_strerror(status)))
		abort();
}

/* Under sanitizers all blocks have one size, so that lookups go past entries as they do without. */
static void world_start_runtime(void)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .allocator = memory_near() };

	stress_expect(wk_runtime_start(&options) == WK_OK, "no start");
}

void world_begin(void)
{
	struct field *field;

	world_start_runtime();
	for (field = world_fields; field < world_fields + WORLD_FIELDS; field++)
		field_begin(field);
}

static uint64_t world_count(wki_atomic_u64 *count)
{
	return atomic_load_relaxed(count);
}

void world_end(void)
{
	wk_census census = { .struct_size = sizeof(census) };
	struct field *field;

	for (field = world_fields; field < world_fields + WORLD_FIELDS; field++) {
		wk_clear(&field->dict);
		free(field->spots);
	}
	stress_settle_runtime();
	stress_settle_census();
	for (field = world_fields; field < world_fields + WORLD_FIELDS; field++)
		stress_expect(world_count(&field->tally.bytes) == 0, "%s: %llu bytes did not come back", field->name,
			(unsigned long long)world_count(&field->tally.bytes));
	wk_type_census(&item_type, &census);
	stress_expect(census.created == world_count(&items_destroyed), "%llu objects made, destroy ran %llu times",
		(unsigned long long)census.created, (unsigned long long)world_count(&items_destroyed));
	stress_expect(world_count(&keys_copied) == world_count(&keys_released), "%llu keys copied, %llu released",
		(unsigned long long)world_count(&keys_copied), (unsigned long long)world_count(&keys_released));
}
