/*
 * core/owner.h: who may hold an owner when, and that free is final
 */
#include "core/owner.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "support/threads.h"

static void test_no_owner_can_always_be_held(void **state)
{
	(void)state;
	assert_true(wki_owner_hold(NULL));
	assert_true(wki_owner_visit(NULL));
	wki_owner_add(NULL);
	wki_owner_add_keys(NULL);
	wki_owner_drop_keys(NULL);
	wki_owner_drop(NULL);
}

static void test_holds(void **state)
{
	wk_owner owner = { .name = "test" };

	(void)state;
	assert_false(wki_owner_is_free(&owner)); /* it is open */
	assert_true(wki_owner_hold(&owner));
	assert_true(wki_owner_visit(&owner));
	assert_int_equal(wki_owner_holds(&owner), 2);
	wki_owner_close(&owner);
	wki_owner_close(&owner);
	assert_true(wki_owner_is_closed(&owner));
	assert_int_equal(wki_owner_holds(&owner), 2);
	assert_false(wki_owner_hold(&owner));
	wki_owner_add(&owner); /* who has one may add one */
	wki_owner_drop(&owner);
	wki_owner_drop(&owner);
	assert_true(wki_owner_visit(&owner)); /* it is still there */
	wki_owner_drop(&owner);
	assert_false(wki_owner_is_free(&owner));
	wki_owner_drop(&owner);
	assert_true(wki_owner_is_free(&owner));
	assert_false(wki_owner_visit(&owner));
	assert_false(wki_owner_hold(&owner));
	assert_int_equal(wki_owner_holds(&owner), 0);
}

static void test_keys_are_counted_apart(void **state)
{
	wk_owner owner = { .name = "test" };

	(void)state;
	wki_owner_add_keys(&owner);
	wki_owner_add(&owner);
	assert_int_equal(wki_owner_holds(&owner), 2);
	assert_int_equal(wki_owner_counted(&owner.keys), 1);
	wki_owner_drop_keys(&owner);
	assert_int_equal(wki_owner_counted(&owner.keys), 0);
	wki_owner_drop(&owner);
	assert_int_equal(wki_owner_holds(&owner), 0);
}

/* One closes it, others try to hold and to visit it: once it has been seen free nobody has a hold, ever. */
struct contest {
	unsigned mine; /* plain memory, written by who has the only hold */
	wk_owner owner;
	_Atomic bool seen_free;
	_Atomic unsigned long held, refused, late;
};

static void contest_prepare(void *context)
{
	struct contest *contest = context;

	atomic_store_relaxed(&contest->owner.holds, 1);
	atomic_store(&contest->seen_free, false);
	contest->mine = 0;
}

static void contest_close(struct contest *contest)
{
	contest->mine = 1;
	wki_owner_close(&contest->owner);
	wki_owner_drop(&contest->owner);
}

static void contest_act(void *context, unsigned thread)
{
	struct contest *contest = context;
	bool was_free = atomic_load(&contest->seen_free), holds;

	if (thread == 0) {
		contest_close(contest);
	} else if (thread == 1) {
		if (wki_owner_is_free(&contest->owner) && contest->mine == 1)
			atomic_store(&contest->seen_free, true);
	} else {
		holds = thread == 2 ? wki_owner_hold(&contest->owner) : wki_owner_visit(&contest->owner);
		race_add(holds ? &contest->held : &contest->refused, true);
		race_add(&contest->late, holds && was_free);
		if (holds)
			wki_owner_drop(&contest->owner);
	}
}

static void contest_settle(void *context)
{
	struct contest *contest = context;

	race_add(&contest->late, !wki_owner_is_free(&contest->owner));
}

static bool contest_decided(void *context)
{
	const struct contest *contest = context;

	return contest->held > 0 && contest->refused > 0;
}

static void test_free_is_final(void **state)
{
	static struct contest contest;
	const struct race race = { 4, THREADS_SANITIZED ? 2000 : 10000, contest_prepare, contest_act, contest_settle,
				   contest_decided };

	(void)state;
	race_run(&race, &contest);
	assert_int_equal(contest.late, 0);
	assert_true(contest.held > 0 && contest.refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_owner_can_always_be_held),
		cmocka_unit_test(test_holds),
		cmocka_unit_test(test_keys_are_counted_apart),
		cmocka_unit_test(test_free_is_final),
	};

	return cmocka_run_group_tests_name("core/owner", tests, NULL, NULL);
}
