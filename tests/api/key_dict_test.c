/*
 * weakref/key_dict.h by one thread: what each call answers, who owns what, for keys and values of every kind
 */
#include "runtime_fixture.h"

#include "support/child.h"

#define MANY 2000u

struct thing {
	uint64_t id;
};

static uint64_t thing_hash(const void *payload)
{
	return ((const struct thing *)payload)->id;
}

static bool thing_equal(const void *a, const void *b)
{
	return ((const struct thing *)a)->id == ((const struct thing *)b)->id;
}

static uint64_t poor_hash(const void *payload)
{
	(void)payload;
	return 7;
}

WK_DEFINE_TYPE(thing_type, struct thing, .hash = thing_hash, .equal = thing_equal);
WK_DEFINE_TYPE(poor_type, struct thing, .hash = poor_hash, .equal = thing_equal);
WK_DEFINE_TYPE(mute_type, struct thing, .equal = thing_equal);
WK_DEFINE_TYPE(closed_type, struct thing, .flags = WK_TYPE_NO_WEAK);
WK_DEFINE_TYPE(prompt_type, struct thing, .flags = WK_TYPE_PROMPT, .hash = thing_hash, .equal = thing_equal);

static struct thing *thing_of(const wk_type *type, uint64_t id)
{
	struct thing *thing = wk_new(type);

	assert_non_null(thing);
	thing->id = id;
	return thing;
}

static struct thing *thing_new(uint64_t id)
{
	return thing_of(&thing_type, id);
}

/* Plain values: numbers in an array, whose destructor counts. */
static unsigned plain[8], released;

static void plain_release(void *value)
{
	released++;
	*(unsigned *)value = 0;
}

/* Every combination of what tells keys apart and how values are held. */
struct variant {
	wk_compare compare;
	wk_hold hold;
};
static const struct variant variants[] = {
	{ WK_BY_IDENTITY, WK_HOLD_STRONG }, { WK_BY_IDENTITY, WK_HOLD_WEAK }, { WK_BY_IDENTITY, WK_HOLD_PLAIN },
	{ WK_BY_EQUALITY, WK_HOLD_STRONG }, { WK_BY_EQUALITY, WK_HOLD_WEAK }, { WK_BY_EQUALITY, WK_HOLD_PLAIN },
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static wk_key_dict *dict_of(wk_compare compare, wk_hold hold)
{
	const wk_key_dict_options options = { .struct_size = sizeof(options),
					      .name = "things",
					      .compare = compare,
					      .values = hold,
					      .release_value = hold == WK_HOLD_PLAIN ? plain_release : NULL };
	int status = 1;
	wk_key_dict *dict = wk_key_dict_new(&options, &status);

	assert_int_equal(status, WK_OK);
	assert_non_null(dict);
	return dict;
}

static void *value_new(wk_hold hold, unsigned i)
{
	if (hold != WK_HOLD_PLAIN)
		return thing_new(i);
	plain[i] = i;
	return &plain[i];
}

static void value_drop(wk_hold hold, void *value)
{
	if (hold != WK_HOLD_PLAIN)
		wk_release(value);
}

/* What peek answers: only for comparing. */
static const void *look(const wk_key_dict *dict, const void *key)
{
	const void *value;

	wk_read_lock();
	value = wk_key_dict_peek(dict, key);
	wk_read_unlock();
	return value;
}

/* What died is dealt with, and what died of that. */
static void settle_twice(void)
{
	settle();
	settle();
}

/* Beginnings. */

static int new_status(const wk_key_dict_options *options)
{
	int status = 1;

	assert_null(wk_key_dict_new(options, &status));
	assert_null(wk_key_dict_new(options, NULL));
	return status;
}

static void test_new_refuses(void **state)
{
	const wk_key_dict_options fine = { .struct_size = sizeof(fine) };
	wk_key_dict_options options = fine;

	(void)state;
	options.struct_size--;
	assert_int_equal(new_status(&options), WK_EINVAL);
	options = fine;
	options.compare = (wk_compare)(WK_BY_EQUALITY + 1);
	assert_int_equal(new_status(&options), WK_EINVAL);
	options = fine;
	options.values = (wk_hold)(WK_HOLD_PLAIN + 1);
	assert_int_equal(new_status(&options), WK_EINVAL);
	options = fine;
	options.release_value = plain_release;
	assert_int_equal(new_status(&options), WK_EINVAL);
	options = fine;
	options.values = WK_HOLD_PLAIN;
	options.value_type = &thing_type;
	assert_int_equal(new_status(&options), WK_EINVAL);
	options = fine;
	options.key_type = &closed_type;
	assert_int_equal(new_status(&options), WK_ETYPE);
	options = fine;
	options.values = WK_HOLD_WEAK;
	options.value_type = &closed_type;
	assert_int_equal(new_status(&options), WK_ETYPE);
	options = fine;
	options.compare = WK_BY_EQUALITY;
	options.key_type = &mute_type;
	assert_int_equal(new_status(&options), WK_ETYPE);
	options.key_type = &prompt_type;
	assert_int_equal(new_status(&options), WK_ETYPE);
}

static void test_new_by_default(void **state)
{
	wk_key_dict *dict = wk_key_dict_new(NULL, NULL);
	struct thing *key = thing_new(1), *value = thing_new(2), *got;

	(void)state;
	assert_int_equal(wk_key_dict_len(dict), 0);
	assert_int_equal(wk_key_dict_set(dict, key, value), WK_CREATED);
	wk_release(value); /* the entry has it */
	got = wk_key_dict_get(dict, key);
	assert_ptr_equal(got, value);
	wk_release(got);
	assert_int_equal(wk_strong_count(key), 1);
	assert_int_equal(wk_weakref_count(key), 1);
	wk_release(key);
	wk_release(dict);
}

/* Storing and removing. */

static void check_comes_and_goes(struct variant variant)
{
	wk_key_dict *dict = dict_of(variant.compare, variant.hold);
	struct thing *key = thing_new(1), *other = thing_new(2);
	void *one = value_new(variant.hold, 1), *two = value_new(variant.hold, 2), *three = value_new(variant.hold, 3);

	assert_null(look(dict, key));
	assert_false(wk_key_dict_contains(dict, key));
	assert_int_equal(wk_key_dict_remove(dict, key), WK_ENOTFOUND);
	assert_null(wk_key_dict_pop(dict, key));
	assert_int_equal(wk_key_dict_set(dict, key, one), WK_CREATED);
	assert_int_equal(wk_key_dict_insert(dict, key, two), WK_EEXISTS);
	assert_ptr_equal(look(dict, key), one);
	assert_int_equal(wk_key_dict_set(dict, key, two), WK_OK);
	assert_ptr_equal(look(dict, key), two);
	assert_int_equal(wk_key_dict_insert(dict, other, three), WK_CREATED);
	assert_int_equal(wk_key_dict_len(dict), 2);
	assert_true(wk_key_dict_contains(dict, other));
	assert_int_equal(wk_key_dict_remove_if(dict, key, three), WK_ENOTFOUND);
	assert_int_equal(wk_key_dict_remove_if(dict, key, NULL), WK_ENOTFOUND);
	assert_int_equal(wk_key_dict_remove_if(dict, key, two), WK_OK);
	assert_int_equal(wk_key_dict_remove(dict, key), WK_ENOTFOUND);
	assert_int_equal(wk_key_dict_remove(dict, other), WK_OK);
	assert_int_equal(wk_key_dict_len(dict), 0);
	value_drop(variant.hold, one);
	value_drop(variant.hold, two);
	value_drop(variant.hold, three);
	wk_release(key);
	wk_release(other);
	wk_release(dict);
}

static void test_entries_come_and_go(void **state)
{
	(void)state;
	released = 0;
	for (unsigned i = 0; i < VARIANTS; i++) {
		check_comes_and_goes(variants[i]);
		settle(); /* the same plain values again */
	}
	assert_int_equal(released, 6); /* three values each of two dictionaries */
}

static void test_what_is_refused(void **state)
{
	const wk_key_dict_options options = {
		.struct_size = sizeof(options), .compare = WK_BY_EQUALITY, .key_type = &thing_type, .value_type = &thing_type
	};
	wk_key_dict *dict = wk_key_dict_new(&options, NULL), *any = dict_of(WK_BY_EQUALITY, WK_HOLD_WEAK);
	struct thing *thing = thing_new(1), *poor = thing_of(&poor_type, 1), *mute = thing_of(&mute_type, 1);
	struct thing *closed = thing_of(&closed_type, 1), *prompt = thing_of(&prompt_type, 1);

	(void)state;
	assert_int_equal(wk_key_dict_set(dict, NULL, thing), WK_EINVAL);
	assert_int_equal(wk_key_dict_set(dict, thing, NULL), WK_EINVAL);
	assert_int_equal(wk_key_dict_set(dict, poor, thing), WK_ETYPE);
	assert_int_equal(wk_key_dict_set(dict, thing, poor), WK_ETYPE);
	assert_int_equal(wk_key_dict_insert(any, mute, thing), WK_ETYPE);
	assert_int_equal(wk_key_dict_insert(any, closed, thing), WK_ETYPE);
	assert_int_equal(wk_key_dict_insert(any, prompt, thing), WK_ETYPE);
	assert_int_equal(wk_key_dict_insert(any, thing, closed), WK_ETYPE);
	assert_null(wk_key_dict_get(any, NULL));
	assert_null(wk_key_dict_get(any, mute));
	assert_false(wk_key_dict_contains(any, mute));
	assert_int_equal(wk_key_dict_remove(any, mute), WK_ENOTFOUND);
	assert_int_equal(wk_key_dict_insert(any, poor, thing), WK_CREATED);
	assert_false(wk_key_dict_contains(any, thing)); /* equal, but of another type */
	wk_release(thing);
	wk_release(poor);
	wk_release(mute);
	wk_release(closed);
	wk_release(prompt);
	wk_release(dict);
	wk_release(any);
}

static void check_get_or_insert(struct variant variant)
{
	wk_key_dict *dict = dict_of(variant.compare, variant.hold);
	struct thing *key = thing_new(1);
	void *one = value_new(variant.hold, 1), *two = value_new(variant.hold, 2), *got;
	int status = 9;

	got = wk_key_dict_get_or_insert(dict, key, one, &status);
	assert_ptr_equal(got, one);
	assert_int_equal(status, WK_CREATED);
	value_drop(variant.hold, got);
	got = wk_key_dict_get_or_insert(dict, key, two, &status);
	assert_ptr_equal(got, one);
	assert_int_equal(status, WK_OK);
	value_drop(variant.hold, got);
	assert_null(wk_key_dict_get_or_insert(dict, NULL, two, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_key_dict_get_or_insert(dict, key, NULL, NULL));
	got = wk_key_dict_pop(dict, key);
	assert_ptr_equal(got, one);
	value_drop(variant.hold, got);
	assert_int_equal(wk_key_dict_len(dict), 0);
	if (variant.hold != WK_HOLD_PLAIN)
		assert_int_equal(wk_strong_count(one), 1);
	value_drop(variant.hold, one);
	value_drop(variant.hold, two);
	wk_release(key);
	wk_release(dict);
}

static void test_get_or_insert(void **state)
{
	(void)state;
	released = 0;
	for (unsigned i = 0; i < VARIANTS; i++) {
		check_get_or_insert(variants[i]);
		settle();
	}
	assert_int_equal(released, 0); /* what was popped or not taken is ours */
}

/* A strong value is given up when its entry ends, by whatever. */
static void check_strong(wk_compare compare)
{
	wk_key_dict *dict = dict_of(compare, WK_HOLD_STRONG);
	struct thing *key = thing_new(1), *value = thing_new(2);

	assert_int_equal(wk_key_dict_set(dict, key, value), WK_CREATED);
	assert_int_equal(wk_strong_count(value), 2);
	assert_int_equal(wk_key_dict_set(dict, key, value), WK_OK);
	assert_int_equal(wk_strong_count(value), 2);
	assert_int_equal(wk_key_dict_remove(dict, key), WK_OK);
	assert_int_equal(wk_strong_count(value), 1);
	assert_int_equal(wk_key_dict_set(dict, key, value), WK_CREATED);
	wk_key_dict_clear(dict);
	assert_int_equal(wk_strong_count(value), 1);
	assert_int_equal(wk_key_dict_set(dict, key, value), WK_CREATED);
	wk_release(key);
	assert_int_equal(wk_key_dict_len(dict), 0);
	settle();
	assert_int_equal(wk_strong_count(value), 1);
	key = thing_new(3);
	assert_int_equal(wk_key_dict_set(dict, key, value), WK_CREATED);
	wk_release(dict);
	settle();
	assert_int_equal(wk_strong_count(value), 1);
	wk_release(key);
	wk_release(value);
}

static void test_strong_values(void **state)
{
	(void)state;
	check_strong(WK_BY_IDENTITY);
	check_strong(WK_BY_EQUALITY);
}

/* An entry ends with its value, too; a new one comes under the same key. */
static void check_weak(wk_compare compare)
{
	wk_key_dict *dict = dict_of(compare, WK_HOLD_WEAK);
	struct thing *key = thing_new(1), *value;

	for (unsigned i = 0; i < 40; i++) {
		value = thing_new(i);
		assert_int_equal(wk_key_dict_set(dict, key, value), WK_CREATED);
		assert_int_equal(wk_strong_count(value), 1);
		assert_int_equal(wk_key_dict_len(dict), 1);
		assert_ptr_equal(look(dict, key), value);
		assert_int_equal(wk_weakref_count(value), 1);
		assert_int_equal(wk_weakref_count(key), 1);
		wk_release(value);
		assert_int_equal(wk_key_dict_len(dict), 0);
		assert_false(wk_key_dict_contains(dict, key));
		assert_null(wk_key_dict_get(dict, key));
		assert_int_equal(wk_weakref_count(key), 0);
	}
	value = thing_new(1);
	assert_int_equal(wk_key_dict_set(dict, key, value), WK_CREATED);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(wk_key_dict_set(dict, key, value), WK_OK);
	assert_int_equal(wk_weakref_count(value), 1);
	wk_release(key);
	assert_int_equal(wk_key_dict_len(dict), 0);
	assert_int_equal(wk_weakref_count(value), 0);
	key = thing_new(2);
	assert_int_equal(wk_key_dict_set(dict, key, value), WK_CREATED);
	wk_release(dict);
	settle();
	assert_int_equal(wk_weakref_count(value), 0);
	assert_int_equal(wk_weakref_count(key), 0);
	wk_release(key);
	wk_release(value);
}

static void test_weak_values(void **state)
{
	(void)state;
	check_weak(WK_BY_IDENTITY);
	check_weak(WK_BY_EQUALITY);
}

/* Plain values are destroyed on the runner, when nobody peeks any more. */
static void check_plain(wk_compare compare)
{
	wk_key_dict *dict = dict_of(compare, WK_HOLD_PLAIN);
	struct thing *key = thing_new(1);
	const unsigned *peeked;

	released = 0;
	assert_int_equal(wk_key_dict_set(dict, key, value_new(WK_HOLD_PLAIN, 1)), WK_CREATED);
	wk_read_lock();
	peeked = wk_key_dict_peek(dict, key);
	assert_int_equal(wk_key_dict_set(dict, key, value_new(WK_HOLD_PLAIN, 2)), WK_OK);
	assert_int_equal(*peeked, 1);
	wk_read_unlock();
	settle();
	assert_int_equal(released, 1);
	assert_int_equal(wk_key_dict_remove(dict, key), WK_OK);
	settle();
	assert_int_equal(released, 2);
	assert_int_equal(wk_key_dict_set(dict, key, value_new(WK_HOLD_PLAIN, 3)), WK_CREATED);
	wk_release(key);
	settle();
	assert_int_equal(released, 3);
	key = thing_new(2);
	assert_int_equal(wk_key_dict_set(dict, key, value_new(WK_HOLD_PLAIN, 4)), WK_CREATED);
	wk_release(dict);
	settle_twice();
	assert_int_equal(released, 4);
	wk_release(key);
}

static void test_plain_values(void **state)
{
	(void)state;
	check_plain(WK_BY_IDENTITY);
	check_plain(WK_BY_EQUALITY);
}

/* Promise 4: a release runs no other release. A chain of a million entries ends one after the other. */
static void test_a_chain_of_keys_and_values(void **state)
{
	wk_key_dict *dict = wk_key_dict_new(NULL, NULL);
	struct thing *first = thing_new(0), *last = first, *next;
	unsigned long passes = 0;

	(void)state;
	for (unsigned i = 1; i < MANY; i++) {
		next = thing_new(i);
		assert_int_equal(wk_key_dict_set(dict, last, next), WK_CREATED);
		if (last != first)
			wk_release(last);
		last = next;
	}
	wk_release(last);
	assert_int_equal(wk_key_dict_len(dict), MANY - 1);
	wk_release(first);
	for (; wk_key_dict_len(dict) > 0; passes++)
		settle();
	assert_true(passes <= MANY);
	wk_release(dict);
}

static struct thing *keys[MANY], *values[MANY];

static void fill(wk_key_dict *dict, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		keys[i] = thing_new(i);
		values[i] = thing_new(i);
		assert_int_equal(wk_key_dict_set(dict, keys[i], values[i]), WK_CREATED);
	}
}

static void drop(unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		wk_clear(&keys[i]);
		wk_clear(&values[i]);
	}
}

/* Equality. */

static void test_the_first_of_equal_keys_stays(void **state)
{
	wk_key_dict *dict = dict_of(WK_BY_EQUALITY, WK_HOLD_STRONG);
	struct thing *guido = thing_new(1), *same = thing_new(1), *one = thing_new(10), *two = thing_new(20);

	(void)state;
	assert_int_equal(wk_key_dict_set(dict, guido, one), WK_CREATED);
	assert_true(wk_key_dict_contains(dict, same));
	assert_int_equal(wk_key_dict_set(dict, same, two), WK_OK);
	assert_int_equal(wk_key_dict_len(dict), 1);
	assert_ptr_equal(look(dict, guido), two);
	assert_int_equal(wk_weakref_count(same), 0);
	assert_int_equal(wk_weakref_count(guido), 1);
	wk_release(guido);
	assert_int_equal(wk_key_dict_len(dict), 0);
	assert_null(look(dict, same));
	assert_int_equal(wk_key_dict_set(dict, same, two), WK_CREATED);
	assert_ptr_equal(look(dict, same), two);
	wk_release(same);
	wk_release(one);
	wk_release(two);
	wk_release(dict);
}

/*
 * A key dies right after another one was found equal to it, and a third one is stored meanwhile: the second must not
 * take the dead one's place, or there would be two. Its own equality brings it about, which no program may do.
 */
static struct {
	wk_key_dict *dict;
	struct thing *first, *third, *value;
	bool due;
} intrusion;

static bool intruding_equal(const void *a, const void *b)
{
	if (intrusion.due) {
		intrusion.due = false;
		wk_clear(&intrusion.first);
		assert_int_equal(wk_key_dict_insert(intrusion.dict, intrusion.third, intrusion.value), WK_CREATED);
	}
	return thing_equal(a, b);
}
WK_DEFINE_TYPE(intruding_type, struct thing, .hash = thing_hash, .equal = intruding_equal);

static void check_intrusion(wk_hold hold)
{
	struct thing *second = thing_of(&intruding_type, 1);

	intrusion.dict = dict_of(WK_BY_EQUALITY, hold);
	intrusion.first = thing_of(&intruding_type, 1);
	intrusion.third = thing_of(&intruding_type, 1);
	intrusion.value = thing_new(1);
	assert_int_equal(wk_key_dict_set(intrusion.dict, intrusion.first, intrusion.value), WK_CREATED);
	intrusion.due = true;
	assert_int_equal(wk_key_dict_set(intrusion.dict, second, intrusion.value), WK_OK);
	assert_false(intrusion.due);
	assert_int_equal(wk_key_dict_len(intrusion.dict), 1);
	assert_int_equal(wk_weakref_count(second), 0);
	wk_release(second);
	wk_clear(&intrusion.third);
	assert_int_equal(wk_key_dict_len(intrusion.dict), 0);
	wk_clear(&intrusion.value);
	wk_clear(&intrusion.dict);
}

static void test_the_place_of_a_dead_key(void **state)
{
	(void)state;
	check_intrusion(WK_HOLD_STRONG);
	check_intrusion(WK_HOLD_WEAK);
}

/* Keys that come and go by the thousand under few hashes: ghosts are passed over, and swept. */
static void test_many_equal_keys(void **state)
{
	wk_key_dict *dict = dict_of(WK_BY_EQUALITY, WK_HOLD_STRONG);
	struct thing *value = thing_new(1), *key;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		key = thing_new(i % 3);
		assert_int_equal(wk_key_dict_set(dict, key, value), WK_CREATED);
		assert_int_equal(wk_key_dict_len(dict), 1);
		assert_ptr_equal(look(dict, key), value);
		wk_release(key);
		assert_int_equal(wk_key_dict_len(dict), 0);
	}
	settle();
	assert_int_equal(wk_strong_count(value), 1);
	wk_release(value);
	wk_release(dict);
}

static void test_keys_of_one_hash(void **state)
{
	enum { COUNT = 60 };
	wk_key_dict *dict = dict_of(WK_BY_EQUALITY, WK_HOLD_STRONG);
	unsigned met = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		keys[i] = thing_of(&poor_type, i);
		values[i] = thing_new(i);
		assert_int_equal(wk_key_dict_set(dict, keys[i], values[i]), WK_CREATED);
	}
	for (unsigned i = 0; i < COUNT; i++)
		assert_ptr_equal(look(dict, keys[i]), values[i]);
	WK_EACH(struct thing, key, dict) {
		assert_ptr_equal(wk_cursor_value(&key_cursor), values[key->id]);
		met++;
	}
	assert_int_equal(met, COUNT);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(wk_key_dict_remove(dict, keys[i]), WK_OK);
	drop(0, COUNT);
	wk_release(dict);
}

/* A value that holds its key keeps it for ever; one that borrows it does not. */
struct note {
	wk_weak *key;
};
WK_DEFINE_TYPE(note_type, struct note, .flags = 0);

static void test_a_borrowed_key(void **state)
{
	wk_key_dict *dict = wk_key_dict_new(NULL, NULL);
	struct thing *key = thing_new(1), *found, *closed = thing_of(&closed_type, 1);
	struct note *note = wk_new(&note_type), *got;
	wk_weak *mine;

	(void)state;
	assert_null(wk_key_borrow(NULL));
	assert_null(wk_key_borrow(closed));
	note->key = wk_key_borrow(key);
	assert_int_equal(wk_key_dict_set(dict, key, note), WK_CREATED);
	wk_release(note);
	wk_read_lock();
	got = wk_key_dict_peek(dict, key);
	assert_ptr_equal(got, note);
	found = wk_upgrade(got->key);
	assert_ptr_equal(found, key);
	wk_release(found);
	mine = wk_weak_retain(got->key);
	wk_release(key); /* the last one: all that was said holds to the end of the section */
	assert_null(wk_upgrade(got->key));
	wk_read_unlock();
	assert_true(wk_weak_expired(mine));
	wk_weak_release(mine);
	assert_int_equal(wk_key_dict_len(dict), 0);
	wk_release(closed);
	wk_release(dict);
}

/* Going through all. */

static void check_cursor(wk_compare compare, wk_hold hold)
{
	wk_key_dict *dict = dict_of(compare, hold);
	unsigned met = 0;

	fill(dict, 0, MANY);
	for (unsigned i = 0; i < MANY; i += 4)
		wk_clear(&keys[i]);
	for (unsigned i = 1; i < MANY; i += 4)
		wk_clear(&values[i]);
	WK_EACH(struct thing, key, dict) {
		struct thing *value = wk_cursor_value(&key_cursor);

		assert_int_equal(value->id, key->id);
		assert_ptr_equal(keys[key->id], key);
		assert_int_equal(wk_strong_count(key), 2);
		assert_null(wk_cursor_key(&key_cursor, NULL));
		met++;
	}
	assert_int_equal(met, hold == WK_HOLD_STRONG ? MANY - MANY / 4 : MANY / 2);
	assert_int_equal(wk_key_dict_len(dict), met);
	drop(0, MANY);
	assert_int_equal(wk_key_dict_len(dict), 0);
	wk_release(dict);
}

static void test_cursor(void **state)
{
	(void)state;
	check_cursor(WK_BY_IDENTITY, WK_HOLD_STRONG);
	check_cursor(WK_BY_IDENTITY, WK_HOLD_WEAK);
	check_cursor(WK_BY_EQUALITY, WK_HOLD_STRONG);
	check_cursor(WK_BY_EQUALITY, WK_HOLD_WEAK);
}

/* The cursor holds key and value though the entry ends; a plain value is what the entry has now. */
static void test_cursor_holds_both(void **state)
{
	wk_key_dict *dict = dict_of(WK_BY_IDENTITY, WK_HOLD_STRONG), *plains = dict_of(WK_BY_IDENTITY, WK_HOLD_PLAIN);
	struct thing *key = thing_new(1), *value = thing_new(2), *met;
	wk_cursor cursor;

	(void)state;
	released = 0;
	assert_int_equal(wk_key_dict_set(dict, key, value), WK_CREATED);
	cursor = wk_cursor_open(dict);
	met = wk_cursor_next(&cursor);
	assert_ptr_equal(met, key);
	assert_ptr_equal(wk_cursor_value(&cursor), value);
	assert_int_equal(wk_key_dict_remove(dict, key), WK_OK);
	assert_int_equal(wk_strong_count(value), 2);
	wk_cursor_park(&cursor);
	assert_int_equal(wk_strong_count(value), 1);
	assert_null(wk_cursor_value(&cursor));
	wk_cursor_close(&cursor);

	assert_int_equal(wk_key_dict_set(plains, key, value_new(WK_HOLD_PLAIN, 1)), WK_CREATED);
	cursor = wk_cursor_open(plains);
	assert_non_null(wk_cursor_next(&cursor));
	wk_read_lock();
	assert_ptr_equal(wk_cursor_value(&cursor), &plain[1]);
	assert_int_equal(wk_key_dict_set(plains, key, value_new(WK_HOLD_PLAIN, 2)), WK_OK);
	assert_ptr_equal(wk_cursor_value(&cursor), &plain[2]);
	assert_int_equal(wk_key_dict_remove(plains, key), WK_OK);
	assert_null(wk_cursor_value(&cursor));
	wk_read_unlock();
	wk_cursor_close(&cursor);
	settle();
	assert_int_equal(released, 2);
	wk_release(key);
	wk_release(value);
	wk_release(dict);
	wk_release(plains);
}

static void check_pop_any(struct variant variant)
{
	wk_key_dict *dict = dict_of(variant.compare, variant.hold);
	unsigned popped;
	wk_pair pair = wk_key_dict_pop_any(dict);

	assert_null(pair.key);
	assert_null(pair.value);
	fill(dict, 0, MANY / 2);
	for (popped = 0; (pair = wk_key_dict_pop_any(dict)).key != NULL; popped++) {
		uint64_t id = ((struct thing *)pair.key)->id;

		assert_ptr_equal(pair.key, keys[id]);
		assert_ptr_equal(pair.value, values[id]);
		assert_int_equal(wk_key_dict_len(dict), MANY / 2 - 1 - popped);
		wk_release(pair.key);
		value_drop(variant.hold, pair.value);
	}
	assert_int_equal(popped, MANY / 2);
	for (unsigned i = 0; i < MANY / 2; i++)
		assert_int_equal(wk_strong_count(values[i]), 1);
	drop(0, MANY / 2);
	wk_release(dict);
}

static void test_pop_any(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VARIANTS; i++)
		check_pop_any(variants[i]);
}

static void test_clear(void **state)
{
	wk_key_dict *dict = dict_of(WK_BY_EQUALITY, WK_HOLD_STRONG);

	(void)state;
	fill(dict, 0, MANY);
	wk_key_dict_clear(dict);
	assert_int_equal(wk_key_dict_len(dict), 0);
	for (unsigned i = 0; i < MANY; i++) {
		assert_false(wk_key_dict_contains(dict, keys[i]));
		assert_int_equal(wk_strong_count(values[i]), 1);
	}
	drop(0, MANY);
	wk_release(dict);
}

static void test_refs(void **state)
{
	wk_key_dict *dict = dict_of(WK_BY_IDENTITY, WK_HOLD_STRONG);
	wk_weak *refs[MANY] = { NULL };
	unsigned alive = 0;

	(void)state;
	assert_int_equal(wk_key_dict_refs(dict, refs, MANY), 0);
	fill(dict, 0, MANY);
	assert_int_equal(wk_key_dict_refs(dict, NULL, 0), MANY);
	assert_int_equal(wk_key_dict_refs(dict, refs, 10), MANY);
	assert_null(refs[10]);
	for (unsigned i = 0; i < 10; i++)
		wk_weak_release(refs[i]);
	assert_int_equal(wk_key_dict_refs(dict, refs, MANY), MANY);
	drop(0, MANY / 2);
	for (unsigned i = 0; i < MANY; i++) {
		alive += !wk_weak_expired(refs[i]);
		wk_weak_release(refs[i]);
	}
	assert_int_equal(alive, MANY / 2);
	drop(0, MANY);
	wk_release(dict);
}

/* Whole dictionaries. */

static void check_bulk(wk_compare compare, wk_hold hold)
{
	wk_key_dict *a = dict_of(compare, hold), *b = dict_of(compare, hold), *copy, *merged;
	struct thing *changed = thing_new(MANY);
	int status = 1;

	fill(a, 0, MANY / 2);
	fill(b, MANY / 2, MANY);
	assert_int_equal(wk_key_dict_set(b, keys[0], changed), WK_CREATED);
	copy = wk_key_dict_copy(a, &status);
	assert_int_equal(status, WK_OK);
	assert_int_equal(wk_key_dict_len(copy), MANY / 2);
	for (unsigned i = 0; i < MANY / 2; i++)
		assert_ptr_equal(look(copy, keys[i]), values[i]);
	merged = wk_key_dict_merge(a, b, &status);
	assert_int_equal(status, WK_OK);
	assert_int_equal(wk_key_dict_len(merged), MANY);
	assert_ptr_equal(look(merged, keys[0]), changed);
	for (unsigned i = 1; i < MANY; i++)
		assert_ptr_equal(look(merged, keys[i]), values[i]);
	assert_int_equal(wk_key_dict_update(copy, b), WK_OK);
	assert_int_equal(wk_key_dict_update(copy, copy), WK_OK);
	assert_int_equal(wk_key_dict_len(copy), MANY);
	assert_ptr_equal(look(copy, keys[0]), changed);
	assert_int_equal(wk_key_dict_len(a), MANY / 2);
	wk_release(copy);
	wk_release(merged);
	wk_release(a);
	wk_release(b);
	wk_release(changed);
	drop(0, MANY);
}

static void test_copy_merge_update(void **state)
{
	(void)state;
	check_bulk(WK_BY_IDENTITY, WK_HOLD_STRONG);
	check_bulk(WK_BY_IDENTITY, WK_HOLD_WEAK);
	check_bulk(WK_BY_EQUALITY, WK_HOLD_STRONG);
	check_bulk(WK_BY_EQUALITY, WK_HOLD_WEAK);
}

static void test_plain_values_are_not_shared(void **state)
{
	const wk_key_dict_options options = { .struct_size = sizeof(options), .values = WK_HOLD_PLAIN };
	wk_key_dict *owned = dict_of(WK_BY_IDENTITY, WK_HOLD_PLAIN), *strong = wk_key_dict_new(NULL, NULL);
	wk_key_dict *plains = wk_key_dict_new(&options, NULL), *copy;
	struct thing *key = thing_new(1);
	int status = 1;

	(void)state;
	assert_null(wk_key_dict_copy(owned, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_key_dict_merge(plains, owned, NULL));
	assert_int_equal(wk_key_dict_update(plains, owned), WK_EINVAL);
	assert_int_equal(wk_key_dict_update(strong, plains), WK_EINVAL);
	assert_int_equal(wk_key_dict_set(plains, key, &plain[1]), WK_CREATED);
	copy = wk_key_dict_copy(plains, &status);
	assert_int_equal(status, WK_OK);
	assert_ptr_equal(look(copy, key), &plain[1]);
	wk_release(copy);
	wk_release(key);
	wk_release(owned);
	wk_release(strong);
	wk_release(plains);
}

/* Making. */

static unsigned made;

static void *make(const void *key, void *context, int *status)
{
	(void)status;
	made++;
	return context != NULL ? context : thing_new(((const struct thing *)key)->id);
}

static void *make_nothing(const void *key, void *context, int *status)
{
	(void)key;
	*status = *(int *)context;
	return NULL;
}

static const wk_create_mode modes[] = { WK_CREATE_ONCE, WK_CREATE_RACE, WK_CREATE_TRY };

static void check_create(struct variant variant, wk_create_mode mode)
{
	wk_key_dict *dict = dict_of(variant.compare, variant.hold);
	struct thing *key = thing_new(1);
	void *context = variant.hold == WK_HOLD_PLAIN ? &plain[1] : NULL, *one, *two;
	int status = 1, say = WK_ETIMEDOUT;

	made = 0;
	assert_null(wk_key_dict_get_or_create(dict, key, mode, make_nothing, &say, &status));
	assert_int_equal(status, WK_ETIMEDOUT);
	one = wk_key_dict_get_or_create(dict, key, mode, make, context, &status);
	assert_int_equal(status, WK_CREATED);
	two = wk_key_dict_get_or_create(dict, key, mode, make, context, &status);
	assert_int_equal(status, WK_OK);
	assert_non_null(one);
	assert_ptr_equal(one, two);
	assert_int_equal(made, 1);
	assert_int_equal(wk_key_dict_len(dict), 1);
	if (variant.hold != WK_HOLD_PLAIN)
		assert_int_equal(wk_strong_count(one), variant.hold == WK_HOLD_STRONG ? 3 : 2);
	value_drop(variant.hold, one);
	value_drop(variant.hold, two);
	assert_int_equal(wk_key_dict_len(dict), variant.hold != WK_HOLD_WEAK);
	assert_null(wk_key_dict_get_or_create(dict, NULL, mode, make, NULL, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_key_dict_get_or_create(dict, key, mode, NULL, NULL, NULL));
	wk_release(key);
	wk_release(dict);
}

static void test_get_or_create(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * VARIANTS; i++)
		check_create(variants[i / 3], modes[i % 3]);
	settle_twice();
}

/* Inside its own factory the key is absent, and a value that is stored there wins. */
struct inside {
	wk_key_dict *dict;
	struct thing *value;
	int status;
};

static void *make_and_store(const void *key, void *context, int *status)
{
	struct inside *inside = context;

	assert_false(wk_key_dict_contains(inside->dict, key));
	assert_null(wk_key_dict_get_or_create(inside->dict, key, WK_CREATE_ONCE, make, NULL, &inside->status));
	assert_int_equal(wk_key_dict_set(inside->dict, key, inside->value), WK_CREATED);
	return make(key, NULL, status);
}

static void test_a_set_inside_the_factory(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct inside inside = { .dict = dict_of(i == 0 ? WK_BY_IDENTITY : WK_BY_EQUALITY, WK_HOLD_STRONG),
					 .value = thing_new(5) };
		struct thing *key = thing_new(1), *got;
		int status = 1;

		got = wk_key_dict_get_or_create(inside.dict, key, WK_CREATE_ONCE, make_and_store, &inside, &status);
		assert_ptr_equal(got, inside.value);
		assert_int_equal(status, WK_OK);
		assert_int_equal(inside.status, WK_EDEADLOCK);
		assert_int_equal(wk_key_dict_len(inside.dict), 1);
		wk_release(got);
		wk_release(inside.value);
		wk_release(key);
		wk_release(inside.dict);
	}
}

/* A plain product that lost is destroyed like any other. */
static void *make_plain_and_store(const void *key, void *context, int *status)
{
	(void)status;
	assert_int_equal(wk_key_dict_set(context, key, value_new(WK_HOLD_PLAIN, 1)), WK_CREATED);
	return value_new(WK_HOLD_PLAIN, 2);
}

static void test_a_plain_product_that_lost(void **state)
{
	wk_key_dict *dict = dict_of(WK_BY_EQUALITY, WK_HOLD_PLAIN);
	struct thing *key = thing_new(1);
	int status = 1;

	(void)state;
	released = 0;
	assert_ptr_equal(wk_key_dict_get_or_create(dict, key, WK_CREATE_TRY, make_plain_and_store, dict, &status), &plain[1]);
	assert_int_equal(status, WK_OK);
	settle();
	assert_int_equal(released, 1);
	assert_int_equal(plain[2], 0);
	wk_release(key);
	wk_release(dict);
	settle_twice();
	assert_int_equal(released, 2);
}

/* Promise 22: after the shutdown what there is still works. */
static void after_shutdown(void)
{
	wk_key_dict *dict = wk_key_dict_new(NULL, NULL);
	struct thing *one = wk_new(&thing_type), *two = wk_new(&thing_type);
	int status = 1;

	child_check(wk_key_dict_set(dict, one, two) == WK_CREATED);
	child_check(wk_runtime_start(NULL) >= 0);
	(void)wk_runtime_shutdown(0, NULL);
	child_check(wk_key_dict_new(NULL, &status) == NULL && status == WK_ESHUTDOWN);
	child_check(wk_key_dict_copy(dict, &status) == NULL && status == WK_ESHUTDOWN);
	child_check(wk_key_dict_set(dict, two, one) == WK_ESHUTDOWN);
	child_check(wk_key_dict_contains(dict, one) && wk_key_dict_len(dict) == 1);
	child_check(wk_key_dict_pop(dict, one) == two);
	wk_release_many(two, 2);
	wk_release(one);
	wk_release(dict);
	child_check(wk_runtime_start(NULL) >= 0); /* what was put off is done now */
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
}

static void test_after_shutdown(void **state)
{
	(void)state;
	assert_true(child_passes("after_shutdown"));
}

static void get_plain(void)
{
	const wk_key_dict_options options = { .struct_size = sizeof(options), .name = "numbers", .values = WK_HOLD_PLAIN };

	(void)!wk_key_dict_get(wk_key_dict_new(&options, NULL), NULL);
}

static void test_plain_values_cannot_be_owned(void **state)
{
	struct child_end end = child_run("get_plain");

	(void)state;
	assert_true(child_aborted(&end));
	assert_true(child_said(&end, "key dictionary \"numbers\": its values are plain"));
}

int main(int argc, char **argv)
{
	static const struct child_case cases[] = { { "after_shutdown", after_shutdown }, { "get_plain", get_plain } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_refuses),
		cmocka_unit_test(test_new_by_default),
		cmocka_unit_test(test_entries_come_and_go),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_get_or_insert),
		cmocka_unit_test(test_strong_values),
		cmocka_unit_test(test_weak_values),
		cmocka_unit_test(test_plain_values),
		cmocka_unit_test(test_a_chain_of_keys_and_values),
		cmocka_unit_test(test_the_first_of_equal_keys_stays),
		cmocka_unit_test(test_the_place_of_a_dead_key),
		cmocka_unit_test(test_many_equal_keys),
		cmocka_unit_test(test_keys_of_one_hash),
		cmocka_unit_test(test_a_borrowed_key),
		cmocka_unit_test(test_cursor),
		cmocka_unit_test(test_cursor_holds_both),
		cmocka_unit_test(test_pop_any),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_copy_merge_update),
		cmocka_unit_test(test_plain_values_are_not_shared),
		cmocka_unit_test(test_get_or_create),
		cmocka_unit_test(test_a_set_inside_the_factory),
		cmocka_unit_test(test_a_plain_product_that_lost),
		cmocka_unit_test(test_after_shutdown),
		cmocka_unit_test(test_plain_values_cannot_be_owned),
		cmocka_unit_test(test_the_accounts_balance),
	};

	if (child_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0])))
		return 0;
	return cmocka_run_group_tests_name("weakref/key_dict.h", tests, runtime_setup, NULL);
}
