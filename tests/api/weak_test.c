/*
 * weakref/weak.h: weak handles, one thread at a time
 */
#include "runtime_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "support/threads.h"

struct item {
	long number;
};

static void destroy(void *payload)
{
	(void)payload;
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = destroy);
WK_DEFINE_TYPE(plain_type, struct item, .flags = 0);
WK_DEFINE_TYPE(large_type, char[1000], .flags = 0);
WK_DEFINE_TYPE(prompt_type, struct item, .destroy = destroy, .flags = WK_TYPE_PROMPT);
WK_DEFINE_TYPE(unreferenced_type, struct item, .destroy = destroy, .flags = WK_TYPE_NO_WEAK);

static void test_handles_of_one_object_are_one_pointer(void **state)
{
	struct item *first = wk_new(&item_type), *second = wk_new(&item_type);
	wk_weak *a = wk_downgrade(first), *b = wk_downgrade(first), *c = wk_downgrade(second);

	(void)state;
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_int_equal(wk_weak_hash(a), wk_weak_hash(b));
	assert_int_not_equal(wk_weak_hash(a), wk_weak_hash(c));
	assert_true(wk_weak_refers_to(a, first));
	assert_false(wk_weak_refers_to(a, second));
	assert_int_equal(wk_weak_count(first), 2);
	assert_ptr_equal(wk_weak_retain(a), a);
	assert_int_equal(wk_weak_count(first), 3);
	wk_weak_release(a);
	wk_weak_release(a);
	wk_weak_release(b);
	wk_weak_release(c);
	assert_int_equal(wk_weak_count(first), 0);
	wk_release(first);
	wk_release(second);
}

static void test_upgrade(void **state)
{
	struct item *item = wk_new(&item_type);
	wk_weak *weak = wk_downgrade(item);

	(void)state;
	assert_false(wk_weak_expired(weak));
	assert_ptr_equal(wk_weak_type(weak), &item_type);
	assert_ptr_equal(wk_upgrade(weak), item);
	assert_int_equal(wk_strong_count(item), 2);
	assert_ptr_equal(wk_upgrade_as(weak, &item_type), item);
	assert_int_equal(wk_strong_count(item), 3);
	assert_null(wk_upgrade_as(weak, &plain_type));
	assert_null(wk_upgrade_as(weak, NULL));
	assert_int_equal(wk_strong_count(item), 3);
	wk_release_many(item, 3);
	assert_null(wk_upgrade_as(weak, &item_type));
	wk_weak_release(weak);
}

static void test_null_is_allowed(void **state)
{
	struct item *item = wk_new(&item_type);
	wk_weak *weak = wk_downgrade(item);

	(void)state;
	assert_null(wk_downgrade(NULL));
	assert_null(wk_upgrade(NULL));
	assert_null(wk_upgrade_as(NULL, &item_type));
	assert_null(wk_weak_retain(NULL));
	wk_weak_release(NULL);
	assert_true(wk_weak_expired(NULL));
	assert_false(wk_weak_refers_to(NULL, item));
	assert_false(wk_weak_refers_to(weak, NULL));
	assert_false(wk_weak_refers_to(NULL, NULL));
	assert_int_equal(wk_weak_hash(NULL), 0);
	assert_null(wk_weak_type(NULL));
	wk_weak_release(weak);
	wk_release(item);
}

static void test_types_without_weak_references(void **state)
{
	struct item *item = wk_new(&unreferenced_type);

	(void)state;
	assert_null(wk_downgrade(item));
	assert_int_equal(wk_weak_count(item), 0);
	wk_release(item);
}

static void released_at_block_end(struct item *item)
{
	WK_AUTO_WEAK wk_weak *weak = wk_downgrade(item);
	WK_AUTO_WEAK wk_weak *none = NULL;

	assert_null(none);
	assert_false(wk_weak_expired(weak));
}

static void test_handles_released_at_block_end(void **state)
{
	struct item *item = wk_new(&item_type);

	(void)state;
	released_at_block_end(item);
	assert_int_equal(wk_weak_count(item), 0);
	wk_release(item);
}

/* Promise 3: from the instant of the last release on. Identity, hash and type stay. */
static void check_dead(wk_weak *weak, const wk_type *type, uint64_t hash)
{
	void *peeked;

	assert_null(wk_upgrade(weak));
	assert_null(wk_upgrade_as(weak, type));
	assert_true(wk_weak_expired(weak));
	wk_read_lock();
	peeked = wk_weak_peek(weak);
	wk_read_unlock();
	assert_null(peeked);
	assert_int_equal(wk_weak_hash(weak), hash);
	assert_ptr_equal(wk_weak_type(weak), type);
}

static void test_promise_3_dead_from_the_last_release_on(void **state)
{
	const wk_type *const types[] = { &item_type, &plain_type, &large_type, &prompt_type };
	wk_weak *weak, *again;
	uint64_t hash;
	void *object;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		object = wk_new(types[i]);
		weak = wk_downgrade(object);
		hash = wk_weak_hash(weak);
		wk_release(object);
		check_dead(weak, types[i], hash);
		settle();
		again = wk_weak_retain(weak);
		wk_weak_release(weak);
		check_dead(again, types[i], hash);
		wk_weak_release(again);
	}
}

/* Promise 2: however often a dead handle is polled; the count that failed upgrades move is far from the flags. */
static void test_promise_2_dead_stays_dead(void **state)
{
	const unsigned long polls = THREADS_SANITIZED ? 200000 : 2000000;
	struct item *item = wk_new(&item_type);
	wk_weak *weak = wk_downgrade(item);
	unsigned long i, revived = 0;

	(void)state;
	wk_release(item);
	for (i = 0; i < polls; i++)
		revived += wk_upgrade(weak) != NULL;
	assert_int_equal(revived, 0);
	assert_true(wk_weak_expired(weak));
	wk_weak_release(weak);
}

/*
 * A dead object's handle never refers to a new object at the same address. The payload is apart, and its
 * type's allocator gives the same memory out again at once.
 */

static struct {
	_Alignas(16) char payload[1100];
	bool taken;
} recycled;

static void *recycle_allocate(void *context, size_t size, size_t alignment)
{
	(void)context;
	(void)alignment;
	if (size < 1000)
		return malloc(size);
	if (recycled.taken || size > sizeof(recycled.payload))
		return NULL;
	recycled.taken = true;
	return recycled.payload;
}

static void recycle_release(void *context, void *memory, size_t size, size_t alignment)
{
	(void)context;
	(void)size;
	(void)alignment;
	if (memory == recycled.payload)
		recycled.taken = false;
	else
		free(memory);
}

static const wk_allocator recycler = { recycle_allocate, recycle_release, NULL };
WK_DEFINE_TYPE(recycled_type, char[1000], .destroy = destroy, .allocator = &recycler);

static void test_promise_17_recycled_address(void **state)
{
	void *first = wk_new(&recycled_type), *second;
	wk_weak *old = wk_downgrade(first), *young;

	(void)state;
	assert_non_null(first);
	wk_release(first);
	settle();
	second = wk_new(&recycled_type);
	assert_ptr_equal(second, first);
	young = wk_downgrade(second);
	assert_false(wk_weak_refers_to(old, second));
	assert_ptr_not_equal(old, young);
	assert_int_not_equal(wk_weak_hash(old), wk_weak_hash(young));
	assert_null(wk_upgrade(old));
	assert_true(wk_weak_refers_to(young, second));
	wk_weak_release(old);
	wk_weak_release(young);
	wk_release(second);
	settle();
	assert_false(recycled.taken);
}

/* Hashes serve as table indices: their low bits and their high bits tell objects apart. */
#define HASHED 4096

static void test_hashes_spread(void **state)
{
	static unsigned char low[256], high[256];
	static wk_weak *handles[HASHED];
	unsigned empty_low = 0, empty_high = 0, i;
	struct item *item;

	(void)state;
	for (i = 0; i < HASHED; i++) {
		item = wk_new(&plain_type);
		handles[i] = wk_downgrade(item);
		wk_release(item);
		low[wk_weak_hash(handles[i]) & 255] = 1;
		high[wk_weak_hash(handles[i]) >> 56] = 1;
	}
	for (i = 0; i < 256; i++) {
		empty_low += low[i] == 0;
		empty_high += high[i] == 0;
	}
	assert_in_range(empty_low, 0, 16);
	assert_in_range(empty_high, 0, 16);
	for (i = 0; i < HASHED; i++)
		wk_weak_release(handles[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handles_of_one_object_are_one_pointer),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_null_is_allowed),
		cmocka_unit_test(test_types_without_weak_references),
		cmocka_unit_test(test_handles_released_at_block_end),
		cmocka_unit_test(test_promise_3_dead_from_the_last_release_on),
		cmocka_unit_test(test_promise_2_dead_stays_dead),
		cmocka_unit_test(test_promise_17_recycled_address),
		cmocka_unit_test(test_hashes_spread),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
