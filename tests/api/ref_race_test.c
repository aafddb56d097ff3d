/*
 * weakref/ref.h, raced: the last release against the death, references that come and go, hashes, many callbacks
 */
#include "runtime_fixture.h"

#include <stdatomic.h>

#include "support/threads.h"

#define ROUNDS (THREADS_SANITIZED ? 300u : 1000u)

struct thing {
	unsigned number;
};

static uint64_t thing_hash(const void *payload)
{
	return ((const struct thing *)payload)->number * UINT64_C(0x9e3779b97f4a7c15);
}

WK_DEFINE_TYPE(plain_type, struct thing, .flags = 0);
WK_DEFINE_TYPE(hashed_type, struct thing, .hash = thing_hash);

/* Promise 8, raced: a reference is given up while its object dies: the callback runs or not, the argument goes once. */

struct parting {
	struct thing *thing;
	wk_weakref *ref;
	unsigned runs, releases; /* the runner's, read after settle */
	unsigned long wrong;
	_Atomic unsigned long fired, never_fired;
};

static int parting_run(wk_weakref *ref, void *argument)
{
	struct parting *parting = argument;

	parting->runs++;
	parting->wrong += wk_weakref_get(ref) != NULL;
	return 0;
}

static void parting_release(void *argument)
{
	((struct parting *)argument)->releases++;
}

static void parting_prepare(void *context)
{
	struct parting *parting = context;
	const wk_callback callback = { .run = parting_run, .argument = parting, .release = parting_release };

	parting->runs = parting->releases = 0;
	parting->thing = wk_new(&plain_type);
	parting->ref = wk_weakref_new(parting->thing, &callback, NULL);
}

static void parting_act(void *context, unsigned thread)
{
	struct parting *parting = context;

	if (thread == 0)
		wk_weakref_release(parting->ref);
	else
		wk_release(parting->thing);
}

static void parting_settle(void *context)
{
	struct parting *parting = context;

	parting->wrong += wk_barrier(WK_NO_TIMEOUT) != WK_OK;
	parting->wrong += parting->runs > 1 || parting->releases != 1;
	race_add(&parting->fired, parting->runs == 1);
	race_add(&parting->never_fired, parting->runs == 0);
}

static bool parting_decided(void *context)
{
	struct parting *parting = context;

	return atomic_load(&parting->fired) != 0 && atomic_load(&parting->never_fired) != 0;
}

static void test_promise_8_release_against_death(void **state)
{
	const struct race race = {
		.threads = 2,
		.rounds = ROUNDS,
		.prepare = parting_prepare,
		.act = parting_act,
		.settle = parting_settle,
		.decided = parting_decided,
	};
	struct parting parting = { 0 };

	(void)state;
	race_run(&race, &parting);
	print_message("%lu fired, %lu never\n", atomic_load(&parting.fired), atomic_load(&parting.never_fired));
	assert_int_equal(parting.wrong, 0);
	assert_true(parting_decided(&parting));
}

static int do_nothing(wk_weakref *ref, void *argument)
{
	(void)ref;
	(void)argument;
	return 0;
}

static const wk_callback callback = { .run = do_nothing };

/* The shared reference is got and given up all the time: two that are owned at once are the same. */

struct turnover {
	struct thing *thing;
	unsigned long rounds;
	_Atomic unsigned long wrong;
};

static void turn_over(void *context, unsigned index)
{
	struct turnover *turnover = context;
	wk_weakref *one, *two, *list[4];
	unsigned long round;
	size_t count, i;
	void *got;

	for (round = 0; round < turnover->rounds; round++) {
		one = wk_weakref_new(turnover->thing, NULL, NULL);
		two = wk_weakref_new(turnover->thing, index % 2 == 0 ? NULL : &callback, NULL);
		race_add(&turnover->wrong, (one == two) != (index % 2 == 0));
		got = wk_weakref_get(two);
		race_add(&turnover->wrong, got != turnover->thing);
		wk_release(got);
		count = wk_weakref_list(turnover->thing, list, 4); /* lists keep each other's references: any number */
		race_add(&turnover->wrong, count == 0);
		for (i = 0; i < count && i < 4; i++)
			wk_weakref_release(list[i]);
		wk_weakref_release(one);
		wk_weakref_release(two);
	}
}

static void test_references_turn_over(void **state)
{
	struct turnover turnover = { wk_new(&plain_type), 5 * ROUNDS, 0 };

	(void)state;
	threads_run(4, turn_over, &turnover);
	assert_int_equal(atomic_load(&turnover.wrong), 0);
	assert_int_equal(wk_weakref_count(turnover.thing), 0);
	wk_release(turnover.thing);
}

/* Several threads ask for the hash while the object dies: the hash or WK_EDEAD; and once it was told, always the hash. */

struct hashing {
	struct thing *thing;
	wk_weakref *ref;
	unsigned number;
	int status[2];
	uint64_t hash[2];
	unsigned long wrong;
	_Atomic unsigned long told, dead;
};

static void hashing_prepare(void *context)
{
	struct hashing *hashing = context;

	hashing->thing = wk_new(&hashed_type);
	hashing->thing->number = ++hashing->number;
	hashing->ref = wk_weakref_new(hashing->thing, NULL, NULL);
}

static void hashing_act(void *context, unsigned thread)
{
	struct hashing *hashing = context;

	if (thread < 2)
		hashing->status[thread] = wk_weakref_hash(hashing->ref, &hashing->hash[thread]);
	else
		wk_release(hashing->thing);
}

static void hashing_settle(void *context)
{
	struct hashing *hashing = context;
	const struct thing model = { hashing->number };
	uint64_t hash = thing_hash(&model), later;
	bool told = false;
	unsigned i;

	for (i = 0; i < 2; i++) {
		hashing->wrong += hashing->status[i] == WK_OK ? hashing->hash[i] != hash : hashing->status[i] != WK_EDEAD;
		race_add(&hashing->dead, hashing->status[i] == WK_EDEAD);
		told = told || hashing->status[i] == WK_OK;
	}
	race_add(&hashing->told, told);
	hashing->wrong += (wk_weakref_hash(hashing->ref, &later) == WK_OK) != told;
	hashing->wrong += told && later != hash;
	wk_weakref_release(hashing->ref);
}

static bool hashing_decided(void *context)
{
	struct hashing *hashing = context;

	return atomic_load(&hashing->told) != 0 && atomic_load(&hashing->dead) != 0;
}

static void test_hash_against_death(void **state)
{
	const struct race race = {
		.threads = 3,
		.rounds = ROUNDS,
		.prepare = hashing_prepare,
		.act = hashing_act,
		.settle = hashing_settle,
		.decided = hashing_decided,
	};
	struct hashing hashing = { 0 };

	(void)state;
	race_run(&race, &hashing);
	print_message("%lu told, %lu too late\n", atomic_load(&hashing.told), atomic_load(&hashing.dead));
	assert_int_equal(hashing.wrong, 0);
	assert_true(hashing_decided(&hashing));
}

/* Many objects with callbacks die on several threads: each callback runs once, none is lost. */

#define CROWD 2000u

struct crowd {
	_Atomic unsigned runs, releases, failed;
};

static int crowd_run(wk_weakref *ref, void *argument)
{
	(void)ref;
	atomic_fetch_add(&((struct crowd *)argument)->runs, 1);
	return 0;
}

static void crowd_release(void *argument)
{
	atomic_fetch_add(&((struct crowd *)argument)->releases, 1);
}

static void crowd_body(void *context, unsigned index)
{
	const wk_callback many = { .run = crowd_run, .argument = context, .release = crowd_release };
	struct crowd *crowd = context;
	wk_weakref *ref;
	unsigned i;
	void *thing;

	(void)index;
	for (i = 0; i < CROWD; i++) {
		thing = wk_new(&plain_type);
		ref = wk_weakref_new(thing, &many, NULL);
		if (ref == NULL)
			atomic_fetch_add(&crowd->failed, 1);
		wk_release(thing);
		wk_weakref_release(ref);
	}
}

static void test_no_callback_is_lost(void **state)
{
	struct crowd crowd = { 0 };

	(void)state;
	threads_run(4, crowd_body, &crowd);
	settle();
	assert_int_equal(atomic_load(&crowd.failed), 0);
	assert_int_equal(atomic_load(&crowd.runs), 4 * CROWD);
	assert_int_equal(atomic_load(&crowd.releases), 4 * CROWD);
}

/* The last reference to a queue goes with what is posted to it, while whoever posts is about to tell. */

struct last {
	struct thing *thing;
	wk_queue *queue;
	wk_weakref *ref;
	_Atomic unsigned runs;
};

static int last_run(wk_weakref *ref, void *argument)
{
	(void)ref;
	atomic_fetch_add(&((struct last *)argument)->runs, 1);
	return 0;
}

static void last_prepare(void *context)
{
	struct last *last = context;
	const wk_callback posted = { .run = last_run, .argument = last, .queue = wk_queue_new(NULL, NULL) };

	last->queue = posted.queue;
	last->thing = wk_new(&plain_type);
	last->ref = wk_weakref_new(last->thing, &posted, NULL);
	atomic_store(&last->runs, 0);
}

static void last_act(void *context, unsigned thread)
{
	struct last *last = context;

	if (thread == 0) {
		wk_release(last->thing);
		return;
	}
	while (atomic_load(&last->runs) == 0)
		wk_queue_drain(last->queue, 0);
	wk_release(last->queue);
}

static void last_settle(void *context)
{
	wk_weakref_release(((struct last *)context)->ref);
}

static void test_last_reference_to_a_queue(void **state)
{
	const struct race race = {
		.threads = 2, .rounds = ROUNDS, .prepare = last_prepare, .act = last_act, .settle = last_settle
	};
	struct last last = { 0 };

	(void)state;
	race_run(&race, &last);
	settle();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_8_release_against_death),
		cmocka_unit_test(test_references_turn_over),
		cmocka_unit_test(test_hash_against_death),
		cmocka_unit_test(test_no_callback_is_lost),
		cmocka_unit_test(test_last_reference_to_a_queue),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
