/*
 * weakref/runtime.h: WK_THREAD_NONE, where the program does what the library's threads would
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <sched.h>

#include "support/threads.h"

static _Atomic unsigned long destroyed;
static pthread_t destroyer;

static void item_destroy(void *payload)
{
	(void)payload;
	destroyer = pthread_self();
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(item_type, long, .destroy = item_destroy);
WK_DEFINE_TYPE(plain_type, long, .flags = 0);

static int setup(void **state)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = WK_THREAD_NONE };

	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

static void release_items(unsigned count, bool borrowed)
{
	void *item;

	for (; count > 0; count--) {
		item = wk_new(&item_type);
		if (borrowed)
			wk_weak_release(wk_downgrade(item));
		wk_release(item);
	}
}

static void test_nothing_runs_by_itself(void **state)
{
	(void)state;
	atomic_store(&destroyed, 0);
	assert_int_equal(wk_runtime_poll(0), 0);
	release_items(3, false);
	release_items(3, true);
	assert_int_equal(atomic_load(&destroyed), 0);
	assert_int_equal(wk_runtime_poll(0), 6);
	assert_int_equal(atomic_load(&destroyed), 6);
	assert_true(pthread_equal(destroyer, pthread_self()));
	assert_int_equal(wk_runtime_poll(0), 0);
}

static void test_budget(void **state)
{
	unsigned done, polls;

	(void)state;
	atomic_store(&destroyed, 0);
	release_items(10, true);
	release_items(10, false);
	for (done = 0, polls = 0; done < 20 && polls < 100; polls++) {
		size_t ran = wk_runtime_poll(3);

		assert_in_range(ran, 0, 3);
		done += (unsigned)ran;
		assert_int_equal(atomic_load(&destroyed), done);
	}
	assert_int_equal(done, 20);
	assert_int_equal(wk_runtime_poll(3), 0);
}

static void test_barrier_does_the_work(void **state)
{
	(void)state;
	atomic_store(&destroyed, 0);
	release_items(5, true);
	release_items(5, false);
	settle();
	assert_int_equal(atomic_load(&destroyed), 10);
	settle();
}

/* From inside: a poll does nothing, what waits for the runner would wait for itself. */

static size_t polled_inside;
static int barrier_inside, wait_inside;
static wk_queue *queue_inside;

static void asking_destroy(void *payload)
{
	(void)payload;
	polled_inside = wk_runtime_poll(0);
	barrier_inside = wk_barrier(WK_NO_TIMEOUT);
	wait_inside = wk_queue_wait(queue_inside, WK_NO_TIMEOUT);
}

WK_DEFINE_TYPE(asking_type, long, .destroy = asking_destroy);

static void test_calls_from_inside(void **state)
{
	(void)state;
	queue_inside = wk_queue_new(NULL, NULL);
	polled_inside = 99;
	wk_release(wk_new(&asking_type));
	release_items(1, false);
	assert_int_equal(wk_runtime_poll(0), 2);
	assert_int_equal(polled_inside, 0);
	assert_int_equal(barrier_inside, WK_EDEADLOCK);
	assert_int_equal(wait_inside, WK_EDEADLOCK);
	assert_int_equal(wk_queue_close(queue_inside, WK_QUEUE_RUN), WK_OK);
	wk_release(queue_inside);
}

/* Several threads poll, others release: one at a time runs destructors, none is lost or run twice. */

#define POLLERS 3
#define RELEASERS 3
#define RELEASES (THREADS_SANITIZED ? 2000u : 20000u)

struct polling {
	_Atomic unsigned long polled[POLLERS], idle;
	_Atomic unsigned released;
};

/* Its destroy lasts until another poller has come and found that somebody is at it. */
struct meeting {
	struct polling *polling;
};

static void meeting_destroy(void *payload)
{
	struct meeting *meeting = payload;

	while (atomic_load(&meeting->polling->idle) == 0)
		sched_yield();
}

WK_DEFINE_TYPE(meeting_type, struct meeting, .destroy = meeting_destroy);

static void polling_body(void *context, unsigned index)
{
	struct polling *polling = context;
	size_t ran;

	if (index >= POLLERS) {
		release_items(RELEASES, index % 2 == 0);
		atomic_fetch_add(&polling->released, 1);
		return;
	}
	while (atomic_load(&polling->released) < RELEASERS || atomic_load(&destroyed) < RELEASERS * RELEASES) {
		ran = wk_runtime_poll(index * 10);
		atomic_fetch_add(&polling->polled[index], ran);
		race_add(&polling->idle, ran == 0);
		if (ran == 0)
			sched_yield();
	}
}

static void test_polls_against_polls_and_releases(void **state)
{
	struct polling polling = { .polled = { 0 } };
	struct meeting *meeting = wk_new(&meeting_type);
	unsigned long sum = 0;
	unsigned i;

	(void)state;
	settle();
	atomic_store(&destroyed, 0);
	meeting->polling = &polling;
	wk_release(meeting);
	threads_run(POLLERS + RELEASERS, polling_body, &polling);
	for (i = 0; i < POLLERS; i++) {
		print_message("poller %u ran %lu\n", i, atomic_load(&polling.polled[i]));
		sum += atomic_load(&polling.polled[i]);
	}
	assert_int_equal(atomic_load(&destroyed), RELEASERS * RELEASES);
	assert_int_equal(sum, RELEASERS * RELEASES + 1);
	assert_true(atomic_load(&polling.idle) > 0);
}

/* A destroy that ends the thread that polls: the next poll goes on. */

static void ending_destroy(void *payload)
{
	item_destroy(payload);
	pthread_exit(NULL);
}

WK_DEFINE_TYPE(ending_type, long, .destroy = ending_destroy);

static void *poll_main(void *unused)
{
	wk_runtime_poll(0);
	return unused;
}

static void poll_and_end_thread(const wk_type *type, bool borrowed)
{
	pthread_t thread;
	void *object = wk_new(type);

	if (borrowed)
		wk_weak_release(wk_downgrade(object));
	wk_release(object);
	assert_int_equal(pthread_create(&thread, NULL, poll_main, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_destroy_that_ends_the_polling_thread(void **state)
{
	(void)state;
	atomic_store(&destroyed, 0);
	poll_and_end_thread(&ending_type, false);
	assert_int_equal(atomic_load(&destroyed), 1);
	poll_and_end_thread(&ending_type, true);
	assert_int_equal(atomic_load(&destroyed), 2);
	release_items(1, true);
	assert_int_equal(wk_runtime_poll(0), 1);
	assert_int_equal(atomic_load(&destroyed), 3);
}

/* Plain memory of threads that have ended goes back by polls, too. */

static void retire_plain(void *unused)
{
	unsigned i;

	(void)unused;
	for (i = 0; i < 100; i++) {
		void *object = wk_new(&plain_type);

		wk_weak_release(wk_downgrade(object));
		wk_release(object);
	}
}

static uint64_t waiting(void)
{
	wk_stats stats = { .struct_size = sizeof(stats) };

	wk_runtime_stats(&stats);
	return stats.dead_objects_waiting;
}

static void test_memory_of_ended_threads(void **state)
{
	(void)state;
	threads_alone(retire_plain, NULL, 0);
	assert_int_equal(waiting(), 100);
	wk_runtime_poll(0);
	assert_int_equal(waiting(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_runs_by_itself),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_barrier_does_the_work),
		cmocka_unit_test(test_calls_from_inside),
		cmocka_unit_test(test_polls_against_polls_and_releases),
		cmocka_unit_test(test_destroy_that_ends_the_polling_thread),
		cmocka_unit_test(test_memory_of_ended_threads),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
