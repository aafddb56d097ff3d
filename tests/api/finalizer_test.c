/*
 * weakref/finalizer.h: something that is done once: at death, on call, at shutdown (promise 11)
 */
#include "record.h"

static int numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

/* Notes the argument's number, and its negative when that is released. Even ones succeed with it, odd ones fail. */
static int run_noting(void *argument)
{
	int number = *(int *)argument;

	note(number);
	return number % 2 == 0 ? number : -number;
}

static int callback_noting(wk_weakref *ref, void *argument)
{
	(void)ref;
	note(*(int *)argument);
	return 0;
}

static void release_noting(void *argument)
{
	note(-*(int *)argument);
}

static void destroy_noting(void *payload)
{
	(void)payload;
	note(100);
}

struct thing {
	int number;
};

WK_DEFINE_TYPE(thing_type, struct thing, .destroy = destroy_noting);
WK_DEFINE_TYPE(plain_type, struct thing, .flags = 0);
WK_DEFINE_TYPE(hidden_type, struct thing, .flags = WK_TYPE_NO_WEAK);

static wk_finalizer *finalizer_with(const void *object, const wk_finalizer_options *options)
{
	int status = WK_EBUSY;
	wk_finalizer *finalizer = wk_finalizer_new(object, options, &status);

	assert_non_null(finalizer);
	assert_int_equal(status, WK_OK);
	return finalizer;
}

static wk_finalizer *finalizer_of(const void *object, int number, wk_queue *queue)
{
	const wk_finalizer_options options = {
		.run = run_noting, .argument = &numbers[number], .release = release_noting, .queue = queue
	};

	return finalizer_with(object, &options);
}

static struct {
	unsigned count;
	int status[8];
	const char *type_name[8];
} errors;

static void on_error(void *context, int status, const char *type_name, const char *message)
{
	(void)context;
	(void)message;
	errors.status[errors.count % 8] = status;
	errors.type_name[errors.count++ % 8] = type_name;
}

static const wk_runtime_options options = { .struct_size = sizeof(options), .on_error = on_error };

static int setup(void **state)
{
	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

static void assert_over(wk_finalizer *finalizer)
{
	wk_finalizer_options registered;
	int result = 77;

	assert_false(wk_finalizer_alive(finalizer));
	assert_int_equal(wk_finalizer_call(finalizer, &result), WK_EDEAD);
	assert_int_equal(result, 77);
	assert_int_equal(wk_finalizer_detach(finalizer), WK_EDEAD);
	assert_null(wk_finalizer_peek(finalizer, &registered));
	settle();
	ASSERT_NOTHING_HAPPENED();
}

static void test_promise_11_death(void **state)
{
	struct thing *thing = wk_new(&thing_type);
	wk_finalizer *finalizer = finalizer_of(thing, 2, NULL);

	(void)state;
	assert_true(wk_finalizer_alive(finalizer));
	settle();
	ASSERT_NOTHING_HAPPENED();
	wk_release(thing);
	assert_false(wk_finalizer_alive(finalizer));
	settle();
	ASSERT_HAPPENED(false, 2, -2, 100);
	assert_over(finalizer);
	wk_finalizer_release(finalizer);
}

/* The registration keeps itself. */
static void test_promise_11_handle_released_at_once(void **state)
{
	struct thing *thing = wk_new(&plain_type);

	(void)state;
	wk_finalizer_release(finalizer_of(thing, 2, NULL));
	settle();
	ASSERT_NOTHING_HAPPENED();
	wk_release(thing);
	settle();
	ASSERT_HAPPENED(false, 2, -2);
}

static void test_promise_11_call(void **state)
{
	struct thing *thing = wk_new(&thing_type);
	wk_finalizer *finalizer = finalizer_of(thing, 4, NULL), *failing = finalizer_of(thing, 3, NULL);
	int result = 0;

	(void)state;
	assert_int_equal(wk_finalizer_call(finalizer, &result), WK_OK);
	ASSERT_HAPPENED(true, 4, -4);
	assert_int_equal(result, 4);
	assert_over(finalizer);
	assert_int_equal(wk_finalizer_call(failing, &result), WK_OK); /* that it failed is its result */
	ASSERT_HAPPENED(true, 3, -3);
	assert_int_equal(result, -3);
	assert_int_equal(errors.count, 0);
	wk_release(thing);
	settle();
	ASSERT_HAPPENED(false, 100);
	wk_finalizer_release(finalizer);
	wk_finalizer_release(failing);
}

static void test_promise_11_detach(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_finalizer *finalizer = finalizer_of(thing, 2, NULL);
	wk_finalizer *bare = finalizer_with(thing, &(wk_finalizer_options){ .run = run_noting, .argument = &numbers[4] });

	(void)state;
	assert_int_equal(wk_finalizer_detach(finalizer), WK_OK);
	settle();
	ASSERT_HAPPENED(false, -2);
	assert_over(finalizer);
	assert_int_equal(wk_finalizer_detach(bare), WK_OK);
	assert_over(bare);
	wk_release(thing);
	settle();
	ASSERT_NOTHING_HAPPENED();
	wk_finalizer_release(finalizer);
	wk_finalizer_release(bare);
}

static void test_failing_at_death_is_reported(void **state)
{
	struct thing *thing = wk_new(&plain_type);

	(void)state;
	wk_finalizer_release(finalizer_of(thing, 1, NULL));
	wk_finalizer_release(finalizer_of(thing, 2, NULL));
	wk_finalizer_release(finalizer_of(thing, 3, NULL));
	wk_release(thing);
	settle();
	ASSERT_HAPPENED(false, 3, -3, 2, -2, 1, -1);
	assert_int_equal(errors.count, 2);
	assert_int_equal(errors.status[0], -3);
	assert_int_equal(errors.status[1], -1);
	assert_string_equal(errors.type_name[0], "struct thing");
	errors.count = 0;
}

static void test_peek(void **state)
{
	struct thing *thing = wk_new(&plain_type), *peeked;
	wk_queue *queue = wk_queue_new(NULL, NULL);
	wk_finalizer *finalizer = finalizer_of(thing, 2, queue);
	wk_finalizer_options registered;

	(void)state;
	peeked = wk_finalizer_peek(finalizer, &registered);
	assert_ptr_equal(peeked, thing);
	assert_int_equal(wk_strong_count(thing), 2);
	assert_ptr_equal(registered.run, run_noting);
	assert_ptr_equal(registered.argument, &numbers[2]);
	assert_ptr_equal(registered.release, release_noting);
	assert_ptr_equal(registered.queue, queue);
	assert_null(registered.owner);
	assert_false(registered.skip_at_exit);
	wk_finalizer_set_at_exit(finalizer, false);
	wk_release(wk_finalizer_peek(finalizer, &registered));
	assert_true(registered.skip_at_exit);
	wk_release(thing);
	assert_true(wk_finalizer_alive(finalizer)); /* what was peeked keeps it */
	wk_release(peeked);
	assert_null(wk_finalizer_peek(finalizer, NULL));
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	ASSERT_HAPPENED(true, 2, -2);
	wk_release(queue);
	wk_finalizer_release(finalizer);
}

static void test_queues(void **state)
{
	struct thing *thing = wk_new(&thing_type), *other = wk_new(&plain_type);
	wk_queue *queue = wk_queue_new(NULL, NULL);
	wk_finalizer *finalizer = finalizer_of(thing, 2, queue), *dropped = finalizer_of(other, 4, queue);
	wk_finalizer *detached = finalizer_of(other, 6, queue);

	(void)state;
	wk_release(thing);
	assert_int_equal(wk_finalizer_detach(detached), WK_OK);
	settle();
	ASSERT_HAPPENED(false, 100);
	assert_int_equal(wk_finalizer_call(finalizer, NULL), WK_EDEAD); /* it is going to */
	assert_int_equal(wk_queue_drain(queue, 0), 2);
	ASSERT_HAPPENED(true, 2, -2, -6);
	wk_release(other);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_DROP), WK_OK);
	ASSERT_HAPPENED(true, -4);
	assert_int_equal(wk_strong_count(queue), 1);
	wk_release(queue);
	wk_finalizer_release(finalizer);
	wk_finalizer_release(dropped);
	wk_finalizer_release(detached);
}

/* Beside callbacks, in one order; counted as weak references, but none of their list. */
static void test_among_weak_references(void **state)
{
	const wk_callback callback = { .run = callback_noting, .argument = &numbers[5] };
	struct thing *thing = wk_new(&plain_type);
	wk_finalizer *old = finalizer_of(thing, 2, NULL);
	wk_weakref *ref = wk_weakref_new(thing, &callback, NULL);
	wk_finalizer *young = finalizer_of(thing, 4, NULL);

	(void)state;
	assert_int_equal(wk_weakref_count(thing), 3);
	assert_int_equal(wk_weakref_list(thing, NULL, 0), 1);
	wk_release(thing);
	settle();
	ASSERT_HAPPENED(false, 4, -4, 5, 2, -2);
	wk_finalizer_release(old);
	wk_finalizer_release(young);
	wk_weakref_release(ref);
}

static void test_what_cannot_be_registered(void **state)
{
	struct thing *hidden = wk_new(&hidden_type), *thing = wk_new(&plain_type);
	const wk_finalizer_options good = { .run = run_noting, .argument = &numbers[2], .release = release_noting };
	int status = WK_OK;

	(void)state;
	assert_null(wk_finalizer_new(hidden, &good, &status));
	assert_int_equal(status, WK_ETYPE);
	assert_null(wk_finalizer_new(NULL, &good, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_finalizer_new(thing, NULL, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_finalizer_new(thing, &(wk_finalizer_options){ .release = release_noting }, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_int_equal(wk_weakref_count(thing), 0);
	wk_release(hidden);
	wk_release(thing);
	settle();
	ASSERT_NOTHING_HAPPENED();
	assert_int_equal(wk_finalizer_call(NULL, NULL), WK_EINVAL);
	assert_int_equal(wk_finalizer_detach(NULL), WK_EINVAL);
	assert_false(wk_finalizer_alive(NULL));
	assert_null(wk_finalizer_peek(NULL, NULL));
	wk_finalizer_set_at_exit(NULL, true);
	wk_finalizer_release(NULL);
}

/* A finalizer may do what anybody may: release its own handle, register the next one. */

static wk_finalizer *own_handle;
static struct thing *long_lived;

static int run_busily(void *argument)
{
	wk_finalizer_release(own_handle);
	wk_finalizer_release(finalizer_of(long_lived, 4, NULL));
	return run_noting(argument);
}

static void test_finalizers_make_finalizers(void **state)
{
	struct thing *thing = wk_new(&plain_type);

	(void)state;
	long_lived = wk_new(&plain_type);
	own_handle = finalizer_with(thing, &(wk_finalizer_options){ .run = run_busily, .argument = &numbers[2] });
	assert_int_equal(wk_finalizer_call(own_handle, NULL), WK_OK);
	ASSERT_HAPPENED(true, 2);
	wk_release(thing);
	wk_release(long_lived);
	settle();
	ASSERT_HAPPENED(false, 4, -4);
}

static void test_many_come_and_go(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	unsigned round;
	wk_finalizer *finalizer;

	(void)state;
	for (round = 0; round < 1000; round++) {
		finalizer = finalizer_with(thing, &(wk_finalizer_options){ .run = run_noting, .argument = &numbers[2] });
		assert_int_equal(wk_finalizer_detach(finalizer), WK_OK);
		wk_finalizer_release(finalizer);
	}
	assert_int_equal(wk_weakref_count(thing), 0);
	wk_release(thing);
	settle();
	ASSERT_NOTHING_HAPPENED();
}

/* The end of the runtime: the newest first, on the thread that ends it, those made meanwhile included. */

static struct {
	int start, shutdown, barrier;
} from_inside;

static int run_at_the_end(void *argument)
{
	struct thing *thing = wk_new(&plain_type);

	wk_finalizer_release(finalizer_of(thing, 8, NULL)); /* dies at once: the runner's */
	wk_release(thing);
	wk_finalizer_release(finalizer_of(long_lived, 6, NULL)); /* alive: next in turn */
	from_inside.start = wk_runtime_start(NULL);
	from_inside.shutdown = wk_runtime_shutdown(0, NULL);
	from_inside.barrier = wk_barrier(WK_NO_TIMEOUT);
	record.count -= 2; /* what the runner did */
	assert_int_equal(record.what[record.count], 8);
	return run_noting(argument);
}

static void test_promise_11_shutdown(void **state)
{
	wk_shutdown_report report = { .struct_size = sizeof(report) };
	wk_finalizer *skipped, *detached, *called;

	(void)state;
	long_lived = wk_new(&plain_type);
	wk_finalizer_release(finalizer_of(long_lived, 2, NULL));
	skipped = finalizer_of(long_lived, 9, NULL);
	wk_finalizer_set_at_exit(skipped, false);
	wk_finalizer_release(finalizer_of(long_lived, 1, NULL));
	wk_finalizer_release(finalizer_with(long_lived,
		&(wk_finalizer_options){ .run = run_noting, .argument = &numbers[7], .skip_at_exit = true }));
	wk_finalizer_release(finalizer_with(long_lived,
		&(wk_finalizer_options){ .run = run_at_the_end, .argument = &numbers[4], .release = release_noting }));
	detached = finalizer_of(long_lived, 8, NULL);
	called = finalizer_of(long_lived, 8, NULL);
	assert_int_equal(wk_finalizer_detach(detached), WK_OK);
	settle();
	assert_int_equal(wk_finalizer_call(called, NULL), WK_OK);
	record.count = 0;
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, &report), WK_OK);
	ASSERT_HAPPENED(true, 4, -4, 6, -6, 1, -1, 2, -2);
	assert_int_equal(errors.count, 1);
	assert_int_equal(errors.status[0], -1);
	errors.count = 0;
	assert_int_equal(from_inside.start, WK_EDEADLOCK);
	assert_int_equal(from_inside.shutdown, WK_EDEADLOCK);
	assert_int_equal(from_inside.barrier, WK_OK);
	assert_int_equal(report.not_run, 0);
	assert_int_equal(report.still_alive, 1);

	assert_int_equal(wk_runtime_start(&options), WK_OK);
	assert_true(wk_finalizer_alive(skipped));
	wk_release(long_lived);
	settle();
	ASSERT_HAPPENED(false, 7, 9, -9);
	errors.count = 0;
	wk_finalizer_release(skipped);
	wk_finalizer_release(detached);
	wk_finalizer_release(called);
}

static void test_after_the_shutdown(void **state)
{
	struct thing *thing;
	wk_finalizer *finalizer;
	int status;

	(void)state;
	assert_int_equal(wk_runtime_start(&options), WK_OK);
	thing = wk_new(&plain_type);
	finalizer = finalizer_of(thing, 2, NULL);
	wk_finalizer_set_at_exit(finalizer, false);
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
	assert_null(wk_finalizer_new(thing, &(wk_finalizer_options){ .run = run_noting }, &status));
	assert_int_equal(status, WK_ESHUTDOWN);
	assert_int_equal(wk_finalizer_call(finalizer, NULL), WK_OK);
	ASSERT_HAPPENED(true, 2, -2);
	wk_finalizer_release(finalizer);
	wk_release(thing);
	assert_int_equal(wk_runtime_start(&options), WK_OK);
	test_the_accounts_balance(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_11_death),
		cmocka_unit_test(test_promise_11_handle_released_at_once),
		cmocka_unit_test(test_promise_11_call),
		cmocka_unit_test(test_promise_11_detach),
		cmocka_unit_test(test_failing_at_death_is_reported),
		cmocka_unit_test(test_peek),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_among_weak_references),
		cmocka_unit_test(test_what_cannot_be_registered),
		cmocka_unit_test(test_finalizers_make_finalizers),
		cmocka_unit_test(test_many_come_and_go),
		cmocka_unit_test(test_promise_11_shutdown),
		cmocka_unit_test(test_the_accounts_balance),
		cmocka_unit_test(test_after_the_shutdown),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
