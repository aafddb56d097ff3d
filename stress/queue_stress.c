/*
 * stress/queue_stress.c - posts and destructors against draining and closing
 *
 * A lane is one queue from its making to its closing. Threads find lanes in a few places, post
 * letters to them, make parcels (objects) to be destroyed on them, drain them when they have been
 * told that there is something, and close them in every mode; who closed one puts up the next.
 *
 * Oracles: every accepted letter is run once and then released once, on one thread, or only
 * released where its lane was dropped; letters of one thread run in their order; every parcel is
 * destroyed once, by who drains its lane or, when that is closed, by the runner; whoever has
 * something waiting has been told.
 */
#include "harness.h"

#include <poll.h>
#include <stdlib.h>

#include "reclaim/runner.h"

static wki_atomic_u64 letters_run, letters_released, letters_dropped;
static wki_atomic_u64 parcels_made, parcels_drained, parcels_by_runner;

enum { RACE_POST, RACE_RUN, RACE_DESTROY, RACE_CLOSE, RACE_DRAIN };
static const struct stress_race races[] = {
	[RACE_POST] = { .left = "posted", .right = "refused" },
	[RACE_RUN] = { .left = "run", .right = "dropped", .count = { &letters_run, &letters_dropped } },
	[RACE_DESTROY] = { .left = "destroyed by drains", .right = "by the runner", .count = { &parcels_drained, &parcels_by_runner } },
	[RACE_CLOSE] = { .left = "closed", .right = "busy" },
	[RACE_DRAIN] = { .left = "drained", .right = "found nothing" },
	{ .left = NULL },
};

enum { BROKEN_REFUSED, BROKEN_THREAD, BROKEN_TWICE };
static const char *const broken[] = {
	[BROKEN_REFUSED] = "forget_refused",
	[BROKEN_THREAD] = "drain_elsewhere",
	[BROKEN_TWICE] = "release_twice",
	NULL,
};

enum told_by { TOLD_BY_DESCRIPTOR, TOLD_BY_WAKE, TOLD_BY_WAIT, TOLD_KINDS };

struct lane {
	wk_queue *queue; /* owned by the lane as long as it has holders */
	enum told_by told_by;
	bool letters_only;      /* parcels keep their queue: only without them it can be given up unclosed */
	wki_atomic_u32 woken;
	wki_atomic_u32 replaced; /* by another lane in its place: once */
	struct stress_share *place;
	wki_atomic_u32 holders;
	wki_atomic_u32 units;   /* the holders together, and each letter and parcel: who still knows the lane */
	wki_atomic_u32 closing; /* closings begun, and not refused */
	wki_atomic_u32 dropping;
	struct lane *next_dropped;
	uint64_t last[STRESS_THREADS_MAX + 1]; /* number of each thread's letter that ran last; whoever runs them is alone */
};

struct letter {
	struct stress_canary canary; /* its number */
	struct lane *lane;
	unsigned poster;
	bool has_run;
};

struct parcel {
	struct stress_canary canary;
	struct lane *lane;
};

#define PLACES 3
static struct stress_share places[PLACES];

static WKI_ATOMIC_POINTER(struct lane) dropped_lanes; /* their parcels are never destroyed, so they stay known */

static _Thread_local struct stress_worker *self;
static _Thread_local struct lane *here; /* whose letters and parcels this thread runs just now */

/* Lanes. */

static void lane_forget(struct lane *lane)
{
	if (atomic_fetch_sub_acq_rel(&lane->units, 1) == 1)
		free(lane);
}

static void lane_know(struct lane *lane)
{
	(void)atomic_fetch_add_relaxed(&lane->units, 1);
}

static void lane_retain(void *held)
{
	(void)atomic_fetch_add_relaxed(&((struct lane *)held)->holders, 1);
}

static void lane_release(void *held)
{
	struct lane *lane = held;

	if (atomic_fetch_sub_acq_rel(&lane->holders, 1) != 1)
		return;
	(void)atomic_fetch_add_relaxed(&lane->closing, 1); /* what is left moves to the runner */
	wk_release(lane->queue);
	lane_forget(lane);
}

static void lane_wake(void *context)
{
	atomic_store_release(&((struct lane *)context)->woken, 1);
}

static struct lane *lane_new(struct stress_worker *worker, struct stress_share *place)
{
	struct lane *lane = calloc(1, sizeof(*lane));
	wk_queue_options options = { .struct_size = sizeof(options), .name = "lane" };
	int status;

	if (lane == NULL)
		abort();
	lane->told_by = (enum told_by)stress_below(worker, TOLD_KINDS);
	lane->letters_only = stress_one_in(worker, 4);
	lane->place = place;
	options.no_descriptor = lane->told_by != TOLD_BY_DESCRIPTOR;
	if (lane->told_by == TOLD_BY_WAKE) {
		options.wake = lane_wake;
		options.context = lane;
	}
	atomic_store_relaxed(&lane->holders, 1);
	atomic_store_relaxed(&lane->units, 1);
	lane->queue = wk_queue_new(&options, &status);
	if (!stress_expect(lane->queue != NULL, "no queue: %s", wk_strerror(status)))
		abort();
	return lane;
}

/* Has somebody said that there is something to drain? A wake is used up by asking. */
static bool lane_was_told(struct lane *lane)
{
	struct pollfd descriptor = { .events = POLLIN };

	switch (lane->told_by) {
	case TOLD_BY_DESCRIPTOR:
		descriptor.fd = wk_queue_descriptor(lane->queue);
		return poll(&descriptor, 1, 0) == 1 && (descriptor.revents & POLLIN) != 0;
	case TOLD_BY_WAKE:
		return atomic_exchange_acq_rel(&lane->woken, 0) != 0;
	default:
		return wk_queue_wait(lane->queue, 0) == WK_OK;
	}
}

/* On this thread? By who drains or closes the lane; by the runner if it has been closed or given up. */
static bool lane_is_right_here(struct lane *lane)
{
	if (wki_runner_is_self())
		return atomic_load_acquire(&lane->closing) != 0;
	return here == lane;
}

/* Letters. */

static void meddle(struct stress_worker *worker, struct lane *lane);

static void letter_run(void *argument)
{
	struct letter *letter = argument;
	struct lane *lane = letter->lane;

	stress_expect(stress_canary_is_whole(&letter->canary) && !letter->has_run, "a letter was run after its end");
	stress_expect(lane_is_right_here(lane), "a letter was run by the wrong thread");
	stress_expect(lane->last[letter->poster] < letter->canary.number, "letters of one thread changed places");
	lane->last[letter->poster] = letter->canary.number;
	letter->has_run = true;
	stress_count(&letters_run);
	if (self != NULL)
		meddle(self, lane);
}

static void letter_release(void *argument)
{
	struct letter *letter = argument;

	stress_expect(stress_canary_is_whole(&letter->canary), "a letter was released twice");
	stress_canary_break(&letter->canary);
	stress_count(&letters_released);
	if (!letter->has_run) {
		stress_count(&letters_dropped);
		stress_expect(atomic_load_acquire(&letter->lane->dropping) != 0, "a letter was lost");
	}
	lane_forget(letter->lane);
	free(letter);
}

static void post(struct stress_worker *worker, struct lane *lane)
{
	static _Thread_local uint64_t number;
	struct letter *letter = calloc(1, sizeof(*letter));
	int status;

	if (letter == NULL)
		abort();
	stress_canary_set(&letter->canary, ++number);
	letter->lane = lane;
	letter->poster = worker->index;
	lane_know(lane);
	status = wk_queue_post(lane->queue, letter_run, letter, letter_release);
	stress_expect(status == WK_OK || status == WK_ESHUTDOWN, "post: %s", wk_strerror(status));
	stress_win(worker, RACE_POST, status == WK_OK || stress_is_broken(BROKEN_REFUSED) ? STRESS_LEFT : STRESS_RIGHT);
	if (status == WK_OK) {
		if (stress_is_broken(BROKEN_TWICE) && stress_one_in(worker, 100))
			letter_release(letter);
		return;
	}
	stress_expect(atomic_load_acquire(&lane->closing) != 0, "an open queue has refused a letter");
	lane_forget(lane);
	free(letter);
}

/* Parcels. */

static void parcel_end(void *payload)
{
	struct parcel *parcel = payload;

	stress_expect(stress_canary_is_whole(&parcel->canary), "a parcel was destroyed twice");
	stress_expect(lane_is_right_here(parcel->lane), "a parcel was destroyed by the wrong thread");
	stress_canary_break(&parcel->canary);
	stress_count(wki_runner_is_self() ? &parcels_by_runner : &parcels_drained);
}

static void parcel_destroy(void *payload)
{
	struct lane *lane = ((struct parcel *)payload)->lane;

	parcel_end(payload);
	lane_forget(lane);
}

static void parcel_nothing(void *payload)
{
	(void)payload;
}

/* The end comes later, through the same queue; a post is released even where it is not run. */
static void parcel_destroy_later(void *payload)
{
	struct lane *lane = ((struct parcel *)payload)->lane;
	wk_queue *queue = wk_retain(lane->queue); /* the object's own reference may go before the call returns */

	parcel_end(payload);
	if (wk_queue_post(queue, parcel_nothing, payload, wk_destroy_done) != WK_OK)
		wk_destroy_done(payload);
	wk_release(queue);
	lane_forget(lane);
}

WK_DEFINE_TYPE(parcel_type, struct parcel, .destroy = parcel_destroy);
WK_DEFINE_TYPE(slow_type, struct parcel, .destroy = parcel_destroy_later, .flags = WK_TYPE_ASYNC_DESTROY);

static void send(struct stress_worker *worker, struct lane *lane)
{
	const wk_new_options options = { .destroy_on = lane->queue };
	struct parcel *parcel;
	int status;

	if (lane->letters_only)
		return;
	parcel = wk_new_with(stress_one_in(worker, 4) ? &slow_type : &parcel_type, &options, &status);
	if (!stress_expect(parcel != NULL, "no parcel: %s", wk_strerror(status)))
		return;
	stress_count(&parcels_made);
	stress_canary_set(&parcel->canary, worker->operations);
	parcel->lane = lane;
	lane_know(lane);
	if (stress_one_in(worker, 2))
		wk_weak_release(wk_downgrade(parcel)); /* now it waits for a grace period */
	stress_hesitate(worker);
	wk_release(parcel);
}

/* Draining and closing. */

static void drain(struct stress_worker *worker, struct lane *lane)
{
	/* 0, everything, seldom: where many post that takes long, and nobody can close meanwhile. */
	static const size_t budgets[] = { 1, 4, 16 };
	struct lane *outer = here;
	size_t done;

	if (!lane_was_told(lane))
		return;
	if (!stress_is_broken(BROKEN_THREAD) || !stress_one_in(worker, 100))
		here = lane;
	done = wk_queue_drain(lane->queue, stress_one_in(worker, 256) ? 0 : budgets[stress_below(worker, 3)]);
	here = outer;
	stress_win(worker, RACE_DRAIN, done > 0 ? STRESS_LEFT : STRESS_RIGHT);
	if (done == 0)
		atomic_store_release(&lane->woken, 1); /* somebody else is at it, who has not heard this wake */
}

static void replace(struct stress_worker *worker, struct lane *lane)
{
	uint32_t not_yet = 0;

	if (atomic_cas_acq_rel(&lane->replaced, &not_yet, 1))
		stress_share_offer(lane->place, lane_new(worker, lane->place));
}

static void keep_dropped(struct lane *lane)
{
	lane_know(lane);
	lane->next_dropped = atomic_load_relaxed(&dropped_lanes);
	while (!atomic_cas_release(&dropped_lanes, &lane->next_dropped, lane))
		;
}

static void close_lane(struct stress_worker *worker, struct lane *lane)
{
	wk_queue_close_mode mode = (wk_queue_close_mode)stress_below(worker, WK_QUEUE_DROP + 1);
	struct lane *outer = here;
	int status;

	(void)atomic_fetch_add_relaxed(&lane->closing, 1);
	if (mode == WK_QUEUE_DROP)
		(void)atomic_fetch_add_relaxed(&lane->dropping, 1);
	here = lane;
	status = wk_queue_close(lane->queue, mode);
	here = outer;
	if (status == WK_OK) {
		stress_win(worker, RACE_CLOSE, STRESS_LEFT);
		stress_expect(wk_queue_pending(lane->queue) == 0, "something is left in a closed queue");
		if (mode == WK_QUEUE_DROP)
			keep_dropped(lane);
		replace(worker, lane);
		return;
	}
	stress_expect(status == WK_EBUSY || status == WK_ESHUTDOWN ||
			      (status == WK_EDEADLOCK && outer == lane && mode == WK_QUEUE_RUN),
		"close: %s", wk_strerror(status));
	stress_win(worker, RACE_CLOSE, STRESS_RIGHT);
	(void)atomic_fetch_sub_relaxed(&lane->closing, 1);
	if (mode == WK_QUEUE_DROP)
		(void)atomic_fetch_sub_relaxed(&lane->dropping, 1);
}

/* Without parcels a queue may also just be forgotten. */
static void end_lane(struct stress_worker *worker, struct lane *lane)
{
	if (!lane->letters_only || stress_one_in(worker, 2))
		close_lane(worker, lane);
	else
		replace(worker, lane);
}

/* What callbacks may do: everything, but some of it in vain. */
static void meddle(struct stress_worker *worker, struct lane *lane)
{
	switch (stress_below(worker, 4096)) {
	case 0:
		close_lane(worker, lane);
		break;
	case 1:
		stress_expect(wk_barrier(WK_NO_TIMEOUT) == WK_OK, "no barrier in a callback of a queue");
		break;
	case 2:
		stress_expect(wk_queue_drain(lane->queue, 0) == 0, "a drain ran inside a drain");
		break;
	default:
		if (stress_one_in(worker, 16))
			post(worker, lane);
	}
}

static void step(struct stress_worker *worker)
{
	struct lane *lane = stress_share_borrow(&places[stress_below(worker, PLACES)]);

	worker->operations++;
	self = worker;
	if (lane == NULL)
		return;
	switch (stress_below(worker, 8)) {
	case 0:
	case 1:
		drain(worker, lane);
		break;
	case 2:
		if (stress_one_in(worker, 256)) /* mostly in vain, somebody is draining */
			end_lane(worker, lane);
		break;
	case 3:
	case 4:
		send(worker, lane);
		break;
	default:
		post(worker, lane);
	}
	lane_release(lane);
}

/* The main thread, when it posts. */
static struct stress_worker settler = { .index = STRESS_THREADS_MAX, .dice = 1 };

static void begin(void)
{
	unsigned index;

	for (index = 0; index < PLACES; index++) {
		places[index] = (struct stress_share){ .retain = lane_retain, .release = lane_release };
		stress_share_offer(&places[index], lane_new(&settler, &places[index]));
	}
}

/* Nothing is on its way: what waits must have been told of, until nothing waits, also where drains leave something. */
static void settle_lane(struct lane *lane)
{
	unsigned letters;
	int status;

	here = lane;
	for (letters = 0; letters < 10; letters++)
		post(&settler, lane);
	do {
		stress_expect(wk_barrier(WK_NO_TIMEOUT) == WK_OK, "no barrier");
		if (wk_queue_pending(lane->queue) == 0)
			break;
		stress_expect(lane_was_told(lane), "nobody was told of what waits");
	} while (wk_queue_drain(lane->queue, wk_queue_pending(lane->queue) / 2 + 1) > 0);
	(void)atomic_fetch_add_relaxed(&lane->closing, 1);
	status = wk_queue_close(lane->queue, WK_QUEUE_RUN);
	stress_expect(status == WK_OK || status == WK_ESHUTDOWN, "close: %s", wk_strerror(status));
	here = NULL;
	lane_release(lane);
}

static void settle_balance(void)
{
	uint64_t posted = stress_wins(RACE_POST, STRESS_LEFT) + atomic_load_relaxed(&settler.wins[RACE_POST][STRESS_LEFT]);
	uint64_t run = atomic_load_relaxed(&letters_run);
	uint64_t dropped = atomic_load_relaxed(&letters_dropped), released = atomic_load_relaxed(&letters_released);
	uint64_t made = atomic_load_relaxed(&parcels_made), drained = atomic_load_relaxed(&parcels_drained);
	uint64_t by_runner = atomic_load_relaxed(&parcels_by_runner);
	wk_stats stats = { .struct_size = sizeof(stats) };

	wk_runtime_stats(&stats);
	stress_expect(run + dropped == posted && released == posted,
		"letters: %llu posted, %llu run, %llu dropped, %llu released", (unsigned long long)posted,
		(unsigned long long)run, (unsigned long long)dropped, (unsigned long long)released);
	stress_expect(drained + by_runner + stats.abandoned == made,
		"parcels: %llu made, %llu destroyed by drains, %llu by the runner, %llu abandoned",
		(unsigned long long)made, (unsigned long long)drained, (unsigned long long)by_runner,
		(unsigned long long)stats.abandoned);
}

static void settle(void)
{
	struct lane *lane, *next;
	unsigned index;

	for (index = 0; index < PLACES; index++)
		settle_lane(stress_share_take(&places[index]));
	stress_settle_runtime();
	stress_settle_census();
	settle_balance();
	for (lane = atomic_load_acquire(&dropped_lanes); lane != NULL; lane = next) {
		next = lane->next_dropped;
		free(lane);
	}
}

static const struct stress queue_stress = {
	.name = "queue",
	.races = races,
	.broken = broken,
	.begin = begin,
	.step = step,
	.settle = settle,
};

int main(int argc, char **argv)
{
	return stress_main(argc, argv, &queue_stress);
}
