/*
 * notify/queue.h - what other layers need of queues
 *
 * Layer: notify.
 */
#ifndef WKI_NOTIFY_QUEUE_H
#define WKI_NOTIFY_QUEUE_H

#include "reclaim/link.h"
#include "weakref/queue.h"

/* wki_queue_deliver - put a dead object in; false: the queue is closed. See wki_deliver in core/control.h. */
bool wki_queue_deliver(wk_queue *queue, wki_tagged tagged);

/* Around a fork: the list of all queues. wki_queues_forked - in the child, locked: they are empty; returns how many calls waited */
void wki_queues_lock(void);
void wki_queues_unlock(void);
uint64_t wki_queues_forked(void);

/* Items in all queues, and posts run so far. */
uint64_t wki_queue_all_pending(void);
uint64_t wki_queue_all_run(void);

#endif
