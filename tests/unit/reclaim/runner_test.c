/*
 * reclaim/runner.c: what is run, when and in which order
 *
 * Where nothing else is said there are no threads of ours: the tests make the runner's steps themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "reclaim/grace.h"
#include "reclaim/runner.h"
#include "retired.h"
#include "support/threads.h"
#include "sync/event.h"
#include "weakref/runtime.h"

/* Links that record the order in which they run. */

#define LINKS 500u

static struct retired links[LINKS];
static unsigned order[4 * LINKS], ordered;

static void link_run(struct wki_deferred *deferred)
{
	struct retired *link = (struct retired *)(void *)deferred;

	order[ordered++] = link->number;
	retired_come_back(deferred);
}

static wki_tagged link_init(unsigned number)
{
	wki_tagged tagged = retired_init(&links[number], number);

	links[number].deferred.run = link_run;
	return tagged;
}

static void assert_order(unsigned first, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		assert_int_equal(order[i], first + i);
	assert_int_equal(ordered, count);
	ordered = 0;
}

static void finish(void)
{
	while (wki_runner_poll(SIZE_MAX) > 0)
		;
}

static void test_now(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 10; i++)
		wki_runner_now(link_init(i));
	assert_int_equal(ordered, 0);
	assert_int_equal(wki_runner_step(SIZE_MAX), 10);
	assert_order(0, 10);
	assert_int_equal(wki_runner_step(SIZE_MAX), 0);
}

static void test_after_grace(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 10; i++)
		wki_runner_after_grace(link_init(i));
	assert_int_equal(wki_runner_step(SIZE_MAX), 0); /* sealed, and a grace period wanted */
	assert_int_equal(wki_runner_step(SIZE_MAX), 0);
	for (i = 10; i < 20; i++)
		wki_runner_after_grace(link_init(i));
	assert_true(wki_grace_step());
	assert_int_equal(wki_runner_step(SIZE_MAX), 10); /* what came later waits for the next */
	assert_order(0, 10);
	assert_int_equal(wki_runner_step(SIZE_MAX), 0);
	assert_true(wki_grace_step());
	assert_int_equal(wki_runner_step(SIZE_MAX), 10);
	assert_order(10, 10);
}

/* What was mailed now before something else was mailed for later is run before it, in a batch at work too. */
static void test_now_comes_before_later(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++) {
		if (i < 90)
			wki_runner_now(link_init(i));
		else
			wki_runner_after_grace(link_init(i));
	}
	finish();
	assert_order(0, 100);
}

static void mail_now(struct wki_deferred *deferred)
{
	link_run(deferred);
	wki_runner_now(link_init(LINKS - 1));
}

/* A long batch does not keep waiting what cannot wait. */
static void test_now_interrupts_a_batch(void **state)
{
	unsigned i, at;

	(void)state;
	for (i = 0; i < 300; i++)
		wki_runner_after_grace(link_init(i));
	links[0].deferred.run = mail_now;
	finish();
	for (at = 0; order[at] != LINKS - 1; at++)
		assert_true(at < 300);
	assert_in_range(at, 1, 130);
	assert_int_equal(ordered, 301);
	ordered = 0;
}

static void test_budget(void **state)
{
	size_t ran;
	unsigned i, sum = 0;

	(void)state;
	for (i = 0; i < 200; i++) {
		if (i % 2 == 0)
			wki_runner_now(link_init(i));
		else
			wki_runner_after_grace(link_init(i));
	}
	for (i = 0; i < 300 && sum < 200; i++) {
		ran = wki_runner_poll(7);
		assert_in_range(ran, 0, 7);
		sum += (unsigned)ran;
		assert_int_equal(ordered, sum);
	}
	assert_int_equal(sum, 200);
	ordered = 0;
}

/* What is found urgent in a batch is within the budget, too. */
static void test_budget_that_ends_inside_a_batch(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++)
		wki_runner_after_grace(link_init(i));
	links[63].deferred.run = mail_now;
	assert_int_equal(wki_runner_step(SIZE_MAX), 0);
	assert_true(wki_grace_step());
	assert_int_equal(wki_runner_step(65), 65);
	assert_int_equal(ordered, 65);
	assert_int_equal(order[64], LINKS - 1);
	finish();
	assert_int_equal(ordered, 101);
	ordered = 0;
}

static void test_figures(void **state)
{
	struct wki_runner_figures before, after;

	(void)state;
	wki_runner_read(&before);
	assert_int_equal(before.lag_ns, 0);
	assert_int_equal(before.begun, before.run);
	assert_int_equal(wki_runner_pending(), 0);
	wki_runner_after_grace(link_init(0));
	wki_runner_now(link_init(1));
	assert_int_equal(wki_runner_step(0), 0);
	wki_runner_read(&after);
	assert_true(after.lag_ns > 0); /* the batch is sealed and waits */
	assert_int_equal(wki_runner_pending(), 2);
	finish();
	wki_runner_read(&after);
	assert_int_equal(after.lag_ns, 0);
	assert_int_equal(after.begun - before.begun, 2);
	assert_int_equal(after.run - before.run, 2);
	assert_int_equal(wki_runner_pending(), 0);
	ordered = 0;
}

static bool self_inside;
static size_t polled_inside;

static void look_inside(struct wki_deferred *deferred)
{
	retired_come_back(deferred);
	self_inside = wki_runner_is_self();
	polled_inside = wki_runner_poll(SIZE_MAX);
}

static void test_who_polls_is_the_runner(void **state)
{
	(void)state;
	wki_runner_now(link_init(0));
	wki_runner_now(link_init(1));
	links[0].deferred.run = look_inside;
	assert_false(wki_runner_is_self());
	polled_inside = 1;
	assert_int_equal(wki_runner_poll(SIZE_MAX), 2);
	assert_true(self_inside);
	assert_int_equal(polled_inside, 0); /* one at a time, and not from inside */
	assert_false(wki_runner_is_self());
	ordered = 0;
}

/*
 * With our threads: links mailed from many sides, now and for later, each answered before the next is mailed. A
 * runner that sleeps over the end of its grace period, or over a mailbox, would not answer.
 */

#define SENDERS 4
#define SENDINGS 300u

struct answer {
	struct retired retired;
	struct wki_event event;
	_Atomic bool given;
};

static void answer_run(struct wki_deferred *deferred)
{
	struct answer *answer = (struct answer *)(void *)deferred;

	retired_come_back(deferred);
	atomic_store(&answer->given, true);
	wki_event_signal(&answer->event);
}

static void send_and_wait(struct answer *answer, bool now)
{
	wki_tagged tagged = retired_init(&answer->retired, 0);
	uint32_t seen;

	if (now)
		answer->retired.ticket = 0;
	answer->retired.deferred.run = answer_run;
	atomic_store(&answer->given, false);
	if (now)
		wki_runner_now(tagged);
	else
		wki_runner_after_grace(tagged);
	for (;;) {
		seen = wki_event_value(&answer->event);
		if (atomic_load(&answer->given))
			return;
		(void)wki_event_wait(&answer->event, seen, WKI_NO_DEADLINE);
	}
}

static struct answer answers[SENDERS];

static void send_many(void *unused, unsigned index)
{
	unsigned i;

	(void)unused;
	wki_event_init(&answers[index].event);
	for (i = 0; i < SENDINGS; i++)
		send_and_wait(&answers[index], (i + index) % 3 == 0);
}

static void test_nothing_is_slept_over(void **state)
{
	unsigned senders;

	(void)state;
	assert_int_equal(wk_runtime_start(NULL), WK_OK);
	atomic_store(&retired_early, 0); /* what is run now is run before its ticket's time */
	for (senders = 1; senders <= SENDERS; senders *= 2) {
		atomic_store(&retired_back, 0);
		threads_run(senders, send_many, NULL);
		assert_int_equal(atomic_load(&retired_back), senders * SENDINGS);
	}
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
	assert_int_equal(atomic_load(&retired_early), 0);
	assert_int_equal(atomic_load(&retired_twice), 0);
}

/* Who polls may have looked before there were threads, or before a shutdown, and come to it only now. */

static struct steps late = STEPS_AT_START;
static _Atomic bool run_late;

static void hold_the_runner(struct wki_deferred *deferred)
{
	retired_come_back(deferred);
	steps_reach(&late, 1);
	steps_wait(&late, 2);
}

static void note_late(struct wki_deferred *deferred)
{
	retired_come_back(deferred);
	atomic_store(&run_late, true);
}

static void mail_late(unsigned number, void (*run)(struct wki_deferred *deferred))
{
	wki_tagged tagged = link_init(number);

	links[number].deferred.run = run;
	wki_runner_now(tagged);
}

static void test_nobody_polls_beside_the_thread(void **state)
{
	(void)state;
	atomic_store(&run_late, false);
	assert_int_equal(wk_runtime_start(NULL), WK_OK);
	mail_late(0, hold_the_runner);
	steps_wait(&late, 1);
	mail_late(1, note_late);
	assert_int_equal(wki_runner_poll(SIZE_MAX), 0);
	assert_false(atomic_load(&run_late));
	steps_reach(&late, 2);
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
	assert_true(atomic_load(&run_late));
}

static void test_nothing_is_run_after_the_end(void **state)
{
	static const wk_runtime_options polled = { .struct_size = sizeof(polled), .thread = WK_THREAD_NONE };

	(void)state;
	assert_int_equal(wk_runtime_start(&polled), WK_OK);
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
	atomic_store(&run_late, false);
	mail_late(0, note_late);
	assert_int_equal(wki_runner_poll(SIZE_MAX), 0);
	assert_false(atomic_load(&run_late));
	assert_int_equal(wk_runtime_start(&polled), WK_OK);
	assert_int_equal(wki_runner_poll(SIZE_MAX), 1);
	assert_true(atomic_load(&run_late));
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_now),
		cmocka_unit_test(test_after_grace),
		cmocka_unit_test(test_now_comes_before_later),
		cmocka_unit_test(test_now_interrupts_a_batch),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_budget_that_ends_inside_a_batch),
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_who_polls_is_the_runner),
		cmocka_unit_test(test_nothing_is_slept_over),
		cmocka_unit_test(test_nobody_polls_beside_the_thread),
		cmocka_unit_test(test_nothing_is_run_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
