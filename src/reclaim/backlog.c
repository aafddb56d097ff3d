/*
 * reclaim/backlog.c - counting what waits, throttling who makes it
 *
 * Layer: reclaim.
 */
#include "reclaim/backlog.h"

#include "base/atomic.h"
#include "reclaim/grace.h"
#include "reclaim/service.h"
#include "reclaim/thread.h"
#include "sync/event.h"
#include "sync/rcu.h"

/* Bytes that a thread gathers at most before it tells. */
#define BACKLOG_NOTE_BYTES ((int64_t)256 << 10)

/* As in struct wki_backlog_marks. A constructor that was stopped on its way here may see the next start set them. */
static struct {
	wki_atomic_u64 soft_objects, soft_bytes, hard_objects, hard_bytes, throttle_ns;
} backlog_marks = {
	.soft_objects = UINT64_C(1) << 20,
	.soft_bytes = UINT64_C(64) << 20,
	.hard_objects = UINT64_MAX,
	.hard_bytes = UINT64_MAX,
	.throttle_ns = 1000000,
};
static struct {
	_Alignas(64) wki_atomic_u64 objects;
	wki_atomic_u64 bytes, dying, peak, throttled;
} backlog;

static void backlog_set(wki_atomic_u64 *mark, uint64_t value)
{
	/* BKL-30 relaxed; pairs: none; weaker: not possible; check: stress/restart_stress (each mark stands for itself) */
	atomic_store_relaxed(mark, value);
}

static uint64_t backlog_mark(wki_atomic_u64 *mark)
{
	/* BKL-31 relaxed; pairs: none; weaker: not possible; check: as BKL-30 */
	return atomic_load_relaxed(mark);
}

void wki_backlog_set_marks(const struct wki_backlog_marks *marks)
{
	backlog_set(&backlog_marks.soft_objects, marks->soft_objects);
	backlog_set(&backlog_marks.soft_bytes, marks->soft_bytes);
	backlog_set(&backlog_marks.hard_objects, marks->hard_objects);
	backlog_set(&backlog_marks.hard_bytes, marks->hard_bytes);
	backlog_set(&backlog_marks.throttle_ns, marks->throttle_ns);
}

void wki_backlog_add(int64_t objects, int64_t bytes)
{
	uint64_t now, peak;

	/* BKL-1 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (a sum is all it is) */
	now = atomic_fetch_add_relaxed(&backlog.objects, (uint64_t)objects) + (uint64_t)objects;
	/* BKL-2 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
	(void)atomic_fetch_add_relaxed(&backlog.bytes, (uint64_t)bytes);
	/* BKL-3 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
	peak = atomic_load_relaxed(&backlog.peak);
	/* BKL-4 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
	while ((int64_t)now > (int64_t)peak && !atomic_cas_relaxed(&backlog.peak, &peak, now))
		;
}

/* Only the thread itself writes its sums: a load and a store are enough. */
static uint64_t backlog_gather(wki_atomic_u64 *sum, int64_t more)
{
	/* BKL-5 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
	uint64_t now = atomic_load_relaxed(sum) + (uint64_t)more;

	/* BKL-6 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
	atomic_store_relaxed(sum, now);
	return now;
}

static void backlog_tell(int64_t objects, int64_t bytes)
{
	wki_backlog_add(objects, bytes);
	/* BKL-14 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
	(void)atomic_fetch_add_relaxed(&backlog.dying, (uint64_t)objects);
}

void wki_backlog_note(int64_t objects, int64_t bytes)
{
	struct wki_thread *thread = wki_thread_if_any();
	int64_t noted, noted_bytes;

	if (thread == NULL) {
		backlog_tell(objects, bytes);
		return;
	}
	noted = (int64_t)backlog_gather(&thread->noted_objects, objects);
	noted_bytes = (int64_t)backlog_gather(&thread->noted_bytes, bytes);
	if (noted > -(int64_t)WKI_BACKLOG_DEBT && noted < (int64_t)WKI_BACKLOG_DEBT &&
	    noted_bytes > -BACKLOG_NOTE_BYTES && noted_bytes < BACKLOG_NOTE_BYTES)
		return;
	backlog_tell(noted, noted_bytes);
	(void)backlog_gather(&thread->noted_objects, -noted);
	(void)backlog_gather(&thread->noted_bytes, -noted_bytes);
}

/* The sums are exact only when nothing is on its way: below zero for a moment is zero. */
static uint64_t backlog_clamp(uint64_t sum)
{
	return (int64_t)sum < 0 ? 0 : sum;
}

static uint64_t backlog_objects(void)
{
	/* BKL-7 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
	return atomic_load_relaxed(&backlog.objects);
}

static uint64_t backlog_bytes(void)
{
	/* BKL-8 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
	return atomic_load_relaxed(&backlog.bytes);
}

void wki_backlog_read(struct wki_backlog_figures *figures)
{
	const struct wki_thread *thread;
	uint64_t objects = 0, bytes = 0;

	for (thread = wki_thread_all(); thread != NULL; thread = thread->next) {
		/* BKL-12 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
		objects += atomic_load_relaxed((wki_atomic_u64 *)(uintptr_t)&thread->noted_objects);
		/* BKL-13 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
		bytes += atomic_load_relaxed((wki_atomic_u64 *)(uintptr_t)&thread->noted_bytes);
	}
	/* BKL-15 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
	figures->dying = backlog_clamp(objects + atomic_load_relaxed(&backlog.dying));
	figures->objects = backlog_clamp(objects + backlog_objects());
	figures->bytes = backlog_clamp(bytes + backlog_bytes());
	/* BKL-9 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
	figures->peak_objects = atomic_load_relaxed(&backlog.peak);
	/* BKL-10 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
	figures->throttled = atomic_load_relaxed(&backlog.throttled);
}

uint64_t wki_backlog_forked(void)
{
	struct wki_limbo_sum sum = { 0 };
	struct wki_backlog_figures figures;
	struct wki_thread *thread;

	wki_backlog_read(&figures);
	for (thread = wki_thread_all(); thread != NULL; thread = thread->next) {
		/* BKL-16 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
		atomic_store_relaxed(&thread->noted_objects, 0);
		/* BKL-17 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
		atomic_store_relaxed(&thread->noted_bytes, 0);
	}
	if (wki_thread_if_any() != NULL)
		sum = wki_limbo_sealed(&wki_thread_if_any()->limbo);
	/* BKL-18 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
	atomic_store_relaxed(&backlog.objects, sum.objects);
	/* BKL-19 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
	atomic_store_relaxed(&backlog.bytes, sum.bytes);
	/* BKL-20 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
	atomic_store_relaxed(&backlog.dying, 0);
	return figures.dying;
}

/* Who must never wait: our own threads, callbacks, and whoever holds up grace periods itself. */
static bool backlog_may_wait(void)
{
	const struct wki_thread *thread = wki_thread_if_any();

	return backlog_mark(&backlog_marks.throttle_ns) != 0 && wki_service_has_threads() && !wki_thread_in_callback() &&
	       (thread == NULL || wki_thread_use(thread) != WKI_THREAD_RECLAIMER) && !wki_read_ongoing();
}

static bool backlog_above_soft(const struct wki_backlog_figures *figures)
{
	return figures->objects > backlog_mark(&backlog_marks.soft_objects) || figures->bytes > backlog_mark(&backlog_marks.soft_bytes);
}

static bool backlog_above_hard(const struct wki_backlog_figures *figures)
{
	return figures->objects > backlog_mark(&backlog_marks.hard_objects) || figures->bytes > backlog_mark(&backlog_marks.hard_bytes);
}

bool wki_backlog_brake(void)
{
	struct wki_backlog_figures figures = {
		.objects = backlog_clamp(backlog_objects()),
		.bytes = backlog_clamp(backlog_bytes()),
	};

	if (likely(!backlog_above_soft(&figures) && !backlog_above_hard(&figures)))
		return true;
	wki_backlog_read(&figures); /* threads may not have told of what is over */
	if (backlog_above_soft(&figures) && backlog_may_wait()) {
		/* BKL-11 relaxed; pairs: none; weaker: not possible; check: as BKL-1 */
		(void)atomic_fetch_add_relaxed(&backlog.throttled, 1);
		(void)wki_grace_wait(wki_grace_ticket(), wki_deadline_after(backlog_mark(&backlog_marks.throttle_ns)));
	}
	return !backlog_above_hard(&figures);
}
