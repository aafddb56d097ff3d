/*
 * reclaim/backlog.h - how many dead objects and bytes wait, and the brake on making more
 *
 * Counted per batch, not per object: what the brake sees lags by less than a batch for each
 * thread; what statistics read is exact when nothing is on its way.
 * Above the soft mark a thread pays for every 64 objects that it makes with a wait for the end
 * of a grace period, a bounded one; above the hard mark, if there is one, constructors fail.
 *
 * Layer: reclaim.
 */
#ifndef WKI_RECLAIM_BACKLOG_H
#define WKI_RECLAIM_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wki_backlog_marks {
	uint64_t soft_objects, soft_bytes;
	uint64_t hard_objects, hard_bytes; /* UINT64_MAX: none */
	uint64_t throttle_ns;              /* longest wait; 0: no throttle */
};

struct wki_backlog_figures {
	uint64_t objects, bytes, peak_objects, throttled;
	uint64_t dying; /* of the objects: those whose destroy is not over */
};

/* wki_backlog_set_marks - while no other thread uses the runtime */
void wki_backlog_set_marks(const struct wki_backlog_marks *marks);

/* wki_backlog_add - so many more wait, or fewer: for whole batches */
void wki_backlog_add(int64_t objects, int64_t bytes);
/* wki_backlog_note - the same for one object whose destroy is due, or over: gathered by each thread, told when it is worth it */
void wki_backlog_note(int64_t objects, int64_t bytes);

/* wki_backlog_brake - called for every 64th object that a thread makes; false: the hard mark is reached */
bool wki_backlog_brake(void);
/* Objects that a thread makes between two calls of it. */
#define WKI_BACKLOG_DEBT 64u

/* wki_backlog_forked - in the child: only what waits in the calling thread's limbo still does; returns how many destroys never come */
uint64_t wki_backlog_forked(void);

void wki_backlog_read(struct wki_backlog_figures *figures);

#endif
