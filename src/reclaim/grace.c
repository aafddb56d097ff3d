/*
 * reclaim/grace.c - the grace thread
 *
 * Layer: reclaim.
 */
#include "reclaim/grace.h"

#include "reclaim/limbo.h"
#include "reclaim/runner.h"
#include "reclaim/service.h"
#include "reclaim/slab.h"
#include "reclaim/thread.h"
#include "sync/event.h"
#include "sync/rcu.h"

/* A grace period costs two membarrier system calls, an interrupt to every core: not more often than this. */
#define GRACE_INTERVAL_NS 200000u
/* Memory that waits is in nobody's way: who retires much of it sees to it himself, mostly, and sooner. */
#define GRACE_LATER_NS 5000000u

/*
 * What threads retired and then went idle on is swept up by this thread: once when nothing has
 * been wanted for a moment, and now and then while others keep it busy.
 */
#define GRACE_SWEEP_IDLE_NS 10000000u
#define GRACE_SWEEP_BUSY_NS 100000000u

struct wki_grace_counters wki_grace;

static struct wki_event grace_wanted; /* signalled when `wanted` rises, when `wanted_later` does and the thread sleeps for good, and to stop */
static wki_atomic_u64 grace_wanted_later; /* the highest ticket that somebody needs some time */
static wki_atomic_u32 grace_sleeps;       /* 1: for good */
static struct wki_event grace_over;   /* signalled when `completed` rises */
static struct wki_event grace_stopping;
static wki_atomic_u32 grace_stop;
static wki_atomic_u64 grace_longest;

uint64_t wki_grace_ticket(void)
{
	/* GRC-2 acq_rel; pairs: GRC-3; weaker: the grace period could begin before what the caller unlinked is out of sight; check: unit/reclaim/grace_test, model/grace */
	return atomic_fetch_add_acq_rel(&wki_grace.started, 0) + 1;
}

void wki_grace_want(uint64_t ticket)
{
	/* GRC-5 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/grace_test (CAS again if stale) */
	uint64_t wanted = atomic_load_relaxed(&wki_grace.wanted);

	while (wanted < ticket) {
		/* GRC-6 release; pairs: GRC-7; weaker: not needed for memory, GRC-2 carries that; check: unit/reclaim/grace_test */
		if (atomic_cas_release(&wki_grace.wanted, &wanted, ticket)) {
			wki_event_signal(&grace_wanted);
			return;
		}
	}
}

void wki_grace_want_later(uint64_t ticket)
{
	/* GRC-16 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/grace_test (CAS again if stale) */
	uint64_t wanted = atomic_load_relaxed(&grace_wanted_later);

	while (wanted < ticket) {
		/* GRC-17 seq_cst; pairs: GRC-18, GRC-20; weaker: the thread could fall asleep over it; check: unit/reclaim/grace_test */
		if (!atomic_cas_seq_cst(&grace_wanted_later, &wanted, ticket))
			continue;
		/* GRC-21 seq_cst; pairs: GRC-19; weaker: as GRC-17; check: unit/reclaim/grace_test */
		if (atomic_load_seq_cst(&grace_sleeps) != 0)
			wki_event_signal(&grace_wanted);
		return;
	}
}

/* The highest such ticket that is not over yet; 0: none. */
static uint64_t grace_is_wanted_later(void)
{
	/* GRC-18 seq_cst; pairs: GRC-17; weaker: as GRC-17; check: unit/reclaim/grace_test */
	uint64_t ticket = atomic_load_seq_cst(&grace_wanted_later);

	return wki_grace_done(ticket) ? 0 : ticket;
}

static bool grace_is_wanted(void)
{
	/* GRC-7 acquire; pairs: GRC-6; weaker: a wish could be seen late and slept over; check: unit/reclaim/grace_test */
	return !wki_grace_done(atomic_load_acquire(&wki_grace.wanted));
}

/* The longest wait for readers so far. */
static void grace_note_wait(uint64_t took)
{
	/* GRC-8 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics) */
	uint64_t longest = atomic_load_relaxed(&grace_longest);

	while (took > longest) {
		/* GRC-9 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics) */
		if (atomic_cas_relaxed(&grace_longest, &longest, took))
			return;
	}
}

/* Grace period n covers every ticket up to n, so the highest number counts. */
static void grace_publish(uint64_t number)
{
	/* GRC-14 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/grace_test (CAS again if stale) */
	uint64_t completed = atomic_load_relaxed(&wki_grace.completed);

	while (completed < number) {
		/* GRC-4 release; pairs: GRC-1; weaker: who sees the number could miss that the readers are gone; check: unit/reclaim/grace_test under TSan */
		if (atomic_cas_release(&wki_grace.completed, &completed, number))
			break;
	}
	wki_event_signal(&grace_over);
	wki_runner_grace_over(number);
}

/* What was retired before waits for `synchronize`, if that comes to its end. */
static void grace_run(bool (*synchronize)(void))
{
	/* GRC-3 acq_rel; pairs: GRC-2; weaker: as GRC-2; check: unit/reclaim/grace_test, model/grace */
	const uint64_t number = atomic_fetch_add_acq_rel(&wki_grace.started, 1) + 1;

	if (synchronize())
		grace_publish(number);
}

static bool grace_synchronize(void)
{
	const uint64_t begun = wki_now();

	wki_synchronize();
	grace_note_wait(wki_now() - begun);
	return true;
}

bool wki_grace_step(void)
{
	if (!grace_is_wanted() && grace_is_wanted_later() == 0)
		return false;
	grace_run(grace_synchronize);
	return true;
}

void wki_grace_help(void)
{
	grace_run(wki_try_synchronize);
}

bool wki_grace_wait(uint64_t ticket, uint64_t deadline_ns)
{
	uint32_t seen;

	wki_grace_want(ticket);
	for (;;) {
		seen = wki_event_value(&grace_over);
		if (!wki_service_has_threads())
			(void)wki_grace_step();
		if (wki_grace_done(ticket))
			return true;
		if (!wki_event_wait(&grace_over, seen, deadline_ns))
			return wki_grace_done(ticket);
	}
}

static bool grace_is_stopping(void)
{
	/* GRC-10 acquire; pairs: GRC-11; weaker: not needed for memory; check: api/runtime_test */
	return atomic_load_acquire(&grace_stop) != 0;
}

/* Give the wishes of the next moment time to come together; only a stop ends it early. */
static void grace_pause(uint64_t until)
{
	uint32_t seen = wki_event_value(&grace_stopping);

	if (!grace_is_stopping())
		(void)wki_event_wait(&grace_stopping, seen, until);
}

/* What others have left to be done when there is time. */
static void grace_tidy(void)
{
	wki_limbo_sweep();
	wki_runner_nudge();
	wki_slab_tidy();
}

/*
 * Rises with every wish and with every grace period, whoever ran it: since it was so much nothing has come that would have
 * to be swept up.
 */
static uint64_t grace_mark(void)
{
	/* GRC-34 seq_cst; pairs: GRC-17; weaker: as GRC-17; check: unit/reclaim/grace_test */
	uint64_t mark = atomic_load_seq_cst(&grace_wanted_later);

	/* GRC-35 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/grace_test (a signal comes with it) */
	mark += atomic_load_relaxed(&wki_grace.wanted);
	/* GRC-36 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/grace_test (a wish came before it) */
	return mark + atomic_load_relaxed(&wki_grace.completed);
}

/* Sleep until something has come. */
static void grace_sleep(uint64_t tidied, uint32_t seen)
{
	/* GRC-19 seq_cst; pairs: GRC-21; weaker: as GRC-17; check: unit/reclaim/grace_test */
	atomic_store_seq_cst(&grace_sleeps, 1);
	if (grace_mark() == tidied)
		(void)wki_event_wait(&grace_wanted, seen, WKI_NO_DEADLINE);
	/* GRC-20 seq_cst; pairs: GRC-17; weaker: not needed, a signal too many wakes nobody; check: unit/reclaim/grace_test */
	atomic_store_seq_cst(&grace_sleeps, 0);
}

/* Nothing is urgent. Others may have seen to it after a moment; true: they have not. */
static bool grace_others_are_late(uint64_t ticket, uint32_t seen)
{
	return !wki_event_wait(&grace_wanted, seen, wki_now() + GRACE_LATER_NS) && !wki_grace_done(ticket);
}

void wki_grace_loop(void)
{
	uint64_t begun, swept = wki_now(), later, tidied = 0;
	bool unswept = true;
	uint32_t seen;

	for (;;) {
		seen = wki_event_value(&grace_wanted);
		if (grace_is_stopping())
			break;
		later = grace_is_wanted_later();
		begun = wki_now();
		unswept = unswept || grace_mark() != tidied;
		if (unswept && begun - swept > GRACE_SWEEP_BUSY_NS) { /* others may be running all the grace periods */
			grace_tidy();
			swept = begun;
		}
		if (!grace_is_wanted() && later != 0 && !grace_others_are_late(later, seen))
			continue;
		begun = wki_now();
		if (wki_grace_step()) {
			grace_pause(begun + GRACE_INTERVAL_NS);
		} else if (!unswept) {
			grace_sleep(tidied, seen);
		} else if (!wki_event_wait(&grace_wanted, seen, begun + GRACE_SWEEP_IDLE_NS)) {
			tidied = grace_mark();
			grace_tidy();
			unswept = false;
		}
	}
	/* GRC-12 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (the thread is joined after) */
	atomic_store_relaxed(&grace_stop, 0);
}

void wki_grace_stop(void)
{
	/* GRC-11 release; pairs: GRC-10; weaker: not needed for memory; check: api/runtime_test */
	atomic_store_release(&grace_stop, 1);
	wki_event_signal(&grace_wanted);
	wki_event_signal(&grace_stopping);
}

void wki_grace_gone(void)
{
	wki_event_signal(&grace_over);
}

uint64_t wki_grace_longest_ns(void)
{
	/* GRC-13 relaxed; pairs: none; weaker: not possible; check: api/runtime_test */
	return atomic_load_relaxed(&grace_longest);
}

uint64_t wki_grace_number(void)
{
	/* GRC-15 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics) */
	return atomic_load_relaxed(&wki_grace.completed);
}

void wki_grace_forked(void)
{
	/* GRC-30 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
	uint64_t number = atomic_fetch_add_relaxed(&wki_grace.started, 1) + 1;

	/* GRC-31 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
	atomic_store_relaxed(&wki_grace.completed, number);
	/* GRC-33 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
	atomic_store_relaxed(&grace_sleeps, 0);
	/* GRC-32 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
	atomic_store_relaxed(&grace_stop, 0);
}
