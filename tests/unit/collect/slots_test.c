/*
 * collect/slots.h and collect/move.h by one thread: places, stores, migrations, late helpers
 */
#include "toys.h"

static void test_words(void **state)
{
	struct wki_entry entry = { .hash = 0 };
	uint64_t word = wki_word_of(&entry, 0);

	(void)state;
	assert_ptr_equal(wki_word_entry(word), &entry);
	assert_ptr_equal(wki_word_entry(word | WKI_FROZEN), &entry);
	assert_true((word & WKI_WORD_TAG) != 0); /* a tag is never 0: EMPTY and FREE fit none */
	assert_null(wki_word_entry(0));
	assert_null(wki_word_entry(WKI_FROZEN));
	assert_null(wki_word_entry(WKI_FREE));
	assert_null(wki_word_entry(WKI_FREE | WKI_FROZEN));
	assert_int_equal(sizeof(struct wki_bucket), 64); /* a cache line */
}

/* Only the top 16 bits of a slot count, not the rest of it, NEXT or hints; a claim has another tag. */
static void test_the_first_look_finds_the_first_slot_with_the_tag(void **state)
{
	_Alignas(64) struct wki_bucket bucket = { .image_next = 0 };
	const uint64_t tag = wki_hash_tag(0x1234), elsewhere = tag >> 16 | tag >> 32 | tag >> 48;

	(void)state;
	bucket.image_next = tag | 16;
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
		atomic_store_relaxed(&bucket.hint[i], (uint32_t)(tag >> 32));
	assert_int_equal(wki_bucket_glance(&bucket, 0x1234), WKI_GLANCE_NONE);
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
		bucket.image[i] = i % 2 == 0 ? elsewhere : (tag | 16) & ~WKI_WORD_ENTRY;
	assert_int_equal(wki_bucket_glance(&bucket, 0x1234), WKI_GLANCE_NONE);
	for (unsigned i = WKI_BUCKET_SLOTS; i-- > 0;) {
		bucket.image[i] = tag | 16 | i % 2;
		assert_int_equal(wki_bucket_glance(&bucket, 0x1234), i);
	}
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++) {
		assert_int_equal(wki_bucket_glance(&bucket, 0x1234), i);
		bucket.image[i] = elsewhere;
	}
}

static void test_first_free_place_of_the_probe_order(void **state)
{
	struct toys *toys = *state;
	struct wki_entry entry[WKI_BUCKET_SLOTS];
	struct wki_array *array = array_new(toys, 0);
	const unsigned start = WKI_BUCKET_SLOTS - 2;

	wki_slots_init(&toys->root, array);
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++) {
		entry[i] = (struct wki_entry){ .hash = hash_of(i, start, i), .key = i };
		assert_int_equal(store(toys, &entry[i]), WKI_STORED);
		/* Cyclic: to the last slot, then from the first one on. */
		assert_ptr_equal(wki_word_entry(wki_slots_load(&array->buckets[0].slot[(start + i) % WKI_BUCKET_SLOTS])), &entry[i]);
	}
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
		assert_ptr_equal(get(toys, entry[i].hash, i), &entry[i]);
	assert_null(get(toys, hash_of(0, start, 0), 77));
}

static void test_overflow_begins_at_the_start(void **state)
{
	struct toys *toys = *state;
	enum { COUNT = 2 * WKI_BUCKET_SLOTS + 1 }; /* two full buckets, and one with one */
	struct wki_entry entry[COUNT];
	struct wki_array *array = array_new(toys, 0);
	struct wki_bucket *second;

	wki_slots_init(&toys->root, array);
	for (unsigned i = 0; i < COUNT; i++) {
		entry[i] = (struct wki_entry){ .hash = hash_of(0, 3, 9), .key = i };
		assert_int_equal(store(toys, &entry[i]), WKI_STORED);
	}
	second = wki_word_bucket(wki_slots_load(&array->buckets[0].next));
	assert_non_null(second);
	assert_ptr_equal(wki_word_entry(wki_slots_load(&second->slot[3])), &entry[WKI_BUCKET_SLOTS]);
	assert_int_equal(toys->memory.buckets, 2);
	for (unsigned i = 0; i < COUNT; i++)
		assert_ptr_equal(get(toys, entry[i].hash, i), &entry[i]);
}

static void test_no_memory_for_overflow_changes_nothing(void **state)
{
	struct toys *toys = *state;
	struct wki_entry entry[WKI_BUCKET_SLOTS + 1];
	struct wki_array *array = array_new(toys, 0);

	wki_slots_init(&toys->root, array);
	for (unsigned i = 0; i <= WKI_BUCKET_SLOTS; i++)
		entry[i] = (struct wki_entry){ .hash = hash_of(0, 0, 1), .key = i };
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
		assert_int_equal(store(toys, &entry[i]), WKI_STORED);
	toys->memory.refuse = 1;
	assert_int_equal(store(toys, &entry[WKI_BUCKET_SLOTS]), WKI_STORE_NO_MEMORY);
	assert_int_equal(wki_slots_load(&array->buckets[0].next), 0);
	assert_int_equal(store(toys, &entry[WKI_BUCKET_SLOTS]), WKI_STORED);
}

/* Somebody stored between the find and the store: the second finds the slot taken, whoever it is. */
static void test_a_lost_race_is_told(void **state)
{
	struct toys *toys = *state;
	struct wki_entry one = { .hash = hash_of(0, 0, 1), .key = 1 }, two = one;
	struct wki_place place;

	wki_slots_init(&toys->root, array_new(toys, 0));
	place = place_of(toys, one.hash, 1);
	assert_int_equal(store(toys, &one), WKI_STORED);
	assert_int_equal(store_at(toys, &place, &two), WKI_STORE_AGAIN);
	assert_ptr_equal(get(toys, one.hash, 1), &one);
}

/* The same at the end of a full bucket: the bucket that came too late is given back. */
static void test_a_lost_overflow_is_given_back(void **state)
{
	struct toys *toys = *state;
	struct wki_entry entry[WKI_BUCKET_SLOTS + 2];
	struct wki_place place;

	wki_slots_init(&toys->root, array_new(toys, 0));
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS + 2; i++)
		entry[i] = (struct wki_entry){ .hash = hash_of(0, 2, 1), .key = i };
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
		assert_int_equal(store(toys, &entry[i]), WKI_STORED);
	place = place_of(toys, entry[WKI_BUCKET_SLOTS + 1].hash, WKI_BUCKET_SLOTS + 1);
	assert_int_equal(store(toys, &entry[WKI_BUCKET_SLOTS]), WKI_STORED);
	assert_int_equal(store_at(toys, &place, &entry[WKI_BUCKET_SLOTS + 1]), WKI_STORE_AGAIN);
	assert_int_equal(toys->memory.buckets, 1);
}

/* What has ended keeps its slot for its key, until it is taken out: it comes back in place. */
static void test_what_has_ended_is_replaced_in_place(void **state)
{
	struct toys *toys = *state;
	struct wki_entry one = { .hash = hash_of(0, 3, 1), .key = 1 }, again = one, other = { .hash = one.hash, .key = 2 };
	struct wki_array *array = array_new(toys, 0);

	wki_slots_init(&toys->root, array);
	assert_int_equal(store(toys, &one), WKI_STORED);
	assert_int_equal(store(toys, &other), WKI_STORED);
	one.dead = true;
	assert_null(get(toys, one.hash, 1));
	assert_ptr_equal(get(toys, other.hash, 2), &other);
	assert_int_equal(store(toys, &again), WKI_STORED);
	assert_ptr_equal(wki_word_entry(wki_slots_load(&array->buckets[0].slot[3])), &again);
	assert_ptr_equal(get(toys, one.hash, 1), &again);
}

/* A place whose entry is dead may be taken for absent only while nobody has stored the key anew. */
static void test_settled(void **state)
{
	struct toys *toys = *state;
	struct wki_entry one = { .hash = hash_of(0, 3, 1), .key = 1 }, again = one;
	struct wki_place place;

	wki_slots_init(&toys->root, array_new(toys, 0));
	(void)store(toys, &one);
	place = place_of(toys, one.hash, 1);
	one.dead = true;
	assert_true(wki_slots_is_settled(&toys->root, one.hash, &place));
	(void)store(toys, &again);
	assert_false(wki_slots_is_settled(&toys->root, one.hash, &place));
}

/* Fill an array of 2^bits buckets with `count` entries each, every third one dead. */
static struct wki_entry *fill(struct toys *toys, unsigned bits, unsigned count)
{
	struct wki_entry *entry = aligned_alloc(16, sizeof(*entry) * (count << bits));

	wki_slots_init(&toys->root, array_new(toys, bits));
	for (unsigned i = 0; i < count << bits; i++) {
		/* Two bits below the home's decide where a growing table puts it. */
		entry[i] = (struct wki_entry){
			.hash = hash_of((i % (1u << bits)) << (8 - bits) | (i * 37 & (0xffu >> bits)),
					(i >> bits) / 2 % WKI_BUCKET_SLOTS, i % 3), /* two in a row begin at one slot */
			.key = i,
		};
		assert_int_equal(store(toys, &entry[i]), WKI_STORED);
	}
	for (unsigned i = 0; i < count << bits; i += 3)
		entry[i].dead = true;
	return entry;
}

static void check_all(struct toys *toys, const struct wki_entry *entry, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (entry[i].dead)
			assert_null(get(toys, entry[i].hash, entry[i].key));
		else
			assert_ptr_equal(get(toys, entry[i].hash, entry[i].key), &entry[i]);
	}
}

/* A whole migration, checked after every unit: what is live stays, what is dead is dropped, once. */
static void migrate(struct toys *toys, unsigned from, unsigned to, unsigned count)
{
	struct wki_entry *entry = fill(toys, from, count);
	struct wki_array *array = wki_slots_current(&toys->root), *next = array_new(toys, to);
	size_t units = (size_t)1 << (from < to ? from : to), unit;

	assert_true(wki_slots_start(array, next));
	assert_false(wki_slots_start(array, next));
	assert_int_equal(wki_slots_units(array, next), units);
	for (unit = 0; unit < units; unit++) {
		assert_false(wki_slots_finish(&toys->root, array, next));
		assert_true(wki_slots_help(array, next, &ops, &toys->memory));
		assert_int_equal(wki_slots_frontier(array), unit + 1);
		check_all(toys, entry, count << from);
	}
	for (unsigned i = 0; i < count << from; i++)
		assert_int_equal(entry[i].dropped, entry[i].dead);
	assert_true(wki_slots_finish(&toys->root, array, next));
	assert_false(wki_slots_finish(&toys->root, array, next));
	assert_ptr_equal(wki_slots_current(&toys->root), next);
	check_all(toys, entry, count << from);
	free(entry);
}

static void test_grow(void **state)
{
	migrate(*state, 2, 3, WKI_BUCKET_SLOTS);
}

static void test_grow_with_overflow(void **state)
{
	migrate(*state, 2, 3, 40);
}

static void test_sweep(void **state)
{
	migrate(*state, 3, 3, WKI_BUCKET_SLOTS);
}

static void test_sweep_with_overflow(void **state)
{
	migrate(*state, 1, 1, 30);
}

static void test_shrink(void **state)
{
	migrate(*state, 3, 2, WKI_BUCKET_SLOTS / 2);
}

static void test_shrink_with_overflow(void **state)
{
	migrate(*state, 3, 2, 20);
}

/* The only bucket there is grows, and becomes the only one again. */
static void test_grow_from_one_bucket(void **state)
{
	migrate(*state, 0, 1, 12);
}

static void test_shrink_to_one_bucket(void **state)
{
	migrate(*state, 1, 0, 9);
}

/* A mover that comes when everything is done, with the array in its hand, changes nothing. */
static void test_a_late_mover_changes_nothing(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = fill(toys, 1, 20), extra = { .hash = hash_of(0, 0, 5), .key = 1000 };
	struct wki_array *array = wki_slots_current(&toys->root), *next = array_new(toys, 2);
	int buckets;

	assert_true(wki_slots_start(array, next));
	assert_true(wki_slots_help(array, next, &ops, &toys->memory));
	assert_int_equal(store(toys, &extra), WKI_STORED); /* in the next array already */
	entry[1].dead = true;
	buckets = toys->memory.buckets;
	assert_true(wki_slots_move(array, next, 0, &ops, &toys->memory));
	wki_slots_advance(array, next);
	assert_int_equal(wki_slots_frontier(array), 1);
	assert_int_equal(toys->memory.buckets, buckets);
	assert_int_equal(entry[1].dropped, 0);
	assert_ptr_equal(get(toys, extra.hash, 1000), &extra);
	check_all(toys, entry, 40);
	free(entry);
}

/* Units move in any order; authority passes in theirs. */
static void test_authority_passes_in_order(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = fill(toys, 2, 3);
	struct wki_array *array = wki_slots_current(&toys->root), *next = array_new(toys, 3);

	assert_true(wki_slots_start(array, next));
	assert_true(wki_slots_move(array, next, 1, &ops, &toys->memory));
	assert_true(wki_slots_move(array, next, 2, &ops, &toys->memory));
	wki_slots_advance(array, next);
	assert_int_equal(wki_slots_frontier(array), 0);
	assert_ptr_equal(wki_slots_route(&toys->root, hash_of(0x40, 0, 0)), array);
	check_all(toys, entry, 4 * 3);
	assert_true(wki_slots_move(array, next, 0, &ops, &toys->memory));
	wki_slots_advance(array, next);
	assert_int_equal(wki_slots_frontier(array), 3);
	assert_ptr_equal(wki_slots_route(&toys->root, hash_of(0x80, 0, 0)), next);
	assert_ptr_equal(wki_slots_route(&toys->root, hash_of(0xc0, 0, 0)), array);
	check_all(toys, entry, 4 * 3);
	free(entry);
}

/* Helpers spread over the window; when it is full they do the frontier's unit, whoever claimed that. */
static void test_claims(void **state)
{
	struct toys *toys = *state;
	struct wki_array *array = array_new(toys, 6);
	size_t i;

	for (i = 0; i < WKI_WINDOW; i++)
		assert_int_equal(wki_slots_claim(array, 64), i);
	assert_int_equal(wki_slots_claim(array, 64), 0);
	assert_int_equal(wki_slots_claim(array, 4), 0);
}

/* A store into a unit that is frozen is told so; passing moves that unit and all before it. */
static void test_pass(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = fill(toys, 2, 3), extra = { .hash = hash_of(0x80, 0, 5), .key = 1000 };
	struct wki_array *array = wki_slots_current(&toys->root), *next = array_new(toys, 2);
	struct wki_place place;

	assert_true(wki_slots_start(array, next));
	(void)wki_slots_freeze(&array->buckets[2].slot[0], &ops, &toys->memory);
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
		(void)wki_slots_freeze(&array->buckets[2].slot[i], &ops, &toys->memory);
	place = place_of(toys, extra.hash, extra.key);
	assert_int_equal(store_at(toys, &place, &extra), WKI_STORE_FROZEN);
	assert_true(wki_slots_pass(array, extra.hash, &ops, &toys->memory));
	assert_int_equal(wki_slots_frontier(array), 3);
	assert_int_equal(store(toys, &extra), WKI_STORED);
	check_all(toys, entry, 4 * 3);
	free(entry);
}

/*
 * A writer comes between a mover's look at a word and its freeze: what the freeze finds at last is what moves. The mover
 * asks whether the entry is worth moving just there, so that is where the writer comes.
 */
static struct {
	wki_atomic_u64 *slot;
	struct wki_entry *entry;
} between;

static bool between_is_kept(const struct wki_entry *entry)
{
	if (between.slot != NULL)
		atomic_store_release(between.slot, wki_word_of(between.entry, between.entry->hash));
	between.slot = NULL;
	return !entry->dead;
}

static void test_a_freeze_that_loses_looks_again(void **state)
{
	struct toys *toys = *state;
	struct wki_entry old = { .hash = hash_of(0, 3, 1), .key = 1 }, new = old;
	struct wki_array *array = array_new(toys, 0), *next = array_new(toys, 0);
	struct wki_slots_ops racing = ops;

	racing.is_kept = between_is_kept;
	wki_slots_init(&toys->root, array);
	assert_int_equal(store(toys, &old), WKI_STORED);
	between.slot = &array->buckets[0].slot[3];
	between.entry = &new;
	assert_true(wki_slots_start(array, next));
	assert_true(wki_slots_help(array, next, &racing, &toys->memory));
	assert_ptr_equal(wki_word_entry(wki_slots_load(&next->buckets[0].slot[3])), &new);
	assert_ptr_equal(get(toys, new.hash, 1), &new);
	assert_int_equal(new.dropped, 0);
}

/* A full bucket whose NEXT is frozen takes nothing more. */
static void test_nothing_is_appended_to_what_is_frozen(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = fill(toys, 0, WKI_BUCKET_SLOTS), extra = { .hash = hash_of(0, 0, 5), .key = 1000 };
	struct wki_array *array = wki_slots_current(&toys->root);
	struct wki_place place;

	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
		entry[i].dead = false;
	assert_null(wki_slots_freeze_next(&array->buckets[0]));
	place = place_of(toys, extra.hash, extra.key);
	assert_int_equal(store_at(toys, &place, &extra), WKI_STORE_FROZEN);
	free(entry);
}

/*
 * Without memory for the destination's overflow the unit stays where it is, frozen: it can be read, not written, and
 * nothing is lost; with memory it moves. Every allocation of the move in turn.
 */
static void test_no_memory_for_a_move(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = fill(toys, 1, 40);
	struct wki_array *array = wki_slots_current(&toys->root), *next = array_new(toys, 0);
	int buckets = toys->memory.buckets, failures;

	assert_true(wki_slots_start(array, next));
	for (failures = 0;; failures++) {
		toys->memory.refuse = failures + 1;
		if (wki_slots_help(array, next, &ops, &toys->memory))
			break;
		assert_int_equal(toys->memory.buckets, buckets);
		assert_int_equal(wki_slots_frontier(array), 0);
		check_all(toys, entry, 80);
	}
	toys->memory.refuse = 0;
	assert_true(failures >= 52 / (int)WKI_BUCKET_SLOTS); /* 53 live entries in one bucket's chain */
	assert_int_equal(wki_slots_frontier(array), 1);
	check_all(toys, entry, 80);
	free(entry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_the_first_look_finds_the_first_slot_with_the_tag),
		TOY_TEST(test_first_free_place_of_the_probe_order),
		TOY_TEST(test_overflow_begins_at_the_start),
		TOY_TEST(test_no_memory_for_overflow_changes_nothing),
		TOY_TEST(test_a_lost_race_is_told),
		TOY_TEST(test_a_lost_overflow_is_given_back),
		TOY_TEST(test_what_has_ended_is_replaced_in_place),
		TOY_TEST(test_settled),
		TOY_TEST(test_grow),
		TOY_TEST(test_grow_with_overflow),
		TOY_TEST(test_sweep),
		TOY_TEST(test_sweep_with_overflow),
		TOY_TEST(test_shrink),
		TOY_TEST(test_shrink_with_overflow),
		TOY_TEST(test_grow_from_one_bucket),
		TOY_TEST(test_shrink_to_one_bucket),
		TOY_TEST(test_a_late_mover_changes_nothing),
		TOY_TEST(test_authority_passes_in_order),
		TOY_TEST(test_claims),
		TOY_TEST(test_pass),
		TOY_TEST(test_a_freeze_that_loses_looks_again),
		TOY_TEST(test_nothing_is_appended_to_what_is_frozen),
		TOY_TEST(test_no_memory_for_a_move),
	};

	return cmocka_run_group_tests_name("collect/slots", tests, NULL, NULL);
}
