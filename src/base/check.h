/*
 * base/check.h - misuse and broken invariants: one message, then stop
 *
 * Level 0  every build: misuse that is visible at no cost (promise 24).
 * Level 1  the hardened build: adds use after death and canaries.
 * Level 2  test builds: adds the invariants that are written on the structs.
 *
 * Layer: base. Never: recover; a program that released too often has no state to go on from.
 */
#ifndef WKI_BASE_CHECK_H
#define WKI_BASE_CHECK_H

#include "base/sched.h"

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* wki_stop - write "weakref: " and the message to standard error, then abort */
__attribute__((noreturn, cold, format(printf, 1, 2))) void wki_stop(const char *format, ...);

/* WKI_INVARIANT - a formula that holds unless this library is wrong; executed at level 2 */
#if WKI_CHECK_LEVEL >= 2
#define WKI_INVARIANT(condition)                                                                        \
	do {                                                                                            \
		if (unlikely(!(condition)))                                                             \
			wki_stop("broken invariant: %s (%s:%d)", #condition, __FILE__, __LINE__);       \
	} while (0)
#else
#define WKI_INVARIANT(condition) ((void)sizeof(!(condition)))
#endif

#endif
