/*
 * weakref/queue.h - queues: have destructors, callbacks and posted work run on a thread of your choice
 *
 * A queue collects what is due, in order, and a thread of the program drains it, usually one that runs an event
 * loop: it is told by a descriptor that is readable, by a wake function, or sleeps in wk_queue_wait. An object made
 * with `destroy_on` is destroyed there, and retains its queue until then. A queue is an object itself (wk_retain,
 * wk_release, wk_downgrade); when its last reference goes, what is left moves to the runner, as in WK_QUEUE_MOVE.
 *
 * Safe with, not safe with; the caller of each holds the queue:
 *
 *                     post, delivery   drain            wait   pending   close
 *   post, delivery    safe             safe             safe   safe      safe: before the closing, or refused
 *   drain             safe             the second: 0    safe   safe      the second: WK_EBUSY, or 0
 *   wait              safe             safe             safe   safe      safe: WK_ESHUTDOWN
 *   pending           safe             safe             safe   safe      safe
 *   close             see above        see above        safe   safe      the second: WK_EBUSY or WK_ESHUTDOWN
 *   descriptor        safe             safe             safe   safe      not safe: it is closed, its number reused
 *
 * "Delivery" is what the runtime puts in: a destroy, callback or finalizer that is due; if the queue is closed it goes
 * to the runner instead.
 */
#ifndef WEAKREF_QUEUE_H
#define WEAKREF_QUEUE_H

#include "weakref/common.h"

WK_BEGIN

typedef struct wk_queue_options {
	size_t struct_size; /* sizeof(wk_queue_options) */
	const char *name;   /* for messages and reports; copied; NULL: none */
	bool no_descriptor; /* no eventfd is made: `wake` or wk_queue_wait tell */
	/*
	 * Called when the queue goes from empty to not empty, and by a drain that leaves something behind; once
	 * or a few times too often is possible, never too seldom. On any thread, inside a read section: it must
	 * not wait nor call the library. uv_async_send, ev_async_send, g_main_context_wakeup are such calls.
	 */
	void (*wake)(void *context);
	void *context;
} wk_queue_options;

/* What wk_queue_close does with what is left. */
typedef enum wk_queue_close_mode {
	WK_QUEUE_RUN,  /* run it here and now */
	WK_QUEUE_MOVE, /* hand it to the runner, in order */
	WK_QUEUE_DROP  /* run nothing but the releases of arguments; give memory back without destroy */
} wk_queue_close_mode;

/**
 * wk_queue_new - make a queue
 *
 * Ownership: the result is owned, wk_release it once. `options` is borrowed; NULL: a queue with a descriptor.
 *            `context` must stay valid until wk_queue_close has returned WK_OK.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  allocates; may make a descriptor.
 * Ordering:  none.
 * Errors:    NULL and *status: WK_ENOMEM (no memory, or no descriptor left), WK_EINVAL (struct_size), WK_ESHUTDOWN.
 * Like:      Java's ReferenceQueue, with a descriptor.
 */
WK_API WK_MUST_USE wk_queue *wk_queue_new(const wk_queue_options *options, int *status);

/**
 * wk_queue_descriptor - a file descriptor that is readable while the queue is not empty
 *
 * Level-triggered, to be given to epoll, poll or an event loop. Do not read, write or close it: draining does.
 *
 * Ownership: the queue's, until it is closed or gone.
 * Threads:   any; not beside wk_queue_close.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    -1: made with no_descriptor, or closed.
 * Like:      uv_backend_fd.
 */
WK_API int wk_queue_descriptor(const wk_queue *queue);

/**
 * wk_queue_drain - run what is due, on this thread
 *
 * Runs at most `budget` items in order, each with no lock held; 0: as many as there are at the call, not those
 * that are posted meanwhile. What is left behind keeps the descriptor readable and calls `wake` again.
 *
 * Ownership: borrows `queue`, which its own callbacks may release or close.
 * Threads:   one at a time; a second thread, or a call from inside a callback of the same queue, runs nothing.
 * Context:   anywhere; a read section stays open as long as the callbacks take.
 * Progress:  runs user code; waits for nothing itself.
 * Ordering:  acquire: a callback sees what its poster did before posting.
 * Errors:    returns how many ran: 0 when empty, closed, or being drained already.
 * Like:      Java ReferenceQueue.poll in a loop, uv_run(UV_RUN_NOWAIT).
 */
WK_API size_t wk_queue_drain(wk_queue *queue, size_t budget);

/**
 * wk_queue_pending - how many items wait
 *
 * A hint; what is running does not count.
 *
 * Ownership: borrows `queue`.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; 0 when closed.
 * Like:      ck_ring_size.
 */
WK_API size_t wk_queue_pending(const wk_queue *queue);

/**
 * wk_queue_wait - sleep until the queue is not empty
 *
 * For a thread of the program without an event loop: wait, drain, wait. Several may wait; one item wakes at least one.
 *
 * Ownership: borrows `queue`.
 * Threads:   any.
 * Context:   not in a read section, nor in the runner's callbacks and destructors: WK_EDEADLOCK.
 * Progress:  waits, without polling. Not a cancellation point.
 * Ordering:  as wk_queue_drain.
 * Errors:    WK_OK: not empty; WK_ETIMEDOUT; WK_ESHUTDOWN: closed; WK_EDEADLOCK.
 * Like:      Java ReferenceQueue.remove(timeout).
 */
WK_API int wk_queue_wait(wk_queue *queue, uint64_t timeout_ns);

/**
 * wk_queue_post - have run(argument) called where the queue is drained
 *
 * Posts of one thread run in their order, and before what any thread posts after they have returned.
 * release(argument), unless NULL, runs exactly once: after run, or when run never will (WK_QUEUE_DROP); on the
 * same thread as run would have.
 *
 * Ownership: takes `argument` over on success only: after a failure it is the caller's and release does not run.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  lock-free but for the allocator; allocates; may call `wake`, never run or release.
 * Ordering:  release: run sees what the caller did before.
 * Errors:    WK_ENOMEM; WK_ESHUTDOWN: the queue is closed; WK_EINVAL: `queue` or `run` is NULL.
 * Like:      uv_async_send with a payload, g_main_context_invoke.
 */
WK_API WK_MUST_USE int wk_queue_post(
	wk_queue *queue, void (*run)(void *argument), void *argument, void (*release)(void *argument));

/**
 * wk_queue_post_owned - wk_queue_post by a plug-in: its owner's drain waits until release(argument) has returned
 *
 * Ownership: as wk_queue_post; `owner` is borrowed. NULL: as wk_queue_post.
 * Threads:   as wk_queue_post.
 * Context:   as wk_queue_post.
 * Progress:  as wk_queue_post.
 * Ordering:  as wk_queue_post; who drains the owner sees what run and release did.
 * Errors:    as wk_queue_post; WK_ESHUTDOWN also once the drain of `owner` has begun.
 * Like:      Linux queue_work with a module reference.
 */
WK_API WK_MUST_USE int wk_queue_post_owned(wk_queue *queue, wk_owner *owner, void (*run)(void *argument), void *argument,
	void (*release)(void *argument));

/**
 * wk_queue_close - take the queue out of use, and decide about what is left
 *
 * Later posts fail with WK_ESHUTDOWN; destructors and callbacks that become due later go to the runner. When it returns
 * WK_OK, `wake` runs no more and never will again, the descriptor is closed, and what was left is run (WK_QUEUE_RUN), in
 * the runner's order (WK_QUEUE_MOVE) or gone (WK_QUEUE_DROP). Objects whose destroy is dropped are counted as
 * destroyed in the census and as abandoned in the statistics; memory given to them stays unreported.
 * To stop a thread that drains: post a function that tells it so, behind everything that is due; join it; then close.
 *
 * Ownership: borrows `queue`, which stays an object to be released.
 * Threads:   any, one at a time, and not while another thread drains.
 * Context:   not in a read section; WK_QUEUE_RUN not in a callback of the same queue, the other modes may: the drain
 *            around it ends after that callback.
 * Progress:  waits for a grace period; runs user code in WK_QUEUE_RUN, releases of arguments in WK_QUEUE_DROP.
 * Ordering:  as wk_queue_drain.
 * Errors:    WK_EDEADLOCK: see Context; WK_EBUSY: another thread drains or closes it, try again when it has stopped;
 *            WK_ESHUTDOWN: closed already; WK_EINVAL: no such mode. None of them changes anything.
 * Like:      uv_close and uv_loop_close.
 */
WK_API int wk_queue_close(wk_queue *queue, wk_queue_close_mode mode);

WK_END

#endif
