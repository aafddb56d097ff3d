/*
 * weakref/value_dict.h: what an entry costs, what happens when there is no memory for one, and that everything goes
 * back
 *
 * The runtime runs on an allocator that counts, without threads of its own: nothing is allocated or freed but by what
 * a test does. What a thread has retired waits with it for a while, so scenarios that must leave nothing behind run
 * on a thread of their own.
 */
#include "runtime_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/memory.h"
#include "support/threads.h"

#define ENTRY_BYTES_MAX 96 /* of entry and slots, at steady state */

static struct memory memory;
static const wk_allocator allocator = { memory_allocate, memory_release, &memory };

struct thing {
	uint64_t id;
};
WK_DEFINE_TYPE(thing_type, struct thing, .flags = 0);

static int setup(void **state)
{
	const wk_runtime_options options = {
		.struct_size = sizeof(options), .thread = WK_THREAD_NONE, .allocator = &allocator
	};

	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

/* Everything that is due has been done, and what that made due. */
static long bytes_at_rest(void)
{
	do
		settle();
	while (wk_runtime_poll(SIZE_MAX) > 0);
	return memory.bytes;
}

/* What an entry costs. */

static wk_value_dict *dict_new(wk_key_kind keys, wk_value_mode values)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options), .keys = keys, .values = values };

	return wk_value_dict_new(&options, NULL);
}

static wk_key key_of(wk_key_kind keys, unsigned i, char *text, size_t size)
{
	if (keys == WK_KEYS_U64)
		return wk_key_u64(i);
	snprintf(text, size, "key-%08u", i);
	return wk_key_string(text);
}

/* Sizes all along a doubling of the table, each at rest; a text key costs what it is longer than 4 bytes, up to the next of malloc's steps. */
static void check_footprint(wk_key_kind keys, wk_value_mode values, long key_bytes)
{
	enum { FIRST = 20000, LAST = 42000, STEP = 1000 };
	static struct thing *things[LAST];
	wk_value_dict *dict = dict_new(keys, values);
	char text[32];
	long before, used;

	for (unsigned i = 0; i < LAST; i++)
		things[i] = wk_new(&thing_type);
	before = bytes_at_rest();
	for (unsigned i = 0; i < LAST; i++) {
		assert_int_equal(wk_value_dict_insert(dict, key_of(keys, i, text, sizeof(text)), things[i]), WK_CREATED);
		if (i + 1 < FIRST || (i + 1) % STEP != 0)
			continue;
		used = (bytes_at_rest() - before) / (long)(i + 1);
		assert_in_range(used, 48, ENTRY_BYTES_MAX + key_bytes);
	}
	for (unsigned i = 0; i < LAST; i++)
		wk_release(things[i]);
	wk_release(dict);
	(void)bytes_at_rest();
}

static void test_an_entry_costs_little(void **state)
{
	(void)state;
	check_footprint(WK_KEYS_U64, WK_VALUES_WEAK, 0);
	check_footprint(WK_KEYS_U64, WK_VALUES_STRONG, 0);
	check_footprint(WK_KEYS_BYTES, WK_VALUES_WEAK, 16);
}

/* The same where entries come and go: they leave nothing. */
static void test_what_passes_costs_nothing(void **state)
{
	enum { LIVE = 20000, PASSING = 200000 };
	static struct thing *things[LIVE];
	wk_value_dict *dict = dict_new(WK_KEYS_U64, WK_VALUES_WEAK);
	long before, used;

	(void)state;
	for (unsigned i = 0; i < LIVE; i++)
		things[i] = wk_new(&thing_type);
	before = bytes_at_rest();
	for (unsigned i = 0; i < LIVE; i++)
		assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(i), things[i]), WK_CREATED);
	for (unsigned i = 0; i < PASSING; i++) {
		struct thing *passing = wk_new(&thing_type);

		assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(LIVE + i), passing), WK_CREATED);
		wk_release(passing);
	}
	used = (bytes_at_rest() - before) / LIVE;
	assert_in_range(used, 48, ENTRY_BYTES_MAX);
	for (unsigned i = 0; i < LIVE; i++)
		wk_release(things[i]);
	wk_release(dict);
	(void)bytes_at_rest();
}

/* No memory: a scenario runs again and again, each time with another allocation of it failing. */

struct failing {
	unsigned (*scenario)(void); /* returns how often something did not hold */
	unsigned wrong;
	unsigned long failures; /* allocations that have failed */
};

static void failing_body(void *context)
{
	struct failing *failing = context;
	unsigned long fail, failed;

	for (fail = 1;; fail++) {
		failed = memory.failed;
		memory_fail_at(&memory, fail);
		failing->wrong += failing->scenario();
		memory_fail_at(&memory, 0);
		failing->failures += memory.failed - failed;
		if (memory.failed == failed)
			return;
	}
}

/* `least`: so many allocations there are at least, each of which has failed once. Nothing of it is left. */
static void fail_each(unsigned (*scenario)(void), unsigned long least)
{
	struct failing warm = { scenario, 0, 0 }, failing = warm;
	long before;

	threads_alone(failing_body, &warm, 0); /* records of threads and types stay for good */
	before = bytes_at_rest();
	threads_alone(failing_body, &failing, 0);
	assert_int_equal(failing.wrong, 0);
	assert_true(failing.failures >= least);
	assert_int_equal(bytes_at_rest(), before);
	assert_int_equal(memory.wrong, 0);
}

static unsigned new_scenario(void)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options), .expected = 1000 };
	int status = 1;
	unsigned long failed = memory.failed;
	wk_value_dict *dict = wk_value_dict_new(&options, &status);
	unsigned wrong = 0;

	wrong += (dict == NULL) != (status == WK_ENOMEM);
	wrong += dict != NULL && status != WK_OK;
	wrong += dict == NULL && memory.failed == failed;
	wk_release(dict);
	return wrong;
}

static void test_no_memory_for_a_dictionary(void **state)
{
	(void)state;
	fail_each(new_scenario, 3);
}

/* Storing by one function into a bucket that is full, so that there is an overflow bucket to be made, too. */
static int (*store)(wk_value_dict *dict, wk_key key, struct thing *thing);

static int store_get_or_insert(wk_value_dict *dict, wk_key key, struct thing *thing)
{
	int status = 1;

	wk_release(wk_value_dict_get_or_insert(dict, key, thing, &status));
	return status;
}

static int store_set(wk_value_dict *dict, wk_key key, struct thing *thing)
{
	return wk_value_dict_set(dict, key, thing);
}

static int store_insert(wk_value_dict *dict, wk_key key, struct thing *thing)
{
	return wk_value_dict_insert(dict, key, thing);
}

/* A factory whose own constructor may be what fails. */
static void *make(wk_key key, void *context, int *status)
{
	(void)key;
	(void)context;
	(void)status; /* begins as WK_ENOMEM */
	return wk_new(&thing_type);
}

static int store_create(wk_value_dict *dict, wk_key key, wk_create_mode mode)
{
	int status = 1;
	struct thing *made = wk_value_dict_get_or_create(dict, key, mode, make, NULL, &status);

	if ((made == NULL) != (status == WK_ENOMEM))
		status = 1;
	(void)wk_value_dict_remove(dict, key); /* weak: it would be gone with `made` */
	wk_release(made);
	return status;
}

static int store_once(wk_value_dict *dict, wk_key key, struct thing *thing)
{
	(void)thing;
	return store_create(dict, key, WK_CREATE_ONCE);
}

static int store_race(wk_value_dict *dict, wk_key key, struct thing *thing)
{
	(void)thing;
	return store_create(dict, key, WK_CREATE_RACE);
}

static int store_try(wk_value_dict *dict, wk_key key, struct thing *thing)
{
	(void)thing;
	return store_create(dict, key, WK_CREATE_TRY);
}

static unsigned store_scenario(void)
{
	enum { COUNT = 30 };
	wk_value_dict *dict;
	struct thing *things[COUNT];
	unsigned wrong = 0;
	size_t before;
	int status;

	dict = dict_new(WK_KEYS_U64, WK_VALUES_WEAK);
	for (unsigned i = 0; i < COUNT; i++)
		things[i] = wk_new(&thing_type);
	for (unsigned i = 0; dict != NULL && i < COUNT; i++) {
		if (things[i] == NULL)
			continue; /* that one was the failure */
		before = wk_value_dict_len(dict);
		status = store(dict, wk_key_u64(i), things[i]);
		wrong += status != WK_CREATED && status != WK_ENOMEM;
		if (status != WK_ENOMEM)
			continue;
		wrong += wk_value_dict_len(dict) != before;
		wrong += wk_value_dict_contains(dict, wk_key_u64(i));
		wrong += store(dict, wk_key_u64(i), things[i]) != WK_CREATED;
	}
	for (unsigned i = 0; i < COUNT; i++)
		wk_release(things[i]);
	wrong += dict != NULL && wk_value_dict_len(dict) != 0;
	wk_release(dict);
	return wrong;
}

static void test_no_memory_to_store(void **state)
{
	(void)state;
	store = store_set;
	fail_each(store_scenario, 60);
	store = store_insert;
	fail_each(store_scenario, 60);
	store = store_get_or_insert;
	fail_each(store_scenario, 60);
}

static void test_no_memory_to_create(void **state)
{
	(void)state;
	store = store_once;
	fail_each(store_scenario, 90);
	store = store_race;
	fail_each(store_scenario, 60);
	store = store_try;
	fail_each(store_scenario, 90);
}

/* Whole dictionaries: a copy is whole or is not. */
static wk_key_kind copied_keys;

static wk_value_dict *filled(struct thing *thing, unsigned count)
{
	wk_value_dict *dict = dict_new(copied_keys, WK_VALUES_STRONG);
	char text[32];

	for (unsigned i = 0; dict != NULL && thing != NULL && i < count; i++)
		(void)!wk_value_dict_set(dict, key_of(copied_keys, i, text, sizeof(text)), thing);
	return dict;
}

static unsigned copy_scenario(void)
{
	struct thing *thing = wk_new(&thing_type);
	wk_value_dict *dict = filled(thing, 30), *copy = NULL, *merged = NULL;
	size_t len = dict != NULL ? wk_value_dict_len(dict) : 0;
	unsigned wrong = 0;
	int status;

	if (dict != NULL) {
		copy = wk_value_dict_copy(dict, &status);
		wrong += copy == NULL ? status != WK_ENOMEM : status != WK_OK || wk_value_dict_len(copy) != len;
	}
	if (copy != NULL) {
		merged = wk_value_dict_merge(dict, copy, &status);
		wrong += merged == NULL ? status != WK_ENOMEM : status != WK_OK || wk_value_dict_len(merged) != len;
		wk_value_dict_clear(copy);
		status = wk_value_dict_update(copy, dict);
		wrong += status != WK_ENOMEM && (status != WK_OK || wk_value_dict_len(copy) != len);
	}
	wk_release(dict);
	wk_release(copy);
	wk_release(merged);
	wk_release(thing);
	return wrong;
}

static void test_no_memory_to_copy(void **state)
{
	(void)state;
	for (copied_keys = WK_KEYS_U64; copied_keys <= WK_KEYS_BYTES; copied_keys++)
		fail_each(copy_scenario, 90);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_entry_costs_little),
		cmocka_unit_test(test_what_passes_costs_nothing),
		cmocka_unit_test(test_no_memory_for_a_dictionary),
		cmocka_unit_test(test_no_memory_to_store),
		cmocka_unit_test(test_no_memory_to_create),
		cmocka_unit_test(test_no_memory_to_copy),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/value_dict.h, memory", tests, setup, NULL);
}
