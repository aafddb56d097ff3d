/*
 * reclaim/grace.c: numbered grace periods
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sched.h>
#include <stdlib.h>

#include <cmocka.h>

#include "reclaim/grace.h"
#include "reclaim/limbo.h"
#include "reclaim/thread.h"
#include "retired.h"
#include "support/threads.h"
#include "sync/event.h"
#include "sync/rcu.h"
#include "weakref/runtime.h"

/* Without our threads whoever waits makes the grace periods himself. */

static void test_ticket_is_of_a_grace_period_to_come(void **state)
{
	uint64_t first, second;

	(void)state;
	first = wki_grace_ticket();
	assert_int_equal(wki_grace_ticket(), first); /* drawing one begins nothing */
	assert_false(wki_grace_done(first));
	assert_false(wki_grace_step()); /* nobody wants it */
	wki_grace_want(first);
	assert_true(wki_grace_step());
	assert_true(wki_grace_done(first));
	assert_false(wki_grace_step());
	second = wki_grace_ticket();
	assert_int_equal(second, first + 1);
	assert_false(wki_grace_done(second));
	assert_true(wki_grace_wait(second, 0)); /* does it, deadline or not */
	assert_int_equal(wki_grace_number(), second);
	assert_true(wki_grace_longest_ns() > 0);
}

static void test_wish_for_an_old_ticket_is_none(void **state)
{
	uint64_t ticket = wki_grace_ticket();

	(void)state;
	assert_true(wki_grace_wait(ticket, WKI_NO_DEADLINE));
	wki_grace_want(ticket);
	wki_grace_want(1);
	assert_false(wki_grace_step());
}

/* A reader that is inside holds the grace period up, and with it every later ticket. */

enum { INSIDE = 1, BEGUN, MAY_LEAVE };

static struct steps steps = STEPS_AT_START;

static void *read_main(void *unused)
{
	wki_read_lock();
	steps_reach(&steps, INSIDE);
	steps_wait(&steps, MAY_LEAVE);
	wki_read_unlock();
	return unused;
}

static void *wait_main(void *ticket)
{
	bool *done = ticket;

	*done = wki_grace_wait(wki_grace_ticket(), WKI_NO_DEADLINE);
	return NULL;
}

static uint64_t started(void)
{
	return atomic_load_relaxed(&wki_grace.started);
}

static void test_reader_holds_up(void **state)
{
	uint64_t ticket = wki_grace_ticket(), later;
	pthread_t reader, waiter;
	bool waited = false;
	unsigned i;

	(void)state;
	assert_int_equal(pthread_create(&reader, NULL, read_main, NULL), 0);
	steps_wait(&steps, INSIDE);
	assert_int_equal(pthread_create(&waiter, NULL, wait_main, &waited), 0);
	while (started() < ticket)
		sched_yield();
	later = wki_grace_ticket(); /* the one under way began before this draw */
	assert_int_equal(later, ticket + 1);
	for (i = 0; i < 2000; i++) {
		assert_false(wki_grace_done(ticket));
		sched_yield();
	}
	steps_reach(&steps, MAY_LEAVE);
	assert_int_equal(pthread_join(waiter, NULL), 0);
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_true(waited);
	assert_true(wki_grace_done(ticket));
	assert_false(wki_grace_done(later));
}

/* With our threads: a deadline ends the waiting, not the wish. */
static void test_deadline(void **state)
{
	pthread_t reader;
	uint64_t ticket;

	(void)state;
	assert_int_equal(wk_runtime_start(NULL), WK_OK);
	steps = (struct steps)STEPS_AT_START;
	assert_int_equal(pthread_create(&reader, NULL, read_main, NULL), 0);
	steps_wait(&steps, INSIDE);
	ticket = wki_grace_ticket();
	assert_false(wki_grace_wait(ticket, wki_deadline_after(200000)));
	assert_false(wki_grace_wait(ticket, 0));
	steps_reach(&steps, MAY_LEAVE);
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_true(wki_grace_wait(ticket, WKI_NO_DEADLINE));
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
}

/* Many draw and wait at once, with readers between: nobody sleeps over the grace period that he wants. */

#define WAITERS 4
#define WAITS (THREADS_SANITIZED ? 100u : 500u)

static _Atomic unsigned long waited_in_vain;

static void draw_and_wait(void *unused, unsigned index)
{
	uint64_t ticket;
	unsigned i;

	(void)unused;
	for (i = 0; i < WAITS; i++) {
		wki_read_lock();
		ticket = wki_grace_ticket();
		wki_read_unlock();
		if (index % 2 == 0)
			wki_grace_want(ticket);
		race_add(&waited_in_vain, !wki_grace_wait(ticket, WKI_NO_DEADLINE) || !wki_grace_done(ticket));
	}
}

static void many_wait(bool with_threads)
{
	if (with_threads)
		assert_int_equal(wk_runtime_start(NULL), WK_OK);
	atomic_store(&waited_in_vain, 0);
	threads_run(WAITERS, draw_and_wait, NULL);
	assert_int_equal(atomic_load(&waited_in_vain), 0);
	if (with_threads)
		assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
}

static void test_many_wait(void **state)
{
	(void)state;
	many_wait(false);
	many_wait(true);
}

/*
 * The grace thread asleep for good: once nothing has been wanted for a moment it sweeps up what threads have left,
 * and sleeps until it is wanted. That it has swept is the sign; a wish that did not wake it would wait for ever.
 */

static struct retired leavings[64];

static void leave_behind(void *unused)
{
	unsigned i;

	(void)unused;
	wki_thread_self();
	for (i = 0; i < 64; i++)
		wki_limbo_retire(retired_init(&leavings[i], i), 16);
}

static void test_wish_wakes(void **state)
{
	unsigned round, turns;

	(void)state;
	assert_int_equal(wk_runtime_start(NULL), WK_OK);
	for (round = 0; round < 5; round++) {
		atomic_store(&retired_back, 0);
		threads_alone(leave_behind, NULL, 0);
		while (atomic_load(&retired_back) < 64)
			sched_yield();
		for (turns = 0; turns < 200; turns++)
			sched_yield();
		assert_true(wki_grace_wait(wki_grace_ticket(), WKI_NO_DEADLINE));
	}
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
}

/*
 * What the numbers are for: memory that was unlinked before a ticket was drawn is in no reader's hands when the
 * ticket is done. Its last use is not synchronized with its release but by that, which ThreadSanitizer checks.
 */

#define READERS 3
#define PUBLISHED 0x600dL
#define PUBLICATIONS 100u

struct record {
	long canary; /* plain: a reader that is still there races with the poisoning */
};

static struct {
	_Atomic(struct record *) current;
	_Atomic bool over;
	_Atomic unsigned long reads, torn;
} published;

static struct record *record_new(void)
{
	struct record *record = malloc(sizeof(*record));

	if (record == NULL)
		abort();
	record->canary = PUBLISHED;
	return record;
}

static void publish(void)
{
	struct record *old;
	unsigned i;

	for (i = 0; i < PUBLICATIONS || atomic_load(&published.reads) < PUBLICATIONS; i++) {
		old = atomic_exchange(&published.current, record_new());
		wki_grace_wait(wki_grace_ticket(), WKI_NO_DEADLINE);
		old->canary = 0;
		free(old);
	}
	atomic_store(&published.over, true);
}

static void read_published(void *unused, unsigned index)
{
	struct record *record;

	(void)unused;
	if (index == 0) {
		publish();
		return;
	}
	while (!atomic_load(&published.over)) {
		wki_read_lock();
		record = atomic_load(&published.current);
		sched_yield();
		race_add(&published.torn, record->canary != PUBLISHED);
		wki_read_unlock();
		race_add(&published.reads, true);
	}
}

static void test_memory_outlives_its_readers(void **state)
{
	(void)state;
	assert_int_equal(wk_runtime_start(NULL), WK_OK);
	atomic_store(&published.current, record_new());
	threads_run(1 + READERS, read_published, NULL);
	free(atomic_load(&published.current));
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
	print_message("%lu reads\n", atomic_load(&published.reads));
	assert_int_equal(atomic_load(&published.torn), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ticket_is_of_a_grace_period_to_come),
		cmocka_unit_test(test_wish_for_an_old_ticket_is_none),
		cmocka_unit_test(test_reader_holds_up),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_many_wait),
		cmocka_unit_test(test_wish_wakes),
		cmocka_unit_test(test_memory_outlives_its_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
