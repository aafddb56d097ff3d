/*
 * core: whole lives raced with yields at every schedule point (check level 2; elsewhere without)
 *
 * The schedule points widen the gaps of the end of life: a decider that holds nothing, a reviver that has not
 * paid its grant, a release between its decrement and its decision. Handles, peeks and references meet there.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "weakref.h"

#include <cmocka.h>

#include "base/sched.h"
#include "support/threads.h"

#define THREADS 6
#define ALIVE 0x600dL

struct item {
	_Atomic long canary;
};

static _Atomic unsigned long destroyed;

static void item_destroy(void *payload)
{
	atomic_store(&((struct item *)payload)->canary, 0);
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);
WK_DEFINE_TYPE(plain_type, struct item, .flags = 0);
WK_DEFINE_TYPE(large_type, char[1000], .destroy = item_destroy);

static const wk_type *const types[] = { &item_type, &plain_type, &large_type };

struct melee {
	struct item *item;
	wk_weak *weak;
	unsigned long rounds;
	_Atomic unsigned long upgraded, peeked, missed, torn, expected;
};

static void melee_prepare(void *context)
{
	struct melee *melee = context;
	const wk_type *type = types[melee->rounds++ % 3];

	melee->item = wk_new(type);
	atomic_store(&melee->item->canary, ALIVE);
	melee->weak = wk_downgrade(melee->item);
	race_add(&melee->expected, type->destroy != NULL);
}

static void melee_use(struct melee *melee, struct item *item)
{
	race_add(item == NULL ? &melee->missed : &melee->upgraded, true);
	race_add(&melee->torn, item != NULL && atomic_load(&item->canary) != ALIVE);
	wk_release(item);
}

static void melee_peek(struct melee *melee)
{
	struct item *peeked;
	wk_weak *weak;

	wk_read_lock();
	peeked = wk_weak_peek(melee->weak);
	race_add(&melee->peeked, peeked != NULL);
	race_add(&melee->torn, peeked != NULL && atomic_load(&peeked->canary) != ALIVE);
	weak = wk_downgrade(peeked);
	melee_use(melee, wk_try_retain(peeked));
	wk_read_unlock();
	melee_use(melee, wk_upgrade(weak));
	wk_weak_release(weak);
}

static void melee_act(void *context, unsigned thread)
{
	struct melee *melee = context;
	unsigned i;

	if (thread == 0)
		wk_release(melee->item);
	for (i = 0; i < 3; i++) {
		if ((thread + i) % 2 == 0)
			melee_use(melee, wk_upgrade(melee->weak));
		else
			melee_peek(melee);
	}
}

static void melee_settle(void *context)
{
	wk_weak_release(((struct melee *)context)->weak);
}

static bool melee_decided(void *context)
{
	struct melee *melee = context;

	return atomic_load(&melee->upgraded) > 10 && atomic_load(&melee->peeked) > 10 && atomic_load(&melee->missed) > 10;
}

static void test_promise_1_and_5_with_wide_gaps(void **state)
{
	const struct race race = { THREADS, THREADS_SANITIZED ? 300 : 1000, melee_prepare, melee_act, melee_settle, melee_decided };
	wk_shutdown_report report = { .struct_size = sizeof(report) };
	struct melee melee = { .item = NULL };

	(void)state;
	wki_sched_seed(0x5eed, 2);
	race_run(&race, &melee);
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, &report), WK_OK);
	print_message("%lu rounds: %lu upgraded, %lu peeked, %lu missed\n", melee.rounds, atomic_load(&melee.upgraded),
		atomic_load(&melee.peeked), atomic_load(&melee.missed));
	assert_int_equal(atomic_load(&melee.torn), 0);
	assert_int_equal(atomic_load(&destroyed), atomic_load(&melee.expected));
	assert_int_equal(report.still_alive, 0);
	assert_true(melee_decided(&melee));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_1_and_5_with_wide_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
