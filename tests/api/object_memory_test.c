/*
 * weakref/object.h: where the memory of objects comes from, how it is aligned, and that all of it goes back
 *
 * The runtime runs on an allocator that counts, fills and poisons. What it keeps for good is one record for
 * each thread that has used it at the same time; everything else is a leak.
 */
#include "runtime_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "support/memory.h"
#include "support/threads.h"

static struct memory memory;
static const wk_allocator allocator = { memory_allocate, memory_release, &memory };
static const wk_runtime_options options = { .struct_size = sizeof(options), .allocator = &allocator };

struct payload {
	char first;
	char rest[];
};

static void destroy_nothing(void *payload)
{
	(void)payload;
}

WK_DEFINE_TYPE(small_type, struct payload, .destroy = destroy_nothing);

/* Types of every alignment, two of each: with a destructor, and plain. */

#define ALIGNMENTS 13 /* 1 to 4096 */

struct kinds {
	wk_type_state states[2 * ALIGNMENTS];
	wk_type types[2 * ALIGNMENTS];
};

static struct memory own; /* of types that have an allocator of their own */
static const wk_allocator own_allocator = { memory_allocate, memory_release, &own };
static struct kinds kinds, own_kinds;

static void make_types(struct kinds *made, const wk_allocator *their_allocator)
{
	size_t i;

	for (i = 0; i < 2 * ALIGNMENTS; i++) {
		made->types[i] = small_type;
		made->types[i].state = &made->states[i];
		made->types[i].alignment = (size_t)1 << i / 2;
		made->types[i].allocator = their_allocator;
		if (i % 2 != 0)
			made->types[i].destroy = NULL;
	}
}

static int setup(void **state)
{
	(void)state;
	make_types(&kinds, NULL);
	make_types(&own_kinds, &own_allocator);
	return wk_runtime_start(&options) == WK_OK && wk_thread_prepare() == WK_OK ? 0 : -1;
}

static void assert_zeroed(const char *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		assert_int_equal(bytes[i], 0);
}

static void check_sizes(const wk_type *type, bool weakly)
{
	const size_t sizes[] = { 1, 8, 100, 255, 256, 257, 1000, 4096, 10000 };
	wk_weak *weak;
	size_t i;
	char *object;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		object = wk_new_with(type, &(wk_new_options){ .size = sizes[i] }, NULL);
		assert_non_null(object);
		assert_int_equal((uintptr_t)object % type->alignment, 0);
		assert_int_equal((uintptr_t)object % 16, 0);
		assert_zeroed(object, sizes[i]);
		memset(object, 0xff, sizes[i]);
		weak = weakly ? wk_downgrade(object) : NULL;
		wk_release(object);
		wk_weak_release(weak);
	}
}

/* Inline and apart, with and without handles: aligned, zeroed, given back with the size they were asked for. */
static void test_every_alignment_and_size(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 2 * ALIGNMENTS; i++) {
		check_sizes(&kinds.types[i], false);
		check_sizes(&kinds.types[i], true);
	}
	settle();
	assert_int_equal(atomic_load(&memory.wrong), 0);
}

/* A type's own allocator gets every block of its objects, control blocks too, and no other does. */

WK_DEFINE_TYPE(own_type, struct payload, .destroy = destroy_nothing, .allocator = &own_allocator);

static void test_allocator_of_a_type(void **state)
{
	unsigned long calls = atomic_load(&memory.calls);

	(void)state;
	check_sizes(&own_type, false);
	check_sizes(&own_type, true);
	assert_true(atomic_load(&own.calls) >= 18);
	assert_int_equal(atomic_load(&memory.calls), calls);
	settle();
	assert_int_equal(atomic_load(&own.blocks), 0);
	assert_int_equal(atomic_load(&own.bytes), 0);
	assert_int_equal(atomic_load(&own.wrong), 0);
}

/*
 * Promise 6: what a weak handle keeps of a dead object. The bytes are counted: of a large payload
 * none, of a small one the block that it shares with its control block.
 */
static long bytes_pinned(size_t size)
{
	long before, pinned;
	wk_weak *weak;
	void *object;

	before = atomic_load(&own.bytes);
	object = wk_new_with(&own_type, &(wk_new_options){ .size = size }, NULL);
	assert_non_null(object);
	weak = wk_downgrade(object);
	wk_release(object);
	settle();
	pinned = atomic_load(&own.bytes) - before;
	wk_weak_release(weak);
	assert_int_equal(atomic_load(&own.bytes), before);
	return pinned;
}

#define CONTROL_BYTES 64 /* 48, and 16 where a payload has a size of its own */

static void test_promise_6_handles_pin_no_large_payload(void **state)
{
	(void)state;
	assert_in_range(bytes_pinned(1), 1, CONTROL_BYTES + 16);
	assert_in_range(bytes_pinned(256), 1, CONTROL_BYTES + 256);
	assert_in_range(bytes_pinned(257), 1, CONTROL_BYTES);
	assert_in_range(bytes_pinned(1 << 20), 1, CONTROL_BYTES);
}

/* Memory of the program's own. */

struct slot {
	wk_header header;
	char payload[400];
};

static void destroy_slot(void *payload)
{
	struct slot *slot = (struct slot *)(void *)((char *)payload - offsetof(struct slot, payload));

	memset(slot, MEMORY_GONE, sizeof(*slot));
	free(slot); /* the last act: nobody touches it afterwards */
}

WK_DEFINE_TYPE(slot_type, char[400], .destroy = destroy_slot, .allocator = &own_allocator);

static void live_in_a_slot(const wk_type *type, bool weakly)
{
	struct slot *slot = malloc(sizeof(*slot));
	long before = atomic_load(&own.bytes);
	wk_weak *weak;
	char *object;

	assert_non_null(slot);
	memset(slot, 0xff, sizeof(*slot));
	object = wk_new_with(type, &(wk_new_options){ .memory = &slot->header }, NULL);
	assert_ptr_equal(object, slot->payload);
	assert_zeroed(object, sizeof(slot->payload));
	assert_in_range(atomic_load(&own.bytes) - before, 1, CONTROL_BYTES);
	weak = weakly ? wk_downgrade(object) : NULL;
	wk_release(object);
	settle();
	assert_true(wk_weak_expired(weak));
	wk_weak_release(weak);
	settle();
	assert_int_equal(atomic_load(&own.bytes), before);
}

static void test_given_memory(void **state)
{
	(void)state;
	live_in_a_slot(&slot_type, false);
	live_in_a_slot(&slot_type, true);
}

/* Memory at any alignment that the type asks for may be given, and copied into. */
static void test_given_memory_of_every_alignment(void **state)
{
	const char model[] = "model";
	size_t i;
	char *block, *object;

	(void)state;
	for (i = 0; i < 2 * ALIGNMENTS; i += 2) {
		block = aligned_alloc(WK_ALIGNMENT_MAX, 2 * (size_t)WK_ALIGNMENT_MAX);
		assert_non_null(block);
		object = wk_new_with(&kinds.types[i],
			&(wk_new_options){ .size = sizeof(model),
				.memory = (wk_header *)(void *)(block + WK_ALIGNMENT_MAX) - 1,
				.copy_from = model },
			NULL);
		assert_ptr_equal(object, block + WK_ALIGNMENT_MAX);
		assert_string_equal(object, model);
		wk_release(object);
		settle();
		free(block);
	}
}

/* Promise 20: each allocation of each constructor fails in turn; nothing changes, nothing leaks. */

static wk_queue *failing_queue;

static void *construct(const wk_type *type, size_t size, bool on_queue, int *status)
{
	const wk_new_options asked = { .size = size, .destroy_on = on_queue ? failing_queue : NULL };

	return wk_new_with(type, &asked, status);
}

static void fail_each_allocation(const wk_type *type, size_t size, bool on_queue)
{
	long blocks = atomic_load(&own.blocks), bytes = atomic_load(&own.bytes);
	wk_census before = census_of(type);
	void *object = NULL;
	unsigned long n;
	int status;

	for (n = 1; object == NULL; n++) {
		memory_fail_at(&own, n);
		object = construct(type, size, on_queue, &status);
		memory_fail_at(&own, 0);
		if (object != NULL)
			break;
		assert_int_equal(status, WK_ENOMEM);
		assert_int_equal(atomic_load(&own.blocks), blocks);
		assert_int_equal(atomic_load(&own.bytes), bytes);
		assert_int_equal(census_of(type).created, before.created);
		assert_int_equal(wk_strong_count(failing_queue), 1);
	}
	assert_int_equal(n, size > 256 || type->alignment > 64 ? 3 : 2); /* it has failed at each site */
	wk_discard(object);
	assert_int_equal(atomic_load(&own.blocks), blocks);
}

static void test_promise_20_constructors_without_memory(void **state)
{
	size_t i;

	(void)state;
	failing_queue = wk_queue_new(NULL, NULL);
	for (i = 0; i < 2 * ALIGNMENTS; i += 2) {
		fail_each_allocation(&own_kinds.types[i], 1, false);
		fail_each_allocation(&own_kinds.types[i], 200, true);
		fail_each_allocation(&own_kinds.types[i], 1000, false);
		fail_each_allocation(&own_kinds.types[i], 1000, true);
	}
	assert_int_equal(wk_queue_close(failing_queue, WK_QUEUE_RUN), WK_OK);
	wk_release(failing_queue);
}

static int count_constructions(void *payload, wk_weak *self, void *context)
{
	(void)payload;
	(void)self;
	++*(int *)context;
	return 0;
}

/* The constructor of the program's is called when everything else has worked. */
static void fail_each_allocation_cyclic(const wk_type *type, size_t size)
{
	const wk_new_options asked = { .size = size };
	long blocks = atomic_load(&own.blocks);
	int status, calls = 0;
	void *object = NULL;
	unsigned long n;

	for (n = 1; object == NULL; n++) {
		memory_fail_at(&own, n);
		object = wk_new_cyclic(type, &asked, count_constructions, &calls, &status);
		memory_fail_at(&own, 0);
		assert_int_equal(status, object == NULL ? WK_ENOMEM : WK_OK);
		assert_int_equal(calls, object != NULL);
		assert_true(object != NULL || atomic_load(&own.blocks) == blocks);
	}
	assert_int_equal(n, size > 256 ? 4 : 3);
	wk_release(object);
}

static void fail_each_allocation_of_a_copy(const wk_type *type, size_t size)
{
	char *object = wk_retain(wk_new_with(type, &(wk_new_options){ .size = size }, NULL)), *copy = NULL;
	long blocks = atomic_load(&own.blocks);
	unsigned long n;
	int status;

	for (n = 1; copy == NULL; n++) {
		memory_fail_at(&own, n);
		copy = wk_make_unique(object, &status);
		memory_fail_at(&own, 0);
		assert_int_equal(status, copy == NULL ? WK_ENOMEM : WK_CREATED);
		assert_int_equal(wk_strong_count(object), copy == NULL ? 2 : 1);
		assert_true(copy != NULL || atomic_load(&own.blocks) == blocks);
	}
	assert_int_equal(n, size > 256 ? 4 : 3);
	wk_release(object);
	wk_release(copy);
	assert_true(atomic_load(&own.blocks) < blocks);
}

static void test_promise_20_cyclic_constructors_and_copies_without_memory(void **state)
{
	(void)state;
	fail_each_allocation_cyclic(&own_kinds.types[0], 200);
	fail_each_allocation_cyclic(&own_kinds.types[1], 1000);
	fail_each_allocation_of_a_copy(&own_kinds.types[1], 200);
	fail_each_allocation_of_a_copy(&own_kinds.types[1], 1000);
}

/* A thread's first constructor also makes the thread's record: without memory it goes on without one. */
static void construct_without_record(void *context)
{
	int *statuses = context;
	void *object;

	memory_fail_at(&memory, 1);
	object = wk_new(&small_type);
	statuses[0] = object != NULL ? WK_OK : wk_last_status();
	wk_release(object);
	atomic_store(&memory.fail_all, 1);
	object = wk_new(&small_type);
	statuses[1] = object != NULL ? WK_OK : wk_last_status();
	statuses[2] = wk_thread_prepare();
	atomic_store(&memory.fail_all, 0);
	memory_fail_at(&memory, 0);
}

static void test_promise_20_thread_without_record(void **state)
{
	wk_census before, after;
	int statuses[3];

	(void)state;
	settle();
	before = census_of(&small_type);
	threads_alone(construct_without_record, statuses, 0);
	settle();
	after = census_of(&small_type);
	assert_int_equal(statuses[0], WK_OK);
	assert_int_equal(statuses[1], WK_ENOMEM);
	assert_int_equal(statuses[2], WK_ENOMEM);
	assert_int_equal(after.created - before.created, 1);
	assert_int_equal(after.destroyed - before.destroyed, 1);
}

/* This thread's record, and those of the library's two. */
#define THREADS_OF_THIS_TEST 3

static void test_the_memory_is_given_back(void **state)
{
	(void)state;
	assert_int_equal(atomic_load(&memory.blocks), THREADS_OF_THIS_TEST);
	assert_int_equal(atomic_load(&memory.wrong), 0);
	assert_int_equal(atomic_load(&own.blocks), 0);
	assert_int_equal(atomic_load(&own.wrong), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_alignment_and_size),
		cmocka_unit_test(test_allocator_of_a_type),
		cmocka_unit_test(test_promise_6_handles_pin_no_large_payload),
		cmocka_unit_test(test_given_memory),
		cmocka_unit_test(test_given_memory_of_every_alignment),
		cmocka_unit_test(test_promise_20_constructors_without_memory),
		cmocka_unit_test(test_promise_20_cyclic_constructors_and_copies_without_memory),
		cmocka_unit_test(test_promise_20_thread_without_record),
		cmocka_unit_test(test_the_accounts_balance),
		cmocka_unit_test(test_the_memory_is_given_back),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
