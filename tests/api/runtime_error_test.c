/*
 * weakref/runtime.h: the error hook, which is told of what nobody else can be told (promise 7)
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "support/child.h"
#include "support/threads.h"

struct thing {
	int number;
};
WK_DEFINE_TYPE(thing_type, struct thing, .flags = 0);

/* What the hook was told last, and where. Read when whoever wrote it has ended or has been waited for. */
static struct {
	unsigned count;
	int status;
	char type_name[32], message[128];
	void *context;
	pthread_t where;
} told;

static void on_error(void *context, int status, const char *type_name, const char *message)
{
	told.count++;
	told.status = status;
	strncpy(told.type_name, type_name, sizeof(told.type_name) - 1);
	strncpy(told.message, message, sizeof(told.message) - 1);
	told.context = context;
	told.where = pthread_self();
}

static const wk_runtime_options options = {
	.struct_size = sizeof(options), .on_error = on_error, .on_error_context = &told
};

static int setup(void **state)
{
	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

/* Told once, of this, on this thread or on another; then it is forgotten. */
static void assert_told(int status, const char *type_name, const char *message, bool here)
{
	assert_int_equal(told.count, 1);
	assert_int_equal(told.status, status);
	assert_string_equal(told.type_name, type_name);
	assert_string_equal(told.message, message);
	assert_ptr_equal(told.context, &told);
	assert_int_equal(pthread_equal(told.where, pthread_self()) != 0, here);
	memset(&told, 0, sizeof(told));
}

static unsigned ran;

static int run_failing(wk_weakref *ref, void *argument)
{
	(void)ref;
	ran++;
	return (int)(intptr_t)argument;
}

static int fail_finalizer(void *argument)
{
	ran++;
	return (int)(intptr_t)argument;
}

static wk_weakref *failing_ref(const void *object, intptr_t result, wk_queue *queue)
{
	const wk_callback callback = { .run = run_failing, .argument = (void *)result, .queue = queue };

	return wk_weakref_new(object, &callback, NULL);
}

static void failing_finalizer(const void *object, intptr_t result)
{
	const wk_finalizer_options asked = { .run = fail_finalizer, .argument = (void *)result };

	wk_finalizer_release(wk_finalizer_new(object, &asked, NULL));
}

#define FAILED "the callback of a weak reference failed"

/* Below 0 it has failed, on the runner and on a queue; the others run all the same. */
static void test_promise_7_a_failing_callback_is_told(void **state)
{
	wk_queue *queue = wk_queue_new(NULL, NULL);
	struct thing *thing = wk_new(&thing_type);
	wk_weakref *refs[] = { failing_ref(thing, 1, NULL), failing_ref(thing, -5, NULL), failing_ref(thing, 0, NULL),
			       failing_ref(thing, 7, queue), failing_ref(thing, -6, queue) };

	(void)state;
	ran = 0;
	wk_release(thing);
	settle();
	assert_told(-5, "struct thing", FAILED, false);
	assert_int_equal(wk_queue_drain(queue, 0), 2);
	assert_told(-6, "struct thing", FAILED, true);
	assert_int_equal(ran, 5);
	for (unsigned i = 0; i < 5; i++)
		wk_weakref_release(refs[i]);
	wk_release(queue);
}

/* Of a finalizer that the program calls it is the program that learns of it. */
static void test_promise_7_a_failing_finalizer_is_told(void **state)
{
	const wk_finalizer_options asked = { .run = fail_finalizer, .argument = (void *)(intptr_t)-3 };
	struct thing *thing = wk_new(&thing_type);
	wk_finalizer *called = wk_finalizer_new(thing, &asked, NULL);
	int result;

	(void)state;
	assert_int_equal(wk_finalizer_call(called, &result), WK_OK);
	assert_int_equal(result, -3);
	assert_int_equal(told.count, 0);
	wk_finalizer_release(called);
	failing_finalizer(thing, -4);
	wk_release(thing);
	settle();
	assert_told(-4, "struct thing", "a finalizer failed", false);
}

/* Likewise the one that an owner's drain runs, on the thread that drains. */
static void test_a_finalizer_that_fails_in_a_drain_is_told(void **state)
{
	wk_owner *owner = wk_owner_new("failing", NULL);
	const wk_finalizer_options asked = { .run = fail_finalizer, .argument = (void *)(intptr_t)-8, .owner = owner };
	struct thing *thing = wk_new(&thing_type);

	(void)state;
	wk_finalizer_release(wk_finalizer_new(thing, &asked, NULL));
	assert_int_equal(wk_owner_drain(owner, WK_NO_TIMEOUT, NULL), WK_OK);
	assert_told(-8, "struct thing", "a finalizer failed", true);
	wk_release(thing);
	wk_release(owner);
}

/* One that ends its thread: the runner goes on in another, a queue is drained by another. */

static int end_thread(wk_weakref *ref, void *argument)
{
	(void)ref;
	(void)argument;
	ran++;
	pthread_exit(NULL);
}

static void drain(void *queue)
{
	(void)wk_queue_drain(queue, 0);
}

static void test_promise_7_who_ends_its_thread_is_told(void **state)
{
	wk_queue *queue = wk_queue_new(NULL, NULL);
	const wk_callback callback = { .run = end_thread }, queued = { .run = end_thread, .queue = queue };
	struct thing *thing = wk_new(&thing_type);
	wk_weakref *refs[] = { wk_weakref_new(thing, &callback, NULL), wk_weakref_new(thing, &queued, NULL),
			       failing_ref(thing, 0, NULL), failing_ref(thing, 0, queue) };

	(void)state;
	ran = 0;
	wk_release(thing);
	settle();
	assert_told(WK_EINVAL, "runner", "a callback or destructor ended the runner's thread", false);
	assert_int_equal(ran, 2);
	threads_alone(drain, queue, 0);
	assert_int_equal(ran, 4);
	assert_told(WK_EINVAL, "queue", "a callback or destructor ended the thread that drained its queue", false);
	for (unsigned i = 0; i < 4; i++)
		wk_weakref_release(refs[i]);
	wk_release(queue);
}

static void close_and_run(void *queue)
{
	(void)wk_queue_close(queue, WK_QUEUE_RUN);
}

/* The queue is closed all the same, and what is left is the runner's. */
static void test_promise_7_who_ends_a_closing_thread_is_told(void **state)
{
	wk_queue *queue = wk_queue_new(NULL, NULL);
	const wk_callback queued = { .run = end_thread, .queue = queue };
	struct thing *thing = wk_new(&thing_type);
	wk_weakref *refs[] = { failing_ref(thing, 0, queue), wk_weakref_new(thing, &queued, NULL) };

	(void)state;
	ran = 0;
	wk_release(thing);
	threads_alone(close_and_run, queue, 0);
	assert_told(WK_EINVAL, "queue", "a callback or destructor ended the thread that drained its queue", false);
	settle();
	assert_int_equal(ran, 2);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_ESHUTDOWN);
	assert_int_equal(wk_queue_pending(queue), 0);
	for (unsigned i = 0; i < 2; i++)
		wk_weakref_release(refs[i]);
	wk_release(queue);
}

/* Without a hook it is a line on standard error. */
static void scenario_no_hook(void)
{
	struct thing *thing = wk_new(&thing_type);
	wk_weakref *ref = failing_ref(thing, -1, NULL);

	wk_release(thing);
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK);
	wk_weakref_release(ref);
}

/* The first start's hook holds, until another runtime is started. */
static void scenario_first_hook_holds(void)
{
	wk_runtime_options none = { .struct_size = sizeof(none) };

	child_check(wk_runtime_start(&options) == WK_OK);
	child_check(wk_runtime_start(&none) == WK_EEXISTS);
	scenario_no_hook();
	child_check(told.count == 1 && told.context == &told);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_EBUSY);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(wk_runtime_start(&none) == WK_OK);
	scenario_no_hook();
	child_check(told.count == 1);
}

/* Finalizers at a shutdown, newest first: one that fails does not stop the others. */
static void scenario_at_shutdown(void)
{
	struct thing *thing;

	child_check(wk_runtime_start(&options) == WK_OK);
	thing = wk_new(&thing_type);
	failing_finalizer(thing, 0);
	failing_finalizer(thing, -2);
	failing_finalizer(thing, 0);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(ran == 3 && told.count == 1 && told.status == -2);
	wk_release(thing);
}

static const struct child_case cases[] = {
	{ "no_hook", scenario_no_hook },
	{ "first_hook_holds", scenario_first_hook_holds },
	{ "at_shutdown", scenario_at_shutdown },
};

static void test_without_a_hook(void **state)
{
	struct child_end end = child_run("no_hook");

	(void)state;
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output, "weakref: struct thing: " FAILED "\n");
}

static void test_hooks_of_several_starts(void **state)
{
	struct child_end end = child_run("first_hook_holds");

	(void)state;
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output, "weakref: struct thing: " FAILED "\n"); /* the second runtime's */
}

static void test_promise_11_a_finalizer_that_fails_at_shutdown_is_told(void **state)
{
	(void)state;
	assert_true(child_passes("at_shutdown"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_7_a_failing_callback_is_told),
		cmocka_unit_test(test_promise_7_a_failing_finalizer_is_told),
		cmocka_unit_test(test_a_finalizer_that_fails_in_a_drain_is_told),
		cmocka_unit_test(test_promise_7_who_ends_its_thread_is_told),
		cmocka_unit_test(test_promise_7_who_ends_a_closing_thread_is_told),
		cmocka_unit_test(test_without_a_hook),
		cmocka_unit_test(test_hooks_of_several_starts),
		cmocka_unit_test(test_promise_11_a_finalizer_that_fails_at_shutdown_is_told),
		cmocka_unit_test(test_the_accounts_balance),
	};

	if (child_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0])))
		return 0;
	return cmocka_run_group_tests_name("weakref/runtime.h, errors", tests, setup, NULL);
}
