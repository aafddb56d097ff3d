/*
 * weakref/value_dict.h by several threads: each race is run until either side has won, and every
 * outcome must be one that some order of the calls explains
 */
#include "runtime_fixture.h"

#include <stdatomic.h>

#include "support/threads.h"

#define KEY wk_key_u64(42)
#define ROUNDS (THREADS_SANITIZED ? 1000u : 10000u)
#define CANARY UINT64_C(0x5a5a0123456789ab)

struct thing {
	uint64_t canary;
	unsigned maker;
};

/* Poisoned when destroyed: whoever still uses it sees that. */
static void thing_destroy(void *payload)
{
	struct thing *thing = payload;

	thing->canary = 0;
}

WK_DEFINE_TYPE(thing_type, struct thing, .destroy = thing_destroy);

static struct thing *thing_new(unsigned maker)
{
	struct thing *thing = wk_new(&thing_type);

	thing->canary = CANARY;
	thing->maker = maker;
	return thing;
}

struct duel {
	wk_value_dict *dict;
	struct thing *thing[8];
	int status[8];
	void *object[8];
	unsigned threads;
	_Atomic unsigned long wins[8], wrong;
	unsigned long rounds;
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

/* Both sides have won, nothing was wrong, and the dictionary is as empty as it says. */
static void duel_end(struct duel *duel)
{
	assert_int_equal(duel->wrong, 0);
	assert_true(each_has_won(duel));
	assert_int_equal(wk_value_dict_len(duel->dict), 0);
	wk_release(duel->dict);
	settle();
}

static void duel_run(wk_value_mode values, unsigned threads, void (*prepare)(void *), void (*act)(void *, unsigned),
		     void (*judge)(void *))
{
	const wk_value_dict_options options = { .struct_size = sizeof(options), .values = values };
	const struct race race = { .threads = threads, .rounds = ROUNDS, .prepare = prepare, .act = act, .settle = judge,
				   .decided = each_has_won };
	struct duel duel = { .dict = wk_value_dict_new(&options, NULL), .threads = threads };

	race_run(&race, &duel);
	duel_end(&duel);
}

static bool has(struct duel *duel, const void *expected)
{
	void *object = wk_value_dict_get(duel->dict, KEY);

	wk_release(object);
	return object == expected && wk_value_dict_len(duel->dict) == (expected != NULL);
}

/* Promise 13: of those who insert one absent key exactly one wins. */
static void insert_act(void *context, unsigned i)
{
	struct duel *duel = context;

	duel->thing[i] = thing_new(i);
	duel->status[i] = wk_value_dict_insert(duel->dict, KEY, duel->thing[i]);
}

static void insert_judge(void *context)
{
	struct duel *duel = context;
	unsigned created = 0, exists = 0, winner = 0;

	for (unsigned i = 0; i < duel->threads; i++) {
		created += duel->status[i] == WK_CREATED;
		exists += duel->status[i] == WK_EEXISTS;
		if (duel->status[i] == WK_CREATED)
			winner = i;
	}
	duel->wins[winner]++;
	wrong_if(duel, created != 1 || exists != duel->threads - 1);
	wrong_if(duel, !has(duel, duel->thing[winner]));
	for (unsigned i = 0; i < duel->threads; i++)
		wk_release(duel->thing[i]);
	wrong_if(duel, !has(duel, NULL));
}

static void test_one_insert_wins(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 2, NULL, insert_act, insert_judge);
	duel_run(WK_VALUES_WEAK, 4, NULL, insert_act, insert_judge);
}

/* All who get or insert one absent key get the same object. */
static void get_or_insert_act(void *context, unsigned i)
{
	struct duel *duel = context;

	duel->thing[i] = thing_new(i);
	duel->object[i] = wk_value_dict_get_or_insert(duel->dict, KEY, duel->thing[i], &duel->status[i]);
}

static void get_or_insert_judge(void *context)
{
	struct duel *duel = context;
	unsigned created = 0;

	for (unsigned i = 0; i < duel->threads; i++) {
		created += duel->status[i] == WK_CREATED;
		duel->wins[i] += duel->status[i] == WK_CREATED;
		wrong_if(duel, duel->object[i] == NULL || duel->object[i] != duel->object[0]);
		wrong_if(duel, (duel->object[i] == duel->thing[i]) != (duel->status[i] == WK_CREATED));
	}
	wrong_if(duel, created != 1);
	for (unsigned i = 0; i < duel->threads; i++) {
		wk_release(duel->object[i]);
		wk_release(duel->thing[i]);
	}
	wrong_if(duel, !has(duel, NULL));
}

static void test_all_get_the_one_that_was_inserted(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 3, NULL, get_or_insert_act, get_or_insert_judge);
}

/* Promise 1: a get and the last release. Who gets it has it intact. */
static void store_one(void *context)
{
	struct duel *duel = context;

	duel->thing[0] = thing_new(0);
	wrong_if(duel, wk_value_dict_set(duel->dict, KEY, duel->thing[0]) != WK_CREATED);
}

static void get_or_die_act(void *context, unsigned i)
{
	struct duel *duel = context;
	struct thing *got;

	if (i == 0) {
		wk_release(duel->thing[0]);
		return;
	}
	got = wk_value_dict_get(duel->dict, KEY);
	race_add(&duel->wins[got != NULL], true);
	wrong_if(duel, got != NULL && got->canary != CANARY);
	wk_release(got);
}

static void nothing_is_left(void *context)
{
	wrong_if(context, !has(context, NULL));
}

static void test_get_or_death(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 2, store_one, get_or_die_act, nothing_is_left);
}

/* Promise 5: what was peeked stays intact to the end of the section, though it dies meanwhile. */
static void peek_or_die_act(void *context, unsigned i)
{
	struct duel *duel = context;
	const struct thing *peeked;

	if (i == 0) {
		wk_release(duel->thing[0]);
		return;
	}
	wk_read_lock();
	peeked = wk_value_dict_peek(duel->dict, KEY);
	race_add(&duel->wins[peeked != NULL], true);
	while (peeked != NULL && wk_value_dict_contains(duel->dict, KEY))
		wrong_if(duel, peeked->canary != CANARY);
	wrong_if(duel, peeked != NULL && peeked->canary != CANARY);
	wk_read_unlock();
}

static void test_peek_or_death(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 2, store_one, peek_or_die_act, nothing_is_left);
}

/*
 * A key that is replaced is there all the time: a get and a remove find one or the other. set says whether
 * the remove had come before it.
 */
static void set_or_remove_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		duel->status[0] = wk_value_dict_set(duel->dict, KEY, duel->thing[1]);
	else
		duel->status[1] = wk_value_dict_remove(duel->dict, KEY);
}

static void store_one_of_two(void *context)
{
	struct duel *duel = context;

	store_one(context);
	duel->thing[1] = thing_new(1);
}

static void set_or_remove_judge(void *context)
{
	struct duel *duel = context;
	bool set_first = duel->status[0] == WK_OK;

	duel->wins[!set_first]++;
	wrong_if(duel, duel->status[0] < 0 || duel->status[1] != WK_OK);
	wrong_if(duel, !has(duel, set_first ? NULL : duel->thing[1]));
	wk_value_dict_clear(duel->dict);
	wrong_if(duel, wk_strong_count(duel->thing[0]) != 1 || wk_strong_count(duel->thing[1]) != 1);
	wk_release(duel->thing[0]);
	wk_release(duel->thing[1]);
	wrong_if(duel, !has(duel, NULL));
}

static void test_set_or_remove(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 2, store_one_of_two, set_or_remove_act, set_or_remove_judge);
	duel_run(WK_VALUES_STRONG, 2, store_one_of_two, set_or_remove_act, set_or_remove_judge);
}

static void set_or_get_act(void *context, unsigned i)
{
	struct duel *duel = context;
	struct thing *got;

	if (i == 0) {
		duel->status[0] = wk_value_dict_set(duel->dict, KEY, duel->thing[1]);
		return;
	}
	got = wk_value_dict_get(duel->dict, KEY);
	wrong_if(duel, got == NULL || got->canary != CANARY);
	if (got != NULL)
		race_add(&duel->wins[got->maker], true);
	wk_release(got);
}

static void set_or_get_judge(void *context)
{
	struct duel *duel = context;

	wrong_if(duel, duel->status[0] != WK_OK || !has(duel, duel->thing[1]));
	wrong_if(duel, wk_value_dict_remove(duel->dict, KEY) != WK_OK);
	wk_release(duel->thing[0]);
	wk_release(duel->thing[1]);
}

static void test_set_or_get(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 2, store_one_of_two, set_or_get_act, set_or_get_judge);
	duel_run(WK_VALUES_STRONG, 2, store_one_of_two, set_or_get_act, set_or_get_judge);
}

/* Promise 14: the end of one value and the coming of another under its key. The new one stays. */
static void die_or_insert_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_release(duel->thing[0]);
	else
		duel->status[1] = wk_value_dict_insert(duel->dict, KEY, duel->thing[1]);
}

static void die_or_insert_judge(void *context)
{
	struct duel *duel = context;
	bool inserted = duel->status[1] == WK_CREATED;

	duel->wins[inserted]++;
	wrong_if(duel, !inserted && duel->status[1] != WK_EEXISTS);
	wrong_if(duel, !has(duel, inserted ? duel->thing[1] : NULL));
	wk_release(duel->thing[1]);
	wrong_if(duel, !has(duel, NULL));
}

static void test_death_or_insert(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 2, store_one_of_two, die_or_insert_act, die_or_insert_judge);
}

/* The same by set, which says whether it found the old value alive. */
static void die_or_set_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_release(duel->thing[0]);
	else
		duel->status[1] = wk_value_dict_set(duel->dict, KEY, duel->thing[1]);
}

static void die_or_set_judge(void *context)
{
	struct duel *duel = context;

	duel->wins[duel->status[1] == WK_OK]++;
	wrong_if(duel, duel->status[1] < 0);
	wrong_if(duel, !has(duel, duel->thing[1]));
	wk_release(duel->thing[1]);
	wrong_if(duel, !has(duel, NULL));
}

static void test_death_or_set(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 2, store_one_of_two, die_or_set_act, die_or_set_judge);
}

/* An object that leaves by remove_if takes out itself and nobody else. */
static void leave_or_set_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		duel->status[0] = wk_value_dict_remove_if(duel->dict, KEY, duel->thing[0]);
	else
		duel->status[1] = wk_value_dict_set(duel->dict, KEY, duel->thing[1]);
}

static void leave_or_set_judge(void *context)
{
	struct duel *duel = context;
	bool left_first = duel->status[0] == WK_OK;

	duel->wins[left_first]++;
	wrong_if(duel, duel->status[1] != (left_first ? WK_CREATED : WK_OK));
	wrong_if(duel, !has(duel, duel->thing[1]));
	wk_release(duel->thing[0]);
	wk_release(duel->thing[1]);
	(void)wk_value_dict_remove(duel->dict, KEY);
}

static void test_leaving_or_set(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 2, store_one_of_two, leave_or_set_act, leave_or_set_judge);
	duel_run(WK_VALUES_STRONG, 2, store_one_of_two, leave_or_set_act, leave_or_set_judge);
}

/* Of those who pop one entry exactly one has it. */
static void pop_act(void *context, unsigned i)
{
	struct duel *duel = context;

	duel->object[i] = wk_value_dict_pop(duel->dict, KEY);
}

static void pop_judge(void *context)
{
	struct duel *duel = context;
	unsigned popped = 0;

	for (unsigned i = 0; i < duel->threads; i++) {
		duel->wins[i] += duel->object[i] != NULL;
		popped += duel->object[i] != NULL;
		wrong_if(duel, duel->object[i] != NULL && duel->object[i] != duel->thing[0]);
		wk_release(duel->object[i]);
	}
	wrong_if(duel, popped != 1 || wk_strong_count(duel->thing[0]) != 1 || !has(duel, NULL));
	wk_release(duel->thing[0]);
}

static void test_one_pop_wins(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 3, store_one, pop_act, pop_judge);
	duel_run(WK_VALUES_STRONG, 3, store_one, pop_act, pop_judge);
}

/* A pop and the last release: the object is had alive, or it is dead. */
static void pop_or_die_act(void *context, unsigned i)
{
	struct duel *duel = context;
	struct thing *popped;

	if (i == 0) {
		wk_release(duel->thing[0]);
		return;
	}
	popped = wk_value_dict_pop(duel->dict, KEY);
	race_add(&duel->wins[popped != NULL], true);
	wrong_if(duel, popped != NULL && popped->canary != CANARY);
	wk_release(popped);
}

static void test_pop_or_death(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 2, store_one, pop_or_die_act, nothing_is_left);
}

/* clear takes out what is there all the while, and the length stays right whatever comes in meanwhile. */
static void clear_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_value_dict_clear(duel->dict);
	else
		duel->status[1] = wk_value_dict_set(duel->dict, KEY, duel->thing[1]);
}

static void clear_judge(void *context)
{
	struct duel *duel = context;
	bool stayed = wk_value_dict_len(duel->dict) == 1;

	duel->wins[stayed]++;
	wrong_if(duel, !has(duel, stayed ? duel->thing[1] : NULL));
	wrong_if(duel, !stayed && duel->status[1] != WK_OK && duel->status[1] != WK_CREATED);
	wk_value_dict_clear(duel->dict);
	wrong_if(duel, !has(duel, NULL) || wk_strong_count(duel->thing[0]) != 1 || wk_strong_count(duel->thing[1]) != 1);
	wk_release(duel->thing[0]);
	wk_release(duel->thing[1]);
}

static void test_clear_or_set(void **state)
{
	(void)state;
	duel_run(WK_VALUES_WEAK, 2, store_one_of_two, clear_act, clear_judge);
	duel_run(WK_VALUES_STRONG, 2, store_one_of_two, clear_act, clear_judge);
}

/* The dictionary ends while its values die: nobody can see who came first. */
static void end_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_release(duel->dict);
	else
		wk_release(duel->thing[0]);
}

static void end_prepare(void *context)
{
	struct duel *duel = context;

	duel->dict = wk_value_dict_new(NULL, NULL);
	store_one(context);
}


static void test_the_end_or_death(void **state)
{
	const struct race race = { .threads = 2, .rounds = ROUNDS / 4, .prepare = end_prepare, .act = end_act };
	struct duel duel = { .threads = 2 };

	(void)state;
	race_run(&race, &duel);
	settle();
	assert_int_equal(duel.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_insert_wins),
		cmocka_unit_test(test_all_get_the_one_that_was_inserted),
		cmocka_unit_test(test_get_or_death),
		cmocka_unit_test(test_peek_or_death),
		cmocka_unit_test(test_set_or_remove),
		cmocka_unit_test(test_set_or_get),
		cmocka_unit_test(test_death_or_insert),
		cmocka_unit_test(test_death_or_set),
		cmocka_unit_test(test_leaving_or_set),
		cmocka_unit_test(test_one_pop_wins),
		cmocka_unit_test(test_pop_or_death),
		cmocka_unit_test(test_clear_or_set),
		cmocka_unit_test(test_the_end_or_death),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/value_dict.h, races", tests, runtime_setup_near, NULL);
}
