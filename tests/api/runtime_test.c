/*
 * weakref/runtime.h: barriers, statistics, the census of all types, the error hook
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "support/threads.h"

static _Atomic unsigned long destroyed;

static void count_destroy(void *payload)
{
	(void)payload;
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(item_type, long, .destroy = count_destroy);
WK_DEFINE_TYPE(plain_type, long, .flags = 0);

static void test_version(void **state)
{
	(void)state;
	assert_int_equal(wk_version(), WK_VERSION);
	assert_int_equal(wk_version() / 1000000, WK_VERSION_MAJOR);
}

/* Barriers. */

static void test_barrier_with_nothing_to_wait_for(void **state)
{
	(void)state;
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
}

/* Promise 10: what a thread released before its barrier is destroyed when that returns, however many are at it. */

struct barriers {
	_Atomic unsigned long late, failed, waited;
};

struct witness {
	_Atomic bool destroyed;
};

static void witness_destroy(void *payload)
{
	atomic_store(*(_Atomic bool **)payload, true);
}

WK_DEFINE_TYPE(witness_type, _Atomic bool *, .destroy = witness_destroy);

#define WITNESSES 10

static void release_witnesses(_Atomic bool *flags, unsigned round)
{
	_Atomic bool **witness;
	unsigned i;

	for (i = 0; i < WITNESSES; i++) {
		witness = wk_new(&witness_type);
		*witness = &flags[i];
		if ((i + round) % 3 == 0)
			wk_weak_release(wk_downgrade(witness));
		wk_release(witness);
	}
}

static void barriers_body(void *context, unsigned index)
{
	struct barriers *barriers = context;
	const unsigned rounds = THREADS_SANITIZED ? 50 : 200;
	unsigned round, i;

	for (round = 0; round < rounds; round++) {
		_Atomic bool flags[WITNESSES] = { false };
		bool before = false;

		release_witnesses(flags, round + index);
		for (i = 0; i < WITNESSES; i++)
			before = before || !atomic_load(&flags[i]);
		race_add(&barriers->waited, before); /* the barrier had something to do */
		race_add(&barriers->failed, wk_barrier(WK_NO_TIMEOUT) != WK_OK);
		for (i = 0; i < WITNESSES; i++)
			race_add(&barriers->late, !atomic_load(&flags[i]));
	}
}

static void test_promise_10_barriers_against_deaths(void **state)
{
	const unsigned sizes[] = { 1, 4, 8 };
	struct barriers barriers;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		barriers = (struct barriers){ 0 };
		threads_run(sizes[i], barriers_body, &barriers);
		print_message("%u threads: %lu barriers had to wait\n", sizes[i], atomic_load(&barriers.waited));
		assert_int_equal(atomic_load(&barriers.failed), 0);
		assert_int_equal(atomic_load(&barriers.late), 0);
		assert_true(atomic_load(&barriers.waited) > 0);
	}
}

/* From a callback that a queue's thread drains it may be called: the runner does not wait for queues. */

static int barrier_in_callback;

static void run_barrier(void *unused)
{
	(void)unused;
	barrier_in_callback = wk_barrier(WK_NO_TIMEOUT);
}

static void test_promise_10_barrier_in_a_callback(void **state)
{
	wk_queue *queue = wk_queue_new(NULL, NULL);

	(void)state;
	barrier_in_callback = WK_EINVAL;
	assert_int_equal(wk_queue_post(queue, run_barrier, NULL, NULL), WK_OK);
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	assert_int_equal(barrier_in_callback, WK_OK);
	assert_int_equal(wk_queue_post(queue, run_barrier, NULL, NULL), WK_OK);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_MOVE), WK_OK); /* now the runner runs it */
	settle();
	assert_int_equal(barrier_in_callback, WK_EDEADLOCK);
	wk_release(queue);
}

enum { STAYING = 1, TIMED_OUT };

static struct steps steps = STEPS_AT_START;

static void staying_destroy(void *payload)
{
	(void)payload;
	steps_reach(&steps, STAYING);
	steps_wait(&steps, TIMED_OUT);
}

WK_DEFINE_TYPE(staying_type, long, .destroy = staying_destroy);

static void test_barrier_that_times_out(void **state)
{
	(void)state;
	wk_release(wk_new(&staying_type));
	steps_wait(&steps, STAYING);
	assert_int_equal(wk_barrier(0), WK_ETIMEDOUT);
	assert_int_equal(wk_barrier(1000000), WK_ETIMEDOUT);
	steps_reach(&steps, TIMED_OUT);
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
}

/* Statistics. */

static wk_stats stats_now(void)
{
	wk_stats stats = { .struct_size = sizeof(stats) };

	wk_runtime_stats(&stats);
	return stats;
}

static void run_nothing(void *unused)
{
	(void)unused;
}

static void test_statistics(void **state)
{
	wk_stats before, after;
	wk_queue *queue;
	unsigned i;

	(void)state;
	settle();
	before = stats_now();
	queue = wk_queue_new(NULL, NULL);
	for (i = 0; i < 10; i++)
		wk_release(wk_new(&item_type));
	for (i = 0; i < 5; i++)
		wk_release(wk_new(&plain_type));
	assert_int_equal(wk_queue_post(queue, run_nothing, NULL, NULL), WK_OK);
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	settle();
	after = stats_now();
	assert_int_equal(after.struct_size, sizeof(after));
	assert_int_equal(after.objects_created - before.objects_created, 16); /* with the queue */
	assert_int_equal(after.objects_destroyed - before.objects_destroyed, 15);
	assert_int_equal(after.destroys_run - before.destroys_run, 10);
	assert_int_equal(after.callbacks_run - before.callbacks_run, 1);
	assert_int_equal(after.dead_objects_waiting, 0);
	assert_int_equal(after.dead_bytes_waiting, 0);
	assert_true(after.grace_periods > before.grace_periods);
	assert_true(after.grace_wait_max_ns > 0);
	assert_int_equal(after.abandoned, before.abandoned);
	assert_int_equal(after.throttled, 0);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

/* What a program compiled long ago knows of wk_stats is filled, and not a byte more. */
static void test_statistics_of_another_size(void **state)
{
	wk_stats stats;

	(void)state;
	memset(&stats, 0xff, sizeof(stats));
	stats.struct_size = offsetof(wk_stats, objects_destroyed);
	wk_runtime_stats(&stats);
	assert_int_equal(stats.struct_size, offsetof(wk_stats, objects_destroyed));
	assert_true(stats.objects_created != UINT64_MAX);
	assert_true(stats.objects_destroyed == UINT64_MAX);
	stats.struct_size = 0;
	stats.objects_created = 7;
	wk_runtime_stats(&stats);
	assert_int_equal(stats.objects_created, 7);
	wk_runtime_stats(NULL);
}

/* What is due and waits: its number, bytes and age. */
static void test_lag_and_backlog(void **state)
{
	wk_stats stats;
	void *object;

	(void)state;
	settle();
	steps = (struct steps)STEPS_AT_START;
	object = wk_new_with(&item_type, &(wk_new_options){ .size = 5000 }, NULL);
	wk_weak_release(wk_downgrade(object));
	wk_release(wk_new(&staying_type));
	steps_wait(&steps, STAYING);
	wk_release(object);
	stats = stats_now();
	assert_int_equal(stats.dead_objects_waiting, 2);
	assert_in_range(stats.dead_bytes_waiting, 5000 + sizeof(long), 5400);
	steps_reach(&steps, TIMED_OUT);
	settle();
	assert_int_equal(stats_now().dead_objects_waiting, 0);
	assert_int_equal(stats_now().dead_bytes_waiting, 0);
	assert_true(stats_now().backlog_peak > 0 || stats.dead_objects_waiting < 64); /* told in batches */
}

/* The census of all types. */

struct visit {
	const wk_type *wanted;
	unsigned seen, types;
	wk_census census;
};

static void visit_type(const wk_type *type, const wk_census *census, void *context)
{
	struct visit *visit = context;

	visit->types++;
	if (type != visit->wanted)
		return;
	visit->seen++;
	visit->census = *census;
	wk_release(wk_new(&plain_type)); /* no lock is held */
}

/*
 * What a thread has retired is swept up when it goes idle, also where it has run the grace period itself while the grace
 * thread slept: nobody wakes that again. Bursts of all sizes, so that some end with a grace period of the thread's own.
 */
typedef struct {
	char bytes[400];
} large;
WK_DEFINE_TYPE(large_type, large);

static void retire_large(unsigned count)
{
	while (count-- > 0) {
		large *object = wk_new(&large_type);

		wk_weak_release(wk_downgrade(object));
		wk_release(object);
	}
}

static bool is_swept(void)
{
	wk_stats stats = { .struct_size = sizeof(stats) };
	unsigned long looks;

	for (looks = 0; looks < 20000000; looks++) {
		wk_runtime_stats(&stats);
		if (stats.dead_objects_waiting == 0)
			return true;
		sched_yield();
	}
	return false;
}

static void test_an_idle_thread_is_swept(void **state)
{
	unsigned burst;

	(void)state;
	for (burst = 0; burst < 60; burst++) {
		retire_large(64 * (1 + burst % 23));
		assert_true(is_swept());
	}
}

static void test_each_type(void **state)
{
	struct visit visit = { .wanted = &item_type };
	wk_census census;

	(void)state;
	wk_release(wk_new(&item_type));
	settle();
	wk_runtime_each_type(visit_type, &visit);
	census = census_of(&item_type);
	assert_int_equal(visit.seen, 1);
	assert_true(visit.types >= 3);
	assert_int_equal(visit.census.struct_size, sizeof(wk_census));
	assert_int_equal(visit.census.created, census.created);
	assert_int_equal(visit.census.destroyed, census.destroyed);
}

/* A destroy that ends the runner's thread: told through the hook, counted, and the rest goes on. */

static struct {
	_Atomic unsigned calls;
	_Atomic int status;
	void *context;
} hook;

static void on_error(void *context, int status, const char *type_name, const char *message)
{
	(void)type_name;
	hook.context = context;
	atomic_store(&hook.status, message != NULL ? status : 0);
	atomic_fetch_add(&hook.calls, 1);
}

static int setup(void **state)
{
	const wk_runtime_options options = {
		.struct_size = sizeof(options), .on_error = on_error, .on_error_context = &hook
	};

	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

static void ending_destroy(void *payload)
{
	count_destroy(payload);
	pthread_exit(NULL);
}

WK_DEFINE_TYPE(ending_type, long, .destroy = ending_destroy);

static void release_mixed(unsigned count)
{
	unsigned i;
	void *object;

	for (i = 0; i < count; i++) {
		object = wk_new(i % 10 == 0 ? &ending_type : &item_type);
		if (i % 3 == 0)
			wk_weak_release(wk_downgrade(object));
		wk_release(object);
	}
}

static void test_runner_survives_a_destroy_that_ends_its_thread(void **state)
{
	unsigned calls = atomic_load(&hook.calls);
	wk_census before = census_of(&ending_type);

	(void)state;
	settle();
	atomic_store(&destroyed, 0);
	release_mixed(100);
	settle();
	assert_int_equal(atomic_load(&destroyed), 100);
	assert_int_equal(atomic_load(&hook.calls) - calls, 10);
	assert_int_equal(atomic_load(&hook.status), WK_EINVAL);
	assert_ptr_equal(hook.context, &hook);
	assert_int_equal(census_of(&ending_type).destroyed - before.destroyed, 10);
	assert_int_equal(stats_now().dead_objects_waiting, 0);
}

/* The same when it was the last of its batch, and others have died meanwhile. */

static void staying_and_ending_destroy(void *payload)
{
	staying_destroy(payload);
	pthread_exit(NULL);
}

WK_DEFINE_TYPE(staying_and_ending_type, long, .destroy = staying_and_ending_destroy);

static void release_borrowed(const wk_type *type)
{
	void *object = wk_new(type);

	wk_weak_release(wk_downgrade(object));
	wk_release(object);
}

static void test_runner_survives_the_end_of_its_thread_in_the_last_of_a_batch(void **state)
{
	unsigned calls = atomic_load(&hook.calls);

	(void)state;
	settle();
	atomic_store(&destroyed, 0);
	steps = (struct steps)STEPS_AT_START;
	release_borrowed(&staying_and_ending_type);
	steps_wait(&steps, STAYING);
	release_borrowed(&item_type);
	steps_reach(&steps, TIMED_OUT);
	settle();
	assert_int_equal(atomic_load(&destroyed), 1);
	assert_int_equal(atomic_load(&hook.calls), calls + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_barrier_with_nothing_to_wait_for),
		cmocka_unit_test(test_promise_10_barriers_against_deaths),
		cmocka_unit_test(test_promise_10_barrier_in_a_callback),
		cmocka_unit_test(test_barrier_that_times_out),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_statistics_of_another_size),
		cmocka_unit_test(test_lag_and_backlog),
		cmocka_unit_test(test_an_idle_thread_is_swept),
		cmocka_unit_test(test_each_type),
		cmocka_unit_test(test_runner_survives_a_destroy_that_ends_its_thread),
		cmocka_unit_test(test_runner_survives_the_end_of_its_thread_in_the_last_of_a_batch),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
