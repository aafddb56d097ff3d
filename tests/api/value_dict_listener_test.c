/*
 * weakref/value_dict.h, removal listeners: every entry that ends is told of once, with the reason
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/memory.h"
#include "support/threads.h"

#define ROUNDS (THREADS_SANITIZED ? 500u : 5000u)
#define CAUSES (WK_CAUSE_CLEARED + 1)

struct thing {
	uint64_t id;
};
WK_DEFINE_TYPE(thing_type, struct thing, .flags = 0);

static struct thing *thing_new(void)
{
	struct thing *thing = wk_new(&thing_type);

	assert_non_null(thing);
	return thing;
}

/* Keys of the program's own, whose copies are counted. */
static _Atomic long copies;

static uint64_t text_hash(const void *key, uint64_t seed)
{
	return seed + strlen(key);
}

static bool text_equal(const void *a, const void *b)
{
	return strcmp(a, b) == 0;
}

static void *text_copy(const void *key)
{
	copies++;
	return strdup(key);
}

static void text_release(void *key)
{
	copies--;
	free(key);
}

static const wk_key_type text_keys = { text_hash, text_equal, text_copy, text_release, NULL };

/* What is heard: written by the runner, read after settle. */
static struct {
	unsigned count[CAUSES];
	char keys[256]; /* one after the other */
	bool here;      /* on the thread of the test */
	pthread_t test;
} heard;

static void hear(wk_key key, wk_removal_cause cause, void *context)
{
	size_t length = strlen(heard.keys), room = sizeof(heard.keys) - length;
	wk_key_kind keys = *(wk_key_kind *)context;

	heard.count[cause]++;
	heard.here |= pthread_equal(pthread_self(), heard.test) != 0;
	if (keys == WK_KEYS_U64)
		snprintf(heard.keys + length, room, "%llu ", (unsigned long long)key.number);
	else if (keys == WK_KEYS_BYTES)
		snprintf(heard.keys + length, room, "%.*s ", (int)key.number, (const char *)key.data);
	else
		snprintf(heard.keys + length, room, "%s ", (const char *)key.data);
}

static void assert_heard(const unsigned *expected, const char *keys)
{
	settle();
	settle(); /* a dictionary that ended tells of its entries when it is destroyed */
	for (unsigned i = 0; i < CAUSES; i++)
		assert_int_equal(heard.count[i], expected[i]);
	if (keys != NULL)
		assert_string_equal(heard.keys, keys);
	assert_false(heard.here);
	memset(&heard, 0, sizeof(heard));
	heard.test = pthread_self();
}

#define ASSERT_HEARD(keys, ...) assert_heard((const unsigned[CAUSES]){ __VA_ARGS__ }, keys)

static wk_key_kind kinds[] = { WK_KEYS_U64, WK_KEYS_BYTES, WK_KEYS_CUSTOM };

static wk_value_dict *dict_of(wk_key_kind keys, wk_value_mode values, const wk_allocator *allocator)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options),
						.keys = keys,
						.values = values,
						.key_type = keys == WK_KEYS_CUSTOM ? &text_keys : NULL,
						.allocator = allocator,
						.removed = hear,
						.removed_context = &kinds[keys] };
	wk_value_dict *dict = wk_value_dict_new(&options, NULL);

	assert_non_null(dict);
	heard.test = pthread_self();
	return dict;
}

static wk_key key_of(wk_key_kind keys, unsigned i)
{
	static const char *const texts[] = { "0", "1", "2", "3", "4", "5", "6", "7" };

	if (keys == WK_KEYS_U64)
		return wk_key_u64(i);
	return keys == WK_KEYS_BYTES ? wk_key_string(texts[i]) : wk_key_custom(texts[i]);
}

static void check_causes(wk_key_kind keys, wk_value_mode values)
{
	static struct memory memory;
	static const wk_allocator counting = { memory_allocate, memory_release, &memory };
	wk_value_dict *dict = dict_of(keys, values, values == WK_VALUES_STRONG ? &counting : NULL);
	struct thing *one = thing_new(), *two = thing_new();

	for (unsigned i = 1; i < 8; i++)
		assert_int_equal(wk_value_dict_set(dict, key_of(keys, i), one), WK_CREATED);
	ASSERT_HEARD("", 0, 0, 0, 0);
	assert_int_equal(wk_value_dict_remove(dict, key_of(keys, 1)), WK_OK);
	assert_int_equal(wk_value_dict_remove(dict, key_of(keys, 1)), WK_ENOTFOUND);
	assert_int_equal(wk_value_dict_remove_if(dict, key_of(keys, 2), one), WK_OK);
	wk_release(wk_value_dict_pop(dict, key_of(keys, 3)));
	ASSERT_HEARD("1 2 3 ", 3, 0, 0, 0);
	assert_int_equal(wk_value_dict_set(dict, key_of(keys, 4), two), WK_OK);
	assert_int_equal(wk_value_dict_insert(dict, key_of(keys, 4), one), WK_EEXISTS);
	ASSERT_HEARD("4 ", 0, 0, 1, 0);
	wk_value_dict_clear(dict);
	ASSERT_HEARD(NULL, 0, 0, 0, 4);
	assert_int_equal(wk_value_dict_set(dict, key_of(keys, 5), one), WK_CREATED);
	assert_int_equal(wk_value_dict_set(dict, key_of(keys, 6), two), WK_CREATED);
	if (values == WK_VALUES_WEAK) {
		wk_clear(&one);
		ASSERT_HEARD("5 ", 0, 1, 0, 0);
		wk_release(wk_value_dict_pop_any(dict));
		ASSERT_HEARD("6 ", 1, 0, 0, 0);
		assert_int_equal(wk_value_dict_set(dict, key_of(keys, 7), two), WK_CREATED);
		wk_clear(&dict);
		ASSERT_HEARD("7 ", 0, 0, 0, 1);
	} else {
		wk_clear(&dict);
		ASSERT_HEARD(NULL, 0, 0, 0, 2);
	}
	wk_release(one);
	wk_release(two);
	settle();
	settle();
	assert_int_equal(copies, 0);
	assert_int_equal(memory.wrong, 0);
}

static void test_causes(void **state)
{
	(void)state;
	for (wk_key_kind keys = WK_KEYS_U64; keys <= WK_KEYS_CUSTOM; keys++) {
		check_causes(keys, WK_VALUES_WEAK);
		check_causes(keys, WK_VALUES_STRONG);
	}
}

/* Flights are nothing that was stored; a copy has the same listener. */
static void *make(wk_key key, void *context, int *status)
{
	(void)key;
	(void)status;
	return wk_retain(context);
}

static void *make_nothing(wk_key key, void *context, int *status)
{
	(void)key;
	(void)context;
	(void)status;
	return NULL;
}

static void test_what_is_created(void **state)
{
	wk_value_dict *dict = dict_of(WK_KEYS_U64, WK_VALUES_WEAK, NULL), *copy;
	struct thing *thing = thing_new();

	(void)state;
	assert_null(wk_value_dict_get_or_create(dict, wk_key_u64(1), WK_CREATE_ONCE, make_nothing, NULL, NULL));
	ASSERT_HEARD("", 0, 0, 0, 0);
	wk_release(wk_value_dict_get_or_create(dict, wk_key_u64(1), WK_CREATE_ONCE, make, thing, NULL));
	ASSERT_HEARD("", 0, 0, 0, 0);
	copy = wk_value_dict_copy(dict, NULL);
	assert_int_equal(wk_value_dict_len(copy), 1);
	wk_release(thing);
	ASSERT_HEARD("1 1 ", 0, 2, 0, 0);
	wk_release(dict);
	wk_release(copy);
	ASSERT_HEARD("", 0, 0, 0, 0);
}

/* The listener may call the dictionary, and its key is its own. */
static void restore(wk_key key, wk_removal_cause cause, void *context)
{
	wk_value_dict **dict = context;
	struct thing *thing = wk_new(&thing_type);

	if (*dict != NULL && cause != WK_CAUSE_CLEARED)
		heard.count[0] += wk_value_dict_set(*dict, key, thing) == WK_CREATED;
	heard.count[1]++;
	wk_release(thing); /* gone again, unless the dictionary holds it */
}

static void test_a_listener_may_call_the_dictionary(void **state)
{
	static wk_value_dict *dict;
	const wk_value_dict_options options = { .struct_size = sizeof(options),
						.keys = WK_KEYS_BYTES,
						.values = WK_VALUES_STRONG,
						.removed = restore,
						.removed_context = &dict };
	struct thing *thing = thing_new();

	(void)state;
	memset(&heard, 0, sizeof(heard));
	dict = wk_value_dict_new(&options, NULL);
	assert_int_equal(wk_value_dict_set(dict, wk_key_string("again"), thing), WK_CREATED);
	assert_int_equal(wk_value_dict_remove(dict, wk_key_string("again")), WK_OK);
	settle();
	assert_int_equal(heard.count[0], 1);
	assert_true(wk_value_dict_contains(dict, wk_key_string("again")));
	wk_value_dict_clear(dict);
	settle();
	assert_int_equal(heard.count[1], 2);
	assert_int_equal(wk_value_dict_len(dict), 0);
	wk_clear(&dict);
	wk_release(thing);
}

static void leave(wk_key key, wk_removal_cause cause, void *context)
{
	(void)key;
	(void)cause;
	++*(unsigned *)context;
	pthread_exit(NULL);
}

static void test_a_listener_that_ends_its_thread(void **state)
{
	static unsigned left;
	const wk_value_dict_options options = { .struct_size = sizeof(options),
						.keys = WK_KEYS_CUSTOM,
						.key_type = &text_keys,
						.removed = leave,
						.removed_context = &left };
	wk_value_dict *dict = wk_value_dict_new(&options, NULL);
	struct thing *thing = thing_new();

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(wk_value_dict_set(dict, key_of(WK_KEYS_CUSTOM, i), thing), WK_CREATED);
		assert_int_equal(wk_value_dict_remove(dict, key_of(WK_KEYS_CUSTOM, i)), WK_OK);
		settle();
		assert_int_equal(left, i + 1);
	}
	wk_release(thing);
	wk_release(dict);
	settle();
	settle();
	assert_int_equal(copies, 0);
}

/* Races: whoever ends an entry, it is told of once, with the reason of who did. */

struct duel {
	wk_value_dict *dict;
	struct thing *thing[2];
	int status[3];
	_Atomic unsigned long wins[3], wrong, told[CAUSES];
	unsigned long stored;
};

static void count(wk_key key, wk_removal_cause cause, void *context)
{
	struct duel *duel = context;

	race_add(&duel->wrong, key.number != 42 || key.data != NULL);
	race_add(&duel->told[cause], true);
}

static void duel_prepare(void *context)
{
	struct duel *duel = context;

	for (unsigned i = 0; i < 2; i++)
		duel->thing[i] = wk_new(&thing_type);
	race_add(&duel->wrong, wk_value_dict_set(duel->dict, wk_key_u64(42), duel->thing[0]) != WK_CREATED);
	duel->stored++;
}

static void duel_act(void *context, unsigned i)
{
	struct duel *duel = context;

	if (i == 0)
		wk_clear(&duel->thing[0]);
	else if (i == 1)
		duel->status[1] = wk_value_dict_remove(duel->dict, wk_key_u64(42));
	else
		duel->status[2] = wk_value_dict_set(duel->dict, wk_key_u64(42), duel->thing[1]);
}

/* A remove may have had either of the two. */
static void duel_settle(void *context)
{
	struct duel *duel = context;

	duel->stored++;
	duel->wins[1] += duel->status[1] == WK_OK;
	duel->wins[2] += duel->status[2] == WK_OK;
	duel->wins[0] += duel->status[1] != WK_OK && duel->status[2] != WK_OK;
	wk_clear(&duel->thing[1]);
	race_add(&duel->wrong, wk_value_dict_len(duel->dict) != 0);
}

static bool duel_decided(void *context)
{
	struct duel *duel = context;

	return duel->wins[0] > 0 && duel->wins[1] > 0 && duel->wins[2] > 0;
}

static void test_each_end_is_told_of_once(void **state)
{
	static struct duel duel;
	const wk_value_dict_options options = { .struct_size = sizeof(options), .removed = count, .removed_context = &duel };
	const struct race race = { .threads = 3, .rounds = ROUNDS, .prepare = duel_prepare, .act = duel_act,
				   .settle = duel_settle, .decided = duel_decided };
	unsigned long told = 0;

	(void)state;
	duel.dict = wk_value_dict_new(&options, NULL);
	race_run(&race, &duel);
	settle();
	assert_int_equal(duel.wrong, 0);
	assert_true(duel_decided(&duel));
	for (unsigned i = 0; i < CAUSES; i++)
		told += duel.told[i];
	assert_int_equal(told, duel.stored);
	assert_int_equal(duel.told[WK_CAUSE_REMOVED], duel.wins[1]);
	assert_int_equal(duel.told[WK_CAUSE_REPLACED], duel.wins[2]);
	assert_int_equal(duel.told[WK_CAUSE_CLEARED], 0);
	wk_release(duel.dict);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_what_is_created),
		cmocka_unit_test(test_a_listener_may_call_the_dictionary),
		cmocka_unit_test(test_a_listener_that_ends_its_thread),
		cmocka_unit_test(test_each_end_is_told_of_once),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/value_dict.h, listeners", tests, runtime_setup, NULL);
}
