/*
 * Values at home (core/control.h): found without their entry, and never under a key that is not theirs
 */
#include "dictionary.h"

#include "collect/array.h"
#include "collect/move.h"

/* What a lookup of the number sees first. */
static struct wki_glance glance_at(const wk_value_dict *dict, uint64_t number)
{
	return wki_slots_glance(&dict->table.root, wki_hash_u64(number, dict->table.seed));
}

static bool is_keyed(const wk_value_dict *dict, uint64_t number)
{
	return (glance_at(dict, number).word & WKI_KEYED) != 0;
}

/* The value as the first look finds it; borrowed: the caller has a reference. */
static void *at_home(const wk_value_dict *dict, uint64_t number)
{
	struct wki_control *control;
	void *value = NULL;

	wki_read_lock();
	if (wki_value_glance_rcu(dict, number, wki_hash_u64(number, dict->table.seed), 0, &control))
		value = wki_control_peek(control);
	wki_read_unlock();
	return value;
}

/* A number that is looked for in the same bucket, by the same tag. */
static uint64_t twin_of(const wk_value_dict *dict, uint64_t number)
{
	const struct wki_array *array = wki_slots_current(&dict->table.root);
	const uint64_t hash = wki_hash_u64(number, dict->table.seed);
	uint64_t twin = number, other;

	do {
		other = wki_hash_u64(++twin, dict->table.seed);
	} while (wki_hash_tag(other) != wki_hash_tag(hash) || wki_slots_home(array, other) != wki_slots_home(array, hash));
	return twin;
}

static void put(wk_value_dict *dict, uint64_t number, struct value *value)
{
	assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(number), value), WK_CREATED);
}

static void assert_found(const wk_value_dict *dict, uint64_t number, struct value *value)
{
	WK_AUTO struct value *found = wk_value_dict_get(dict, wk_key_u64(number));

	assert_ptr_equal(found, value);
	wki_read_lock();
	assert_ptr_equal(wk_value_dict_peek(dict, wk_key_u64(number)), value);
	wki_read_unlock();
	assert_int_equal(wk_value_dict_contains(dict, wk_key_u64(number)), value != NULL);
}

static void test_found_without_its_entry(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 64, NULL);
	struct value *value = value_new(7);
	struct wki_entry *entry;

	(void)state;
	put(dict, 7, value);
	assert_true(is_keyed(dict, 7));
	assert_ptr_equal(at_home(dict, 7), value);
	assert_found(dict, 7, value);
	entry = wki_word_named(glance_at(dict, 7).word);
	assert_ptr_equal(glance_at(dict, 7).hinted, entry->control);
	assert_true(wki_entry_is_home(entry));
	wk_release(value);
	assert_null(at_home(dict, 7));
	assert_found(dict, 7, NULL);
	wk_release(dict);
}

static void test_strong_values_have_a_home_too(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_STRONG, 64, NULL);
	struct value *value = value_new(7);

	(void)state;
	put(dict, 7, value);
	assert_true(is_keyed(dict, 7));
	assert_ptr_equal(at_home(dict, 7), value);
	assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(7)), WK_OK);
	assert_null(at_home(dict, 7));
	assert_found(dict, 7, NULL);
	put(dict, 8, value);
	assert_found(dict, 8, value);
	wk_release(value);
	wk_release(dict);
}

/* Bucket and tag say the same of both: only the key tells them apart. */
static void test_a_key_with_the_same_tag(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	struct value *first = value_new(1), *second = value_new(2);
	uint64_t twin = twin_of(dict, 1);

	(void)state;
	put(dict, 1, first);
	assert_true(is_keyed(dict, twin));
	assert_null(at_home(dict, twin));
	assert_found(dict, twin, NULL);
	put(dict, twin, second);
	assert_found(dict, 1, first);
	assert_found(dict, twin, second);
	/* Both keys have one value, at home under one of them. */
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(twin), first), WK_OK);
	assert_found(dict, 1, first);
	assert_found(dict, twin, first);
	assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(1)), WK_OK);
	assert_found(dict, 1, NULL);
	assert_found(dict, twin, first);
	wk_release(first);
	wk_release(second);
	wk_release(dict);
}

static void test_one_home_for_good(void **state)
{
	wk_value_dict *home = dictionary_new(WK_VALUES_WEAK, 64, NULL), *other = dictionary_new(WK_VALUES_WEAK, 64, NULL);
	struct value *value = value_new(7), *known = value_new(8);
	wk_weak *weak = wk_downgrade(known);

	(void)state;
	put(home, 7, value);
	put(other, 17, value);
	assert_true(is_keyed(home, 7));
	assert_false(is_keyed(other, 17));
	assert_found(other, 17, value);
	put(home, 8, known); /* it was borrowed before */
	assert_false(is_keyed(home, 8));
	assert_found(home, 8, known);
	assert_int_equal(wk_value_dict_remove(home, wk_key_u64(7)), WK_OK);
	assert_found(home, 7, NULL);
	assert_found(other, 17, value);
	put(home, 27, value);
	assert_false(is_keyed(home, 27));
	assert_found(home, 27, value);
	assert_found(other, 17, value);
	wk_weak_release(weak);
	wk_release(known);
	wk_release(value);
	wk_release(home);
	wk_release(other);
}

/* What comes into a slot after its first entry is found by its own entry; where it is moved to, it is the first. */
static void test_a_slot_is_keyed_once(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 64, NULL);
	struct value *other = value_new(1), *value = value_new(2);

	(void)state;
	put(dict, 0, other);
	assert_true(is_keyed(dict, 0));
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(0), value), WK_OK);
	assert_false(is_keyed(dict, 0));
	assert_found(dict, 0, value);
	wk_release(other);
	wk_release(value);
	wk_release(dict);
}

static void test_movers_key(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	static struct value *values[2000];
	unsigned keyed = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		put(dict, scrambled(i), values[i] = value_new(i));
	settle_table(dict);
	assert_true(figures_of(dict).buckets > 256); /* every one has been moved several times */
	for (unsigned i = 0; i < 2000; i++) {
		assert_found(dict, scrambled(i), values[i]);
		keyed += at_home(dict, scrambled(i)) == values[i] && is_keyed(dict, scrambled(i));
	}
	assert_true(keyed > 1600); /* not those of overflow buckets */
	for (unsigned i = 0; i < 2000; i++)
		wk_release(values[i]);
	wk_release(dict);
}

/* The unit that an entry owns after it has left is no weak handle, and is given back. */
static void test_what_is_owed_is_no_weak_handle(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 64, NULL);
	struct value *value = value_new(7);
	struct wki_control *control = wki_control_of(value);
	wk_weak *weak;

	(void)state;
	put(dict, 7, value);
	wki_read_lock(); /* nothing is given back */
	assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(7)), WK_OK);
	assert_int_not_equal(wki_control_meta(control) & WKI_OWED, 0);
	assert_int_equal(wk_weak_count(value), 0);
	assert_true(wk_is_unique(value));
	weak = wk_downgrade(value);
	assert_int_equal(wk_weak_count(value), 1);
	assert_false(wk_is_unique(value));
	wki_read_unlock();
	wk_weak_release(weak);
	settle();
	wk_release(dict);
	settle();
	assert_int_equal(wk_weak_count(value), 0);
	assert_true(wk_is_unique(value));
	wk_release(value);
}

WK_DEFINE_OWNED_TYPE(plugged_type, struct value, .flags = 0);

/*
 * What ends while a mover has it is in the next array afterwards, and stays there until somebody wants its slot. It
 * must not keep a plug-in.
 */
static void ends_while_it_is_moved(bool removes)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options) };
	wk_value_dict *dict = wk_value_dict_new(&options, NULL);
	struct value *value = wk_new(&plugged_type);
	struct wki_array *array;
	uint64_t hash;

	put(dict, 7, value);
	assert_false(is_keyed(dict, 7));
	assert_found(dict, 7, value);
	hash = wki_hash_u64(7, dict->table.seed);
	wki_read_lock();
	array = wki_slots_current(&dict->table.root);
	assert_true(wki_slots_start(array, wki_array_new(NULL, wki_array_bits(array) + 1)));
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
		atomic_fetch_or_release(&wki_slots_home(array, hash)->slot[i], WKI_FROZEN);
	wki_read_unlock();
	if (removes)
		assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(7)), WK_OK);
	wk_release(value);
	wki_read_lock();
	assert_true(wki_table_pass_rcu(&dict->table, array, hash)); /* the mover goes on */
	wki_read_unlock();
	settle();
	assert_int_equal(wk_owner_drain(plugged_type.owner, WK_NO_TIMEOUT, NULL), WK_OK);
	wk_release(dict);
}

static void test_a_plug_in_has_no_home(void **state)
{
	(void)state;
	for (unsigned removes = 0; removes < 2; removes++) {
		plugged_type.owner = wk_owner_new("plug-in", NULL);
		ends_while_it_is_moved(removes != 0);
		wk_release(plugged_type.owner);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found_without_its_entry),
		cmocka_unit_test(test_strong_values_have_a_home_too),
		cmocka_unit_test(test_a_key_with_the_same_tag),
		cmocka_unit_test(test_one_home_for_good),
		cmocka_unit_test(test_a_slot_is_keyed_once),
		cmocka_unit_test(test_movers_key),
		cmocka_unit_test(test_what_is_owed_is_no_weak_handle),
		cmocka_unit_test(test_a_plug_in_has_no_home),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("collect/home", tests, runtime_setup_near, NULL);
}
