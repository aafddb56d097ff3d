/*
 * collect/claim.h by one thread: room, claims that win and lose, what a stopped claimant leaves to others
 */
#include "toys.h"

#define START 2u
#define EARLY 1u /* two positions of the probe order; the slot of the later one comes first in the bucket */
#define LATE 3u
_Static_assert(LATE < WKI_BUCKET_SLOTS && START + LATE >= WKI_BUCKET_SLOTS && START + EARLY < WKI_BUCKET_SLOTS, "EARLY, LATE");

/* A bucket full of keys 0, 1, 2, ..., in this order from slot START on. */
static struct wki_entry *full(struct toys *toys)
{
	struct wki_entry *entry = aligned_alloc(16, WKI_BUCKET_SLOTS * sizeof(*entry));

	wki_slots_init(&toys->root, array_new(toys, 0));
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++) {
		entry[i] = (struct wki_entry){ .hash = hash_of(0, START, 9), .key = i };
		assert_int_equal(store(toys, &entry[i]), WKI_STORED);
	}
	return entry;
}

static wki_atomic_u64 *slot_of(struct toys *toys, unsigned position)
{
	return &wki_slots_current(&toys->root)->buckets[0].slot[(START + position) % WKI_BUCKET_SLOTS];
}

static bool end(struct toys *toys, struct wki_entry *entry)
{
	entry->dead = true;
	return wki_slots_vacate(&toys->root, entry->hash, entry);
}

static void settle_claim(struct toys *toys, wki_atomic_u64 *slot, const struct wki_entry *entry)
{
	wki_slots_settle(wki_slots_current(&toys->root), slot, wki_word_claim(entry, entry->hash), entry->hash, toy_same, &entry->key);
}

/* A claim as somebody leaves it who is stopped right behind it. */
static void claim(wki_atomic_u64 *slot, const struct wki_entry *entry)
{
	atomic_store_relaxed(slot, wki_word_claim(entry, entry->hash));
}

static void test_words(void **state)
{
	struct wki_entry entry = { .hash = hash_of(0, 0, 7) };
	uint64_t word = wki_word_claim(&entry, entry.hash), lost = word | WKI_FREE;

	(void)state;
	assert_null(wki_word_entry(word));
	assert_ptr_equal(wki_word_named(word), &entry);
	assert_true(wki_word_is_claim(word) && wki_word_may_be(word, wki_hash_tag(entry.hash)));
	assert_false(wki_word_may_be(word, wki_hash_tag(entry.hash + 1)));
	assert_false(wki_word_is_claim(lost) || wki_word_may_be(lost, wki_hash_tag(entry.hash)));
	assert_null(wki_word_entry(lost));
	assert_false(wki_word_is_claim(0) || wki_word_is_claim(WKI_FREE) || wki_word_is_claim(wki_word_of(&entry, entry.hash)));
}

static void test_vacated_once(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = full(toys);

	assert_true(end(toys, &entry[3]));
	assert_int_equal(wki_slots_load(slot_of(toys, 3)), WKI_FREE);
	assert_false(end(toys, &entry[3]));
	assert_null(get(toys, entry[3].hash, 3));
	free(entry);
}

/* While there is an EMPTY slot a FREE one is for nobody. */
static void test_free_slots_wait_for_the_bucket_to_be_full(void **state)
{
	struct toys *toys = *state;
	struct wki_entry one = { .hash = hash_of(0, START, 1), .key = 1 }, two = { .hash = one.hash, .key = 2 };

	wki_slots_init(&toys->root, array_new(toys, 0));
	assert_int_equal(store(toys, &one), WKI_STORED);
	assert_true(end(toys, &one));
	assert_int_equal(store(toys, &two), WKI_STORED);
	assert_int_equal(wki_slots_load(slot_of(toys, 0)), WKI_FREE);
	assert_ptr_equal(wki_word_entry(wki_slots_load(slot_of(toys, 1))), &two);
}

static void test_the_first_free_slot_is_taken(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = full(toys), other = { .hash = entry[0].hash, .key = 70 };
	uint64_t spilled;

	assert_true(end(toys, &entry[LATE]));
	assert_true(end(toys, &entry[EARLY]));
	assert_int_equal(store(toys, &other), WKI_STORED);
	assert_ptr_equal(wki_word_entry(wki_slots_load(slot_of(toys, EARLY))), &other);
	assert_ptr_equal(get(toys, other.hash, 70), &other);
	spilled = atomic_load_relaxed(&wki_slots_current(&toys->root)->spilled);
	assert_int_equal(spilled, 0);
	free(entry);
}

/* Whoever ended it was stopped: its slot is taken all the same, and the entry is the taker's to drop. */
static void test_the_slot_of_what_has_ended_is_taken(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = full(toys), other = { .hash = entry[0].hash, .key = 70 };
	struct wki_place place;

	entry[LATE].dead = true;
	place = place_of(toys, other.hash, 70);
	assert_true(place.claims);
	assert_null(wki_place_entry(&place));
	assert_ptr_equal(wki_word_entry(place.seen), &entry[LATE]);
	assert_int_equal(store_at(toys, &place, &other), WKI_STORED);
	assert_false(end(toys, &entry[LATE]));
	assert_ptr_equal(get(toys, other.hash, 70), &other);
	free(entry);
}

/* Behind the home bucket: appended, then the next EMPTY slot there; each counts once, and a FREE one not again. */
static void test_what_spills_is_counted(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = full(toys), more[3];
	struct wki_array *array = wki_slots_current(&toys->root);

	for (unsigned i = 0; i < 2; i++) {
		more[i] = (struct wki_entry){ .hash = entry[0].hash, .key = 70 + i };
		assert_int_equal(store(toys, &more[i]), WKI_STORED);
	}
	assert_int_equal(toys->memory.buckets, 1);
	assert_int_equal(atomic_load_relaxed(&array->spilled), 2);
	assert_true(end(toys, &more[0]));
	more[2] = (struct wki_entry){ .hash = entry[0].hash, .key = 72 };
	assert_int_equal(store(toys, &more[2]), WKI_STORED);
	assert_int_equal(atomic_load_relaxed(&array->spilled), 2);
	assert_ptr_equal(get(toys, more[1].hash, 71), &more[1]);
	assert_ptr_equal(get(toys, more[2].hash, 72), &more[2]);
	free(entry);
}

/* The key came in between the find and the store: the claim loses, and its slot is FREE again. */
static void test_a_claim_loses_to_an_entry(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = full(toys), late = { .hash = entry[0].hash, .key = 70 }, first = late;
	struct wki_place place;

	assert_true(end(toys, &entry[LATE]));
	place = place_of(toys, late.hash, 70);
	assert_true(end(toys, &entry[EARLY]));
	assert_int_equal(store(toys, &first), WKI_STORED);
	assert_int_equal(store_at(toys, &place, &late), WKI_STORE_LOST);
	assert_int_equal(wki_slots_load(slot_of(toys, LATE)), WKI_FREE);
	assert_ptr_equal(get(toys, late.hash, 70), &first);
	free(entry);
}

/* Also to one that has ended: it keeps its slot for its key. */
static void test_a_claim_loses_to_what_has_ended(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = full(toys), late = { .hash = entry[0].hash, .key = 70 }, first = late, again = late;
	struct wki_place place;

	assert_true(end(toys, &entry[LATE]));
	place = place_of(toys, late.hash, 70);
	assert_true(end(toys, &entry[EARLY]));
	assert_int_equal(store(toys, &first), WKI_STORED);
	first.dead = true;
	assert_int_equal(store_at(toys, &place, &late), WKI_STORE_LOST);
	assert_int_equal(store(toys, &again), WKI_STORED);
	assert_ptr_equal(wki_word_entry(wki_slots_load(slot_of(toys, EARLY))), &again);
	free(entry);
}

/* Who wants to insert the key of a claim settles it: the earlier one wins. */
static void test_a_stopped_claimant_is_helped(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = full(toys), stopped = { .hash = entry[0].hash, .key = 70 }, other = stopped;
	struct wki_place place;

	assert_true(end(toys, &entry[EARLY]));
	claim(slot_of(toys, EARLY), &stopped);
	assert_null(get(toys, stopped.hash, 70));
	place = place_of(toys, other.hash, 70);
	assert_ptr_equal(wki_place_entry(&place), &stopped);
	assert_int_equal(wki_slots_learn(slot_of(toys, EARLY), wki_word_claim(&stopped, stopped.hash)), WKI_STORED);
	free(entry);
}

static void test_the_later_claim_loses(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = full(toys), early = { .hash = entry[0].hash, .key = 70 }, late = early;

	assert_true(end(toys, &entry[EARLY]));
	assert_true(end(toys, &entry[LATE]));
	claim(slot_of(toys, EARLY), &early);
	claim(slot_of(toys, LATE), &late);
	settle_claim(toys, slot_of(toys, LATE), &late);
	assert_int_equal(wki_slots_learn(slot_of(toys, LATE), wki_word_claim(&late, late.hash)), WKI_STORE_LOST);
	assert_true(wki_word_is_claim(wki_slots_load(slot_of(toys, EARLY))));
	claim(slot_of(toys, LATE), &late);
	settle_claim(toys, slot_of(toys, EARLY), &early);
	assert_int_equal(wki_slots_learn(slot_of(toys, LATE), wki_word_claim(&late, late.hash)), WKI_STORE_LOST);
	assert_ptr_equal(get(toys, early.hash, 70), &early);
	free(entry);
}

/* Another key's claim is nobody's business. */
static void test_claims_of_other_keys_stay(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = full(toys), stopped = { .hash = entry[0].hash, .key = 70 }, other = { .hash = stopped.hash, .key = 71 };

	assert_true(end(toys, &entry[EARLY]));
	assert_true(end(toys, &entry[LATE]));
	claim(slot_of(toys, EARLY), &stopped);
	assert_int_equal(store(toys, &other), WKI_STORED);
	assert_ptr_equal(wki_word_entry(wki_slots_load(slot_of(toys, LATE))), &other);
	assert_true(wki_word_is_claim(wki_slots_load(slot_of(toys, EARLY))));
	free(entry);
}

/* A mover lets a claim lose, and nothing is claimed where one is at work. */
static void test_a_mover_lets_a_claim_lose(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = full(toys), stopped = { .hash = entry[0].hash, .key = 70 }, other = { .hash = stopped.hash, .key = 71 };
	struct wki_array *array = wki_slots_current(&toys->root), *next = array_new(toys, 1);
	struct wki_place place;

	assert_true(end(toys, &entry[EARLY]));
	assert_true(end(toys, &entry[LATE]));
	claim(slot_of(toys, EARLY), &stopped);
	assert_true(wki_slots_start(array, next));
	(void)wki_slots_freeze(slot_of(toys, EARLY), &ops, &toys->memory);
	place = place_of(toys, other.hash, 71);
	assert_int_equal(store_at(toys, &place, &other), WKI_STORE_FROZEN);
	assert_int_equal(wki_slots_learn(slot_of(toys, EARLY), wki_word_claim(&stopped, stopped.hash)), WKI_STORE_LOST);
	assert_true(wki_slots_pass(array, other.hash, &ops, &toys->memory));
	assert_int_equal(store(toys, &other), WKI_STORED);
	assert_null(get(toys, stopped.hash, 70));
	assert_ptr_equal(get(toys, entry[2].hash, 2), &entry[2]);
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
		assert_int_equal(entry[i].dropped, 0);
	free(entry);
}

/* In the child of a fork: the claim of a lost thread goes, what it had stored stays. */
static void test_a_claim_is_withdrawn(void **state)
{
	struct toys *toys = *state;
	struct wki_entry *entry = full(toys), lost = { .hash = entry[0].hash, .key = 70 };

	assert_true(end(toys, &entry[2]));
	claim(slot_of(toys, 2), &lost);
	wki_slots_withdraw(wki_slots_current(&toys->root), entry[3].hash, &entry[3]);
	assert_ptr_equal(get(toys, entry[3].hash, 3), &entry[3]);
	wki_slots_withdraw(wki_slots_current(&toys->root), lost.hash, &lost);
	assert_int_equal(wki_slots_load(slot_of(toys, 2)), WKI_FREE);
	free(entry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		TOY_TEST(test_vacated_once),
		TOY_TEST(test_free_slots_wait_for_the_bucket_to_be_full),
		TOY_TEST(test_the_first_free_slot_is_taken),
		TOY_TEST(test_the_slot_of_what_has_ended_is_taken),
		TOY_TEST(test_what_spills_is_counted),
		TOY_TEST(test_a_claim_loses_to_an_entry),
		TOY_TEST(test_a_claim_loses_to_what_has_ended),
		TOY_TEST(test_a_stopped_claimant_is_helped),
		TOY_TEST(test_the_later_claim_loses),
		TOY_TEST(test_claims_of_other_keys_stay),
		TOY_TEST(test_a_mover_lets_a_claim_lose),
		TOY_TEST(test_a_claim_is_withdrawn),
	};

	return cmocka_run_group_tests_name("collect/claim", tests, NULL, NULL);
}
