/*
 * tests/api/runtime_fixture.h - a runtime around a file's tests, and its accounts at the end
 *
 * Setup starts the runtime; teardown shuts it down and finds every object destroyed.
 */
#ifndef TESTS_API_RUNTIME_FIXTURE_H
#define TESTS_API_RUNTIME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>

#include "weakref.h"

#include <cmocka.h>

static inline int runtime_setup(void **state)
{
	(void)state;
	return wk_runtime_start(NULL) == WK_OK ? 0 : -1;
}

static inline int runtime_teardown(void **state)
{
	wk_shutdown_report report = { .struct_size = sizeof(report) };

	(void)state;
	if (wk_runtime_shutdown(WK_NO_TIMEOUT, &report) != WK_OK || report.not_run != 0 || report.still_alive != 0) {
		print_error("shutdown: %llu not run, %llu still alive\n", (unsigned long long)report.not_run,
			(unsigned long long)report.still_alive);
		return -1;
	}
	return 0;
}

/* settle - everything that has died is destroyed, or posted to its queue */
static inline void settle(void)
{
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
}

/* census - created and destroyed objects of a type, exact after settle */
static inline wk_census census_of(const wk_type *type)
{
	wk_census census = { .struct_size = sizeof(census) };

	assert_int_equal(wk_type_census(type, &census), WK_OK);
	return census;
}

#endif
