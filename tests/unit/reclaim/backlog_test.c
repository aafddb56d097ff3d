/*
 * reclaim/backlog.c: counting what waits, and the brake
 *
 * No thread of ours runs: nothing is throttled, and everything stands still between two looks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "reclaim/backlog.h"
#include "reclaim/thread.h"
#include "support/threads.h"

static struct wki_backlog_figures figures(void)
{
	struct wki_backlog_figures figures;

	wki_backlog_read(&figures);
	return figures;
}

static void set_marks(uint64_t hard_objects, uint64_t hard_bytes)
{
	const struct wki_backlog_marks marks = {
		.soft_objects = UINT64_MAX,
		.soft_bytes = UINT64_MAX,
		.hard_objects = hard_objects,
		.hard_bytes = hard_bytes,
	};

	wki_backlog_set_marks(&marks);
}

/* Figures are exact, whether a thread has told or not. */
static void test_notes_are_seen_before_they_are_told(void **state)
{
	unsigned i;

	(void)state;
	assert_non_null(wki_thread_self());
	for (i = 1; i <= 200; i++) {
		wki_backlog_note(1, 100);
		assert_int_equal(figures().objects, i);
		assert_int_equal(figures().dying, i);
		assert_int_equal(figures().bytes, 100 * i);
	}
	assert_in_range(figures().peak_objects, 200 - WKI_BACKLOG_DEBT, 200);
	for (i = 200; i-- > 0;) {
		wki_backlog_note(-1, -100);
		assert_int_equal(figures().objects, i);
		assert_int_equal(figures().bytes, 100 * i);
	}
}

static void test_batches(void **state)
{
	(void)state;
	wki_backlog_add(50, 5000);
	assert_int_equal(figures().objects, 50);
	assert_int_equal(figures().dying, 0); /* plain memory: nothing of it is to be destroyed */
	assert_int_equal(figures().bytes, 5000);
	wki_backlog_add(-50, -5000);
	assert_int_equal(figures().objects, 0);
}

/* For a moment a sum can be below zero: whoever reads it then reads zero. */
static void test_sums_below_zero(void **state)
{
	(void)state;
	wki_backlog_add(-5, -500);
	assert_int_equal(figures().objects, 0);
	assert_int_equal(figures().bytes, 0);
	set_marks(0, 0);
	assert_true(wki_backlog_brake());
	wki_backlog_add(5, 500);
	assert_int_equal(figures().objects, 0);
}

static void test_hard_marks(void **state)
{
	(void)state;
	set_marks(100, UINT64_MAX);
	wki_backlog_add(100, 1);
	assert_true(wki_backlog_brake());
	wki_backlog_add(1, 1);
	assert_false(wki_backlog_brake());
	wki_backlog_add(-101, -2);
	assert_true(wki_backlog_brake());
	set_marks(UINT64_MAX, 1000);
	wki_backlog_add(1, 1000);
	assert_true(wki_backlog_brake());
	wki_backlog_add(1, 1);
	assert_false(wki_backlog_brake());
	wki_backlog_add(-2, -1001);
	assert_true(wki_backlog_brake());
	assert_int_equal(figures().throttled, 0);
}

/* What one thread has told and another has taken back without telling does not hold anybody up. */
static void note_less(void *unused)
{
	unsigned i;

	(void)unused;
	wki_thread_self();
	for (i = 0; i < WKI_BACKLOG_DEBT - 1; i++)
		wki_backlog_note(-1, -1000);
}

static void test_the_brake_knows_what_is_untold(void **state)
{
	(void)state;
	set_marks(10, UINT64_MAX);
	wki_backlog_add(WKI_BACKLOG_DEBT, 1000 * (int64_t)WKI_BACKLOG_DEBT);
	assert_false(wki_backlog_brake());
	threads_alone(note_less, NULL, 0);
	assert_int_equal(figures().objects, 1);
	assert_true(wki_backlog_brake());
	wki_backlog_note(-1, -1000);
	assert_int_equal(figures().objects, 0);
}

/* Bytes are told when they are worth it, in both directions: the brake's cheap look sees large objects go. */
static void test_large_notes_are_told_at_once(void **state)
{
	(void)state;
	set_marks(UINT64_MAX, 1 << 20);
	wki_backlog_note(1, 8 << 20);
	assert_false(wki_backlog_brake());
	wki_backlog_note(-1, -(8 << 20));
	assert_true(wki_backlog_brake());
	assert_int_equal(figures().bytes, 0);
	assert_int_equal(figures().objects, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notes_are_seen_before_they_are_told),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_sums_below_zero),
		cmocka_unit_test(test_hard_marks),
		cmocka_unit_test(test_the_brake_knows_what_is_untold),
		cmocka_unit_test(test_large_notes_are_told_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
