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

/* Items in all queues, and posts run so far. */
uint64_t wki_queue_all_pending(void);
uint64_t wki_queue_all_run(void);

#endif
