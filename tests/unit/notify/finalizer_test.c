/*
 * notify/finalizer.c: states and holds, finalizers that are run out of turn, and the registry
 */
#include <setjmp.h>
#include <stdarg.h>

#include "notify/finalizer.h"
#include "notify/registration.h"
#include "weakref.h"

#include <cmocka.h>

struct thing {
	int number;
};

WK_DEFINE_TYPE(plain_type, struct thing, .flags = 0);

static int order[8], runs, releases;

static int run(void *argument)
{
	order[runs++ % 8] = *(int *)argument;
	return 0;
}

static void release(void *argument)
{
	(void)argument;
	releases++;
}

static int numbers[] = { 0, 1, 2, 3, 4, 5 };

static int setup(void **state)
{
	(void)state;
	return wk_runtime_start(NULL) == WK_OK ? 0 : -1;
}

static int reset(void **state)
{
	(void)state;
	runs = releases = 0;
	return 0;
}

static struct wki_registration *of(wk_finalizer *finalizer)
{
	return (struct wki_registration *)(void *)finalizer;
}

static void assert_holds(wk_finalizer *finalizer, uint32_t users, uint32_t others)
{
	assert_int_equal(atomic_load_relaxed(&of(finalizer)->watch.holds), users * WKI_HOLD_USER + others);
}

static wk_finalizer *finalizer_of(const void *object, int number, wk_queue *queue)
{
	const wk_finalizer_options options = { .run = run, .argument = &numbers[number], .release = release, .queue = queue };

	return wk_finalizer_new(object, &options, NULL);
}

static void test_stages(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_queue *queue = wk_queue_new(NULL, NULL);
	wk_finalizer *dies = finalizer_of(thing, 1, queue), *called = finalizer_of(thing, 2, queue);
	wk_finalizer *detached = finalizer_of(thing, 3, queue);

	(void)state;
	assert_holds(dies, 1, WKI_HOLD_LIST + WKI_HOLD_CALL);
	assert_int_equal(wk_finalizer_call(called, NULL), WK_OK);
	assert_int_equal(wki_registration_call(of(called)), WKI_CALL_DONE);
	assert_int_equal(wki_watch_state(&of(called)->watch), WKI_WATCH_REMOVED);
	assert_holds(called, 1, WKI_HOLD_LIST); /* until it is pruned */
	assert_int_equal(wk_finalizer_detach(detached), WK_OK);
	assert_int_equal(wki_registration_call(of(detached)), WKI_CALL_CANCELLED);
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	assert_holds(detached, 1, WKI_HOLD_LIST);
	wk_release(thing);
	assert_int_equal(wki_registration_call(of(dies)), WKI_CALL_POSTED);
	assert_holds(dies, 1, WKI_HOLD_CALL);
	assert_holds(called, 1, 0);
	assert_holds(detached, 1, 0);
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	assert_holds(dies, 1, 0);
	assert_int_equal(runs, 2);
	assert_int_equal(releases, 3);
	assert_int_equal(wk_strong_count(queue), 1);
	wk_finalizer_release(dies);
	wk_finalizer_release(called);
	wk_finalizer_release(detached);
	wk_queue_close(queue, WK_QUEUE_RUN);
	wk_release(queue);
}

/* As exit does with what is posted: it runs once, and what is left in the queue is nothing but a hold. */
static void test_run_out_of_turn(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_queue *queue = wk_queue_new(NULL, NULL);
	wk_finalizer *finalizer = finalizer_of(thing, 1, queue);

	(void)state;
	assert_false(wki_registration_take_posted(of(finalizer)));
	wk_release(thing);
	assert_true(wki_registration_take_posted(of(finalizer)));
	assert_false(wki_registration_take_posted(of(finalizer)));
	assert_holds(finalizer, 1, 2 * WKI_HOLD_CALL);
	assert_int_equal(wk_strong_count(queue), 3);
	assert_int_equal(wki_registration_run(of(finalizer), true), 0);
	assert_int_equal(runs, 1);
	assert_int_equal(releases, 1);
	assert_holds(finalizer, 1, WKI_HOLD_CALL);
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	assert_int_equal(runs, 1);
	assert_int_equal(releases, 1);
	assert_holds(finalizer, 1, 0);
	assert_int_equal(wk_strong_count(queue), 1);
	wk_finalizer_release(finalizer);
	wk_queue_close(queue, WK_QUEUE_RUN);
	wk_release(queue);
}

/* As a shutdown does: the newest first, whatever has left the registry in between. */
static void test_registry(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_finalizer *finalizers[6];
	int i;

	(void)state;
	for (i = 0; i < 6; i++)
		finalizers[i] = finalizer_of(thing, i, NULL);
	wk_finalizer_set_at_exit(finalizers[4], false);
	assert_int_equal(wk_finalizer_call(finalizers[5], NULL), WK_OK); /* the newest */
	assert_int_equal(wk_finalizer_call(finalizers[2], NULL), WK_OK); /* in the middle */
	assert_int_equal(wk_finalizer_call(finalizers[0], NULL), WK_OK); /* the oldest */
	runs = 0;
	wki_finalizers_run();
	assert_int_equal(runs, 2);
	assert_int_equal(order[0], 3);
	assert_int_equal(order[1], 1);
	wki_finalizers_run();
	assert_int_equal(runs, 2);
	wk_finalizer_set_at_exit(finalizers[4], true);
	wki_finalizers_run();
	assert_int_equal(runs, 3);
	assert_int_equal(releases, 6);
	for (i = 0; i < 6; i++)
		wk_finalizer_release(finalizers[i]);
	assert_int_equal(wk_weakref_count(thing), 0);
	wk_release(thing);
}

static void test_shutdown(void **state)
{
	(void)state;
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_stages, reset),
		cmocka_unit_test_setup(test_run_out_of_turn, reset),
		cmocka_unit_test_setup(test_registry, reset),
		cmocka_unit_test(test_shutdown),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
