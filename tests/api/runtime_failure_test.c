/*
 * Promise 20: each allocation that the library makes fails in turn
 *
 * Every scenario is a child whose allocator fails at the n-th call, for n = 1, 2, ... until the scenario has run
 * without a failure. What failed says WK_ENOMEM and has changed nothing; in the end nothing is out but the
 * records of threads, which are kept for good.
 */
#include "runtime_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/child.h"
#include "support/memory.h"
#include "support/threads.h"

#define FAILING "WEAKREF_TEST_FAIL_AT"

static struct memory memory;
static const wk_allocator allocator = { memory_allocate, memory_release, &memory };
static const wk_runtime_options options = { .struct_size = sizeof(options), .allocator = &allocator };
static const wk_runtime_options polled = {
	.struct_size = sizeof(polled), .allocator = &allocator, .thread = WK_THREAD_NONE
};

static unsigned destroyed, ran, released;

static void count_destroy(void *payload)
{
	(void)payload;
	destroyed++;
}

static void count_run(void *argument)
{
	(void)argument;
	ran++;
}

static void count_release(void *argument)
{
	(void)argument;
	released++;
}

WK_DEFINE_TYPE(item_type, long, .destroy = count_destroy);
WK_DEFINE_TYPE(plain_type, long, .flags = 0);
WK_DEFINE_TYPE(large_type, char[1000], .destroy = count_destroy);

static void fail_as_told(void)
{
	const char *told = getenv(FAILING);

	memory_fail_at(&memory, told != NULL ? strtoul(told, NULL, 10) : 0);
}

/* Nothing is out but records; exits 3 if a call has failed on the way, so that the parent tries the next one. */
static void settle_accounts(long records)
{
	wk_shutdown_report report = { .struct_size = sizeof(report) };

	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, &report) == WK_OK);
	child_check(report.not_run == 0 && report.still_alive == 0);
	child_check(atomic_load(&memory.wrong) == 0);
	child_check(atomic_load(&memory.blocks) <= records);
	exit(atomic_load(&memory.failed) != 0 ? 3 : 0);
}

/* With the library's threads: their records, and this thread's. */
static void fail_in_starts(void)
{
	fail_as_told();
	child_check(wk_runtime_start(&options) == WK_OK); /* does without records */
	child_check(wk_thread_prepare() == WK_OK || atomic_load(&memory.failed) == 1);
	wk_release(wk_new(&item_type));
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK || atomic_load(&memory.failed) == 1);
	settle_accounts(3);
}

/* Without them, so that each failure hits the call that is meant. */
static void start_polled(void)
{
	child_check(wk_runtime_start(&polled) == WK_OK);
	child_check(wk_thread_prepare() == WK_OK);
	fail_as_told();
}

static void fail_in_constructors(void)
{
	const wk_type *const types[] = { &item_type, &plain_type, &large_type };
	wk_census census = { .struct_size = sizeof(census) };
	void *objects[3];
	unsigned long failed;
	size_t i;

	start_polled();
	for (i = 0; i < 3; i++) {
		failed = atomic_load(&memory.failed);
		objects[i] = wk_new(types[i]);
		child_check((objects[i] == NULL) == (atomic_load(&memory.failed) != failed));
		child_check(objects[i] != NULL || wk_last_status() == WK_ENOMEM);
		if (wk_type_census(types[i], &census) == WK_OK)
			child_check(census.created == (objects[i] != NULL));
		wk_release(objects[i]);
	}
	settle_accounts(1);
}

static void fail_in_queues(void)
{
	int status = WK_OK, posted;
	wk_queue *queue;
	size_t due;
	void *item;

	start_polled();
	queue = wk_queue_new(NULL, &status);
	child_check(queue != NULL || status == WK_ENOMEM);
	posted = queue == NULL ? WK_ENOMEM : wk_queue_post(queue, count_run, NULL, count_release);
	child_check(posted == WK_OK || posted == WK_ENOMEM);
	item = queue == NULL ? NULL : wk_new_with(&item_type, &(wk_new_options){ .destroy_on = queue }, &status);
	child_check(item != NULL || status == WK_ENOMEM);
	due = (size_t)(posted == WK_OK) + (item != NULL);
	child_check(wk_strong_count(queue) == (size_t)(queue != NULL) + (item != NULL));
	wk_release(item);
	(void)wk_runtime_poll(0);
	child_check(wk_queue_pending(queue) == due);
	child_check(wk_queue_drain(queue, 0) == due);
	child_check(ran == (posted == WK_OK) && released == ran && destroyed == (item != NULL));
	child_check(queue == NULL || wk_queue_close(queue, WK_QUEUE_RUN) == WK_OK);
	wk_release(queue);
	(void)wk_runtime_poll(0);
	settle_accounts(1);
}

static void fail_in_barriers(void)
{
	int status;

	start_polled();
	wk_release(wk_new(&item_type));
	status = wk_barrier(WK_NO_TIMEOUT);
	child_check(status == WK_OK || (status == WK_ENOMEM && atomic_load(&memory.failed) == 1));
	child_check(status == WK_ENOMEM || destroyed == 1 || atomic_load(&memory.failed) == 1);
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK || atomic_load(&memory.failed) == 1);
	settle_accounts(1);
}

/* A shutdown needs no memory. */
static void shutdown_without_memory(void)
{
	child_check(wk_runtime_start(&options) == WK_OK);
	child_check(wk_runtime_start(NULL) == WK_OK);
	wk_release(wk_new(&item_type));
	atomic_store(&memory.fail_all, 1);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_EBUSY);
	child_check(destroyed == 1);
	atomic_store(&memory.failed, 0); /* records that threads did without */
	settle_accounts(3);
}

/* A thread without a record: everything works, by other ways. */
static void work_without_record(void *unused)
{
	void *objects[3];
	unsigned i;

	(void)unused;
	atomic_store(&memory.fail_all, 1);
	child_check(wk_thread_prepare() == WK_ENOMEM);
	child_check(wk_new(&item_type) == NULL && wk_last_status() == WK_ENOMEM);
	atomic_store(&memory.fail_all, 0);
	for (i = 0; i < 3; i++) {
		memory_fail_at(&memory, 1); /* the record's */
		objects[i] = wk_new(i == 0 ? &item_type : i == 1 ? &plain_type : &large_type);
		child_check(objects[i] != NULL);
		wk_weak_release(wk_downgrade(objects[i]));
		wk_release(objects[i]);
	}
	memory_fail_at(&memory, 0);
}

static void threads_without_records(void)
{
	child_check(wk_runtime_start(&polled) == WK_OK);
	threads_alone(work_without_record, NULL, 0);
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK);
	child_check(destroyed == 2);
	child_check(atomic_load(&memory.failed) == 6); /* five records and an object */
	settle_accounts(1);
}

static const struct child_case cases[] = {
	{ "fail_in_starts", fail_in_starts },
	{ "fail_in_constructors", fail_in_constructors },
	{ "fail_in_queues", fail_in_queues },
	{ "fail_in_barriers", fail_in_barriers },
	{ "shutdown_without_memory", shutdown_without_memory },
	{ "threads_without_records", threads_without_records },
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

/* Returns at how many places the scenario could fail. */
static unsigned fail_everywhere(const char *name)
{
	struct child_end end;
	char at[16];
	unsigned n;

	for (n = 1; n < 100; n++) {
		snprintf(at, sizeof(at), "%u", n);
		assert_int_equal(setenv(FAILING, at, 1), 0);
		end = child_run(name);
		if (end.status == 0)
			return n - 1;
		assert_true(child_exited(&end, 3));
	}
	return 0;
}

static void test_promise_20_every_allocation_fails(void **state)
{
	unsigned places;
	size_t i;

	(void)state;
	for (i = 0; i < CASES - 2; i++) {
		places = fail_everywhere(cases[i].name);
		print_message("%s: at %u places\n", cases[i].name, places);
		assert_true(places > 0);
	}
}

static void test_promise_20_threads_without_records(void **state)
{
	struct child_end end = child_run("threads_without_records");

	(void)state;
	assert_true(child_exited(&end, 3));
}

static void test_shutdown_without_memory(void **state)
{
	(void)state;
	assert_true(child_passes("shutdown_without_memory"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_20_every_allocation_fails),
		cmocka_unit_test(test_promise_20_threads_without_records),
		cmocka_unit_test(test_shutdown_without_memory),
	};

	if (child_main(argc, argv, cases, CASES))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
