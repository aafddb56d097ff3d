/*
 * weakref/value_dict.h by one thread: what each call answers, who owns what, keys of every kind
 */
#include "runtime_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/child.h"
#include "support/memory.h"

struct thing {
	uint64_t id;
};
WK_DEFINE_TYPE(thing_type, struct thing, .flags = 0);
WK_DEFINE_TYPE(other_type, struct thing, .flags = 0);
WK_DEFINE_TYPE(closed_type, struct thing, .flags = WK_TYPE_NO_WEAK);

static unsigned ended;

static void thing_destroy(void *payload)
{
	(void)payload;
	ended++;
}

WK_DEFINE_TYPE(prompt_type, struct thing, .flags = WK_TYPE_PROMPT, .destroy = thing_destroy);

static struct thing *thing_new(uint64_t id)
{
	struct thing *thing = wk_new(&thing_type);

	assert_non_null(thing);
	thing->id = id;
	return thing;
}

static wk_value_dict *dict_of(wk_key_kind keys, wk_value_mode values)
{
	const wk_value_dict_options options = {
		.struct_size = sizeof(options), .name = "things", .keys = keys, .values = values
	};
	int status = 1;
	wk_value_dict *dict = wk_value_dict_new(&options, &status);

	assert_int_equal(status, WK_OK);
	assert_non_null(dict);
	return dict;
}

static wk_value_dict *weak_dict(void)
{
	return dict_of(WK_KEYS_U64, WK_VALUES_WEAK);
}

static wk_value_dict *strong_dict(void)
{
	return dict_of(WK_KEYS_U64, WK_VALUES_STRONG);
}

/* What get answers, given back at once: only for comparing. */
static const void *look(const wk_value_dict *dict, wk_key key)
{
	const void *object = wk_value_dict_get(dict, key);

	wk_release(object);
	return object;
}

/* Beginnings. */

static int new_status(const wk_value_dict_options *options)
{
	int status = 1;

	assert_null(wk_value_dict_new(options, &status));
	assert_null(wk_value_dict_new(options, NULL));
	return status;
}

static uint64_t key_hash(const void *key, uint64_t seed)
{
	(void)seed;
	return strlen(key);
}

static bool key_equal(const void *a, const void *b)
{
	return strcmp(a, b) == 0;
}

static void *key_copy(const void *key)
{
	return strdup(key);
}

static void test_new_refuses(void **state)
{
	const wk_key_type whole = { key_hash, key_equal, key_copy, free, NULL };
	const wk_value_dict_options fine = { .struct_size = sizeof(fine) };
	wk_value_dict_options options;
	wk_key_type part;

	(void)state;
	options = fine;
	options.struct_size--;
	assert_int_equal(new_status(&options), WK_EINVAL);
	options = fine;
	options.keys = (wk_key_kind)(WK_KEYS_CUSTOM + 1);
	assert_int_equal(new_status(&options), WK_EINVAL);
	options = fine;
	options.values = (wk_value_mode)(WK_VALUES_STRONG + 1);
	assert_int_equal(new_status(&options), WK_EINVAL);
	options = fine;
	options.value_type = &closed_type;
	assert_int_equal(new_status(&options), WK_ETYPE);
	options = fine;
	options.keys = WK_KEYS_CUSTOM;
	assert_int_equal(new_status(&options), WK_EINVAL);
	options.key_type = &part;
	part = whole;
	part.hash = NULL;
	assert_int_equal(new_status(&options), WK_EINVAL);
	part = whole;
	part.equal = NULL;
	assert_int_equal(new_status(&options), WK_EINVAL);
	part = whole;
	part.copy = NULL;
	assert_int_equal(new_status(&options), WK_EINVAL);
}

static void test_new_by_default(void **state)
{
	wk_value_dict *dict = wk_value_dict_new(NULL, NULL);
	struct thing *thing = thing_new(1);

	(void)state;
	assert_non_null(dict);
	assert_int_equal(wk_value_dict_len(dict), 0);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(1), thing), WK_CREATED);
	wk_release(thing);
	assert_int_equal(wk_value_dict_len(dict), 0);
	wk_release(dict);
}

/* A dictionary is an object like any other: its entries do not keep it alive, nor it them. */
static void test_a_dictionary_is_an_object(void **state)
{
	wk_value_dict *dict = weak_dict();
	struct thing *thing = thing_new(1);
	wk_weak *weak = wk_downgrade(dict);

	(void)state;
	assert_non_null(weak);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(1), thing), WK_CREATED);
	assert_ptr_equal(wk_upgrade(weak), dict);
	wk_release(dict);
	assert_false(wk_weak_expired(weak));
	wk_release(dict);
	assert_true(wk_weak_expired(weak));
	wk_weak_release(weak);
	settle();
	assert_int_equal(wk_strong_count(thing), 1);
	wk_release(thing);
}

/* Setting and getting. */

static void test_set_and_get(void **state)
{
	wk_value_dict *dict = weak_dict();
	struct thing *one = thing_new(1), *two = thing_new(2);

	(void)state;
	assert_null(wk_value_dict_get(dict, wk_key_u64(7)));
	assert_false(wk_value_dict_contains(dict, wk_key_u64(7)));
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), one), WK_CREATED);
	assert_ptr_equal(look(dict, wk_key_u64(7)), one);
	assert_true(wk_value_dict_contains(dict, wk_key_u64(7)));
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), two), WK_OK);
	assert_ptr_equal(look(dict, wk_key_u64(7)), two);
	assert_int_equal(wk_value_dict_len(dict), 1);
	assert_int_equal(wk_strong_count(one), 1);
	assert_int_equal(wk_strong_count(two), 1);
	wk_release(one);
	wk_release(two);
	wk_release(dict);
}

/* The same object under many keys, and set again under the one it has. */
static void test_one_object_many_times(void **state)
{
	wk_value_dict *dict = weak_dict();
	struct thing *thing = thing_new(1);

	(void)state;
	for (uint64_t key = 0; key < 100; key++)
		assert_int_equal(wk_value_dict_set(dict, wk_key_u64(key), thing), WK_CREATED);
	for (uint64_t round = 0; round < 100; round++)
		assert_int_equal(wk_value_dict_set(dict, wk_key_u64(5), thing), WK_OK);
	assert_int_equal(wk_value_dict_len(dict), 100);
	assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(6)), WK_OK);
	wk_release(thing);
	assert_int_equal(wk_value_dict_len(dict), 0);
	wk_release(dict);
}

static void test_death_empties_the_key(void **state)
{
	wk_value_dict *dict = weak_dict();
	struct thing *thing = thing_new(1);

	(void)state;
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), thing), WK_CREATED);
	wk_release(thing);
	assert_int_equal(wk_value_dict_len(dict), 0);
	assert_null(look(dict, wk_key_u64(7)));
	assert_false(wk_value_dict_contains(dict, wk_key_u64(7)));
	assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(7)), WK_ENOTFOUND);
	assert_null(wk_value_dict_pop(dict, wk_key_u64(7)));
	thing = thing_new(2);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), thing), WK_CREATED);
	assert_int_equal(wk_value_dict_len(dict), 1);
	wk_release(thing);
	wk_release(dict);
}

static void test_what_cannot_be_stored(void **state)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options), .value_type = &thing_type };
	wk_value_dict *dict = wk_value_dict_new(&options, NULL), *any = weak_dict(), *strong = strong_dict();
	struct thing *other = wk_new(&other_type), *closed = wk_new(&closed_type);
	int status = 1;

	(void)state;
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(1), NULL), WK_EINVAL);
	assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(1), NULL), WK_EINVAL);
	assert_null(wk_value_dict_get_or_insert(dict, wk_key_u64(1), NULL, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(1), other), WK_ETYPE);
	assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(1), other), WK_ETYPE);
	assert_null(wk_value_dict_get_or_insert(dict, wk_key_u64(1), other, &status));
	assert_int_equal(status, WK_ETYPE);
	assert_int_equal(wk_value_dict_set(any, wk_key_u64(1), other), WK_CREATED);
	assert_int_equal(wk_value_dict_set(any, wk_key_u64(2), closed), WK_ETYPE);
	assert_int_equal(wk_value_dict_set(strong, wk_key_u64(2), closed), WK_CREATED);
	wk_release(other);
	wk_release(closed);
	wk_release(strong);
	wk_release(any);
	wk_release(dict);
}

static void test_insert(void **state)
{
	wk_value_dict *dict = weak_dict();
	struct thing *one = thing_new(1), *two = thing_new(2);

	(void)state;
	assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(7), one), WK_CREATED);
	assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(7), two), WK_EEXISTS);
	assert_ptr_equal(look(dict, wk_key_u64(7)), one);
	wk_release(one);
	assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(7), two), WK_CREATED);
	assert_ptr_equal(look(dict, wk_key_u64(7)), two);
	wk_release(two);
	wk_release(dict);
}

static void test_get_or_insert(void **state)
{
	wk_value_dict *dict = weak_dict();
	struct thing *one = thing_new(1), *two = thing_new(2);
	int status = 1;

	(void)state;
	assert_ptr_equal(wk_value_dict_get_or_insert(dict, wk_key_u64(7), one, &status), one);
	assert_int_equal(status, WK_CREATED);
	assert_int_equal(wk_strong_count(one), 2);
	assert_ptr_equal(wk_value_dict_get_or_insert(dict, wk_key_u64(7), two, &status), one);
	assert_int_equal(status, WK_OK);
	assert_int_equal(wk_strong_count(one), 3);
	assert_int_equal(wk_strong_count(two), 1);
	wk_release_many(one, 3);
	wk_release(two);
	wk_release(dict);
}

/* A live key needs no memory to say so. */
static struct memory memory;
static const wk_allocator counting = { .allocate = memory_allocate, .release = memory_release, .context = &memory };

static void test_insert_of_a_live_key_allocates_nothing(void **state)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options), .allocator = &counting };
	wk_value_dict *dict = wk_value_dict_new(&options, NULL);
	struct thing *one = thing_new(1), *two = thing_new(2);
	unsigned long calls;

	(void)state;
	assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(7), one), WK_CREATED);
	calls = memory.calls;
	assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(7), two), WK_EEXISTS);
	wk_release(wk_value_dict_get_or_insert(dict, wk_key_u64(7), two, NULL));
	wk_release(wk_value_dict_get(dict, wk_key_u64(7)));
	assert_int_equal(memory.calls, calls);
	wk_release(one);
	wk_release(two);
	wk_release(dict);
}

/* Peeking. */

static void test_peek(void **state)
{
	wk_value_dict *dict = weak_dict();
	struct thing *thing = thing_new(1), *kept;

	(void)state;
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), thing), WK_CREATED);
	wk_read_lock();
	assert_ptr_equal(wk_value_dict_peek(dict, wk_key_u64(7)), thing);
	assert_int_equal(wk_strong_count(thing), 1);
	assert_null(wk_value_dict_peek(dict, wk_key_u64(8)));
	kept = wk_try_retain(wk_value_dict_peek(dict, wk_key_u64(7)));
	wk_release(thing);
	wk_release(kept);
	assert_null(wk_value_dict_peek(dict, wk_key_u64(7)));
	assert_int_equal(thing->id, 1); /* intact until the section ends */
	wk_read_unlock();
	wk_release(dict);
}

/* Prompt types end with their last release, so nobody may borrow them; getting them is fine. */
static void test_prompt_values(void **state)
{
	wk_value_dict *dict = strong_dict();
	struct thing *thing = wk_new(&prompt_type);

	(void)state;
	ended = 0;
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), thing), WK_CREATED);
	wk_release(thing);
	wk_read_lock();
	assert_null(wk_value_dict_peek(dict, wk_key_u64(7)));
	wk_read_unlock();
	assert_ptr_equal(look(dict, wk_key_u64(7)), thing);
	assert_int_equal(ended, 0);
	assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(7)), WK_OK);
	assert_int_equal(ended, 1);
	thing = wk_new(&prompt_type);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), thing), WK_CREATED);
	wk_release(thing);
	thing = wk_new(&prompt_type);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), thing), WK_OK);
	assert_int_equal(ended, 2);
	wk_release(thing);
	wk_value_dict_clear(dict);
	assert_int_equal(ended, 3);
	wk_release(dict);
}

/* Taking out. */

static void test_remove(void **state)
{
	wk_value_dict *dict = weak_dict();
	struct thing *thing = thing_new(1);

	(void)state;
	assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(7)), WK_ENOTFOUND);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), thing), WK_CREATED);
	assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(7)), WK_OK);
	assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(7)), WK_ENOTFOUND);
	assert_int_equal(wk_value_dict_len(dict), 0);
	assert_null(look(dict, wk_key_u64(7)));
	assert_int_equal(wk_strong_count(thing), 1);
	wk_release(thing);
	wk_release(dict);
}

static void test_remove_if(void **state)
{
	wk_value_dict *dict = weak_dict();
	struct thing *one = thing_new(1), *two = thing_new(2);

	(void)state;
	assert_int_equal(wk_value_dict_remove_if(dict, wk_key_u64(7), one), WK_ENOTFOUND);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), one), WK_CREATED);
	assert_int_equal(wk_value_dict_remove_if(dict, wk_key_u64(7), two), WK_ENOTFOUND);
	assert_int_equal(wk_value_dict_remove_if(dict, wk_key_u64(7), NULL), WK_ENOTFOUND);
	assert_int_equal(wk_value_dict_len(dict), 1);
	assert_int_equal(wk_value_dict_remove_if(dict, wk_key_u64(7), one), WK_OK);
	assert_int_equal(wk_value_dict_len(dict), 0);
	wk_release(one);
	wk_release(two);
	wk_release(dict);
}

static void test_pop(void **state)
{
	wk_value_dict *dict = weak_dict();
	struct thing *thing = thing_new(1);

	(void)state;
	assert_null(wk_value_dict_pop(dict, wk_key_u64(7)));
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), thing), WK_CREATED);
	assert_ptr_equal(wk_value_dict_pop(dict, wk_key_u64(7)), thing);
	assert_int_equal(wk_strong_count(thing), 2);
	assert_int_equal(wk_value_dict_len(dict), 0);
	assert_null(wk_value_dict_pop(dict, wk_key_u64(7)));
	wk_release_many(thing, 2);
	wk_release(dict);
}

/* Removing from an object that has many entries leaves the others alone. */
static void test_removing_prunes_only_what_was_removed(void **state)
{
	wk_value_dict *dict = weak_dict();
	struct thing *thing = thing_new(1);

	(void)state;
	for (uint64_t key = 0; key < 1000; key++)
		assert_int_equal(wk_value_dict_set(dict, wk_key_u64(key), thing), WK_CREATED);
	for (uint64_t key = 0; key < 1000; key += 2)
		assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(key)), WK_OK);
	for (uint64_t key = 1; key < 1000; key += 2)
		assert_ptr_equal(look(dict, wk_key_u64(key)), thing);
	assert_int_equal(wk_value_dict_len(dict), 500);
	wk_release(thing);
	assert_int_equal(wk_value_dict_len(dict), 0);
	wk_release(dict);
}

/* Strong values. */

static void test_strong_values_stay(void **state)
{
	wk_value_dict *dict = strong_dict();
	struct thing *one = thing_new(1), *two = thing_new(2);

	(void)state;
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), one), WK_CREATED);
	assert_int_equal(wk_strong_count(one), 2);
	assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(7), two), WK_EEXISTS);
	assert_int_equal(wk_strong_count(two), 1);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), two), WK_OK);
	assert_int_equal(wk_strong_count(one), 1);
	assert_int_equal(wk_strong_count(two), 2);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), two), WK_OK); /* in place of itself */
	assert_int_equal(wk_strong_count(two), 2);
	assert_ptr_equal(wk_value_dict_pop(dict, wk_key_u64(7)), two); /* handed over */
	assert_int_equal(wk_strong_count(two), 2);
	wk_release(two);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(7), two), WK_CREATED);
	assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(7)), WK_OK);
	assert_int_equal(wk_strong_count(two), 1);
	wk_release(one);
	wk_release(two);
	wk_release(dict);
}

static void test_strong_values_end_with_the_dictionary(void **state)
{
	wk_census before = census_of(&thing_type), after;
	wk_value_dict *dict = strong_dict();
	struct thing *kept = thing_new(0);

	(void)state;
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(0), kept), WK_CREATED);
	for (uint64_t key = 1; key < 500; key++) {
		struct thing *thing = thing_new(key);

		assert_int_equal(wk_value_dict_set(dict, wk_key_u64(key), thing), WK_CREATED);
		wk_release(thing);
	}
	assert_int_equal(wk_value_dict_len(dict), 500);
	wk_release(dict);
	while (wk_strong_count(kept) > 1)
		settle();
	do {
		settle();
		after = census_of(&thing_type);
	} while (after.destroyed - before.destroyed < 499);
	wk_release(kept);
}

static void test_clear(void **state)
{
	wk_value_dict *weak = weak_dict(), *strong = strong_dict();
	struct thing *thing = thing_new(1);

	(void)state;
	wk_value_dict_clear(weak);
	for (uint64_t key = 0; key < 777; key++) {
		assert_int_equal(wk_value_dict_set(weak, wk_key_u64(key), thing), WK_CREATED);
		assert_int_equal(wk_value_dict_set(strong, wk_key_u64(key), thing), WK_CREATED);
	}
	assert_int_equal(wk_strong_count(thing), 778);
	wk_value_dict_clear(weak);
	wk_value_dict_clear(strong);
	assert_int_equal(wk_value_dict_len(weak), 0);
	assert_int_equal(wk_value_dict_len(strong), 0);
	assert_int_equal(wk_strong_count(thing), 1);
	for (uint64_t key = 0; key < 777; key++)
		assert_null(look(weak, wk_key_u64(key)));
	assert_int_equal(wk_value_dict_insert(weak, wk_key_u64(3), thing), WK_CREATED);
	assert_int_equal(wk_value_dict_len(weak), 1);
	wk_release(thing);
	wk_release(weak);
	wk_release(strong);
}

/* Many at once: batches, rests, repeats, absent ones. */
static void test_get_many(void **state)
{
	enum { COUNT = 101 };
	wk_value_dict *dict = weak_dict();
	struct thing *things[COUNT];
	wk_key keys[2 * COUNT];
	void *objects[2 * COUNT];

	(void)state;
	for (uint64_t i = 0; i < COUNT; i++) {
		things[i] = thing_new(i);
		assert_int_equal(wk_value_dict_set(dict, wk_key_u64(i), things[i]), WK_CREATED);
		keys[2 * i] = wk_key_u64(i);
		keys[2 * i + 1] = wk_key_u64(i % 2 ? i : 100000 + i);
	}
	assert_int_equal(wk_value_dict_get_many(dict, keys, 0, objects), 0);
	assert_int_equal(wk_value_dict_get_many(dict, keys, 2 * COUNT, objects), COUNT + COUNT / 2);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_ptr_equal(objects[2 * i], things[i]);
		assert_ptr_equal(objects[2 * i + 1], i % 2 ? things[i] : NULL);
		assert_int_equal(wk_strong_count(things[i]), i % 2 ? 3 : 2);
	}
	for (unsigned i = 0; i < 2 * COUNT; i++)
		wk_release(objects[i]);
	for (unsigned i = 0; i < COUNT; i++)
		wk_release(things[i]);
	assert_int_equal(wk_value_dict_get_many(dict, keys, 2 * COUNT, objects), 0);
	wk_release(dict);
}

/* Keys. */

static void test_numbers_of_every_size(void **state)
{
	const uint64_t numbers[] = { 0, 1, 42, UINT32_MAX, (uint64_t)1 << 63, UINT64_MAX };
	wk_value_dict *dict = weak_dict();
	struct thing *things[6];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		things[i] = thing_new(numbers[i]);
		assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(numbers[i]), things[i]), WK_CREATED);
	}
	for (unsigned i = 0; i < 6; i++) {
		assert_ptr_equal(look(dict, wk_key_u64(numbers[i])), things[i]);
		wk_release(things[i]);
	}
	wk_release(dict);
}

static void test_bytes(void **state)
{
	wk_value_dict *dict = dict_of(WK_KEYS_BYTES, WK_VALUES_WEAK);
	char bytes[300] = { 0 };
	struct thing *things[301];

	(void)state;
	/* Keys that differ in length only, zeroes all through, the empty one first. */
	for (unsigned length = 0; length <= 300; length++) {
		things[length] = thing_new(length);
		assert_int_equal(wk_value_dict_insert(dict, wk_key_bytes(bytes, length), things[length]), WK_CREATED);
		assert_int_equal(wk_value_dict_insert(dict, wk_key_bytes(bytes, length), things[length]), WK_EEXISTS);
	}
	assert_ptr_equal(look(dict, wk_key_bytes(NULL, 0)), things[0]);
	assert_null(look(dict, wk_key_string("absent")));
	for (unsigned length = 0; length <= 300; length++)
		assert_ptr_equal(look(dict, wk_key_bytes(bytes, length)), things[length]);
	bytes[0] = 1; /* the dictionary has copies of its own */
	assert_null(look(dict, wk_key_bytes(bytes, 5)));
	for (unsigned length = 0; length <= 300; length++)
		wk_release(things[length]);
	assert_int_equal(wk_value_dict_len(dict), 0);
	wk_release(dict);
}

/* A key that is too long is refused before anybody looks at its bytes. */
static void test_a_key_too_long(void **state)
{
	wk_value_dict *dict = dict_of(WK_KEYS_BYTES, WK_VALUES_WEAK);
	wk_key key = wk_key_bytes("x", (size_t)UINT32_MAX + 1);
	struct thing *thing = thing_new(1);
	int status = 1;

	(void)state;
	assert_int_equal(wk_value_dict_set(dict, key, thing), WK_EINVAL);
	assert_int_equal(wk_value_dict_insert(dict, key, thing), WK_EINVAL);
	assert_null(wk_value_dict_get_or_insert(dict, key, thing, &status));
	assert_int_equal(status, WK_EINVAL);
	wk_release(thing);
	wk_release(dict);
}

/* Keys of the program's own: all strings of a length have one hash. */
static _Atomic unsigned long copies, releases;
static bool copying_fails;

static void *counted_copy(const void *key)
{
	if (copying_fails)
		return NULL;
	copies++;
	return strdup(key);
}

static void counted_release(void *key)
{
	releases++;
	free(key);
}

static const wk_key_type string_keys = { key_hash, key_equal, counted_copy, counted_release, NULL };

static void test_custom_keys(void **state)
{
	const wk_value_dict_options options = {
		.struct_size = sizeof(options), .keys = WK_KEYS_CUSTOM, .key_type = &string_keys
	};
	wk_value_dict *dict = wk_value_dict_new(&options, NULL);
	struct thing *things[100];
	char name[16];

	(void)state;
	copies = releases = 0;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "name %u", i);
		things[i] = thing_new(i);
		assert_int_equal(wk_value_dict_insert(dict, wk_key_custom(name), things[i]), WK_CREATED);
		assert_int_equal(wk_value_dict_insert(dict, wk_key_custom(name), things[i]), WK_EEXISTS);
		assert_int_equal(copies, i + 1);
	}
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "name %u", i);
		assert_ptr_equal(look(dict, wk_key_custom(name)), things[i]);
	}
	copying_fails = true;
	assert_int_equal(wk_value_dict_insert(dict, wk_key_custom("another"), things[0]), WK_ENOMEM);
	assert_int_equal(wk_value_dict_insert(dict, wk_key_custom("name 7"), things[0]), WK_EEXISTS);
	assert_int_equal(wk_value_dict_len(dict), 100);
	copying_fails = false;
	for (unsigned i = 0; i < 50; i++)
		wk_release(things[i]);
	assert_int_equal(wk_value_dict_len(dict), 50);
	wk_release(dict);
	for (unsigned i = 50; i < 100; i++)
		wk_release(things[i]);
	while (releases < copies)
		settle();
	settle();
	assert_int_equal(releases, copies);
}

/* Lookups with u64 keys in a dictionary of bytes, and the like, are misuse. */
static void number_in_bytes(void)
{
	wk_value_dict *dict = dict_of(WK_KEYS_BYTES, WK_VALUES_WEAK);

	(void)wk_value_dict_contains(dict, wk_key_u64(1));
}

static void bytes_in_numbers(void)
{
	wk_value_dict *dict = dict_of(WK_KEYS_U64, WK_VALUES_WEAK);

	(void)wk_value_dict_remove(dict, wk_key_string("one"));
}

static bool child_stops(const char *name, const char *text)
{
	struct child_end end = child_run(name);

	return child_aborted(&end) && child_said(&end, text);
}

static void test_a_key_of_another_kind_stops(void **state)
{
	(void)state;
	assert_true(child_stops("number_in_bytes", "value dictionary \"things\": its keys are bytes, this one is not"));
	assert_true(child_stops("bytes_in_numbers", "value dictionary \"things\": its keys are numbers, this one is not"));
}

/*
 * After the end of the runtime what is there can be looked up and taken out, and nothing comes in. Both outlive it:
 * nobody would take a dictionary apart any more.
 */
static void *volatile left_dict, *volatile left_thing;

static void after_shutdown(void)
{
	wk_value_dict *dict = wk_value_dict_new(NULL, NULL);
	struct thing *thing = wk_new(&thing_type);
	int status = wk_value_dict_set(dict, wk_key_u64(1), thing);

	left_dict = dict;
	left_thing = thing;
	child_check(status == WK_CREATED);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(look(dict, wk_key_u64(1)) == thing);
	child_check(wk_value_dict_set(dict, wk_key_u64(2), thing) == WK_ESHUTDOWN);
	child_check(wk_value_dict_insert(dict, wk_key_u64(2), thing) == WK_ESHUTDOWN);
	child_check(wk_value_dict_get_or_insert(dict, wk_key_u64(2), thing, &status) == NULL && status == WK_ESHUTDOWN);
	child_check(wk_value_dict_new(NULL, &status) == NULL && status == WK_ESHUTDOWN);
	child_check(wk_value_dict_len(dict) == 1);
	child_check(wk_value_dict_remove(dict, wk_key_u64(1)) == WK_OK);
	child_check(wk_value_dict_len(dict) == 0);
}

static void test_after_shutdown(void **state)
{
	(void)state;
	assert_true(child_passes("after_shutdown"));
}

/* A destructor may use the dictionary that its object was in. */
static wk_value_dict *registry;
static int in_destroy;

static void registered_destroy(void *payload)
{
	struct thing *thing = payload;

	in_destroy = wk_value_dict_contains(registry, wk_key_u64(thing->id)) ? WK_EEXISTS :
			     wk_value_dict_remove(registry, wk_key_u64(thing->id));
}

WK_DEFINE_TYPE(registered_type, struct thing, .destroy = registered_destroy);

static void test_a_destructor_looks_itself_up(void **state)
{
	struct thing *thing = wk_new(&registered_type);

	(void)state;
	registry = weak_dict();
	thing->id = 5;
	in_destroy = 0;
	assert_int_equal(wk_value_dict_set(registry, wk_key_u64(5), thing), WK_CREATED);
	wk_release(thing);
	settle();
	assert_int_equal(in_destroy, WK_ENOTFOUND);
	wk_release(registry);
}

int main(int argc, char **argv)
{
	static const struct child_case cases[] = {
		{ "number_in_bytes", number_in_bytes },
		{ "bytes_in_numbers", bytes_in_numbers },
		{ "after_shutdown", after_shutdown },
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_refuses),
		cmocka_unit_test(test_new_by_default),
		cmocka_unit_test(test_a_dictionary_is_an_object),
		cmocka_unit_test(test_set_and_get),
		cmocka_unit_test(test_one_object_many_times),
		cmocka_unit_test(test_death_empties_the_key),
		cmocka_unit_test(test_what_cannot_be_stored),
		cmocka_unit_test(test_insert),
		cmocka_unit_test(test_get_or_insert),
		cmocka_unit_test(test_insert_of_a_live_key_allocates_nothing),
		cmocka_unit_test(test_peek),
		cmocka_unit_test(test_prompt_values),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_remove_if),
		cmocka_unit_test(test_pop),
		cmocka_unit_test(test_removing_prunes_only_what_was_removed),
		cmocka_unit_test(test_strong_values_stay),
		cmocka_unit_test(test_strong_values_end_with_the_dictionary),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_get_many),
		cmocka_unit_test(test_numbers_of_every_size),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_a_key_too_long),
		cmocka_unit_test(test_custom_keys),
		cmocka_unit_test(test_a_key_of_another_kind_stops),
		cmocka_unit_test(test_after_shutdown),
		cmocka_unit_test(test_a_destructor_looks_itself_up),
		cmocka_unit_test(test_the_accounts_balance),
	};

	if (child_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0])))
		return 0;
	return cmocka_run_group_tests_name("weakref/value_dict.h", tests, runtime_setup, NULL);
}
