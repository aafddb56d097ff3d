/*
 * weakref/runtime.h: owners and their drain (promise 23), by a program that plays the plug-in itself; what is really
 * unloaded is in tests/plugin
 */
#include "record.h"

#include <stdlib.h>
#include <string.h>

#include "support/child.h"
#include "support/memory.h"
#include "support/threads.h"

struct thing {
	int number;
};

static struct memory memory;
static const wk_allocator own_memory = { memory_allocate, memory_release, &memory };

static void thing_destroy(void *payload)
{
	note(100 + ((struct thing *)payload)->number);
}

/* The plug-in's. */
WK_DEFINE_OWNED_TYPE(thing_type, struct thing, .destroy = thing_destroy);
WK_DEFINE_OWNED_TYPE(plain_type, struct thing, .flags = 0);
WK_DEFINE_OWNED_TYPE(prompt_type, struct thing, .destroy = thing_destroy, .flags = WK_TYPE_PROMPT);
WK_DEFINE_OWNED_TYPE(large_type, char[4000], .allocator = &own_memory);
/* The program's. */
WK_DEFINE_TYPE(host_type, struct thing, .flags = 0);

static void *async_payload;

static void async_destroy(void *payload)
{
	async_payload = payload;
}

WK_DEFINE_OWNED_TYPE(async_type, struct thing, .destroy = async_destroy, .flags = WK_TYPE_ASYNC_DESTROY);

static wk_type *const types[] = { &thing_type, &plain_type, &prompt_type, &large_type, &async_type };
#define TYPES (sizeof(types) / sizeof(types[0]))

static wk_owner *owner_new(void)
{
	wk_owner *owner = wk_owner_new("plug-in", NULL);

	assert_non_null(owner);
	for (size_t i = 0; i < TYPES; i++)
		types[i]->owner = owner;
	return owner;
}

static struct thing *thing_new(const wk_type *type, int number)
{
	struct thing *thing = wk_new(type);

	assert_non_null(thing);
	thing->number = number;
	return thing;
}

static wk_drain_report report_of(wk_owner *owner)
{
	wk_drain_report report = { .struct_size = sizeof(report) };

	assert_int_equal(wk_owner_drain(owner, 0, &report), WK_ETIMEDOUT);
	return report;
}

static void visit_owned(const wk_type *type, const wk_census *census, void *context)
{
	(void)census;
	for (size_t i = 0; i < TYPES; i++)
		*(unsigned *)context += type == types[i];
}

static unsigned types_listed(void)
{
	unsigned count = 0;

	wk_runtime_each_type(visit_owned, &count);
	return count;
}

/* Everything goes: nothing is left to wait for, and the types are gone from the list. */
static void owner_end(wk_owner *owner)
{
	wk_drain_report report = { .struct_size = sizeof(report) };

	assert_int_equal(wk_owner_drain(owner, WK_NO_TIMEOUT, &report), WK_OK);
	assert_int_equal(report.objects + report.remains + report.armed + report.waiting + report.running + report.posts +
				 report.keys,
			 0);
	assert_int_equal(types_listed(), 0);
	assert_null(wk_new(&thing_type));
	assert_int_equal(wk_last_status(), WK_ESHUTDOWN);
	assert_int_equal(wk_owner_drain(owner, 0, NULL), WK_OK);
	wk_release(owner);
	settle();
}

/* Types and objects. */

static void test_promise_23_nothing_registered(void **state)
{
	wk_owner *owner = owner_new();
	wk_drain_report small = { .struct_size = sizeof(small) - 1 };

	(void)state;
	assert_int_equal(wk_owner_drain(NULL, 0, NULL), WK_EINVAL);
	assert_int_equal(wk_owner_drain(owner, 0, &small), WK_EINVAL);
	wk_release(thing_new(&plain_type, 0)); /* EINVAL has closed nothing */
	owner_end(owner);
}

static void test_promise_23_objects(void **state)
{
	wk_owner *owner = owner_new();
	struct thing *thing = thing_new(&thing_type, 1), *other = thing_new(&plain_type, 2);
	int status;

	(void)state;
	assert_int_equal(report_of(owner).objects, 2);
	assert_int_equal(types_listed(), 2);
	assert_null(wk_new(&plain_type));
	assert_int_equal(wk_last_status(), WK_ESHUTDOWN);
	assert_null(wk_new_with(&large_type, NULL, &status));
	assert_int_equal(status, WK_ESHUTDOWN);
	assert_int_equal(wk_strong_count(wk_retain(thing)), 2); /* all else works */
	wk_release_many(thing, 2);
	wk_release(other);
	owner_end(owner);
	ASSERT_HAPPENED(false, 101);
}

/* Dead objects whose control block a weak handle keeps; and the thread that gives it up does nothing else afterwards. */
static void test_promise_23_weak_handles(void **state)
{
	static const wk_type *const of[] = { &thing_type, &plain_type, &prompt_type, &large_type };
	wk_owner *owner = owner_new();
	wk_weak *weak[4];
	wk_drain_report report;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct thing *thing = thing_new(of[i], (int)i);

		weak[i] = wk_downgrade(thing);
		wk_release(thing);
		settle();
	}
	report = report_of(owner);
	assert_int_equal(report.objects, 0);
	assert_int_equal(report.remains, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_ptr_equal(wk_weak_type(weak[i]), of[i]);
		wk_weak_release(weak[i]);
	}
	owner_end(owner);
	record.count = 0;
	assert_int_equal(memory.blocks, 0); /* back, by the plug-in's own function */
	assert_true(memory.calls > 0);
}

static void test_promise_23_borrowed_without_destroy(void **state)
{
	wk_owner *owner = owner_new();
	wk_weak_set *set = wk_weak_set_new(NULL, NULL);
	struct thing *thing = thing_new(&plain_type, 1);

	(void)state;
	assert_int_equal(wk_weak_set_add(set, thing), WK_CREATED);
	wk_release(thing); /* a few blocks that no limbo would ever seal */
	owner_end(owner);
	assert_int_equal(wk_weak_set_len(set), 0);
	wk_release(set);
}

static void test_promise_23_asynchronous_destroy(void **state)
{
	wk_owner *owner = owner_new();

	(void)state;
	wk_release(thing_new(&async_type, 1));
	settle();
	assert_non_null(async_payload);
	assert_int_equal(report_of(owner).objects, 1);
	wk_destroy_done(async_payload);
	owner_end(owner);
}

/* One that ends its object and has not returned: the object is gone, the code is not. */
static struct steps lingering = STEPS_AT_START;
enum { IS_GONE = 1, MAY_GO };

static void lingering_destroy(void *payload)
{
	wk_destroy_done(payload);
	steps_reach(&lingering, IS_GONE);
	steps_wait(&lingering, MAY_GO);
}

WK_DEFINE_OWNED_TYPE(lingering_type, struct thing, .destroy = lingering_destroy, .flags = WK_TYPE_ASYNC_DESTROY);

static void test_promise_23_asynchronous_destroy_that_has_not_returned(void **state)
{
	wk_owner *owner = owner_new();
	wk_drain_report report;

	(void)state;
	lingering_type.owner = owner;
	wk_release(thing_new(&lingering_type, 1));
	steps_wait(&lingering, IS_GONE);
	report = report_of(owner);
	assert_int_equal(report.objects, 0);
	assert_int_equal(report.remains, 1);
	steps_reach(&lingering, MAY_GO);
	owner_end(owner);
}

static void test_promise_23_destroy_on_a_queue(void **state)
{
	wk_owner *owner = owner_new();
	wk_queue *queue = wk_queue_new(NULL, NULL);
	const wk_new_options options = { .destroy_on = queue };
	int status;
	struct thing *thing = wk_new_with(&thing_type, &options, &status);

	(void)state;
	thing->number = 3;
	wk_release(thing);
	settle();
	assert_int_equal(report_of(owner).objects, 1);
	ASSERT_NOTHING_HAPPENED();
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	ASSERT_HAPPENED(true, 103);
	owner_end(owner);
	wk_release(queue);
}

/* Statistics count what has been, also when it cannot be told by type any more; a type can come back. */
static void test_a_type_comes_back(void **state)
{
	wk_stats before = { .struct_size = sizeof(before) }, after = { .struct_size = sizeof(after) };
	wk_owner *owner = owner_new();

	(void)state;
	wk_release(thing_new(&plain_type, 1));
	settle();
	wk_runtime_stats(&before);
	owner_end(owner);
	wk_runtime_stats(&after);
	assert_int_equal(after.objects_created, before.objects_created);
	assert_true(after.objects_destroyed > before.objects_destroyed); /* the owner's */
	owner = owner_new();
	wk_release(thing_new(&plain_type, 1));
	settle();
	assert_int_equal(types_listed(), 1);
	assert_int_equal(census_of(&plain_type).created, 1);
	owner_end(owner);
}

/* Callbacks. */

static int run(wk_weakref *ref, void *argument)
{
	note(wk_weakref_get(ref) == NULL ? (int)(intptr_t)argument : 999);
	return 0;
}

static void release(void *argument)
{
	note(-(int)(intptr_t)argument);
}

static wk_weakref *ref_to(const void *object, intptr_t number, wk_queue *queue, wk_owner *owner)
{
	const wk_callback callback = { run, (void *)number, release, queue, owner };
	wk_weakref *ref = wk_weakref_new(object, &callback, NULL);

	assert_non_null(ref);
	return ref;
}

/* What watches an object of the program is taken back; the reference itself stays good. */
static void test_promise_23_callbacks_are_taken_back(void **state)
{
	wk_owner *owner = owner_new();
	struct thing *host = thing_new(&host_type, 1);
	wk_weakref *first = ref_to(host, 1, NULL, owner), *second = ref_to(host, 2, NULL, owner), *theirs = ref_to(host, 3, NULL, NULL);

	(void)state;
	owner_end(owner);
	ASSERT_HAPPENED(false, -2, -1);
	assert_ptr_equal(wk_weakref_get(first), host);
	assert_int_equal(wk_weakref_cancel(second), WK_OK);
	wk_release_many(host, 2);
	settle();
	ASSERT_HAPPENED(false, 3, -3);
	assert_null(wk_weakref_get(first));
	wk_weakref_release(first);
	wk_weakref_release(second);
	wk_weakref_release(theirs);
}

/* What watches its own objects waits for their death; a callback without an owner is its object's. */
static void test_promise_23_callbacks_of_own_objects(void **state)
{
	wk_owner *owner = owner_new();
	struct thing *own = thing_new(&plain_type, 1);
	wk_weakref *first = ref_to(own, 1, NULL, owner), *second = ref_to(own, 2, NULL, NULL);
	const wk_callback callback = { run, NULL, release, NULL, NULL };
	wk_drain_report report;
	int status;

	(void)state;
	report = report_of(owner);
	assert_int_equal(report.objects, 1);
	assert_int_equal(report.armed, 2);
	assert_null(wk_weakref_new(own, &callback, &status)); /* and no other comes */
	assert_int_equal(status, WK_ESHUTDOWN);
	wk_release(own);
	settle();
	ASSERT_HAPPENED(false, 2, -2, 1, -1);
	report = report_of(owner);
	assert_int_equal(report.armed + report.waiting + report.running, 0);
	assert_int_equal(report.remains, 1);
	wk_weakref_release(first);
	wk_weakref_release(second);
	owner_end(owner);
}

/* What is posted already runs where it was posted to. */
static void test_promise_23_callbacks_in_a_queue(void **state)
{
	wk_owner *owner = owner_new();
	wk_queue *queue = wk_queue_new(NULL, NULL);
	struct thing *dead = thing_new(&host_type, 1), *alive = thing_new(&host_type, 2);
	wk_weakref *posted = ref_to(dead, 1, queue, owner), *armed = ref_to(alive, 2, queue, owner);

	(void)state;
	wk_release(dead);
	assert_int_equal(report_of(owner).waiting, 2);
	ASSERT_NOTHING_HAPPENED();
	assert_int_equal(wk_queue_drain(queue, 0), 2);
	ASSERT_HAPPENED(true, 1, -1, -2);
	owner_end(owner);
	wk_weakref_release(posted);
	wk_weakref_release(armed);
	wk_release(alive);
	wk_release(queue);
}

/* Without an argument to release it ends on the runner too, whoever gave it up. */
static void test_promise_23_callbacks_given_up(void **state)
{
	wk_owner *owner = owner_new();
	struct thing *host = thing_new(&host_type, 1);
	const wk_callback callback = { .run = run, .owner = owner };
	wk_weakref *ref = wk_weakref_new(host, &callback, NULL);

	(void)state;
	wk_weakref_release(ref);
	owner_end(owner);
	ASSERT_NOTHING_HAPPENED();
	wk_release(host);
}

/* One that runs on another thread: the report says so, and the drain waits for its return. */
static struct steps steps = STEPS_AT_START;
enum { RUNS = 1, MAY_RETURN };

static int run_long(wk_weakref *ref, void *argument)
{
	(void)ref;
	(void)argument;
	steps_reach(&steps, RUNS);
	steps_wait(&steps, MAY_RETURN);
	note(7);
	return 0;
}

static void test_promise_23_a_callback_that_runs(void **state)
{
	wk_owner *owner = owner_new();
	struct thing *host = thing_new(&host_type, 1);
	const wk_callback callback = { .run = run_long, .owner = owner };
	wk_weakref *ref = wk_weakref_new(host, &callback, NULL);

	(void)state;
	wk_release(host);
	steps_wait(&steps, RUNS);
	assert_int_equal(report_of(owner).running, 1);
	steps_reach(&steps, MAY_RETURN);
	owner_end(owner);
	ASSERT_HAPPENED(false, 7);
	wk_weakref_release(ref);
}

/* Finalizers. */

static int finalize(void *argument)
{
	note((int)(intptr_t)argument);
	return 0;
}

static wk_finalizer *finalizer_on(const void *object, intptr_t number, wk_owner *owner, bool skip)
{
	const wk_finalizer_options options = { finalize, (void *)number, release, NULL, owner, skip };
	wk_finalizer *finalizer = wk_finalizer_new(object, &options, NULL);

	assert_non_null(finalizer);
	return finalizer;
}

static void test_promise_23_finalizers(void **state)
{
	wk_owner *owner = owner_new();
	struct thing *host = thing_new(&host_type, 1), *own = thing_new(&plain_type, 2);
	wk_finalizer *kept = finalizer_on(host, 1, owner, false), *theirs = finalizer_on(host, 9, NULL, false);
	wk_finalizer_options options;
	void *peeked;

	(void)state;
	wk_finalizer_release(finalizer_on(host, 2, owner, false));
	wk_finalizer_release(finalizer_on(own, 3, NULL, false));
	peeked = wk_finalizer_peek(kept, &options);
	assert_ptr_equal(options.owner, owner);
	wk_release(peeked);
	assert_int_equal(report_of(owner).armed, 1);
	ASSERT_HAPPENED(true, 2, -2, 1, -1); /* here, the newest first */
	assert_false(wk_finalizer_alive(kept));
	assert_int_equal(wk_finalizer_call(kept, NULL), WK_EDEAD);
	wk_finalizer_release(kept);
	wk_release(own);
	owner_end(owner);
	ASSERT_HAPPENED(false, 3, -3);
	assert_int_equal(wk_finalizer_detach(theirs), WK_OK);
	settle();
	ASSERT_HAPPENED(false, -9);
	wk_finalizer_release(theirs);
	wk_release(host);
}

static void test_promise_23_finalizers_that_skip(void **state)
{
	wk_owner *owner = owner_new();
	struct thing *host = thing_new(&host_type, 1);
	int status;

	(void)state;
	wk_finalizer_release(finalizer_on(host, 1, owner, true));
	owner_end(owner);
	ASSERT_HAPPENED(false, -1);
	owner = owner_new();
	assert_int_equal(wk_owner_drain(owner, WK_NO_TIMEOUT, NULL), WK_OK);
	assert_null(wk_finalizer_new(host, &(wk_finalizer_options){ .run = finalize, .owner = owner }, &status));
	assert_int_equal(status, WK_ESHUTDOWN);
	owner_end(owner);
	wk_release(host);
}

/* Posts. */

static void work(void *argument)
{
	note((int)(intptr_t)argument);
}

static void test_promise_23_posts(void **state)
{
	wk_owner *owner = owner_new();
	wk_queue *queue = wk_queue_new(NULL, NULL);

	(void)state;
	assert_int_equal(wk_queue_post_owned(queue, owner, work, (void *)1, release), WK_OK);
	assert_int_equal(wk_queue_post_owned(queue, NULL, work, (void *)2, NULL), WK_OK);
	assert_int_equal(wk_queue_post_owned(NULL, owner, work, NULL, NULL), WK_EINVAL);
	assert_int_equal(wk_queue_post_owned(queue, owner, NULL, NULL, NULL), WK_EINVAL);
	assert_int_equal(report_of(owner).posts, 1);
	assert_int_equal(wk_queue_post_owned(queue, owner, work, (void *)3, release), WK_ESHUTDOWN);
	assert_int_equal(wk_queue_drain(queue, 0), 2);
	ASSERT_HAPPENED(true, 1, -1, 2);
	owner_end(owner);
	owner = owner_new();
	assert_int_equal(wk_queue_post_owned(queue, owner, work, (void *)4, release), WK_OK);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_DROP), WK_OK);
	assert_int_equal(wk_queue_post_owned(queue, owner, work, (void *)5, release), WK_ESHUTDOWN);
	owner_end(owner);
	ASSERT_HAPPENED(true, -4);
	wk_release(queue);
}

/* Kinds of keys. */

static uint64_t key_hash(const void *key, uint64_t seed)
{
	return *(const uint64_t *)key ^ seed;
}

static bool key_equal(const void *a, const void *b)
{
	return *(const uint64_t *)a == *(const uint64_t *)b;
}

static void *key_copy(const void *key)
{
	uint64_t *copy = malloc(sizeof(*copy));

	*copy = *(const uint64_t *)key;
	return copy;
}

static void check_keys(wk_key_type *keys, void *(*copy)(const void *), void (*release_key)(void *))
{
	wk_owner *owner = owner_new();
	const wk_value_dict_options options = { .struct_size = sizeof(options), .keys = WK_KEYS_CUSTOM, .key_type = keys };
	struct thing *host = thing_new(&host_type, 1);
	static const uint64_t numbers[] = { 1, 2, 3 };
	wk_value_dict *dict;
	int status;

	*keys = (wk_key_type){ key_hash, key_equal, copy, release_key, owner };
	dict = wk_value_dict_new(&options, NULL);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(wk_value_dict_set(dict, wk_key_custom(&numbers[i]), host), WK_CREATED);
	assert_int_equal(report_of(owner).keys, 4);
	assert_null(wk_value_dict_new(&options, &status));
	assert_int_equal(status, WK_ESHUTDOWN);
	assert_int_equal(wk_value_dict_remove(dict, wk_key_custom(&numbers[0])), WK_OK);
	/* This thread has the last hold of the entry that was there, and goes on to do nothing else. */
	assert_int_equal(wk_value_dict_set(dict, wk_key_custom(&numbers[1]), host), WK_OK);
	wk_release(dict);
	owner_end(owner);
	wk_release(host);
}

static void *key_borrow(const void *key)
{
	return (void *)(uintptr_t)key;
}

/* Also where no key has to be released: the entries would stay in some thread's limbo. */
static void test_promise_23_keys(void **state)
{
	static wk_key_type keys;

	(void)state;
	check_keys(&keys, key_copy, free);
	check_keys(&keys, key_borrow, NULL);
}

/* Where it cannot be waited. */

static struct {
	wk_owner *owner;
	int status;
} inside;

static void drain_inside(void *unused)
{
	(void)unused;
	inside.status = wk_owner_drain(inside.owner, WK_NO_TIMEOUT, NULL);
}

static void test_promise_23_not_from_inside(void **state)
{
	wk_queue *queue = wk_queue_new(NULL, NULL);

	(void)state;
	inside.owner = owner_new();
	assert_int_equal(wk_queue_post_owned(queue, inside.owner, drain_inside, NULL, NULL), WK_OK);
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	assert_int_equal(inside.status, WK_EDEADLOCK);
	wk_read_lock();
	assert_int_equal(wk_owner_drain(inside.owner, WK_NO_TIMEOUT, NULL), WK_EDEADLOCK);
	wk_read_unlock();
	wk_release(thing_new(&plain_type, 1)); /* nothing has been closed */
	owner_end(inside.owner);
	wk_release(queue);
}

/* What happens once in a process. */

static void misuse_released_undrained(void)
{
	wk_owner *owner = wk_owner_new("careless", NULL);

	plain_type.owner = owner;
	wk_release(wk_new(&plain_type));
	wk_release(owner);
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK); /* not reached */
}

static void scenario_polled(void)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = WK_THREAD_NONE };
	struct thing *thing;
	wk_owner *owner;

	child_check(wk_runtime_start(&options) == WK_OK);
	owner = wk_owner_new(NULL, NULL);
	thing_type.owner = owner;
	thing = wk_new(&thing_type);
	wk_weak_release(wk_downgrade(thing));
	wk_release(thing);
	child_check(record.count == 0);
	child_check(wk_owner_drain(owner, WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(record.count == 1);
	wk_release(owner);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
}

static void scenario_after_shutdown(void)
{
	static wk_owner *owner, *idle; /* they stay: nothing is destroyed any more */
	static struct thing *thing;
	wk_drain_report report = { .struct_size = sizeof(report) };

	owner = wk_owner_new(NULL, NULL);
	idle = wk_owner_new(NULL, NULL);
	plain_type.owner = owner;
	thing = wk_new(&plain_type);
	wk_weak_release(wk_downgrade(thing));
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	wk_release(thing);
	child_check(wk_owner_drain(owner, WK_NO_TIMEOUT, &report) == WK_ESHUTDOWN);
	child_check(report.remains == 1);
	child_check(wk_owner_drain(idle, WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(wk_owner_new(NULL, NULL) == NULL);
}

static const struct child_case cases[] = {
	{ "released_undrained", misuse_released_undrained },
	{ "polled", scenario_polled },
	{ "after_shutdown", scenario_after_shutdown },
};

static void test_promise_24_released_before_it_was_drained(void **state)
{
	struct child_end end = child_run("released_undrained");

	(void)state;
	assert_true(child_aborted(&end));
	assert_true(child_said(&end, "careless: its last reference went before it was drained"));
}

static void test_promise_23_where_the_program_polls(void **state)
{
	(void)state;
	assert_true(child_passes("polled"));
}

static void test_promise_23_after_a_shutdown(void **state)
{
	(void)state;
	assert_true(child_passes("after_shutdown"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_23_nothing_registered),
		cmocka_unit_test(test_promise_23_objects),
		cmocka_unit_test(test_promise_23_weak_handles),
		cmocka_unit_test(test_promise_23_borrowed_without_destroy),
		cmocka_unit_test(test_promise_23_asynchronous_destroy),
		cmocka_unit_test(test_promise_23_asynchronous_destroy_that_has_not_returned),
		cmocka_unit_test(test_promise_23_destroy_on_a_queue),
		cmocka_unit_test(test_a_type_comes_back),
		cmocka_unit_test(test_promise_23_callbacks_are_taken_back),
		cmocka_unit_test(test_promise_23_callbacks_of_own_objects),
		cmocka_unit_test(test_promise_23_callbacks_in_a_queue),
		cmocka_unit_test(test_promise_23_callbacks_given_up),
		cmocka_unit_test(test_promise_23_a_callback_that_runs),
		cmocka_unit_test(test_promise_23_finalizers),
		cmocka_unit_test(test_promise_23_finalizers_that_skip),
		cmocka_unit_test(test_promise_23_posts),
		cmocka_unit_test(test_promise_23_keys),
		cmocka_unit_test(test_promise_23_not_from_inside),
		cmocka_unit_test(test_promise_24_released_before_it_was_drained),
		cmocka_unit_test(test_promise_23_where_the_program_polls),
		cmocka_unit_test(test_promise_23_after_a_shutdown),
		cmocka_unit_test(test_the_accounts_balance),
	};

	if (child_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0])))
		return 0;
	return cmocka_run_group_tests_name("weakref/runtime.h, owners", tests, runtime_setup, NULL);
}
