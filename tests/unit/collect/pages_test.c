/*
 * collect/pages.h: zeroed, aligned, and given back to where it came from
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collect/pages.h"
#include "support/memory.h"

#define LARGEST ((size_t)8 << 20)

static void check(const wk_allocator *allocator, size_t size)
{
	unsigned char *pages = wki_pages_new(allocator, size);

	assert_non_null(pages);
	assert_int_equal((uintptr_t)pages % 64, 0);
	for (size_t i = 0; i < size; i += i < 64 ? 1 : 61)
		assert_int_equal(pages[i], 0);
	for (size_t i = 0; i < size; i += 4096)
		pages[i] = 1;
	pages[size - 1] = 1;
	wki_pages_free(allocator, pages, size);
}

static void test_every_size(void **state)
{
	(void)state;
	for (size_t size = 64; size <= LARGEST; size *= 2) {
		check(NULL, size);
		check(NULL, size); /* again: what was used comes zeroed, too */
	}
}

/* A program's allocator is asked for everything, however large. */
static void test_an_allocator(void **state)
{
	struct memory memory = { 0 };
	const wk_allocator allocator = { memory_allocate, memory_release, &memory };

	(void)state;
	for (size_t size = 64; size <= LARGEST; size *= 2)
		check(&allocator, size);
	assert_int_equal(memory.calls, 18);
	assert_int_equal(memory.blocks, 0);
	assert_int_equal(memory.wrong, 0);
	memory_fail_at(&memory, 1);
	assert_null(wki_pages_new(&allocator, 64));
}

/* More than there are addresses. */
static void test_no_memory(void **state)
{
	(void)state;
	assert_null(wki_pages_new(NULL, (size_t)1 << 62));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_an_allocator),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("collect/pages", tests, NULL, NULL);
}
