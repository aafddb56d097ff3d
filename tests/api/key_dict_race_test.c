/*
 * weakref/key_dict.h by several threads: each race is run until either side has won, and every outcome must be one
 * that some order of the calls explains
 *
 * By equality every thread has a key of its own, all equal; by identity they share one.
 */
#include "runtime_fixture.h"

#include <stdatomic.h>

#include "support/threads.h"

#define ROUNDS (THREADS_SANITIZED ? 300u : 2000u)
#define CANARY UINT64_C(0x5a5a0123456789ab)
#define SIDES 4u

struct thing {
	uint64_t canary;
	unsigned maker;
};

/* Poisoned when destroyed: whoever still uses it sees that. */
static void thing_destroy(void *payload)
{
	((struct thing *)payload)->canary = 0;
}

/* All are equal. Promise 18: whoever is asked is intact, also when it has died. */
static _Atomic unsigned long asked_destroyed;

static uint64_t thing_hash(const void *payload)
{
	race_add(&asked_destroyed, ((const struct thing *)payload)->canary != CANARY);
	return 42;
}

static bool thing_equal(const void *a, const void *b)
{
	race_add(&asked_destroyed, ((const struct thing *)a)->canary != CANARY || ((const struct thing *)b)->canary != CANARY);
	return true;
}

WK_DEFINE_TYPE(thing_type, struct thing, .destroy = thing_destroy, .hash = thing_hash, .equal = thing_equal);

static struct thing *thing_new(unsigned maker)
{
	struct thing *thing = wk_new(&thing_type);

	thing->canary = CANARY;
	thing->maker = maker;
	return thing;
}

/* Plain values are made of objects, so that one destroyed too early or never is found out; the destructor releases. */
static void plain_release(void *value)
{
	wk_release(value);
}

struct duel {
	wk_key_dict *dict;
	wk_compare compare;
	wk_hold hold;
	struct thing *key[SIDES], *value[SIDES];
	void *object[SIDES];
	int status[SIDES];
	unsigned threads;
	_Atomic unsigned long wins[SIDES], wrong;
	_Atomic unsigned running;
};

static void wrong_if(struct duel *duel, bool is_wrong)
{
	race_add(&duel->wrong, is_wrong);
}

static bool each_has_won(void *context)
{
	struct duel *duel = context;

	for (unsigned i = 0; i < duel->threads; i++) {
		if (duel->wins[i] == 0)
			return false;
	}
	return true;
}

static wk_key_dict *dict_of(const struct duel *duel)
{
	const wk_key_dict_options options = { .struct_size = sizeof(options),
					      .compare = duel->compare,
					      .values = duel->hold,
					      .release_value = duel->hold == WK_HOLD_PLAIN ? plain_release : NULL };

	return wk_key_dict_new(&options, NULL);
}

/* A key for everybody, a value for everybody; by identity the key is the same. */
static void deal(struct duel *duel)
{
	for (unsigned i = 0; i < SIDES; i++) {
		duel->key[i] = duel->compare == WK_BY_EQUALITY || i == 0 ? thing_new(i) : wk_retain(duel->key[0]);
		duel->value[i] = thing_new(i);
		duel->object[i] = NULL;
	}
}

/* What a store is given: a plain value is the dictionary's if that succeeds. */
static void *give(struct duel *duel, unsigned i)
{
	return duel->hold == WK_HOLD_PLAIN ? wk_retain(duel->value[i]) : duel->value[i];
}

static int given(struct duel *duel, unsigned i, int status)
{
	if (duel->hold == WK_HOLD_PLAIN && status != WK_OK && status != WK_CREATED)
		wk_release(duel->value[i]);
	return status;
}

static int put(struct duel *duel, unsigned i)
{
	return given(duel, i, wk_key_dict_set(duel->dict, duel->key[i], give(duel, i)));
}

static int insert(struct duel *duel, unsigned i)
{
	return given(duel, i, wk_key_dict_insert(duel->dict, duel->key[i], give(duel, i)));
}

/* Compares only. */
static bool has(struct duel *duel, unsigned key, const void *expected)
{
	const void *value;

	wk_read_lock();
	value = wk_key_dict_peek(duel->dict, duel->key[key]);
	wk_read_unlock();
	return value == expected && wk_key_dict_contains(duel->dict, duel->key[key]) == (expected != NULL) &&
	       wk_key_dict_len(duel->dict) == (expected != NULL);
}

/* Everything goes; then nothing is left. */
static void fold(struct duel *duel)
{
	for (unsigned i = 0; i < SIDES; i++) {
		wk_clear(&duel->key[i]);
		wk_clear(&duel->value[i]);
	}
	wrong_if(duel, wk_key_dict_len(duel->dict) != 0);
}

static void duel_run(wk_compare compare, wk_hold hold, unsigned threads, void (*prepare)(void *),
		     void (*act)(void *, unsigned), void (*judge)(void *))
{
	const struct race race = { .threads = threads, .rounds = ROUNDS, .prepare = prepare, .act = act, .settle = judge,
				   .decided = each_has_won };
	wk_census before, after;
	struct duel duel = { .compare = compare, .hold = hold, .threads = threads };

	settle();
	before = census_of(&thing_type);
	duel.dict = dict_of(&duel);
	race_run(&race, &duel);
	assert_int_equal(duel.wrong, 0);
	assert_int_equal(asked_destroyed, 0);
	assert_true(each_has_won(&duel));
	assert_int_equal(wk_key_dict_len(duel.dict), 0);
	wk_release(duel.dict);
	for (unsigned i = 0; i < 4; i++)
		settle(); /* entries give up values, whose end is then due */
	after = census_of(&thing_type);
	assert_int_equal(after.created - before.created, after.destroyed - before.destroyed);
}

static void run_all(unsigned threads, void (*prepare)(void *), void (*act)(void *, unsigned), void (*judge)(void *))
{
	for (wk_hold hold = WK_HOLD_STRONG; hold <= WK_HOLD_PLAIN; hold++) {
		duel_run(WK_BY_IDENTITY, hold, threads, prepare, act, judge);
		duel_run(WK_BY_EQUALITY, hold, threads, prepare, act, judge);
	}
}

static void start_empty(void *context)
{
	deal(context);
}

static void start_with_one(void *context)
{
	struct duel *duel = context;

	deal(duel);
	wrong_if(duel, put(duel, 0) != WK_CREATED);
}

/* Promise 13: of those who insert one absent key exactly one wins, all keys being equal. */
static void insert_act(void *context, unsigned i)
{
	struct duel *duel = context;

	duel->status[i] = insert(duel, i);
}

static void insert_judge(void *context)
{
	struct duel *duel = context;
	unsigned created = 0, exists = 0, winner = 0;

	for (unsigned i = 0; i < duel->threads; i++) {
		created += duel->status[i] == WK_CREATED;
		exists += duel->status[i] == WK_EEXISTS;
		winner = duel->status[i] == WK_CREATED ? i : winner;
	}
	duel->wins[winner]++;
	wrong_if(duel, created != 1 || exists != duel->threads - 1);
	for (unsigned i = 0; i < duel->threads; i++)
		wrong_if(duel, !has(duel, i, duel->value[winner]));
	fold(duel);
}

static void test_one_insert_wins(void **state)
{
	(void)state;
	run_all(3, start_empty, insert_act, insert_judge);
}

/* All who get or insert get the same. */
static void get_or_insert_act(void *context, unsigned i)
{
	struct duel *duel = context;

	wk_read_lock();
	duel->object[i] = wk_key_dict_get_or_insert(duel->dict, duel->key[i], give(duel, i), &duel->status[i]);
	wk_read_unlock();
	if (duel->hold == WK_HOLD_PLAIN && duel->status[i] != WK_CREATED)
		wk_release(duel->value[i]);
}

static void get_or_insert_judge(void *context)
{
	struct duel *duel = context;
	unsigned created = 0;

	for (unsigned i = 0; i < duel->threads; i++) {
		created += duel->status[i] == WK_CREATED;
		duel->wins[i] += duel->status[i] == WK_CREATED;
		wrong_if(duel, duel->object[i] == NULL || duel->object[i] != duel->object[0]);
		if (duel->hold != WK_HOLD_PLAIN)
			wk_release(duel->object[i]);
	}
	wrong_if(duel, created != 1);
	fold(duel);
}

static void test_all_get_the_one_that_was_inserted(void **state)
{
	(void)state;
	run_all(3, start_empty, get_or_insert_act, get_or_insert_judge);
}

/* A value that is replaced is there all the time, and so is its entry: a get and a remove find one or the other. */
static void set_or_get_act(void *context, unsigned i)
{
	struct duel *duel = context;
	const struct thing *seen;

	if (i == 0) {
		duel->status[0] = put(duel, 1);
		return;
	}
	wk_read_lock();
	seen = wk_key_dict_peek(duel->dict, duel->key[2]);
	wrong_if(duel, seen == NULL || seen->canary != CANARY);
	if (seen != NULL)
		race_add(&duel->wins[seen->maker], true);
	wk_read_unlock();
	if (duel->hold == WK_HOLD_PLAIN)
		return;
	seen = wk_key_dict_get(duel->dict, duel->key[2]);
	wrong_if(duel, seen == NULL || seen->canary != CANARY);
	wk_release(seen);
}

static void set_or_get_judge(void *context)
{
	struct duel *duel = context;

	wrong_if(duel, duel->status[0] != WK_OK || !has(duel, 1, duel->value[1]));
	fold(duel);
}

static void test_set_or_get(void **state)
{
	(void)state;
	run_all(2, start_with_one, set_or_get_act, set_or_get_judge);
}

/* Two sets: one value is there in the end, and one of the three is given up each time. */
static void set_set_act(void *context, unsigned i)
{
	struct duel *duel = context;

	duel->status[i] = put(duel, i + 1);
}

static void set_set_judge(void *context)
{
	struct duel *duel = context;
	bool first = has(duel, 0, duel->value[1]);

	duel->wins[first]++;
	wrong_if(duel, duel->status[0] != WK_OK || duel->status[1] != WK_OK);
	wrong_if(duel, !first && !has(duel, 0, duel->value[2]));
	fold(duel);
}

static void test_set_or_set(void **state)
{
	(void)state;
	run_all(2, start_with_one, set_set_act, set_set_judge);
}

static void set_or_remove_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		duel->status[0] = put(duel, 1);
	else
		duel->status[1] = wk_key_dict_remove(duel->dict, duel->key[2]);
}

static void set_or_remove_judge(void *context)
{
	struct duel *duel = context;
	bool set_first = duel->status[0] == WK_OK;

	duel->wins[set_first]++;
	wrong_if(duel, duel->status[0] < 0 || duel->status[1] != WK_OK);
	wrong_if(duel, !has(duel, 1, set_first ? NULL : duel->value[1]));
	fold(duel);
}

static void test_set_or_remove(void **state)
{
	(void)state;
	run_all(2, start_with_one, set_or_remove_act, set_or_remove_judge);
}

/* A value that leaves by remove_if takes out itself and nobody else. */
static void leave_or_set_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		duel->status[0] = wk_key_dict_remove_if(duel->dict, duel->key[2], duel->value[0]);
	else
		duel->status[1] = put(duel, 1);
}

static void leave_or_set_judge(void *context)
{
	struct duel *duel = context;
	bool left_first = duel->status[0] == WK_OK;

	duel->wins[left_first]++;
	wrong_if(duel, duel->status[1] != (left_first ? WK_CREATED : WK_OK));
	wrong_if(duel, !has(duel, 1, duel->value[1]));
	fold(duel);
}

static void test_leaving_or_set(void **state)
{
	(void)state;
	run_all(2, start_with_one, leave_or_set_act, leave_or_set_judge);
}

/* Of those who pop one entry exactly one has it. */
static void pop_act(void *context, unsigned i)
{
	struct duel *duel = context;

	duel->object[i] = wk_key_dict_pop(duel->dict, duel->key[i]);
}

static void pop_judge(void *context)
{
	struct duel *duel = context;
	unsigned popped = 0;

	for (unsigned i = 0; i < duel->threads; i++) {
		duel->wins[i] += duel->object[i] != NULL;
		popped += duel->object[i] != NULL;
		wrong_if(duel, duel->object[i] != NULL && duel->object[i] != duel->value[0]);
		wk_release(duel->object[i]);
	}
	wrong_if(duel, popped != 1 || !has(duel, 0, NULL) || wk_strong_count(duel->value[0]) != 1);
	fold(duel);
}

static void test_one_pop_wins(void **state)
{
	(void)state;
	run_all(3, start_with_one, pop_act, pop_judge);
}

static void pop_any_act(void *context, unsigned i)
{
	struct duel *duel = context;
	wk_pair pair = wk_key_dict_pop_any(duel->dict);

	duel->object[i] = pair.value;
	wrong_if(duel, (pair.key == NULL) != (pair.value == NULL));
	wrong_if(duel, pair.key != NULL && pair.key != duel->key[0]);
	wk_release(pair.key);
}

static void test_one_pop_of_any_wins(void **state)
{
	(void)state;
	run_all(3, start_with_one, pop_any_act, pop_judge);
}

/* The last release of the key, and whoever has an equal one: a get has the value or nothing, intact. */
static void key_dies_or_get_act(void *context, unsigned i)
{
	struct duel *duel = context;
	const struct thing *seen;

	if (i == 0) {
		wk_clear(&duel->key[0]);
		return;
	}
	wk_read_lock();
	seen = wk_key_dict_peek(duel->dict, duel->key[1]);
	race_add(&duel->wins[seen != NULL], true);
	while (seen != NULL && wk_key_dict_contains(duel->dict, duel->key[1]))
		wrong_if(duel, seen->canary != CANARY);
	wrong_if(duel, seen != NULL && seen->canary != CANARY);
	wk_read_unlock();
}

/* Nobody else has the value: after the key has died it goes. */
static void start_with_one_owned(void *context)
{
	struct duel *duel = context;

	start_with_one(context);
	wk_clear(&duel->value[0]);
}

static void nothing_is_left(void *context)
{
	wrong_if(context, wk_key_dict_len(((struct duel *)context)->dict) != 0);
	fold(context);
}

static void test_death_of_the_key_or_get(void **state)
{
	(void)state;
	duel_run(WK_BY_EQUALITY, WK_HOLD_STRONG, 2, start_with_one_owned, key_dies_or_get_act, nothing_is_left);
	duel_run(WK_BY_EQUALITY, WK_HOLD_PLAIN, 2, start_with_one_owned, key_dies_or_get_act, nothing_is_left);
	duel_run(WK_BY_EQUALITY, WK_HOLD_WEAK, 2, start_with_one, key_dies_or_get_act, nothing_is_left);
}

/* The last release of the key, and a set by an equal one: it came before and went with the key, or it is a new entry. */
static void key_dies_or_set_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_clear(&duel->key[0]);
	else
		duel->status[1] = put(duel, 1);
}

static void key_dies_or_set_judge(void *context)
{
	struct duel *duel = context;
	bool is_new = duel->status[1] == WK_CREATED;

	duel->wins[is_new]++;
	wrong_if(duel, duel->status[1] < 0 || !has(duel, 1, is_new ? duel->value[1] : NULL));
	fold(duel);
}

static void test_death_of_the_key_or_set(void **state)
{
	(void)state;
	for (wk_hold hold = WK_HOLD_STRONG; hold <= WK_HOLD_PLAIN; hold++)
		duel_run(WK_BY_EQUALITY, hold, 2, start_with_one, key_dies_or_set_act, key_dies_or_set_judge);
}

/* The same of two threads with equal keys of their own: there is one entry at most. */
static void key_dies_or_inserts_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_clear(&duel->key[0]);
	else
		duel->status[i] = insert(duel, i);
}

static void key_dies_or_inserts_judge(void *context)
{
	struct duel *duel = context;
	unsigned created = 0;

	for (unsigned i = 1; i < 3; i++) {
		created += duel->status[i] == WK_CREATED;
		duel->wins[i] += duel->status[i] == WK_CREATED;
	}
	duel->wins[0] += created == 0;
	wrong_if(duel, created > 1 || wk_key_dict_len(duel->dict) != created);
	fold(duel);
}

static void test_death_of_the_key_or_one_insert(void **state)
{
	(void)state;
	for (wk_hold hold = WK_HOLD_STRONG; hold <= WK_HOLD_PLAIN; hold++)
		duel_run(WK_BY_EQUALITY, hold, 3, start_with_one, key_dies_or_inserts_act, key_dies_or_inserts_judge);
}

static void key_dies_or_pop_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0) {
		wk_clear(&duel->key[0]);
		return;
	}
	duel->object[1] = wk_key_dict_pop(duel->dict, duel->key[1]);
	race_add(&duel->wins[duel->object[1] != NULL], true);
	wrong_if(duel, duel->object[1] != NULL && ((struct thing *)duel->object[1])->canary != CANARY);
	wk_release(duel->object[1]);
}

static void test_death_of_the_key_or_pop(void **state)
{
	(void)state;
	for (wk_hold hold = WK_HOLD_STRONG; hold <= WK_HOLD_PLAIN; hold++)
		duel_run(WK_BY_EQUALITY, hold, 2, start_with_one, key_dies_or_pop_act, nothing_is_left);
}

static void key_dies_or_pop_any_act(void *context, unsigned i)
{
	struct duel *duel = context;
	wk_pair pair;

	if (i == 0) {
		wk_clear(&duel->key[0]);
		return;
	}
	pair = wk_key_dict_pop_any(duel->dict);
	race_add(&duel->wins[pair.key != NULL], true);
	wrong_if(duel, (pair.key == NULL) != (pair.value == NULL));
	wk_release(pair.key);
	wk_release(pair.value);
}

static void test_death_of_the_key_or_pop_of_any(void **state)
{
	(void)state;
	for (wk_hold hold = WK_HOLD_STRONG; hold <= WK_HOLD_PLAIN; hold++)
		duel_run(WK_BY_EQUALITY, hold, 2, start_with_one, key_dies_or_pop_any_act, nothing_is_left);
}

/* Weak values: the last release of the value, and everybody else. */
static void value_dies_or_get_act(void *context, unsigned i)
{
	struct duel *duel = context;
	struct thing *got;

	if (i == 0) {
		wk_clear(&duel->value[0]);
		return;
	}
	got = wk_key_dict_get(duel->dict, duel->key[1]);
	race_add(&duel->wins[got != NULL], true);
	wrong_if(duel, got != NULL && got->canary != CANARY);
	wk_release(got);
}

static void value_dies_or_set_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_clear(&duel->value[0]);
	else
		duel->status[1] = put(duel, 1);
}

static void value_dies_or_set_judge(void *context)
{
	struct duel *duel = context;

	duel->wins[duel->status[1] == WK_CREATED]++;
	wrong_if(duel, duel->status[1] < 0 || !has(duel, 1, duel->value[1]));
	fold(duel);
}

static void value_dies_or_insert_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_clear(&duel->value[0]);
	else
		duel->status[1] = insert(duel, 1);
}

static void value_dies_or_insert_judge(void *context)
{
	struct duel *duel = context;
	bool inserted = duel->status[1] == WK_CREATED;

	duel->wins[inserted]++;
	wrong_if(duel, !inserted && duel->status[1] != WK_EEXISTS);
	wrong_if(duel, !has(duel, 1, inserted ? duel->value[1] : NULL));
	fold(duel);
}

static void value_dies_or_pop_act(void *context, unsigned i)
{
	struct duel *duel = context;
	struct thing *popped;

	if (i == 0) {
		wk_clear(&duel->value[0]);
		return;
	}
	popped = wk_key_dict_pop(duel->dict, duel->key[1]);
	race_add(&duel->wins[popped != NULL], true);
	wrong_if(duel, popped != NULL && popped->canary != CANARY);
	wk_release(popped);
}

/* Whoever dies is watched by many, and tells the newest first: for a while a dead value is still in the entry. */
#define CROWD 100u
static wk_weak_set *crowd[CROWD];

static void start_in_a_crowd(void *context)
{
	struct duel *duel = context;

	start_with_one(context);
	for (unsigned i = 0; i < CROWD; i++)
		wrong_if(duel, wk_weak_set_add(crowd[i], duel->value[0]) != WK_CREATED);
}

/* Both die: the entry ends once. */
static void both_die_act(void *context, unsigned i)
{
	struct duel *duel = context;

	race_add(&duel->wins[i], wk_key_dict_len(duel->dict) == 1); /* here first, as far as one can see */
	if (i == 0)
		wk_clear(&duel->value[0]);
	else
		wk_clear(&duel->key[0]);
}

static void forget_the_others(void *context)
{
	struct duel *duel = context;

	start_with_one(context);
	for (unsigned i = 1; i < SIDES; i++)
		wk_clear(&duel->key[i]);
}

static void test_death_of_a_weak_value(void **state)
{
	(void)state;
	for (wk_compare compare = WK_BY_IDENTITY; compare <= WK_BY_EQUALITY; compare++) {
		duel_run(compare, WK_HOLD_WEAK, 2, start_with_one, value_dies_or_get_act, nothing_is_left);
		duel_run(compare, WK_HOLD_WEAK, 2, start_with_one, value_dies_or_set_act, value_dies_or_set_judge);
		duel_run(compare, WK_HOLD_WEAK, 2, start_with_one, value_dies_or_insert_act, value_dies_or_insert_judge);
		duel_run(compare, WK_HOLD_WEAK, 2, start_with_one, value_dies_or_pop_act, nothing_is_left);
		duel_run(compare, WK_HOLD_WEAK, 2, forget_the_others, both_die_act, nothing_is_left);
	}
}

static void test_death_of_a_weak_value_takes_its_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CROWD; i++)
		crowd[i] = wk_weak_set_new(NULL, NULL);
	for (wk_compare compare = WK_BY_IDENTITY; compare <= WK_BY_EQUALITY; compare++) {
		duel_run(compare, WK_HOLD_WEAK, 2, start_in_a_crowd, value_dies_or_set_act, value_dies_or_set_judge);
		duel_run(compare, WK_HOLD_WEAK, 2, start_in_a_crowd, value_dies_or_insert_act, value_dies_or_insert_judge);
	}
	for (unsigned i = 0; i < CROWD; i++)
		wk_clear(&crowd[i]);
}

/* clear takes out what is there all the while. */
static void clear_or_set_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_key_dict_clear(duel->dict);
	else
		duel->status[1] = put(duel, 1);
}

static void clear_or_set_judge(void *context)
{
	struct duel *duel = context;
	bool stayed = wk_key_dict_len(duel->dict) == 1;

	duel->wins[stayed]++;
	wrong_if(duel, !has(duel, 1, stayed ? duel->value[1] : NULL));
	wrong_if(duel, duel->status[1] != WK_OK && duel->status[1] != WK_CREATED);
	fold(duel);
}

static void test_clear_or_set(void **state)
{
	(void)state;
	run_all(2, start_with_one, clear_or_set_act, clear_or_set_judge);
}

/* Promise 13: one factory at a time, and all get what it made. */
struct factory {
	struct duel *duel;
	unsigned thread;
};

static void *make(const void *key, void *context, int *status)
{
	struct factory *factory = context;

	(void)key;
	(void)status;
	wrong_if(factory->duel, atomic_fetch_add(&factory->duel->running, 1) != 0);
	atomic_fetch_sub(&factory->duel->running, 1);
	return thing_new(factory->thread);
}

static void create_act(void *context, unsigned i)
{
	struct duel *duel = context;
	struct factory factory = { duel, i };

	duel->object[i] =
		wk_key_dict_get_or_create(duel->dict, duel->key[i], WK_CREATE_ONCE, make, &factory, &duel->status[i]);
}

static void create_judge(void *context)
{
	struct duel *duel = context;
	unsigned created = 0;

	for (unsigned i = 0; i < duel->threads; i++) {
		created += duel->status[i] == WK_CREATED;
		duel->wins[i] += duel->status[i] == WK_CREATED;
		wrong_if(duel, duel->object[i] == NULL || duel->object[i] != duel->object[0]);
	}
	wrong_if(duel, created != 1);
	for (unsigned i = 0; i < duel->threads && duel->hold != WK_HOLD_PLAIN; i++)
		wk_release(duel->object[i]);
	fold(duel);
}

static void test_one_factory_runs(void **state)
{
	(void)state;
	run_all(3, start_empty, create_act, create_judge);
}

/* A factory and a set: who comes second finds the other's value there, or puts his in its place. */
static void create_or_set_act(void *context, unsigned i)
{
	if (i == 0)
		create_act(context, 0);
	else
		((struct duel *)context)->status[1] = put(context, 1);
}

static void create_or_set_judge(void *context)
{
	struct duel *duel = context;
	bool created = duel->status[0] == WK_CREATED;

	duel->wins[!created]++;
	wrong_if(duel, duel->status[1] != (created ? WK_OK : WK_CREATED));
	wrong_if(duel, !created && duel->object[0] != duel->value[1]);
	wrong_if(duel, !has(duel, 0, duel->value[1]));
	if (duel->hold != WK_HOLD_PLAIN)
		wk_release(duel->object[0]);
	fold(duel);
}

static void test_factory_or_set(void **state)
{
	(void)state;
	run_all(2, start_empty, create_or_set_act, create_or_set_judge);
}

/* The dictionary ends while keys and values die: nobody can see who came first. */
static void end_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_release(duel->dict);
	else if (i == 1)
		wk_clear(&duel->key[0]);
	else
		wk_clear(&duel->value[0]);
}

static void end_prepare(void *context)
{
	struct duel *duel = context;

	duel->dict = dict_of(duel);
	start_with_one(context);
}

static void end_judge(void *context)
{
	struct duel *duel = context;

	for (unsigned i = 0; i < SIDES; i++) {
		wk_clear(&duel->key[i]);
		wk_clear(&duel->value[i]);
	}
}

static void test_the_end_or_death(void **state)
{
	const struct race race = {
		.threads = 3, .rounds = ROUNDS / 2, .prepare = end_prepare, .act = end_act, .settle = end_judge
	};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct duel duel = { .compare = i < 3 ? WK_BY_IDENTITY : WK_BY_EQUALITY, .hold = (wk_hold)(i % 3) };

		race_run(&race, &duel);
		for (unsigned times = 0; times < 4; times++)
			settle();
		assert_int_equal(duel.wrong, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_insert_wins),
		cmocka_unit_test(test_all_get_the_one_that_was_inserted),
		cmocka_unit_test(test_set_or_get),
		cmocka_unit_test(test_set_or_set),
		cmocka_unit_test(test_set_or_remove),
		cmocka_unit_test(test_leaving_or_set),
		cmocka_unit_test(test_one_pop_wins),
		cmocka_unit_test(test_one_pop_of_any_wins),
		cmocka_unit_test(test_death_of_the_key_or_get),
		cmocka_unit_test(test_death_of_the_key_or_set),
		cmocka_unit_test(test_death_of_the_key_or_one_insert),
		cmocka_unit_test(test_death_of_the_key_or_pop),
		cmocka_unit_test(test_death_of_the_key_or_pop_of_any),
		cmocka_unit_test(test_death_of_a_weak_value),
		cmocka_unit_test(test_death_of_a_weak_value_takes_its_time),
		cmocka_unit_test(test_clear_or_set),
		cmocka_unit_test(test_one_factory_runs),
		cmocka_unit_test(test_factory_or_set),
		cmocka_unit_test(test_the_end_or_death),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/key_dict.h, races", tests, runtime_setup, NULL);
}
