/*
 * reclaim/thread.c - records of threads: made, handed on, never freed
 *
 * Layer: reclaim.
 */
#include "reclaim/thread.h"

#include <pthread.h>
#include <string.h>

#include "base/memory.h"

_Thread_local struct wki_thread *wki_thread_current;
_Thread_local uint32_t wki_callback_depth;
static _Thread_local bool thread_parted; /* the thread's destructor has run: no second record */

static WKI_ATOMIC_POINTER(struct wki_thread) thread_list;
static wki_atomic_u32 thread_count;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static bool thread_key_made;

static void thread_end(void *argument)
{
	struct wki_thread *thread = argument;

	thread_parted = true;
	wki_thread_parting(thread);
	wki_thread_current = NULL;
	/* THR-1 release; pairs: THR-2; weaker: the next owner could see this thread's half-done writes; check: unit/reclaim/thread_test */
	atomic_store_release(&thread->use, WKI_THREAD_FREE);
}

static void thread_make_key(void)
{
	thread_key_made = pthread_key_create(&thread_key, thread_end) == 0;
}

static struct wki_thread *thread_take_over(void)
{
	struct wki_thread *thread;
	uint32_t unused = WKI_THREAD_FREE;

	for (thread = wki_thread_all(); thread != NULL; thread = thread->next, unused = WKI_THREAD_FREE) {
		/* THR-2 acquire; pairs: THR-1; weaker: as THR-1; check: unit/reclaim/thread_test */
		if (atomic_cas_acquire(&thread->use, &unused, WKI_THREAD_PROGRAM))
			return thread;
	}
	return NULL;
}

static struct wki_thread *thread_add(void)
{
	struct wki_thread *thread = wki_allocate_zeroed(NULL, sizeof(*thread), 64);

	if (thread == NULL)
		return NULL;
	/* THR-3 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/thread_test */
	atomic_store_relaxed(&thread->use, WKI_THREAD_PROGRAM);
	/* THR-4 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/thread_test */
	thread->index = atomic_fetch_add_relaxed(&thread_count, 1);
	/* THR-5 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/thread_test (CAS again if stale) */
	thread->next = atomic_load_relaxed(&thread_list);
	/* THR-6 release; pairs: THR-7; weaker: a walker could meet a half-made record; check: unit/reclaim/thread_test */
	while (!atomic_cas_release(&thread_list, &thread->next, thread))
		;
	return thread;
}

struct wki_thread *wki_thread_make(void)
{
	struct wki_thread *thread;

	if (thread_parted)
		return NULL;
	pthread_once(&thread_once, thread_make_key);
	if (!thread_key_made)
		return NULL;
	thread = thread_take_over();
	if (thread == NULL)
		thread = thread_add();
	if (thread == NULL)
		return NULL;
	if (pthread_setspecific(thread_key, thread) != 0) {
		/* THR-8 release; pairs: THR-2; weaker: as THR-1; check: by reading, the failure cannot be provoked */
		atomic_store_release(&thread->use, WKI_THREAD_FREE);
		return NULL;
	}
	wki_thread_current = thread;
	return thread;
}

struct wki_thread *wki_thread_all(void)
{
	/* THR-7 acquire; pairs: THR-6; weaker: as THR-6; check: unit/reclaim/thread_test */
	return atomic_load_acquire(&thread_list);
}

/* Intents. */

/* Threads without a record that end lives at one time; more of them, and a fork leaves what they are at half done. */
#define INTENT_SPARES 16u

static struct wki_intent intent_spares[INTENT_SPARES];

struct wki_intent *wki_intent_begin_spare(void)
{
	struct wki_intent *intent;
	uint32_t free = 0;

	for (intent = intent_spares; intent < intent_spares + INTENT_SPARES; intent++, free = 0) {
		/* THR-22 acquire; pairs: THR-23; weaker: what the last borrower noted could come after what we note; check: unit/reclaim/thread_test */
		if (atomic_cas_acquire(&intent->lent, &free, 1))
			return intent;
	}
	return NULL;
}

void wki_intent_end_spare(struct wki_intent *intent)
{
	/* THR-23 release; pairs: THR-22; weaker: as THR-22; check: unit/reclaim/thread_test */
	atomic_store_release(&intent->lent, 0);
}

static void intent_finish(struct wki_intent *intent, void (*finish)(struct wki_intent *intent))
{
	finish(intent);
	memset(intent, 0, sizeof(*intent));
}

void wki_intents_forked(void (*finish)(struct wki_intent *intent))
{
	struct wki_thread *thread;
	unsigned i;

	for (thread = wki_thread_all(); thread != NULL; thread = thread->next) {
		if (thread != wki_thread_current)
			intent_finish(&thread->intent, finish);
	}
	for (i = 0; i < INTENT_SPARES; i++)
		intent_finish(&intent_spares[i], finish);
}

/* Its blocks may have been on their way from one chain to another: they are left where they are. */
static void thread_forget(struct wki_thread *thread)
{
	memset(&thread->limbo, 0, sizeof(thread->limbo));
	memset(&thread->cache, 0, sizeof(thread->cache));
	thread->debt = 0;
	/* THR-24 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
	atomic_store_relaxed(&thread->use, WKI_THREAD_FREE);
}

void wki_threads_forked(void)
{
	struct wki_thread *thread;

	for (thread = wki_thread_all(); thread != NULL; thread = thread->next) {
		if (thread != wki_thread_current)
			thread_forget(thread);
	}
	if (wki_thread_current == NULL)
		return;
	/* THR-25 relaxed; pairs: none; weaker: not possible; check: api/fork_test (of our own threads only one that forks in a callback is here) */
	atomic_store_relaxed(&wki_thread_current->use, WKI_THREAD_PROGRAM);
	wki_limbo_forked(&wki_thread_current->limbo);
}
