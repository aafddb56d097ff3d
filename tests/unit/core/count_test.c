/*
 * core/count.h: the counts of one object, in every state, and raced
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sched.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/count.h"
#include "support/threads.h"

static uint64_t strong_of(struct wki_count *count)
{
	return wki_count_peek(count);
}

static uint32_t units_of(struct wki_count *count)
{
	return atomic_load_relaxed(&count->units);
}

/* The states of the head of count.h, one after the other. */
static void test_one_life(void **state)
{
	struct wki_count count;
	uint64_t before;

	(void)state;
	wki_count_init(&count, 0);
	assert_int_equal(strong_of(&count), 1);
	assert_int_equal(units_of(&count), WKI_STRONG_UNITS);
	assert_int_equal(wki_count_retain(&count, 4), 1);
	assert_int_equal(wki_strong_count(wki_count_upgrade(&count)), 5);
	assert_int_equal(wki_strong_count(wki_count_release(&count, 5)), 6);
	assert_false(wki_count_is_dead(&count));
	assert_int_equal(units_of(&count), WKI_STRONG_UNITS); /* nothing of it came from zero: no grant */
	before = wki_count_release(&count, 1);
	assert_int_equal(wki_strong_count(before), 1);
	assert_false(wki_count_is_dead(&count)); /* zero, and not dead yet */
	assert_true(wki_count_decide(&count, before));
	assert_true(wki_count_is_dead(&count));
	assert_true(wki_count_upgrade(&count) & WKI_STRONG_DEAD);
	assert_int_equal(units_of(&count), WKI_STRONG_UNITS);
	assert_true(wki_count_drop_strong_side(&count));
}

/* A decider that holds nothing: revived, released and decided by another meanwhile. */
static void test_late_decider(void **state)
{
	struct wki_count count;
	uint64_t first, second;

	(void)state;
	wki_count_init(&count, WKI_STRONG_APART);
	first = wki_count_release(&count, 1);
	assert_int_equal(wki_count_upgrade(&count) & WKI_STRONG_DEAD, 0); /* revived: pays a grant */
	assert_int_equal(units_of(&count), WKI_STRONG_UNITS + 1);
	second = wki_count_release(&count, 1);
	assert_true(wki_count_decide(&count, second));
	assert_false(wki_count_decide(&count, first)); /* somebody else has: gives the grant back */
	assert_false(wki_count_drop_strong_side(&count));
	assert_true(wki_count_drop_unit(&count));
}

/* A decider that finds the object revived, and held. */
static void test_decider_of_a_revived_object(void **state)
{
	struct wki_count count;
	uint64_t before;

	(void)state;
	wki_count_init(&count, 0);
	before = wki_count_release(&count, 1);
	wki_count_upgrade(&count);
	assert_false(wki_count_decide(&count, before));
	assert_false(wki_count_drop_unit(&count));
	assert_int_equal(units_of(&count), WKI_STRONG_UNITS);
	assert_int_equal(wki_strong_count(strong_of(&count)), 1);
	assert_false(wki_count_is_dead(&count));
}

/* Who owns all references ends the life without a decision, unless there is one more by now. */
static void test_end_by_the_owner_of_all(void **state)
{
	struct wki_count count;
	uint64_t word;

	(void)state;
	wki_count_init(&count, WKI_STRONG_APART);
	wki_count_retain(&count, 2);
	word = strong_of(&count);
	assert_true(wki_count_is_all(word, 3));
	assert_false(wki_count_is_all(word, 2));
	wki_count_upgrade(&count);
	assert_false(wki_count_try_end(&count, word));
	assert_int_equal(strong_of(&count), WKI_STRONG_APART | 4); /* nothing has been given up */
	wki_count_release(&count, 1);
	assert_true(wki_count_try_end(&count, word));
	assert_int_equal(strong_of(&count), WKI_STRONG_APART | WKI_STRONG_DEAD);
	assert_true(wki_count_upgrade(&count) & WKI_STRONG_DEAD);
	assert_false(wki_count_is_all(strong_of(&count), 1)); /* what has failed is no reference */
	assert_false(wki_count_try_end(&count, word));
	assert_int_equal(units_of(&count), WKI_STRONG_UNITS);
	assert_true(wki_count_drop_strong_side(&count));
}

/* A decider whose object is revived, and ended by the reviver without a decision: its grant keeps the block. */
static void test_end_before_a_late_decider(void **state)
{
	struct wki_count count;
	uint64_t first;

	(void)state;
	wki_count_init(&count, 0);
	first = wki_count_release(&count, 1);
	wki_count_upgrade(&count);
	assert_true(wki_count_try_end(&count, strong_of(&count)));
	assert_false(wki_count_decide(&count, first));
	assert_false(wki_count_drop_strong_side(&count));
	assert_true(wki_count_drop_unit(&count));
}

/* BORROWED beside the units: it is no unit, and no unit takes it away. */
static void test_borrowed_stays(void **state)
{
	struct wki_count count;
	uint32_t before;

	(void)state;
	wki_count_init(&count, 0);
	assert_false(wki_count_is_borrowed(&count));
	assert_int_equal(wki_count_borrow_unit(&count), WKI_STRONG_UNITS);
	assert_true(wki_count_is_borrowed(&count));
	assert_int_equal(wki_count_borrow_unit(&count), WKI_STRONG_UNITS + 1);
	assert_false(wki_count_borrow(&count)); /* somebody was first */
	assert_int_equal(wki_count_add_unit(&count), WKI_STRONG_UNITS + 2);
	assert_true(wki_count_try_add_unit_rcu(&count, &before));
	assert_int_equal(before, WKI_STRONG_UNITS + 3);
	assert_false(wki_count_drop_units(&count, 4));
	assert_int_equal(units_of(&count), WKI_STRONG_UNITS | WKI_UNITS_BORROWED);
	assert_true(wki_count_drop_units(&count, WKI_STRONG_UNITS)); /* the last ones */
	assert_int_equal(units_of(&count), WKI_UNITS_BORROWED);
	assert_false(wki_count_try_add_unit_rcu(&count, &before));
	wki_count_init(&count, 0);
	assert_true(wki_count_borrow(&count));
}

static void test_flags_stay(void **state)
{
	const uint64_t flags[] = { 0, WKI_STRONG_NOPEEK, WKI_STRONG_APART, WKI_STRONG_FLAGS };
	struct wki_count count;
	uint64_t before;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		wki_count_init(&count, flags[i]);
		assert_int_equal(strong_of(&count), flags[i] | 1);
		wki_count_retain(&count, 1000);
		before = wki_count_release(&count, 1001);
		assert_int_equal(wki_strong_count(before), 1001);
		assert_true(wki_count_decide(&count, before));
		assert_int_equal(strong_of(&count), flags[i] | WKI_STRONG_DEAD);
		wki_count_upgrade(&count);
		assert_int_equal(strong_of(&count) & ~WKI_STRONG_COUNT, flags[i] | WKI_STRONG_DEAD);
		wki_count_init(&count, flags[i]);
		wki_count_end(&count);
		assert_int_equal(strong_of(&count), flags[i] | WKI_STRONG_DEAD);
	}
}

/*
 * Promise 2: failed upgrades move a dead object's count towards its flags, and never matter. From just below
 * the flags as many more as anybody will make: the mark stays, no upgrade succeeds.
 */
static void test_promise_2_dead_stays_dead_near_the_flags(void **state)
{
	const uint64_t polls = 100000;
	struct wki_count count;
	uint64_t i, revived = 0;

	(void)state;
	wki_count_init(&count, 0);
	assert_true(wki_count_decide(&count, wki_count_release(&count, 1)));
	atomic_store_relaxed(&count.strong, WKI_STRONG_DEAD | (WKI_STRONG_COUNT - polls));
	for (i = 0; i < polls; i++)
		revived += (wki_count_upgrade(&count) & WKI_STRONG_DEAD) == 0;
	assert_int_equal(revived, 0);
	assert_int_equal(strong_of(&count), WKI_STRONG_DEAD | WKI_STRONG_COUNT);
	for (i = 0; i < polls; i++) /* over into the flags below the mark: still dead */
		revived += (wki_count_upgrade(&count) & WKI_STRONG_DEAD) == 0;
	assert_int_equal(revived, 0);
	assert_true(wki_count_is_dead(&count));
	assert_true(units_of(&count) == WKI_STRONG_UNITS); /* and none of them paid a grant */
}

/*
 * Promise 1, raced, with the gap between release and decision made wide: each round's block is really freed by
 * whoever drops its last unit, so that a block freed too early, or twice, is seen by AddressSanitizer; one that
 * is not freed is counted.
 */

struct block {
	struct wki_count count;
	long payload; /* plain: written by holders, by turns, and by the end of life */
};

struct revival {
	struct block *block;
	unsigned long rounds;
	_Atomic unsigned long freed, ended, revived, lost_decisions, failed;
	_Atomic unsigned long at_once, too_late; /* who owned all references has ended the life, or somebody was quicker */
};

static void drop_unit(struct revival *revival, struct block *block, bool strong_side)
{
	if (strong_side ? wki_count_drop_strong_side(&block->count) : wki_count_drop_unit(&block->count)) {
		free(block);
		race_add(&revival->freed, true);
	}
}

static void end(struct revival *revival, struct block *block)
{
	block->payload = -1;
	race_add(&revival->ended, true);
	drop_unit(revival, block, true);
}

static void release_slowly(struct revival *revival, struct block *block)
{
	uint64_t before = wki_count_release(&block->count, 1);

	if (wki_strong_count(before) != 1)
		return;
	sched_yield(); /* the decider holds nothing */
	if (wki_count_decide(&block->count, before)) {
		end(revival, block);
	} else {
		race_add(&revival->lost_decisions, true);
		drop_unit(revival, block, false);
	}
}

static void let_go(struct revival *revival, struct block *block)
{
	uint64_t word = wki_count_peek(&block->count);
	bool won;

	if (wki_count_is_all(word, 1)) {
		sched_yield(); /* somebody may upgrade */
		won = wki_count_try_end(&block->count, word);
		race_add(won ? &revival->at_once : &revival->too_late, true);
		if (won) {
			end(revival, block);
			return;
		}
	}
	release_slowly(revival, block);
}

static void revival_prepare(void *context)
{
	struct revival *revival = context;

	revival->block = malloc(sizeof(*revival->block));
	if (revival->block == NULL)
		abort();
	wki_count_init(&revival->block->count, 0);
	revival->block->payload = 0;
	atomic_fetch_add_relaxed(&revival->block->count.units, 8); /* a handle for each thread */
	revival->rounds++;
}

static void revival_act(void *context, unsigned thread)
{
	struct revival *revival = context;
	struct block *block = revival->block;
	uint64_t before;
	unsigned tries;

	if (thread == 0)
		release_slowly(revival, block);
	for (tries = 0; tries < 4; tries++) {
		before = wki_count_upgrade(&block->count);
		if (before & WKI_STRONG_DEAD) {
			race_add(&revival->failed, true);
			break;
		}
		race_add(&revival->revived, wki_strong_count(before) == 0);
		release_slowly(revival, block);
	}
	drop_unit(revival, block, false);
}

static bool revival_decided(void *context)
{
	struct revival *revival = context;

	return atomic_load(&revival->revived) > 10 && atomic_load(&revival->lost_decisions) > 10 &&
	       atomic_load(&revival->failed) > 10;
}

/* The same, where every other thread ends the life at once if it can. */
static void ending_act(void *context, unsigned thread)
{
	struct revival *revival = context;
	struct block *block = revival->block;
	void (*give_up)(struct revival *, struct block *) = thread % 2 == 0 ? let_go : release_slowly;
	uint64_t before;
	unsigned tries;

	if (thread == 0)
		give_up(revival, block);
	for (tries = 0; tries < 4; tries++) {
		before = wki_count_upgrade(&block->count);
		if (before & WKI_STRONG_DEAD)
			break;
		race_add(&revival->revived, wki_strong_count(before) == 0);
		sched_yield(); /* holding it, so that who owned them all before is too late */
		give_up(revival, block);
	}
	drop_unit(revival, block, false);
}

static bool ending_decided(void *context)
{
	struct revival *revival = context;

	return atomic_load(&revival->at_once) > 10 && atomic_load(&revival->too_late) > 10 &&
	       atomic_load(&revival->lost_decisions) > 10 && atomic_load(&revival->ended) - atomic_load(&revival->at_once) > 10;
}

static void test_promise_1_ends_without_a_decision(void **state)
{
	const struct race race = { 8, THREADS_SANITIZED ? 300 : 1000, revival_prepare, ending_act, NULL, ending_decided };
	struct revival revival = { .block = NULL };

	(void)state;
	race_run(&race, &revival);
	print_message("%lu rounds: %lu ended at once, %lu too late for it, %lu revivals from zero\n", revival.rounds,
		atomic_load(&revival.at_once), atomic_load(&revival.too_late), atomic_load(&revival.revived));
	assert_int_equal(atomic_load(&revival.ended), revival.rounds);
	assert_int_equal(atomic_load(&revival.freed), revival.rounds);
	assert_true(atomic_load(&revival.lost_decisions) == atomic_load(&revival.revived)); /* as many grants as losers */
	assert_true(ending_decided(&revival));
}

static void test_promise_1_deciders_that_hold_nothing(void **state)
{
	const struct race race = { 8, THREADS_SANITIZED ? 300 : 1000, revival_prepare, revival_act, NULL, revival_decided };
	struct revival revival = { .block = NULL };

	(void)state;
	race_run(&race, &revival);
	print_message("%lu rounds: %lu revivals from zero, %lu decisions lost, %lu upgrades failed\n", revival.rounds,
		atomic_load(&revival.revived), atomic_load(&revival.lost_decisions), atomic_load(&revival.failed));
	assert_int_equal(atomic_load(&revival.ended), revival.rounds);
	assert_int_equal(atomic_load(&revival.freed), revival.rounds);
	assert_true(atomic_load(&revival.lost_decisions) == atomic_load(&revival.revived)); /* as many grants as losers */
	assert_true(revival_decided(&revival));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_life),
		cmocka_unit_test(test_late_decider),
		cmocka_unit_test(test_decider_of_a_revived_object),
		cmocka_unit_test(test_end_by_the_owner_of_all),
		cmocka_unit_test(test_end_before_a_late_decider),
		cmocka_unit_test(test_borrowed_stays),
		cmocka_unit_test(test_flags_stay),
		cmocka_unit_test(test_promise_2_dead_stays_dead_near_the_flags),
		cmocka_unit_test(test_promise_1_deciders_that_hold_nothing),
		cmocka_unit_test(test_promise_1_ends_without_a_decision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
