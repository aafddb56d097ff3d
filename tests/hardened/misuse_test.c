/*
 * Promise 24 in the hardened build: uses after the end, peeks outside read sections, and the release of what was only peeked
 * at stop the process with a message that names the type.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <weakref.h>

#include "support/child.h"

struct small {
	long number;
};

struct large {
	char bytes[1000];
};

WK_DEFINE_TYPE(small_type, struct small, .flags = 0);
WK_DEFINE_TYPE(large_type, struct large, .flags = 0);

/* The last release, and a grace period for whoever might peek. */
static void *ended(const wk_type *type)
{
	void *object = wk_new(type);

	wk_weak_release(wk_downgrade(object));
	wk_release(object);
	(void)!wk_barrier(WK_NO_TIMEOUT);
	(void)!wk_runtime_shutdown(WK_NO_TIMEOUT, NULL); /* what waited with this thread has gone, too */
	return object;
}

static void retain_after_the_end(void)
{
	wk_retain(ended(&small_type));
}

static void downgrade_after_the_end(void)
{
	(void)!wk_downgrade(ended(&small_type));
}

static void ask_a_large_one_after_the_end(void)
{
	(void)wk_type_of(ended(&large_type));
}

/* The peeker releases what is not his; the owner's own release is one too many. */
static void release_what_was_peeked(void)
{
	struct small *object = wk_new(&small_type);
	wk_weak *weak = wk_downgrade(object);

	wk_read_lock();
	wk_release(wk_weak_peek(weak));
	wk_read_unlock();
	wk_weak_release(weak);
	(void)!wk_barrier(WK_NO_TIMEOUT);
	(void)!wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
	wk_release(object);
}

static void peek_outside(void)
{
	(void)wk_weak_peek(wk_downgrade(wk_new(&small_type)));
}

/* What is read through a stale pointer is no old value. */
static void read_after_the_end(void)
{
	const struct small *object = ended(&small_type);

	child_check(object->number == (long)0xddddddddddddddddu);
}

static const struct {
	struct child_case scenario;
	const char *message;
} misuses[] = {
	{ { "retain_after_the_end", retain_after_the_end }, "weakref: struct small at 0x" },
	{ { "downgrade_after_the_end", downgrade_after_the_end }, "weakref: struct small at 0x" },
	{ { "ask_a_large_one_after_the_end", ask_a_large_one_after_the_end }, "weakref: struct large at 0x" },
	{ { "release_what_was_peeked", release_what_was_peeked }, "weakref: struct small at 0x" },
	{ { "peek_outside", peek_outside }, "outside a read section" },
};
#define MISUSES (sizeof(misuses) / sizeof(misuses[0]))

static void test_promise_24_hardened(void **state)
{
	struct child_end end;

	(void)state;
	for (size_t i = 0; i < MISUSES; i++) {
		print_message("%s\n", misuses[i].scenario.name);
		end = child_run(misuses[i].scenario.name);
		assert_true(child_aborted(&end));
		assert_true(child_said(&end, misuses[i].message));
	}
}

static void test_old_values_are_gone(void **state)
{
	(void)state;
	assert_true(child_passes("read_after_the_end"));
}

/* Far more than the quarantine holds: blocks leave it, and everything is in order. */
static void churn(void)
{
	for (unsigned i = 0; i < 20000; i++) {
		void *object = wk_new(i % 2 == 0 ? &small_type : &large_type);

		child_check(object != NULL);
		wk_weak_release(wk_downgrade(object));
		wk_release(object);
	}
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
}

static void test_blocks_leave(void **state)
{
	(void)state;
	assert_true(child_passes("churn"));
}

int main(int argc, char **argv)
{
	struct child_case cases[MISUSES + 2] = { { "read_after_the_end", read_after_the_end }, { "churn", churn } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_24_hardened),
		cmocka_unit_test(test_old_values_are_gone),
		cmocka_unit_test(test_blocks_leave),
	};

	for (size_t i = 0; i < MISUSES; i++)
		cases[i + 2] = misuses[i].scenario;
	if (child_main(argc, argv, cases, MISUSES + 2))
		return 0;
	return cmocka_run_group_tests_name("hardened/misuse", tests, NULL, NULL);
}
