/*
 * notify/registration.h - a watch that makes a call: what weak reference objects and finalizers are
 *
 *	watch  LIVE -> FIRED        the object died
 *	       LIVE -> REMOVED      the last user of a weak reference object gave it up; a finalizer was
 *	                            called, detached, or run at exit
 *
 *	call   NONE                 for ever: nothing to call
 *	       ARMED -> POSTED      death: handed over, to be drained
 *	       ARMED -> RUNNING     a finalizer, by whoever removed its watch to run it
 *	       ARMED -> CANCELLED   cancelled, given up, detached: handed over too, for its argument
 *	       POSTED -> CANCELLED  cancelled, or its queue was dropped
 *	       POSTED -> RUNNING    whoever drains, right before the call; at exit, whoever exits
 *	       RUNNING -> DONE      the call has returned, or has ended its thread
 *	Impossible: anything else; so a call begins once at most, and never when it was cancelled.
 *
 * POSTED and RUNNING are claims (base/generation.h): in the child of a fork, what the parent had
 * posted is CANCELLED, and what it ran is DONE.
 *
 * Each step is one compare-and-swap. The one winner of a step out of ARMED owns `link`; who runs the
 * call, or drains it CANCELLED, releases the argument: once.
 *
 * HOLDS, the watch's own count, keep the memory:
 *	user  4 each  handles. A list walk adds one unless there is none; a callback may add to none
 *	LIST  1       the object's list, until the watch has fired or has left the list
 *	CALL  1       while it can be called, and until it is out of mailbox and queue; none if NONE
 * Who drops the last one retires the memory to limbo: walks of the list may still look at it.
 *
 * Layer: notify. The functions in this file are the protocol: an explorer drives them as they
 * are, with other ends for what registration.c does.
 */
#ifndef WKI_NOTIFY_REGISTRATION_H
#define WKI_NOTIFY_REGISTRATION_H

#include "base/atomic.h"
#include "base/generation.h"
#include "core/watch.h"
#include "reclaim/link.h"
#include "sync/event.h"
#include "weakref/common.h"

enum wki_call {
	WKI_CALL_NONE,
	WKI_CALL_ARMED,
	WKI_CALL_POSTED,
	WKI_CALL_RUNNING,
	WKI_CALL_DONE,
	WKI_CALL_CANCELLED
};

#define WKI_HOLD_LIST 1u
#define WKI_HOLD_CALL 1u
#define WKI_HOLD_USER 4u

struct wki_control;
struct wki_member;
struct wki_registration;

/* What differs. */
struct wki_registration_kind {
	int (*run)(struct wki_registration *registration);   /* the program's function; below 0: it failed */
	void (*over)(struct wki_registration *registration); /* nothing will run any more; NULL: nothing to do */
	void (*withdraw)(struct wki_registration *registration); /* its owner ends; takes a user, and the call back if it is ARMED */
	const char *failure;                                 /* what the error hook is told when run failed */
};

/* Begins its block. All constant but watch, link, call, done and flag. */
struct wki_registration {
	struct wki_watch watch;
	struct wki_link link;  /* handed over, later retired: one at a time */
	wki_atomic_u32 call;   /* enum wki_call, and a generation */
	struct wki_event done; /* for who waits while it is RUNNING */
	wki_atomic_u32 flag;   /* the kind's own */
	uint32_t bytes;        /* of the block */
	const struct wki_registration_kind *kind;
	struct wki_control *control; /* owns a unit */
	void *argument;
	void (*release)(void *argument); /* NULL: nothing to release */
	wk_queue *queue;                 /* owned while CALL is held; NULL: the runner */
	struct wki_member *member;       /* its owner's, until the argument is released; NULL: it has no owner */
};

/* The ends: registration.c, and the explorer's own. */

/* wki_registration_post - hand it over to be drained; inside a read section, or with a hold */
void wki_registration_post(struct wki_registration *registration);
/* wki_registration_run - make the call, by who moved it to RUNNING, and end it; `report`: a failure to the error hook */
int wki_registration_run(struct wki_registration *registration, bool report);
/* wki_registration_end - nothing will be called any more: release the argument, drop CALL */
void wki_registration_end(struct wki_registration *registration);
/* wki_registration_add_call - CALL once more, while it is held; wki_registration_drop_call - CALL once less */
void wki_registration_add_call(struct wki_registration *registration);
void wki_registration_drop_call(struct wki_registration *registration);
/* wki_registration_retire - nobody holds it: the memory goes after a grace period */
void wki_registration_retire(struct wki_registration *registration);
/* wki_registration_stop_misused - a handle was released that nobody owned */
__attribute__((noreturn, cold)) void wki_registration_stop_misused(const struct wki_registration *registration);

static inline struct wki_registration *wki_registration_of_watch(struct wki_watch *watch)
{
	return (struct wki_registration *)(void *)watch;
}

static inline struct wki_registration *wki_registration_of_link(struct wki_link *link)
{
	return (struct wki_registration *)(void *)((char *)link - offsetof(struct wki_registration, link));
}

/* wki_registration_init - with one user; `call` is NONE or ARMED. It is nobody else's yet. */
static inline void wki_registration_init(struct wki_registration *registration, uint8_t watch_kind, enum wki_call call)
{
	wki_watch_init(&registration->watch, watch_kind,
		       WKI_HOLD_USER + WKI_HOLD_LIST + (call == WKI_CALL_NONE ? 0 : WKI_HOLD_CALL));
	/* REG-1 relaxed; pairs: none; weaker: not possible; check: explore/cancel (published by WCH-4 or WCH-20) */
	atomic_store_relaxed(&registration->call, (uint32_t)call);
}

/* The word of a state: only what somebody is expected to go on with depends on the generation. */
static inline uint32_t wki_registration_word(enum wki_call call)
{
	return call == WKI_CALL_POSTED || call == WKI_CALL_RUNNING ? wki_claim(call) : (uint32_t)call;
}

static inline enum wki_call wki_registration_call(const struct wki_registration *registration)
{
	/* REG-2 acquire; pairs: REG-3; weaker: who finds it DONE could miss what the call did; check: api/ref_cancel_test under TSan */
	uint32_t word = atomic_load_acquire((wki_atomic_u32 *)(uintptr_t)&registration->call);
	enum wki_call call = (enum wki_call)wki_claim_state(word);

	if (word == wki_registration_word(call))
		return call;
	return call == WKI_CALL_POSTED ? WKI_CALL_CANCELLED : WKI_CALL_DONE;
}

/* wki_registration_move - one step of the call; true: the caller took it */
static inline bool wki_registration_move(struct wki_registration *registration, enum wki_call from, enum wki_call to)
{
	uint32_t expected = wki_registration_word(from);

	/* REG-3 acq_rel; pairs: REG-2, REG-3; weaker: a call could miss what was done before the death, a canceller what the call did; check: explore/cancel, api/ref_cancel_test under TSan */
	return atomic_cas_acq_rel(&registration->call, &expected, wki_registration_word(to));
}

/* wki_registration_drop - holds less; returns the holds before */
static inline uint32_t wki_registration_drop(struct wki_registration *registration, uint32_t holds)
{
	/* REG-4 acq_rel; pairs: REG-4, WCH-8; weaker: the memory could go before another holder's last access; check: explore/cancel */
	uint32_t before = atomic_fetch_sub_acq_rel(&registration->watch.holds, holds);

	if (before == holds)
		wki_registration_retire(registration);
	return before;
}

/* wki_registration_add - holds more, by a holder; returns the holds before */
static inline uint32_t wki_registration_add(struct wki_registration *registration, uint32_t holds)
{
	/* REG-5 relaxed; pairs: none; weaker: not possible; check: explore/cancel */
	return atomic_fetch_add_relaxed(&registration->watch.holds, holds);
}

/* wki_registration_add_user_rcu - a user more, unless there is none; by who met it on a list */
static inline bool wki_registration_add_user_rcu(struct wki_registration *registration)
{
	/* REG-6 relaxed; pairs: none; weaker: not possible; check: explore/cancel */
	uint32_t holds = atomic_load_relaxed(&registration->watch.holds);

	do {
		if (holds < WKI_HOLD_USER)
			return false;
		/* REG-7 relaxed; pairs: none; weaker: not possible; check: explore/cancel (the walk has seen it whole) */
	} while (!atomic_cas_relaxed(&registration->watch.holds, &holds, holds + WKI_HOLD_USER));
	return true;
}

/* wki_registration_leave - the watch is off the list without having fired */
static inline void wki_registration_leave(struct wki_watch *watch)
{
	(void)wki_registration_drop(wki_registration_of_watch(watch), WKI_HOLD_LIST);
}

/* wki_registration_orphaned - as fired, in the child of a fork that took away the thread that was at it: nothing is called */
static inline void wki_registration_orphaned(struct wki_watch *watch)
{
	(void)wki_registration_move(wki_registration_of_watch(watch), WKI_CALL_ARMED, WKI_CALL_CANCELLED);
	wki_registration_leave(watch);
}

/* wki_registration_fired - the object died, the caller is its end of life and has won LIVE -> FIRED */
static inline void wki_registration_fired(struct wki_watch *watch)
{
	struct wki_registration *registration = wki_registration_of_watch(watch);

	if (wki_registration_move(registration, WKI_CALL_ARMED, WKI_CALL_POSTED))
		wki_registration_post(registration);
	wki_registration_leave(watch);
}

/* wki_registration_disarm - it will not be called, unless it is too late for that (false) */
static inline bool wki_registration_disarm(struct wki_registration *registration)
{
	if (!wki_registration_move(registration, WKI_CALL_ARMED, WKI_CALL_CANCELLED))
		return false;
	if (registration->release != NULL || registration->member != NULL)
		wki_registration_post(registration); /* the program's code runs where the call would have, and no lock is taken here */
	else
		wki_registration_end(registration);
	return true;
}

/*
 * wki_registration_give_up_rcu - a user less; the last one takes the registration back
 *
 * True: the watch was removed, and the object lives or is in its end of life: unwatch it, in
 * this read section.
 */
static inline bool wki_registration_give_up_rcu(struct wki_registration *registration)
{
	uint32_t before = wki_registration_drop(registration, WKI_HOLD_USER);

	if (before < WKI_HOLD_USER)
		wki_registration_stop_misused(registration);
	if (before == WKI_HOLD_USER || before >= 2 * WKI_HOLD_USER)
		return false;
	if (!wki_watch_move(&registration->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED))
		return false;
	(void)wki_registration_disarm(registration);
	return true;
}

/* wki_registration_cancel - CANCELLED (or NONE): it never ran and never will; DONE: it has; RUNNING: wait for it */
static inline enum wki_call wki_registration_cancel(struct wki_registration *registration)
{
	if (wki_registration_disarm(registration) ||
	    wki_registration_move(registration, WKI_CALL_POSTED, WKI_CALL_CANCELLED))
		return WKI_CALL_CANCELLED;
	return wki_registration_call(registration);
}

/* wki_registration_due - its turn has come where it was handed to */
static inline void wki_registration_due(struct wki_link *link)
{
	struct wki_registration *registration = wki_registration_of_link(link);

	if (wki_registration_move(registration, WKI_CALL_POSTED, WKI_CALL_RUNNING))
		(void)wki_registration_run(registration, true);
	else if (wki_registration_call(registration) == WKI_CALL_CANCELLED)
		wki_registration_end(registration);
	else
		wki_registration_drop_call(registration); /* somebody took it out of turn */
}

/* wki_registration_skip - likewise, but nothing is to be called there any more */
static inline void wki_registration_skip(struct wki_link *link)
{
	(void)wki_registration_move(wki_registration_of_link(link), WKI_CALL_POSTED, WKI_CALL_CANCELLED);
	wki_registration_due(link);
}

/*
 * wki_registration_take_posted - to run it out of turn; while something keeps CALL from being dropped
 *
 * True: it is RUNNING and the caller's. It also stays where it was handed to: it is held as if
 * it had been handed over twice.
 */
static inline bool wki_registration_take_posted(struct wki_registration *registration)
{
	if (wki_registration_call(registration) != WKI_CALL_POSTED)
		return false;
	wki_registration_add_call(registration);
	if (wki_registration_move(registration, WKI_CALL_POSTED, WKI_CALL_RUNNING))
		return true;
	wki_registration_drop_call(registration);
	return false;
}

/* What follows is not the protocol, but what its users share: registration.c. */

/* wki_registration_target - what a new registration is to watch; NULL and *status: no such object, or not now */
struct wki_control *wki_registration_target(const void *object, int *status);
/* wki_registration_owner - whose a callback is that `owner` was asked for (NULL: nobody) */
wk_owner *wki_registration_owner(const struct wki_control *control, wk_owner *owner);

/*
 * wki_registration_allocate - a block of so many bytes, zeroed; NULL: no memory
 * wki_registration_begin - kind, argument, release, queue and member are filled in: complete the rest, put it on no list yet
 * wki_registration_join - after that: its owner may withdraw it from now on; false: the owner is closed meanwhile
 * wki_registration_undo - of one that has begun and that nobody has seen; its member is left to the caller
 */
void *wki_registration_allocate(size_t bytes);
void wki_registration_begin(struct wki_registration *registration, uint8_t watch_kind, enum wki_call call,
			    struct wki_control *control);
bool wki_registration_join(struct wki_registration *registration);
void wki_registration_undo(struct wki_registration *registration);

/* wki_registration_wait - until it is no longer RUNNING (true) or the deadline has passed (false); by a holder */
bool wki_registration_wait(struct wki_registration *registration, uint64_t deadline);

/* wki_registration_free - of one that was retired, or that nobody has seen; it owns no queue any more */
void wki_registration_free(struct wki_link *link);

/* Calls made since the process began. */
uint64_t wki_registrations_run(void);

#endif
