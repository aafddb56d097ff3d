/*
 * collect/cursor.c, collect/walk.h, wki_table_each_rcu: what is met when the table changes its size while a walk
 * stands in the middle of a bucket, and what a cursor holds where it is parked
 *
 * Where keys stand follows from their hashes, so each test chooses its keys by them and checks that the walk
 * stands where it is meant to.
 */
#include "dictionary.h"

#define HASH_BITS 64u
#define STAY 120u     /* values that are there throughout */
#define PASSING 2000u /* values that come or go on the way begin at STAY */
#define SMALL 256u    /* buckets of a table that has shrunk to those that stay: fewer than half have one, but some have two */
_Static_assert(4 * STAY >= SMALL && 4 * STAY < 2 * SMALL, "a table shrinks while there is less than one in four buckets");

static struct value *values[STAY + PASSING];
static unsigned met[STAY];

static void put(wk_value_dict *dict, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		values[i] = value_new(i);
		assert_int_equal(wk_value_dict_set(dict, wk_key_u64(scrambled(i)), values[i]), WK_CREATED);
	}
}

static void drop(unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		wk_clear(&values[i]);
}

static void meet(const struct value *value)
{
	if (value->id < STAY)
		met[value->id]++;
}

static void check_met_once(void)
{
	for (unsigned i = 0; i < STAY; i++)
		assert_int_equal(met[i], 1);
	memset(met, 0, sizeof(met));
}

static uint64_t hash_of(const wk_value_dict *dict, uint64_t id)
{
	return wki_hash_u64(scrambled(id), dict->table.seed);
}

/* The runner is asked to shrink a table now and then only: see to it that it becomes as small as it may. */
static void shrink(wk_value_dict *dict)
{
	size_t buckets;

	settle_table(dict);
	do {
		buckets = figures_of(dict).buckets;
		(void)wki_table_start(&dict->table);
		settle_table(dict);
	} while (figures_of(dict).buckets < buckets);
	assert_int_equal(buckets, SMALL);
}

/* Of a table of so many buckets, the one that a hash is at home in. */
static uint64_t home_of(uint64_t hash, size_t buckets)
{
	unsigned bits = 0;

	while ((size_t)1 << bits < buckets)
		bits++;
	return bits == 0 ? 0 : hash >> (HASH_BITS - bits);
}

/* Of those that stay, some in the bucket of `hash` are not above it and some are: a walk that has passed it stands between. */
static bool is_in_mid_bucket(const wk_value_dict *dict, uint64_t hash, size_t buckets)
{
	bool below = false, above = false;

	for (unsigned i = 0; i < STAY; i++) {
		if (home_of(hash_of(dict, i), buckets) != home_of(hash, buckets))
			continue;
		if (hash_of(dict, i) <= hash)
			below = true;
		else
			above = true;
	}
	return below && above;
}

/* Growth: the bucket that the cursor stands in becomes two, and again. */
static void test_promise_15_growth_in_mid_bucket(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	wk_cursor cursor = wk_cursor_open(dict);
	unsigned end = STAY, grown = 0;
	struct value *each;

	(void)state;
	put(dict, 0, STAY);
	settle_table(dict);
	while ((each = wk_cursor_next(&cursor)) != NULL) {
		size_t buckets = figures_of(dict).buckets;

		meet(each);
		if (each->id >= STAY || grown == 4 || !is_in_mid_bucket(dict, hash_of(dict, each->id), buckets))
			continue;
		for (; figures_of(dict).buckets < 2 * buckets; end++) {
			put(dict, end, end + 1);
			settle_table(dict);
		}
		grown++;
	}
	assert_true(grown >= 2);
	check_met_once();
	wk_cursor_close(&cursor);
	drop(0, end);
	wk_release(dict);
	settle();
}

/* Shrinking: buckets that the cursor has passed, and others that it has not, become one. */
static void test_promise_15_shrinking_in_mid_bucket(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	wk_cursor cursor = wk_cursor_open(dict);
	size_t large, small = 0;
	struct value *each;

	(void)state;
	put(dict, 0, STAY + PASSING);
	settle_table(dict);
	large = figures_of(dict).buckets;
	while ((each = wk_cursor_next(&cursor)) != NULL) {
		meet(each);
		if (small != 0 || !is_in_mid_bucket(dict, hash_of(dict, each->id), SMALL))
			continue;
		drop(STAY, STAY + PASSING);
		shrink(dict);
		small = figures_of(dict).buckets;
		assert_true(is_in_mid_bucket(dict, hash_of(dict, each->id), small));
	}
	assert_true(small == SMALL && small < large);
	check_met_once();
	wk_cursor_close(&cursor);
	drop(0, STAY);
	wk_release(dict);
	settle();
}

/* The same for who visits bucket by bucket: each_peek, pop and clear. */
static void visit(struct wki_entry *entry, void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < STAY; i++)
		met[i] += wki_entry_state_is_live(entry) && entry->key.number == scrambled(i);
}

static bool visit_bucket(wk_value_dict *dict, uint64_t *from)
{
	bool more;

	wki_read_lock();
	more = wki_table_each_rcu(&dict->table, from, visit, NULL);
	wki_read_unlock();
	return more;
}

static void test_visits_of_buckets_that_become_one(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	uint64_t from = 0;
	bool more = true;

	(void)state;
	put(dict, 0, STAY + PASSING);
	settle_table(dict);
	assert_true(figures_of(dict).buckets > SMALL);
	while (more && (from == 0 || !is_in_mid_bucket(dict, from - 1, SMALL)))
		more = visit_bucket(dict, &from);
	assert_true(more);
	drop(STAY, STAY + PASSING);
	shrink(dict);
	assert_true(is_in_mid_bucket(dict, from - 1, SMALL));
	while (more)
		more = visit_bucket(dict, &from);
	check_met_once();
	drop(0, STAY);
	wk_release(dict);
	settle();
}

static void test_visits_of_a_bucket_that_becomes_two(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	size_t buckets;
	uint64_t from = 0;
	bool more;

	(void)state;
	put(dict, 0, STAY);
	settle_table(dict);
	buckets = figures_of(dict).buckets;
	more = visit_bucket(dict, &from);
	put(dict, STAY, STAY + PASSING);
	settle_table(dict);
	assert_true(figures_of(dict).buckets > buckets && more);
	while (more)
		more = visit_bucket(dict, &from);
	check_met_once();
	drop(0, STAY + PASSING);
	wk_release(dict);
	settle();
}

/* Parked, a cursor keeps no object, no entry and no array: all of them go, more than once, and it goes on. */
static void test_promise_15_parked_while_everything_goes(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	wk_cursor cursor = wk_cursor_open(dict);
	struct value *each;
	unsigned turns = 0;
	uint64_t id;

	(void)state;
	put(dict, 0, STAY);
	for (; (each = wk_cursor_next(&cursor)) != NULL; turns++) {
		id = each->id;
		meet(each);
		wk_cursor_park(&cursor);
		assert_int_equal(wk_strong_count(values[id]), 1);
		if (turns % 10 == 0 && id < STAY) {
			put(dict, STAY, STAY + PASSING);
			settle_table(dict);
			drop(STAY, STAY + PASSING);
			shrink(dict);
		}
	}
	assert_true(turns >= STAY);
	check_met_once();
	wk_cursor_close(&cursor);
	drop(0, STAY);
	wk_release(dict);
	settle();
}

/* Keys of one hash: all are at home in one bucket, with what overflows from it, whatever the size of the table. */

static unsigned copies, copies_released; /* the latter by the runner; read when it has ended */

static uint64_t tied_hash(const void *key, uint64_t seed)
{
	(void)seed;
	return *(const unsigned *)key < STAY ? 7 : *(const unsigned *)key;
}

static bool tied_equal(const void *a, const void *b)
{
	return *(const unsigned *)a == *(const unsigned *)b;
}

static void *tied_copy(const void *key)
{
	unsigned *copy = malloc(sizeof(*copy));

	if (copy != NULL) {
		*copy = *(const unsigned *)key;
		copies++;
	}
	return copy;
}

static void tied_release(void *key)
{
	copies_released++;
	free(key);
}

static const wk_key_type tied_keys = { tied_hash, tied_equal, tied_copy, tied_release, NULL };

static void put_tied(wk_value_dict *dict, unsigned first, unsigned end, int expected)
{
	for (unsigned i = first; i < end; i++) {
		struct value *value = value_new(i);

		assert_int_equal(wk_value_dict_set(dict, wk_key_custom(&i), value), expected);
		wk_release(values[i]);
		values[i] = value;
	}
}

/* In the middle of the ties: they move to another array and back, each third is removed, each other third replaced. */
static void disturb(wk_value_dict *dict)
{
	size_t buckets = figures_of(dict).buckets;

	put_tied(dict, STAY, STAY + PASSING, WK_CREATED);
	settle_table(dict);
	assert_true(figures_of(dict).buckets > buckets && overflow_of(dict) >= (STAY - 1) / WKI_BUCKET_SLOTS);
	for (unsigned i = 0; i < STAY; i++) {
		if (i % 3 == 0)
			assert_int_equal(wk_value_dict_remove(dict, wk_key_custom(&i)), WK_OK);
		else if (i % 3 == 1)
			put_tied(dict, i, i + 1, WK_OK);
	}
	drop(STAY, STAY + PASSING);
	shrink(dict);
}

static void test_promise_15_ties_that_move(void **state)
{
	const wk_value_dict_options options = {
		.struct_size = sizeof(options), .keys = WK_KEYS_CUSTOM, .key_type = &tied_keys
	};
	wk_value_dict *dict = wk_value_dict_new(&options, NULL);
	wk_cursor cursor = wk_cursor_open(dict);
	struct value *each;
	unsigned turns = 0;

	(void)state;
	put_tied(dict, 0, STAY, WK_CREATED);
	assert_true(overflow_of(dict) > 0);
	for (; (each = wk_cursor_next(&cursor)) != NULL; turns++) {
		meet(each);
		if (turns == STAY / 3) {
			assert_ptr_equal(each, values[each->id]);
			wk_cursor_park(&cursor);
			disturb(dict);
		} else if (turns > STAY / 3) {
			assert_ptr_equal(each, values[each->id]); /* what is stored now, not what was then */
			assert_int_not_equal(each->id % 3, 0);
		}
	}
	for (unsigned i = 0; i < STAY; i++)
		assert_in_range(met[i], i % 3 == 0 ? 0 : 1, 1);
	memset(met, 0, sizeof(met));
	wk_cursor_close(&cursor);
	drop(0, STAY);
	wk_release(dict);
	settle();
}

static void test_ties_left_in_the_middle(void **state)
{
	const wk_value_dict_options options = {
		.struct_size = sizeof(options), .keys = WK_KEYS_CUSTOM, .key_type = &tied_keys
	};
	wk_value_dict *dict = wk_value_dict_new(&options, NULL);
	wk_cursor cursor = wk_cursor_open(dict);

	(void)state;
	put_tied(dict, 0, STAY, WK_CREATED);
	for (unsigned i = 0; i < STAY / 2; i++)
		assert_non_null(wk_cursor_next(&cursor));
	for (unsigned i = 0; i < STAY; i++)
		assert_int_equal(wk_value_dict_remove(dict, wk_key_custom(&i)), WK_OK);
	wk_cursor_close(&cursor);
	drop(0, STAY);
	wk_release(dict);
}

/* After the accounts: the holds of cursors that were closed have gone with them, every copy of a key is released. */
static void test_no_key_is_kept(void **state)
{
	(void)state;
	assert_true(copies > 0);
	assert_int_equal(copies_released, copies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_15_growth_in_mid_bucket),
		cmocka_unit_test(test_promise_15_shrinking_in_mid_bucket),
		cmocka_unit_test(test_visits_of_buckets_that_become_one),
		cmocka_unit_test(test_visits_of_a_bucket_that_becomes_two),
		cmocka_unit_test(test_promise_15_parked_while_everything_goes),
		cmocka_unit_test(test_promise_15_ties_that_move),
		cmocka_unit_test(test_ties_left_in_the_middle),
		cmocka_unit_test(test_the_accounts_balance),
		cmocka_unit_test(test_no_key_is_kept),
	};

	return cmocka_run_group_tests_name("collect/cursor", tests, runtime_setup, NULL);
}
