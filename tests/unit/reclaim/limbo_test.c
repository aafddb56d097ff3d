/*
 * reclaim/limbo.c: plain memory waits out its grace period with the thread that retired it
 *
 * The runtime is not started: grace periods end when a test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sched.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/sched.h"
#include "reclaim/backlog.h"
#include "reclaim/grace.h"
#include "reclaim/limbo.h"
#include "reclaim/runner.h"
#include "reclaim/thread.h"
#include "retired.h"
#include "support/threads.h"
#include "sync/rcu.h"

#define BATCH 64u /* what is sealed at a time */

static struct retired things[8192];

static void retire(unsigned first, unsigned count, size_t bytes)
{
	unsigned i;

	for (i = first; i < first + count; i++)
		wki_limbo_retire(retired_init(&things[i], i), bytes);
}

static uint64_t waiting(void)
{
	struct wki_backlog_figures figures;

	wki_backlog_read(&figures);
	return figures.objects;
}

static uint64_t waiting_bytes(void)
{
	struct wki_backlog_figures figures;

	wki_backlog_read(&figures);
	return figures.bytes;
}

/* A thread of its own has an empty limbo at first; what is left at its end is swept here. */
static void in_a_new_thread(void (*body)(void *context), void *context)
{
	atomic_store(&retired_back, 0);
	threads_alone(body, context, 0);
	while (wki_grace_step())
		;
	wki_limbo_sweep();
	assert_int_equal(waiting(), 0);
	assert_int_equal(waiting_bytes(), 0);
	assert_int_equal(atomic_load(&retired_early), 0);
	assert_int_equal(atomic_load(&retired_twice), 0);
}

/* Seen by the worker, asserted by the main thread. */
static unsigned long seen[16];

static void seal_by_count(void *unused)
{
	(void)unused;
	wki_thread_self();
	retire(0, BATCH - 1, 16);
	seen[0] = waiting();       /* open: not told yet */
	seen[1] = wki_grace_step(); /* and no grace period wanted */
	retire(BATCH - 1, 1, 16);
	seen[2] = waiting();
	seen[3] = wki_grace_step();
	seen[4] = atomic_load(&retired_back); /* its time has come, its thread has not looked */
	retire(BATCH, BATCH, 16);
	seen[5] = atomic_load(&retired_back);
	seen[6] = waiting();
	seen[7] = waiting_bytes();
}

static void test_a_batch_is_sealed_by_count(void **state)
{
	(void)state;
	in_a_new_thread(seal_by_count, NULL);
	assert_int_equal(seen[0], 0);
	assert_false(seen[1]);
	assert_int_equal(seen[2], BATCH);
	assert_true(seen[3]);
	assert_int_equal(seen[4], 0);
	assert_int_equal(seen[5], BATCH);
	assert_int_equal(seen[6], BATCH);
	assert_int_equal(seen[7], BATCH * 16);
	assert_int_equal(atomic_load(&retired_back), 2 * BATCH);
}

static void seal_by_bytes(void *unused)
{
	(void)unused;
	wki_thread_self();
	retire(0, 3, 10000);
	seen[0] = waiting();
	retire(3, 1, 10000);
	seen[1] = waiting();
	seen[2] = waiting_bytes();
}

static void test_a_batch_is_sealed_by_bytes(void **state)
{
	(void)state;
	in_a_new_thread(seal_by_bytes, NULL);
	assert_int_equal(seen[0], 0);
	assert_int_equal(seen[1], 4);
	assert_int_equal(seen[2], 40000);
	assert_int_equal(atomic_load(&retired_back), 4);
}

/* No release pays for a backlog: each seal takes back a bounded number, and more than it seals. */
static void pay_by_quota(void *unused)
{
	unsigned long before;
	unsigned i;

	(void)unused;
	wki_thread_self();
	retire(0, 32 * BATCH, 16); /* no grace period has ended: all of it waits */
	seen[0] = atomic_load(&retired_back);
	seen[1] = waiting();
	while (wki_grace_step())
		;
	for (i = 0; i < 8; i++) {
		before = atomic_load(&retired_back);
		retire((32 + i) * BATCH, BATCH, 16);
		seen[2 + i] = atomic_load(&retired_back) - before;
	}
}

static void test_quota(void **state)
{
	unsigned i;

	(void)state;
	in_a_new_thread(pay_by_quota, NULL);
	assert_int_equal(seen[0], 0);
	assert_int_equal(seen[1], 32 * BATCH);
	for (i = 0; i < 8; i++)
		assert_in_range(seen[2 + i], BATCH + 1, 3 * BATCH);
	assert_int_equal(atomic_load(&retired_back), 40 * BATCH);
}

/*
 * Batches of many tickets, each so large that the quota of the next seal does not empty it: all places fill up.
 * What is sealed then joins a batch that is there, which waits for the later ticket.
 */
#define LARGE 1000u /* gathered in a section, and sealed after it */

static void seal_large_batch(unsigned first)
{
	wki_read_lock();
	retire(first, LARGE - 1, 16);
	wki_read_unlock();
	retire(first + LARGE - 1, 1, 16);
}

static void fill_all_places(void *unused)
{
	unsigned i;

	(void)unused;
	wki_thread_self();
	for (i = 0; i < WKI_LIMBO_PLACES; i++) {
		seal_large_batch(i * LARGE);
		wki_grace_step();
	}
	seal_large_batch(i * LARGE);
	for (i = 0; i < WKI_LIMBO_PLACES; i++)
		seen[2 + i] = wki_thread_self()->limbo.sealed[i].lanes.count;
	retire(5 * LARGE, 32 * BATCH, 16); /* no grace period ends any more */
	seen[0] = atomic_load(&retired_back);
	seen[1] = waiting();
}

static void test_more_tickets_than_places(void **state)
{
	unsigned i;

	(void)state;
	in_a_new_thread(fill_all_places, NULL);
	assert_in_range(seen[0], LARGE, (WKI_LIMBO_PLACES - 1) * LARGE + 4 * BATCH);
	assert_int_equal(seen[0] + seen[1], 5 * LARGE + 32 * BATCH);
	for (i = 0; i < WKI_LIMBO_PLACES; i++)
		assert_true(seen[2 + i] > 0); /* there was no place left */
	assert_int_equal(atomic_load(&retired_back), 5 * LARGE + 32 * BATCH);
}

/* Inside a section of its own a thread neither seals nor takes back, unless it stays there. */
static void retire_in_a_section(void *unused)
{
	(void)unused;
	wki_thread_self();
	wki_read_lock();
	retire(0, 2 * BATCH, 16);
	seen[0] = waiting();
	retire(2 * BATCH, 14 * BATCH, 16);
	seen[1] = waiting();
	wki_read_unlock();
}

static void test_in_a_section(void **state)
{
	(void)state;
	in_a_new_thread(retire_in_a_section, NULL);
	assert_int_equal(seen[0], 0);
	assert_int_equal(seen[1], 16 * BATCH);
	assert_int_equal(atomic_load(&retired_back), 16 * BATCH);
}

/* What comes back retires something itself: it joins the open batch, and nothing recurses. */

struct chained {
	struct retired retired;
	struct chained *next;
};

static struct chained chained[4 * BATCH];
static _Thread_local unsigned depth, deepest, chain_back;

static void chained_come_back(struct wki_deferred *deferred)
{
	struct chained *link = (struct chained *)(void *)deferred;

	depth++;
	deepest = depth > deepest ? depth : deepest;
	chain_back++;
	retired_come_back(deferred);
	if (link->next != NULL) {
		link->next->retired.ticket = wki_grace_ticket();
		wki_limbo_retire(wki_tag(&link->next->retired.deferred.link, WKI_KIND_DEFERRED), 40000);
	}
	depth--;
}

static void retire_chain(void *unused)
{
	unsigned i;

	(void)unused;
	wki_thread_self();
	for (i = 0; i < 4 * BATCH; i++) {
		retired_init(&chained[i].retired, i);
		chained[i].retired.deferred.run = chained_come_back;
		chained[i].next = i + 1 < 4 * BATCH ? &chained[i + 1] : NULL;
	}
	wki_limbo_retire(wki_tag(&chained[0].retired.deferred.link, WKI_KIND_DEFERRED), 40000);
	for (i = 0; i < 16 * BATCH && chain_back < 4 * BATCH; i++) {
		while (wki_grace_step())
			;
		retire(i, 1, 40000); /* makes this thread look */
	}
	seen[0] = deepest;
	seen[1] = chain_back;
}

static void test_coming_back_may_retire(void **state)
{
	(void)state;
	in_a_new_thread(retire_chain, NULL);
	assert_int_equal(seen[0], 1);
	assert_int_equal(seen[1], 4 * BATCH);
}

/* A thread without a record: through the runner's mailbox. */
static void retire_without_record(void *unused)
{
	(void)unused;
	retire(0, 10, 16);
	seen[0] = wki_thread_if_any() != NULL;
}

static void test_thread_without_record(void **state)
{
	(void)state;
	atomic_store(&retired_back, 0);
	threads_alone(retire_without_record, NULL, 0);
	assert_false(seen[0]);
	assert_int_equal(atomic_load(&retired_back), 0);
	assert_int_equal(wki_runner_poll(SIZE_MAX), 10);
	assert_int_equal(atomic_load(&retired_back), 10);
	assert_int_equal(atomic_load(&retired_early), 0);
}

/* What a thread leaves behind, sealed or open, is swept. */
static void retire_and_end(void *count)
{
	wki_thread_self();
	retire(0, *(unsigned *)count, 16);
}

static void test_ended_threads_are_swept(void **state)
{
	unsigned counts[] = { 1, BATCH - 1, BATCH, BATCH + 1, 5 * BATCH + 3 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		in_a_new_thread(retire_and_end, &counts[i]);
		assert_int_equal(atomic_load(&retired_back), counts[i]);
	}
}

/*
 * Owners, the sweeper and grace periods against each other. There are places for every batch however they fall,
 * everything comes back once, not before its time, and the sums are right in the end.
 */

#define OWNERS 3
#define PER_OWNER (THREADS_SANITIZED ? 5000u : 50000u)

struct turmoil {
	_Atomic unsigned ended;
	_Atomic unsigned long swept, taken_back; /* came back by the sweeper, by an owner */
};

static struct turmoil turmoil;
static _Thread_local _Atomic unsigned long *came_back_by;

static void turmoil_come_back(struct wki_deferred *deferred)
{
	if (!wki_grace_done(((struct retired *)(void *)deferred)->ticket))
		atomic_fetch_add(&retired_early, 1);
	atomic_fetch_add(&retired_back, 1);
	atomic_fetch_add(came_back_by, 1);
	free(deferred); /* a second coming would be seen */
}

static void own_turmoil(unsigned index)
{
	struct retired *thing;
	unsigned i;

	wki_thread_self();
	came_back_by = &turmoil.taken_back;
	for (i = 0; i < PER_OWNER; i++) {
		thing = malloc(sizeof(*thing));
		if (thing == NULL)
			abort();
		retired_init(thing, i);
		thing->deferred.run = turmoil_come_back;
		wki_limbo_retire(wki_tag(&thing->deferred.link, WKI_KIND_DEFERRED), index == 0 ? 1000 : 16);
		if (i % 200 == 0)
			sched_yield();
	}
	atomic_fetch_add(&turmoil.ended, 1);
}

static void turmoil_body(void *unused, unsigned index)
{
	unsigned sweeps;
	bool over;

	(void)unused;
	if (index < OWNERS) {
		own_turmoil(index);
		return;
	}
	came_back_by = &turmoil.swept;
	do {
		over = atomic_load(&turmoil.ended) == OWNERS;
		if (index > OWNERS)
			(void)wki_grace_step();
		else
			for (sweeps = 0; sweeps < 100; sweeps++)
				wki_limbo_sweep();
		sched_yield();
	} while (!over);
}

static void test_owners_against_sweeper(void **state)
{
	unsigned rounds = 0;

	(void)state;
	wki_sched_seed(0x5eed, 2);
	atomic_store(&retired_back, 0);
	came_back_by = &turmoil.swept;
	do {
		atomic_store(&turmoil.ended, 0);
		threads_run(OWNERS + 2, turmoil_body, NULL);
		while (wki_grace_step())
			;
		wki_limbo_sweep();
		rounds++;
	} while (rounds < 100 && (atomic_load(&turmoil.swept) == 0 || atomic_load(&turmoil.taken_back) == 0));
	print_message("%lu swept, %lu taken back by their threads\n", atomic_load(&turmoil.swept),
		atomic_load(&turmoil.taken_back));
	assert_int_equal(atomic_load(&retired_back), rounds * OWNERS * PER_OWNER);
	assert_int_equal(atomic_load(&retired_early), 0);
	assert_int_equal(waiting(), 0);
	assert_int_equal(waiting_bytes(), 0);
	assert_true(atomic_load(&turmoil.swept) > 0 && atomic_load(&turmoil.taken_back) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_batch_is_sealed_by_count),
		cmocka_unit_test(test_a_batch_is_sealed_by_bytes),
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_more_tickets_than_places),
		cmocka_unit_test(test_in_a_section),
		cmocka_unit_test(test_coming_back_may_retire),
		cmocka_unit_test(test_thread_without_record),
		cmocka_unit_test(test_ended_threads_are_swept),
		cmocka_unit_test(test_owners_against_sweeper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
