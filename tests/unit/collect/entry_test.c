/*
 * collect/entry.h: keys of each kind, holds, flights, and that every entry goes back where it came from
 */
#include "api/runtime_fixture.h"

#include <stdlib.h>

#include "collect/entry.h"
#include "collect/hash.h"
#include "core/owner.h"
#include "support/memory.h"
#include "sync/rcu.h"

#define SEED UINT64_C(77)

static unsigned copied, released;

static uint64_t text_hash(const void *key, uint64_t seed)
{
	return wki_hash_bytes(key, strlen(key), seed);
}

static bool text_equal(const void *a, const void *b)
{
	return strcmp(a, b) == 0;
}

static void *text_copy(const void *key)
{
	copied++;
	return strdup(key);
}

static void text_release(void *key)
{
	released++;
	free(key);
}

static const wk_key_type text_keys = { text_hash, text_equal, text_copy, text_release, NULL };

static struct wki_entry *entry_of(const struct wki_entry_form *form, enum wki_entry_role role, wk_key key, uint64_t hash)
{
	struct wki_entry *entry = wki_entry_new(form, role, key, hash);

	assert_non_null(entry);
	assert_int_equal((uintptr_t)entry % 16, 0); /* what slots take for granted */
	assert_int_equal(wki_entry_role(entry), role);
	assert_int_equal(wki_entry_hash(entry, SEED), hash);
	assert_true(wki_entry_same_entry(entry, hash, entry));
	return entry;
}

static void test_numbers(void **state)
{
	const struct wki_entry_form form = { .keys = WK_KEYS_U64 };
	struct wki_entry *one = entry_of(&form, WKI_ENTRY_WEAK, wk_key_u64(1), wki_hash_u64(1, SEED));
	struct wki_entry *two = entry_of(&form, WKI_ENTRY_STRONG, wk_key_u64(2), wki_hash_u64(2, SEED));
	uint64_t number = 1;

	(void)state;
	assert_true(wki_entry_same_number(one, 0, &number));
	assert_false(wki_entry_same_number(two, 0, &number));
	assert_false(wki_entry_same_entry(one, wki_hash_u64(2, SEED), two));
	wki_entry_discard(one);
	wki_entry_discard(two);
}

static void test_bytes(void **state)
{
	const struct wki_entry_form form = { .keys = WK_KEYS_BYTES };
	char bytes[100] = "the same as far as they go";
	struct wki_entry *entries[101];

	(void)state;
	for (size_t length = 0; length <= 100; length++)
		entries[length] = entry_of(&form, WKI_ENTRY_WEAK, wk_key_bytes(bytes, length), wki_hash_bytes(bytes, length, SEED));
	for (size_t length = 0; length <= 100; length++) {
		struct wki_entry_key key = { .key = wk_key_bytes(bytes, 50) };

		assert_int_equal(wki_entry_same_key(entries[length], 0, &key), length == 50);
		wki_entry_discard(entries[length]);
	}
}

static void test_custom_keys(void **state)
{
	const struct wki_entry_form form = { .keys = WK_KEYS_CUSTOM, .key_type = &text_keys };
	struct wki_entry_key here = { .key = wk_key_custom("here"), .type = &text_keys };
	struct wki_entry_key there = { .key = wk_key_custom("there"), .type = &text_keys };
	uint64_t hash = text_hash("here", SEED);
	struct wki_entry *entry = entry_of(&form, WKI_ENTRY_WEAK, here.key, hash);

	(void)state;
	assert_true(wki_entry_same_key(entry, hash, &here));
	assert_false(wki_entry_same_key(entry, hash, &there));
	assert_false(wki_entry_same_key(entry, hash + 1, &here)); /* the hash is asked first */
	assert_int_equal(copied, 1);
	wki_entry_discard(entry); /* the key's release is the runner's */
	settle();
	assert_int_equal(released, 1);
	/* Dropped by its last hold, after a grace period. */
	entry = entry_of(&form, WKI_ENTRY_STRONG, here.key, hash);
	wki_entry_drop(entry);
	settle();
	assert_int_equal(released, 2);
}

/* What is taken out before it is on its object's list would lie there, and hold the owner of its keys. */
static void test_no_litter_of_an_owner(void **state)
{
	wk_owner *owner = wk_owner_new("keys", NULL);
	wk_key_type keys = { text_hash, text_equal, text_copy, text_release, owner };
	const struct wki_entry_form form = { .keys = WK_KEYS_CUSTOM, .key_type = &keys };
	struct wki_entry *entry = entry_of(&form, WKI_ENTRY_WEAK, wk_key_custom("mine"), text_hash("mine", SEED));
	wk_queue *object = wk_queue_new(NULL, NULL); /* any */

	(void)state;
	entry->control = wki_control_of(object);
	(void)wki_control_borrow(entry->control);
	wki_read_lock();
	assert_true(wki_entry_end(entry));
	wki_entry_unwatch_rcu(entry);
	wki_entry_drop(entry); /* the slot's hold */
	wki_entry_watch_rcu(entry);
	wki_read_unlock();
	settle();
	assert_int_equal(wki_owner_counted(&owner->keys), 0);
	assert_int_equal(wk_owner_drain(owner, WK_NO_TIMEOUT, NULL), WK_OK);
	wk_release(owner);
	wk_release(object);
}

/* An entry with a listener: one that nobody has seen is not told of, one that has ended is, before its key goes. */
static unsigned told, told_too_late;

static void tell(wk_key key, wk_removal_cause cause, void *context)
{
	told += cause == WK_CAUSE_REPLACED && context == &told;
	told_too_late += strcmp(key.data, "here") != 0 || released != 0;
}

static void test_listeners(void **state)
{
	const struct wki_entry_listener listener = { tell, &told };
	const struct wki_entry_form form = { .keys = WK_KEYS_CUSTOM, .key_type = &text_keys, .listener = &listener };
	const wk_key key = wk_key_custom("here");
	struct wki_entry *entry = entry_of(&form, WKI_ENTRY_WEAK, key, text_hash("here", SEED));

	(void)state;
	released = 0;
	wki_entry_discard(entry);
	settle();
	assert_int_equal(released, 1);
	assert_int_equal(told, 0);
	released = 0;
	entry = entry_of(&form, WKI_ENTRY_STRONG, key, text_hash("here", SEED));
	wki_entry_drop(entry); /* the slot's; the listener has one of its own */
	wki_entry_tell(entry, WK_CAUSE_REPLACED);
	settle();
	settle();
	assert_int_equal(told, 1);
	assert_int_equal(told_too_late, 0);
	assert_int_equal(released, 1);
	/* A flight has no listener. */
	entry = entry_of(&form, WKI_ENTRY_FLIGHT, key, text_hash("here", SEED));
	wki_entry_tell(entry, WK_CAUSE_REPLACED);
	wki_entry_drop(entry);
	wki_entry_drop(entry);
	settle();
	settle();
	assert_int_equal(told, 1);
	assert_int_equal(released, 2);
}

static void test_holds(void **state)
{
	const struct wki_entry_form form = { .keys = WK_KEYS_U64 };
	struct wki_entry *entry = entry_of(&form, WKI_ENTRY_WEAK, wk_key_u64(1), wki_hash_u64(1, SEED));

	(void)state;
	assert_true(wki_entry_state_is_live(entry));
	assert_true(wki_entry_hold(entry)); /* two it was made with, and this one */
	wki_entry_drop(entry);
	wki_entry_drop(entry);
	wk_read_lock(); /* it stays to be looked at for as long as this lasts */
	wki_entry_drop(entry);
	assert_false(wki_entry_hold(entry));
	wk_read_unlock();
}

static void test_one_end(void **state)
{
	const struct wki_entry_form form = { .keys = WK_KEYS_U64 };
	struct wki_entry *entry = entry_of(&form, WKI_ENTRY_STRONG, wk_key_u64(1), wki_hash_u64(1, SEED));

	(void)state;
	assert_true(wki_entry_end(entry));
	assert_false(wki_entry_end(entry));
	assert_false(wki_entry_state_is_live(entry));
	wki_entry_drop(entry);
}

static void test_flights(void **state)
{
	const struct wki_entry_form form = { .keys = WK_KEYS_U64 };
	const enum wki_flight_state ends[] = { WKI_FLIGHT_DONE, WKI_FLIGHT_FAILED };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct wki_entry *flight = entry_of(&form, WKI_ENTRY_FLIGHT, wk_key_u64(1), wki_hash_u64(1, SEED));

		assert_false(wki_entry_is_live_rcu(flight)); /* never: nobody takes it for a value */
		assert_true(wki_entry_is_pending_flight(flight));
		wki_flight_end(flight, ends[i]);
		wki_flight_end(flight, ends[1 - i]); /* the first one counts */
		assert_int_equal(wki_flight_state(flight), ends[i]);
		assert_false(wki_entry_is_pending_flight(flight));
		wki_entry_drop(flight);
		wki_entry_drop(flight);
	}
}

/* An allocator of the container's own gets back what it gave, with the size that it gave. */
static struct memory memory;
static const wk_allocator counting = { memory_allocate, memory_release, &memory };

static void test_an_allocator(void **state)
{
	const struct wki_entry_form numbers = { .keys = WK_KEYS_U64, .allocator = &counting };
	const struct wki_entry_form bytes = { .keys = WK_KEYS_BYTES, .allocator = &counting };
	const struct wki_entry_form custom = { .keys = WK_KEYS_CUSTOM, .key_type = &text_keys, .allocator = &counting };

	(void)state;
	wki_entry_discard(entry_of(&numbers, WKI_ENTRY_WEAK, wk_key_u64(1), wki_hash_u64(1, SEED)));
	wki_entry_discard(entry_of(&bytes, WKI_ENTRY_WEAK, wk_key_bytes("123456789", 9), wki_hash_bytes("123456789", 9, SEED)));
	wki_entry_discard(entry_of(&custom, WKI_ENTRY_WEAK, wk_key_custom("x"), text_hash("x", SEED)));
	settle();
	assert_int_equal(memory.calls, 3);
	assert_int_equal(memory.blocks, 0);
	assert_int_equal(memory.wrong, 0);
	memory.fail_all = 1;
	assert_null(wki_entry_new(&numbers, WKI_ENTRY_WEAK, wk_key_u64(1), 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_custom_keys),
		cmocka_unit_test(test_no_litter_of_an_owner),
		cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_holds),
		cmocka_unit_test(test_one_end),
		cmocka_unit_test(test_flights),
		cmocka_unit_test(test_an_allocator),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("collect/entry", tests, runtime_setup, NULL);
}
