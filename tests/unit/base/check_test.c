/*
 * base/check.h: one message, then the end; base/sched.h: yields that change nothing
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/child.h"
#include "support/threads.h"

static void stop(void)
{
	wki_stop("%s number %d", "misuse", 7);
}

/* A message that is too long is cut, and still ends the process. */
static void stop_at_length(void)
{
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	wki_stop("%s", text);
}

static void break_an_invariant(void)
{
	int two = 2;

	WKI_INVARIANT(two == 3);
}

static void test_stop(void **state)
{
	struct child_end end = child_run("stop");

	(void)state;
	assert_true(child_aborted(&end));
	assert_string_equal(end.output, "weakref: misuse number 7\n");
	end = child_run("stop_at_length");
	assert_true(child_aborted(&end));
	assert_true(child_said(&end, "weakref: xxxxxxxxxx"));
}

/* Invariants are executed at level 2, and cost nothing below. */
static void test_invariants(void **state)
{
	struct child_end end = child_run("break_an_invariant");

	(void)state;
	if (WKI_CHECK_LEVEL < 2) {
		assert_true(child_exited(&end, 0));
		return;
	}
	assert_true(child_aborted(&end));
	assert_true(child_said(&end, "broken invariant: two == 3"));
}

static void pass_points(void *count, unsigned index)
{
	unsigned i;

	(void)index;
	for (i = 0; i < 1000; i++) {
		SCHED_POINT("between two steps");
		atomic_fetch_add((_Atomic unsigned *)count, 1);
	}
}

static void test_schedule_points(void **state)
{
	_Atomic unsigned count = 0;

	(void)state;
	wki_sched_seed(1, 3);
	threads_run(3, pass_points, &count);
	wki_sched_seed(1, 0);
	assert_int_equal(atomic_load(&count), 3000);
}

int main(int argc, char **argv)
{
	const struct child_case cases[] = {
		{ "stop", stop },
		{ "stop_at_length", stop_at_length },
		{ "break_an_invariant", break_an_invariant },
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_invariants),
		cmocka_unit_test(test_schedule_points),
	};

	if (child_main(argc, argv, cases, 3))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
