/*
 * weakref/ref.h: proxies, callable proxies, weak methods, get hooks: what each is, and what it does when its object dies
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "support/threads.h"

#define ROUNDS (THREADS_SANITIZED ? 300u : 1000u)

typedef struct person {
	unsigned name;
	int age;
} Person; /* so the type is called that */

static uint64_t person_hash(const void *payload)
{
	return UINT64_C(0x1000000) + ((const struct person *)payload)->name;
}

static bool person_equal(const void *a, const void *b)
{
	return ((const struct person *)a)->name == ((const struct person *)b)->name;
}

/* Calling a person adds to its age. */
static int person_call(void *payload, void *argument)
{
	struct person *person = payload;

	person->age += *(int *)argument;
	return person->age;
}

static _Atomic unsigned long destroyed;

static void person_destroy(void *payload)
{
	((struct person *)payload)->name = 0;
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(person_type, Person, .hash = person_hash, .equal = person_equal);
WK_DEFINE_TYPE(callable_type, Person, .hash = person_hash, .equal = person_equal, .call = person_call);
WK_DEFINE_TYPE(mortal_type, struct person, .destroy = person_destroy, .call = person_call, .flags = WK_TYPE_PROMPT);
WK_DEFINE_TYPE(hidden_type, struct person, .flags = WK_TYPE_NO_WEAK, .call = person_call);

static struct person *person_new(const wk_type *type, unsigned name)
{
	struct person *person = wk_new(type);

	assert_non_null(person);
	person->name = name;
	return person;
}

static wk_weakref *proxy_to(const void *object, const wk_callback *callback)
{
	int status = WK_EBUSY;
	wk_weakref *proxy = wk_proxy_new(object, callback, &status);

	assert_non_null(proxy);
	assert_int_equal(status, WK_OK);
	return proxy;
}

static int is_called(void *object, void *argument)
{
	return ((struct person *)object)->name == *(unsigned *)argument;
}

static int grow(void *object, void *argument)
{
	return person_call(object, argument) > 99 ? WK_EINVAL : 0;
}

static int do_nothing(wk_weakref *ref, void *argument)
{
	(void)ref;
	(void)argument;
	return 0;
}

static const wk_callback callback = { .run = do_nothing };

/* Proxies. */

static void test_a_proxy_is_used_while_its_object_lives(void **state)
{
	struct person *person = person_new(&person_type, 7);
	wk_weakref *proxy = proxy_to(person, NULL);
	unsigned name = 7;
	int result = -5, years = 3;

	(void)state;
	assert_int_equal(wk_weakref_kind(proxy), WK_KIND_PROXY);
	assert_int_equal(wk_proxy_use(proxy, is_called, &name, &result), WK_OK);
	assert_int_equal(result, 1);
	assert_int_equal(wk_proxy_use(proxy, grow, &years, NULL), WK_OK);
	assert_int_equal(person->age, 3);
	assert_int_equal(wk_strong_count(person), 1);
	assert_int_equal(wk_proxy_call(proxy, &years, &result), WK_ETYPE); /* not callable */
	wk_release(person);
	result = -5;
	assert_int_equal(wk_proxy_use(proxy, is_called, &name, &result), WK_EDEAD);
	assert_int_equal(wk_proxy_call(proxy, &years, &result), WK_ETYPE);
	assert_int_equal(result, -5);
	wk_weakref_release(proxy);
}

static void test_a_callable_proxy_calls(void **state)
{
	struct person *person = person_new(&callable_type, 7);
	wk_weakref *proxy = proxy_to(person, NULL);
	unsigned name = 8;
	int result = -5, years = 30;

	(void)state;
	assert_int_equal(wk_weakref_kind(proxy), WK_KIND_CALLABLE_PROXY);
	assert_int_equal(wk_proxy_call(proxy, &years, &result), WK_OK);
	assert_int_equal(result, 30);
	assert_int_equal(wk_proxy_call(proxy, &years, NULL), WK_OK);
	assert_int_equal(person->age, 60);
	assert_int_equal(wk_proxy_use(proxy, is_called, &name, &result), WK_OK);
	assert_int_equal(result, 0);
	wk_release(person);
	assert_int_equal(wk_proxy_call(proxy, &years, &result), WK_EDEAD);
	assert_int_equal(result, 0);
	wk_weakref_release(proxy);
}

/* One shared reference and one shared proxy, and not each other. */
static void test_shared_proxies(void **state)
{
	struct person *person = person_new(&callable_type, 1);
	wk_weakref *ref = wk_weakref_new(person, NULL, NULL), *proxy = proxy_to(person, NULL), *list[8];
	wk_weakref *with_callback = proxy_to(person, &callback), *method = wk_method_new(person, grow, NULL, NULL);

	(void)state;
	assert_ptr_not_equal(ref, proxy);
	assert_ptr_not_equal(proxy, with_callback);
	assert_ptr_equal(proxy_to(person, NULL), proxy);
	assert_ptr_equal(wk_weakref_new(person, NULL, NULL), ref);
	assert_int_equal(wk_weakref_count(person), 4);
	assert_int_equal(wk_weakref_list(person, list, 8), 4);
	assert_ptr_equal(list[0], method);
	assert_ptr_equal(list[1], with_callback);
	assert_ptr_equal(list[2], proxy);
	assert_ptr_equal(list[3], ref);
	wk_weakref_release(list[0]);
	wk_weakref_release(list[1]);
	wk_weakref_release(list[2]);
	wk_weakref_release(list[3]);
	wk_weakref_release(ref);
	wk_weakref_release(ref);
	wk_weakref_release(proxy);
	wk_weakref_release(proxy);
	wk_weakref_release(with_callback);
	wk_weakref_release(method);
	assert_int_equal(wk_weakref_count(person), 0);
	wk_release(person);
}

/* Never a hash; equal as their objects are, to references too; once dead to themselves only. */
static void test_hash_equality_and_text_of_proxies(void **state)
{
	struct person *person = person_new(&person_type, 1), *twin = person_new(&person_type, 1);
	struct person *other = person_new(&person_type, 2);
	wk_weakref *proxy = proxy_to(person, NULL), *twins = proxy_to(twin, NULL), *others = proxy_to(other, NULL);
	wk_weakref *ref = wk_weakref_new(person, NULL, NULL);
	char text[100], expected[100];
	uint64_t hash;

	(void)state;
	assert_int_equal(wk_weakref_hash(proxy, &hash), WK_ETYPE);
	assert_true(wk_weakref_equal(proxy, twins));
	assert_true(wk_weakref_equal(proxy, ref));
	assert_false(wk_weakref_equal(proxy, others));
	snprintf(expected, sizeof(expected), "<weakproxy at %p; to 'Person' at %p>", (void *)proxy, (void *)person);
	wk_weakref_format(proxy, text, sizeof(text));
	assert_string_equal(text, expected);
	wk_release(person);
	assert_false(wk_weakref_equal(proxy, twins));
	assert_false(wk_weakref_equal(proxy, ref));
	assert_true(wk_weakref_equal(proxy, proxy));
	snprintf(expected, sizeof(expected), "<weakproxy at %p; dead>", (void *)proxy);
	wk_weakref_format(proxy, text, sizeof(text));
	assert_string_equal(text, expected);
	assert_int_equal(wk_weakref_hash(proxy, &hash), WK_ETYPE);
	wk_weakref_release(proxy);
	wk_weakref_release(twins);
	wk_weakref_release(others);
	wk_weakref_release(ref);
	wk_release(twin);
	wk_release(other);
}

/* Weak methods. */

static void test_a_method_is_called_while_its_object_lives(void **state)
{
	struct person *person = person_new(&person_type, 7), *got;
	int status = WK_EBUSY, result = -5, years = 30;
	wk_weakref *method = wk_method_new(person, grow, NULL, &status);

	(void)state;
	assert_int_equal(status, WK_OK);
	assert_int_equal(wk_weakref_kind(method), WK_KIND_METHOD);
	assert_int_equal(wk_method_call(method, &years, &result), WK_OK);
	assert_int_equal(result, 0);
	assert_int_equal(person->age, 30);
	assert_true(wk_method_function(method) == grow);
	got = wk_weakref_get(method);
	assert_ptr_equal(got, person);
	wk_release(got);
	assert_null(wk_weakref_data(method));
	years = 100;
	assert_int_equal(wk_method_call(method, &years, &result), WK_OK);
	assert_int_equal(result, WK_EINVAL); /* what it returned, not what became of the call */
	wk_release(person);
	assert_int_equal(wk_method_call(method, &years, &result), WK_EDEAD);
	assert_null(wk_weakref_get(method));
	assert_true(wk_method_function(method) == grow);
	wk_weakref_release(method);
}

/* The same function of equal objects; hashed as the object is. */
static void test_hash_equality_and_text_of_methods(void **state)
{
	struct person *person = person_new(&person_type, 1), *twin = person_new(&person_type, 1);
	wk_weakref *method = wk_method_new(person, grow, NULL, NULL), *same = wk_method_new(person, grow, NULL, NULL);
	wk_weakref *twins = wk_method_new(twin, grow, NULL, NULL), *other = wk_method_new(person, is_called, NULL, NULL);
	wk_weakref *ref = wk_weakref_new(person, NULL, NULL);
	char text[100], expected[100];
	uint64_t hash;

	(void)state;
	assert_ptr_not_equal(method, same);
	assert_true(wk_weakref_equal(method, same));
	assert_true(wk_weakref_equal(method, twins));
	assert_false(wk_weakref_equal(method, other));
	assert_true(wk_weakref_equal(method, ref));
	assert_int_equal(wk_weakref_hash(method, &hash), WK_OK);
	assert_int_equal(hash, UINT64_C(0x1000001));
	wk_release(person);
	assert_false(wk_weakref_equal(method, same));
	assert_true(wk_weakref_equal(method, method));
	assert_int_equal(wk_weakref_hash(method, &hash), WK_OK);
	assert_int_equal(wk_weakref_hash(same, &hash), WK_EDEAD);
	snprintf(expected, sizeof(expected), "<weakref at %p; dead>", (void *)method);
	wk_weakref_format(method, text, sizeof(text));
	assert_string_equal(text, expected);
	wk_weakref_release(method);
	wk_weakref_release(same);
	wk_weakref_release(twins);
	wk_weakref_release(other);
	wk_weakref_release(ref);
	wk_release(twin);
}

/* Callbacks, of all kinds, in their order: the newest first, each with its own reference, which is dead. */

static struct {
	wk_weakref *refs[4];
	unsigned count, alive;
} called;

static int note_call(wk_weakref *ref, void *argument)
{
	void *object = wk_weakref_get(ref);

	called.alive += object != NULL || wk_method_call(ref, argument, NULL) == WK_OK ||
			wk_proxy_use(ref, grow, argument, NULL) == WK_OK;
	wk_release(object);
	called.refs[called.count++ % 4] = ref;
	return 0;
}

static void test_promise_7_callbacks_of_all_kinds(void **state)
{
	struct person *person = person_new(&callable_type, 1);
	const wk_callback noting = { .run = note_call };
	wk_weakref *proxy = proxy_to(person, &noting), *method = wk_method_new(person, grow, &noting, NULL);
	wk_weakref *hooked = wk_weakref_new_hooked(person, &noting, 0, NULL, NULL);
	wk_weakref *cancelled = proxy_to(person, &noting), *dropped = wk_method_new(person, grow, &noting, NULL);

	(void)state;
	assert_int_equal(wk_weakref_cancel(cancelled), WK_OK);
	wk_weakref_release(dropped);
	wk_release(person);
	settle();
	assert_int_equal(called.count, 3);
	assert_int_equal(called.alive, 0);
	assert_ptr_equal(called.refs[0], hooked);
	assert_ptr_equal(called.refs[1], method);
	assert_ptr_equal(called.refs[2], proxy);
	wk_weakref_release(proxy);
	wk_weakref_release(method);
	wk_weakref_release(hooked);
	wk_weakref_release(cancelled);
}

/* Get hooks. */

struct extended {
	unsigned gets;
	struct person *instead; /* what there is when the object is dead */
};

static void *get_counted(wk_weakref *ref, void *object)
{
	struct extended *extended = wk_weakref_data(ref);

	extended->gets++;
	return object != NULL ? object : wk_retain(extended->instead);
}

static void *get_nothing(wk_weakref *ref, void *object)
{
	(void)ref;
	wk_release(object);
	return NULL;
}

static void test_a_hook_changes_what_get_gives(void **state)
{
	struct person *person = person_new(&person_type, 1), *instead = person_new(&person_type, 2), *got;
	wk_weakref *ref = wk_weakref_new_hooked(person, NULL, sizeof(struct extended), get_counted, NULL);
	wk_weakref *blind = wk_weakref_new_hooked(person, NULL, 0, get_nothing, NULL);
	wk_weakref *plain = wk_weakref_new_hooked(person, NULL, 0, NULL, NULL), *shared = wk_weakref_new(person, NULL, NULL);
	struct extended *extended = wk_weakref_data(ref);
	uint64_t hash;

	(void)state;
	extended->instead = instead;
	got = wk_weakref_get(ref);
	assert_ptr_equal(got, person);
	wk_release(got);
	assert_null(wk_weakref_get(blind));
	assert_ptr_equal(plain, shared); /* with nothing of its own it is the shared one */
	assert_ptr_not_equal(blind, shared);
	assert_int_equal(wk_strong_count(person), 1);
	assert_true(wk_weakref_equal(ref, blind)); /* what it is does not depend on the hook */
	assert_int_equal(wk_weakref_hash(blind, &hash), WK_OK);
	assert_int_equal(hash, person_hash(person));
	assert_int_equal(extended->gets, 1);
	wk_release(person);
	got = wk_weakref_get(ref);
	assert_ptr_equal(got, instead);
	wk_release(got);
	assert_int_equal(extended->gets, 2);
	wk_weakref_release(ref);
	wk_weakref_release(blind);
	wk_weakref_release(plain);
	wk_weakref_release(shared);
	wk_release(instead);
}

/* WK_WITH, left in every way: the object is held inside, and not afterwards. */
static unsigned with_ways(const wk_weakref *ref, const struct person *person, unsigned way)
{
	unsigned rounds = 0;

	WK_WITH(struct person, held, ref) {
		rounds++;
		assert_int_equal(wk_strong_count(person), 2);
		if (way == 0)
			break;
		if (way == 1)
			continue;
		if (way == 2)
			return held->name;
		if (way == 3)
			goto out;
	}
out:
	return rounds;
}

static void test_with(void **state)
{
	struct person *person = person_new(&person_type, 1);
	wk_weakref *proxy = proxy_to(person, NULL);
	unsigned way;

	(void)state;
	for (way = 0; way < 5; way++) {
		assert_int_equal(with_ways(proxy, person, way), 1);
		assert_int_equal(wk_strong_count(person), 1);
	}
	wk_release(person);
	assert_int_equal(with_ways(proxy, person, 4), 0);
	wk_weakref_release(proxy);
}

static void test_what_is_refused(void **state)
{
	struct person *person = person_new(&person_type, 1), *hidden = person_new(&hidden_type, 1);
	wk_weakref *ref = wk_weakref_new(person, NULL, NULL), *proxy = proxy_to(person, NULL);
	wk_weakref *method = wk_method_new(person, grow, NULL, NULL);
	const wk_callback nothing = { .run = NULL };
	int status, years = 1;

	(void)state;
	assert_null(wk_proxy_new(NULL, NULL, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_proxy_new(hidden, NULL, &status));
	assert_int_equal(status, WK_ETYPE);
	assert_null(wk_proxy_new(person, &nothing, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_method_new(person, NULL, NULL, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_method_new(person, NULL, NULL, NULL));
	assert_null(wk_method_new(hidden, grow, NULL, &status));
	assert_int_equal(status, WK_ETYPE);
	assert_int_equal(wk_proxy_use(NULL, grow, &years, NULL), WK_EINVAL);
	assert_int_equal(wk_proxy_use(proxy, NULL, &years, NULL), WK_EINVAL);
	assert_int_equal(wk_proxy_use(ref, grow, &years, NULL), WK_ETYPE);
	assert_int_equal(wk_proxy_use(method, grow, &years, NULL), WK_ETYPE);
	assert_int_equal(wk_proxy_call(NULL, &years, NULL), WK_EINVAL);
	assert_int_equal(wk_proxy_call(ref, &years, NULL), WK_ETYPE);
	assert_int_equal(wk_method_call(NULL, &years, NULL), WK_EINVAL);
	assert_int_equal(wk_method_call(proxy, &years, NULL), WK_ETYPE);
	assert_true(wk_method_function(NULL) == NULL && wk_method_function(ref) == NULL);
	assert_int_equal(person->age, 0);
	wk_weakref_release(ref);
	wk_weakref_release(proxy);
	wk_weakref_release(method);
	wk_release(person);
	wk_release(hidden);
}

/* A function that ends its thread gives the object back. */

static int end_thread(void *object, void *argument)
{
	(void)object;
	(void)argument;
	pthread_exit(NULL);
}

static void call_and_end(void *method)
{
	(void)!wk_method_call(method, NULL, NULL);
}

static void test_a_function_that_ends_its_thread(void **state)
{
	struct person *person = person_new(&person_type, 1);
	wk_weakref *method = wk_method_new(person, end_thread, NULL, NULL);

	(void)state;
	threads_alone(call_and_end, method, 0);
	assert_int_equal(wk_strong_count(person), 1);
	wk_weakref_release(method);
	wk_release(person);
}

/*
 * Raced: a proxy and a method are called while the object dies: each call is made on a living object, or WK_EDEAD. Now
 * and then a call goes on until the last owner has gone.
 */

struct calling {
	struct person *person;
	unsigned round;
	_Atomic bool released;
	wk_weakref *proxy, *method;
	int status[2], result[2];
	unsigned long wrong;
	_Atomic unsigned long made[2], dead[2];
};

static int find_alive(void *object, void *argument)
{
	const volatile struct person *person = object;
	struct calling *calling = argument;
	int wrong = 0, i;

	while (calling->round % 4 == 0 && !atomic_load(&calling->released))
		;
	for (i = 0; i < 50; i++)
		wrong += person->name != 5; /* destroy makes it 0, at once: the type is prompt */
	return wrong;
}

static void calling_prepare(void *context)
{
	struct calling *calling = context;

	calling->person = person_new(&mortal_type, 5);
	calling->proxy = proxy_to(calling->person, NULL);
	calling->method = wk_method_new(calling->person, find_alive, NULL, NULL);
	calling->result[0] = calling->result[1] = 0;
	calling->round++;
	atomic_store(&calling->released, false);
}

static void calling_act(void *context, unsigned thread)
{
	struct calling *calling = context;

	if (thread == 0) {
		calling->status[0] = wk_proxy_use(calling->proxy, find_alive, calling, &calling->result[0]);
	} else if (thread == 1) {
		calling->status[1] = wk_method_call(calling->method, calling, &calling->result[1]);
	} else {
		wk_release(calling->person);
		atomic_store(&calling->released, true);
	}
}

static void calling_settle(void *context)
{
	struct calling *calling = context;
	unsigned i;

	for (i = 0; i < 2; i++) {
		calling->wrong += calling->result[i] != 0;
		calling->wrong += calling->status[i] != WK_OK && calling->status[i] != WK_EDEAD;
		race_add(&calling->made[i], calling->status[i] == WK_OK);
		race_add(&calling->dead[i], calling->status[i] == WK_EDEAD);
	}
	calling->wrong += atomic_exchange(&destroyed, 0) != 1;
	wk_weakref_release(calling->proxy);
	wk_weakref_release(calling->method);
}

static bool calling_decided(void *context)
{
	struct calling *calling = context;

	return atomic_load(&calling->made[0]) != 0 && atomic_load(&calling->made[1]) != 0 &&
	       atomic_load(&calling->dead[0]) != 0 && atomic_load(&calling->dead[1]) != 0;
}

static void test_promise_1_calls_against_death(void **state)
{
	const struct race race = {
		.threads = 3,
		.rounds = ROUNDS,
		.prepare = calling_prepare,
		.act = calling_act,
		.settle = calling_settle,
		.decided = calling_decided,
	};
	struct calling calling = { 0 };

	(void)state;
	race_run(&race, &calling);
	print_message("proxy: %lu used, %lu dead; method: %lu called, %lu dead\n", atomic_load(&calling.made[0]),
		      atomic_load(&calling.dead[0]), atomic_load(&calling.made[1]), atomic_load(&calling.dead[1]));
	assert_int_equal(calling.wrong, 0);
	assert_true(calling_decided(&calling));
}

/* Raced: shared references and shared proxies come and go: two that are owned at once are one of each, never mixed. */

struct turnover {
	struct person *person;
	_Atomic unsigned long wrong;
};

static void turn_over(void *context, unsigned index)
{
	struct turnover *turnover = context;
	wk_weakref *ref, *proxy, *again;
	unsigned round;

	for (round = 0; round < 5 * ROUNDS; round++) {
		ref = wk_weakref_new(turnover->person, NULL, NULL);
		proxy = wk_proxy_new(turnover->person, NULL, NULL);
		again = (round + index) % 2 == 0 ? wk_proxy_new(turnover->person, NULL, NULL)
						 : wk_weakref_new(turnover->person, NULL, NULL);
		race_add(&turnover->wrong, again != ((round + index) % 2 == 0 ? proxy : ref));
		race_add(&turnover->wrong, wk_weakref_kind(ref) != WK_KIND_REF || wk_weakref_kind(proxy) != WK_KIND_PROXY);
		wk_weakref_release(again);
		wk_weakref_release(ref);
		wk_weakref_release(proxy);
	}
}

static void test_shared_ones_turn_over(void **state)
{
	struct turnover turnover = { person_new(&person_type, 1), 0 };

	(void)state;
	threads_run(4, turn_over, &turnover);
	assert_int_equal(atomic_load(&turnover.wrong), 0);
	assert_int_equal(wk_weakref_count(turnover.person), 0);
	wk_release(turnover.person);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_proxy_is_used_while_its_object_lives),
		cmocka_unit_test(test_a_callable_proxy_calls),
		cmocka_unit_test(test_shared_proxies),
		cmocka_unit_test(test_hash_equality_and_text_of_proxies),
		cmocka_unit_test(test_a_method_is_called_while_its_object_lives),
		cmocka_unit_test(test_hash_equality_and_text_of_methods),
		cmocka_unit_test(test_promise_7_callbacks_of_all_kinds),
		cmocka_unit_test(test_a_hook_changes_what_get_gives),
		cmocka_unit_test(test_with),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_a_function_that_ends_its_thread),
		cmocka_unit_test(test_promise_1_calls_against_death),
		cmocka_unit_test(test_shared_ones_turn_over),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
