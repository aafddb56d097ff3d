/*
 * weakref/cell.h, weak cells, one thread at a time: what each call gives, owns and releases
 */
#include "runtime_fixture.h"

struct item {
	unsigned number;
	unsigned *destroys;
	wk_weak_cell self;
};

static void item_destroy(void *payload)
{
	struct item *item = payload;

	if (item->destroys != NULL)
		(*item->destroys)++;
	wk_weak_cell_clear(&item->self);
}

static void item_destroy_and_store(void *payload)
{
	struct item *item = payload;

	(void)wk_weak_cell_store((wk_weak_cell *)(void *)item->destroys, item);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);
WK_DEFINE_TYPE(late_type, struct item, .destroy = item_destroy_and_store);

static unsigned destroys;

static struct item *item_new(unsigned number)
{
	struct item *item = wk_new(&item_type);

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

static void test_weak_cell_does_not_keep_alive(void **state)
{
	wk_weak_cell cell = WK_WEAK_CELL_INIT;
	struct item *item = item_new(3), *loaded;
	wk_weak *weak;

	(void)state;
	count_destroys();
	assert_int_equal(wk_weak_cell_store(&cell, item), WK_OK);
	assert_int_equal(wk_strong_count(item), 1);
	assert_int_equal(wk_weak_count(item), 1);
	loaded = wk_weak_cell_load(&cell);
	assert_ptr_equal(loaded, item);
	wk_release(loaded);
	wk_read_lock();
	assert_ptr_equal(wk_weak_cell_peek(&cell), item);
	wk_read_unlock();
	wk_release(item);
	assert_null(wk_weak_cell_load(&cell));
	wk_read_lock();
	assert_null(wk_weak_cell_peek(&cell));
	wk_read_unlock();
	weak = wk_weak_cell_load_weak(&cell);
	assert_true(wk_weak_expired(weak));
	assert_ptr_equal(wk_weak_type(weak), &item_type);
	wk_weak_release(weak);
	settle();
	assert_int_equal(destroys, 1);
	wk_weak_cell_clear(&cell);
	assert_null(wk_weak_cell_load_weak(&cell));
}

static void test_weak_cell_owns_one_handle(void **state)
{
	wk_weak_cell cell = WK_WEAK_CELL_INIT;
	struct item *one = item_new(1), *two = item_new(2);
	wk_weak *first = wk_downgrade(one), *second = wk_downgrade(two), *old;

	(void)state;
	wk_weak_cell_give(&cell, wk_weak_retain(first));
	assert_int_equal(wk_weak_count(one), 2);
	assert_false(wk_weak_cell_compare_exchange(&cell, NULL, second));
	assert_false(wk_weak_cell_compare_exchange(&cell, second, NULL));
	assert_int_equal(wk_weak_count(two), 1);
	assert_true(wk_weak_cell_compare_exchange(&cell, first, second));
	assert_int_equal(wk_weak_count(one), 1);
	assert_int_equal(wk_weak_count(two), 2);
	old = wk_weak_cell_exchange(&cell, first);
	assert_ptr_equal(old, second);
	wk_weak_release(old);
	old = wk_weak_cell_exchange(&cell, NULL);
	assert_ptr_equal(old, first);
	wk_weak_release(old);
	assert_int_equal(wk_weak_count(one), 1);
	assert_int_equal(wk_weak_count(two), 1);
	wk_weak_release(first);
	wk_weak_release(second);
	wk_release(one);
	wk_release(two);
}

/* What the dead leave behind can be told from what is new, and replaced. */
static void test_a_dead_handle_is_replaced_by_identity(void **state)
{
	wk_weak_cell cell = WK_WEAK_CELL_INIT;
	struct item *item = item_new(1);
	wk_weak *dead, *fresh;

	(void)state;
	(void)wk_weak_cell_store(&cell, item);
	wk_release(item);
	dead = wk_weak_cell_load_weak(&cell);
	item = item_new(2);
	fresh = wk_downgrade(item);
	assert_true(wk_weak_cell_compare_exchange(&cell, dead, fresh));
	assert_false(wk_weak_cell_compare_exchange(&cell, dead, NULL));
	wk_weak_release(dead);
	wk_weak_release(fresh);
	wk_release(item);
	wk_weak_cell_clear(&cell);
}

static wk_weak *handle_if_dead(wk_weak *current, void *context, int *status)
{
	if (!wk_weak_expired(current)) {
		*status = WK_EEXISTS;
		return NULL;
	}
	return wk_downgrade(context);
}

static void test_weak_update(void **state)
{
	wk_weak_cell cell = WK_WEAK_CELL_INIT;
	struct item *one = item_new(1), *two = item_new(2), *loaded;

	(void)state;
	assert_int_equal(wk_weak_cell_update(&cell, handle_if_dead, one), WK_OK);
	assert_int_equal(wk_weak_cell_update(&cell, handle_if_dead, two), WK_EEXISTS);
	wk_release(one);
	assert_int_equal(wk_weak_cell_update(&cell, handle_if_dead, two), WK_OK);
	loaded = wk_weak_cell_load(&cell);
	assert_ptr_equal(loaded, two);
	wk_release_many(two, 2);
	wk_weak_cell_clear(&cell);
}

/* A destructor may still make others refer to its object: to something dead, from the beginning. */
static void test_a_destructor_stores_its_object_in_a_weak_cell(void **state)
{
	static wk_weak_cell cell;
	struct item *item = wk_new(&late_type);
	wk_weak *weak;

	(void)state;
	item->destroys = (unsigned *)(void *)&cell;
	wk_release(item);
	settle();
	assert_null(wk_weak_cell_load(&cell));
	weak = wk_weak_cell_load_weak(&cell);
	assert_ptr_equal(wk_weak_type(weak), &late_type);
	wk_weak_cell_clear(&cell);
	wk_weak_release(weak);
}

static void test_a_cell_in_its_own_object(void **state)
{
	struct item *item = item_new(1), *loaded;

	(void)state;
	count_destroys();
	assert_int_equal(wk_weak_cell_store(&item->self, item), WK_OK);
	loaded = wk_weak_cell_load(&item->self);
	assert_ptr_equal(loaded, item);
	wk_release_many(item, 2);
	settle();
	assert_int_equal(destroys, 1);
}

static int make_known(void *payload, wk_weak *self, void *context)
{
	wk_weak_cell *cell = context;

	wk_weak_cell_give(cell, wk_weak_retain(self));
	((struct item *)payload)->number = wk_weak_cell_load(cell) == NULL ? 1 : 2;
	return WK_OK;
}

/* A constructor makes its object known: it can be loaded once it is complete. */
static void test_an_object_under_construction(void **state)
{
	wk_weak_cell cell = WK_WEAK_CELL_INIT;
	struct item *item = wk_new_cyclic(&item_type, NULL, make_known, &cell, NULL), *loaded;

	(void)state;
	assert_int_equal(item->number, 1);
	loaded = wk_weak_cell_load(&cell);
	assert_ptr_equal(loaded, item);
	wk_release_many(item, 2);
	assert_null(wk_weak_cell_load(&cell));
	wk_weak_cell_clear(&cell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weak_cell_does_not_keep_alive),
		cmocka_unit_test(test_weak_cell_owns_one_handle),
		cmocka_unit_test(test_a_dead_handle_is_replaced_by_identity),
		cmocka_unit_test(test_weak_update),
		cmocka_unit_test(test_a_destructor_stores_its_object_in_a_weak_cell),
		cmocka_unit_test(test_a_cell_in_its_own_object),
		cmocka_unit_test(test_an_object_under_construction),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/cell.h, weak cells", tests, runtime_setup, NULL);
}
