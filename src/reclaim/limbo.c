/*
 * reclaim/limbo.c - batches of plain memory
 *
 * Layer: reclaim.
 */
#include "reclaim/limbo.h"

#include "reclaim/backlog.h"
#include "reclaim/grace.h"
#include "reclaim/runner.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"

/* One ticket, and at most one wake-up of the grace thread, for so many blocks or bytes. */
#define LIMBO_SEAL_COUNT 64u
#define LIMBO_SEAL_BYTES ((size_t)32 << 10)
/*
 * A read section should be short: while it lasts no grace period ends, and liburcu looks for so
 * few microseconds before it sleeps for ten milliseconds. Inside one nothing is taken back and
 * nobody is woken, unless the thread does not leave.
 */
#define LIMBO_SECTION_COUNT (16 * LIMBO_SEAL_COUNT)
/* So much, and its thread runs a grace period itself: little enough to be in the cache when it comes back. */
#define LIMBO_HELP_BYTES ((size_t)512 << 10)
/* Blocks that one seal takes back at most: more than it seals, so that a backlog shrinks. */
#define LIMBO_QUOTA (3 * LIMBO_SEAL_COUNT)

static bool limbo_take(struct wki_batch *batch)
{
	uint32_t full = WKI_BATCH_FULL;

	SCHED_POINT("a batch that was seen full is about to be taken");
	/* LIM-1 acquire; pairs: LIM-2; weaker: a half-written batch; check: unit/reclaim/limbo_test under TSan */
	return atomic_cas_acquire(&batch->state, &full, WKI_BATCH_TAKEN);
}

static void limbo_put(struct wki_batch *batch)
{
	uint32_t state = batch->lanes.count == 0 ? WKI_BATCH_EMPTY : WKI_BATCH_FULL;

	/* LIM-2 release; pairs: LIM-1, LIM-3; weaker: a half-written batch; check: unit/reclaim/limbo_test under TSan */
	atomic_store_release(&batch->state, state);
}

static uint32_t limbo_state(const struct wki_batch *batch)
{
	/* LIM-3 acquire; pairs: LIM-2; weaker: the next batch written here could mix with the last; check: unit/reclaim/limbo_test under TSan */
	return atomic_load_acquire((wki_atomic_u32 *)(uintptr_t)&batch->state);
}

/* Reclaim up to `quota` blocks of a taken batch whose time has come; returns their bytes. */
static size_t limbo_reclaim(struct wki_batch *batch, uint32_t *quota)
{
	struct wki_lanes *lanes = &batch->lanes;
	uint32_t done = 0, before = lanes->count;
	size_t bytes = lanes->bytes;
	wki_tagged tagged;

	for (; done < *quota && (tagged = wki_lanes_pop(lanes)) != 0; done++)
		wki_reclaim(tagged);
	/* Only the sum of the sizes is known: give back the share, and the rest with the last block. */
	lanes->bytes = lanes->count == 0 ? 0 : bytes - bytes / before * done;
	bytes -= lanes->bytes;
	wki_backlog_add(-(int64_t)done, -(int64_t)bytes);
	*quota -= done;
	return bytes;
}

/* Take back what may go, of one thread's batches; returns its bytes. */
static size_t limbo_collect(struct wki_limbo *limbo, uint32_t quota)
{
	struct wki_batch *batch;
	size_t bytes = 0;

	for (batch = limbo->sealed; batch < limbo->sealed + WKI_LIMBO_PLACES && quota > 0; batch++) {
		if (limbo_state(batch) != WKI_BATCH_FULL || !limbo_take(batch))
			continue;
		if (wki_grace_done(batch->ticket))
			bytes += limbo_reclaim(batch, &quota);
		limbo_put(batch);
	}
	return bytes;
}

/* What the sweeper has taken is not told: once nothing is sealed, nothing waits. */
static void limbo_note(struct wki_limbo *limbo, size_t reclaimed)
{
	struct wki_batch *batch;

	limbo->waiting -= reclaimed < limbo->waiting ? reclaimed : limbo->waiting;
	for (batch = limbo->sealed; batch < limbo->sealed + WKI_LIMBO_PLACES; batch++) {
		if (limbo_state(batch) != WKI_BATCH_EMPTY)
			return;
	}
	limbo->waiting = 0;
}

/*
 * Where the open batch goes: to the newest batch if that has the same ticket, else to an empty
 * place, else to the newest after all (waiting longer than it must), else to any.
 * Tickets are written by this thread only, so it may read them as they stand.
 */
static struct wki_batch *limbo_place(struct wki_limbo *limbo, uint64_t ticket)
{
	struct wki_batch *batch, *empty = NULL, *newest = NULL;
	uint32_t state;

	for (batch = limbo->sealed; batch < limbo->sealed + WKI_LIMBO_PLACES; batch++) {
		state = limbo_state(batch);
		if (state == WKI_BATCH_EMPTY)
			empty = batch;
		else if (state == WKI_BATCH_FULL && (newest == NULL || batch->ticket > newest->ticket))
			newest = batch;
	}
	if (newest != NULL && (newest->ticket == ticket || empty == NULL) && limbo_take(newest))
		return newest;
	if (empty != NULL)
		return empty;
	for (batch = limbo->sealed; batch < limbo->sealed + WKI_LIMBO_PLACES; batch++) {
		if (limbo_take(batch))
			return batch;
	}
	return NULL;
}

static void limbo_note_fresh(struct wki_limbo *limbo, size_t bytes, uint64_t ticket)
{
	if (limbo->fresh < LIMBO_HELP_BYTES / 2)
		limbo->half = ticket;
	limbo->fresh += bytes;
}

void wki_limbo_seal(struct wki_thread *thread)
{
	struct wki_limbo *limbo = &thread->limbo;
	struct wki_batch *batch;
	uint64_t ticket;

	if (limbo->open.count == 0)
		return;
	ticket = wki_grace_ticket();
	/* The sweeper may walk the places in step with us; it walks them once, and leaves them empty. */
	while ((batch = limbo_place(limbo, ticket)) == NULL)
		;
	wki_backlog_add(limbo->open.count, (int64_t)limbo->open.bytes);
	limbo->waiting += limbo->open.bytes;
	limbo_note_fresh(limbo, limbo->open.bytes, ticket);
	batch->ticket = ticket;
	wki_lanes_splice(&batch->lanes, &limbo->open);
	limbo_put(batch);
	/* Somebody may have been through with it, and have swept, before it was put there. */
	wki_grace_want_later(wki_grace_done(ticket) ? wki_grace_ticket() : ticket);
}

void wki_limbo_help(struct wki_limbo *limbo)
{
	if (likely(limbo->fresh < LIMBO_HELP_BYTES))
		return;
	if (wki_grace_done(limbo->half)) { /* another thread's grace period has served this one's older half, too */
		limbo->fresh = LIMBO_HELP_BYTES / 2;
		limbo->half = wki_grace_ticket();
		return;
	}
	limbo->fresh = 0; /* also if it is in vain: somebody is stopped in a section, the grace thread's patience is for him */
	wki_grace_help();
}

static bool limbo_is_due(const struct wki_limbo *limbo)
{
	if (limbo->busy || (limbo->open.count < LIMBO_SEAL_COUNT && limbo->open.bytes < LIMBO_SEAL_BYTES))
		return false;
	return limbo->open.count >= LIMBO_SECTION_COUNT || !wki_read_ongoing();
}

void wki_limbo_retire(wki_tagged tagged, size_t bytes)
{
	struct wki_thread *thread = wki_thread_if_any();
	struct wki_limbo *limbo;

	if (unlikely(thread == NULL)) {
		wki_runner_after_grace(tagged);
		return;
	}
	limbo = &thread->limbo;
	wki_lanes_append(&limbo->open, tagged, bytes);
	if (likely(!limbo_is_due(limbo)))
		return;
	limbo->busy = true;
	limbo_note(limbo, limbo_collect(limbo, LIMBO_QUOTA));
	wki_limbo_seal(thread);
	limbo->busy = false;
}

void wki_limbo_sweep(void)
{
	struct wki_thread *thread;

	for (thread = wki_thread_all(); thread != NULL; thread = thread->next)
		(void)limbo_collect(&thread->limbo, UINT32_MAX);
	thread = wki_thread_if_any();
	if (thread != NULL)
		wki_limbo_seal(thread); /* what came back and has to wait once more */
}

void wki_limbo_forked(struct wki_limbo *limbo)
{
	struct wki_batch *batch;

	for (batch = limbo->sealed; batch < limbo->sealed + WKI_LIMBO_PLACES; batch++) {
		if (limbo_state(batch) != WKI_BATCH_TAKEN)
			continue;
		batch->lanes = (struct wki_lanes){ 0 };
		limbo_put(batch);
	}
}

struct wki_limbo_sum wki_limbo_sealed(const struct wki_limbo *limbo)
{
	struct wki_limbo_sum sum = { 0 };
	const struct wki_batch *batch;

	for (batch = limbo->sealed; batch < limbo->sealed + WKI_LIMBO_PLACES; batch++) {
		sum.objects += batch->lanes.count;
		sum.bytes += batch->lanes.bytes;
	}
	return sum;
}
