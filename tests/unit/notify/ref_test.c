/*
 * notify/ref.c, notify/registration.c: holds and states at every stage, and lists that stay short
 */
#include <setjmp.h>
#include <stdarg.h>

#include "core/control.h"
#include "notify/registration.h"
#include "weakref.h"

#include <cmocka.h>

struct thing {
	int number;
};

WK_DEFINE_TYPE(plain_type, struct thing, .flags = 0);

static int runs, releases;

static int run(wk_weakref *ref, void *argument)
{
	(void)ref;
	(void)argument;
	runs++;
	return 0;
}

static void release(void *argument)
{
	(void)argument;
	releases++;
}

static int setup(void **state)
{
	(void)state;
	return wk_runtime_start(NULL) == WK_OK ? 0 : -1;
}

static struct wki_registration *of(wk_weakref *ref)
{
	return (struct wki_registration *)(void *)ref;
}

static void assert_holds(wk_weakref *ref, uint32_t users, uint32_t others)
{
	assert_int_equal(atomic_load_relaxed(&of(ref)->watch.holds), users * WKI_HOLD_USER + others);
}

static wk_weakref *armed_ref(const void *object, wk_queue *queue)
{
	const wk_callback callback = { .run = run, .release = release, .queue = queue };

	return wk_weakref_new(object, &callback, NULL);
}

static void test_without_a_call(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_weakref *ref = wk_weakref_new(thing, NULL, NULL);

	(void)state;
	assert_holds(ref, 1, WKI_HOLD_LIST);
	assert_int_equal(wki_registration_call(of(ref)), WKI_CALL_NONE);
	assert_ptr_equal(wk_weakref_new(thing, NULL, NULL), ref);
	assert_holds(ref, 2, WKI_HOLD_LIST);
	wk_weakref_release(ref);
	wk_release(thing);
	assert_holds(ref, 1, 0);
	assert_int_equal(wki_watch_state(&of(ref)->watch), WKI_WATCH_FIRED);
	assert_int_equal(wki_registration_call(of(ref)), WKI_CALL_NONE);
	wk_weakref_release(ref);
}

static void test_stages_of_a_call(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_queue *queue = wk_queue_new(NULL, NULL);
	wk_weakref *ref = armed_ref(thing, queue);

	(void)state;
	assert_holds(ref, 1, WKI_HOLD_LIST + WKI_HOLD_CALL);
	assert_int_equal(wki_registration_call(of(ref)), WKI_CALL_ARMED);
	wk_release(thing);
	assert_holds(ref, 1, WKI_HOLD_CALL);
	assert_int_equal(wki_registration_call(of(ref)), WKI_CALL_POSTED);
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	assert_holds(ref, 1, 0);
	assert_int_equal(wki_registration_call(of(ref)), WKI_CALL_DONE);
	assert_int_equal(runs, 1);
	assert_int_equal(releases, 1);
	assert_int_equal(wk_strong_count(queue), 1);
	wk_weakref_release(ref);
	runs = releases = 0;
	wk_queue_close(queue, WK_QUEUE_RUN);
	wk_release(queue);
}

static void test_stages_of_a_cancelled_call(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_queue *queue = wk_queue_new(NULL, NULL);
	wk_weakref *ref = armed_ref(thing, queue);

	(void)state;
	assert_int_equal(wk_weakref_cancel(ref), WK_OK);
	assert_holds(ref, 1, WKI_HOLD_LIST + WKI_HOLD_CALL);
	assert_int_equal(wki_registration_call(of(ref)), WKI_CALL_CANCELLED);
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	assert_holds(ref, 1, WKI_HOLD_LIST);
	assert_int_equal(wki_watch_state(&of(ref)->watch), WKI_WATCH_LIVE);
	wk_release(thing);
	assert_holds(ref, 1, 0);
	assert_int_equal(wk_queue_pending(queue), 0);
	wk_weakref_release(ref);
	assert_int_equal(runs, 0);
	assert_int_equal(releases, 1);
	releases = 0;
	wk_queue_close(queue, WK_QUEUE_RUN);
	wk_release(queue);
}

/* Nothing to release: giving up or cancelling hands nothing over. */
static void test_nothing_to_release(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_queue *queue = wk_queue_new(NULL, NULL);
	wk_weakref *ref = wk_weakref_new(thing, &(wk_callback){ .run = run, .queue = queue }, NULL);

	(void)state;
	assert_int_equal(wk_strong_count(queue), 2);
	assert_int_equal(wk_weakref_cancel(ref), WK_OK);
	assert_int_equal(wk_queue_pending(queue), 0);
	assert_int_equal(wk_strong_count(queue), 1);
	assert_holds(ref, 1, WKI_HOLD_LIST);
	wk_weakref_release(ref);
	wk_release(thing);
	wk_queue_close(queue, WK_QUEUE_RUN);
	wk_release(queue);
}

/* A walk that meets a reference without users leaves it alone, one that a walk has taken does not go. */
static void test_users_of_a_walk(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_weakref *ref = armed_ref(thing, NULL);

	(void)state;
	wk_read_lock();
	assert_true(wki_registration_add_user_rcu(of(ref)));
	assert_holds(ref, 2, WKI_HOLD_LIST + WKI_HOLD_CALL);
	wk_weakref_release(ref);
	wk_weakref_release(ref);
	assert_false(wki_registration_add_user_rcu(of(ref))); /* its memory stays in this section */
	wk_read_unlock();
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
	assert_int_equal(releases, 1);
	releases = 0;
	wk_release(thing);
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

/* References that come and go on a long-lived object are pruned: the list is never much longer than what is alive. */
static void test_lists_stay_short(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_weakref *keep[20], *refs[20];
	unsigned i, round, longest = 0, length;

	(void)state;
	for (i = 0; i < 20; i++)
		keep[i] = armed_ref(thing, NULL);
	for (round = 0; round < 1000; round++) {
		for (i = 0; i < 20; i++)
			refs[i] = i % 2 == 0 ? wk_weakref_new(thing, NULL, NULL) : armed_ref(thing, NULL);
		for (i = 0; i < 20; i++)
			wk_weakref_release(refs[i]);
		length = list_length(thing);
		longest = length > longest ? length : longest;
	}
	assert_in_range(longest, 20, 20 + 2 * 32);
	for (i = 0; i < 20; i++)
		wk_weakref_release(keep[i]);
	wk_release(thing);
}

/* The shared reference is found behind others, and only where there is one. */
static void test_shared_among_others(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_weakref *old = armed_ref(thing, NULL), *sized = wk_weakref_new_sized(thing, NULL, 8, NULL);
	wk_weakref *shared = wk_weakref_new(thing, NULL, NULL), *young = armed_ref(thing, NULL);
	wk_weakref *again = wk_weakref_new(thing, NULL, NULL);

	(void)state;
	assert_ptr_equal(shared, again);
	assert_int_equal(wk_weakref_cancel(old), WK_OK); /* cancelled is not shared */
	wk_weakref_release(shared);
	wk_weakref_release(again);
	again = wk_weakref_new(thing, NULL, NULL);
	assert_ptr_not_equal(again, old);
	assert_ptr_not_equal(again, sized);
	assert_holds(again, 1, WKI_HOLD_LIST);
	assert_ptr_equal(wki_watch_first(&wki_control_of(thing)->watches), &of(again)->watch);
	wk_weakref_release(again);
	wk_weakref_release(old);
	wk_weakref_release(sized);
	wk_weakref_release(young);
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
		cmocka_unit_test(test_without_a_call),
		cmocka_unit_test(test_stages_of_a_call),
		cmocka_unit_test(test_stages_of_a_cancelled_call),
		cmocka_unit_test(test_nothing_to_release),
		cmocka_unit_test(test_users_of_a_walk),
		cmocka_unit_test(test_lists_stay_short),
		cmocka_unit_test(test_shared_among_others),
		cmocka_unit_test(test_shutdown),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
