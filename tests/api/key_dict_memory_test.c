/*
 * weakref/key_dict.h: what entries cost, what happens when there is no memory for one, and that everything goes back
 *
 * The runtime runs on an allocator that counts, without threads of its own: nothing is allocated or freed but by what
 * a test does. What a thread has retired waits with it for a while, so scenarios that must leave nothing behind run
 * on a thread of their own.
 */
#include "runtime_fixture.h"

#include "support/memory.h"
#include "support/threads.h"

#define COUNT 40u

static struct memory memory;
static const wk_allocator allocator = { memory_allocate, memory_release, &memory };

struct thing {
	uint64_t id;
};

static uint64_t thing_hash(const void *payload)
{
	return ((const struct thing *)payload)->id;
}

static bool thing_equal(const void *a, const void *b)
{
	return ((const struct thing *)a)->id == ((const struct thing *)b)->id;
}

WK_DEFINE_TYPE(thing_type, struct thing, .hash = thing_hash, .equal = thing_equal);

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

static unsigned released;

static void plain_release(void *value)
{
	(void)value;
	released++;
}

static wk_compare compare;
static wk_hold hold;

static wk_key_dict *dict_of(void (*release)(void *), const wk_allocator *own)
{
	const wk_key_dict_options options = { .struct_size = sizeof(options),
					      .compare = compare,
					      .values = hold,
					      .release_value = hold == WK_HOLD_PLAIN ? release : NULL,
					      .allocator = own };

	return wk_key_dict_new(&options, NULL);
}

static struct thing *thing_new(uint64_t id)
{
	struct thing *thing = wk_new(&thing_type);

	if (thing != NULL)
		thing->id = id;
	return thing;
}

/* What an entry costs at rest, right after a doubling too: about 16 bytes more than a member of a set, and a box. */
static void test_what_an_entry_costs(void **state)
{
	enum { MANY = 21000, BYTES_MAX = 112, BOX = 64 };
	static struct thing *keys[MANY];
	struct thing *value = thing_new(0);
	wk_key_dict *dict;
	long before, used;

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		keys[i] = thing_new(i);
	for (hold = WK_HOLD_STRONG; hold <= WK_HOLD_PLAIN; hold++) {
		before = bytes_at_rest();
		dict = dict_of(plain_release, NULL);
		for (unsigned i = 0; i < MANY; i++)
			assert_int_equal(wk_key_dict_set(dict, keys[i], value), WK_CREATED);
		used = (bytes_at_rest() - before) / MANY;
		assert_in_range(used, 48, BYTES_MAX + (hold == WK_HOLD_STRONG ? 0 : BOX));
		wk_release(dict);
		(void)bytes_at_rest();
	}
	for (unsigned i = 0; i < MANY; i++)
		wk_release(keys[i]);
	wk_release(value);
}

/* A lookup allocates nothing, and neither does a strong value in place of another. */
static void test_what_allocates_nothing(void **state)
{
	struct thing *key = thing_new(1), *one = thing_new(1), *two = thing_new(2), *got;
	unsigned long calls;
	wk_key_dict *dict;

	(void)state;
	hold = WK_HOLD_STRONG;
	for (compare = WK_BY_IDENTITY; compare <= WK_BY_EQUALITY; compare++) {
		dict = dict_of(NULL, NULL);
		assert_int_equal(wk_key_dict_set(dict, key, one), WK_CREATED);
		calls = memory.calls;
		assert_int_equal(wk_key_dict_set(dict, key, two), WK_OK);
		assert_int_equal(wk_key_dict_insert(dict, key, one), WK_EEXISTS);
		got = wk_key_dict_get_or_insert(dict, key, one, NULL);
		assert_ptr_equal(got, two);
		wk_release(got);
		got = wk_key_dict_pop(dict, key);
		assert_ptr_equal(got, two);
		wk_release(got);
		assert_int_equal(memory.calls, calls);
		wk_release(dict);
	}
	wk_release(key);
	wk_release(one);
	wk_release(two);
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

static void fail_each_variant(unsigned (*scenario)(void), unsigned long least)
{
	for (compare = WK_BY_IDENTITY; compare <= WK_BY_EQUALITY; compare++) {
		for (hold = WK_HOLD_STRONG; hold <= WK_HOLD_PLAIN; hold++)
			fail_each(scenario, least);
	}
}

static unsigned new_scenario(void)
{
	const wk_key_dict_options options = { .struct_size = sizeof(options), .expected = 1000 };
	int status = 1;
	wk_key_dict *dict = wk_key_dict_new(&options, &status);
	unsigned wrong = dict == NULL ? status != WK_ENOMEM : status != WK_OK;

	wk_release(dict);
	return wrong;
}

static void test_promise_20_no_memory_for_a_dictionary(void **state)
{
	(void)state;
	fail_each(new_scenario, 3);
}

/* Storing by one function after another. Plain values are things too, and here nobody destroys them. */
static int (*store)(wk_key_dict *dict, const struct thing *key, struct thing *value);

static int store_set(wk_key_dict *dict, const struct thing *key, struct thing *value)
{
	return wk_key_dict_set(dict, key, value);
}

static int store_insert(wk_key_dict *dict, const struct thing *key, struct thing *value)
{
	return wk_key_dict_insert(dict, key, value);
}

static int store_get_or_insert(wk_key_dict *dict, const struct thing *key, struct thing *value)
{
	int status = 1;
	void *got = wk_key_dict_get_or_insert(dict, key, value, &status);

	if (hold != WK_HOLD_PLAIN)
		wk_release(got);
	return status;
}

static void *make(const void *key, void *context, int *status)
{
	(void)key;
	(void)status;
	return hold == WK_HOLD_PLAIN ? context : wk_retain(context);
}

static int store_create(wk_key_dict *dict, const struct thing *key, struct thing *value)
{
	int status = 1;
	void *got = wk_key_dict_get_or_create(dict, key, WK_CREATE_ONCE, make, value, &status);

	if (hold != WK_HOLD_PLAIN)
		wk_release(got);
	return status;
}

/* A value that fails to be stored stays the caller's; one that is there stays. */
static unsigned store_one(wk_key_dict *dict, const struct thing *key, struct thing *value)
{
	size_t before = wk_key_dict_len(dict);
	int status = store(dict, key, value);
	unsigned wrong = status != WK_CREATED && status != WK_ENOMEM;

	if (status == WK_ENOMEM) {
		wrong += wk_key_dict_len(dict) != before || wk_key_dict_contains(dict, key);
		wrong += store(dict, key, value) != WK_CREATED;
	}
	status = wk_key_dict_set(dict, key, value);
	wrong += status != WK_OK && status != WK_ENOMEM;
	return wrong + !wk_key_dict_contains(dict, key);
}

static unsigned store_scenario(void)
{
	wk_key_dict *dict = dict_of(NULL, NULL);
	struct thing *keys[COUNT], *values[COUNT];
	unsigned wrong = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		keys[i] = thing_new(i);
		values[i] = thing_new(i);
		if (dict != NULL && keys[i] != NULL && values[i] != NULL) /* else that one was the failure */
			wrong += store_one(dict, keys[i], values[i]);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		wk_release(keys[i]);
		wk_release(values[i]);
	}
	wrong += dict != NULL && wk_key_dict_len(dict) != 0;
	wk_release(dict);
	return wrong;
}

static void test_promise_20_no_memory_to_store(void **state)
{
	(void)state;
	store = store_set;
	fail_each_variant(store_scenario, 100);
	store = store_insert;
	fail_each_variant(store_scenario, 100);
	store = store_get_or_insert;
	fail_each_variant(store_scenario, 100);
}

static void test_promise_20_no_memory_to_create(void **state)
{
	(void)state;
	store = store_create;
	fail_each_variant(store_scenario, 140);
}

/* A plain product that cannot be stored is destroyed. */
static unsigned product_scenario(void)
{
	wk_key_dict *dict = dict_of(plain_release, NULL);
	struct thing *key = thing_new(1);
	static char made;
	unsigned wrong = 0;
	int status = 1;

	released = 0;
	if (dict != NULL && key != NULL) {
		(void)!wk_key_dict_get_or_create(dict, key, WK_CREATE_RACE, make, &made, &status);
		wrong += status != WK_CREATED && status != WK_ENOMEM;
	}
	wk_release(key);
	wk_release(dict);
	return wrong;
}

static void test_promise_20_no_memory_for_a_product(void **state)
{
	(void)state;
	hold = WK_HOLD_PLAIN;
	for (compare = WK_BY_IDENTITY; compare <= WK_BY_EQUALITY; compare++)
		fail_each(product_scenario, 5);
}

/* Whole dictionaries. */
static unsigned bulk_scenario(void)
{
	wk_key_dict *dict = dict_of(NULL, NULL), *copy, *merged;
	struct thing *keys[COUNT];
	unsigned wrong = 0;
	size_t len;
	int status;

	for (unsigned i = 0; i < COUNT; i++) {
		keys[i] = thing_new(i);
		if (dict != NULL && keys[i] != NULL)
			wrong += wk_key_dict_set(dict, keys[i], keys[0] != NULL ? keys[0] : keys[i]) < 0 && memory.fail_at > memory.calls;
	}
	len = dict != NULL ? wk_key_dict_len(dict) : 0;
	copy = dict != NULL ? wk_key_dict_copy(dict, &status) : NULL;
	wrong += dict != NULL && (copy == NULL) != (status == WK_ENOMEM);
	wrong += copy != NULL && wk_key_dict_len(copy) != len;
	merged = dict != NULL ? wk_key_dict_merge(dict, copy != NULL ? copy : dict, &status) : NULL;
	wrong += dict != NULL && (merged == NULL) != (status == WK_ENOMEM);
	wrong += merged != NULL && wk_key_dict_len(merged) != len;
	status = dict != NULL && merged != NULL ? wk_key_dict_update(dict, merged) : WK_OK;
	wrong += status != WK_OK && status != WK_ENOMEM;
	wk_release(dict);
	wk_release(copy);
	wk_release(merged);
	for (unsigned i = 0; i < COUNT; i++)
		wk_release(keys[i]);
	return wrong;
}

static void test_promise_20_no_memory_for_copies(void **state)
{
	(void)state;
	fail_each_variant(bulk_scenario, 3 * COUNT);
}

/* A dictionary's own allocator serves all of it but the object itself. */
static void test_an_allocator_of_its_own(void **state)
{
	static struct memory own_memory;
	static const wk_allocator own = { memory_allocate, memory_release, &own_memory };
	struct thing *key = thing_new(1), *value = thing_new(2);
	wk_key_dict *dict;

	(void)state;
	for (compare = WK_BY_IDENTITY; compare <= WK_BY_EQUALITY; compare++) {
		for (hold = WK_HOLD_STRONG; hold <= WK_HOLD_PLAIN; hold++) {
			unsigned long calls = own_memory.calls;

			dict = dict_of(plain_release, &own);
			assert_int_equal(wk_key_dict_set(dict, key, value), WK_CREATED);
			assert_int_equal(wk_key_dict_set(dict, key, value), WK_OK);
			assert_true(own_memory.calls >= calls + (hold == WK_HOLD_STRONG ? 2 : 4));
			wk_release(dict);
		}
	}
	wk_release(key);
	wk_release(value);
	(void)bytes_at_rest();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_an_entry_costs),
		cmocka_unit_test(test_what_allocates_nothing),
		cmocka_unit_test(test_promise_20_no_memory_for_a_dictionary),
		cmocka_unit_test(test_promise_20_no_memory_to_store),
		cmocka_unit_test(test_promise_20_no_memory_to_create),
		cmocka_unit_test(test_promise_20_no_memory_for_a_product),
		cmocka_unit_test(test_promise_20_no_memory_for_copies),
		cmocka_unit_test(test_an_allocator_of_its_own),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/key_dict.h, memory", tests, setup, NULL);
}
