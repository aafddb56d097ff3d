/*
 * weakref/value_dict.h, whole dictionaries: many keys at once, any entry, copies, merges, references
 */
#include "runtime_fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/threads.h"

#define MANY 1000u

struct thing {
	uint64_t id;
};
WK_DEFINE_TYPE(thing_type, struct thing, .flags = 0);
WK_DEFINE_TYPE(other_type, struct thing, .flags = 0);
WK_DEFINE_TYPE(closed_type, struct thing, .flags = WK_TYPE_NO_WEAK);
WK_DEFINE_TYPE(prompt_type, struct thing, .flags = WK_TYPE_PROMPT);

/* Keys of the program's own: texts under few hashes. */
static uint64_t text_hash(const void *key, uint64_t seed)
{
	(void)seed;
	return (uint64_t)atoi(key) % 50;
}

static bool text_equal(const void *a, const void *b)
{
	return strcmp(a, b) == 0;
}

static void *text_copy(const void *key)
{
	return strdup(key);
}

static const wk_key_type text_keys = { text_hash, text_equal, text_copy, free, NULL };
static const wk_key_type other_keys = { text_hash, text_equal, text_copy, free, NULL };

static struct thing *things[MANY];

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
	for (unsigned i = 0; i < MANY; i++)
		things[i] = thing_of(&thing_type, i);
	return 0;
}

static void test_everything_goes(void **state)
{
	for (unsigned i = 0; i < MANY; i++)
		wk_clear(&things[i]);
	settle();
	test_the_accounts_balance(state);
}

static wk_value_dict *dict_of(wk_key_kind keys, wk_value_mode values)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options),
						.keys = keys,
						.values = values,
						.key_type = keys == WK_KEYS_CUSTOM ? &text_keys : NULL };
	wk_value_dict *dict = wk_value_dict_new(&options, NULL);

	assert_non_null(dict);
	return dict;
}

static wk_key key_of(wk_key_kind keys, unsigned i, char *text)
{
	if (keys == WK_KEYS_U64)
		return wk_key_u64(i);
	sprintf(text, "%u", i);
	return keys == WK_KEYS_BYTES ? wk_key_string(text) : wk_key_custom(text);
}

static void fill(wk_value_dict *dict, wk_key_kind keys, unsigned first, unsigned end)
{
	char text[16];

	for (unsigned i = first; i < end; i++)
		assert_int_equal(wk_value_dict_set(dict, key_of(keys, i, text), things[i]), WK_CREATED);
}

static void check_has(const wk_value_dict *dict, wk_key_kind keys, unsigned i, const void *expected)
{
	char text[16];
	const void *object = wk_value_dict_get(dict, key_of(keys, i, text));

	assert_ptr_equal(object, expected);
	wk_release(object);
}

/* A dictionary gives up what it held after its end, some at a time. */
static void settle_things(void)
{
	for (unsigned i = 0; i < MANY; i++) {
		while (wk_strong_count(things[i]) > 1)
			settle();
	}
}

/* Copies. */

static void check_copies(wk_key_kind keys, wk_value_mode values)
{
	wk_value_dict *a = dict_of(keys, values), *b = dict_of(keys, values), *copy, *merged;
	struct thing *changed = thing_of(&thing_type, MANY);
	char text[16];
	int status = 1;

	fill(a, keys, 0, MANY / 2);
	fill(b, keys, MANY / 2, MANY);
	assert_int_equal(wk_value_dict_set(b, key_of(keys, 0, text), changed), WK_CREATED);
	copy = wk_value_dict_copy(a, &status);
	assert_int_equal(status, WK_OK);
	assert_int_equal(wk_value_dict_len(copy), MANY / 2);
	merged = wk_value_dict_merge(a, b, &status);
	assert_int_equal(status, WK_OK);
	assert_int_equal(wk_value_dict_len(merged), MANY);
	assert_int_equal(wk_value_dict_update(a, a), WK_OK);
	for (unsigned i = 0; i < MANY; i++) {
		check_has(copy, keys, i, i < MANY / 2 ? things[i] : NULL);
		check_has(merged, keys, i, i == 0 ? changed : things[i]);
	}
	assert_int_equal(wk_value_dict_update(copy, b), WK_OK);
	assert_int_equal(wk_value_dict_len(copy), MANY);
	check_has(copy, keys, 0, changed);
	wk_value_dict_clear(merged);
	assert_int_equal(wk_value_dict_len(a), MANY / 2);
	assert_int_equal(wk_strong_count(changed), values == WK_VALUES_STRONG ? 3 : 1);
	wk_release(a);
	wk_release(b);
	wk_release(copy);
	wk_release(merged);
	wk_release(changed);
	settle_things();
}

static void test_copies(void **state)
{
	(void)state;
	for (wk_key_kind keys = WK_KEYS_U64; keys <= WK_KEYS_CUSTOM; keys++) {
		check_copies(keys, WK_VALUES_WEAK);
		check_copies(keys, WK_VALUES_STRONG);
	}
}

static void test_copies_that_fail(void **state)
{
	const wk_value_dict_options others = {
		.struct_size = sizeof(others), .keys = WK_KEYS_CUSTOM, .key_type = &other_keys
	};
	const wk_value_dict_options typed = { .struct_size = sizeof(typed), .value_type = &other_type };
	wk_value_dict *numbers = dict_of(WK_KEYS_U64, WK_VALUES_WEAK), *bytes = dict_of(WK_KEYS_BYTES, WK_VALUES_WEAK);
	wk_value_dict *texts = dict_of(WK_KEYS_CUSTOM, WK_VALUES_WEAK), *mine = wk_value_dict_new(&others, NULL);
	wk_value_dict *of_others = wk_value_dict_new(&typed, NULL);
	int status = 1;

	(void)state;
	fill(numbers, WK_KEYS_U64, 0, 10);
	assert_int_equal(wk_value_dict_update(bytes, numbers), WK_EINVAL);
	assert_int_equal(wk_value_dict_update(texts, mine), WK_EINVAL);
	assert_null(wk_value_dict_merge(numbers, bytes, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_int_equal(wk_value_dict_update(of_others, numbers), WK_ETYPE);
	assert_null(wk_value_dict_merge(of_others, numbers, &status));
	assert_int_equal(status, WK_ETYPE);
	wk_release(numbers);
	wk_release(bytes);
	wk_release(texts);
	wk_release(mine);
	wk_release(of_others);
}

/* Any entry. */

static void check_pop_any(wk_key_kind keys, wk_value_mode values)
{
	wk_value_dict *dict = dict_of(keys, values);
	struct thing *popped;
	unsigned count;

	assert_null(wk_value_dict_pop_any(dict));
	fill(dict, keys, 0, MANY);
	for (count = 0; (popped = wk_value_dict_pop_any(dict)) != NULL; count++) {
		assert_ptr_equal(popped, things[popped->id]);
		check_has(dict, keys, (unsigned)popped->id, NULL);
		assert_int_equal(wk_strong_count(popped), 2);
		wk_release(popped);
	}
	assert_int_equal(count, MANY);
	assert_int_equal(wk_value_dict_len(dict), 0);
	wk_release(dict);
}

static void test_pop_any(void **state)
{
	(void)state;
	for (wk_key_kind keys = WK_KEYS_U64; keys <= WK_KEYS_CUSTOM; keys++) {
		check_pop_any(keys, WK_VALUES_WEAK);
		check_pop_any(keys, WK_VALUES_STRONG);
	}
}

/* Of those who pop each entry goes to one. */
struct popping {
	wk_value_dict *dict;
	_Atomic unsigned long popped[3], met[MANY];
};

static void pop_body(void *context, unsigned thread)
{
	struct popping *popping = context;
	struct thing *thing;

	while ((thing = wk_value_dict_pop_any(popping->dict)) != NULL) {
		race_add(&popping->popped[thread], true);
		race_add(&popping->met[thing->id], true);
		wk_release(thing);
	}
}

static void test_everybody_pops(void **state)
{
	struct popping popping = { .dict = dict_of(WK_KEYS_U64, WK_VALUES_STRONG) };
	unsigned rounds = 0;

	(void)state;
	do {
		fill(popping.dict, WK_KEYS_U64, 0, MANY);
		threads_run(3, pop_body, &popping);
		rounds++;
		for (unsigned i = 0; i < MANY; i++)
			assert_int_equal(popping.met[i], rounds);
	} while (rounds < 10 || popping.popped[0] == 0 || popping.popped[1] == 0 || popping.popped[2] == 0);
	wk_release(popping.dict);
}

/* Many keys. */

static void test_peek_many(void **state)
{
	wk_value_dict *dict = dict_of(WK_KEYS_U64, WK_VALUES_WEAK);
	struct thing *prompt = thing_of(&prompt_type, 1);
	wk_key keys[MANY + 50];
	void *objects[MANY + 50];

	(void)state;
	fill(dict, WK_KEYS_U64, 0, MANY);
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(MANY), prompt), WK_CREATED);
	for (unsigned i = 0; i < MANY + 50; i++)
		keys[i] = wk_key_u64(i);
	wk_read_lock();
	assert_int_equal(wk_value_dict_peek_many(dict, keys, 0, objects), 0);
	assert_int_equal(wk_value_dict_peek_many(dict, keys, MANY + 50, objects), MANY);
	for (unsigned i = 0; i < MANY + 50; i++)
		assert_ptr_equal(objects[i], i < MANY ? things[i] : NULL);
	wk_read_unlock();
	assert_int_equal(wk_strong_count(things[0]), 1);
	wk_release(prompt);
	wk_release(dict);
}

/* References. */

static void test_refs(void **state)
{
	wk_value_dict *dict = dict_of(WK_KEYS_BYTES, WK_VALUES_WEAK), *strong = dict_of(WK_KEYS_U64, WK_VALUES_STRONG);
	struct thing *passing = thing_of(&thing_type, 1), *closed = thing_of(&closed_type, 1);
	wk_weak *refs[MANY + 1];
	unsigned alive = 0;

	(void)state;
	assert_int_equal(wk_value_dict_refs(dict, refs, MANY), 0);
	fill(dict, WK_KEYS_BYTES, 0, MANY);
	assert_int_equal(wk_value_dict_set(dict, wk_key_string("passing"), passing), WK_CREATED);
	assert_int_equal(wk_value_dict_refs(dict, NULL, 0), MANY + 1);
	assert_int_equal(wk_value_dict_refs(dict, refs, MANY + 1), MANY + 1);
	wk_release(passing);
	for (unsigned i = 0; i < MANY + 1; i++) {
		alive += !wk_weak_expired(refs[i]);
		wk_weak_release(refs[i]);
	}
	assert_int_equal(alive, MANY);
	assert_int_equal(wk_value_dict_set(strong, wk_key_u64(1), closed), WK_CREATED);
	assert_int_equal(wk_value_dict_set(strong, wk_key_u64(2), things[2]), WK_CREATED);
	assert_int_equal(wk_value_dict_refs(strong, refs, MANY), 1);
	assert_true(wk_weak_refers_to(refs[0], things[2]));
	wk_weak_release(refs[0]);
	wk_release(closed);
	wk_release(dict);
	wk_release(strong);
	settle_things();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_copies_that_fail),
		cmocka_unit_test(test_pop_any),
		cmocka_unit_test(test_everybody_pops),
		cmocka_unit_test(test_peek_many),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_everything_goes),
	};

	return cmocka_run_group_tests_name("weakref/value_dict.h, whole dictionaries", tests, setup, NULL);
}
