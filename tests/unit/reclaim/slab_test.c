/*
 * reclaim/slab.c: blocks that fit, that nobody else has, and that come back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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
		assert_int_equal(wki_slab_batch(class), WKI_SLAB_BATCH_BYTES / wki_slab_sizes[class]);
	}
}

static void give_all(unsigned class, struct wki_block *blocks)
{
	for (struct wki_block *next; blocks != NULL; blocks = next) {
		next = blocks->next;
		wki_slab_give_one(class, blocks);
	}
	wki_slab_tidy();
}

static size_t length(const struct wki_block *blocks)
{
	size_t count = 0;

	for (; blocks != NULL; blocks = blocks->next)
		count++;
	return count;
}

/* Where a block may begin: at a line, or in the middle of one, so that what is read together is in one line. */
static void test_blocks_are_aligned(void **state)
{
	(void)state;
	for (unsigned class = 0; class < WKI_SLAB_CLASSES; class++) {
		struct wki_block *batch = wki_slab_take(class), *block;
		uintptr_t alignment = wki_slab_sizes[class] & -wki_slab_sizes[class] & 127;

		alignment = alignment == 0 || alignment > 64 ? 64 : alignment;
		for (block = batch; block != NULL; block = block->next)
			assert_int_equal((uintptr_t)block % alignment, 0);
		wki_slab_give(class, batch);
		assert_ptr_equal(wki_slab_take(class), batch); /* it was kept as it is */
		assert_int_equal(length(batch), wki_slab_batch(class));
		give_all(class, batch);
	}
}

/* Every byte of every block is its own. */

#define SLAB ((size_t)64 << 10)
#define KEPT ((WKI_CHUNKS_KEPT + 1) * WKI_HUGE_PAGE) /* the slabs of a few batches in depots may be in one more chunk each */

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

		while (count + wki_slab_batch(classes[i]) <= BLOCKS)
			fill(wki_slab_take(classes[i]), list, classes[i], &count);
		assert_true(wki_slab_mapped() >= count * wki_slab_sizes[classes[i]]);
		for (size_t j = 0; j < count; j++)
			assert_true(is_filled(list[j], classes[i], j));
		give_all(classes[i], chain(list, count, 7919));
		assert_true(wki_slab_mapped() <= KEPT); /* for whatever class comes next */
	}
}

/* What comes back to slabs that were full is given out again before anything new is mapped. */
static void test_room_is_used_again(void **state)
{
	static struct wki_block *list[BLOCKS];
	const unsigned class = WKI_SLAB_CLASSES - 1;
	size_t count = 0, mapped;

	(void)state;
	while (count + wki_slab_batch(class) <= BLOCKS)
		fill(wki_slab_take(class), list, class, &count);
	mapped = wki_slab_mapped();
	for (size_t i = 0; i < count; i += 2)
		wki_slab_give_one(class, list[i]);
	wki_slab_tidy();
	for (size_t i = 0; i < count; i += 2)
		list[i] = wki_slab_take_one(class);
	assert_int_equal(wki_slab_mapped(), mapped);
	give_all(class, chain(list, count, 1));
}

/* The depot keeps some batches; the rest goes back to its slabs. */
static void test_a_depot_is_no_hoard(void **state)
{
	static struct wki_block *batches[20000];
	const unsigned class = wki_slab_class(64), many = 20000; /* 80 MB */

	(void)state;
	for (unsigned i = 0; i < many; i++)
		batches[i] = wki_slab_take(class);
	assert_true(wki_slab_mapped() > 2 * KEPT);
	for (unsigned i = 0; i < many; i++)
		wki_slab_give(class, batches[i]);
	wki_slab_tidy();
	assert_true(wki_slab_mapped() <= 2 * KEPT);
}

/* Threads that take from, and give to, the same slabs. */

enum { THREADS = 4, ROUNDS = 300 };
static _Atomic unsigned spoiled;

static void take_and_give(void *unused, unsigned index)
{
	static _Thread_local struct wki_block *list[256];

	(void)unused;
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned class = (round + index) % WKI_SLAB_CLASSES;
		size_t count = 0;

		fill(wki_slab_take(class), list, class, &count);
		for (size_t i = 0; i < count; i++)
			spoiled += !is_filled(list[i], class, i);
		if (round % 2 == 0)
			wki_slab_give(class, chain(list, count, 1));
		else
			give_all(class, chain(list, count, 1));
	}
}

static void test_threads(void **state)
{
	(void)state;
	threads_run(THREADS, take_and_give, NULL);
	assert_int_equal(spoiled, 0);
	assert_true(wki_slab_mapped() <= 2 * KEPT);
}

/* Bytes that the process has mapped. */
static rlim_t mapped_now(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	child_check(statm != NULL && fscanf(statm, "%lu", &pages) == 1);
	fclose(statm);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* The system has no more: what could be had is given, then nothing; and it goes on when there is some again. */
static void no_memory(void)
{
	struct rlimit little = { .rlim_max = RLIM_INFINITY };
	const struct rlimit plenty = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	const unsigned class = WKI_SLAB_CLASSES - 1;
	struct wki_block *first = wki_slab_take_one(class), *all = first, *batch, *block; /* a chunk */
	size_t count;

	first->next = NULL;
	/* Too little for a chunk, which is mapped with as much again for its alignment; a sanitizer needs some. */
	little.rlim_cur = mapped_now() + 3 * WKI_HUGE_PAGE / 2;
	setrlimit(RLIMIT_AS, &little);
	while ((batch = wki_slab_take(class)) != NULL) {
		for (block = batch; block->next != NULL; block = block->next)
			;
		block->next = all;
		all = batch;
	}
	while ((block = wki_slab_take_one(class)) != NULL) { /* less than a batch is left */
		block->next = all;
		all = block;
	}
	count = length(all);
	child_check(count == WKI_HUGE_PAGE / SLAB * ((SLAB - 64) / wki_slab_sizes[class])); /* a batch that cannot be whole loses none */
	child_check(wki_slab_take(class) == NULL);
	setrlimit(RLIMIT_AS, &plenty);
	give_all(class, all);
	all = wki_slab_take(0);
	child_check(all != NULL);
	give_all(0, all);
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
		cmocka_unit_test(test_a_depot_is_no_hoard),
		cmocka_unit_test(test_room_is_used_again),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_no_memory),
	};

	if (child_main(argc, argv, cases, 1))
		return 0;
	return cmocka_run_group_tests_name("reclaim/slab", tests, NULL, NULL);
}
