/*
 * weakref/weak_set.h: sets of equal objects, and sets as wholes: made of arrays, combined, compared
 *
 * Members are numbered; what a combination has is compared with what arithmetic says, number by number, by identity
 * and by equality, and with the sets in every size that makes them grow.
 */
#include "runtime_fixture.h"

#include "support/threads.h"

#define MANY 600u
#define ROUNDS (THREADS_SANITIZED ? 600u : 5000u)

struct thing {
	uint64_t id;
};

static uint64_t thing_hash(const void *payload)
{
	return ((const struct thing *)payload)->id;
}

static bool thing_equal(const void *a, const void *b)
{
	return ((const struct thing *)a)->id == ((const struct thing *)b)->id;
}

WK_DEFINE_TYPE(thing_type, struct thing, .hash = thing_hash, .equal = thing_equal);
WK_DEFINE_TYPE(other_type, struct thing, .hash = thing_hash, .equal = thing_equal);
WK_DEFINE_TYPE(mute_type, struct thing, .flags = 0);
WK_DEFINE_TYPE(prompt_type, struct thing, .flags = WK_TYPE_PROMPT);

static struct thing *things[MANY], *twins[MANY]; /* a twin is equal, and another object */

static struct thing *thing_of(const wk_type *type, uint64_t id)
{
	struct thing *thing = wk_new(type);

	assert_non_null(thing);
	thing->id = id;
	return thing;
}

static int setup(void **state)
{
	(void)state;
	if (wk_runtime_start(NULL) != WK_OK)
		return -1;
	for (unsigned i = 0; i < MANY; i++) {
		things[i] = thing_of(&thing_type, i);
		twins[i] = thing_of(&thing_type, i);
	}
	return 0;
}

/* The accounts of the last test count the things, too. */
static void test_everything_goes(void **state)
{
	for (unsigned i = 0; i < MANY; i++) {
		wk_clear(&things[i]);
		wk_clear(&twins[i]);
	}
	test_the_accounts_balance(state);
}

static wk_weak_set *set_new(wk_compare compare)
{
	const wk_weak_set_options options = { .struct_size = sizeof(options), .compare = compare };
	int status = 1;
	wk_weak_set *set = wk_weak_set_new(&options, &status);

	assert_int_equal(status, WK_OK);
	return set;
}

/* Every step-th of `from`, from `first` on. */
static wk_weak_set *set_of(wk_compare compare, struct thing **from, unsigned first, unsigned end, unsigned step)
{
	wk_weak_set *set = set_new(compare);

	for (unsigned i = first; i < end; i += step)
		assert_int_equal(wk_weak_set_add(set, from[i]), WK_CREATED);
	return set;
}

/* Equality. */

static void test_the_first_of_equal_objects(void **state)
{
	wk_weak_set *set = set_new(WK_BY_EQUALITY);
	struct thing *one = thing_of(&thing_type, 1), *same = thing_of(&thing_type, 1), *other = thing_of(&other_type, 1);
	struct thing *popped;

	(void)state;
	assert_int_equal(wk_weak_set_add(set, one), WK_CREATED);
	assert_int_equal(wk_weak_set_add(set, same), WK_OK);
	assert_int_equal(wk_weak_set_len(set), 1);
	assert_true(wk_weak_set_contains(set, same));
	assert_int_equal(wk_weakref_count(same), 0);
	assert_false(wk_weak_set_contains(set, other)); /* of another type */
	assert_int_equal(wk_weak_set_add(set, other), WK_CREATED);
	assert_true(wk_weak_set_discard(set, same));
	assert_false(wk_weak_set_contains(set, one));
	assert_int_equal(wk_weak_set_remove(set, one), WK_ENOTFOUND);
	assert_int_equal(wk_weak_set_add(set, one), WK_CREATED);
	wk_clear(&one);
	assert_false(wk_weak_set_contains(set, same));
	assert_int_equal(wk_weak_set_len(set), 1);
	assert_int_equal(wk_weak_set_add(set, same), WK_CREATED);
	assert_true(wk_weak_set_discard(set, other));
	popped = wk_weak_set_pop(set);
	assert_ptr_equal(popped, same);
	wk_release(popped);
	wk_release(same);
	wk_release(other);
	wk_release(set);
}

static void test_what_cannot_be_compared(void **state)
{
	const wk_weak_set_options options = {
		.struct_size = sizeof(options), .compare = WK_BY_EQUALITY, .element_type = &prompt_type
	};
	wk_weak_set *set = set_new(WK_BY_EQUALITY);
	struct thing *mute = thing_of(&mute_type, 1), *prompt = thing_of(&prompt_type, 1);
	int status = 1;

	(void)state;
	assert_null(wk_weak_set_new(&options, &status));
	assert_int_equal(status, WK_ETYPE);
	assert_int_equal(wk_weak_set_add(set, mute), WK_ETYPE);
	assert_int_equal(wk_weak_set_add(set, prompt), WK_ETYPE);
	assert_false(wk_weak_set_contains(set, mute));
	assert_false(wk_weak_set_discard(set, mute));
	assert_int_equal(wk_weak_set_len(set), 0);
	wk_release(mute);
	wk_release(prompt);
	wk_release(set);
}

static void test_members_by_equality(void **state)
{
	wk_weak_set *set = set_of(WK_BY_EQUALITY, things, 0, MANY, 1);
	unsigned met = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(wk_weak_set_contains(set, twins[i]));
		assert_int_equal(wk_weak_set_add(set, twins[i]), WK_OK);
	}
	for (unsigned i = 0; i < MANY; i += 2)
		assert_int_equal(wk_weak_set_remove(set, twins[i]), WK_OK);
	WK_EACH(struct thing, each, set) {
		assert_ptr_equal(each, things[each->id]);
		assert_int_equal(each->id % 2, 1);
		met++;
	}
	assert_int_equal(met, MANY / 2);
	wk_weak_set_clear(set);
	assert_int_equal(wk_weak_set_len(set), 0);
	wk_release(set);
}

/* Making of arrays. */

static void test_of_an_array(void **state)
{
	const wk_weak_set_options by_equality = { .struct_size = sizeof(by_equality), .compare = WK_BY_EQUALITY };
	const wk_weak_set_options small = { .struct_size = sizeof(small) - 1 };
	void *objects[2 * MANY];
	wk_weak_set *set;
	int status = 1;

	(void)state;
	for (unsigned i = 0; i < 2 * MANY; i++)
		objects[i] = i < MANY ? things[i] : twins[i - MANY];
	set = wk_weak_set_of(NULL, objects, 2 * MANY, &status);
	assert_int_equal(status, WK_OK);
	assert_int_equal(wk_weak_set_len(set), 2 * MANY);
	wk_release(set);
	set = wk_weak_set_of(&by_equality, objects, 2 * MANY, &status);
	assert_int_equal(status, WK_OK);
	assert_int_equal(wk_weak_set_len(set), MANY);
	wk_release(set);
	set = wk_weak_set_of(NULL, objects, 0, NULL);
	assert_int_equal(wk_weak_set_len(set), 0);
	wk_release(set);
	assert_null(wk_weak_set_of(&small, objects, 1, &status));
	assert_int_equal(status, WK_EINVAL);
	objects[3] = NULL;
	assert_null(wk_weak_set_of(NULL, objects, 5, &status));
	assert_int_equal(status, WK_EINVAL);
}

/* Combining. A has the even numbers; B has those that 3 divides, twins of them by equality. */

static bool belongs(unsigned i, wk_set_operation operation)
{
	bool in_a = i % 2 == 0, in_b = i % 3 == 0;

	switch (operation) {
	case WK_SET_UNION:
		return in_a || in_b;
	case WK_SET_INTERSECTION:
		return in_a && in_b;
	case WK_SET_DIFFERENCE:
		return in_a && !in_b;
	case WK_SET_SYMMETRIC_DIFFERENCE:
	default:
		return in_a != in_b;
	}
}

static struct thing **second_of(wk_compare compare)
{
	return compare == WK_BY_EQUALITY ? twins : things;
}

/* What is expected, and of equal objects the one of the first set. */
static void check_members(const wk_weak_set *set, unsigned count, wk_compare compare, wk_set_operation operation)
{
	unsigned expected = 0, met = 0;

	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(wk_weak_set_contains(set, things[i]), belongs(i, operation));
		expected += belongs(i, operation);
	}
	assert_int_equal(wk_weak_set_len(set), expected);
	WK_EACH(struct thing, each, set) {
		assert_ptr_equal(each, each->id % 2 == 0 ? things[each->id] : second_of(compare)[each->id]);
		met++;
	}
	assert_int_equal(met, expected);
}

static void check_operation(unsigned count, wk_compare compare, wk_set_operation operation)
{
	wk_weak_set *a = set_of(compare, things, 0, count, 2), *b = set_of(compare, second_of(compare), 0, count, 3);
	size_t len_a = wk_weak_set_len(a), len_b = wk_weak_set_len(b);
	int status = 1;
	wk_weak_set *made = wk_weak_set_combine(a, b, operation, &status);

	assert_int_equal(status, WK_OK);
	check_members(made, count, compare, operation);
	assert_int_equal(wk_weak_set_len(a), len_a);
	assert_int_equal(wk_weak_set_update(a, b, operation), WK_OK);
	check_members(a, count, compare, operation);
	assert_int_equal(wk_weak_set_len(b), len_b);
	assert_true(wk_weak_set_equal(a, made));
	wk_release(a);
	wk_release(b);
	wk_release(made);
}

static void test_operations(void **state)
{
	static const unsigned counts[] = { 0, 1, 5, 31, MANY };

	(void)state;
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (wk_set_operation operation = WK_SET_UNION; operation <= WK_SET_SYMMETRIC_DIFFERENCE; operation++) {
			check_operation(counts[i], WK_BY_IDENTITY, operation);
			check_operation(counts[i], WK_BY_EQUALITY, operation);
		}
	}
}

/* A set and itself. */
static void check_itself(wk_compare compare, wk_set_operation operation, bool is_empty)
{
	wk_weak_set *set = set_of(compare, things, 0, MANY, 1), *made = wk_weak_set_combine(set, set, operation, NULL);

	assert_int_equal(wk_weak_set_len(made), is_empty ? 0 : MANY);
	assert_int_equal(wk_weak_set_update(set, set, operation), WK_OK);
	assert_int_equal(wk_weak_set_len(set), is_empty ? 0 : MANY);
	wk_release(set);
	wk_release(made);
}

static void test_a_set_and_itself(void **state)
{
	(void)state;
	for (wk_compare compare = WK_BY_IDENTITY; compare <= WK_BY_EQUALITY; compare++) {
		check_itself(compare, WK_SET_UNION, false);
		check_itself(compare, WK_SET_INTERSECTION, false);
		check_itself(compare, WK_SET_DIFFERENCE, true);
		check_itself(compare, WK_SET_SYMMETRIC_DIFFERENCE, true);
	}
}

static void test_operations_by_name(void **state)
{
	wk_weak_set *a = set_of(WK_BY_IDENTITY, things, 0, 6, 2), *b = set_of(WK_BY_IDENTITY, things, 0, 6, 3);
	wk_weak_set *made;

	(void)state;
	made = wk_weak_set_union(a, b, NULL);
	check_members(made, 6, WK_BY_IDENTITY, WK_SET_UNION);
	wk_release(made);
	made = wk_weak_set_intersection(a, b, NULL);
	check_members(made, 6, WK_BY_IDENTITY, WK_SET_INTERSECTION);
	wk_release(made);
	made = wk_weak_set_difference(a, b, NULL);
	check_members(made, 6, WK_BY_IDENTITY, WK_SET_DIFFERENCE);
	wk_release(made);
	made = wk_weak_set_symmetric_difference(a, b, NULL);
	check_members(made, 6, WK_BY_IDENTITY, WK_SET_SYMMETRIC_DIFFERENCE);
	wk_release(made);
	made = wk_weak_set_copy(a, NULL);
	assert_int_equal(wk_weak_set_union_update(made, b), WK_OK);
	check_members(made, 6, WK_BY_IDENTITY, WK_SET_UNION);
	assert_int_equal(wk_weak_set_intersection_update(made, a), WK_OK);
	assert_true(wk_weak_set_equal(made, a));
	assert_int_equal(wk_weak_set_difference_update(made, b), WK_OK);
	check_members(made, 6, WK_BY_IDENTITY, WK_SET_DIFFERENCE);
	assert_int_equal(wk_weak_set_symmetric_difference_update(made, a), WK_OK);
	assert_int_equal(wk_weak_set_len(made), 1); /* what both a and b have: 0 */
	wk_release(made);
	wk_release(a);
	wk_release(b);
}

static void test_operations_that_fail(void **state)
{
	const wk_weak_set_options typed = { .struct_size = sizeof(typed), .element_type = &other_type };
	wk_weak_set *a = wk_weak_set_new(&typed, NULL), *b = set_of(WK_BY_IDENTITY, things, 0, 10, 1);
	int status = 1;

	(void)state;
	assert_null(wk_weak_set_combine(a, b, WK_SET_UNION, &status));
	assert_int_equal(status, WK_ETYPE);
	assert_int_equal(wk_weak_set_update(a, b, WK_SET_UNION), WK_ETYPE);
	assert_int_equal(wk_weak_set_update(a, b, WK_SET_DIFFERENCE), WK_OK);
	assert_null(wk_weak_set_combine(b, a, (wk_set_operation)(WK_SET_SYMMETRIC_DIFFERENCE + 1), &status));
	assert_int_equal(status, WK_EINVAL);
	assert_int_equal(wk_weak_set_update(b, a, (wk_set_operation)(WK_SET_SYMMETRIC_DIFFERENCE + 1)), WK_EINVAL);
	assert_int_equal(wk_weak_set_len(b), 10);
	wk_release(a);
	wk_release(b);
}

/* Comparing. */

static void check_comparisons(wk_compare compare)
{
	struct thing **second = second_of(compare);
	wk_weak_set *all = set_of(compare, things, 0, MANY, 1), *same = set_of(compare, second, 0, MANY, 1);
	wk_weak_set *even = set_of(compare, second, 0, MANY, 2), *odd = set_of(compare, things, 1, MANY, 2);
	wk_weak_set *none = set_new(compare);

	assert_true(wk_weak_set_equal(all, same));
	assert_true(wk_weak_set_is_subset(all, same));
	assert_false(wk_weak_set_is_proper_subset(all, same));
	assert_true(wk_weak_set_is_superset(all, same));
	assert_true(wk_weak_set_is_subset(even, all));
	assert_true(wk_weak_set_is_proper_subset(even, all));
	assert_true(wk_weak_set_is_superset(all, even));
	assert_false(wk_weak_set_is_subset(all, even));
	assert_false(wk_weak_set_is_superset(even, all));
	assert_false(wk_weak_set_equal(even, odd));
	assert_false(wk_weak_set_is_subset(even, odd));
	assert_true(wk_weak_set_is_disjoint(even, odd));
	assert_false(wk_weak_set_is_disjoint(even, all));
	assert_false(wk_weak_set_is_disjoint(all, odd));
	assert_true(wk_weak_set_is_disjoint(none, all));
	assert_true(wk_weak_set_is_disjoint(all, none));
	assert_true(wk_weak_set_is_subset(none, all));
	assert_true(wk_weak_set_is_proper_subset(none, all));
	assert_true(wk_weak_set_equal(none, none));
	assert_true(wk_weak_set_equal(all, all));
	wk_weak_set_discard(same, second[7]);
	assert_false(wk_weak_set_equal(all, same));
	assert_true(wk_weak_set_is_proper_subset(same, all));
	wk_release(all);
	wk_release(same);
	wk_release(even);
	wk_release(odd);
	wk_release(none);
}

static void test_comparisons(void **state)
{
	(void)state;
	check_comparisons(WK_BY_IDENTITY);
	check_comparisons(WK_BY_EQUALITY);
}

/* Members of prompt types cannot be peeked; they are compared all the same. Each set compares in its own way. */
static void test_comparisons_of_any_members(void **state)
{
	wk_weak_set *a = set_new(WK_BY_IDENTITY), *b = set_new(WK_BY_IDENTITY), *equal = set_new(WK_BY_EQUALITY);
	struct thing *prompt = thing_of(&prompt_type, 1);

	(void)state;
	assert_int_equal(wk_weak_set_add(a, prompt), WK_CREATED);
	assert_false(wk_weak_set_is_subset(a, b));
	assert_int_equal(wk_weak_set_add(b, prompt), WK_CREATED);
	assert_true(wk_weak_set_equal(a, b));
	assert_false(wk_weak_set_is_disjoint(a, b));
	assert_int_equal(wk_weak_set_add(equal, things[1]), WK_CREATED);
	assert_true(wk_weak_set_is_disjoint(a, equal));
	wk_weak_set_clear(a);
	assert_int_equal(wk_weak_set_add(a, twins[1]), WK_CREATED);
	assert_true(wk_weak_set_is_subset(a, equal));
	assert_false(wk_weak_set_is_subset(equal, a));
	wk_release(prompt);
	wk_release(a);
	wk_release(b);
	wk_release(equal);
}

/* Races: of objects that are equal one is a member, and one only. */

struct duel {
	wk_weak_set *set;
	struct thing *thing[3];
	int status[3];
	_Atomic unsigned long wins[3], wrong;
	unsigned threads;
};

static bool each_has_won(void *context)
{
	struct duel *duel = context;

	for (unsigned i = 0; i < duel->threads; i++) {
		if (duel->wins[i] == 0)
			return false;
	}
	return true;
}

static void start_empty(void *context)
{
	struct duel *duel = context;

	for (unsigned i = 0; i < 3; i++) {
		duel->thing[i] = wk_new(&thing_type);
		duel->thing[i]->id = 42;
	}
}

static void start_with_one(void *context)
{
	struct duel *duel = context;

	start_empty(context);
	race_add(&duel->wrong, wk_weak_set_add(duel->set, duel->thing[0]) != WK_CREATED);
}

static void fold(struct duel *duel)
{
	for (unsigned i = 0; i < 3; i++)
		wk_clear(&duel->thing[i]);
	race_add(&duel->wrong, wk_weak_set_len(duel->set) != 0);
}

static void add_act(void *context, unsigned i)
{
	struct duel *duel = context;

	duel->status[i] = wk_weak_set_add(duel->set, duel->thing[i]);
}

static void add_judge(void *context)
{
	struct duel *duel = context;
	unsigned created = 0;

	for (unsigned i = 0; i < 3; i++) {
		created += duel->status[i] == WK_CREATED;
		duel->wins[i] += duel->status[i] == WK_CREATED;
		race_add(&duel->wrong, duel->status[i] < 0);
	}
	race_add(&duel->wrong, created != 1 || wk_weak_set_len(duel->set) != 1);
	fold(duel);
}

/* The member dies while two that are equal to it are added: none, or one, of them is new. */
static void die_or_add_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_clear(&duel->thing[0]);
	else
		add_act(context, i);
}

static void die_or_add_judge(void *context)
{
	struct duel *duel = context;
	unsigned created = 0;

	for (unsigned i = 1; i < 3; i++) {
		created += duel->status[i] == WK_CREATED;
		duel->wins[i] += duel->status[i] == WK_CREATED;
	}
	duel->wins[0] += created == 0;
	race_add(&duel->wrong, created > 1 || wk_weak_set_len(duel->set) != created);
	fold(duel);
}

static void discard_act(void *context, unsigned i)
{
	struct duel *duel = context;

	duel->status[i] = wk_weak_set_discard(duel->set, duel->thing[i]);
}

static void discard_judge(void *context)
{
	struct duel *duel = context;
	int discarded = 0;

	for (unsigned i = 0; i < 3; i++) {
		discarded += duel->status[i];
		duel->wins[i] += duel->status[i] != 0;
	}
	race_add(&duel->wrong, discarded != 1 || wk_weak_set_len(duel->set) != 0);
	fold(duel);
}

static void duel_run(void (*prepare)(void *), void (*act)(void *, unsigned), void (*judge)(void *))
{
	const struct race race = { .threads = 3, .rounds = ROUNDS, .prepare = prepare, .act = act, .settle = judge,
				   .decided = each_has_won };
	struct duel duel = { .set = set_new(WK_BY_EQUALITY), .threads = 3 };

	race_run(&race, &duel);
	assert_int_equal(duel.wrong, 0);
	assert_true(each_has_won(&duel));
	wk_release(duel.set);
}

static void test_races_of_equal_objects(void **state)
{
	(void)state;
	duel_run(start_empty, add_act, add_judge);
	duel_run(start_with_one, die_or_add_act, die_or_add_judge);
	duel_run(start_with_one, discard_act, discard_judge);
}

/* Operations while one of the sets changes: what is in both all the while is there, what is in none is not. */
struct churn {
	wk_weak_set *steady, *changing;
	_Atomic unsigned working;
	_Atomic unsigned long wrong, with, without;
};

static void churn_change(struct churn *churn)
{
	while (churn->working > 0) {
		for (unsigned i = 0; i < MANY; i++) {
			if (i % 3 == 1)
				race_add(&churn->wrong, wk_weak_set_add(churn->changing, things[i]) < 0);
		}
		for (unsigned i = 1; i < MANY; i += 3)
			(void)wk_weak_set_discard(churn->changing, things[i]);
	}
}

static void churn_judge(struct churn *churn, const wk_weak_set *made, bool third_only)
{
	size_t len = wk_weak_set_len(made);

	race_add(&churn->wrong, made == NULL);
	for (unsigned i = 0; i < MANY; i++) {
		bool there = wk_weak_set_contains(made, things[i]);

		race_add(&churn->wrong, i % 3 == 0 && !there);
		race_add(&churn->wrong, i % 3 == 2 && there == third_only);
	}
	race_add(&churn->with, len > MANY / 3);
	race_add(&churn->without, len < MANY);
}

static void churn_body(void *context, unsigned thread)
{
	struct churn *churn = context;
	wk_weak_set *made;

	if (thread == 0) {
		churn_change(churn);
		return;
	}
	for (unsigned i = 0; i < (THREADS_SANITIZED ? 30 : 200); i++) {
		made = wk_weak_set_intersection(churn->steady, churn->changing, NULL);
		churn_judge(churn, made, true);
		wk_release(made);
		made = wk_weak_set_union(churn->changing, churn->steady, NULL);
		churn_judge(churn, made, false);
		wk_release(made);
		race_add(&churn->wrong, wk_weak_set_is_disjoint(churn->steady, churn->changing));
		race_add(&churn->wrong, wk_weak_set_is_subset(churn->steady, churn->changing));
	}
	atomic_fetch_sub(&churn->working, 1);
}

static void test_operations_while_sets_change(void **state)
{
	(void)state;
	for (wk_compare compare = WK_BY_IDENTITY; compare <= WK_BY_EQUALITY; compare++) {
		struct churn churn = { .steady = set_of(compare, things, 0, MANY, 1),
				       .changing = set_of(compare, things, 0, MANY, 3),
				       .working = 2 };

		threads_run(3, churn_body, &churn);
		assert_int_equal(churn.wrong, 0);
		assert_true(churn.with > 0 && churn.without > 0);
		assert_int_equal(wk_weak_set_len(churn.changing), MANY / 3);
		wk_release(churn.steady);
		wk_release(churn.changing);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_of_equal_objects),
		cmocka_unit_test(test_what_cannot_be_compared),
		cmocka_unit_test(test_members_by_equality),
		cmocka_unit_test(test_of_an_array),
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_a_set_and_itself),
		cmocka_unit_test(test_operations_by_name),
		cmocka_unit_test(test_operations_that_fail),
		cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_comparisons_of_any_members),
		cmocka_unit_test(test_races_of_equal_objects),
		cmocka_unit_test(test_operations_while_sets_change),
		cmocka_unit_test(test_everything_goes),
	};

	return cmocka_run_group_tests_name("weakref/weak_set.h, algebra", tests, setup, NULL);
}
