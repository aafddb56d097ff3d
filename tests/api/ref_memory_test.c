/*
 * weakref/ref.h, weakref/finalizer.h: constructors without memory (promise 20), and that all memory goes back
 *
 * The runtime runs on an allocator that counts, fills, poisons and fails. What it keeps for good is one record for
 * each thread that has used it at the same time; everything else is a leak.
 */
#include "runtime_fixture.h"

#include <sched.h>

#include "support/memory.h"

static struct memory memory;
static const wk_allocator allocator = { memory_allocate, memory_release, &memory };
static const wk_runtime_options options = { .struct_size = sizeof(options), .allocator = &allocator };

struct thing {
	int number;
};

WK_DEFINE_TYPE(plain_type, struct thing, .flags = 0);

static struct {
	struct thing *thing;
	wk_queue *queue;
	wk_owner *owner;
	int runs, releases;
} world;

static int run(wk_weakref *ref, void *argument)
{
	(void)ref;
	(void)argument;
	world.runs++;
	return 0;
}

static int run_finalizer(void *argument)
{
	(void)argument;
	world.runs++;
	return 0;
}

static void release(void *argument)
{
	(void)argument;
	world.releases++;
}

/* This thread's record, and those of the library's two. */
#define THREADS_OF_THIS_TEST 3

static int setup(void **state)
{
	(void)state;
	if (wk_runtime_start(&options) != WK_OK || wk_thread_prepare() != WK_OK || wk_barrier(WK_NO_TIMEOUT) != WK_OK)
		return -1;
	/* After the barrier the library's threads have their records; what it took goes back in a moment. */
	while (atomic_load(&memory.blocks) != THREADS_OF_THIS_TEST)
		sched_yield();
	world.thing = wk_new(&plain_type);
	world.queue = wk_queue_new(NULL, NULL);
	return world.thing != NULL && world.queue != NULL ? 0 : -1;
}

static void *make_shared(int *status)
{
	return wk_weakref_new(world.thing, NULL, status);
}

static void *make_sized(int *status)
{
	return wk_weakref_new_sized(world.thing, NULL, 5000, status);
}

static void *make_with_callback(int *status)
{
	const wk_callback callback = { .run = run, .release = release, .queue = world.queue };

	return wk_weakref_new(world.thing, &callback, status);
}

static void *make_proxy(int *status)
{
	return wk_proxy_new(world.thing, NULL, status);
}

static int do_nothing(void *object, void *argument)
{
	(void)object;
	(void)argument;
	return 0;
}

static void *make_method(int *status)
{
	return wk_method_new(world.thing, do_nothing, NULL, status);
}

static void *keep(wk_weakref *ref, void *object)
{
	(void)ref;
	return object;
}

static void *make_hooked(int *status)
{
	return wk_weakref_new_hooked(world.thing, NULL, 0, keep, status);
}

static void *make_finalizer(int *status)
{
	const wk_finalizer_options asked = { .run = run_finalizer, .release = release, .queue = world.queue };

	return wk_finalizer_new(world.thing, &asked, status);
}

static void *make_owned_callback(int *status)
{
	const wk_callback callback = { .run = run, .release = release, .queue = world.queue, .owner = world.owner };

	return wk_weakref_new(world.thing, &callback, status);
}

static void *make_owned_finalizer(int *status)
{
	const wk_finalizer_options asked = {
		.run = run_finalizer, .release = release, .queue = world.queue, .owner = world.owner
	};

	return wk_finalizer_new(world.thing, &asked, status);
}

/* Each allocation at so many sites fails in turn: WK_ENOMEM, nothing is registered, retained, released or lost. */
static void *fail_each_of(unsigned long sites, void *(*make)(int *status))
{
	long blocks = atomic_load(&memory.blocks), bytes = atomic_load(&memory.bytes);
	size_t count = wk_weakref_count(world.thing), holders = wk_strong_count(world.queue);
	unsigned long n;
	int status;
	void *made;

	for (n = 1;; n++) {
		memory_fail_at(&memory, n);
		made = make(&status);
		memory_fail_at(&memory, 0);
		if (made != NULL)
			break;
		assert_int_equal(status, WK_ENOMEM);
		assert_int_equal(atomic_load(&memory.blocks), blocks);
		assert_int_equal(atomic_load(&memory.bytes), bytes);
		assert_int_equal(wk_weakref_count(world.thing), count);
		assert_int_equal(wk_strong_count(world.queue), holders);
		assert_int_equal(world.releases, 0);
	}
	assert_int_equal(n, sites + 1);
	assert_int_equal(status, WK_OK);
	assert_int_equal(wk_weakref_count(world.thing), count + 1);
	return made;
}

static void *fail_each_allocation(void *(*make)(int *status))
{
	return fail_each_of(1, make);
}

static void test_promise_20_weak_reference_objects(void **state)
{
	wk_weakref *shared = fail_each_allocation(make_shared), *sized = fail_each_allocation(make_sized);
	wk_weakref *armed = fail_each_allocation(make_with_callback);

	(void)state;
	wk_weakref_release(shared);
	wk_weakref_release(sized);
	wk_weakref_release(armed);
	assert_int_equal(wk_queue_drain(world.queue, 0), 1);
	assert_int_equal(world.releases, 1);
	assert_int_equal(world.runs, 0);
	world.releases = 0;
}

static void test_promise_20_proxies_methods_and_hooks(void **state)
{
	wk_weakref *proxy = fail_each_allocation(make_proxy), *method = fail_each_allocation(make_method);
	wk_weakref *hooked = fail_each_allocation(make_hooked);
	int result;

	(void)state;
	atomic_store(&memory.fail_all, 1);
	assert_int_equal(wk_proxy_use(proxy, do_nothing, NULL, &result), WK_OK);
	assert_int_equal(wk_method_call(method, NULL, &result), WK_OK);
	wk_release(wk_weakref_get(hooked));
	atomic_store(&memory.fail_all, 0);
	wk_weakref_release(proxy);
	wk_weakref_release(method);
	wk_weakref_release(hooked);
}

static void test_promise_20_finalizers(void **state)
{
	wk_finalizer *finalizer = fail_each_allocation(make_finalizer);

	(void)state;
	assert_int_equal(wk_finalizer_call(finalizer, NULL), WK_OK);
	assert_int_equal(world.runs, 1);
	assert_int_equal(world.releases, 1);
	wk_finalizer_release(finalizer);
}

/* Owners, and what is registered under one: what failed holds nothing, so the drain waits for nothing. */
static void test_promise_20_owners(void **state)
{
	wk_weakref *ref;
	wk_finalizer *finalizer;
	int status;

	(void)state;
	memory_fail_at(&memory, 1);
	assert_null(wk_owner_new("a plug-in", &status));
	assert_int_equal(status, WK_ENOMEM);
	memory_fail_at(&memory, 0);
	world.runs = world.releases = 0;
	world.owner = wk_owner_new("a plug-in", &status);
	memory_fail_at(&memory, 1);
	assert_int_equal(wk_queue_post_owned(world.queue, world.owner, release, NULL, NULL), WK_ENOMEM);
	memory_fail_at(&memory, 0);
	ref = fail_each_of(2, make_owned_callback);
	finalizer = fail_each_of(2, make_owned_finalizer);
	atomic_store(&memory.fail_all, 1);
	assert_int_equal(wk_owner_drain(world.owner, 0, NULL), WK_ETIMEDOUT); /* the callback's argument waits in the queue */
	assert_int_equal(wk_queue_drain(world.queue, 0), 1);
	assert_int_equal(wk_owner_drain(world.owner, WK_NO_TIMEOUT, NULL), WK_OK);
	atomic_store(&memory.fail_all, 0);
	assert_int_equal(world.releases, 2);
	assert_int_equal(world.runs, 1);
	wk_weakref_release(ref);
	wk_finalizer_release(finalizer);
	wk_release(world.owner);
	atomic_store(&memory.failed, 0);
	world.releases = 0;
}

/* Giving up, cancelling, firing and running allocate nothing. */
static void test_nothing_else_needs_memory(void **state)
{
	wk_weakref *given_up = make_with_callback(NULL), *cancelled = make_with_callback(NULL);
	wk_weakref *fired = make_with_callback(NULL), *shared = make_shared(NULL), *list[4];
	wk_finalizer *finalizer = make_finalizer(NULL);
	uint64_t hash;
	size_t i;

	(void)state;
	world.runs = world.releases = 0;
	atomic_store(&memory.fail_all, 1);
	assert_int_equal(wk_weakref_hash(shared, &hash), WK_OK);
	assert_int_equal(wk_weakref_list(world.thing, list, 4), 4);
	for (i = 0; i < 4; i++)
		wk_weakref_release(list[i]);
	wk_weakref_release(given_up);
	assert_int_equal(wk_weakref_cancel(cancelled), WK_OK);
	wk_release(world.thing);
	assert_int_equal(wk_queue_drain(world.queue, 0), 4);
	atomic_store(&memory.fail_all, 0);
	assert_int_equal(atomic_load(&memory.failed), 0);
	assert_int_equal(world.runs, 2);
	assert_int_equal(world.releases, 4);
	wk_weakref_release(cancelled);
	wk_weakref_release(fired);
	wk_weakref_release(shared);
	wk_finalizer_release(finalizer);
	assert_int_equal(wk_strong_count(world.queue), 1);
	assert_int_equal(wk_queue_close(world.queue, WK_QUEUE_RUN), WK_OK);
	wk_release(world.queue);
}

static void test_the_memory_is_given_back(void **state)
{
	(void)state;
	assert_int_equal(atomic_load(&memory.blocks), THREADS_OF_THIS_TEST);
	assert_int_equal(atomic_load(&memory.wrong), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_20_weak_reference_objects),
		cmocka_unit_test(test_promise_20_proxies_methods_and_hooks),
		cmocka_unit_test(test_promise_20_finalizers),
		cmocka_unit_test(test_promise_20_owners),
		cmocka_unit_test(test_nothing_else_needs_memory),
		cmocka_unit_test(test_the_accounts_balance),
		cmocka_unit_test(test_the_memory_is_given_back),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
