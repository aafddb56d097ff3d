/*
 * weakref/queue.h: posting, draining, waiting, being told; one thread at a time
 */
#include "runtime_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>

#include "support/threads.h"

/* What ran, in order: runs as they are, releases negative. */
static int record[64];
static unsigned recorded;

static void note(int what)
{
	if (recorded < sizeof(record) / sizeof(record[0]))
		record[recorded] = what;
	recorded++;
}

static void run_noting(void *argument)
{
	note(*(int *)argument);
}

static void release_noting(void *argument)
{
	note(-*(int *)argument);
}

static int numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static void post(wk_queue *queue, int number)
{
	assert_int_equal(wk_queue_post(queue, run_noting, &numbers[number], release_noting), WK_OK);
}

static void assert_recorded(const int *expected, unsigned count)
{
	unsigned i;

	assert_int_equal(recorded, count);
	for (i = 0; i < count; i++)
		assert_int_equal(record[i], expected[i]);
	recorded = 0;
}

#define ASSERT_RECORDED(...) \
	assert_recorded((const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

static wk_queue *queue_new(void)
{
	int status = WK_EINVAL;
	wk_queue *queue = wk_queue_new(NULL, &status);

	assert_non_null(queue);
	assert_int_equal(status, WK_OK);
	return queue;
}

static void queue_end(wk_queue *queue)
{
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

static bool is_readable(const wk_queue *queue)
{
	struct pollfd poll_fd = { .fd = wk_queue_descriptor(queue), .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

static void test_posts_run_in_order(void **state)
{
	wk_queue *queue = queue_new();

	(void)state;
	assert_int_equal(wk_queue_drain(queue, 0), 0);
	post(queue, 1);
	post(queue, 2);
	assert_int_equal(wk_queue_post(queue, run_noting, &numbers[3], NULL), WK_OK);
	assert_int_equal(wk_queue_pending(queue), 3);
	assert_int_equal(recorded, 0);
	assert_int_equal(wk_queue_drain(queue, 0), 3);
	ASSERT_RECORDED(1, -1, 2, -2, 3);
	assert_int_equal(wk_queue_pending(queue), 0);
	queue_end(queue);
}

static void test_budget(void **state)
{
	wk_queue *queue = queue_new();
	int i;

	(void)state;
	for (i = 1; i <= 5; i++)
		post(queue, i);
	assert_int_equal(wk_queue_drain(queue, 2), 2);
	ASSERT_RECORDED(1, -1, 2, -2);
	assert_int_equal(wk_queue_pending(queue), 3);
	post(queue, 6);
	assert_int_equal(wk_queue_drain(queue, 100), 4);
	ASSERT_RECORDED(3, -3, 4, -4, 5, -5, 6, -6);
	queue_end(queue);
}

/* The descriptor is readable as long as there is something, and is not what the program reads. */
static void test_descriptor(void **state)
{
	wk_queue *queue = queue_new();

	(void)state;
	assert_true(wk_queue_descriptor(queue) >= 0);
	assert_false(is_readable(queue));
	post(queue, 1);
	assert_true(is_readable(queue));
	post(queue, 2);
	assert_true(is_readable(queue));
	assert_int_equal(wk_queue_drain(queue, 1), 1);
	assert_true(is_readable(queue));
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	assert_false(is_readable(queue));
	post(queue, 3);
	assert_true(is_readable(queue));
	queue_end(queue);
	recorded = 0;
}

static unsigned woken;

static void count_wake(void *context)
{
	(void)context;
	woken++;
}

static void test_wake_function(void **state)
{
	const wk_queue_options options = {
		.struct_size = sizeof(options), .name = "woken", .no_descriptor = true, .wake = count_wake
	};
	wk_queue *queue = wk_queue_new(&options, NULL);

	(void)state;
	woken = 0;
	assert_int_equal(wk_queue_descriptor(queue), -1);
	post(queue, 1);
	assert_int_equal(woken, 1);
	post(queue, 2);
	post(queue, 3);
	assert_true(wk_queue_drain(queue, 1) == 1 && woken >= 2); /* something was left behind */
	assert_int_equal(wk_queue_drain(queue, 0), 2);
	woken = 0;
	post(queue, 4);
	assert_int_equal(woken, 1);
	queue_end(queue);
	recorded = 0;
}

/* Callbacks that use their own queue. */

static wk_queue *own;
static int own_result;

static void run_posting(void *argument)
{
	note(100);
	post(own, *(int *)argument);
}

static void test_drain_runs_what_is_there_at_the_call(void **state)
{
	(void)state;
	own = queue_new();
	assert_int_equal(wk_queue_post(own, run_posting, &numbers[7], NULL), WK_OK);
	assert_int_equal(wk_queue_drain(own, 0), 1);
	ASSERT_RECORDED(100);
	assert_int_equal(wk_queue_pending(own), 1);
	assert_true(is_readable(own));
	assert_int_equal(wk_queue_drain(own, 0), 1);
	ASSERT_RECORDED(7, -7);
	queue_end(own);
}

static void run_draining(void *argument)
{
	(void)argument;
	own_result = (int)wk_queue_drain(own, 0);
}

static void test_drain_inside_a_callback_runs_nothing(void **state)
{
	(void)state;
	own = queue_new();
	assert_int_equal(wk_queue_post(own, run_draining, NULL, NULL), WK_OK);
	post(own, 1);
	own_result = -1;
	assert_int_equal(wk_queue_drain(own, 0), 2);
	assert_int_equal(own_result, 0);
	ASSERT_RECORDED(1, -1);
	queue_end(own);
}

static void run_releasing(void *argument)
{
	wk_release(argument);
	note(200);
}

/* A callback may give up the last reference: the drain holds the queue; what is left moves to the runner. */
static void test_last_reference_given_up_in_a_callback(void **state)
{
	wk_queue *queue = queue_new();

	(void)state;
	assert_int_equal(wk_queue_post(queue, run_releasing, queue, NULL), WK_OK);
	post(queue, 1);
	post(queue, 2);
	assert_int_equal(wk_queue_drain(queue, 2), 2);
	settle();
	settle(); /* the queue's own end moves the rest */
	ASSERT_RECORDED(200, 1, -1, 2, -2);
}

static void *drain_and_end(void *queue)
{
	(void)wk_queue_drain(queue, 0);
	return NULL;
}

static void run_ending_the_thread(void *argument)
{
	note(*(int *)argument);
	pthread_exit(argument);
}

/* A callback that ends its thread: its argument is released, the rest stays for the next who drains. */
static void test_callback_that_ends_its_thread(void **state)
{
	wk_queue *queue = queue_new();
	pthread_t thread;
	void *result = NULL;

	(void)state;
	assert_int_equal(wk_queue_post(queue, run_ending_the_thread, &numbers[1], release_noting), WK_OK);
	post(queue, 2);
	assert_int_equal(pthread_create(&thread, NULL, drain_and_end, queue), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, &numbers[1]);
	ASSERT_RECORDED(1, -1);
	assert_true(is_readable(queue));
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	ASSERT_RECORDED(2, -2);
	assert_int_equal(wk_strong_count(queue), 1);
	queue_end(queue);
}

/* Waiting. */

static void test_wait_without_waiting(void **state)
{
	wk_queue *queue = queue_new();

	(void)state;
	assert_int_equal(wk_queue_wait(queue, 0), WK_ETIMEDOUT);
	assert_int_equal(wk_queue_wait(queue, 1000000), WK_ETIMEDOUT);
	post(queue, 1);
	post(queue, 2);
	assert_int_equal(wk_queue_wait(queue, 0), WK_OK);
	assert_int_equal(wk_queue_wait(queue, WK_NO_TIMEOUT), WK_OK);
	assert_int_equal(wk_queue_drain(queue, 1), 1);
	assert_int_equal(wk_queue_wait(queue, 0), WK_OK);
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	assert_int_equal(wk_queue_wait(queue, 0), WK_ETIMEDOUT);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	assert_int_equal(wk_queue_wait(queue, WK_NO_TIMEOUT), WK_ESHUTDOWN);
	wk_release(queue);
	recorded = 0;
}

static int wait_in_destroy;

static void waiting_destroy(void *payload)
{
	wait_in_destroy = wk_queue_wait(*(wk_queue **)payload, WK_NO_TIMEOUT);
}

WK_DEFINE_TYPE(waiting_type, wk_queue *, .destroy = waiting_destroy);

static void test_wait_on_the_runner(void **state)
{
	wk_queue *queue = queue_new(), **holder = wk_new(&waiting_type);

	(void)state;
	*holder = queue;
	wk_release(holder);
	settle();
	assert_int_equal(wait_in_destroy, WK_EDEADLOCK);
	queue_end(queue);
}

/* Errors. */

static void test_nothing_asked_for(void **state)
{
	wk_queue *queue = queue_new();

	(void)state;
	assert_int_equal(wk_queue_post(NULL, run_noting, NULL, release_noting), WK_EINVAL);
	assert_int_equal(wk_queue_post(queue, NULL, NULL, release_noting), WK_EINVAL);
	assert_int_equal(wk_queue_drain(NULL, 0), 0);
	assert_int_equal(wk_queue_pending(NULL), 0);
	assert_int_equal(wk_queue_descriptor(NULL), -1);
	assert_int_equal(wk_queue_wait(NULL, 0), WK_EINVAL);
	assert_int_equal(wk_queue_close(NULL, WK_QUEUE_RUN), WK_EINVAL);
	assert_int_equal(wk_queue_close(queue, (wk_queue_close_mode)3), WK_EINVAL);
	assert_int_equal(recorded, 0);
	queue_end(queue);
}

static void test_impossible_queues(void **state)
{
	const wk_queue_options unset = { .struct_size = 0 };
	struct rlimit limit, none;
	int status = WK_OK;

	(void)state;
	assert_null(wk_queue_new(&unset, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_queue_new(&unset, NULL));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0; /* no descriptor more */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_null(wk_queue_new(NULL, &status));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(status, WK_ENOMEM);
}

/* A queue is an object. */
static void test_queue_is_an_object(void **state)
{
	wk_queue *queue = queue_new(), *same;
	wk_weak *weak = wk_downgrade(queue);

	(void)state;
	same = wk_upgrade(weak);
	assert_ptr_equal(same, queue);
	assert_int_equal(wk_strong_count(queue), 2);
	wk_release(same);
	queue_end(queue);
	assert_null(wk_upgrade(weak));
	wk_weak_release(weak);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_posts_run_in_order),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_wake_function),
		cmocka_unit_test(test_drain_runs_what_is_there_at_the_call),
		cmocka_unit_test(test_drain_inside_a_callback_runs_nothing),
		cmocka_unit_test(test_last_reference_given_up_in_a_callback),
		cmocka_unit_test(test_callback_that_ends_its_thread),
		cmocka_unit_test(test_wait_without_waiting),
		cmocka_unit_test(test_wait_on_the_runner),
		cmocka_unit_test(test_nothing_asked_for),
		cmocka_unit_test(test_impossible_queues),
		cmocka_unit_test(test_queue_is_an_object),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
