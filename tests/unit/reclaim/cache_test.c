/*
 * reclaim/cache.c: a thread's own free blocks
 *
 * Under a sanitizer nothing is kept, and an allocator of the program's own gets everything back: what is
 * tested there is that nothing is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "reclaim/cache.h"
#include "reclaim/thread.h"
#include "support/child.h"
#include "support/memory.h"
#include "support/threads.h"

#define KEEPS wki_memory_is_pooled()

static size_t kept(void)
{
	return wki_thread_self()->cache.bytes;
}

static void test_blocks_come_back_to_the_next_who_asks(void **state)
{
	const size_t sizes[] = { 1, 8, 16, 17, 40, 48, 64, 100, 497, 512 };
	void *block, *again;
	size_t i;

	(void)state;
	assert_non_null(wki_thread_self());
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		block = wki_cache_allocate(sizes[i]);
		assert_non_null(block);
		assert_int_equal((uintptr_t)block % WKI_ALIGNMENT, 0);
		memset(block, 0xff, sizes[i]);
		wki_cache_free(block, sizes[i]);
		assert_true((kept() >= sizes[i]) == KEEPS);
		again = wki_cache_allocate(sizes[i]);
		assert_true(again == block || !KEEPS);
		memset(again, 0xff, sizes[i]);
		wki_cache_free(again, sizes[i]);
	}
	wki_cache_empty(&wki_thread_self()->cache);
	assert_int_equal(kept(), 0);
}

/* Any block of a class serves any size of the class, and every size fits the block that it gets. */
static void test_every_size_fits(void **state)
{
	void *blocks[3];
	size_t size;
	unsigned i;

	(void)state;
	for (size = 1; size <= 600; size++) {
		for (i = 0; i < 3; i++) {
			blocks[i] = wki_cache_allocate(size);
			assert_non_null(blocks[i]);
			memset(blocks[i], (int)i, size);
		}
		for (i = 0; i < 3; i++) {
			assert_int_equal(((unsigned char *)blocks[i])[size - 1], i);
			wki_cache_free(blocks[i], size);
		}
	}
	wki_cache_empty(&wki_thread_self()->cache);
}

static void test_large_blocks_are_not_kept(void **state)
{
	size_t size = WKI_SLAB_LARGEST + 1;
	void *block;

	(void)state;
	block = wki_cache_allocate(size);
	wki_cache_free(block, size);
	assert_int_equal(kept(), 0);
}

/* The budget: a thread that gives back more than it asks for does not hoard. */

#define BLOCKS 10000u
#define BUDGET ((size_t)1 << 20) /* at least what cache.c sets when nothing waits in limbo */

static void test_budget(void **state)
{
	static void *blocks[BLOCKS];
	unsigned i;

	(void)state;
	for (i = 0; i < BLOCKS; i++)
		blocks[i] = wki_cache_allocate(300);
	for (i = 0; i < BLOCKS; i++)
		wki_cache_free(blocks[i], 300);
	assert_true(kept() <= BUDGET);
	assert_true((kept() > 0) == KEEPS);
	wki_cache_empty(&wki_thread_self()->cache);
}

static void use_without_record(void *context)
{
	void *block = wki_cache_allocate(48);

	*(bool *)context = block != NULL && wki_thread_if_any() == NULL;
	wki_cache_free(block, 48);
}

static void test_thread_without_record(void **state)
{
	bool good = false;

	(void)state;
	threads_alone(use_without_record, &good, 0);
	assert_true(good);
}

/* A thread's blocks go back when it ends: LeakSanitizer looks, and the next owner of the record finds none. */
static void keep_and_end(void *unused)
{
	(void)unused;
	wki_thread_self();
	wki_cache_free(wki_cache_allocate(100), 100);
}

static void find_none(void *context)
{
	*(size_t *)context = kept();
}

static void test_ended_thread_keeps_nothing(void **state)
{
	size_t left = 1;

	(void)state;
	threads_alone(keep_and_end, NULL, 0);
	threads_alone(find_none, &left, 0);
	assert_int_equal(left, 0);
}

/* An allocator of the program's own sees every block come and go, with the size that it gave. */
static void own_allocator(void)
{
	static struct memory memory;
	static const wk_allocator allocator = { memory_allocate, memory_release, &memory };
	size_t size;

	wki_memory_use(&allocator);
	child_check(wki_thread_self() != NULL);
	for (size = 1; size <= 600; size++) {
		wki_cache_free(wki_cache_allocate(size), size);
		child_check(atomic_load(&memory.blocks) == 1); /* the thread's record */
	}
	child_check(atomic_load(&memory.wrong) == 0);
	atomic_store(&memory.fail_all, 1);
	child_check(wki_cache_allocate(48) == NULL);
	child_check(wki_cache_allocate(1000) == NULL);
}

static void test_own_allocator(void **state)
{
	(void)state;
	assert_true(child_passes("own_allocator"));
}

int main(int argc, char **argv)
{
	const struct child_case cases[] = { { "own_allocator", own_allocator } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_come_back_to_the_next_who_asks),
		cmocka_unit_test(test_every_size_fits),
		cmocka_unit_test(test_large_blocks_are_not_kept),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_thread_without_record),
		cmocka_unit_test(test_ended_thread_keeps_nothing),
		cmocka_unit_test(test_own_allocator),
	};

	if (child_main(argc, argv, cases, 1))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
