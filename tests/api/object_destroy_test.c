/*
 * weakref/object.h: when, where and how often destroy runs, and what a release never does (promises 4 and 7)
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "support/memory.h"
#include "support/threads.h"

/* The runtime runs on a counting allocator: a release that allocated would be seen. */
static struct memory memory;
static const wk_allocator allocator = { memory_allocate, memory_release, &memory };

static int setup(void **state)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .allocator = &allocator };

	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

static _Atomic unsigned long destroyed;
static pthread_t destroyer; /* written by destroy, read after settle */

static void count_destroy(void *payload)
{
	(void)payload;
	atomic_fetch_add(&destroyed, 1);
}

static void note_destroy(void *payload)
{
	destroyer = pthread_self();
	count_destroy(payload);
}

struct item {
	long number;
};

WK_DEFINE_TYPE(noting_type, struct item, .destroy = note_destroy);
WK_DEFINE_TYPE(item_type, struct item, .destroy = count_destroy);
WK_DEFINE_TYPE(plain_type, struct item, .flags = 0);
WK_DEFINE_TYPE(prompt_type, struct item, .destroy = count_destroy, .flags = WK_TYPE_PROMPT);

static void test_promise_4_destroy_runs_on_the_runner(void **state)
{
	(void)state;
	atomic_store(&destroyed, 0);
	wk_release(wk_new(&noting_type));
	settle();
	assert_int_equal(atomic_load(&destroyed), 1);
	assert_false(pthread_equal(destroyer, pthread_self()));
}

/* A release may be made under the very lock that destroy takes. */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void lock_destroy(void *payload)
{
	pthread_mutex_lock(&lock);
	count_destroy(payload);
	pthread_mutex_unlock(&lock);
}

WK_DEFINE_TYPE(locking_type, struct item, .destroy = lock_destroy);

static void test_promise_4_release_under_the_lock_that_destroy_takes(void **state)
{
	struct item *item = wk_new(&locking_type);

	(void)state;
	atomic_store(&destroyed, 0);
	pthread_mutex_lock(&lock);
	wk_release(item);
	assert_int_equal(atomic_load(&destroyed), 0);
	pthread_mutex_unlock(&lock);
	settle();
	assert_int_equal(atomic_load(&destroyed), 1);
}

/* Releases of every sort, on a thread that has done nothing else before, allocate nothing. */

#define RELEASES 300 /* more than a batch */

static void *released[4 * RELEASES];

static void release_all(void *context)
{
	unsigned long before = atomic_load(&memory.calls);
	size_t i;

	for (i = 0; i < sizeof(released) / sizeof(released[0]); i++)
		wk_release(released[i]);
	*(unsigned long *)context = atomic_load(&memory.calls) - before;
}

static void test_promise_4_release_never_allocates(void **state)
{
	const wk_type *const types[] = { &item_type, &plain_type, &prompt_type, &locking_type };
	unsigned long allocations = 1;
	wk_weak *handle;
	size_t i;

	(void)state;
	atomic_store(&destroyed, 0);
	for (i = 0; i < sizeof(released) / sizeof(released[0]); i++) {
		released[i] = wk_new(types[i % 4]);
		assert_non_null(released[i]);
		handle = i / 4 % 2 == 0 ? wk_downgrade(released[i]) : NULL; /* borrowed or not */
		wk_weak_release(handle);
	}
	threads_alone(release_all, &allocations, 0);
	assert_int_equal(allocations, 0);
	settle();
	assert_int_equal(atomic_load(&destroyed), 3 * RELEASES);
}

/* wk_release is no cancellation point, although it may wake others. */
static void *release_when_cancelled(void *argument)
{
	size_t i;

	pthread_cancel(pthread_self());
	for (i = 0; i < RELEASES; i++)
		wk_release(released[i]);
	*(_Atomic bool *)argument = true;
	pthread_testcancel();
	return NULL;
}

static void test_release_is_no_cancellation_point(void **state)
{
	_Atomic bool went_on = false;
	void *result = NULL;
	pthread_t thread;
	size_t i;

	(void)state;
	for (i = 0; i < RELEASES; i++)
		released[i] = wk_new(i % 2 == 0 ? &item_type : &plain_type);
	assert_int_equal(pthread_create(&thread, NULL, release_when_cancelled, &went_on), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_true(went_on);
	settle();
}

/* A destroy that releases others and makes new ones; the order of what one thread releases is kept. */

struct pair {
	unsigned number;
	struct item *item;
};

static unsigned order[RELEASES];
static _Atomic unsigned ordered;

static void pair_destroy(void *payload)
{
	struct pair *pair = payload;
	struct item *made = wk_new(&item_type);

	order[atomic_fetch_add(&ordered, 1)] = pair->number;
	if (made == NULL || wk_strong_count(made) != 1)
		order[0] = RELEASES; /* told by the main thread */
	wk_release(made);
	wk_release(pair->item);
}

WK_DEFINE_TYPE(pair_type, struct pair, .destroy = pair_destroy);

static void test_promise_7_destroys_run_in_the_order_of_releases(void **state)
{
	struct pair *pair;
	unsigned i;

	(void)state;
	atomic_store(&destroyed, 0);
	atomic_store(&ordered, 0);
	for (i = 0; i < RELEASES; i++) {
		pair = wk_new(&pair_type);
		pair->number = i;
		pair->item = wk_new(&item_type);
		wk_weak_release(wk_downgrade(pair));
		wk_release(pair);
	}
	settle(); /* the pairs, and */
	settle(); /* what they released */
	assert_int_equal(atomic_load(&ordered), RELEASES);
	for (i = 0; i < RELEASES; i++)
		assert_int_equal(order[i], i);
	assert_int_equal(atomic_load(&destroyed), 2 * RELEASES);
}

/* What destroy finds: a dead object, intact, with its type, size and identity. */

static wk_weak *watched;
static struct {
	const wk_type *type;
	size_t size, strong;
	bool expired, same_handle, refers, upgraded;
	char last;
} found;

static void look_destroy(void *payload)
{
	wk_weak *weak = wk_downgrade(payload);
	void *revived = wk_upgrade(weak);

	found.type = wk_type_of(payload);
	found.size = wk_size_of(payload);
	found.strong = wk_strong_count(payload);
	found.expired = wk_weak_expired(weak);
	found.same_handle = weak == watched;
	found.refers = wk_weak_refers_to(watched, payload);
	found.upgraded = revived != NULL;
	found.last = ((char *)payload)[found.size - 1];
	wk_weak_release(weak);
}

WK_DEFINE_TYPE(looking_type, struct item, .destroy = look_destroy);

static void look_at_death(size_t size)
{
	char *object = wk_new_with(&looking_type, &(wk_new_options){ .size = size }, NULL);

	object[size - 1] = 'x';
	watched = wk_downgrade(object);
	memset(&found, 0, sizeof(found));
	wk_release(object);
	settle();
	assert_ptr_equal(found.type, &looking_type);
	assert_int_equal(found.size, size);
	assert_int_equal(found.strong, 0);
	assert_true(found.expired);
	assert_true(found.same_handle);
	assert_true(found.refers);
	assert_false(found.upgraded);
	assert_int_equal(found.last, 'x');
	wk_weak_release(watched);
}

static void test_what_destroy_finds(void **state)
{
	(void)state;
	look_at_death(sizeof(struct item));
	look_at_death(200);
	look_at_death(2000);
}

/* A handle made in destroy outlives the object. */

static wk_weak *kept;

static void keep_destroy(void *payload)
{
	kept = wk_downgrade(payload);
}

WK_DEFINE_TYPE(keeping_type, struct item, .destroy = keep_destroy);

static void test_handle_made_in_destroy(void **state)
{
	struct item *item = wk_new(&keeping_type);

	(void)state;
	wk_release(item); /* never borrowed before */
	settle();
	assert_true(wk_weak_expired(kept));
	assert_null(wk_upgrade(kept));
	assert_ptr_equal(wk_weak_type(kept), &keeping_type);
	wk_weak_release(kept);
}

/* Asynchronous destroy. */

static void *begun; /* payload whose destroy has begun */

static void begin_destroy(void *payload)
{
	begun = payload;
}

static void begin_and_end_destroy(void *payload)
{
	begun = payload;
	wk_destroy_done(payload);
}

WK_DEFINE_TYPE(begin_type, struct item, .destroy = begin_destroy, .flags = WK_TYPE_ASYNC_DESTROY);
WK_DEFINE_TYPE(at_once_type, struct item, .destroy = begin_and_end_destroy, .flags = WK_TYPE_ASYNC_DESTROY);

static void destroy_is_done(void *payload)
{
	((struct item *)payload)->number++; /* still the program's until the call */
	wk_destroy_done(payload);
}

static void end_later(size_t size, bool weakly)
{
	wk_census before = census_of(&begin_type);
	struct item *item = wk_new_with(&begin_type, &(wk_new_options){ .size = size }, NULL);
	wk_weak *weak = weakly ? wk_downgrade(item) : NULL;

	begun = NULL;
	wk_release(item);
	settle();
	assert_ptr_equal(begun, item);
	assert_int_equal(census_of(&begin_type).destroyed, before.destroyed);
	threads_alone(destroy_is_done, item, 0);
	assert_int_equal(census_of(&begin_type).destroyed, before.destroyed + 1);
	assert_true(wk_weak_expired(weak));
	wk_weak_release(weak);
}

static void test_asynchronous_destroy(void **state)
{
	struct item *item = wk_new(&at_once_type);

	(void)state;
	end_later(sizeof(struct item), false);
	end_later(sizeof(struct item), true);
	end_later(5000, false);
	end_later(5000, true);
	wk_release(item);
	settle();
	assert_ptr_equal(begun, item);
	assert_int_equal(census_of(&at_once_type).destroyed, 1);
}

/* Given memory is the program's when wk_destroy_done has returned. */
static void test_asynchronous_destroy_in_given_memory(void **state)
{
	struct {
		wk_header header;
		struct item item;
	} slot;
	void *object = wk_new_with(&begin_type, &(wk_new_options){ .memory = &slot.header }, NULL);
	wk_weak *weak = wk_downgrade(object);

	(void)state;
	assert_ptr_equal(object, &slot.item);
	wk_release(object);
	settle();
	assert_ptr_equal(begun, object);
	wk_destroy_done(object);
	memset(&slot, 0xff, sizeof(slot));
	assert_null(wk_upgrade(weak));
	wk_weak_release(weak);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_4_destroy_runs_on_the_runner),
		cmocka_unit_test(test_promise_4_release_under_the_lock_that_destroy_takes),
		cmocka_unit_test(test_promise_4_release_never_allocates),
		cmocka_unit_test(test_release_is_no_cancellation_point),
		cmocka_unit_test(test_promise_7_destroys_run_in_the_order_of_releases),
		cmocka_unit_test(test_what_destroy_finds),
		cmocka_unit_test(test_handle_made_in_destroy),
		cmocka_unit_test(test_asynchronous_destroy),
		cmocka_unit_test(test_asynchronous_destroy_in_given_memory),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
