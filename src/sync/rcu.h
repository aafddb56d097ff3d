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

#if WKI_RCU_INLINE
/*
 * wki_read_is_known - the calling thread is introduced, and liburcu's read side needs no barrier: its place is at
 * wki_reader_known. A path that asks first, and then uses a section, calls nothing.
 */
static inline bool wki_read_is_known(void)
{
	return wki_reader_known == (void *)URCU_TLS(urcu_bp_reader);
}

/* urcu_bp_read_lock for a thread that is known; returns what its place said before. */
static inline unsigned long wki_place_enter(unsigned long *place)
{
	const unsigned long before = *place;

	if (__builtin_expect((before & URCU_BP_GP_CTR_NEST_MASK) == 0, 1))
		CMM_STORE_SHARED(*place, CMM_LOAD_SHARED(urcu_bp_gp.ctr));
	else
		CMM_STORE_SHARED(*place, before + URCU_BP_GP_COUNT);
	cmm_barrier();
	return before;
}

/* What it said before the section that it is in. */
static inline unsigned long wki_place_before(const unsigned long *place)
{
	return *place - URCU_BP_GP_COUNT;
}

static inline void wki_place_leave(unsigned long *place, unsigned long before)
{
	cmm_barrier();
	CMM_STORE_SHARED(*place, before);
	cmm_barrier();
}
#else
static inline bool wki_read_is_known(void)
{
	return wki_reader_is_known();
}

static inline unsigned long wki_place_enter(unsigned long *place)
{
	(void)place;
	urcu_bp_read_lock();
	return 0;
}

static inline unsigned long wki_place_before(const unsigned long *place)
{
	(void)place;
	return 0;
}

static inline void wki_place_leave(unsigned long *place, unsigned long before)
{
	(void)place;
	(void)before;
	urcu_bp_read_unlock();
}
#endif

/* ThreadSanitizer is told before the section ends. */
static inline void wki_read_tell_edge(void)
{
#if WKI_TSAN
	__tsan_release(&wki_rcu_edge);
#endif
}

/* wki_read_lock and wki_read_unlock by a thread that is not known. */
void wki_read_lock_slowly(void);
void wki_read_unlock_slowly(void);

static inline void wki_read_lock(void)
{
	if (__builtin_expect(wki_read_is_known(), 1))
		(void)wki_place_enter(wki_reader_known);
	else
		wki_read_lock_slowly();
}

static inline void wki_read_unlock(void)
{
	wki_read_tell_edge();
	if (__builtin_expect(wki_read_is_known(), 1))
		wki_place_leave(wki_reader_known, wki_place_before(wki_reader_known));
	else
		wki_read_unlock_slowly();
}

/* A section of a thread that has asked, and is known. */
struct wki_section {
	unsigned long *place, before;
};

/* wki_section_begin, wki_section_end - wki_read_lock and wki_read_unlock for such a thread: the shortest there are */
static inline struct wki_section wki_section_begin(void)
{
	struct wki_section section = { .place = wki_reader_known };

	section.before = wki_place_enter(section.place);
	return section;
}

static inline void wki_section_end(struct wki_section section)
{
	wki_read_tell_edge();
	wki_place_leave(section.place, section.before);
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
