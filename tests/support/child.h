/*
 * tests/support/child.h - scenarios that need a process of their own
 *
 * The test program runs itself again with the scenario's name: for misuse, which stops the process, and for
 * what happens once a process, such as the first start of the runtime. A scenario uses child_check, since
 * cmocka's asserts belong to the parent.
 */
#ifndef TESTS_SUPPORT_CHILD_H
#define TESTS_SUPPORT_CHILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct child_case {
	const char *name;
	void (*run)(void);
};

/* child_main - first thing in main: false, unless this process is a child; then it runs the scenario and exits 0 */
bool child_main(int argc, char **argv, const struct child_case *cases, size_t count);

struct child_end {
	int status; /* as of waitpid */
	char output[8192]; /* standard error, as much as fits */
};

struct child_end child_run(const char *name);

/* child_exited, child_aborted - whether it did; if not, they say what happened */
bool child_exited(const struct child_end *end, int code);
bool child_aborted(const struct child_end *end);
/* child_said - `text` is in its output */
bool child_said(const struct child_end *end, const char *text);

/* In a child: say what does not hold, and exit 1. */
#define child_check(condition) child_check_that((condition), #condition, __FILE__, __LINE__)
void child_check_that(bool holds, const char *text, const char *file, int line);

/* child_passes - the scenario ran to its end */
bool child_passes(const char *name);

#endif
