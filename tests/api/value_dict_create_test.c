/*
 * wk_value_dict_get_or_create: one factory for a key, what those get who come meanwhile, and every way in which a
 * factory can end
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "support/threads.h"

#define KEY wk_key_u64(42)

struct thing {
	uint64_t id;
};
WK_DEFINE_TYPE(thing_type, struct thing, .flags = 0);
WK_DEFINE_TYPE(other_type, struct thing, .flags = 0);

static wk_value_dict *dict;
static _Atomic unsigned long made;

static struct thing *thing_new(uint64_t id)
{
	struct thing *thing = wk_new(&thing_type);

	thing->id = id;
	return thing;
}

static void *make(wk_key key, void *context, int *status)
{
	(void)context;
	(void)status;
	atomic_fetch_add(&made, 1);
	return thing_new(key.number);
}

static void *make_nothing(wk_key key, void *context, int *status)
{
	(void)key;
	atomic_fetch_add(&made, 1);
	*status = *(int *)context;
	return NULL;
}

static void *make_other(wk_key key, void *context, int *status)
{
	(void)key;
	(void)context;
	(void)status;
	return wk_new(&other_type);
}

static int dict_setup(void **state)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options), .value_type = &thing_type };

	(void)state;
	made = 0;
	dict = wk_value_dict_new(&options, NULL);
	return dict == NULL ? -1 : 0;
}

static int dict_teardown(void **state)
{
	(void)state;
	wk_release(dict);
	return 0;
}

static struct thing *create(wk_create_mode mode, wk_factory *factory, void *context, int *status)
{
	return wk_value_dict_get_or_create(dict, KEY, mode, factory, context, status);
}

static const wk_create_mode modes[] = { WK_CREATE_ONCE, WK_CREATE_RACE, WK_CREATE_TRY };

/* By one thread all modes are the same. */
static void test_created_then_found(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		int status = -1;
		struct thing *first = create(modes[i], make, NULL, &status), *second;

		assert_non_null(first);
		assert_int_equal(status, WK_CREATED);
		assert_int_equal(first->id, 42);
		assert_int_equal(wk_strong_count(first), 1);
		assert_int_equal(wk_value_dict_len(dict), 1);
		second = create(modes[i], make, NULL, &status);
		assert_ptr_equal(second, first);
		assert_int_equal(status, WK_OK);
		assert_int_equal(made, i + 1);
		wk_release_many(first, 2);
		assert_int_equal(wk_value_dict_len(dict), 0);
	}
}

static void test_what_is_refused(void **state)
{
	int status = 1;

	(void)state;
	assert_null(create(WK_CREATE_ONCE, NULL, NULL, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(create((wk_create_mode)(WK_CREATE_TRY + 1), make, NULL, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(create((wk_create_mode)(WK_CREATE_TRY + 1), make, NULL, NULL));
	assert_int_equal(made, 0);
}

/* What the factory says is passed on; a factory that says nothing had no memory. The next caller runs its own. */
static void test_a_factory_that_fails(void **state)
{
	const int said[] = { WK_EBUSY, WK_ETIMEDOUT, WK_OK, WK_ENOMEM };
	const int passed[] = { WK_EBUSY, WK_ETIMEDOUT, WK_ENOMEM, WK_ENOMEM };

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		int status = 1, say = said[i % 4];
		struct thing *thing;

		assert_null(create(modes[i / 4], make_nothing, &say, &status));
		assert_int_equal(status, passed[i % 4]);
		assert_int_equal(wk_value_dict_len(dict), 0);
		assert_null(wk_value_dict_get(dict, KEY));
		thing = create(modes[i / 4], make, NULL, &status);
		assert_int_equal(status, WK_CREATED);
		wk_release(thing);
	}
}

/* A product that may not be stored is released. */
static void test_a_product_of_another_type(void **state)
{
	wk_census before = census_of(&thing_type), after;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		int status = 1;

		assert_null(create(modes[i], make_other, NULL, &status));
		assert_int_equal(status, WK_ETYPE);
	}
	settle();
	after = census_of(&thing_type);
	assert_int_equal(after.created - before.created, after.destroyed - before.destroyed);
}

static void test_strong_products_stay(void **state)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options), .values = WK_VALUES_STRONG };
	wk_value_dict *strong = wk_value_dict_new(&options, NULL);
	struct thing *thing;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		int status = 1;

		thing = wk_value_dict_get_or_create(strong, wk_key_u64(i), modes[i], make, NULL, &status);
		assert_int_equal(status, WK_CREATED);
		assert_int_equal(wk_strong_count(thing), 2);
		wk_release(thing);
	}
	assert_int_equal(wk_value_dict_len(strong), 3);
	wk_release(strong);
}

/* Inside factories. */

struct inside {
	wk_create_mode mode;
	int inner_status;
	void *inner;
};

/* The key is absent for everybody while its value is being made, for the maker too. */
static void *make_and_look(wk_key key, void *context, int *status)
{
	struct inside *inside = context;
	bool absent = wk_value_dict_get(dict, key) == NULL && !wk_value_dict_contains(dict, key) &&
		      wk_value_dict_len(dict) == 0 && wk_value_dict_remove(dict, key) == WK_ENOTFOUND &&
		      wk_value_dict_pop(dict, key) == NULL;

	wk_value_dict_clear(dict);
	inside->inner = absent ? dict : NULL;
	return make(key, NULL, status);
}

static void test_a_flight_is_absent(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct inside inside = { .mode = modes[i] };
		int status = 1;
		struct thing *thing = create(modes[i], make_and_look, &inside, &status);

		assert_int_equal(status, WK_CREATED);
		assert_non_null(inside.inner);
		assert_int_equal(wk_value_dict_len(dict), 1);
		wk_release(thing);
	}
}

static void *make_again(wk_key key, void *context, int *status)
{
	struct inside *inside = context;

	inside->inner = wk_value_dict_get_or_create(dict, key, inside->mode, make, NULL, &inside->inner_status);
	return make(key, NULL, status);
}

/* A factory that asks for what it makes would wait for itself. */
static void test_a_factory_that_asks_for_itself(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct inside inside = { .mode = i == 0 ? WK_CREATE_ONCE : WK_CREATE_TRY };
		int status = 1;
		struct thing *thing = create(WK_CREATE_ONCE, make_again, &inside, &status);

		assert_int_equal(inside.inner_status, WK_EDEADLOCK);
		assert_null(inside.inner);
		assert_int_equal(status, WK_CREATED);
		wk_release(thing);
	}
}

/* With RACE it makes another one inside, which is there first: that one is what both get. */
static void test_a_factory_that_races_with_itself(void **state)
{
	struct inside inside = { .mode = WK_CREATE_RACE };
	int status = 1;
	struct thing *thing = create(WK_CREATE_ONCE, make_again, &inside, &status);

	(void)state;
	assert_int_equal(inside.inner_status, WK_CREATED);
	assert_int_equal(status, WK_OK);
	assert_ptr_equal(thing, inside.inner);
	wk_release_many(thing, 2);
}

/* Factories may nest, for other keys. */
static void *make_chain(wk_key key, void *context, int *status)
{
	void *inner;

	if (key.number == 0)
		return make(key, context, status);
	inner = wk_value_dict_get_or_create(dict, wk_key_u64(key.number - 1), WK_CREATE_ONCE, make_chain, context, status);
	if (inner == NULL)
		return NULL;
	wk_release(inner);
	return make(key, context, status);
}

static void test_factories_nest(void **state)
{
	int status = 1;
	struct thing *thing = create(WK_CREATE_ONCE, make_chain, NULL, &status);

	(void)state;
	assert_int_equal(status, WK_CREATED);
	assert_int_equal(made, 43);
	assert_int_equal(wk_value_dict_len(dict), 1);
	wk_release(thing);
}

/* What comes while the factory runs. */

static struct thing *comes;

static void *make_after_set(wk_key key, void *context, int *status)
{
	(void)context;
	if (wk_value_dict_set(dict, key, comes) != WK_CREATED)
		return NULL;
	return make(key, NULL, status);
}

/* Somebody stores a value meanwhile: that one is it, the product is released. */
static void test_a_set_meanwhile(void **state)
{
	(void)state;
	comes = thing_new(7);
	for (unsigned i = 0; i < 3; i++) {
		int status = 1;
		struct thing *thing = create(modes[i], make_after_set, NULL, &status);

		assert_ptr_equal(thing, comes);
		assert_int_equal(status, WK_OK);
		assert_int_equal(wk_value_dict_len(dict), 1);
		wk_release(thing);
		wk_value_dict_clear(dict);
	}
	wk_release(comes);
}

static void *make_after_set_and_remove(wk_key key, void *context, int *status)
{
	(void)context;
	if (wk_value_dict_insert(dict, key, comes) != WK_CREATED || wk_value_dict_remove(dict, key) != WK_OK)
		return NULL;
	return make(key, NULL, status);
}

/* It came and went: the product goes in. The factory does not run again. */
static void test_a_set_and_a_removal_meanwhile(void **state)
{
	(void)state;
	comes = thing_new(7);
	for (unsigned i = 0; i < 3; i++) {
		int status = 1;
		struct thing *thing = create(modes[i], make_after_set_and_remove, NULL, &status);

		assert_int_equal(status, WK_CREATED);
		assert_int_equal(thing->id, 42);
		assert_int_equal(made, i + 1);
		wk_release(thing);
	}
	wk_release(comes);
}

/* The table grows, by much, while the flight is in it; the flight moves along and still keeps others away. */
static int grown_status;

static void *make_in_a_crowd(wk_key key, void *context, int *status)
{
	struct thing **crowd = context;

	for (unsigned i = 0; i < 3000; i++) {
		crowd[i] = thing_new(i);
		if (wk_value_dict_insert(dict, wk_key_u64(1000 + i), crowd[i]) != WK_CREATED)
			return NULL;
	}
	wk_release(create(WK_CREATE_TRY, make, NULL, &grown_status));
	return make(key, NULL, status);
}

static void test_growth_meanwhile(void **state)
{
	static struct thing *crowd[3000];
	int status = 1;
	struct thing *thing = create(WK_CREATE_ONCE, make_in_a_crowd, crowd, &status);

	(void)state;
	assert_int_equal(status, WK_CREATED);
	assert_int_equal(grown_status, WK_EDEADLOCK); /* its own flight */
	assert_int_equal(made, 1);
	assert_int_equal(wk_value_dict_len(dict), 3001);
	wk_release(thing);
	for (unsigned i = 0; i < 3000; i++)
		wk_release(crowd[i]);
	assert_int_equal(wk_value_dict_len(dict), 0);
}

/* Two threads, step by step: the maker is in its factory while the other one comes. */

struct script {
	struct steps steps;
	wk_create_mode mode; /* of who comes */
	int maker_status, status;
	void *maker_result, *result;
	enum { MAKE, FAIL, EXIT, CANCELLED } ending;
	pthread_t maker;
};

/* Step 1: the factory runs. Step 2: the other one has come, or is about to wait. */
static void *make_slowly(wk_key key, void *context, int *status)
{
	struct script *script = context;
	int unused;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &unused); /* not in the steps, which have a lock */
	steps_reach(&script->steps, 1);
	steps_wait(&script->steps, 2);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &unused);
	if (script->ending == EXIT)
		pthread_exit(NULL);
	while (script->ending == CANCELLED)
		pthread_testcancel();
	if (script->ending == FAIL) {
		*status = WK_ETIMEDOUT;
		return NULL;
	}
	return make(key, NULL, status);
}

static void *maker_main(void *context)
{
	struct script *script = context;

	script->maker_result = create(WK_CREATE_ONCE, make_slowly, script, &script->maker_status);
	return NULL;
}

static void script_begin(struct script *script)
{
	assert_int_equal(pthread_create(&script->maker, NULL, maker_main, script), 0);
	steps_wait(&script->steps, 1);
}

static void script_end(struct script *script)
{
	steps_reach(&script->steps, 2);
	assert_int_equal(pthread_join(script->maker, NULL), 0);
}

static void test_try_does_not_wait(void **state)
{
	struct script script = { .steps = STEPS_AT_START };
	int status = 1;

	(void)state;
	script_begin(&script);
	assert_null(create(WK_CREATE_TRY, make, NULL, &status));
	assert_int_equal(status, WK_EBUSY);
	script_end(&script);
	assert_int_equal(script.maker_status, WK_CREATED);
	assert_int_equal(made, 1);
	wk_release(script.maker_result);
}

/* RACE makes its own, and is first: the slow maker gets that one. */
static void test_race_overtakes(void **state)
{
	struct script script = { .steps = STEPS_AT_START };
	struct thing *thing;
	int status = 1;

	(void)state;
	script_begin(&script);
	thing = create(WK_CREATE_RACE, make, NULL, &status);
	assert_int_equal(status, WK_CREATED);
	script_end(&script);
	assert_int_equal(script.maker_status, WK_OK);
	assert_ptr_equal(script.maker_result, thing);
	assert_int_equal(made, 2);
	wk_release_many(thing, 2);
}

/* Who must not wait is told that somebody is busy. */
static void test_no_waiting_in_a_read_section(void **state)
{
	struct script script = { .steps = STEPS_AT_START };
	int status = 1;

	(void)state;
	script_begin(&script);
	wk_read_lock();
	assert_null(create(WK_CREATE_ONCE, make, NULL, &status));
	wk_read_unlock();
	assert_int_equal(status, WK_EBUSY);
	script_end(&script);
	wk_release(script.maker_result);
}

static void *make_with_another(wk_key key, void *context, int *status)
{
	struct inside *inside = context;

	(void)key;
	inside->inner = create(WK_CREATE_ONCE, make, NULL, &inside->inner_status);
	return make(key, NULL, status);
}

static void test_no_waiting_in_a_factory(void **state)
{
	struct script script = { .steps = STEPS_AT_START };
	struct inside inside = { .inner_status = 1 };
	int status = 1;
	struct thing *thing;

	(void)state;
	script_begin(&script);
	thing = wk_value_dict_get_or_create(dict, wk_key_u64(1), WK_CREATE_ONCE, make_with_another, &inside, &status);
	assert_int_equal(status, WK_CREATED);
	assert_int_equal(inside.inner_status, WK_EBUSY);
	script_end(&script);
	wk_release(thing);
	wk_release(script.maker_result);
}

static int in_destroy;

static void asking_destroy(void *payload)
{
	(void)payload;
	wk_release(create(WK_CREATE_ONCE, make, NULL, &in_destroy));
}

WK_DEFINE_TYPE(asking_type, struct thing, .destroy = asking_destroy);

static void test_no_waiting_in_a_destructor(void **state)
{
	struct script script = { .steps = STEPS_AT_START };

	(void)state;
	in_destroy = 1;
	script_begin(&script);
	wk_release(wk_new(&asking_type));
	settle();
	assert_int_equal(in_destroy, WK_EBUSY);
	script_end(&script);
	wk_release(script.maker_result);
}

/*
 * One waits for the maker, who then ends in one way or another. The wait itself cannot be seen from here: the script
 * lets the maker go when the other one is about to ask, so now and then it comes late and finds the value.
 */
static void *waiter_main(void *context)
{
	struct script *script = context;

	steps_reach(&script->steps, 2);
	script->result = create(WK_CREATE_ONCE, make, NULL, &script->status);
	return NULL;
}

static void wait_for(struct script *script)
{
	pthread_t waiter;

	script_begin(script);
	assert_int_equal(pthread_create(&waiter, NULL, waiter_main, script), 0);
	if (script->ending == CANCELLED) {
		steps_wait(&script->steps, 2);
		assert_int_equal(pthread_cancel(script->maker), 0);
	}
	assert_int_equal(pthread_join(waiter, NULL), 0);
	script_end(script);
}

static void test_waiting_for_a_value(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct script script = { .steps = STEPS_AT_START, .ending = MAKE, .maker_status = 1 };

		made = 0;
		wait_for(&script);
		assert_int_equal(made, 1);
		assert_int_equal(script.maker_status, WK_CREATED);
		assert_int_equal(script.status, WK_OK);
		assert_ptr_equal(script.result, script.maker_result);
		wk_release_many(script.result, 2);
	}
}

/* The maker comes to nothing: who waited starts over and makes it. */
static void wait_in_vain(int ending, int maker_status)
{
	for (unsigned round = 0; round < 100; round++) {
		struct script script = { .steps = STEPS_AT_START, .ending = ending, .maker_status = 1 };

		made = 0;
		wait_for(&script);
		assert_int_equal(made, 1);
		assert_int_equal(script.maker_status, maker_status);
		assert_null(script.maker_result);
		assert_int_equal(script.status, WK_CREATED);
		wk_release(script.result);
		assert_int_equal(wk_value_dict_len(dict), 0);
	}
}

static void test_waiting_for_a_failure(void **state)
{
	(void)state;
	wait_in_vain(FAIL, WK_ETIMEDOUT);
}

/* The thread ended in its factory: nothing was said, nobody is left waiting. */
static void test_waiting_for_a_thread_that_ends(void **state)
{
	(void)state;
	wait_in_vain(EXIT, 1);
	wait_in_vain(CANCELLED, 1);
}

/* Promise 13, by many threads at once: one factory for each time that the key is absent. */
#define CROWD 4u

struct crowd {
	wk_create_mode mode;
	void *object[CROWD];
	int status[CROWD];
	_Atomic unsigned long wins[CROWD], waited, wrong;
};

/* Lets the others come while it runs, on a machine with few processors too. */
static void *make_among_others(wk_key key, void *context, int *status)
{
	sched_yield();
	return make(key, context, status);
}

static void crowd_act(void *context, unsigned i)
{
	struct crowd *crowd = context;

	crowd->object[i] = create(crowd->mode, make_among_others, NULL, &crowd->status[i]);
}

static void crowd_judge(void *context)
{
	struct crowd *crowd = context;
	unsigned created = 0, busy = 0;
	void *object = NULL;

	for (unsigned i = 0; i < CROWD; i++) {
		created += crowd->status[i] == WK_CREATED;
		busy += crowd->status[i] == WK_EBUSY;
		crowd->wins[i] += crowd->status[i] == WK_CREATED;
		if (crowd->object[i] != NULL)
			object = crowd->object[i];
	}
	race_add(&crowd->wrong, created != 1 || (busy != 0 && crowd->mode != WK_CREATE_TRY));
	race_add(&crowd->wrong, crowd->mode != WK_CREATE_RACE && made != 1);
	race_add(&crowd->waited, crowd->mode == WK_CREATE_RACE ? made > 1 : busy > 0);
	for (unsigned i = 0; i < CROWD; i++) {
		race_add(&crowd->wrong, crowd->object[i] != object && crowd->status[i] != WK_EBUSY);
		wk_release(crowd->object[i]);
	}
	race_add(&crowd->wrong, wk_value_dict_len(dict) != 0);
	made = 0;
}

static bool crowd_decided(void *context)
{
	struct crowd *crowd = context;

	for (unsigned i = 0; i < CROWD; i++) {
		if (crowd->wins[i] == 0)
			return false;
	}
	return crowd->mode == WK_CREATE_ONCE || crowd->waited > 0;
}

static void test_many_at_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const struct race race = { .threads = CROWD, .rounds = THREADS_SANITIZED ? 500 : 2000, .act = crowd_act,
					   .settle = crowd_judge, .decided = crowd_decided };
		struct crowd crowd = { .mode = modes[i] };

		made = 0;
		race_run(&race, &crowd);
		assert_int_equal(crowd.wrong, 0);
		assert_true(crowd_decided(&crowd));
	}
}

/* A set that races with a maker: whatever is said, all agree on what is there. */
struct overtaking {
	struct thing *thing;
	void *object;
	int status, set_status;
	_Atomic unsigned long wins[2], wrong;
};

static void overtake_prepare(void *context)
{
	struct overtaking *overtaking = context;

	overtaking->thing = thing_new(1);
}

static void overtake_act(void *context, unsigned i)
{
	struct overtaking *overtaking = context;

	if (i == 0)
		overtaking->object = create(WK_CREATE_ONCE, make, NULL, &overtaking->status);
	else
		overtaking->set_status = wk_value_dict_set(dict, KEY, overtaking->thing);
}

static void overtake_judge(void *context)
{
	struct overtaking *overtaking = context;
	bool set_won = overtaking->object == overtaking->thing;
	void *left = wk_value_dict_get(dict, KEY);

	overtaking->wins[set_won]++;
	race_add(&overtaking->wrong, overtaking->status != (set_won ? WK_OK : WK_CREATED));
	/* The set came last, or first and alone: it is what is there. */
	race_add(&overtaking->wrong, left != overtaking->thing || wk_value_dict_len(dict) != 1);
	race_add(&overtaking->wrong, overtaking->set_status != (set_won ? WK_CREATED : WK_OK));
	wk_release(left);
	wk_release(overtaking->object);
	wk_release(overtaking->thing);
	race_add(&overtaking->wrong, wk_value_dict_len(dict) != 0);
}

static bool overtake_decided(void *context)
{
	struct overtaking *overtaking = context;

	return overtaking->wins[0] > 0 && overtaking->wins[1] > 0;
}

static void test_a_set_that_races(void **state)
{
	const struct race race = { .threads = 2, .rounds = THREADS_SANITIZED ? 1000 : 10000, .prepare = overtake_prepare,
				   .act = overtake_act, .settle = overtake_judge, .decided = overtake_decided };
	struct overtaking overtaking = { .wins = { 0 } };

	(void)state;
	race_run(&race, &overtaking);
	assert_int_equal(overtaking.wrong, 0);
	assert_true(overtake_decided(&overtaking));
}

#define DICT_TEST(test) cmocka_unit_test_setup_teardown(test, dict_setup, dict_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DICT_TEST(test_created_then_found),
		DICT_TEST(test_what_is_refused),
		DICT_TEST(test_a_factory_that_fails),
		DICT_TEST(test_a_product_of_another_type),
		DICT_TEST(test_strong_products_stay),
		DICT_TEST(test_a_flight_is_absent),
		DICT_TEST(test_a_factory_that_asks_for_itself),
		DICT_TEST(test_a_factory_that_races_with_itself),
		DICT_TEST(test_factories_nest),
		DICT_TEST(test_a_set_meanwhile),
		DICT_TEST(test_a_set_and_a_removal_meanwhile),
		DICT_TEST(test_growth_meanwhile),
		DICT_TEST(test_try_does_not_wait),
		DICT_TEST(test_race_overtakes),
		DICT_TEST(test_no_waiting_in_a_read_section),
		DICT_TEST(test_no_waiting_in_a_factory),
		DICT_TEST(test_no_waiting_in_a_destructor),
		DICT_TEST(test_waiting_for_a_value),
		DICT_TEST(test_waiting_for_a_failure),
		DICT_TEST(test_waiting_for_a_thread_that_ends),
		DICT_TEST(test_many_at_once),
		DICT_TEST(test_a_set_that_races),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("get_or_create", tests, runtime_setup, NULL);
}
