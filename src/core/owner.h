/*
 * core/owner.h - who registered something, and what of it is still there
 *
 * A plug-in gives its types, callbacks, posts and kinds of keys an owner. Each thing that leads to
 * its code or data HOLDS the owner, until whoever used it last has done so:
 *
 *	a control block   of a type of its, from the constructor until the block's memory is given back
 *	a member          a registration, until its argument is released (notify/member.h)
 *	a post            from wk_queue_post_owned until its argument is released
 *	keys              a container with a kind of keys of its, and each entry of such a container
 *	a destroy         an asynchronous one, which may end its object before it returns
 *	a visit           of a type of its by wk_runtime_each_type
 *
 * HOLDS, one word:  CLOSED | count. Who drains sets CLOSED, once and for all: from then on only who
 * has a hold can add one, so that a count of 0 is final: FREE. What the last holders did is seen by
 * who reads FREE. He may give the owner up then, so who drops touches it no more after the drop.
 *
 * What is retired to wait for a grace period and leads to an owner goes to the runner and not to
 * its thread's limbo, where it could lie for as long as that thread is idle.
 *
 * Layer: core.
 */
#ifndef WKI_CORE_OWNER_H
#define WKI_CORE_OWNER_H

#include <pthread.h>

#include "base/atomic.h"
#include "base/check.h"
#include "sync/event.h"
#include "weakref/runtime.h"

struct wki_member;

struct wk_owner {
	wki_atomic_u64 holds;
	wki_atomic_u64 posts, keys; /* of the holds; for reports */
	/* Under the lock. */
	struct wki_member *newest; /* everything that was registered */
	struct wki_member *cursor; /* the next one to withdraw */
	uint64_t forgotten;        /* grace period after which nobody knows its types; 0: they are on the list */
	char name[32];
};

#define WKI_OWNER_CLOSED (UINT64_C(1) << 63)

/* Of all owners: members, and the removal of types from the list of all types. Held for moments, never around code of the program's. */
extern pthread_mutex_t wki_owner_lock;

/* Signalled when a closed owner becomes free. */
extern struct wki_event wki_owner_freed;

static inline uint64_t wki_owner_word(const wk_owner *owner)
{
	/* OWN-1 acquire; pairs: OWN-3; weaker: who unloads a plug-in could do so under its last callback; check: unit/core/owner_test, api/owner_race_test under TSan */
	return atomic_load_acquire((wki_atomic_u64 *)(uintptr_t)&owner->holds);
}

static inline uint64_t wki_owner_holds(const wk_owner *owner)
{
	return wki_owner_word(owner) & ~WKI_OWNER_CLOSED;
}

static inline bool wki_owner_is_closed(const wk_owner *owner)
{
	return (wki_owner_word(owner) & WKI_OWNER_CLOSED) != 0;
}

static inline bool wki_owner_is_free(const wk_owner *owner)
{
	return wki_owner_word(owner) == WKI_OWNER_CLOSED;
}

/* wki_owner_close - from now on nobody gets a hold who has none */
static inline void wki_owner_close(wk_owner *owner)
{
	/* OWN-2 release; pairs: OWN-1; weaker: not possible, it is decided by the order of one word; check: api/owner_race_test */
	(void)atomic_fetch_or_release(&owner->holds, WKI_OWNER_CLOSED);
}

/* Of no owner (NULL) there is nothing to hold: the program stays. */

bool wki_owner_hold_slow(wk_owner *owner);
bool wki_owner_visit_slow(wk_owner *owner);
void wki_owner_add_slow(wk_owner *owner);
void wki_owner_drop_slow(wk_owner *owner);

/* wki_owner_hold - one hold more; false: it is closed */
static inline bool wki_owner_hold(wk_owner *owner)
{
	return likely(owner == NULL) || wki_owner_hold_slow(owner);
}

/* wki_owner_visit - the same, also of a closed one, but not of a free one */
static inline bool wki_owner_visit(wk_owner *owner)
{
	return owner == NULL || wki_owner_visit_slow(owner);
}

/* wki_owner_add - one hold more, by somebody who has one */
static inline void wki_owner_add(wk_owner *owner)
{
	if (unlikely(owner != NULL))
		wki_owner_add_slow(owner);
}

/* wki_owner_drop - one hold less: the owner, and what it stands for, is touched no more */
static inline void wki_owner_drop(wk_owner *owner)
{
	if (unlikely(owner != NULL))
		wki_owner_drop_slow(owner);
}

/* Of the holds, those of posts and keys are also counted apart. */
static inline void wki_owner_count(wki_atomic_u64 *share, uint64_t more)
{
	/* OWN-6 relaxed; pairs: none; weaker: not possible; check: api/owner_test (reports) */
	(void)atomic_fetch_add_relaxed(share, more);
}

static inline uint64_t wki_owner_counted(const wki_atomic_u64 *share)
{
	/* OWN-7 relaxed; pairs: none; weaker: not possible; check: api/owner_test (reports) */
	return atomic_load_relaxed((wki_atomic_u64 *)(uintptr_t)share);
}

static inline void wki_owner_add_keys(wk_owner *owner)
{
	if (likely(owner == NULL))
		return;
	wki_owner_add_slow(owner);
	wki_owner_count(&owner->keys, 1);
}

static inline void wki_owner_drop_keys(wk_owner *owner)
{
	if (likely(owner == NULL))
		return;
	wki_owner_count(&owner->keys, (uint64_t)-1);
	wki_owner_drop_slow(owner);
}

#endif
