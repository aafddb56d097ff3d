/*
 * runtime/runtime.c: a barrier covers every object that was dead when it was called (promise 10), even one whose last release
 * has not returned yet
 */
#include "api/runtime_fixture.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/sched.h"
#include "support/threads.h"

static _Atomic unsigned destroyed;

struct item {
	int number;
};

static void item_destroy(void *payload)
{
	(void)payload;
	atomic_fetch_add(&destroyed, 1);
}
WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);

static struct {
	struct item *item;
	wk_weak *weak;
	_Atomic bool returned; /* the last release has */
	_Atomic bool over;     /* the barrier is */
	_Atomic unsigned long overtaken, behind, missed;
} last;

static void prepare(void *unused)
{
	(void)unused;
	atomic_store(&destroyed, 0);
	atomic_store(&last.returned, false);
	atomic_store(&last.over, false);
	last.item = wk_new(&item_type);
	last.weak = wk_downgrade(last.item);
}

static void act(void *unused, unsigned thread)
{
	bool returned;

	(void)unused;
	while (thread > 1 && !atomic_load(&last.over))
		; /* whoever gives the processor away does not have it back at once */
	if (thread == 0) {
		wk_release(last.item);
		atomic_store(&last.returned, true);
	}
	if (thread != 1)
		return;
	while (!wk_weak_expired(last.weak))
		sched_yield();
	returned = atomic_load(&last.returned);
	race_add(returned ? &last.behind : &last.overtaken, true);
	race_add(&last.missed, wk_barrier(WK_NO_TIMEOUT) != WK_OK || atomic_load(&destroyed) != 1);
	atomic_store(&last.over, true);
}

static void finish(void *unused)
{
	(void)unused;
	wk_weak_release(last.weak);
}

static bool both_won(void *unused)
{
	(void)unused;
	return atomic_load(&last.overtaken) > 10 && atomic_load(&last.behind) > 10;
}

static void test_promise_10_dead_but_not_mailed(void **state)
{
	const struct race race = { 5, 50, prepare, act, finish, both_won };

	(void)state;
	wki_sched_seed(0x5eed, 2);
	race_run(&race, NULL);
	wki_sched_seed(0, 0);
	print_message("%lu before the release returned, %lu after\n", atomic_load(&last.overtaken), atomic_load(&last.behind));
	assert_int_equal(last.missed, 0);
	assert_true(both_won(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_10_dead_but_not_mailed),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("runtime/barrier", tests, runtime_setup, NULL);
}
