/*
 * collect/held.c: what a key dictionary's entry and its weak value know of each other, however a set got there
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sched.h"
#include "support/threads.h"
#include "weakref.h"

#define THREADS 4u
#define STEPS 8u

struct thing {
	unsigned number;
};

static uint64_t thing_hash(const void *payload)
{
	(void)payload;
	return 42;
}

static bool thing_equal(const void *a, const void *b)
{
	(void)a;
	(void)b;
	return true;
}

WK_DEFINE_TYPE(thing_type, struct thing, .hash = thing_hash, .equal = thing_equal);

/* Everybody stores values of his own under one key, and takes out what is there. */
struct quarrel {
	wk_key_dict *dict;
	struct thing *key, *value[THREADS];
	_Atomic unsigned long created, replaced, removed, left;
};

static void quarrel_prepare(void *context)
{
	struct quarrel *quarrel = context;

	for (unsigned i = 0; i < THREADS; i++)
		quarrel->value[i] = wk_new(&thing_type);
}

static void quarrel_act(void *context, unsigned thread)
{
	struct quarrel *quarrel = context;
	int status;

	for (unsigned i = 0; i < STEPS; i++) {
		if ((i + thread) % 3 == 0) {
			race_add(&quarrel->removed, wk_key_dict_remove(quarrel->dict, quarrel->key) == WK_OK);
			continue;
		}
		status = wk_key_dict_set(quarrel->dict, quarrel->key, quarrel->value[thread]);
		race_add(&quarrel->created, status == WK_CREATED);
		race_add(&quarrel->replaced, status == WK_OK);
	}
}

/* With the values the entry ends, if the value's death finds it. */
static void quarrel_settle(void *context)
{
	struct quarrel *quarrel = context;

	for (unsigned i = 0; i < THREADS; i++)
		wk_release(quarrel->value[i]);
	race_add(&quarrel->left, wk_key_dict_len(quarrel->dict) != 0);
}

static bool quarrel_decided(void *context)
{
	struct quarrel *quarrel = context;

	return atomic_load(&quarrel->created) > 10 && atomic_load(&quarrel->replaced) > 10 && atomic_load(&quarrel->removed) > 10;
}

static void quarrel_run(wk_compare compare)
{
	const struct race race = { THREADS, THREADS_SANITIZED ? 3000 : 20000, quarrel_prepare, quarrel_act, quarrel_settle,
				   quarrel_decided };
	const wk_key_dict_options options = { .struct_size = sizeof(options), .compare = compare, .values = WK_HOLD_WEAK };
	struct quarrel quarrel = { .dict = wk_key_dict_new(&options, NULL), .key = wk_new(&thing_type) };

	wki_sched_seed(0x5eed, 2);
	race_run(&race, &quarrel);
	wki_sched_seed(0, 0);
	wk_release(quarrel.key);
	wk_release(quarrel.dict);
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
	assert_int_equal(atomic_load(&quarrel.left), 0);
	assert_true(quarrel_decided(&quarrel));
}

static void test_the_death_of_a_weak_value_finds_its_entry(void **state)
{
	(void)state;
	quarrel_run(WK_BY_IDENTITY);
	quarrel_run(WK_BY_EQUALITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_death_of_a_weak_value_finds_its_entry),
	};

	return cmocka_run_group_tests_name("collect/held.c", tests, NULL, NULL);
}
