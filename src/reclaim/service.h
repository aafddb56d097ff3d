/*
 * reclaim/service.h - the two threads behind the runtime: started, stopped, looked after
 *
 *	OFF -> RUNNING      by the first constructor or by wk_runtime_start
 *	RUNNING -> CLOSING  by the last shutdown: constructors fail from here on
 *	CLOSING -> OFF      the threads are gone (or the mode had none)
 *
 * The child of a fork has no threads of ours:
 *	RUNNING, CLOSING -> FORKED   unless the program polls, or the thread that forked is shutting down itself
 *	FORKED -> RUNNING            by the first constructor, start, barrier or shutdown
 *
 * Layer: reclaim.
 */
#ifndef WKI_RECLAIM_SERVICE_H
#define WKI_RECLAIM_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/check.h"

enum wki_service_state {
	WKI_SERVICE_NEW,
	WKI_SERVICE_RUNNING,
	WKI_SERVICE_CLOSING,
	WKI_SERVICE_OFF,
	WKI_SERVICE_FORKED
};

extern wki_atomic_u32 wki_service; /* enum wki_service_state; written under the service's lock */

/*
 * wki_service_begin - make it RUNNING; `threads` false: the program polls
 *
 * prepare(options) comes first, while no constructor can start the service by itself; its failure is the result.
 * WK_EEXISTS: it runs already. WK_ENOMEM: no thread could be made.
 */
int wki_service_begin(bool threads, int (*prepare)(const void *options), const void *options);
/* wki_service_close - constructors fail from now on */
void wki_service_close(void);
/* wki_service_end - stop the threads; what is still in the mailboxes stays there, limbo is emptied if the deadline allows */
void wki_service_end(uint64_t deadline_ns);

/* wki_service_need_slow - start with the defaults if nobody has started; WK_ESHUTDOWN after the end */
int wki_service_need_slow(void);

/* wki_service_need - by every constructor */
static inline int wki_service_need(void)
{
	/* SVC-1 acquire; pairs: SVC-2; weaker: a constructor could see the runtime's options half set; check: api/runtime_test */
	if (likely(atomic_load_acquire(&wki_service) == WKI_SERVICE_RUNNING))
		return 0;
	return wki_service_need_slow();
}

/* wki_service_wake - in the child: have threads again, by who waits for them; WK_ENOMEM */
static inline int wki_service_wake(void)
{
	/* SVC-11 acquire; pairs: SVC-2; weaker: not needed for memory; check: api/fork_test */
	return unlikely(atomic_load_acquire(&wki_service) == WKI_SERVICE_FORKED) ? wki_service_need_slow() : 0;
}

/* wki_service_forked - in the child; `closing`: the caller is in the middle of a shutdown, and goes on with it */
void wki_service_forked(bool closing);
/* wki_service_has_begun - it has been started once */
bool wki_service_has_begun(void);

/* wki_service_has_threads - false: the program polls, or everything has ended; who waits does the work itself */
bool wki_service_has_threads(void);

/* The program's error hook, or standard error. */
void wki_service_set_error_hook(void (*on_error)(void *context, int status, const char *type_name, const char *message),
				void *context);
void wki_report_error(int status, const char *type_name, const char *message);

#endif
