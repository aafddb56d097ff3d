/*
 * reclaim/limbo.h - plain memory waits out its grace period with the thread that retired it
 *
 *	open    what this thread has retired lately: no ticket yet
 *	sealed  batches with a ticket; once that grace period is over they may go
 *
 * Each seal (one ticket, one wish for many blocks) also takes back a bounded number of blocks
 * whose time has come, so that no single release pays for a backlog. Sealed batches may be
 * taken by two parties, their thread and the grace thread (for threads that have gone idle or
 * have ended): whoever turns FULL into TAKEN.
 *
 * There are four places for batches. Nearly always two tickets are outstanding; where there are more, the newest batch is
 * added to and waits longer than it must. At most one place is in the sweeper's hands, so a place is free or may be
 * added to: sealing never fails and never waits.
 *
 * Layer: reclaim. Never: user code, waiting, allocation.
 */
#ifndef WKI_RECLAIM_LIMBO_H
#define WKI_RECLAIM_LIMBO_H

#include <stdbool.h>

#include "base/atomic.h"
#include "reclaim/lanes.h"

#define WKI_LIMBO_PLACES 4u

enum wki_batch_state { WKI_BATCH_EMPTY, WKI_BATCH_FULL, WKI_BATCH_TAKEN };

struct wki_batch {
	wki_atomic_u32 state; /* enum wki_batch_state; who made it TAKEN owns the rest */
	uint64_t ticket;
	struct wki_lanes lanes;
};

struct wki_limbo {
	struct wki_lanes open;
	size_t fresh;   /* bytes sealed for which nobody has run a grace period, as far as the thread has looked */
	uint64_t half;  /* the ticket of the seal that made them half as much as is too much */
	size_t waiting; /* about how many bytes this thread has sealed and not seen come back */
	bool busy;      /* reclaiming: what is retired meanwhile only joins `open` */
	struct wki_batch sealed[WKI_LIMBO_PLACES];
};

struct wki_thread;

/*
 * wki_limbo_retire - wki_reclaim(tagged) is called after a grace period, by this thread or
 * another; it must not run user code. `bytes` is what comes free.
 */
void wki_limbo_retire(wki_tagged tagged, size_t bytes);

/* wki_limbo_seal - the thread ends: its open batch gets a ticket too */
void wki_limbo_seal(struct wki_thread *thread);
/* wki_limbo_help - by the thread, outside of sections: a grace period, if it has retired much */
void wki_limbo_help(struct wki_limbo *limbo);

/* wki_limbo_forked - in the child: the sweeper is gone, with what it had in its hands */
void wki_limbo_forked(struct wki_limbo *limbo);
/* wki_limbo_sealed - in the child: what waits in a thread's batches */
struct wki_limbo_sum {
	uint64_t objects, bytes;
};
struct wki_limbo_sum wki_limbo_sealed(const struct wki_limbo *limbo);

/*
 * wki_limbo_sweep - by the grace thread, and by who ends it: take back every batch whose grace period is over
 *
 * What that retires in its turn is sealed at once: the grace thread retires too little to wait for a full batch.
 */
void wki_limbo_sweep(void);

#endif
