/*
 * weakref/ref.h: threads that ask for an object's shared reference at once get one
 *
 * A thread that finds no shared reference allocates one. The allocator of this test holds it there until all
 * have come, so all have found none, every time.
 */
#include "runtime_fixture.h"

#include <stdlib.h>

#include "support/threads.h"

#define SHARERS 4
#define ROUNDS (THREADS_SANITIZED ? 300u : 2000u)

static struct gate all_have_found_none = { .parties = SHARERS };
static _Thread_local bool held_back;

static void *allocate(void *context, size_t size, size_t alignment)
{
	(void)context;
	if (held_back)
		gate_pass(&all_have_found_none);
	held_back = false;
	return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void release(void *context, void *memory, size_t size, size_t alignment)
{
	(void)context;
	(void)size;
	(void)alignment;
	free(memory);
}

static const wk_allocator allocator = { allocate, release, NULL };
static const wk_runtime_options options = { .struct_size = sizeof(options), .allocator = &allocator };

static int setup(void **state)
{
	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

struct thing {
	int number;
};

WK_DEFINE_TYPE(plain_type, struct thing, .flags = 0);

static int do_nothing(wk_weakref *ref, void *argument)
{
	(void)ref;
	(void)argument;
	return 0;
}

static const wk_callback callback = { .run = do_nothing };

struct sharing {
	struct thing *thing;
	wk_weakref *got[SHARERS], *other;
	unsigned long wrong;
};

static void sharing_prepare(void *context)
{
	struct sharing *sharing = context;

	sharing->thing = wk_new(&plain_type);
	sharing->other = wk_weakref_new(sharing->thing, &callback, NULL);
}

/* Beside them, another reference comes and goes: what is first on the list is not always what they look for. */
static void sharing_act(void *context, unsigned thread)
{
	struct sharing *sharing = context;
	wk_weakref *old;

	if (thread < SHARERS) {
		(void)wk_thread_prepare(); /* its record is allocated before */
		held_back = true;
		sharing->got[thread] = wk_weakref_new(sharing->thing, NULL, NULL);
	} else {
		old = sharing->other;
		sharing->other = wk_weakref_new(sharing->thing, &callback, NULL);
		wk_weakref_release(old);
	}
}

static void sharing_settle(void *context)
{
	struct sharing *sharing = context;
	unsigned i;

	for (i = 0; i < SHARERS; i++)
		sharing->wrong += sharing->got[i] == NULL || sharing->got[i] != sharing->got[0];
	sharing->wrong += wk_weakref_count(sharing->thing) != 2;
	for (i = 0; i < SHARERS; i++)
		wk_weakref_release(sharing->got[i]);
	sharing->wrong += wk_weakref_count(sharing->thing) != 1;
	wk_weakref_release(sharing->other);
	wk_release(sharing->thing);
}

static void test_threads_get_one_shared_reference(void **state)
{
	const struct race race = {
		.threads = SHARERS + 1,
		.rounds = ROUNDS,
		.prepare = sharing_prepare,
		.act = sharing_act,
		.settle = sharing_settle,
	};
	struct sharing sharing = { 0 };

	(void)state;
	race_run(&race, &sharing);
	assert_int_equal(sharing.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_get_one_shared_reference),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
