/*
 * reclaim/thread.h - what the runtime keeps for each thread
 *
 * A record is made by a thread's first constructor or container call, found through one
 * thread-local pointer, handed to a later thread when its own ends, and never freed: others
 * walk the list of all records. Without memory, or while a thread ends, there is none:
 * every user of it has another way (the runner).
 *
 * Layer: reclaim. Fields are the thread's own unless they say otherwise.
 */
#ifndef WKI_RECLAIM_THREAD_H
#define WKI_RECLAIM_THREAD_H

#include <stdbool.h>

#include "base/atomic.h"
#include "base/check.h"
#include "reclaim/cache.h"
#include "reclaim/limbo.h"
#include "sync/rcu.h"

/* What this thread has made and destroyed of one type since it last told the type's state. */
struct wki_census_slot {
	WKI_ATOMIC_POINTER(void) state; /* the type's; written by the thread, read by anybody */
	wki_atomic_u64 created, destroyed;
};
#define WKI_CENSUS_SLOTS 16u

/* Whose record it is: nobody's, so that a new thread may take it over, one of the program's threads', or one of ours. */
enum wki_thread_use { WKI_THREAD_FREE, WKI_THREAD_PROGRAM, WKI_THREAD_RECLAIMER };

struct wki_thread {
	struct wki_thread *next; /* constant once the record is on the list */
	wki_atomic_u32 use;      /* enum wki_thread_use; written by the thread and by who takes it over, read by anybody */
	uint32_t index;          /* constant; which stripe of a striped counter */
	WKI_ATOMIC_POINTER(wki_reader) reader; /* its read sections, as others see them: a hint; NULL: not known */
	uint32_t debt;           /* objects made since the last look at the backlog */
	wki_atomic_u64 noted_objects, noted_bytes; /* gathered for the backlog; written by the thread, read by anybody */
	struct wki_limbo limbo;
	struct wki_cache cache;
	struct wki_census_slot census[WKI_CENSUS_SLOTS];
};

extern _Thread_local struct wki_thread *wki_thread_current;

struct wki_thread *wki_thread_make(void);

/* wki_thread_self - the calling thread's record, made if need be; NULL: no memory, or the thread is ending */
static inline struct wki_thread *wki_thread_self(void)
{
	struct wki_thread *thread = wki_thread_current;

	return likely(thread != NULL) ? thread : wki_thread_make();
}

/* wki_thread_if_any - the record if there is one already: for releases, which never allocate */
static inline struct wki_thread *wki_thread_if_any(void)
{
	return wki_thread_current;
}

static inline enum wki_thread_use wki_thread_use(const struct wki_thread *thread)
{
	/* THR-9 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics; a thread knows its own) */
	return (enum wki_thread_use)atomic_load_relaxed((wki_atomic_u32 *)(uintptr_t)&thread->use);
}

/* wki_thread_stripe - a small number that spreads threads over striped counters */
static inline unsigned wki_thread_stripe(void)
{
	const struct wki_thread *thread = wki_thread_current;

	return thread != NULL ? thread->index : 0;
}

/* Callbacks around what the thread is doing. Not in the record: a release runs prompt destructors, and makes none. */
extern _Thread_local uint32_t wki_callback_depth;

/* wki_thread_in_callback - the caller is called by a callback, destructor or factory that the runtime runs */
static inline bool wki_thread_in_callback(void)
{
	return wki_callback_depth != 0;
}

/* wki_callback_enter, wki_callback_leave - around every call of the user's code */
static inline void wki_callback_enter(void)
{
	wki_callback_depth++;
}

static inline void wki_callback_leave(void)
{
	wki_callback_depth--;
}

/* wki_thread_all - the records of all threads, through `next` */
struct wki_thread *wki_thread_all(void);

/* wki_thread_parting - called with the record of a thread that ends: filled in by src/runtime/kinds.c */
extern void (*const wki_thread_parting)(struct wki_thread *thread);

#endif
