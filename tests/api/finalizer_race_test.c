/*
 * weakref/finalizer.h, raced: call, death and detach want the same finalizer (promise 11)
 */
#include "runtime_fixture.h"

#include <stdatomic.h>

#include "support/threads.h"

struct thing {
	int number;
};

WK_DEFINE_TYPE(plain_type, struct thing, .flags = 0);

#define CALLERS 2

struct contest {
	struct thing *thing;
	wk_finalizer *finalizer;
	int called[CALLERS], result[CALLERS], detached;
	_Atomic unsigned runs, releases;
	unsigned long wrong;
	_Atomic unsigned long by_call, by_death, by_detach;
};

static int contest_run(void *argument)
{
	return (int)atomic_fetch_add(&((struct contest *)argument)->runs, 1) + 41;
}

static void contest_release(void *argument)
{
	atomic_fetch_add(&((struct contest *)argument)->releases, 1);
}

static void contest_prepare(void *context)
{
	const wk_finalizer_options options = { .run = contest_run, .argument = context, .release = contest_release };
	struct contest *contest = context;

	atomic_store(&contest->runs, 0);
	atomic_store(&contest->releases, 0);
	contest->result[0] = contest->result[1] = 0;
	contest->thing = wk_new(&plain_type);
	contest->finalizer = wk_finalizer_new(contest->thing, &options, NULL);
}

static void contest_act(void *context, unsigned thread)
{
	struct contest *contest = context;

	if (thread < CALLERS)
		contest->called[thread] = wk_finalizer_call(contest->finalizer, &contest->result[thread]);
	else if (thread == CALLERS)
		wk_release(contest->thing);
	else
		contest->detached = wk_finalizer_detach(contest->finalizer);
}

static void contest_settle(void *context)
{
	struct contest *contest = context;
	unsigned i, callers = 0;
	bool detached = contest->detached == WK_OK;

	contest->wrong += wk_barrier(WK_NO_TIMEOUT) != WK_OK;
	for (i = 0; i < CALLERS; i++) {
		callers += contest->called[i] == WK_OK;
		contest->wrong += contest->result[i] != (contest->called[i] == WK_OK ? 41 : 0);
	}
	contest->wrong += callers > 1 || (callers == 1 && detached);
	contest->wrong += atomic_load(&contest->runs) != (detached ? 0 : 1);
	contest->wrong += atomic_load(&contest->releases) != 1;
	contest->wrong += wk_finalizer_alive(contest->finalizer);
	race_add(&contest->by_call, callers == 1);
	race_add(&contest->by_detach, detached);
	race_add(&contest->by_death, callers == 0 && !detached);
	wk_finalizer_release(contest->finalizer);
}

static bool contest_decided(void *context)
{
	struct contest *contest = context;

	return atomic_load(&contest->by_call) != 0 && atomic_load(&contest->by_death) != 0 &&
	       atomic_load(&contest->by_detach) != 0;
}

static void test_promise_11_one_of_all_wins(void **state)
{
	const struct race race = {
		.threads = CALLERS + 2,
		.rounds = THREADS_SANITIZED ? 300 : 1000,
		.prepare = contest_prepare,
		.act = contest_act,
		.settle = contest_settle,
		.decided = contest_decided,
	};
	struct contest contest = { 0 };

	(void)state;
	race_run(&race, &contest);
	print_message("%lu by a call, %lu by death, %lu detached\n", atomic_load(&contest.by_call),
		atomic_load(&contest.by_death), atomic_load(&contest.by_detach));
	assert_int_equal(contest.wrong, 0);
	assert_true(contest_decided(&contest));
}

/* Threads make, end and peek finalizers of their own and of one common object: the registry stays in order. */

#define MAKERS 4
#define MADE 2000u

struct crowd {
	struct thing *common;
	_Atomic unsigned runs, releases, failed;
};

static int crowd_run(void *argument)
{
	atomic_fetch_add(&((struct crowd *)argument)->runs, 1);
	return 0;
}

static void crowd_release(void *argument)
{
	atomic_fetch_add(&((struct crowd *)argument)->releases, 1);
}

static void crowd_body(void *context, unsigned index)
{
	const wk_finalizer_options options = { .run = crowd_run, .argument = context, .release = crowd_release };
	struct crowd *crowd = context;
	wk_finalizer *finalizer;
	struct thing *own;
	unsigned i;

	for (i = 0; i < MADE; i++) {
		own = wk_new(&plain_type);
		finalizer = wk_finalizer_new(i % 2 == 0 ? own : crowd->common, &options, NULL);
		wk_release(wk_finalizer_peek(finalizer, NULL));
		wk_release(own);
		if (i % 2 != 0 && wk_finalizer_call(finalizer, NULL) != WK_OK)
			atomic_fetch_add(&crowd->failed, 1);
		wk_finalizer_release(finalizer);
	}
	(void)index;
}

static void test_promise_11_none_is_lost(void **state)
{
	struct crowd crowd = { .common = wk_new(&plain_type) };

	(void)state;
	threads_run(MAKERS, crowd_body, &crowd);
	settle();
	assert_int_equal(atomic_load(&crowd.failed), 0);
	assert_int_equal(atomic_load(&crowd.runs), MAKERS * MADE);
	assert_int_equal(atomic_load(&crowd.releases), MAKERS * MADE);
	assert_int_equal(wk_weakref_count(crowd.common), 0);
	wk_release(crowd.common);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_11_one_of_all_wins),
		cmocka_unit_test(test_promise_11_none_is_lost),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
