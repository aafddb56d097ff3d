/*
 * weakref/object.h: constructors, strong references, what can be asked of an object
 */
#include "runtime_fixture.h"

#include <stdatomic.h>
#include <string.h>

#include "support/threads.h"

struct point {
	int x, y;
};

static _Atomic unsigned long destroyed;

static void count_destroy(void *payload)
{
	(void)payload;
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(point_type, struct point, .flags = 0);
WK_DEFINE_TYPE(counted_type, struct point, .destroy = count_destroy);
WK_DEFINE_TYPE(prompt_type, struct point, .destroy = count_destroy, .flags = WK_TYPE_PROMPT);

struct blob {
	size_t length;
	unsigned char bytes[];
};

WK_DEFINE_TYPE(blob_type, struct blob, .flags = 0);

static void test_new_object(void **state)
{
	const struct point zero = { 0, 0 };
	struct point *point = WK_NEW(struct point, &point_type);

	(void)state;
	assert_non_null(point);
	assert_memory_equal(point, &zero, sizeof(zero));
	assert_int_equal(wk_strong_count(point), 1);
	assert_int_equal(wk_weak_count(point), 0);
	assert_ptr_equal(wk_type_of(point), &point_type);
	assert_int_equal(wk_size_of(point), sizeof(struct point));
	assert_true(wk_is_type(point, &point_type));
	assert_false(wk_is_type(point, &counted_type));
	assert_true(wk_is_unique(point));
	wk_release(point);
}

static void test_retain_and_release(void **state)
{
	struct point *point = wk_new(&point_type);
	const struct point *same = wk_retain((const struct point *)point); /* typed, const stays */

	(void)state;
	assert_ptr_equal(same, point);
	assert_int_equal(wk_strong_count(point), 2);
	assert_false(wk_is_unique(point));
	assert_ptr_equal(wk_retain_many(point, 5), point);
	assert_ptr_equal(wk_retain_many(point, 0), point);
	assert_int_equal(wk_strong_count(point), 7);
	wk_release_many(point, 0);
	wk_release_many(point, 6);
	assert_int_equal(wk_strong_count(point), 1);
	assert_true(wk_is_unique(point));
	wk_release(point);
}

/* The last references in one go end the object as a single release does. */
static void test_release_many_ends_the_object(void **state)
{
	struct point *point = wk_new(&counted_type);

	(void)state;
	atomic_store(&destroyed, 0);
	wk_retain_many(point, 9);
	wk_release_many(point, 10);
	settle();
	assert_int_equal(atomic_load(&destroyed), 1);
}

static void test_null_is_allowed(void **state)
{
	void *nothing = NULL;

	(void)state;
	assert_null(wk_retain(nothing));
	assert_null(wk_retain_many(NULL, 3));
	wk_release(NULL);
	wk_release_many(NULL, 3);
	wk_discard(NULL);
	assert_null(wk_try_retain(NULL));
	assert_int_equal(wk_strong_count(NULL), 0);
	assert_int_equal(wk_weak_count(NULL), 0);
	assert_null(wk_type_of(NULL));
	assert_int_equal(wk_size_of(NULL), 0);
	assert_false(wk_is_type(NULL, &point_type));
	assert_false(wk_is_type(NULL, NULL));
	assert_false(wk_is_unique(NULL));
}

static void test_unique_means_no_weak_handle_either(void **state)
{
	struct point *point = wk_new(&point_type);
	wk_weak *weak = wk_downgrade(point);

	(void)state;
	assert_int_equal(wk_weak_count(point), 1);
	assert_false(wk_is_unique(point));
	wk_weak_release(weak);
	assert_int_equal(wk_weak_count(point), 0);
	assert_true(wk_is_unique(point));
	wk_release(point);
}

static void test_copied_payload(void **state)
{
	const struct point model = { 3, 4 };
	int status = WK_EINVAL;
	struct point *point = wk_new_with(&point_type, &(wk_new_options){ .copy_from = &model }, &status);

	(void)state;
	assert_non_null(point);
	assert_int_equal(status, WK_OK);
	assert_memory_equal(point, &model, sizeof(model));
	wk_release(point);
	point = wk_new_with(&point_type, NULL, NULL); /* no options, no status: wk_new */
	assert_non_null(point);
	assert_int_equal(point->x, 0);
	wk_release(point);
}

static void test_flexible_size(void **state)
{
	const size_t lengths[] = { 0, 1, 7, 200, 255, 256, 257, 5000, 1 << 20 };
	struct blob *blob;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		blob = WK_NEW_FLEX(struct blob, bytes, lengths[i], &blob_type, NULL);
		assert_non_null(blob);
		assert_int_equal(wk_size_of(blob), sizeof(struct blob) + lengths[i]);
		for (j = 0; j < lengths[i]; j++)
			assert_int_equal(blob->bytes[j], 0);
		memset(blob->bytes, 0xff, lengths[i]);
		wk_release(blob);
	}
}

static void test_flexible_size_that_overflows(void **state)
{
	int status = WK_OK;

	(void)state;
	assert_null(WK_NEW_FLEX(struct blob, bytes, SIZE_MAX, &blob_type, &status));
	assert_int_equal(status, WK_ENOMEM);
	assert_null(wk_new_flexible(&blob_type, 8, SIZE_MAX / 2, 3, &status));
	assert_int_equal(status, WK_ENOMEM);
	assert_null(wk_new_with(&blob_type, &(wk_new_options){ .size = SIZE_MAX - 100 }, &status));
	assert_int_equal(status, WK_ENOMEM);
}

/* Discard: no destroy runs, the census counts the object as destroyed. */
static void test_discard(void **state)
{
	wk_census before = census_of(&counted_type), after;
	struct point *point = wk_new(&counted_type);

	(void)state;
	atomic_store(&destroyed, 0);
	wk_discard(point);
	settle();
	after = census_of(&counted_type);
	assert_int_equal(atomic_load(&destroyed), 0);
	assert_int_equal(after.created - before.created, 1);
	assert_int_equal(after.destroyed - before.destroyed, 1);
	wk_discard(wk_new(&prompt_type));
	assert_int_equal(atomic_load(&destroyed), 0);
}

static void test_discard_gives_the_queue_and_the_memory_back(void **state)
{
	struct {
		wk_header header;
		struct point point;
	} slot;
	wk_queue *queue = wk_queue_new(NULL, NULL);
	const wk_new_options options = { .destroy_on = queue, .memory = &slot.header };
	struct point *point = wk_new_with(&counted_type, &options, NULL);

	(void)state;
	assert_ptr_equal(point, &slot.point);
	assert_int_equal(wk_strong_count(queue), 2);
	wk_discard(point);
	memset(&slot, 0xee, sizeof(slot)); /* ours again at once */
	assert_int_equal(wk_strong_count(queue), 1);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

static void released_at_block_end(void)
{
	WK_AUTO struct point *point = wk_new(&counted_type);
	WK_AUTO struct point *none = NULL;

	assert_non_null(point);
	assert_null(none);
}

static void test_cleanup_macros(void **state)
{
	struct point *point = wk_new(&counted_type), *stolen;

	(void)state;
	atomic_store(&destroyed, 0);
	released_at_block_end();
	settle();
	assert_int_equal(atomic_load(&destroyed), 1);
	stolen = wk_steal(&point);
	assert_null(point);
	assert_int_equal(wk_strong_count(stolen), 1);
	wk_clear(&stolen);
	assert_null(stolen);
	wk_clear(&stolen);
	settle();
	assert_int_equal(atomic_load(&destroyed), 2);
}

/* The census. */

#define CENSUS_THREADS 4
#define CENSUS_ROUNDS 200
#define CENSUS_TYPES 20 /* more than a thread counts at a time */

static wk_type_state census_states[CENSUS_TYPES];
static wk_type census_types[CENSUS_TYPES];

static void census_make_types(void)
{
	size_t i;

	for (i = 0; i < CENSUS_TYPES; i++) {
		census_types[i] = counted_type;
		census_types[i].state = &census_states[i];
		if (i % 2 == 0)
			census_types[i].destroy = NULL;
	}
}

/* Objects of every type, some made here, some released by the thread after this one. */
static void census_work(void *context, unsigned index)
{
	void *(*handed)[CENSUS_TYPES] = context;
	size_t round, i;
	void *object;

	for (round = 0; round < CENSUS_ROUNDS; round++) {
		for (i = 0; i < CENSUS_TYPES; i++) {
			object = wk_new(&census_types[i]);
			if (round == 0)
				handed[index][i] = object;
			else
				wk_release(object);
		}
	}
}

static void census_release(void *context, unsigned index)
{
	void *(*handed)[CENSUS_TYPES] = context;
	size_t i;

	for (i = 0; i < CENSUS_TYPES; i++)
		wk_release(handed[(index + 1) % CENSUS_THREADS][i]);
}

static void test_census_is_exact(void **state)
{
	static void *handed[CENSUS_THREADS][CENSUS_TYPES];
	wk_census census;
	size_t i;

	(void)state;
	census_make_types();
	threads_run(CENSUS_THREADS, census_work, handed);
	settle();
	for (i = 0; i < CENSUS_TYPES; i++) {
		census = census_of(&census_types[i]);
		assert_int_equal(census.created, CENSUS_THREADS * CENSUS_ROUNDS);
		assert_int_equal(census.destroyed, CENSUS_THREADS * (CENSUS_ROUNDS - 1));
	}
	threads_run(CENSUS_THREADS, census_release, handed);
	settle();
	for (i = 0; i < CENSUS_TYPES; i++)
		assert_int_equal(census_of(&census_types[i]).destroyed, CENSUS_THREADS * CENSUS_ROUNDS);
}

static void test_census_errors(void **state)
{
	wk_census census = { .struct_size = 0 };

	(void)state;
	assert_int_equal(wk_type_census(&point_type, &census), WK_EINVAL);
	assert_int_equal(wk_type_census(&point_type, NULL), WK_EINVAL);
	census.struct_size = sizeof(census);
	assert_int_equal(wk_type_census(NULL, &census), WK_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_object),
		cmocka_unit_test(test_retain_and_release),
		cmocka_unit_test(test_release_many_ends_the_object),
		cmocka_unit_test(test_null_is_allowed),
		cmocka_unit_test(test_unique_means_no_weak_handle_either),
		cmocka_unit_test(test_copied_payload),
		cmocka_unit_test(test_flexible_size),
		cmocka_unit_test(test_flexible_size_that_overflows),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_discard_gives_the_queue_and_the_memory_back),
		cmocka_unit_test(test_cleanup_macros),
		cmocka_unit_test(test_census_is_exact),
		cmocka_unit_test(test_census_errors),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
