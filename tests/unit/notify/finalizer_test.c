/*
 * notify/finalizer.c: states and holds, finalizers that are run out of turn, and the registry
 */
#include <setjmp.h>
#include <stdarg.h>

#include "core/control.h"
#include "notify/finalizer.h"
#include "notify/registration.h"
#include "weakref.h"

#include <cmocka.h>

struct thing {
	int number;
};

WK_DEFINE_TYPE(plain_type, struct thing, .flags = 0);

static int order[8], runs;
static _Atomic int releases; /* on the runner too */

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
	runs = 0;
	releases = 0;
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

/*
 * While one runs at the end, the next ones are called, leave the registry, and their memory goes
 * and is used again: who goes through the registry must not be left with one of them.
 */

#define LEAVING 300

static struct {
	struct thing *thing;
	wk_finalizer *finalizers[LEAVING];
} leaving;

static int run_others(void *argument)
{
	struct thing *thing;
	unsigned i;

	for (i = LEAVING; i-- > 0;) { /* the next in turn first */
		assert_int_equal(wk_finalizer_call(leaving.finalizers[i], NULL), WK_OK);
		wk_finalizer_release(leaving.finalizers[i]);
	}
	for (i = 0; i < 4; i++)
		assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
	for (i = 0; i < LEAVING; i++) {
		thing = wk_new(&plain_type);
		wk_weakref_release(wk_weakref_new_sized(thing, NULL, 8, NULL));
		wk_release(thing);
	}
	return run(argument);
}

static void test_registry_changes_under_a_run(void **state)
{
	const wk_finalizer_options busy = { .run = run_others, .argument = &numbers[2] };
	unsigned i;

	(void)state;
	leaving.thing = wk_new(&plain_type);
	wk_finalizer_release(finalizer_of(leaving.thing, 1, NULL));
	for (i = 0; i < LEAVING; i++)
		leaving.finalizers[i] = finalizer_of(leaving.thing, 0, NULL);
	wk_finalizer_release(wk_finalizer_new(leaving.thing, &busy, NULL));
	wki_finalizers_run();
	assert_int_equal(runs, LEAVING + 2);
	assert_int_equal(order[(LEAVING + 0) % 8], 2);
	assert_int_equal(order[(LEAVING + 1) % 8], 1); /* the oldest comes last */
	wk_release(leaving.thing);
}

static unsigned list_length(const void *object)
{
	struct wki_watch *watch;
	unsigned length = 0;

	wk_read_lock();
	for (watch = wki_watch_first(&wki_control_of(object)->watches); watch != NULL; watch = wki_watch_next(watch))
		length++;
	wk_read_unlock();
	return length;
}

/* Finalizers that are called or detached are pruned from the object's list. */
static void test_lists_stay_short(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_finalizer *finalizer;
	unsigned i, longest = 0;

	(void)state;
	for (i = 0; i < 1000; i++) {
		finalizer = finalizer_of(thing, 0, NULL);
		assert_int_equal(i % 2 == 0 ? wk_finalizer_call(finalizer, NULL) : wk_finalizer_detach(finalizer), WK_OK);
		wk_finalizer_release(finalizer);
		longest = list_length(thing) > longest ? list_length(thing) : longest;
	}
	assert_in_range(longest, 1, 32);
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
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
		cmocka_unit_test_setup(test_registry_changes_under_a_run, reset),
		cmocka_unit_test_setup(test_lists_stay_short, reset),
		cmocka_unit_test(test_shutdown),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
