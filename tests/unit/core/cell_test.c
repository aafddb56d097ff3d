/*
 * core/cell.h, and the memory behind it: what a reader has found in a weak cell stays until its section ends
 *
 * The runtime has no threads of its own; control blocks come from an allocator that counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cell.h"
#include "support/memory.h"
#include "sync/rcu.h"
#include "weakref.h"

#include <cmocka.h>

struct item {
	unsigned number;
};

static wk_weak_cell cell;
static struct wki_count *found; /* by a reader, in a section that is still open */

static struct wki_count *look(void)
{
	return wki_cell_look((struct wki_cell *)(void *)&cell);
}

/* A reader comes when the object's grace period is over, and while it looks the cell gives its handle up. */
static void destroy_beside_a_reader(void *unused)
{
	(void)unused;
	wki_read_lock();
	found = look();
	wk_weak_cell_clear(&cell);
}

static struct memory memory;
static const wk_allocator allocator = { memory_allocate, memory_release, &memory };

WK_DEFINE_TYPE(watched_type, struct item, .destroy = destroy_beside_a_reader, .allocator = &allocator);

static void make(const wk_type *type)
{
	struct item *item = wk_new(type);

	assert_int_equal(wk_weak_cell_store(&cell, item), WK_OK);
	wk_release(item);
}

/* The reader's section is open: the block is there, and says that nobody owns it. Afterwards it goes. */
static void check_reader(void)
{
	uint32_t units;

	assert_int_equal(atomic_load(&memory.blocks), 1);
	assert_false(wki_count_try_add_unit_rcu(found, &units));
	assert_true(wki_count_upgrade(found) & WKI_STRONG_DEAD);
	wki_read_unlock();
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
	assert_int_equal(atomic_load(&memory.blocks), 0);
	assert_int_equal(atomic_load(&memory.wrong), 0);
}

static int start(void **state)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = WK_THREAD_NONE };

	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

static void do_nothing(void *unused)
{
	(void)unused;
}

WK_DEFINE_TYPE(plain_type, struct item, .destroy = do_nothing, .allocator = &allocator);

/* The object is long gone, the cell has the last handle. */
static void test_the_last_handle_goes_beside_a_reader(void **state)
{
	(void)state;
	make(&plain_type);
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
	wki_read_lock();
	found = look();
	wk_weak_cell_clear(&cell);
	check_reader();
}

static void test_the_strong_side_goes_beside_a_reader(void **state)
{
	(void)state;
	found = NULL;
	make(&watched_type);
	while (found == NULL)
		(void)wk_runtime_poll(1);
	check_reader();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_last_handle_goes_beside_a_reader, start),
		cmocka_unit_test_setup(test_the_strong_side_goes_beside_a_reader, start),
	};

	return cmocka_run_group_tests_name("core/cell.h", tests, NULL, NULL);
}
