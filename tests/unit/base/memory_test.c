/*
 * base/memory.c: malloc, or the program's allocator
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "support/memory.h"

static struct memory runtimes, types;
static const wk_allocator runtimes_allocator = { memory_allocate, memory_release, &runtimes };
static const wk_allocator types_allocator = { memory_allocate, memory_release, &types };

static void assert_zeroed(const unsigned char *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		assert_int_equal(bytes[i], 0);
}

static void allocate_everything(const wk_allocator *allocator)
{
	const size_t sizes[] = { 1, 16, 100, 4096, 100000 };
	size_t alignment, i;
	void *block;

	for (alignment = WKI_ALIGNMENT; alignment <= WK_ALIGNMENT_MAX; alignment *= 2) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			block = wki_allocate(allocator, sizes[i], alignment);
			assert_non_null(block);
			assert_int_equal((uintptr_t)block % alignment, 0);
			memset(block, 0xff, sizes[i]);
			wki_free(allocator, block, sizes[i], alignment);
			block = wki_allocate_zeroed(allocator, sizes[i], alignment);
			assert_non_null(block);
			assert_int_equal((uintptr_t)block % alignment, 0);
			assert_zeroed(block, sizes[i]);
			wki_free(allocator, block, sizes[i], alignment);
		}
	}
	wki_free(allocator, NULL, 16, WKI_ALIGNMENT);
}

static void test_without_an_allocator(void **state)
{
	(void)state;
	assert_true(wki_memory_is_malloc());
	assert_true(wki_memory_is(NULL));
	allocate_everything(NULL);
}

static void assert_balanced(const struct memory *memory)
{
	assert_true(atomic_load(&memory->calls) > 0);
	assert_int_equal(atomic_load(&memory->blocks), 0);
	assert_int_equal(atomic_load(&memory->wrong), 0);
}

static void test_runtimes_allocator(void **state)
{
	(void)state;
	wki_memory_use(&runtimes_allocator);
	assert_false(wki_memory_is_malloc());
	assert_true(wki_memory_is(&runtimes_allocator));
	allocate_everything(NULL);
	assert_balanced(&runtimes);
	atomic_store(&runtimes.fail_all, 1);
	assert_null(wki_allocate(NULL, 16, WKI_ALIGNMENT));
	assert_null(wki_allocate_zeroed(NULL, 16, WKI_ALIGNMENT));
	atomic_store(&runtimes.fail_all, 0);
	wki_memory_use(NULL);
	assert_true(wki_memory_is_malloc());
}

static void test_allocator_of_a_type(void **state)
{
	unsigned long calls;

	(void)state;
	wki_memory_use(&runtimes_allocator);
	calls = atomic_load(&runtimes.calls);
	allocate_everything(&types_allocator);
	assert_balanced(&types);
	assert_int_equal(atomic_load(&runtimes.calls), calls);
	wki_memory_use(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_an_allocator),
		cmocka_unit_test(test_runtimes_allocator),
		cmocka_unit_test(test_allocator_of_a_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
