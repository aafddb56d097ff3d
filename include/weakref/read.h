/*
 * weakref/read.h - read sections: borrow objects without counting
 *
 * Inside a read section a peeked object stays intact: it may die meanwhile, but it is neither destroyed nor
 * freed before the section ends. Nothing dead is given back while an older section is open anywhere, so keep
 * sections short: no sleeping, no waiting for input, no lock that others hold for long.
 *
 * Inside a section every call of the library is allowed but those that wait: wk_barrier, wk_queue_wait,
 * wk_queue_close, wk_runtime_start and wk_runtime_shutdown answer WK_EDEADLOCK there, wk_runtime_poll stops the
 * process, and wk_new is not throttled. fork must wait until the section has ended.
 */
#ifndef WEAKREF_READ_H
#define WEAKREF_READ_H

#include "weakref/common.h"

WK_BEGIN

/**
 * wk_read_lock - begin a read section
 *
 * Sections nest: only the outermost wk_read_unlock ends them. A section belongs to its thread.
 *
 * Ownership: none.
 * Threads:   any; no registration is needed.
 * Context:   anywhere.
 * Progress:  wait-free, but for a thread's first section, which takes a short lock to make the thread known
 *            (wk_thread_prepare does that early) and stops the process if liburcu finds no memory for it.
 * Ordering:  what is peeked in the section is seen as it was published.
 * Errors:    none.
 * Like:      rcu_read_lock, folly's hazptr_holder, arc-swap's Guard.
 */
WK_API void wk_read_lock(void);

/**
 * wk_read_unlock - end a read section
 *
 * Ownership: what was peeked since the outermost wk_read_lock may not be used any more.
 * Threads:   the thread that called wk_read_lock.
 * Context:   inside a read section; elsewhere the hardened build stops with a message.
 * Progress:  wait-free.
 * Ordering:  this thread's uses of peeked objects come before their destructors.
 * Errors:    none.
 * Like:      rcu_read_unlock.
 */
WK_API void wk_read_unlock(void);

/**
 * wk_thread_prepare - do now what the thread's first calls would do
 *
 * Optional, and useful before a thread enters a loop that must not take a lock or allocate: it makes the
 * thread known to liburcu and sets up the library's record of it. Repeating it is harmless.
 *
 * Ownership: none; what was set up goes when the thread ends.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  takes a short lock and allocates, once a thread.
 * Ordering:  none.
 * Errors:    WK_ENOMEM: the thread works without the record, more slowly.
 * Like:      rcu_register_thread.
 */
WK_API int wk_thread_prepare(void);

/**
 * wk_weak_peek - borrow the object of a weak handle
 *
 * Ownership: borrows `weak`; the result is borrowed until the read section ends: never release it,
 *            wk_try_retain to keep it.
 * Threads:   any.
 * Context:   inside a read section; elsewhere the hardened build stops with a message.
 * Progress:  wait-free; no count is touched.
 * Ordering:  acquire: the object is seen as whoever made the handle saw it.
 * Errors:    NULL means dead, or of a type with WK_TYPE_PROMPT, which cannot be peeked; NULL gives NULL.
 * Like:      rcu_dereference, CDRC's weak_snapshot_ptr.
 */
WK_API void *wk_weak_peek(const wk_weak *weak);

static inline void wk_auto_read_unlock(const int *section)
{
	(void)section;
	wk_read_unlock();
}

WK_END

/* WK_READ_SECTION();  begins a read section that ends with the block, however the block is left. */
#define WK_READ_SECTION() \
	WK_CLEANUP(wk_auto_read_unlock) __attribute__((unused)) const int wk_section = (wk_read_lock(), 0)

#endif
