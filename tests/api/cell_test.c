/*
 * weakref/cell.h, strong cells, one thread at a time: what each call gives, owns and releases
 */
#include "runtime_fixture.h"

#include <stdlib.h>

struct item {
	unsigned number;
	unsigned *destroys;
};

static void item_destroy(void *payload)
{
	struct item *item = payload;

	if (item->destroys != NULL)
		(*item->destroys)++;
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);
WK_DEFINE_TYPE(prompt_type, struct item, .destroy = item_destroy, .flags = WK_TYPE_PROMPT);
WK_DEFINE_TYPE(strong_type, struct item, .destroy = item_destroy, .flags = WK_TYPE_NO_WEAK);
WK_DEFINE_TYPE(large_type, char[4000], .flags = 0);

static unsigned destroys;

static struct item *item_of(const wk_type *type, unsigned number)
{
	struct item *item = wk_new(type);

	assert_non_null(item);
	item->number = number;
	item->destroys = &destroys;
	return item;
}

/* From zero, now that those of earlier tests have run. */
static void count_destroys(void)
{
	settle();
	destroys = 0;
}

static struct item *item_new(unsigned number)
{
	return item_of(&item_type, number);
}

static void test_zero_bytes_are_an_empty_cell(void **state)
{
	static wk_cell in_static_storage;
	wk_cell initialised = WK_CELL_INIT, *allocated = calloc(1, sizeof(*allocated));
	wk_weak_cell weak = WK_WEAK_CELL_INIT;

	(void)state;
	assert_non_null(allocated);
	assert_null(wk_cell_load(&in_static_storage));
	assert_null(wk_cell_load(&initialised));
	assert_null(wk_cell_exchange(allocated, NULL));
	assert_null(wk_weak_cell_load(&weak));
	assert_null(wk_weak_cell_load_weak(&weak));
	wk_cell_clear(allocated);
	free(allocated);
	WK_READ_SECTION();
	assert_null(wk_cell_peek(&initialised));
	assert_null(wk_weak_cell_peek(&weak));
}

static void test_store_keeps_alive_and_clear_lets_go(void **state)
{
	wk_cell cell = WK_CELL_INIT;
	struct item *item = item_new(1), *loaded;

	(void)state;
	count_destroys();
	wk_cell_store(&cell, item);
	assert_int_equal(wk_strong_count(item), 2);
	wk_release(item);
	loaded = wk_cell_load(&cell);
	assert_ptr_equal(loaded, item);
	assert_int_equal(loaded->number, 1);
	wk_release(loaded);
	settle();
	assert_int_equal(destroys, 0);
	wk_cell_clear(&cell);
	wk_cell_clear(&cell);
	assert_null(wk_cell_load(&cell));
	settle();
	assert_int_equal(destroys, 1);
}

static void test_give_takes_the_reference_over(void **state)
{
	wk_cell cell = WK_CELL_INIT;
	struct item *item = item_new(1);

	(void)state;
	count_destroys();
	wk_cell_give(&cell, item);
	assert_int_equal(wk_strong_count(item), 1);
	wk_cell_give(&cell, item_new(2));
	settle();
	assert_int_equal(destroys, 1);
	wk_cell_give(&cell, NULL);
	settle();
	assert_int_equal(destroys, 2);
}

static void test_exchange_gives_what_was_there(void **state)
{
	wk_cell cell = WK_CELL_INIT;
	struct item *one = item_new(1), *two = item_new(2), *old;

	(void)state;
	count_destroys();
	assert_null(wk_cell_exchange(&cell, one));
	old = wk_cell_exchange(&cell, two);
	assert_ptr_equal(old, one);
	assert_int_equal(wk_strong_count(one), 2); /* its maker's and the one that came back */
	wk_release_many(one, 2);
	wk_release(two);
	old = wk_cell_exchange(&cell, NULL);
	assert_ptr_equal(old, two);
	wk_release(old);
	assert_null(wk_cell_load(&cell));
	settle();
	assert_int_equal(destroys, 2);
}

static void test_compare_exchange_is_by_identity(void **state)
{
	wk_cell cell = WK_CELL_INIT;
	struct item *one = item_new(1), *two = item_new(2);

	(void)state;
	count_destroys();
	assert_true(wk_cell_compare_exchange(&cell, NULL, one));
	assert_false(wk_cell_compare_exchange(&cell, NULL, two));
	assert_false(wk_cell_compare_exchange(&cell, two, NULL));
	assert_int_equal(wk_strong_count(one), 2);
	assert_int_equal(wk_strong_count(two), 1);
	assert_true(wk_cell_compare_exchange(&cell, one, one));
	assert_int_equal(wk_strong_count(one), 2);
	assert_true(wk_cell_compare_exchange(&cell, one, two));
	assert_int_equal(wk_strong_count(one), 1);
	assert_int_equal(wk_strong_count(two), 2);
	wk_release(one);
	assert_true(wk_cell_compare_exchange(&cell, two, NULL));
	wk_release(two);
	assert_null(wk_cell_load(&cell));
	settle();
	assert_int_equal(destroys, 2);
}

static void test_peek_touches_no_count(void **state)
{
	wk_cell cell = WK_CELL_INIT;
	struct item *item = item_new(7), *kept;

	(void)state;
	count_destroys();
	wk_cell_give(&cell, item);
	wk_read_lock();
	assert_ptr_equal(wk_cell_peek(&cell), item);
	assert_int_equal(wk_strong_count(item), 1);
	kept = wk_try_retain(item);
	wk_cell_clear(&cell);
	assert_null(wk_cell_peek(&cell));
	assert_int_equal(item->number, 7);
	wk_release(kept);
	assert_int_equal(item->number, 7); /* dead, and intact until the section ends */
	assert_int_equal(destroys, 0);
	wk_read_unlock();
	settle();
	assert_int_equal(destroys, 1);
}

static void test_prompt_types_are_loaded_but_not_peeked(void **state)
{
	wk_cell cell = WK_CELL_INIT;
	struct item *loaded;

	(void)state;
	count_destroys();
	wk_cell_give(&cell, item_of(&prompt_type, 1));
	wk_read_lock();
	assert_null(wk_cell_peek(&cell));
	wk_read_unlock();
	loaded = wk_cell_load(&cell);
	assert_int_equal(loaded->number, 1);
	wk_release(loaded);
	wk_cell_clear(&cell);
	assert_int_equal(destroys, 1);
}

static void test_types_without_weak_references_have_strong_cells_only(void **state)
{
	wk_cell cell = WK_CELL_INIT;
	wk_weak_cell weak = WK_WEAK_CELL_INIT;
	struct item *item = item_of(&strong_type, 1), *other = item_new(2), *loaded;

	(void)state;
	wk_cell_give(&cell, item);
	loaded = wk_cell_load(&cell);
	assert_ptr_equal(loaded, item);
	assert_int_equal(wk_weak_cell_store(&weak, other), WK_OK);
	assert_int_equal(wk_weak_cell_store(&weak, item), WK_ETYPE);
	wk_release(loaded);
	loaded = wk_weak_cell_load(&weak);
	assert_ptr_equal(loaded, other); /* a refused store has changed nothing */
	wk_release(loaded);
	wk_release(other);
	wk_cell_clear(&cell);
	wk_weak_cell_clear(&weak);
}

static void *next_number(void *current, void *context, int *status)
{
	unsigned number = current == NULL ? 0 : ((struct item *)current)->number;

	if (number == *(unsigned *)context) {
		*status = WK_EBUSY;
		return NULL;
	}
	return item_new(number + 1);
}

static void *same_again(void *current, void *context, int *status)
{
	(void)context;
	(void)status;
	return wk_retain(current);
}

static void *nothing(void *current, void *context, int *status)
{
	(void)current;
	(void)context;
	(void)status;
	return NULL;
}

/* A writer comes between: the first product is given up, and the second is made from what the writer stored. */
static void *overtaken(void *current, void *context, int *status)
{
	struct item *product = item_new(((struct item *)current)->number + 1);
	wk_cell *cell = context;

	(void)status;
	if (product->number == 2)
		wk_cell_give(cell, item_new(10));
	return product;
}

static void test_update(void **state)
{
	wk_cell cell = WK_CELL_INIT;
	unsigned last = 2;
	struct item *loaded;

	(void)state;
	count_destroys();
	assert_int_equal(wk_cell_update(&cell, next_number, &last), WK_OK);
	assert_int_equal(wk_cell_update(&cell, next_number, &last), WK_OK);
	assert_int_equal(wk_cell_update(&cell, next_number, &last), WK_EBUSY);
	assert_int_equal(wk_cell_update(&cell, same_again, NULL), WK_OK);
	loaded = wk_cell_load(&cell);
	assert_int_equal(loaded->number, 2);
	assert_int_equal(wk_strong_count(loaded), 2);
	wk_release(loaded);
	assert_int_equal(wk_cell_update(&cell, nothing, NULL), WK_OK);
	assert_null(wk_cell_load(&cell));
	settle();
	assert_int_equal(destroys, 2);
}

static void test_update_starts_over_when_it_is_overtaken(void **state)
{
	wk_cell cell = WK_CELL_INIT;
	struct item *loaded;

	(void)state;
	count_destroys();
	wk_cell_give(&cell, item_new(1));
	assert_int_equal(wk_cell_update(&cell, overtaken, &cell), WK_OK);
	loaded = wk_cell_load(&cell);
	assert_int_equal(loaded->number, 11);
	wk_release(loaded);
	wk_cell_clear(&cell);
	settle();
	assert_int_equal(destroys, 4);
}

static void test_large_payloads(void **state)
{
	wk_cell strong = WK_CELL_INIT;
	wk_weak_cell weak = WK_WEAK_CELL_INIT;
	char *large = wk_new(&large_type), *loaded;

	(void)state;
	large[3999] = 'x';
	(void)wk_weak_cell_store(&weak, large);
	wk_cell_give(&strong, large);
	loaded = wk_cell_exchange(&strong, NULL);
	assert_ptr_equal(loaded, large);
	loaded = wk_weak_cell_load(&weak);
	assert_ptr_equal(loaded, large);
	wk_read_lock();
	assert_int_equal(((const char *)wk_weak_cell_peek(&weak))[3999], 'x');
	wk_release_many(large, 2);
	assert_null(wk_weak_cell_peek(&weak));
	wk_read_unlock();
	wk_weak_cell_clear(&weak);
}

/* Cells work with the runtime shut down as before. */
static void test_shut_down(void **state)
{
	wk_cell cell = WK_CELL_INIT;
	wk_weak_cell weak = WK_WEAK_CELL_INIT;
	struct item *item = item_of(&strong_type, 1), *other = wk_new(&prompt_type), *loaded;
	wk_shutdown_report report = { .struct_size = sizeof(report) };

	(void)state;
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, &report), WK_OK);
	wk_cell_give(&cell, item);
	loaded = wk_cell_load(&cell);
	assert_ptr_equal(loaded, item);
	wk_release(loaded);
	(void)wk_weak_cell_store(&weak, other);
	wk_cell_give(&cell, other);
	assert_ptr_equal(wk_weak_cell_load(&weak), other);
	wk_release(other);
	wk_cell_clear(&cell);
	assert_null(wk_weak_cell_load(&weak));
	wk_weak_cell_clear(&weak);
	assert_int_equal(wk_runtime_start(NULL), WK_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_bytes_are_an_empty_cell),
		cmocka_unit_test(test_store_keeps_alive_and_clear_lets_go),
		cmocka_unit_test(test_give_takes_the_reference_over),
		cmocka_unit_test(test_exchange_gives_what_was_there),
		cmocka_unit_test(test_compare_exchange_is_by_identity),
		cmocka_unit_test(test_peek_touches_no_count),
		cmocka_unit_test(test_prompt_types_are_loaded_but_not_peeked),
		cmocka_unit_test(test_types_without_weak_references_have_strong_cells_only),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_update_starts_over_when_it_is_overtaken),
		cmocka_unit_test(test_large_payloads),
		cmocka_unit_test(test_shut_down),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/cell.h, strong cells", tests, runtime_setup, NULL);
}
