/*
 * weakref/cursor.h by one thread: what a cursor meets while its container grows, shrinks and changes, what it holds,
 * and that WK_EACH can be left by every way out
 */
#include "runtime_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/child.h"
#include "support/memory.h"

#define MANY 2000u

struct thing {
	uint64_t id;
};
WK_DEFINE_TYPE(thing_type, struct thing, .flags = 0);

static struct thing *things[2 * MANY];
static unsigned met[2 * MANY];

static struct thing *thing_new(uint64_t id)
{
	struct thing *thing = wk_new(&thing_type);

	assert_non_null(thing);
	thing->id = id;
	return thing;
}

static wk_value_dict *dict_of(wk_key_kind keys, wk_value_mode values, const wk_key_type *type,
			      const wk_allocator *allocator)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options),
						.name = "things",
						.keys = keys,
						.values = values,
						.key_type = type,
						.allocator = allocator };

	return wk_value_dict_new(&options, NULL);
}

static wk_value_dict *weak_dict(void)
{
	return dict_of(WK_KEYS_U64, WK_VALUES_WEAK, NULL, NULL);
}

static void fill(wk_value_dict *dict, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		things[i] = thing_new(i);
		assert_int_equal(wk_value_dict_set(dict, wk_key_u64(i), things[i]), WK_CREATED);
	}
}

static void drop(unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		wk_clear(&things[i]);
}

static void meet(const struct thing *thing)
{
	met[thing->id]++;
}

/* Each of these exactly once; whoever else was met at most once. */
static void check_met(unsigned first, unsigned end)
{
	for (unsigned i = 0; i < 2 * MANY; i++) {
		if (i >= first && i < end)
			assert_int_equal(met[i], 1);
		assert_in_range(met[i], 0, 1);
	}
	memset(met, 0, sizeof(met));
}

/* What a cursor meets. */

static void test_nothing_to_meet(void **state)
{
	wk_value_dict *dict = weak_dict();
	wk_weak_set *set = wk_weak_set_new(NULL, NULL);
	wk_cursor cursor = wk_cursor_open(NULL);
	size_t length = 1;

	(void)state;
	assert_null(wk_cursor_next(&cursor));
	assert_int_equal(wk_last_status(), WK_ENOTFOUND);
	assert_null(wk_cursor_key(&cursor, &length));
	assert_int_equal(length, 0);
	assert_int_equal(wk_cursor_key_u64(&cursor), 0);
	assert_null(wk_cursor_value(&cursor));
	wk_cursor_park(&cursor);
	wk_cursor_close(&cursor);
	WK_EACH(struct thing, each, dict)
		fail();
	WK_EACH(struct thing, each, set)
		fail();
	WK_EACH(struct thing, each, NULL)
		fail();
	wk_release(dict);
	wk_release(set);
}

static void test_promise_15_everything_once(void **state)
{
	wk_value_dict *dict = weak_dict(), *strong = dict_of(WK_KEYS_U64, WK_VALUES_STRONG, NULL, NULL);
	wk_weak_set *set = wk_weak_set_new(NULL, NULL);

	(void)state;
	fill(dict, 0, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(wk_value_dict_set(strong, wk_key_u64(i), things[i]), WK_CREATED);
		assert_int_equal(wk_weak_set_add(set, things[i]), WK_CREATED);
	}
	WK_EACH(struct thing, each, dict) {
		assert_int_equal(wk_cursor_key_u64(&each_cursor), each->id);
		assert_int_equal(wk_strong_count(each), 3);
		assert_null(wk_cursor_value(&each_cursor));
		meet(each);
	}
	check_met(0, MANY);
	WK_EACH(struct thing, each, strong) {
		assert_int_equal(*(const uint64_t *)wk_cursor_key(&each_cursor, NULL), each->id);
		meet(each);
	}
	check_met(0, MANY);
	WK_EACH(struct thing, each, set) {
		assert_null(wk_cursor_key(&each_cursor, NULL));
		meet(each);
	}
	check_met(0, MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(wk_strong_count(things[i]), 2);
	wk_release(strong);
	drop(0, MANY);
	wk_release(dict);
	wk_release(set);
}

/* Ghosts are not met, and neither is what dies or goes on the way. */
static void test_the_dead_are_not_met(void **state)
{
	wk_value_dict *dict = weak_dict();
	unsigned count = 0;

	(void)state;
	fill(dict, 0, MANY);
	for (unsigned i = 0; i < MANY; i += 2)
		wk_clear(&things[i]);
	WK_EACH(struct thing, each, dict) {
		assert_int_equal(each->id % 2, 1);
		count++;
	}
	assert_int_equal(count, MANY / 2);
	count = 0;
	WK_EACH(struct thing, each, dict) {
		if (count++ == 10) {
			for (unsigned i = 0; i < MANY; i++)
				if (i != each->id)
					wk_clear(&things[i]);
		}
	}
	assert_int_equal(count, 11);
	drop(0, MANY);
	wk_release(dict);
}

static void test_clear_ends_it(void **state)
{
	wk_value_dict *dict = weak_dict();
	wk_cursor cursor = wk_cursor_open(dict);
	struct thing *first;

	(void)state;
	fill(dict, 0, 100);
	first = wk_cursor_next(&cursor);
	assert_non_null(first);
	wk_value_dict_clear(dict);
	assert_ptr_equal(things[first->id], first); /* still held */
	assert_int_equal(wk_strong_count(first), 2);
	assert_null(wk_cursor_next(&cursor));
	assert_null(wk_cursor_next(&cursor));
	assert_int_equal(wk_last_status(), WK_ENOTFOUND);
	wk_cursor_close(&cursor);
	drop(0, 100);
	wk_release(dict);
}

/* Between the steps: the table doubles again and again. */
static void test_promise_15_growth(void **state)
{
	wk_value_dict *dict = weak_dict();
	unsigned steps = 0;

	(void)state;
	fill(dict, 0, 50);
	WK_EACH(struct thing, each, dict) {
		meet(each);
		if (50 + 10 * steps < 2 * MANY)
			fill(dict, 50 + 10 * steps, 60 + 10 * steps);
		steps++;
	}
	assert_true(wk_value_dict_len(dict) > 500);
	check_met(0, 50);
	drop(0, 2 * MANY);
	wk_release(dict);
}

/* The table shrinks to a few buckets, and so on to a sweep: what is dropped is out, the rest is met. */
static void test_promise_15_shrinking(void **state)
{
	wk_value_dict *dict = weak_dict();
	unsigned gone = 100;

	(void)state;
	fill(dict, 0, 2 * MANY);
	settle();
	WK_EACH(struct thing, each, dict) {
		meet(each);
		if (met[each->id] == 1 && gone < 2 * MANY) {
			drop(gone, gone + 300);
			gone += 300;
			settle();
			settle();
		}
	}
	check_met(0, 100);
	drop(0, 2 * MANY);
	wk_release(dict);
}

/* A key whose object is replaced between any two steps is present throughout. */
static void test_promise_15_replacing(void **state)
{
	wk_value_dict *dict = weak_dict();
	unsigned replaced = 0;

	(void)state;
	fill(dict, 0, 300);
	WK_EACH(struct thing, each, dict) {
		meet(each);
		for (unsigned i = replaced % 3; i < 300; i += 3) {
			struct thing *other = thing_new(i);

			assert_int_equal(wk_value_dict_set(dict, wk_key_u64(i), other), WK_OK);
			wk_release(things[i]);
			things[i] = other;
		}
		replaced++;
	}
	assert_int_equal(replaced, 300);
	check_met(0, 300);
	drop(0, 300);
	wk_release(dict);
}

/* Whoever is removed by the loop itself: the current one, one that was met, one that was not. */
static void test_removing_on_the_way(void **state)
{
	wk_weak_set *set = wk_weak_set_new(NULL, NULL);
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		things[i] = thing_new(i);
		assert_int_equal(wk_weak_set_add(set, things[i]), WK_CREATED);
	}
	WK_EACH(struct thing, each, set) {
		meet(each);
		count++;
		assert_true(wk_weak_set_discard(set, each));
	}
	check_met(0, MANY);
	assert_int_equal(count, MANY);
	assert_int_equal(wk_weak_set_len(set), 0);
	drop(0, MANY);
	wk_release(set);
}

/* What a cursor holds. */

static void test_it_holds_the_current_one(void **state)
{
	wk_value_dict *dict = weak_dict();
	wk_cursor cursor = wk_cursor_open(dict);
	wk_weak *weak;
	struct thing *each;

	(void)state;
	fill(dict, 0, 2);
	each = wk_cursor_next(&cursor);
	weak = wk_downgrade(each);
	drop(0, 2);
	assert_false(wk_weak_expired(weak));
	assert_int_equal(wk_value_dict_len(dict), 1);
	wk_cursor_park(&cursor);
	assert_true(wk_weak_expired(weak));
	assert_null(wk_cursor_next(&cursor));
	wk_weak_release(weak);
	wk_cursor_close(&cursor);
	wk_release(dict);
}

static void test_parking(void **state)
{
	wk_value_dict *dict = weak_dict();
	wk_cursor cursor = wk_cursor_open(dict), moved;
	struct thing *each;
	unsigned filled = 20;

	(void)state;
	fill(dict, 0, filled);
	while ((each = wk_cursor_next(&cursor)) != NULL) {
		meet(each);
		wk_cursor_park(&cursor);
		wk_cursor_park(&cursor);
		assert_int_equal(wk_strong_count(things[each->id]), 1);
		assert_null(wk_cursor_key(&cursor, NULL));
		if (filled < MANY) {
			fill(dict, filled, filled + 100);
			filled += 100;
		}
		moved = cursor;
		memset(&cursor, 0, sizeof(cursor));
		cursor = moved;
	}
	check_met(0, 20);
	wk_cursor_park(&cursor);
	wk_cursor_close(&cursor);
	wk_cursor_close(&cursor);
	assert_null(wk_cursor_next(&cursor));
	drop(0, filled);
	wk_release(dict);
}

/* The container lives for as long as the cursor. */
static void test_it_holds_the_container(void **state)
{
	wk_value_dict *dict = weak_dict();
	wk_weak *weak = wk_downgrade(dict);
	wk_cursor cursor = wk_cursor_open(dict);

	(void)state;
	fill(dict, 0, 10);
	wk_release(dict);
	while (wk_cursor_next(&cursor) != NULL)
		meet(wk_cursor_key_u64(&cursor) < 10 ? things[wk_cursor_key_u64(&cursor)] : NULL);
	check_met(0, 10);
	assert_false(wk_weak_expired(weak));
	wk_cursor_close(&cursor);
	assert_true(wk_weak_expired(weak));
	wk_weak_release(weak);
	drop(0, 10);
}

/* The key stays, though it has been removed, replaced, swept. */
static void test_keys_stay(void **state)
{
	wk_value_dict *dict = dict_of(WK_KEYS_BYTES, WK_VALUES_WEAK, NULL, NULL);
	char name[40], expected[40];
	size_t length;

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		things[i] = thing_new(i);
		snprintf(name, sizeof(name), "the name of number %u", i);
		assert_int_equal(wk_value_dict_set(dict, wk_key_string(name), things[i]), WK_CREATED);
	}
	WK_EACH(struct thing, each, dict) {
		const char *key = wk_cursor_key(&each_cursor, &length);

		meet(each);
		snprintf(expected, sizeof(expected), "the name of number %u", (unsigned)each->id);
		assert_int_equal(length, strlen(expected));
		assert_memory_equal(key, expected, length);
		if (each->id % 2 == 0)
			assert_int_equal(wk_value_dict_remove(dict, wk_key_string(expected)), WK_OK);
		else
			assert_int_equal(wk_value_dict_set(dict, wk_key_string(expected), things[each->id]), WK_OK);
		if (each->id % 16 == 0)
			settle();
		assert_memory_equal(key, expected, length);
	}
	check_met(0, 500);
	drop(0, 500);
	wk_release(dict);
}

/* Ways out. */

static unsigned leave_by_return(wk_value_dict *dict)
{
	WK_EACH(struct thing, outer, dict) {
		WK_EACH(struct thing, inner, dict) {
			if (inner->id != outer->id)
				return 1;
		}
	}
	return 0;
}

static void test_promise_15_every_way_out(void **state)
{
	wk_value_dict *dict = weak_dict();
	unsigned turns = 0;

	(void)state;
	fill(dict, 0, 10);
	WK_EACH(struct thing, each, dict) {
		if (turns++ == 3)
			break;
	}
	assert_int_equal(turns, 4);
	WK_EACH(struct thing, each, dict) {
		if (each->id % 2 == 0)
			continue;
		turns++;
	}
	assert_int_equal(turns, 9);
	assert_int_equal(leave_by_return(dict), 1);
	WK_EACH(struct thing, each, dict) {
		WK_EACH(struct thing, same, dict) {
			if (same == each)
				goto out;
		}
	}
	fail();
out:
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(wk_strong_count(things[i]), 1);
	assert_int_equal(wk_strong_count(dict), 1);
	drop(0, 10);
	wk_release(dict);
}

/* Keys that share one hash. */

static uint64_t constant_hash(const void *key, uint64_t seed)
{
	(void)key;
	(void)seed;
	return 42;
}

static uint64_t poor_hash(const void *key, uint64_t seed)
{
	(void)seed;
	return (uint64_t)((const char *)key)[0] % 5;
}

static bool same_text(const void *a, const void *b)
{
	return strcmp(a, b) == 0;
}

static void *copy_text(const void *key)
{
	return strdup(key);
}

static const wk_key_type constant_keys = { constant_hash, same_text, copy_text, free, NULL };
static const wk_key_type poor_keys = { poor_hash, same_text, copy_text, free, NULL };

static wk_key text_of(char *text, unsigned i)
{
	sprintf(text, "%c%u", 'a' + (char)(i % 26), i);
	return wk_key_custom(text);
}

static void store(wk_value_dict *dict, unsigned i, int expected)
{
	struct thing *thing = thing_new(i);
	char text[16];

	assert_int_equal(wk_value_dict_set(dict, text_of(text, i), thing), expected);
	wk_release(things[i]);
	things[i] = thing;
}

static void check_ties(const wk_key_type *type, wk_value_mode values)
{
	wk_value_dict *dict = dict_of(WK_KEYS_CUSTOM, values, type, NULL);
	char text[16];
	unsigned turn = 0;

	for (unsigned i = 0; i < 100; i++)
		store(dict, i, WK_CREATED);
	WK_EACH(struct thing, each, dict) {
		meet(each);
		text_of(text, (unsigned)each->id);
		assert_string_equal(wk_cursor_key(&each_cursor, NULL), text);
		if (turn == 20)
			wk_cursor_park(&each_cursor);
		store(dict, turn % 100, WK_OK); /* replaced */
		store(dict, 200 + turn, WK_CREATED);
		if (turn > 50) /* a sweep, or a migration to another order */
			(void)wk_value_dict_remove(dict, text_of(text, 150 + turn));
		turn++;
	}
	assert_true(turn >= 100);
	check_met(0, 100);
	drop(0, 200 + turn);
	wk_release(dict);
}

static void test_promise_15_ties(void **state)
{
	(void)state;
	check_ties(&constant_keys, WK_VALUES_WEAK);
	check_ties(&constant_keys, WK_VALUES_STRONG);
	check_ties(&poor_keys, WK_VALUES_WEAK);
}

/* Left in the middle, ties are given up, with the container or without. */
static void test_ties_are_given_up(void **state)
{
	wk_value_dict *dict = dict_of(WK_KEYS_CUSTOM, WK_VALUES_WEAK, &constant_keys, NULL);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		store(dict, i, WK_CREATED);
	WK_EACH(struct thing, each, dict)
		break;
	WK_EACH(struct thing, each, dict) {
		wk_release(dict);
		dict = NULL;
		break;
	}
	drop(0, 100);
	settle();
}

/* Promise 20: without memory for ties nothing is passed over. Numbers never need any. */
static struct memory memory;
static const wk_allocator counting = { memory_allocate, memory_release, &memory };

static void test_promise_20_no_memory_for_ties(void **state)
{
	wk_value_dict *dict = dict_of(WK_KEYS_CUSTOM, WK_VALUES_WEAK, &poor_keys, &counting);
	unsigned long site = 1, failed = 0;
	wk_cursor cursor;
	struct thing *each;

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		store(dict, i, WK_CREATED);
	cursor = wk_cursor_open(dict);
	for (;;) {
		memory_fail_at(&memory, site);
		each = wk_cursor_next(&cursor);
		memory_fail_at(&memory, 0);
		if (each != NULL) {
			meet(each);
			site = 1;
		} else if (wk_last_status() == WK_ENOMEM) {
			site++;
			failed++;
		} else {
			break;
		}
	}
	assert_int_equal(wk_last_status(), WK_ENOTFOUND);
	assert_true(failed >= 5 * 3); /* hashes, and steps of making room */
	check_met(0, 200);
	wk_cursor_close(&cursor);
	drop(0, 200);
	wk_release(dict);
}

/* With memory of its own, and room for all from the beginning: so the runner allocates nothing there either. */
static void test_numbers_need_no_memory(void **state)
{
	static struct memory own;
	static const wk_allocator counting_own = { memory_allocate, memory_release, &own };
	const wk_value_dict_options options = {
		.struct_size = sizeof(options), .expected = MANY, .allocator = &counting_own
	};
	wk_value_dict *dict = wk_value_dict_new(&options, NULL);
	unsigned long calls;

	(void)state;
	fill(dict, 0, MANY);
	calls = own.calls;
	WK_EACH(struct thing, each, dict)
		meet(each);
	assert_int_equal(own.calls, calls);
	check_met(0, MANY);
	drop(0, MANY);
	wk_release(dict);
}

/* Misuse, and after the end of the runtime. */

static void no_container(void)
{
	struct thing *thing = wk_new(&thing_type);
	wk_cursor cursor = wk_cursor_open(thing);

	wk_cursor_close(&cursor);
}

static void no_number(void)
{
	wk_weak_set *set = wk_weak_set_new(NULL, NULL);
	struct thing *thing = wk_new(&thing_type);

	child_check(wk_weak_set_add(set, thing) == WK_CREATED);
	WK_EACH(struct thing, each, set)
		(void)wk_cursor_key_u64(&each_cursor);
}

static void test_promise_24_misuse(void **state)
{
	struct child_end end = child_run("no_container");

	(void)state;
	assert_true(child_aborted(&end));
	assert_true(child_said(&end, "struct thing"));
	assert_true(child_said(&end, "no container"));
	end = child_run("no_number");
	assert_true(child_aborted(&end));
	assert_true(child_said(&end, "wk_weak_set"));
	assert_true(child_said(&end, "asked for a number"));
}

/* Promise 22: a cursor is a lookup, and lookups still work. */
static void after_shutdown(void)
{
	wk_value_dict *dict = wk_value_dict_new(NULL, NULL);
	struct thing *one = wk_new(&thing_type), *two = wk_new(&thing_type);
	wk_cursor cursor;

	child_check(wk_value_dict_set(dict, wk_key_u64(1), one) == WK_CREATED);
	child_check(wk_value_dict_set(dict, wk_key_u64(2), two) == WK_CREATED);
	child_check(wk_runtime_start(NULL) >= 0);
	cursor = wk_cursor_open(dict);
	child_check(wk_cursor_next(&cursor) != NULL);
	(void)wk_runtime_shutdown(0, NULL);
	child_check(wk_cursor_next(&cursor) != NULL);
	child_check(wk_cursor_next(&cursor) == NULL);
	wk_cursor_close(&cursor);
	wk_release(dict);
	wk_release(one);
	wk_release(two);
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
	static const struct child_case cases[] = {
		{ "no_container", no_container },
		{ "no_number", no_number },
		{ "after_shutdown", after_shutdown },
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_meet),
		cmocka_unit_test(test_promise_15_everything_once),
		cmocka_unit_test(test_the_dead_are_not_met),
		cmocka_unit_test(test_clear_ends_it),
		cmocka_unit_test(test_promise_15_growth),
		cmocka_unit_test(test_promise_15_shrinking),
		cmocka_unit_test(test_promise_15_replacing),
		cmocka_unit_test(test_removing_on_the_way),
		cmocka_unit_test(test_it_holds_the_current_one),
		cmocka_unit_test(test_parking),
		cmocka_unit_test(test_it_holds_the_container),
		cmocka_unit_test(test_keys_stay),
		cmocka_unit_test(test_promise_15_every_way_out),
		cmocka_unit_test(test_promise_15_ties),
		cmocka_unit_test(test_ties_are_given_up),
		cmocka_unit_test(test_promise_20_no_memory_for_ties),
		cmocka_unit_test(test_numbers_need_no_memory),
		cmocka_unit_test(test_promise_24_misuse),
		cmocka_unit_test(test_after_shutdown),
		cmocka_unit_test(test_the_accounts_balance),
	};

	if (child_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0])))
		return 0;
	return cmocka_run_group_tests_name("weakref/cursor.h", tests, runtime_setup, NULL);
}
