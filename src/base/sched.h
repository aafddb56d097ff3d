/*
 * base/sched.h - schedule points: where a test may make a thread lose the processor
 *
 * SCHED_ACCESS(address) stands in front of every atomic access (base/atomic.h puts it there);
 * SCHED_POINT("place") marks a window that a test wants to widen.
 *
 *   release builds   both are empty.
 *   check level 2    both yield with a seeded probability, off until a test gives a seed; accesses
 *                    are many, so at each of them it is a sixteenth of that at a window.
 *   WKI_EXPLORE      both hand control to the explorer in tests/explore, which runs every
 *                    interleaving and reports accesses to freed memory.
 *
 * Layer: base. Never: an effect on what the code computes.
 */
#ifndef WKI_BASE_SCHED_H
#define WKI_BASE_SCHED_H

#ifndef WKI_EXPLORE
#define WKI_EXPLORE 0
#endif
#ifndef WKI_CHECK_LEVEL
#define WKI_CHECK_LEVEL 0
#endif

#if WKI_EXPLORE
void wki_explore_access(const volatile void *address);
void wki_explore_point(const char *place);
#define SCHED_ACCESS(address) wki_explore_access(address)
#define SCHED_POINT(place) wki_explore_point(place)
#elif WKI_CHECK_LEVEL >= 2
void wki_sched_point(const char *place);
void wki_sched_access(void);
#define SCHED_ACCESS(address) wki_sched_access()
#define SCHED_POINT(place) wki_sched_point(place)
#else
#define SCHED_ACCESS(address) ((void)0)
#define SCHED_POINT(place) ((void)0)
#endif

/* wki_sched_seed - yield at about one schedule point in `one_in` from now on; 0 stops it. Elsewhere there are none to yield at. */
#if WKI_CHECK_LEVEL >= 2 && !WKI_EXPLORE
void wki_sched_seed(unsigned seed, unsigned one_in);
#else
static inline void wki_sched_seed(unsigned seed, unsigned one_in)
{
	(void)seed;
	(void)one_in;
}
#endif

#endif
