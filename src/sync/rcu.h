/*
 * sync/rcu.h - read sections and grace periods, on liburcu's "bulletproof" flavour
 *
 * urcu-bp because threads register themselves, because it lives beside a host program that
 * uses another flavour (or bp itself), and because it can be repaired after fork.
 *
 * ThreadSanitizer does not see into liburcu, so the edge that a grace period gives, from each
 * read section that began before it to whatever follows it, is told to it here: a release
 * right before the read section ends, an acquire right after the grace period. Whoever drops
 * the grace period drops the acquire with it, and the race is reported.
 *
 * Layer: sync. The only user of liburcu. Never: nest a grace period inside a read section.
 */
#ifndef WKI_SYNC_RCU_H
#define WKI_SYNC_RCU_H

#include <stdbool.h>

#include "base/sched.h"
#include "sync/readers.h"

#ifndef WKI_RCU_INLINE
#define WKI_RCU_INLINE 1
#endif

#if WKI_RCU_INLINE
/* The inlined read side is short enough to be used from any licence; liburcu says so at each function. */
#define _LGPL_SOURCE
#endif
#include <urcu-bp.h>
#if WKI_RCU_INLINE
#undef _LGPL_SOURCE
#endif

#if defined(__SANITIZE_THREAD__)
#define WKI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WKI_TSAN 1
#endif
#endif
#ifndef WKI_TSAN
#define WKI_TSAN 0
#endif

#if WKI_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
extern char wki_rcu_edge; /* an address for ThreadSanitizer, never accessed */
#endif

/* wki_read_is_known - the calling thread is known: wki_read_lock calls nothing. A path that asks first has no such call in it. */
static inline bool wki_read_is_known(void)
{
#if WKI_RCU_INLINE
	return wki_reader_known == (const void *)URCU_TLS(urcu_bp_reader);
#else
	return wki_reader_is_known();
#endif
}

static inline void wki_read_lock(void)
{
	if (__builtin_expect(!wki_read_is_known(), 0))
		wki_reader_introduce();
#if WKI_RCU_INLINE
	if (URCU_TLS(urcu_bp_reader) == NULL)
		__builtin_unreachable(); /* who is known is registered */
#endif
	urcu_bp_read_lock();
}

static inline void wki_read_unlock(void)
{
#if WKI_TSAN
	__tsan_release(&wki_rcu_edge);
#endif
	urcu_bp_read_unlock();
}

/*
 * wki_read_join - by who peeks: from here on his section is waited for, though the program may have opened it with liburcu
 * itself; false: he is in none
 */
static inline bool wki_read_join(void)
{
	if (__builtin_expect(!wki_read_is_known(), 0))
		wki_reader_introduce();
	return urcu_bp_read_ongoing() != 0;
}

/* wki_read_ongoing - the calling thread is inside a read section (registers the thread) */
static inline bool wki_read_ongoing(void)
{
	return urcu_bp_read_ongoing() != 0;
}

/*
 * liburcu's own hooks: they wait for the grace period that runs, and block signals in between. Not nested in the
 * program's.
 */
static inline void wki_rcu_before_fork(void)
{
	urcu_bp_before_fork();
}

static inline void wki_rcu_after_fork_parent(void)
{
	urcu_bp_after_fork_parent();
}

static inline void wki_rcu_after_fork_child(void)
{
	urcu_bp_after_fork_child();
}

/* wki_synchronize - wait until every read section that is open now has ended. Never inside one. */
void wki_synchronize(void);
/* wki_try_synchronize - the same if that takes microseconds; false: it would take longer */
bool wki_try_synchronize(void);

#endif
