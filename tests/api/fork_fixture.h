/*
 * tests/api/fork_fixture.h - what the tests of fork share
 *
 * Each scenario is a process of its own, which forks with its other threads stopped at a known place.
 */
#ifndef TESTS_API_FORK_FIXTURE_H
#define TESTS_API_FORK_FIXTURE_H

#define _GNU_SOURCE
#include <unistd.h>

#include "support/child.h"
#include "support/forks.h"
#include "support/threads.h"
#include "weakref.h"

#define SECONDS UINT64_C(1000000000)
#define PATIENCE (30 * SECONDS)

struct item {
	int number;
};

static atomic_int destroyed, called, released;

static inline void item_destroy(void *payload)
{
	(void)payload;
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);

WK_DEFINE_TYPE(plain_type, struct item, .flags = 0);

static inline int call(wk_weakref *ref, void *argument)
{
	(void)ref;
	(void)argument;
	return atomic_fetch_add(&called, 1) & 0;
}

static inline int finalize(void *argument)
{
	return call(NULL, argument);
}

static inline void count_release(void *argument)
{
	(void)argument;
	atomic_fetch_add(&released, 1);
}

/* Returns when the library's threads have begun: a sanitizer does not bear forks meanwhile. */
static inline void start(wk_fork_mode mode, wk_thread_mode thread)
{
	const wk_runtime_options options = {
		.struct_size = sizeof(options), .fork = mode, .thread = thread, .allocator = forks_allocator()
	};

	child_check(wk_runtime_start(&options) == WK_OK);
	wk_release(wk_new(&plain_type));
	child_check(wk_barrier(PATIENCE) == WK_OK);
}

static inline wk_stats stats(void)
{
	wk_stats now = { .struct_size = sizeof(now) };

	wk_runtime_stats(&now);
	return now;
}

/* Everything is given back, and nothing is left but what `alive` says. */
static inline void shut_down(int status, uint64_t alive)
{
	wk_shutdown_report report = { .struct_size = sizeof(report) };

	child_check(wk_runtime_shutdown(PATIENCE, &report) == status);
	child_check(status != WK_OK || (report.not_run == 0 && report.still_alive == alive));
	child_check(status != WK_OK || wk_new(&item_type) == NULL);
}

/* Which process is this one, of a fork in its own middle? */
static int forked;

/* The child must not look for leaks: what the parent's threads owned is lost there. */
static inline void end_both(void)
{
	if (forked == 0)
		_exit(0);
	child_check(forks_wait(forked));
}

#define PASSING(name) { #name, name }

static void test_promise_21(void **state)
{
	assert_true(child_passes(*state));
}

/* fork_main - each scenario is a test, run by itself; `more` is run too */
static int fork_main(int argc, char **argv, const struct child_case *cases, size_t count, size_t passing,
		     const struct CMUnitTest *more)
{
	struct CMUnitTest tests[64];
	size_t i, used = 0;

	if (child_main(argc, argv, cases, count))
		return 0;
	for (i = 0; i < passing; i++) {
		tests[used++] = (struct CMUnitTest){
			.name = cases[i].name,
			.test_func = test_promise_21,
			.initial_state = (void *)(uintptr_t)cases[i].name,
		};
	}
	if (more != NULL)
		tests[used++] = *more;
	return _cmocka_run_group_tests("fork", tests, used, NULL, NULL);
}

#endif
