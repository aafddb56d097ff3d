/*
 * reclaim/runner.c - mailboxes, batches, and the loop that runs them
 *
 * Layer: reclaim.
 */
#include "reclaim/runner.h"

#include <pthread.h>

#include "reclaim/backlog.h"
#include "reclaim/grace.h"
#include "reclaim/limbo.h"
#include "reclaim/mailbox.h"
#include "reclaim/service.h"
#include "reclaim/slab.h"
#include "reclaim/thread.h"
#include "sync/event.h"

/* Links of a batch that are run between two looks at the mailbox of what cannot wait. */
#define RUNNER_STRIDE 64u

static struct {
	_Alignas(64) struct wki_mailbox now;
	struct wki_mailbox after_grace, sometime;
	struct wki_event event; /* signalled when a mailbox was empty, when the awaited grace period is over, to stop */
	_Alignas(64) wki_atomic_u64 awaited; /* ticket of the batch at hand; 0: none */
	wki_atomic_u64 sealed_at;            /* when that batch was sealed; 0: none */
	wki_atomic_u64 begun, run;           /* written by whoever runs links */
	wki_atomic_u32 stop;
	wki_atomic_u32 polled; /* somebody is at it: the runner's thread, or who polls in its place */
	/* The runner's own. */
	struct wki_chain urgent; /* taken from `now` */
	struct wki_chain batch;  /* taken from `after_grace` under `awaited` */
} runner;

static _Thread_local bool runner_self;
static _Thread_local bool runner_forked; /* the thread was the runner, of the process that this one was forked from */

static void runner_mail(struct wki_mailbox *box, wki_tagged tagged)
{
	if (wki_mailbox_push(box, tagged) == WKI_MAILED_FIRST)
		wki_event_signal(&runner.event);
}

void wki_runner_now(wki_tagged tagged)
{
	runner_mail(&runner.now, tagged);
}

void wki_runner_after_grace(wki_tagged tagged)
{
	runner_mail(&runner.after_grace, tagged);
}

/* The grace thread nudges after a grace period, so one must be wanted. */
void wki_runner_sometime(wki_tagged tagged)
{
	if (wki_mailbox_push(&runner.sometime, tagged) == WKI_MAILED_FIRST)
		wki_grace_want(wki_grace_ticket());
}

void wki_runner_nudge(void)
{
	if (!wki_mailbox_is_empty(&runner.sometime))
		wki_event_signal(&runner.event);
}

bool wki_runner_is_self(void)
{
	return runner_self;
}

static bool runner_is_stopping(void)
{
	/* RUN-6 acquire; pairs: RUN-7; weaker: not needed for memory; check: api/runtime_test */
	return atomic_load_acquire(&runner.stop) != 0;
}

static uint64_t runner_begun(void)
{
	/* RUN-1 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (one writer) */
	return atomic_load_relaxed(&runner.begun);
}

/* Everything that has been begun is over. */
static void runner_count_run(void)
{
	/* RUN-2 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (one writer) */
	atomic_store_relaxed(&runner.run, runner_begun());
}

static void runner_run(struct wki_chain *chain)
{
	wki_tagged tagged = wki_chain_pop(chain);

	/* RUN-14 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (a barrier's mark carries it) */
	atomic_store_relaxed(&runner.begun, runner_begun() + 1);
	wki_reclaim(tagged);
	if (unlikely(runner_forked))
		wki_stop("the child of a fork returned from a callback of the runner: it must exec or _exit in it");
	runner_count_run();
}

static size_t runner_run_urgent(size_t budget)
{
	size_t done = 0;

	wki_chain_gather(&runner.urgent, wki_mailbox_take(&runner.now));
	for (; runner.urgent.first != 0 && done < budget && !runner_is_stopping(); done++)
		runner_run(&runner.urgent);
	return done;
}

/* Only the runner writes it. */
static uint64_t runner_awaited(void)
{
	/* RUN-3 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/runner_test (its own) */
	return atomic_load_relaxed(&runner.awaited);
}

/*
 * The batch at hand begins to wait (`ticket`) or has been run (0). Of this exchange and RUN-11
 * one comes first in the word's order: either the grace thread reads the ticket and wakes us,
 * or we see the number that it had published before.
 */
static void runner_await(uint64_t ticket)
{
	/* RUN-5 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics) */
	atomic_store_relaxed(&runner.sealed_at, ticket == 0 ? 0 : wki_now());
	/* RUN-4 acq_rel; pairs: RUN-11; weaker: the end of the grace period could be missed and slept over; check: unit/reclaim/runner_test, model/await */
	(void)atomic_exchange_acq_rel(&runner.awaited, ticket);
}

/* What was mailed for sometime comes first: it may be about something that what was mailed later for after a grace period ends. */
static void runner_gather_batch(void)
{
	wki_chain_gather(&runner.batch, wki_mailbox_take(&runner.sometime));
	wki_chain_gather(&runner.batch, wki_mailbox_take(&runner.after_grace));
}

/* Take what has been mailed for after a grace period, if no batch is at hand. */
static void runner_seal(void)
{
	uint64_t ticket;

	if (runner_awaited() != 0)
		return;
	runner_gather_batch();
	if (runner.batch.first == 0)
		return;
	ticket = wki_grace_ticket();
	runner_await(ticket);
	wki_grace_want(ticket);
}

/* Run the batch at hand if its grace period is over, with a look at what cannot wait now and then. */
static size_t runner_run_batch(size_t budget)
{
	size_t done = 0;

	if (runner_awaited() == 0 || !wki_grace_done(runner_awaited()))
		return 0;
	while (runner.batch.first != 0 && done < budget && !runner_is_stopping()) {
		if (done % RUNNER_STRIDE == 0)
			done += runner_run_urgent(budget - done);
		if (done == budget)
			break;
		runner_run(&runner.batch);
		done++;
	}
	if (runner.batch.first == 0)
		runner_await(0);
	return done;
}

size_t wki_runner_step(size_t budget)
{
	size_t done = runner_run_urgent(budget);

	runner_seal();
	done += runner_run_batch(budget - done);
	return done;
}

static bool runner_claim(void)
{
	uint32_t idle = 0;

	/* RUN-12 acquire; pairs: RUN-13; weaker: two could run one batch; check: api/runtime_test under TSan */
	return atomic_cas_acquire(&runner.polled, &idle, 1);
}

/* A callback may have ended the thread: it is over, and if it was the batch's last, so is the batch. */
static void runner_leave(void)
{
	runner_count_run();
	if (runner.batch.first == 0 && runner_awaited() != 0)
		runner_await(0);
	runner_self = false;
}

static void runner_unclaim(void *unused)
{
	(void)unused;
	runner_leave();
	/* RUN-13 release; pairs: RUN-12; weaker: as RUN-12; check: api/runtime_test under TSan */
	atomic_store_release(&runner.polled, 0);
	wki_event_signal(&runner.event);
}

static void runner_claim_wait(void)
{
	uint32_t seen;

	for (;;) {
		seen = wki_event_value(&runner.event);
		if (runner_claim())
			return;
		(void)wki_event_wait(&runner.event, seen, WKI_NO_DEADLINE);
	}
}

/* What both of our threads would do. */
static size_t runner_poll_claimed(size_t budget)
{
	size_t done = wki_runner_step(budget);

	if (!wki_grace_step())
		return done;
	wki_limbo_sweep();
	wki_slab_tidy();
	return done < budget ? done + wki_runner_step(budget - done) : done;
}

size_t wki_runner_poll(size_t budget)
{
	volatile size_t done;

	if (!runner_claim())
		return 0;
	runner_self = true;
	pthread_cleanup_push(runner_unclaim, NULL);
	done = runner_poll_claimed(budget);
	pthread_cleanup_pop(1);
	return done;
}

void wki_runner_begin(void)
{
	/* RUN-8 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (nobody is at it yet, or he comes too late) */
	atomic_store_relaxed(&runner.stop, 0);
}

void wki_runner_rest(void)
{
	runner_claim_wait();
	runner_unclaim(NULL);
}

void wki_runner_lost(void)
{
	runner_unclaim(NULL);
}

void wki_runner_loop(void)
{
	uint32_t seen;

	runner_claim_wait(); /* who polls may have begun in an earlier life, without threads */
	runner_self = true;
	for (;;) {
		seen = wki_event_value(&runner.event);
		if (wki_runner_step(SIZE_MAX) > 0)
			continue;
		if (runner_is_stopping())
			break;
		(void)wki_event_wait(&runner.event, seen, WKI_NO_DEADLINE);
	}
	runner_unclaim(NULL);
}

void wki_runner_stop(void)
{
	/* RUN-7 release; pairs: RUN-6; weaker: not needed for memory; check: api/runtime_test */
	atomic_store_release(&runner.stop, 1);
	wki_event_signal(&runner.event);
}

void wki_runner_grace_over(uint64_t number)
{
	/* RUN-11 acq_rel; pairs: RUN-4; weaker: as RUN-4; check: unit/reclaim/runner_test, model/await */
	uint64_t awaited = atomic_fetch_add_acq_rel(&runner.awaited, 0);

	if (awaited != 0 && awaited <= number)
		wki_event_signal(&runner.event);
}

void wki_runner_read(struct wki_runner_figures *figures)
{
	/* RUN-9 relaxed; pairs: none; weaker: not possible; check: api/runtime_test */
	uint64_t sealed_at = atomic_load_relaxed(&runner.sealed_at);

	figures->lag_ns = sealed_at == 0 ? 0 : wki_now() - sealed_at;
	figures->begun = runner_begun();
	/* RUN-10 relaxed; pairs: none; weaker: not possible; check: api/runtime_test */
	figures->run = atomic_load_relaxed(&runner.run);
}

uint64_t wki_runner_pending(void)
{
	uint64_t pending;

	runner_claim_wait();
	wki_chain_gather(&runner.urgent, wki_mailbox_take(&runner.now));
	if (runner_awaited() == 0)
		runner_gather_batch();
	pending = runner.urgent.count + runner.batch.count;
	runner_unclaim(NULL);
	return pending;
}

static uint64_t chain_calls(wki_tagged tagged)
{
	uint64_t calls = 0;

	for (; tagged != 0; tagged = wki_link_next(tagged))
		calls += wki_tag_kind(tagged) == WKI_KIND_CALL;
	return calls;
}

uint64_t wki_runner_forked(void)
{
	uint64_t calls = chain_calls(runner.urgent.first) + chain_calls(wki_mailbox_leave(&runner.now));

	(void)wki_mailbox_leave(&runner.after_grace);
	(void)wki_mailbox_leave(&runner.sometime);
	runner.urgent = (struct wki_chain){ 0 };
	runner.batch = (struct wki_chain){ 0 };
	runner_await(0);
	wki_runner_begin();
	if (runner_self && wki_service_has_threads()) {
		runner_self = false;
		runner_forked = true;
	}
	if (!runner_self) {
		runner_count_run();
		/* RUN-15 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
		atomic_store_relaxed(&runner.polled, 0);
	}
	return calls;
}
