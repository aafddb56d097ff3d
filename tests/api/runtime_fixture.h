/*
 * tests/api/runtime_fixture.h - a runtime around a file's tests, and its accounts at the end
 *
 * runtime_setup starts the runtime for a group; the group's last test is test_the_accounts_balance: it shuts
 * the runtime down and finds every object of the tests before it destroyed. (It is a test and not the group's
 * teardown, since cmocka does not count a teardown that fails.)
 */
#ifndef TESTS_API_RUNTIME_FIXTURE_H
#define TESTS_API_RUNTIME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>

#include "weakref.h"

#include <cmocka.h>

#include "support/memory.h"

static inline int runtime_setup(void **state)
{
	(void)state;
	return wk_runtime_start(NULL) == WK_OK ? 0 : -1;
}

/* runtime_setup_near - the same, and lookups go past entries under sanitizers too: see support/memory.h */
static inline int runtime_setup_near(void **state)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .allocator = memory_near() };

	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

static inline void test_the_accounts_balance(void **state)
{
	wk_shutdown_report report = { .struct_size = sizeof(report) };

	(void)state;
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, &report), WK_OK);
	assert_int_equal(report.not_run, 0);
	assert_int_equal(report.still_alive, 0);
}

/* settle - everything that has died is destroyed, or posted to its queue */
static inline void settle(void)
{
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
}

/* census_of - created and destroyed objects of a type, exact after settle */
static inline wk_census census_of(const wk_type *type)
{
	wk_census census = { .struct_size = sizeof(census) };

	assert_int_equal(wk_type_census(type, &census), WK_OK);
	return census;
}

#endif
