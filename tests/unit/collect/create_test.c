/*
 * collect/create.c: flights, seen from inside
 *
 * By equality a flight is found by comparing with its maker's key, which nothing else may ever have led to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/threads.h"
#include "weakref.h"

#define ALIVE 0x5eedu

enum step { AT_START, THE_FLIGHT_IS_THERE, IT_IS_COMPARED, ITS_KEY_IS_GIVEN_UP };

static struct steps steps = STEPS_AT_START;
static _Thread_local bool compares; /* this thread, and for the first time */
static _Atomic unsigned compared, was_destroyed, made;

struct thing {
	unsigned canary;
};

static void thing_destroy(void *payload)
{
	((struct thing *)payload)->canary = 0;
}

static uint64_t thing_hash(const void *payload)
{
	(void)payload;
	return 42;
}

static bool thing_equal(const void *a, const void *b)
{
	const struct thing *key = a, *other = b;

	if (compares) {
		compares = false;
		steps_reach(&steps, IT_IS_COMPARED);
		steps_wait(&steps, ITS_KEY_IS_GIVEN_UP);
		compared++;
		was_destroyed += key->canary != ALIVE || other->canary != ALIVE;
	}
	return true;
}

WK_DEFINE_TYPE(thing_type, struct thing, .destroy = thing_destroy, .hash = thing_hash, .equal = thing_equal);

static struct thing *thing_new(void)
{
	struct thing *thing = wk_new(&thing_type);

	thing->canary = ALIVE;
	return thing;
}

/* Released after the key: what is destroyed without a grace period is destroyed in order. */
struct mark {
	char unused;
};

static void mark_destroy(void *payload)
{
	(void)payload;
	steps_reach(&steps, ITS_KEY_IS_GIVEN_UP);
}

WK_DEFINE_TYPE(mark_type, struct mark, .destroy = mark_destroy);

static void *make_in_vain(const void *key, void *context, int *status)
{
	(void)key;
	(void)context;
	*status = WK_ENOTFOUND;
	steps_reach(&steps, THE_FLIGHT_IS_THERE);
	steps_wait(&steps, IT_IS_COMPARED);
	return NULL;
}

static void *make_nothing(const void *key, void *context, int *status)
{
	(void)key;
	(void)context;
	*status = WK_ENOTFOUND;
	return NULL;
}

static void maker(wk_key_dict *dict)
{
	struct mark *mark = wk_new(&mark_type);
	struct thing *key = thing_new();

	made += wk_key_dict_get_or_create(dict, key, WK_CREATE_ONCE, make_in_vain, NULL, NULL) != NULL;
	wk_release(key);
	wk_release(mark);
}

static void finder(wk_key_dict *dict)
{
	struct thing *key = thing_new();

	steps_wait(&steps, THE_FLIGHT_IS_THERE);
	compares = true;
	made += wk_key_dict_get_or_create(dict, key, WK_CREATE_TRY, make_nothing, NULL, NULL) != NULL;
	wk_release(key);
}

static void body(void *dict, unsigned thread)
{
	if (thread == 0)
		maker(dict);
	else
		finder(dict);
}

static void test_promise_18_the_key_of_a_flight_is_intact(void **state)
{
	const wk_key_dict_options options = { .struct_size = sizeof(options), .compare = WK_BY_EQUALITY };
	wk_key_dict *dict = wk_key_dict_new(&options, NULL);

	(void)state;
	threads_run(2, body, dict);
	wk_release(dict);
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
	assert_int_equal(compared, 1);
	assert_int_equal(was_destroyed, 0);
	assert_int_equal(made, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_18_the_key_of_a_flight_is_intact),
	};

	return cmocka_run_group_tests_name("collect/create.c", tests, NULL, NULL);
}
