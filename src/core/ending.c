/*
 * core/ending.c - giving references up: the end of an object's life, and who learns of it
 *
 *	release, and it is not the last    one subtraction
 *	the only one, never borrowed       dead by a store: nobody can make another
 *	the only one, borrowed             dead by one compare-and-swap, unless somebody upgrades
 *	one of several                     a subtraction; at zero, a decision (core/count.h)
 *
 * Who has ended the life tells the watches and hands the object on (core/control.c).
 *
 * Layer: core. Never: user code inside a release, but for prompt types; a lock; allocation.
 */
#include "core/control.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"

/*
 * Everything that watches learns of the death, newest first; what was removed leaves the list. The list is noted
 * before it is taken, and what is told last stays noted while it is told: from there a child of a fork goes on.
 */
static void ending_tell_rcu(struct wki_control *control, struct wki_intent *intent)
{
	struct wki_watch *watch, *next;

	if (intent != NULL)
		wki_intent_note(&intent->telling, wki_watch_first(&control->watches));
	for (watch = wki_watch_take(&control->watches); watch != NULL; watch = next) {
		if (intent != NULL)
			wki_intent_note(&intent->telling, watch);
		next = wki_watch_next(watch);
		if (wki_watch_move(watch, WKI_WATCH_LIVE, WKI_WATCH_FIRED))
			wki_watch_handlers[watch->kind].fired(watch);
		else if (wki_watch_move(watch, WKI_WATCH_REMOVED, WKI_WATCH_RETIRED))
			wki_watch_handlers[watch->kind].leave(watch);
	}
}

/* The thread's intent, unless it is in use: the death is a consequence of another one that it is at. */
static struct wki_intent *ending_announce(struct wki_control *control)
{
	struct wki_intent *intent = wki_intent_begin();

	if (unlikely(intent == NULL || wki_intent_noted(&intent->ending) != NULL))
		return NULL;
	wki_intent_note(&intent->ending, control);
	return intent;
}

static void ending_conclude(struct wki_intent *intent)
{
	if (unlikely(intent == NULL))
		return;
	wki_intent_note(&intent->ending, NULL);
	wki_intent_note(&intent->telling, NULL);
	wki_intent_end(intent);
}

/*
 * By a decider, if `word` has no references, else by the owner of all that it has; true: dead, and the end of life is
 * the caller's. The read section begins before the object is dead for anybody, so that whoever judges it dead, and
 * takes it for reason to end a container, still finds us inside.
 */
static bool ending_try_rcu(struct wki_control *control, uint64_t word)
{
	struct wki_intent *intent = ending_announce(control);
	bool won;

	SCHED_POINT("about to make it dead");
	if (wki_strong_count(word) != 0)
		won = wki_count_try_end(&control->count, word);
	else
		won = wki_count_decide(&control->count, word);
	if (won)
		ending_tell_rcu(control, intent);
	ending_conclude(intent);
	return won;
}

static bool ending_try(struct wki_control *control, uint64_t word)
{
	bool won;

	wki_read_lock();
	won = ending_try_rcu(control, word);
	wki_read_unlock();
	return won;
}

/*
 * What goes to the runner is mailed before the section ends: a barrier that begins between the death and the mail waits
 * for the section first.
 */
static bool ending_try_and_retire(struct wki_control *control, uint64_t word)
{
	bool won, mailed;

	wki_read_lock();
	won = ending_try_rcu(control, word);
	mailed = won && wki_control_is_mailed(control);
	SCHED_POINT("dead, but not mailed");
	if (mailed)
		wki_control_retire(control, true);
	wki_read_unlock();
	SCHED_POINT("dead, and nobody waits for this thread");
	if (won && !mailed)
		wki_control_retire(control, true);
	return won;
}

/* `many` references less; true: none is left, the caller is a decider. Else the block may be gone. */
static inline bool ending_give_up(struct wki_control *control, uint64_t many, uint64_t *word)
{
	*word = wki_count_release(&control->count, many);
	if (likely(wki_strong_is_above(*word, many)))
		return false;
	if (unlikely(wki_strong_count(*word) != many || (*word & WKI_STRONG_DEAD) != 0))
		wki_stop_control(control, "released more often than retained");
	*word &= WKI_STRONG_FLAGS;
	return true;
}

/* A release that is not the last one is a few instructions and no frame: the two ways to end a life are out of line. */

static __attribute__((noinline)) void ending_decide(struct wki_control *control, uint64_t word)
{
	if (!ending_try_and_retire(control, word))
		wki_control_drop_unit(control); /* the grant */
}

static inline void ending_release_some(struct wki_control *control, uint64_t many)
{
	uint64_t word;

	if (unlikely(ending_give_up(control, many, &word)))
		ending_decide(control, word);
}

/* These are all there were. If it was never borrowed, nobody can make another. */
static __attribute__((noinline)) void ending_release_all(struct wki_control *control, uint64_t many, uint64_t word)
{
	if (!wki_count_is_borrowed(&control->count)) {
		wki_count_end(&control->count);
		wki_control_retire(control, false);
	} else if (!ending_try_and_retire(control, word)) {
		ending_release_some(control, many);
	}
}

void wki_control_release(struct wki_control *control, uint64_t many)
{
	uint64_t word = wki_count_peek(&control->count);

	if (wki_count_is_all(word, many))
		ending_release_all(control, many, word);
	else
		ending_release_some(control, many);
}

bool wki_control_end(struct wki_control *control, bool *borrowed)
{
	uint64_t word = wki_count_peek(&control->count);

	*borrowed = true;
	if (wki_count_is_all(word, 1)) {
		*borrowed = wki_count_is_borrowed(&control->count);
		if (!*borrowed)
			wki_count_end(&control->count);
		if (!*borrowed || ending_try(control, word))
			return true;
	}
	if (!ending_give_up(control, 1, &word))
		return false;
	if (ending_try(control, word))
		return true;
	wki_control_drop_unit(control); /* the grant */
	return false;
}

static void ending_watch_leave(struct wki_watch *watch)
{
	wki_watch_handlers[watch->kind].leave(watch);
}

void wki_control_prune_rcu(struct wki_control *control)
{
	wki_watch_prune_surely(&control->watches, &control->count.meta, ending_watch_leave);
}

void wki_control_unwatch_rcu(struct wki_control *control)
{
	if (wki_watch_littered(&control->count.meta))
		wki_watch_prune(&control->watches, &control->count.meta, ending_watch_leave);
}

/* After a fork, in the child. */

static void ending_tell_orphans(struct wki_watch *watch)
{
	struct wki_watch *next;

	for (; watch != NULL; watch = next) {
		next = wki_watch_next(watch);
		if (wki_watch_move(watch, WKI_WATCH_LIVE, WKI_WATCH_FIRED))
			wki_watch_handlers[watch->kind].orphaned(watch);
		else if (wki_watch_move(watch, WKI_WATCH_REMOVED, WKI_WATCH_RETIRED))
			wki_watch_handlers[watch->kind].leave(watch);
	}
}

/* Not dead: the thread has ended nothing. What it owned is nobody's, and a count of zero may be revived. */
void wki_control_forked(struct wki_intent *intent)
{
	struct wki_control *control = wki_intent_noted(&intent->ending);

	if (control == NULL || !wki_count_is_dead(&control->count))
		return;
	ending_tell_orphans(wki_intent_noted(&intent->telling));
	ending_tell_orphans(wki_watch_take(&control->watches));
}
