/*
 * weakref/weak_set.h by one thread: what each call answers, who owns what
 */
#include "runtime_fixture.h"

#include "support/child.h"

#define MANY 3000u

struct thing {
	uint64_t id;
	unsigned met;
};
WK_DEFINE_TYPE(thing_type, struct thing, .flags = 0);
WK_DEFINE_TYPE(other_type, struct thing, .flags = 0);
WK_DEFINE_TYPE(closed_type, struct thing, .flags = WK_TYPE_NO_WEAK);
WK_DEFINE_TYPE(prompt_type, struct thing, .flags = WK_TYPE_PROMPT);

static struct thing *things[MANY];

static struct thing *thing_new(uint64_t id)
{
	struct thing *thing = wk_new(&thing_type);

	assert_non_null(thing);
	thing->id = id;
	return thing;
}

static wk_weak_set *set_new(void)
{
	int status = 1;
	wk_weak_set *set = wk_weak_set_new(NULL, &status);

	assert_int_equal(status, WK_OK);
	assert_non_null(set);
	return set;
}

static wk_weak_set *set_of(const wk_type *type)
{
	const wk_weak_set_options options = { .struct_size = sizeof(options), .name = "things", .element_type = type };

	return wk_weak_set_new(&options, NULL);
}

static void fill(wk_weak_set *set, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		things[i] = thing_new(i);
		assert_int_equal(wk_weak_set_add(set, things[i]), WK_CREATED);
	}
}

static void drop(unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		wk_clear(&things[i]);
}

static int new_status(const wk_weak_set_options *options)
{
	int status = 1;

	assert_null(wk_weak_set_new(options, &status));
	assert_null(wk_weak_set_new(options, NULL));
	return status;
}

static void test_new_refuses(void **state)
{
	const wk_weak_set_options fine = { .struct_size = sizeof(fine) };
	wk_weak_set_options options = fine;

	(void)state;
	options.struct_size--;
	assert_int_equal(new_status(&options), WK_EINVAL);
	options = fine;
	options.compare = (wk_compare)(WK_BY_EQUALITY + 1);
	assert_int_equal(new_status(&options), WK_EINVAL);
	options = fine;
	options.compare = WK_BY_EQUALITY;
	options.element_type = &thing_type; /* has no equality */
	assert_int_equal(new_status(&options), WK_ETYPE);
	options = fine;
	options.element_type = &closed_type;
	assert_int_equal(new_status(&options), WK_ETYPE);
}

static void test_members_come_and_go(void **state)
{
	wk_weak_set *set = set_new();
	struct thing *one = thing_new(1), *two = thing_new(2);

	(void)state;
	assert_int_equal(wk_weak_set_len(set), 0);
	assert_false(wk_weak_set_contains(set, one));
	assert_int_equal(wk_weak_set_add(set, one), WK_CREATED);
	assert_int_equal(wk_weak_set_add(set, one), WK_OK);
	assert_int_equal(wk_weak_set_add(set, two), WK_CREATED);
	assert_int_equal(wk_weak_set_len(set), 2);
	assert_true(wk_weak_set_contains(set, one));
	assert_true(wk_weak_set_discard(set, one));
	assert_false(wk_weak_set_discard(set, one));
	assert_false(wk_weak_set_contains(set, one));
	assert_int_equal(wk_weak_set_remove(set, one), WK_ENOTFOUND);
	assert_int_equal(wk_weak_set_remove(set, two), WK_OK);
	assert_int_equal(wk_weak_set_len(set), 0);
	assert_int_equal(wk_weak_set_add(set, one), WK_CREATED);
	assert_int_equal(wk_strong_count(one), 1);
	wk_release(one);
	wk_release(two);
	wk_release(set);
}

static void test_nothing_is_no_member(void **state)
{
	wk_weak_set *set = set_new();

	(void)state;
	assert_int_equal(wk_weak_set_add(set, NULL), WK_EINVAL);
	assert_false(wk_weak_set_contains(set, NULL));
	assert_false(wk_weak_set_discard(set, NULL));
	assert_int_equal(wk_weak_set_remove(set, NULL), WK_ENOTFOUND);
	wk_release(set);
}

static void test_what_cannot_be_a_member(void **state)
{
	wk_weak_set *any = set_new(), *typed = set_of(&thing_type);
	struct thing *thing = thing_new(1), *other = wk_new(&other_type), *closed = wk_new(&closed_type);

	(void)state;
	assert_int_equal(wk_weak_set_add(any, closed), WK_ETYPE);
	assert_int_equal(wk_weak_set_add(any, other), WK_CREATED);
	assert_int_equal(wk_weak_set_add(typed, other), WK_ETYPE);
	assert_int_equal(wk_weak_set_add(typed, thing), WK_CREATED);
	assert_int_equal(wk_weak_set_len(typed), 1);
	wk_release(thing);
	wk_release(other);
	wk_release(closed);
	wk_release(any);
	wk_release(typed);
}

/* Promise 3: from the instant of death it is no member, and once its release has returned it is not counted. */
static void test_the_dead_leave(void **state)
{
	wk_weak_set *set = set_new();

	(void)state;
	fill(set, 0, MANY);
	assert_int_equal(wk_weak_set_len(set), MANY);
	for (unsigned i = 0; i < MANY; i += 2)
		wk_clear(&things[i]);
	assert_int_equal(wk_weak_set_len(set), MANY / 2);
	for (unsigned i = 1; i < MANY; i += 2)
		assert_true(wk_weak_set_contains(set, things[i]));
	drop(0, MANY);
	assert_int_equal(wk_weak_set_len(set), 0);
	assert_null(wk_weak_set_pop(set));
	wk_release(set);
}

/* A set is an object like any other, and one of its references counts among the object's weak ones. */
static void test_a_set_is_an_object(void **state)
{
	wk_weak_set *set = set_new(), *sets = set_new();
	struct thing *thing = thing_new(1);

	(void)state;
	assert_int_equal(wk_weak_set_add(set, thing), WK_CREATED);
	assert_int_equal(wk_weak_set_add(sets, set), WK_CREATED);
	assert_int_equal(wk_weakref_count(thing), 1);
	wk_release(set);
	assert_int_equal(wk_weak_set_len(sets), 0);
	settle();
	assert_int_equal(wk_weakref_count(thing), 0);
	wk_release(thing);
	wk_release(sets);
}

static void destroy_nothing(void *payload)
{
	(void)payload;
}

/* Promise 17: the next object at an address that was a member's is no member. */
static void *same_place_allocate(void *context, size_t size, size_t alignment)
{
	static _Alignas(64) char place[256];
	bool *taken = context;

	if (*taken || size > sizeof(place) || alignment > 64)
		return NULL;
	*taken = true;
	return place;
}

static void same_place_release(void *context, void *memory, size_t size, size_t alignment)
{
	(void)memory;
	(void)size;
	(void)alignment;
	*(bool *)context = false;
}

static void test_promise_17_an_address_is_no_identity(void **state)
{
	static bool taken;
	static const wk_allocator same_place = { same_place_allocate, same_place_release, &taken };
	static wk_type_state recycled_state;
	static wk_type recycled;
	wk_weak_set *set = set_new();
	const void *before = NULL;
	struct thing *thing;

	(void)state;
	recycled = thing_type;
	recycled.destroy = destroy_nothing; /* on the runner, and so is the memory given back */
	recycled.state = &recycled_state;
	recycled.allocator = &same_place;
	for (unsigned i = 0; i < 10; i++) {
		thing = wk_new(&recycled);
		assert_non_null(thing);
		assert_true(before == NULL || before == thing);
		assert_false(wk_weak_set_contains(set, thing));
		assert_false(wk_weak_set_discard(set, thing));
		assert_int_equal(wk_weak_set_add(set, thing), WK_CREATED);
		assert_true(wk_weak_set_contains(set, thing));
		assert_int_equal(wk_weak_set_len(set), 1);
		before = thing;
		wk_release(thing);
		assert_int_equal(wk_weak_set_len(set), 0);
		settle();
		assert_false(taken);
	}
	wk_release(set);
}

static void test_pop_empties(void **state)
{
	wk_weak_set *set = set_new();
	struct thing *popped;
	unsigned count;

	(void)state;
	assert_null(wk_weak_set_pop(set));
	fill(set, 0, MANY);
	for (count = 0; (popped = wk_weak_set_pop(set)) != NULL; count++) {
		assert_int_equal(++popped->met, 1);
		assert_int_equal(wk_strong_count(popped), 2);
		assert_int_equal(wk_weak_set_len(set), MANY - 1 - count);
		wk_release(popped);
	}
	assert_int_equal(count, MANY);
	assert_int_equal(wk_weak_set_add(set, things[5]), WK_CREATED);
	popped = wk_weak_set_pop(set);
	assert_ptr_equal(popped, things[5]);
	wk_release(popped);
	drop(0, MANY);
	wk_release(set);
}

static void test_clear(void **state)
{
	wk_weak_set *set = set_new();

	(void)state;
	fill(set, 0, MANY);
	wk_weak_set_clear(set);
	assert_int_equal(wk_weak_set_len(set), 0);
	assert_false(wk_weak_set_contains(set, things[7]));
	assert_int_equal(wk_weak_set_add(set, things[7]), WK_CREATED);
	assert_int_equal(wk_weak_set_len(set), 1);
	drop(0, MANY);
	wk_release(set);
}

/* Going through all. */

struct tour {
	wk_weak_set *set;
	unsigned visits, stop_at, wrong;
};

static bool visit(void *object, void *context)
{
	struct thing *thing = object;
	struct tour *tour = context;

	tour->wrong += wk_strong_count(thing) != 1 || ++thing->met != 1;
	return ++tour->visits != tour->stop_at;
}

static void test_each_peek(void **state)
{
	struct tour tour = { .set = set_new() };

	(void)state;
	assert_int_equal(wk_weak_set_each_peek(tour.set, visit, &tour), 0);
	fill(tour.set, 0, MANY);
	drop(0, MANY / 3);
	assert_int_equal(wk_weak_set_each_peek(tour.set, visit, &tour), MANY - MANY / 3);
	assert_int_equal(tour.visits, MANY - MANY / 3);
	assert_int_equal(tour.wrong, 0);
	for (unsigned i = MANY / 3; i < MANY; i++)
		assert_int_equal(things[i]->met, 1);
	drop(0, MANY);
	wk_release(tour.set);
}

static void test_each_peek_stops(void **state)
{
	struct tour tour = { .set = set_new(), .stop_at = 10 };

	(void)state;
	fill(tour.set, 0, MANY);
	assert_int_equal(wk_weak_set_each_peek(tour.set, visit, &tour), 10);
	assert_int_equal(tour.visits, 10);
	drop(0, MANY);
	wk_release(tour.set);
}

/* What is taken out and added again in its visit may come to stand in another slot, which is still to be gone through. */
static bool visit_and_put_back(void *object, void *context)
{
	struct thing *thing = object;
	struct tour *tour = context;

	tour->wrong += ++thing->met != 1;
	tour->wrong += !wk_weak_set_discard(tour->set, object) || wk_weak_set_add(tour->set, object) != WK_CREATED;
	return ++tour->visits < 10 * MANY;
}

static void check_put_back(wk_weak_set *set)
{
	struct tour tour = { .set = set };

	fill(tour.set, 0, MANY);
	for (unsigned i = MANY / 2; i < MANY; i++)
		assert_true(wk_weak_set_discard(tour.set, things[i]));
	assert_int_equal(wk_weak_set_each_peek(tour.set, visit_and_put_back, &tour), MANY / 2);
	assert_int_equal(tour.visits, MANY / 2);
	assert_int_equal(tour.wrong, 0);
	assert_int_equal(wk_weak_set_len(tour.set), MANY / 2);
	drop(0, MANY);
	wk_release(tour.set);
}

static void test_promise_15_each_peek_of_what_is_put_back(void **state)
{
	(void)state;
	check_put_back(set_new());
}

/* The set grows and shrinks between two visits: each member that stays is visited once all the same. */
static bool visit_and_change(void *object, void *context)
{
	struct thing *thing = object;
	struct tour *tour = context;
	unsigned stay = MANY / 2;

	if (thing->id < stay)
		tour->wrong += ++thing->met != 1;
	tour->visits++;
	if (tour->visits % 8 == 0) {
		for (unsigned i = stay; i < MANY; i++)
			tour->wrong += wk_weak_set_add(tour->set, things[i]) < 0;
	} else if (tour->visits % 8 == 4) {
		for (unsigned i = stay; i < MANY; i++)
			(void)wk_weak_set_discard(tour->set, things[i]);
	}
	return true;
}

static void test_promise_15_each_peek_while_it_changes(void **state)
{
	struct tour tour = { .set = set_new() };

	(void)state;
	fill(tour.set, 0, MANY);
	for (unsigned i = MANY / 2; i < MANY; i++)
		assert_true(wk_weak_set_discard(tour.set, things[i]));
	assert_true(wk_weak_set_each_peek(tour.set, visit_and_change, &tour) >= MANY / 2);
	assert_int_equal(tour.wrong, 0);
	for (unsigned i = 0; i < MANY / 2; i++)
		assert_int_equal(things[i]->met, 1);
	drop(0, MANY);
	wk_release(tour.set);
}

static void test_prompt_members(void **state)
{
	wk_weak_set *set = set_new();
	struct thing *thing = wk_new(&prompt_type), *popped;
	struct tour tour = { .set = set };

	(void)state;
	assert_int_equal(wk_weak_set_add(set, thing), WK_CREATED);
	assert_true(wk_weak_set_contains(set, thing));
	assert_int_equal(wk_weak_set_each_peek(set, visit, &tour), 0);
	popped = wk_weak_set_pop(set);
	assert_ptr_equal(popped, thing);
	wk_release(popped);
	wk_release(thing);
	wk_release(set);
}

static void test_copy(void **state)
{
	wk_weak_set *set = set_of(&thing_type), *copy;
	struct thing *other = wk_new(&other_type);
	int status = 1;

	(void)state;
	fill(set, 0, MANY);
	copy = wk_weak_set_copy(set, &status);
	assert_int_equal(status, WK_OK);
	assert_int_equal(wk_weak_set_len(copy), MANY);
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(wk_weak_set_contains(copy, things[i]));
		assert_int_equal(wk_strong_count(things[i]), 1);
	}
	assert_int_equal(wk_weak_set_add(copy, other), WK_ETYPE);
	wk_weak_set_clear(copy);
	assert_int_equal(wk_weak_set_len(set), MANY);
	wk_release(copy);
	wk_release(other);
	drop(0, MANY);
	wk_release(set);
}

/* Promise 22: after the shutdown what there is still works. */
static void after_shutdown(void)
{
	wk_weak_set *set = wk_weak_set_new(NULL, NULL);
	struct thing *one = wk_new(&thing_type), *two = wk_new(&thing_type);
	int status = 1;

	child_check(wk_weak_set_add(set, one) == WK_CREATED);
	child_check(wk_runtime_start(NULL) >= 0);
	(void)wk_runtime_shutdown(0, NULL);
	child_check(wk_weak_set_new(NULL, &status) == NULL && status == WK_ESHUTDOWN);
	child_check(wk_weak_set_copy(set, &status) == NULL && status == WK_ESHUTDOWN);
	child_check(wk_weak_set_add(set, two) == WK_ESHUTDOWN);
	child_check(wk_weak_set_add(set, one) == WK_OK);
	child_check(wk_weak_set_contains(set, one));
	child_check(wk_weak_set_len(set) == 1);
	child_check(wk_weak_set_discard(set, one));
	child_check(wk_weak_set_pop(set) == NULL);
	wk_release(one);
	wk_release(two);
	wk_release(set);
	child_check(wk_runtime_start(NULL) >= 0); /* what was put off is done now */
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
}

static void test_after_shutdown(void **state)
{
	(void)state;
	assert_true(child_passes("after_shutdown"));
}

int main(int argc, char **argv)
{
	static const struct child_case cases[] = { { "after_shutdown", after_shutdown } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_refuses),
		cmocka_unit_test(test_members_come_and_go),
		cmocka_unit_test(test_nothing_is_no_member),
		cmocka_unit_test(test_what_cannot_be_a_member),
		cmocka_unit_test(test_the_dead_leave),
		cmocka_unit_test(test_a_set_is_an_object),
		cmocka_unit_test(test_promise_17_an_address_is_no_identity),
		cmocka_unit_test(test_pop_empties),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_each_peek),
		cmocka_unit_test(test_each_peek_stops),
		cmocka_unit_test(test_promise_15_each_peek_of_what_is_put_back),
		cmocka_unit_test(test_promise_15_each_peek_while_it_changes),
		cmocka_unit_test(test_prompt_members),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_after_shutdown),
		cmocka_unit_test(test_the_accounts_balance),
	};

	if (child_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0])))
		return 0;
	return cmocka_run_group_tests_name("weakref/weak_set.h", tests, runtime_setup, NULL);
}
