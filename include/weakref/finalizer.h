/*
 * weakref/finalizer.h - finalizers: something to be done once, when an object dies, or sooner, or at exit
 *
 * A finalizer is registered with an object and keeps itself: its handle may be released at once. It runs exactly once,
 * in whichever comes first
 *
 *   the object's death   later, on its queue or the runner, as a callback does (ref.h)
 *   wk_finalizer_call    on the calling thread
 *   the end              of the process (exit, return from main) or of the runtime (the last wk_runtime_shutdown), on
 *                        the thread that ends it, unless skip_at_exit: the newest first, those made meanwhile included
 *
 * or never, after wk_finalizer_detach or if its queue is closed with WK_QUEUE_DROP. For one that has an owner,
 * wk_owner_drain is an end too (runtime.h). At exit of the process those whose
 * object has died, but which still wait for the runner or a queue, run too. One that is running on another thread gets
 * a second to finish. _exit, quick_exit and signals run nothing.
 *
 * All calls are safe beside each other, the object's death and the end of the process.
 */
#ifndef WEAKREF_FINALIZER_H
#define WEAKREF_FINALIZER_H

#include "weakref/common.h"

WK_BEGIN

typedef struct wk_finalizer wk_finalizer; /* a handle; the registration keeps itself */

/* What is to be done. Copied by the constructor. */
typedef struct wk_finalizer_options {
	/* Called at most once; the object is dead, or alive if it was called or is run at exit. Below 0: it failed,
	 * which wk_finalizer_call returns and the error hook is told otherwise. Must not raise, nor longjmp out. */
	int (*run)(void *argument);
	void *argument;
	/* Called once, after run on the same thread, or when run never will be; must not raise. NULL: nothing to do. */
	void (*release)(void *argument);
	wk_queue *queue;   /* where it runs after a death; retained until then. NULL: on the runner. Closed: likewise */
	wk_owner *owner;   /* whose `run` and `release` are; NULL: the object's type's. See wk_owner_drain */
	bool skip_at_exit; /* leave it alone at exit and shutdown */
} wk_finalizer_options;

/**
 * wk_finalizer_new - register a finalizer
 *
 * Ownership: borrows `object`, a strong reference of the caller's; copies `options`, takes the argument over on
 *            success only. The result is owned, wk_finalizer_release it once; that may be done at once.
 * Threads:   any.
 * Context:   anywhere; `object` must not be one that is only peeked.
 * Progress:  allocates, takes a short lock.
 * Ordering:  release: run sees what the caller did before.
 * Errors:    NULL and *status: WK_ETYPE: of a type with WK_TYPE_NO_WEAK; WK_ENOMEM; WK_ESHUTDOWN; WK_EINVAL: `object`,
 *            `options` or options->run is NULL.
 * Like:      Python weakref.finalize(object, function, …), Java Cleaner.register.
 */
WK_API WK_MUST_USE wk_finalizer *wk_finalizer_new(
	const void *object, const wk_finalizer_options *options, int *status);

/**
 * wk_finalizer_call - run it now, if nobody has
 *
 * Of all who call, the object's death, detach and exit exactly one wins.
 *
 * Ownership: borrows `finalizer`. The argument is released before it returns.
 * Threads:   any.
 * Context:   anywhere that run may run.
 * Progress:  runs run and release, with no lock held; takes a short lock.
 * Ordering:  acquire: run sees what was done before registration.
 * Errors:    WK_OK: this call ran it, *result (may be NULL) is what run returned. WK_EDEAD: it has run, is running, is
 *            going to, or was detached; *result is untouched. WK_EINVAL for NULL.
 * Like:      calling a Python weakref.finalize object.
 */
WK_API int wk_finalizer_call(wk_finalizer *finalizer, int *result);

/**
 * wk_finalizer_detach - take it back: it never runs
 *
 * Ownership: borrows `finalizer`. The argument is released later, there where a death would have run it.
 * Threads:   any; see wk_finalizer_call.
 * Context:   anywhere.
 * Progress:  takes a short lock if there is no release; never allocates or waits; may call a queue's `wake`.
 * Ordering:  none.
 * Errors:    WK_OK; WK_EDEAD: it has run, is running, is going to, or was detached already; WK_EINVAL for NULL.
 * Like:      Python weakref.finalize.detach.
 */
WK_API int wk_finalizer_detach(wk_finalizer *finalizer);

/**
 * wk_finalizer_alive - whether it is still to come
 *
 * false is final: it has run, is running, is going to, or was detached. true may be stale.
 *
 * Ownership: borrows `finalizer`.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; false for NULL.
 * Like:      Python weakref.finalize.alive.
 */
WK_API bool wk_finalizer_alive(const wk_finalizer *finalizer);

/**
 * wk_finalizer_peek - the object and what was registered, while it is alive
 *
 * The result keeps the object from dying, but not others from calling or detaching the finalizer.
 *
 * Ownership: the result is owned, wk_release it once. Fills `options`, unless NULL, on success; its argument and queue
 *            stay the finalizer's.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free.
 * Ordering:  as wk_upgrade.
 * Errors:    NULL: no longer alive; NULL gives NULL.
 * Like:      Python weakref.finalize.peek.
 */
WK_API WK_MUST_USE void *wk_finalizer_peek(const wk_finalizer *finalizer, wk_finalizer_options *options);

/**
 * wk_finalizer_set_at_exit - whether it runs at exit and shutdown if it is alive then
 *
 * Ownership: borrows `finalizer`.
 * Threads:   any; beside the exit itself either value may count.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; NULL is allowed.
 * Like:      Python weakref.finalize.atexit.
 */
WK_API void wk_finalizer_set_at_exit(wk_finalizer *finalizer, bool at_exit);

/**
 * wk_finalizer_release - give the handle up; the finalizer stays registered
 *
 * Ownership: takes `finalizer`.
 * Threads:   any.
 * Context:   anywhere; inside its own run too.
 * Progress:  wait-free; never allocates.
 * Ordering:  release: what this thread did with it comes before its memory is reused.
 * Errors:    none; NULL is allowed.
 * Like:      dropping a Python weakref.finalize object.
 */
WK_API void wk_finalizer_release(wk_finalizer *finalizer);

static inline void wk_auto_finalizer_release(wk_finalizer **slot)
{
	wk_finalizer_release(*slot);
}

WK_END

/* WK_AUTO_FINALIZER wk_finalizer *handle = wk_finalizer_new(…);  is released at the end of its block. */
#define WK_AUTO_FINALIZER WK_CLEANUP(wk_auto_finalizer_release) __attribute__((unused))

#endif
