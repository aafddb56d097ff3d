/*
 * Promise 22: threads need no registration, and may end at any time, whatever they have left behind
 */
#include "runtime_fixture.h"

#include <pthread.h>

#include "support/memory.h"
#include "support/threads.h"

static _Atomic unsigned long destroyed;

static void count_destroy(void *payload)
{
	(void)payload;
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(item_type, long, .destroy = count_destroy);
WK_DEFINE_TYPE(plain_type, long, .flags = 0);
WK_DEFINE_TYPE(prompt_type, long, .destroy = count_destroy, .flags = WK_TYPE_PROMPT);

static const wk_type *const types[] = { &item_type, &plain_type, &prompt_type };

/* Everything is counted: what a thread keeps beyond its end would be seen. */
static struct memory memory;
static const wk_allocator allocator = { memory_allocate, memory_release, &memory };

static int setup(void **state)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .allocator = &allocator };

	(void)state;
	return wk_runtime_start(&options) == WK_OK && wk_thread_prepare() == WK_OK ? 0 : -1;
}

static void release_borrowed(void *object)
{
	wk_weak_release(wk_downgrade(object));
	wk_release(object);
}

/* Ends with an open batch, and with what it has counted untold. */
static void leave_things_behind(void *unused)
{
	unsigned i;

	(void)unused;
	for (i = 0; i < 100; i++)
		release_borrowed(wk_new(types[i % 3]));
}

#define THREADS 50

static void test_threads_that_end_with_things_in_limbo(void **state)
{
	unsigned long before = census_of(&plain_type).created;
	unsigned i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		threads_alone(leave_things_behind, NULL, 0);
	settle();
	assert_int_equal(census_of(&plain_type).created - before, 33 * THREADS);
	for (i = 0; i < 3; i++)
		assert_int_equal(census_of(types[i]).created, census_of(types[i]).destroyed);
}

/* One record serves one thread after another. */
static uint64_t threads_known(void)
{
	wk_stats stats = { .struct_size = sizeof(stats) };

	wk_runtime_stats(&stats);
	return stats.threads;
}

static void be_many(void *unused, unsigned index)
{
	(void)unused;
	(void)index;
	leave_things_behind(NULL);
}

static void count_threads(void *counted)
{
	wk_thread_prepare();
	*(uint64_t *)counted = threads_known();
}

static void test_records_are_reused(void **state)
{
	uint64_t counted = 0;
	unsigned i;

	(void)state;
	assert_int_equal(threads_known(), 1); /* this one: the library's own are not the program's */
	threads_alone(count_threads, &counted, 0);
	assert_int_equal(counted, 2);
	for (i = 0; i < 10; i++)
		threads_run(8, be_many, NULL);
	settle();
	assert_int_equal(threads_known(), 1);
}

/* A thread that only releases has no record, and needs none. */

static void *given[300];

static void release_given(void *known)
{
	unsigned i;

	for (i = 0; i < 300; i++)
		wk_release(given[i]);
	*(uint64_t *)known = threads_known();
}

static void test_thread_that_only_releases(void **state)
{
	uint64_t known = 0;
	unsigned i;

	(void)state;
	settle();
	atomic_store(&destroyed, 0);
	for (i = 0; i < 300; i++) {
		given[i] = wk_new(types[i % 3]);
		if (i / 3 % 2 == 0)
			wk_weak_release(wk_downgrade(given[i]));
	}
	threads_alone(release_given, &known, 0);
	assert_int_equal(known, 1);
	settle();
	assert_int_equal(atomic_load(&destroyed), 200);
}

/* Objects in thread-specific data: released while the thread ends, before or after the library has let go of it. */

#define KEYS 8

static pthread_key_t keys[KEYS];

static void release_value(void *object)
{
	wk_weak *weak = wk_downgrade(object);
	void *again = wk_upgrade(weak);

	wk_release(again);
	wk_release(object);
	wk_weak_release(weak);
}

static void fill_keys(void *early)
{
	unsigned i;

	if (early != NULL)
		wk_thread_prepare(); /* the library's destructor was registered with this thread first */
	for (i = 0; i < KEYS; i++)
		pthread_setspecific(keys[i], given[i]);
	if (early == NULL)
		wk_thread_prepare();
}

static void test_releases_in_key_destructors(void **state)
{
	unsigned i, round;
	bool early = true;

	(void)state;
	for (i = 0; i < KEYS; i++)
		assert_int_equal(pthread_key_create(&keys[i], release_value), 0);
	settle();
	atomic_store(&destroyed, 0);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < KEYS; i++)
			given[i] = wk_new(types[(i + round) % 3]);
		threads_alone(fill_keys, round % 2 == 0 ? NULL : &early, 0);
	}
	settle();
	for (i = 0; i < KEYS; i++)
		pthread_key_delete(keys[i]);
	for (i = 0; i < 3; i++)
		assert_int_equal(census_of(types[i]).created, census_of(types[i]).destroyed);
}

/* What is kept for good: one record for each thread that there was at the same time. */
static void test_the_memory_is_given_back(void **state)
{
	(void)state;
	assert_in_range(atomic_load(&memory.blocks), 3, 3 + 8);
	assert_int_equal(atomic_load(&memory.wrong), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_that_end_with_things_in_limbo),
		cmocka_unit_test(test_records_are_reused),
		cmocka_unit_test(test_thread_that_only_releases),
		cmocka_unit_test(test_releases_in_key_destructors),
		cmocka_unit_test(test_the_accounts_balance),
		cmocka_unit_test(test_the_memory_is_given_back),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
