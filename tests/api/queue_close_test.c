/*
 * weakref/queue.h: objects that are destroyed on a queue, and the three ways to close one
 */
#include "runtime_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "support/threads.h"

/* What ran, in order, and where. Written here or on the runner, read after settle. */
static struct {
	int what[32];
	pthread_t where[32];
	unsigned count;
} record;

static void note(int what)
{
	record.what[record.count % 32] = what;
	record.where[record.count++ % 32] = pthread_self();
}

static void assert_recorded(bool here, const int *expected, unsigned count)
{
	unsigned i;

	assert_int_equal(record.count, count);
	for (i = 0; i < count; i++) {
		assert_int_equal(record.what[i], expected[i]);
		assert_int_equal(pthread_equal(record.where[i], pthread_self()) != 0, here);
	}
	record.count = 0;
}

#define ASSERT_RAN(here, ...) \
	assert_recorded((here), (const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

static int numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static void run_noting(void *argument)
{
	note(*(int *)argument);
}

static void release_noting(void *argument)
{
	note(-*(int *)argument);
}

static void post(wk_queue *queue, int number)
{
	assert_int_equal(wk_queue_post(queue, run_noting, &numbers[number], release_noting), WK_OK);
}

struct item {
	int number;
};

static void item_destroy(void *payload)
{
	note(((struct item *)payload)->number);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);
WK_DEFINE_TYPE(async_type, struct item, .destroy = item_destroy, .flags = WK_TYPE_ASYNC_DESTROY);

static struct item *item_on(wk_queue *queue, const wk_type *type, int number)
{
	struct item *item = wk_new_with(type, &(wk_new_options){ .destroy_on = queue }, NULL);

	assert_non_null(item);
	item->number = number;
	return item;
}

static wk_queue *queue_new(void)
{
	wk_queue *queue = wk_queue_new(NULL, NULL);

	assert_non_null(queue);
	return queue;
}

/* An object that dies is delivered; the queue's thread destroys it, not wk_barrier's. */
static void test_destroy_on_a_queue(void **state)
{
	wk_queue *queue = queue_new();
	struct item *borrowed = item_on(queue, &item_type, 1), *item = item_on(queue, &item_type, 2);
	wk_weak *weak = wk_downgrade(borrowed);

	(void)state;
	assert_int_equal(wk_strong_count(queue), 3);
	wk_release(borrowed);
	settle();
	wk_release(item);
	settle();
	assert_int_equal(wk_queue_pending(queue), 2);
	assert_int_equal(record.count, 0);
	assert_int_equal(census_of(&item_type).created - census_of(&item_type).destroyed, 2);
	assert_int_equal(wk_queue_drain(queue, 0), 2);
	ASSERT_RAN(true, 1, 2);
	assert_int_equal(census_of(&item_type).created - census_of(&item_type).destroyed, 0);
	assert_int_equal(wk_strong_count(queue), 1); /* they have let go of it */
	assert_null(wk_upgrade(weak));
	wk_weak_release(weak);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

static void test_asynchronous_destroy_on_a_queue(void **state)
{
	wk_queue *queue = queue_new();
	struct item *item = item_on(queue, &async_type, 3);

	(void)state;
	wk_release(item);
	settle();
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	ASSERT_RAN(true, 3);
	assert_int_equal(wk_strong_count(queue), 2);
	assert_int_equal(census_of(&async_type).destroyed, 0);
	wk_destroy_done(item);
	assert_int_equal(census_of(&async_type).destroyed, 1);
	assert_int_equal(wk_strong_count(queue), 1);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

/* A queue with two posts, an object between them, and an object that is still alive. */
static wk_queue *full_queue(struct item **alive)
{
	wk_queue *queue = queue_new();
	struct item *item = item_on(queue, &item_type, 2);

	*alive = item_on(queue, &item_type, 4);
	post(queue, 1);
	wk_release(item);
	settle();
	post(queue, 3);
	assert_int_equal(wk_queue_pending(queue), 3);
	return queue;
}

static void assert_closed(wk_queue *queue)
{
	assert_int_equal(wk_queue_post(queue, run_noting, &numbers[9], release_noting), WK_ESHUTDOWN);
	assert_int_equal(wk_queue_drain(queue, 0), 0);
	assert_int_equal(wk_queue_pending(queue), 0);
	assert_int_equal(wk_queue_descriptor(queue), -1);
	assert_int_equal(wk_queue_wait(queue, 0), WK_ESHUTDOWN);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_ESHUTDOWN);
}

/* Promise 8 for posts: release once after run, or when run never will; never after a failed post. */

static void test_close_and_run(void **state)
{
	struct item *alive;
	wk_queue *queue = full_queue(&alive);
	int descriptor = wk_queue_descriptor(queue);

	(void)state;
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	ASSERT_RAN(true, 1, -1, 2, 3, -3);
	assert_closed(queue);
	assert_int_equal(fcntl(descriptor, F_GETFD), -1); /* closed */
	wk_release(alive); /* due after the close: the runner's */
	wk_release(queue);
	settle();
	ASSERT_RAN(false, 4);
}

static void test_close_and_move(void **state)
{
	struct item *alive;
	wk_queue *queue = full_queue(&alive);

	(void)state;
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_MOVE), WK_OK);
	assert_closed(queue);
	wk_release(alive);
	wk_release(queue);
	settle();
	ASSERT_RAN(false, 1, -1, 2, 3, -3, 4);
}

static uint64_t abandoned_objects(void)
{
	wk_stats stats = { .struct_size = sizeof(stats) };

	wk_runtime_stats(&stats);
	return stats.abandoned;
}

static void test_close_and_drop(void **state)
{
	wk_census before = census_of(&item_type);
	uint64_t abandoned = abandoned_objects();
	struct item *alive;
	wk_queue *queue = full_queue(&alive);

	(void)state;
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_DROP), WK_OK);
	ASSERT_RAN(true, -1, -3);
	assert_closed(queue);
	assert_int_equal(census_of(&item_type).destroyed - before.destroyed, 1);
	assert_int_equal(abandoned_objects() - abandoned, 1);
	wk_release(alive);
	wk_release(queue);
	settle();
	ASSERT_RAN(false, 4);
	assert_int_equal(abandoned_objects() - abandoned, 1);
}

/* The last reference goes: as WK_QUEUE_MOVE. */
static void test_queue_that_dies_with_posts(void **state)
{
	wk_queue *queue = queue_new();

	(void)state;
	post(queue, 1);
	post(queue, 2);
	wk_release(queue);
	settle();
	settle(); /* the runner's end of the queue gave the runner the posts */
	ASSERT_RAN(false, 1, -1, 2, -2);
}

/* Closing from inside a callback of the same queue: WK_QUEUE_RUN may not, the others end the drain. */

static struct {
	wk_queue *queue;
	wk_queue_close_mode mode;
	int status;
} closing;

static void run_closing(void *argument)
{
	(void)argument;
	closing.status = wk_queue_close(closing.queue, closing.mode);
}

static void close_inside(wk_queue_close_mode mode, size_t ran)
{
	closing.queue = queue_new();
	closing.mode = mode;
	post(closing.queue, 1);
	assert_int_equal(wk_queue_post(closing.queue, run_closing, NULL, NULL), WK_OK);
	post(closing.queue, 2);
	assert_int_equal(wk_queue_drain(closing.queue, 0), ran);
	settle();
}

static void test_close_inside_a_callback(void **state)
{
	(void)state;
	close_inside(WK_QUEUE_RUN, 3);
	assert_int_equal(closing.status, WK_EDEADLOCK);
	ASSERT_RAN(true, 1, -1, 2, -2);
	assert_int_equal(wk_queue_close(closing.queue, WK_QUEUE_RUN), WK_OK);
	wk_release(closing.queue);
	close_inside(WK_QUEUE_DROP, 2);
	assert_int_equal(closing.status, WK_OK);
	assert_closed(closing.queue);
	ASSERT_RAN(true, 1, -1, -2);
	wk_release(closing.queue);
	close_inside(WK_QUEUE_MOVE, 2);
	assert_int_equal(closing.status, WK_OK);
	assert_closed(closing.queue);
	assert_int_equal(record.count, 4);
	assert_false(pthread_equal(record.where[3], pthread_self()));
	record.count = 0;
	wk_release(closing.queue);
}

/* Another thread drains: WK_EBUSY until it has stopped. */

enum { DRAINING = 1, TRIED };

static struct steps steps = STEPS_AT_START;

static void run_staying(void *argument)
{
	(void)argument;
	steps_reach(&steps, DRAINING);
	steps_wait(&steps, TRIED);
}

static void *drain_main(void *queue)
{
	(void)wk_queue_drain(queue, 0);
	return NULL;
}

static void test_close_while_another_thread_drains(void **state)
{
	wk_queue *queue = queue_new();
	pthread_t thread;

	(void)state;
	assert_int_equal(wk_queue_post(queue, run_staying, NULL, NULL), WK_OK);
	assert_int_equal(pthread_create(&thread, NULL, drain_main, queue), 0);
	steps_wait(&steps, DRAINING);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_EBUSY);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_MOVE), WK_EBUSY);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_DROP), WK_EBUSY);
	post(queue, 1); /* still open */
	assert_int_equal(wk_queue_drain(queue, 0), 0);
	steps_reach(&steps, TRIED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	ASSERT_RAN(true, 1, -1);
	wk_release(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destroy_on_a_queue),
		cmocka_unit_test(test_asynchronous_destroy_on_a_queue),
		cmocka_unit_test(test_close_and_run),
		cmocka_unit_test(test_close_and_move),
		cmocka_unit_test(test_close_and_drop),
		cmocka_unit_test(test_queue_that_dies_with_posts),
		cmocka_unit_test(test_close_inside_a_callback),
		cmocka_unit_test(test_close_while_another_thread_drains),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
