/*
 * sync/event.c: sleeping until something happened
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sched.h>

#include <cmocka.h>

#include "support/threads.h"
#include "sync/event.h"

static void test_signal_changes_the_value(void **state)
{
	struct wki_event event;
	uint32_t seen;

	(void)state;
	wki_event_init(&event);
	seen = wki_event_value(&event);
	assert_int_equal(wki_event_value(&event), seen);
	wki_event_signal(&event);
	assert_int_not_equal(wki_event_value(&event), seen);
	assert_true(wki_event_wait(&event, seen, WKI_NO_DEADLINE)); /* it has happened already */
	assert_true(wki_event_wait(&event, seen, 0));
}

/* A deadline that has passed, and one that passes: however short, it comes. */
static void test_deadlines(void **state)
{
	struct wki_event event;
	uint32_t seen;

	(void)state;
	wki_event_init(&event);
	seen = wki_event_value(&event);
	assert_false(wki_event_wait(&event, seen, 0));
	assert_false(wki_event_wait(&event, seen, wki_now()));
	assert_false(wki_event_wait(&event, seen, wki_deadline_after(200000)));
	assert_false(wki_event_wait(&event, seen, wki_deadline_after(5000000)));
	assert_int_equal(wki_event_value(&event), seen);
}

static void test_deadlines_do_not_overflow(void **state)
{
	uint64_t now = wki_now();

	(void)state;
	assert_true(wki_deadline_after(0) >= now);
	assert_true(wki_deadline_after(1000) >= now + 1000);
	assert_true(wki_deadline_after(WKI_NO_DEADLINE) == WKI_NO_DEADLINE);
	assert_true(wki_deadline_after(WKI_NO_DEADLINE - 1) == WKI_NO_DEADLINE);
	assert_true(wki_now() >= now);
}

/* Two hand a turn back and forth, each asleep while it is not his; nobody sleeps over his. */

#define TURNS (THREADS_SANITIZED ? 2000u : 10000u)

static struct {
	struct wki_event event;
	_Atomic unsigned turn;
} table_tennis;

static void play(void *unused, unsigned index)
{
	unsigned turn;
	uint32_t seen;

	(void)unused;
	for (turn = index; turn < TURNS; turn += 2) {
		for (;;) {
			seen = wki_event_value(&table_tennis.event);
			if (atomic_load(&table_tennis.turn) == turn)
				break;
			(void)wki_event_wait(&table_tennis.event, seen, WKI_NO_DEADLINE);
		}
		atomic_store(&table_tennis.turn, turn + 1);
		wki_event_signal(&table_tennis.event);
	}
}

static void test_no_signal_is_lost(void **state)
{
	(void)state;
	wki_event_init(&table_tennis.event);
	threads_run(2, play, NULL);
	assert_int_equal(atomic_load(&table_tennis.turn), TURNS);
}

/* One signal wakes all. */

#define SLEEPERS 6

static struct {
	struct wki_event event;
	_Atomic unsigned asleep, awake, go;
} dormitory;

static void sleep_until_woken(void *unused, unsigned index)
{
	uint32_t seen = wki_event_value(&dormitory.event);

	(void)unused;
	atomic_fetch_add(&dormitory.asleep, 1);
	if (index == 0) {
		while (atomic_load(&dormitory.asleep) < SLEEPERS)
			sched_yield();
		atomic_store(&dormitory.go, 1);
		wki_event_signal(&dormitory.event);
	}
	while (atomic_load(&dormitory.go) == 0)
		(void)wki_event_wait(&dormitory.event, seen, WKI_NO_DEADLINE);
	atomic_fetch_add(&dormitory.awake, 1);
}

static void test_one_signal_wakes_all(void **state)
{
	unsigned round;

	(void)state;
	wki_event_init(&dormitory.event);
	for (round = 1; round <= 50; round++) {
		atomic_store(&dormitory.asleep, 0);
		atomic_store(&dormitory.go, 0);
		threads_run(SLEEPERS, sleep_until_woken, NULL);
		assert_int_equal(atomic_load(&dormitory.awake), round * SLEEPERS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signal_changes_the_value),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_deadlines_do_not_overflow),
		cmocka_unit_test(test_no_signal_is_lost),
		cmocka_unit_test(test_one_signal_wakes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
