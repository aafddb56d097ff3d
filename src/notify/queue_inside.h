/*
 * notify/queue_inside.h - the inside of a queue, for the two files that look at it
 *
 * Layer: notify.
 */
#ifndef WKI_NOTIFY_QUEUE_INSIDE_H
#define WKI_NOTIFY_QUEUE_INSIDE_H

#include "reclaim/mailbox.h"
#include "sync/event.h"
#include "weakref/queue.h"

enum queue_state { QUEUE_IDLE, QUEUE_DRAINING, QUEUE_CLOSING, QUEUE_CLOSED };

struct wk_queue {
	struct wki_mailbox box;
	struct wki_event event;
	wki_atomic_u32 state; /* enum queue_state */
	wki_atomic_u32 pending;
	wki_atomic_int descriptor;  /* -1: none */
	void (*wake)(void *context); /* constant */
	void *context;               /* constant */
	struct wki_chain left;       /* the drainer's, or the closer's */
	WKI_ATOMIC_POINTER(void) drainer; /* an address of the draining thread's own; NULL: none */
	struct wk_queue *older, *newer; /* under the lock of all queues */
	char name[32];
};

/* Its address tells a thread from others. */
extern _Thread_local char wki_queue_thread;

static inline int wki_queue_descriptor(const wk_queue *queue)
{
	/* QIN-1 relaxed; pairs: none; weaker: not possible; check: api/queue_test (closed one grace period after the last teller) */
	return atomic_load_relaxed((wki_atomic_int *)(uintptr_t)&queue->descriptor);
}

static inline void wki_queue_set_drainer(wk_queue *queue, void *thread)
{
	/* QIN-2 relaxed; pairs: none; weaker: not possible; check: api/queue_test (a thread only looks for itself) */
	atomic_store_relaxed(&queue->drainer, thread);
}

static inline bool wki_queue_is_drainer(const wk_queue *queue)
{
	/* QIN-3 relaxed; pairs: none; weaker: not possible; check: api/queue_test */
	return atomic_load_relaxed(&((wk_queue *)(uintptr_t)queue)->drainer) == &wki_queue_thread;
}

/* wki_queue_close_descriptor - while nobody tells any more */
void wki_queue_close_descriptor(wk_queue *queue);

/* wki_queues_forget_pending - in the child of a fork: all are empty */
void wki_queues_forget_pending(void);

/* wki_queue_enlist, wki_queue_delist - on the list of all queues */
void wki_queue_enlist(wk_queue *queue);
void wki_queue_delist(wk_queue *queue);

#endif
