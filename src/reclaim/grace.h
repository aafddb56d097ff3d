/*
 * reclaim/grace.h - numbered grace periods
 *
 * A thread of its own waits for grace periods and publishes the number of the last one that
 * is over, so that whoever retires something learns by one load whether it may go. liburcu
 * 0.13 has no polled grace periods; the same code serves 0.14 and 0.15.
 *
 *	unlink; ticket = wki_grace_ticket(); … wki_grace_done(ticket): no reader can hold it
 *
 * Grace period n begins after `started` became n. A ticket is started + 1: a grace period that
 * begins after the ticket was drawn. The ticket is drawn by a read-modify-write, so that the
 * grace thread's own one, later in that counter's order, sees everything before the draw: no
 * fence is needed to argue it.
 *
 * Layer: reclaim. Never: wait inside a read section.
 */
#ifndef WKI_RECLAIM_GRACE_H
#define WKI_RECLAIM_GRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"

struct wki_grace_counters {
	wki_atomic_u64 started, completed, wanted;
};
extern struct wki_grace_counters wki_grace;

/* wki_grace_ticket - the number of a grace period that begins from now on */
uint64_t wki_grace_ticket(void);

/* wki_grace_done - the grace period of that number is over */
static inline bool wki_grace_done(uint64_t ticket)
{
	/* GRC-1 acquire; pairs: GRC-4; weaker: memory could be reused before the readers' last accesses; check: unit/reclaim/grace_test under TSan */
	return atomic_load_acquire(&wki_grace.completed) >= ticket;
}

/* wki_grace_want - see to it that the grace period of that number comes; wakes the grace thread if it sleeps */
void wki_grace_want(uint64_t ticket);

/* wki_grace_wait - until it is over (true) or the deadline has passed (false). Never inside a read section. */
bool wki_grace_wait(uint64_t ticket, uint64_t deadline_ns);

/* wki_grace_step - one wanted grace period on the calling thread; false: none is wanted */
bool wki_grace_step(void);

/* wki_grace_loop - the grace thread: until wki_grace_stop */
void wki_grace_loop(void);
void wki_grace_stop(void);
/* wki_grace_want_later - what is only memory does not wake anybody for its ticket: within some milliseconds will do */
void wki_grace_want_later(uint64_t ticket);
/*
 * wki_grace_help - a grace period by the caller, if it takes microseconds; outside of sections
 *
 * Where all processors are busy, who retires much would wait for the grace thread to get one, and what
 * he has retired meanwhile would get cold.
 */
void wki_grace_help(void);
/* wki_grace_gone - once wki_service_has_threads is false: whoever waits looks again, and makes the grace period himself */
void wki_grace_gone(void);

/* wki_grace_forked - in the child, which is outside of read sections: every grace period asked for so far is over */
void wki_grace_forked(void);

uint64_t wki_grace_number(void);     /* grace periods that are over */
uint64_t wki_grace_longest_ns(void); /* the longest wait for readers so far */

#endif
