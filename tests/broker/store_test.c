/* What a SET costs: nothing that lasts when it changes nothing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "store.h"

static _Thread_local size_t allocations; /* the library's own threads make nothing of the store's */
static _Thread_local bool counting;

static void *allocate(void *context, size_t size, size_t alignment)
{
	(void)context;
	allocations += counting;
	return alignment <= sizeof(void *) ? malloc(size)
					   : aligned_alloc(alignment, (size + alignment - 1) & -alignment);
}

static void give_back(void *context, void *memory, size_t size, size_t alignment)
{
	(void)context;
	(void)size;
	(void)alignment;
	free(memory);
}

static struct argument word(const char *text)
{
	return (struct argument){ text, strlen(text) };
}

static void test_same_value_again(void **state)
{
	struct store store;

	(void)state;
	assert_int_equal(store_open(&store), WK_OK);
	assert_int_equal(store_set(&store, word("key"), word("value")), WK_CREATED);
	counting = true;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(store_set(&store, word("key"), word("value")), WK_OK);
	assert_int_equal(allocations, 0);
	assert_int_equal(store_set(&store, word("key"), word("other")), WK_OK);
	assert_true(allocations > 0);
	counting = false;
	assert_true(store_remove(&store, word("key")));
	assert_int_equal(store_set(&store, word("key"), word("other")), WK_CREATED);
	assert_int_equal(store_keys(&store), 1);
	assert_int_equal(store_blobs(&store), 1);
	store_close(&store);
}

static int start(void **state)
{
	static const wk_allocator allocator = { allocate, give_back, NULL };
	wk_runtime_options options = { .struct_size = sizeof options, .allocator = &allocator };

	(void)state;
	return wk_runtime_start(&options);
}

static int stop(void **state)
{
	(void)state;
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_value_again),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
