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

/*
 * What a thread is in the middle of that must not stay half done. Nobody looks at it but the child of a fork, which
 * the thread does not survive: it finishes in its place (docs/decisions/0006-fork.md). Written by the thread, in
 * program order with what it tells of.
 */
struct wki_intent {
	WKI_ATOMIC_POINTER(void) ending;   /* struct wki_control: its life */
	WKI_ATOMIC_POINTER(void) telling;  /* struct wki_watch: the next on its list to be told */
	WKI_ATOMIC_POINTER(void) table;    /* struct wki_table: the two below are of it */
	WKI_ATOMIC_POINTER(void) storing;  /* struct wki_entry: on its way into a slot; NULL: none */
	WKI_ATOMIC_POINTER(void) replaced; /* struct wki_entry: a live one whose slot it takes; NULL: none */
	wki_atomic_u32 lent;               /* of a spare one: to a thread without record */
};

struct wki_intent *wki_intent_begin_spare(void);
void wki_intent_end_spare(struct wki_intent *intent);

static inline void wki_intent_note(WKI_ATOMIC_POINTER(void) *word, void *what)
{
	/* THR-20 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
	atomic_store_relaxed(word, what);
	wki_program_order();
}

static inline void *wki_intent_noted(WKI_ATOMIC_POINTER(void) *word)
{
	/* THR-21 relaxed; pairs: none; weaker: not possible; check: api/fork_test (its own, or nobody else is there) */
	return atomic_load_relaxed(word);
}

/* Whose record it is: nobody's, so that a new thread may take it over, one of the program's threads', or one of ours. */
enum wki_thread_use { WKI_THREAD_FREE, WKI_THREAD_PROGRAM, WKI_THREAD_RECLAIMER };

struct wki_thread {
	struct wki_thread *next; /* constant once the record is on the list */
	wki_atomic_u32 use;      /* enum wki_thread_use; written by the thread and by who takes it over, read by anybody */
	uint32_t index;          /* constant; how many records there were before this one */
	uint32_t debt;           /* objects made since the last look at the backlog */
	wki_atomic_u64 noted_objects, noted_bytes; /* gathered for the backlog; written by the thread, read by anybody */
	struct wki_intent intent;
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

/* wki_intent_begin - the calling thread's; NULL: it has no record, and all spare ones are lent. wki_intent_end - it is through. */
static inline struct wki_intent *wki_intent_begin(void)
{
	struct wki_thread *thread = wki_thread_current;

	return likely(thread != NULL) ? &thread->intent : wki_intent_begin_spare();
}

static inline void wki_intent_end(struct wki_intent *intent)
{
	if (unlikely(intent != NULL && wki_thread_current == NULL))
		wki_intent_end_spare(intent);
}

static inline enum wki_thread_use wki_thread_use(const struct wki_thread *thread)
{
	/* THR-9 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics; a thread knows its own) */
	return (enum wki_thread_use)atomic_load_relaxed((wki_atomic_u32 *)(uintptr_t)&thread->use);
}

/* wki_thread_index - a small number that no other thread has now; who takes the record over has it, and sees what was written under it */
static inline unsigned wki_thread_index(void)
{
	const struct wki_thread *thread = wki_thread_current;

	return thread != NULL ? thread->index : UINT32_MAX;
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

/* wki_threads_forked - in the child: the records of all other threads are free, and what they kept is forgotten */
void wki_threads_forked(void);
/* wki_intents_forked - in the child: call `finish` for what each of the lost threads was at, and forget it */
void wki_intents_forked(void (*finish)(struct wki_intent *intent));

/* wki_thread_parting - called with the record of a thread that ends: filled in by src/runtime/kinds.c */
extern void (*const wki_thread_parting)(struct wki_thread *thread);

#endif
