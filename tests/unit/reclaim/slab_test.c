/*
 * reclaim/slab.c: blocks that fit, that nobody else has, and that come back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/map.h"
#include "reclaim/slab.h"
#include "support/child.h"
#include "support/threads.h"

static void test_each_size_has_the_smallest_class_that_fits(void **state)
{
	(void)state;
	for (size_t size = 1; size <= WKI_SLAB_LARGEST; size++) {
		unsigned class = wki_slab_class(size);

		assert_true(class < WKI_SLAB_CLASSES);
		assert_true(wki_slab_sizes[class] >= size);
		assert_true(class == 0 || wki_slab_sizes[class - 1] < size);
	}
}

/* Where a block may begin: at a line, or in the middle of one, so that what is read together is in one line. */
static void test_blocks_are_aligned(void **state)
{
	(void)state;
	for (unsigned class = 0; class < WKI_SLAB_CLASSES; class++) {
		struct wki_block *blocks = wki_slab_take(class, 50), *block;
		uintptr_t alignment = wki_slab_sizes[class] & -wki_slab_sizes[class] & 127;

		alignment = alignment == 0 || alignment > 64 ? 64 : alignment;
		for (block = blocks; block != NULL; block = block->next)
			assert_int_equal((uintptr_t)block % alignment, 0);
		assert_null(wki_slab_give(blocks, 50));
	}
}

/* Every byte of every block is its own. */

enum { BLOCKS = 40000 }; /* of 512 bytes: more than nine chunks */

static void fill(struct wki_block *blocks, struct wki_block **list, unsigned class, size_t *count)
{
	for (struct wki_block *next; blocks != NULL; blocks = next) {
		next = blocks->next;
		memset(blocks, (int)(*count % 251), wki_slab_sizes[class]);
		list[(*count)++] = blocks;
	}
}

static bool is_filled(const struct wki_block *block, unsigned class, size_t number)
{
	const unsigned char *bytes = (const unsigned char *)block;

	for (size_t i = 0; i < wki_slab_sizes[class]; i++) {
		if (bytes[i] != number % 251)
			return false;
	}
	return true;
}

/* The list in another order as a chain. */
static struct wki_block *chain(struct wki_block **list, size_t count, size_t stride)
{
	struct wki_block *first = NULL;

	for (size_t i = 0, at = 0; i < count; i++, at = (at + stride) % count) {
		list[at]->next = first;
		first = list[at];
	}
	return first;
}

static void test_everything_comes_back(void **state)
{
	static struct wki_block *list[BLOCKS];
	const unsigned classes[] = { 0, 3, WKI_SLAB_CLASSES - 1 };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		size_t count = 0;

		while (count < BLOCKS)
			fill(wki_slab_take(classes[i], 100), list, classes[i], &count);
		assert_int_equal(count, BLOCKS);
		assert_true(wki_slab_mapped() >= BLOCKS * (size_t)wki_slab_sizes[classes[i]]);
		for (size_t j = 0; j < count; j++)
			assert_true(is_filled(list[j], classes[i], j));
		assert_null(wki_slab_give(chain(list, count, 7919), BLOCKS));
		assert_true(wki_slab_mapped() <= WKI_HUGE_PAGE); /* one chunk is kept, for whatever class comes next */
	}
}

static void test_give_takes_as_many_as_it_is_told(void **state)
{
	struct wki_block *blocks = wki_slab_take(2, 10), *rest = wki_slab_give(blocks, 3);
	unsigned left = 0;

	(void)state;
	for (struct wki_block *block = rest; block != NULL; block = block->next)
		left++;
	assert_int_equal(left, 7);
	assert_null(wki_slab_give(rest, 100));
}

/* Threads that take from, and give to, the same slabs. */

enum { THREADS = 4, ROUNDS = 300 };
static _Atomic unsigned spoiled;

static void take_and_give(void *unused, unsigned index)
{
	struct wki_block *list[64];

	(void)unused;
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned class = (round + index) % WKI_SLAB_CLASSES;
		size_t count = 0;

		fill(wki_slab_take(class, 64), list, class, &count);
		for (size_t i = 0; i < count; i++)
			spoiled += !is_filled(list[i], class, i);
		(void)wki_slab_give(chain(list, count, 1), 64);
	}
}

static void test_threads(void **state)
{
	(void)state;
	threads_run(THREADS, take_and_give, NULL);
	assert_int_equal(spoiled, 0);
	assert_true(wki_slab_mapped() <= WKI_HUGE_PAGE);
}

/* The system has no more: what could be had is given, then nothing; and it goes on when there is some again. */
static void no_memory(void)
{
	const struct rlimit none = { .rlim_cur = 0, .rlim_max = RLIM_INFINITY };
	const struct rlimit plenty = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	const unsigned many = 10000;
	struct wki_block *some, *block;
	unsigned count = 0;

	some = wki_slab_take(WKI_SLAB_CLASSES - 1, 1); /* the first chunk */
	setrlimit(RLIMIT_AS, &none);
	some->next = wki_slab_take(WKI_SLAB_CLASSES - 1, many);
	child_check(wki_slab_take(WKI_SLAB_CLASSES - 1, 1) == NULL);
	setrlimit(RLIMIT_AS, &plenty);
	for (block = some; block != NULL; block = block->next)
		count++;
	child_check(count > 1000 && count < many);
	child_check(wki_slab_give(some, many) == NULL);
	some = wki_slab_take(0, 1);
	child_check(some != NULL);
	child_check(wki_slab_give(some, 1) == NULL);
}

static void test_no_memory(void **state)
{
	(void)state;
	assert_true(child_passes("no_memory"));
}

int main(int argc, char **argv)
{
	const struct child_case cases[] = { { "no_memory", no_memory } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_size_has_the_smallest_class_that_fits),
		cmocka_unit_test(test_blocks_are_aligned),
		cmocka_unit_test(test_everything_comes_back),
		cmocka_unit_test(test_give_takes_as_many_as_it_is_told),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_no_memory),
	};

	if (child_main(argc, argv, cases, 1))
		return 0;
	return cmocka_run_group_tests_name("reclaim/slab", tests, NULL, NULL);
}
