/*
 * reclaim/runner.h - the thread that runs the user's code: destructors, callbacks, key releases
 *
 * What is mailed `now` is run as soon as the runner gets to it; what is mailed
 * `after_grace` is gathered in a batch with one ticket and run when that grace period is
 * over. Each is run in the order in which it was mailed, and what was mailed `now` before
 * something else was mailed `after_grace` is run before that. A third one is for what nobody waits for: it goes
 * with the next batch, and wakes nobody.
 *
 * The current batch lives in a global struct and not on the runner's stack: a callback that
 * ends the thread, and a fork, must find it.
 *
 * Layer: reclaim.
 */
#ifndef WKI_RECLAIM_RUNNER_H
#define WKI_RECLAIM_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reclaim/link.h"

/* wki_runner_after_grace - any thread; wki_reclaim(tagged) once a grace period is over */
void wki_runner_after_grace(wki_tagged tagged);
/* wki_runner_sometime - the same, but the runner is woken only when it has slept for long */
void wki_runner_sometime(wki_tagged tagged);
/* wki_runner_nudge - by the grace thread, now and then: wake the runner for what was mailed for sometime */
void wki_runner_nudge(void);
/* wki_runner_now - any thread; wki_reclaim(tagged) as soon as may be */
void wki_runner_now(wki_tagged tagged);

/* wki_runner_begin - before anybody runs or polls: after a wki_runner_stop nothing is run until then, by late pollers neither */
void wki_runner_begin(void);
/* wki_runner_loop - the runner's thread: until wki_runner_stop */
void wki_runner_loop(void);
void wki_runner_stop(void);
/* wki_runner_lost - the thread is ending inside a callback */
void wki_runner_lost(void);
/* wki_runner_rest - after wki_runner_stop, where we have no threads: wait until nobody polls */
void wki_runner_rest(void);

/* wki_runner_step - by the runner: run what can be run without waiting, at most `budget` links; returns how many ran */
size_t wki_runner_step(size_t budget);
/* wki_runner_poll - the same by whoever polls where we have no threads, a wanted grace period included; 0 if somebody is at it */
size_t wki_runner_poll(size_t budget);

/* wki_runner_grace_over - by the grace thread: wake the runner if it waits for that one */
void wki_runner_grace_over(uint64_t number);

/* wki_runner_is_self - the caller is on the runner's thread (or is polling in its place) */
bool wki_runner_is_self(void);

/* wki_runner_pending - links that wait; once nothing runs them any more */
uint64_t wki_runner_pending(void);

/*
 * wki_runner_forked - in the child: what waited is the parent's to run, and nobody is running anything
 *
 * Returns how many calls waited. If the caller is the runner (it forks in a callback), it is so no more, and the
 * child must end in that callback: there is no program to come back to.
 */
uint64_t wki_runner_forked(void);

struct wki_runner_figures {
	uint64_t lag_ns; /* age of the batch at hand */
	uint64_t begun;  /* links whose run has begun so far */
	uint64_t run;    /* links run so far */
};
void wki_runner_read(struct wki_runner_figures *figures);

#endif
