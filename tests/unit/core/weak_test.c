/*
 * core/weak.c in the hardened build (promise 24): peeks and unlocks outside a read section stop the process
 */
#include <setjmp.h>
#include <stdarg.h>

#include "weakref.h"

#include <cmocka.h>

#include "base/sched.h"
#include "support/child.h"

WK_DEFINE_TYPE(item_type, long, .flags = 0);

static void peek_outside(void)
{
	void *item = wk_new(&item_type);

	(void)wk_weak_peek(wk_downgrade(item));
}

static void unlock_outside(void)
{
	wk_read_unlock();
}

/* What is right stays right. */
static void peek_inside(void)
{
	void *item = wk_new(&item_type);
	wk_weak *weak = wk_downgrade(item);

	wk_read_lock();
	wk_read_lock();
	wk_read_unlock();
	child_check(wk_weak_peek(weak) == item);
	wk_read_unlock();
	wk_weak_release(weak);
	wk_release(item);
}

static void assert_stops(const char *name, const char *message)
{
	struct child_end end = child_run(name);

	assert_true(child_aborted(&end));
	assert_true(child_said(&end, message));
}

static void test_promise_24_hardened(void **state)
{
	(void)state;
	assert_true(child_passes("peek_inside"));
	if (WKI_CHECK_LEVEL < 1)
		return;
	assert_stops("peek_outside", "wk_weak_peek outside a read section");
	assert_stops("unlock_outside", "wk_read_unlock outside a read section");
}

int main(int argc, char **argv)
{
	const struct child_case cases[] = {
		{ "peek_outside", peek_outside },
		{ "unlock_outside", unlock_outside },
		{ "peek_inside", peek_inside },
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_24_hardened),
	};

	if (child_main(argc, argv, cases, 3))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
