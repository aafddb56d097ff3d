/*
 * weakref/finalizer.h: the end of the process (promise 11)
 *
 * Each scenario is a process of its own that says what runs, one word each, and ends in its own way.
 */
#include "runtime_fixture.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/child.h"
#include "support/threads.h"

struct thing {
	int number;
};

WK_DEFINE_TYPE(thing_type, struct thing, .flags = 0);

static struct thing *thing; /* alive at exit, and reachable: no leak */

static void say(const char *word)
{
	dprintf(STDERR_FILENO, "%s ", word);
}

static int run_saying(void *argument)
{
	say(argument);
	return 0;
}

static void release_saying(void *argument)
{
	(void)argument;
	say("released");
}

static void finalize_with(const void *object, int (*run)(void *argument), const char *word, wk_queue *queue)
{
	const wk_finalizer_options options = { .run = run, .argument = (void *)(uintptr_t)word, .queue = queue };
	wk_finalizer *finalizer = wk_finalizer_new(object, &options, NULL);

	child_check(finalizer != NULL);
	wk_finalizer_release(finalizer);
}

static void finalize(const void *object, const char *word)
{
	finalize_with(object, run_saying, word, NULL);
}

/* The newest first; those made meanwhile, and those whose flag says so, in their turn. */

static int run_making(void *argument)
{
	finalize(thing, "meanwhile");
	return run_saying(argument);
}

static int run_failing(void *argument)
{
	say(argument);
	return -5;
}

static void exit_in_order(void)
{
	const wk_finalizer_options skipped = { .run = run_saying, .argument = (void *)"skipped", .skip_at_exit = true };
	const wk_finalizer_options released = { .run = run_saying, .argument = (void *)"first", .release = release_saying };
	wk_finalizer *one = wk_finalizer_new((thing = wk_new(&thing_type)), &released, NULL);
	wk_finalizer *two = wk_finalizer_new(thing, &skipped, NULL);
	wk_finalizer *three = wk_finalizer_new(thing, &skipped, NULL);

	finalize_with(thing, run_failing, "second", NULL);
	finalize_with(thing, run_making, "third", NULL);
	wk_finalizer_set_at_exit(three, true);
	wk_finalizer_release(one);
	wk_finalizer_release(two);
	wk_finalizer_release(three);
	finalize(thing, "fourth");
}

static void test_promise_11_newest_first(void **state)
{
	struct child_end end = child_run("exit_in_order");

	(void)state;
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output,
		"fourth third meanwhile second weakref: struct thing: a finalizer failed\nskipped first released ");
}

/* The program may want none of that. */

static void exit_leaving(void)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .leave_finalizers_at_exit = true };

	child_check(wk_runtime_start(&options) == WK_OK);
	thing = wk_new(&thing_type);
	finalize(thing, "left");
}

static void exit_at_once(void)
{
	thing = wk_new(&thing_type);
	finalize(thing, "left");
	_exit(0);
}

static void test_finalizers_are_left_alone(void **state)
{
	struct child_end end = child_run("exit_leaving");

	(void)state;
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output, "");
	end = child_run("exit_at_once");
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output, "");
}

/* Objects that died right before: their finalizers still wait for a queue, or for the runner. */

static wk_queue *queue;

static void exit_undrained(void)
{
	struct thing *dead = wk_new(&thing_type);

	queue = wk_queue_new(NULL, NULL);
	thing = wk_new(&thing_type);
	finalize(thing, "alive");
	finalize_with(dead, run_saying, "posted", queue);
	wk_release(dead);
}

static void exit_unpolled(void)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = WK_THREAD_NONE };
	struct thing *dead;

	child_check(wk_runtime_start(&options) == WK_OK);
	dead = wk_new(&thing_type);
	finalize(dead, "posted");
	wk_release(dead);
}

static void test_promise_11_posted_ones_run(void **state)
{
	struct child_end end = child_run("exit_undrained");

	(void)state;
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output, "posted alive ");
	end = child_run("exit_unpolled");
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output, "posted ");
}

/* The runner and the exit want the same ones: each runs once, whoever is faster. */

#define DEAD 8

static void exit_beside_the_runner(void)
{
	struct thing *dead[DEAD];
	unsigned i;

	for (i = 0; i < DEAD; i++) {
		dead[i] = wk_new(&thing_type);
		finalize(dead[i], "posted");
	}
	for (i = 0; i < DEAD; i++)
		wk_release(dead[i]);
}

static unsigned words(const char *text)
{
	unsigned count = 0;

	for (; *text != '\0'; text++)
		count += *text == ' ';
	return count;
}

static void test_promise_11_once_and_not_lost(void **state)
{
	struct child_end end;
	unsigned i;

	(void)state;
	for (i = 0; i < 30; i++) {
		end = child_run("exit_beside_the_runner");
		assert_true(child_exited(&end, 0));
		assert_int_equal(words(end.output), DEAD);
	}
}

/* One is in the middle of it on the runner: the exit lets it finish. */

static struct steps steps = STEPS_AT_START;

enum { BEGUN = 1, EXITING };

/* Registered after the library's own handler, so it runs before that. */
static void say_exiting(void)
{
	steps_reach(&steps, EXITING);
}

static int run_through_the_exit(void *argument)
{
	unsigned i;

	steps_reach(&steps, BEGUN);
	steps_wait(&steps, EXITING);
	for (i = 0; i < 1000; i++)
		sched_yield(); /* time for an exit that does not wait */
	return run_saying(argument);
}

static void exit_in_the_middle(void)
{
	struct thing *dead = wk_new(&thing_type);

	finalize_with(dead, run_through_the_exit, "finished", NULL);
	atexit(say_exiting);
	wk_release(dead);
	steps_wait(&steps, BEGUN);
}

static void test_promise_11_running_ones_finish(void **state)
{
	struct child_end end = child_run("exit_in_the_middle");

	(void)state;
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output, "finished ");
}

/* A finalizer ends the process; a read section is open: neither hangs. */

static int run_exiting(void *argument)
{
	run_saying(argument);
	exit(0);
}

static void exit_from_the_runner(void)
{
	struct thing *dead = wk_new(&thing_type);
	struct steps never = STEPS_AT_START;

	thing = wk_new(&thing_type);
	finalize(thing, "alive");
	finalize_with(dead, run_exiting, "ending", NULL);
	wk_release(dead);
	steps_wait(&never, 1);
}

static void exit_from_a_section(void)
{
	thing = wk_new(&thing_type);
	finalize(thing, "alive");
	wk_read_lock();
	exit(0);
}

static void test_exit_from_anywhere(void **state)
{
	struct child_end end = child_run("exit_from_the_runner");

	(void)state;
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output, "ending alive ");
	end = child_run("exit_from_a_section");
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output, "alive ");
}

/* A handler of the program's own that runs after the library's makes one more. */

static void make_one_more(void)
{
	finalize(thing, "late");
}

static void exit_with_a_handler(void)
{
	atexit(make_one_more);
	thing = wk_new(&thing_type);
	finalize(thing, "alive");
}

static void test_promise_11_made_by_exit_handlers(void **state)
{
	struct child_end end = child_run("exit_with_a_handler");

	(void)state;
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output, "alive late ");
}

/* What the shutdown has run does not run again. */
static void exit_after_shutdown(void)
{
	child_check(wk_runtime_start(NULL) == WK_OK);
	thing = wk_new(&thing_type);
	finalize(thing, "alive");
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	say("down");
}

static void test_promise_11_exit_after_shutdown(void **state)
{
	struct child_end end = child_run("exit_after_shutdown");

	(void)state;
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.output, "alive down ");
}

int main(int argc, char **argv)
{
	static const struct child_case cases[] = {
		{ "exit_in_order", exit_in_order },
		{ "exit_leaving", exit_leaving },
		{ "exit_at_once", exit_at_once },
		{ "exit_undrained", exit_undrained },
		{ "exit_unpolled", exit_unpolled },
		{ "exit_beside_the_runner", exit_beside_the_runner },
		{ "exit_in_the_middle", exit_in_the_middle },
		{ "exit_from_the_runner", exit_from_the_runner },
		{ "exit_from_a_section", exit_from_a_section },
		{ "exit_with_a_handler", exit_with_a_handler },
		{ "exit_after_shutdown", exit_after_shutdown },
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_11_newest_first),
		cmocka_unit_test(test_finalizers_are_left_alone),
		cmocka_unit_test(test_promise_11_posted_ones_run),
		cmocka_unit_test(test_promise_11_once_and_not_lost),
		cmocka_unit_test(test_promise_11_running_ones_finish),
		cmocka_unit_test(test_exit_from_anywhere),
		cmocka_unit_test(test_promise_11_made_by_exit_handlers),
		cmocka_unit_test(test_promise_11_exit_after_shutdown),
	};

	if (child_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0])))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
