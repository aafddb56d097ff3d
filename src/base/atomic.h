/*
 * base/atomic.h - every atomic operation of the library, with its order in its name
 *
 * The only file that uses C11 atomics. Operations are macros so that they work on any
 * atomic type; each one is also a schedule point, so that an explorer sees, orders and
 * checks every access that threads share (see base/sched.h).
 *
 * There are no fences between threads: ThreadSanitizer does not follow them, and an order on the
 * operation itself says which access it is about. wki_program_order is for a fork, whose child
 * sees every other thread stopped between two instructions: it keeps the compiler from moving
 * accesses over it.
 *
 * Sequentially consistent is an order like the others, for the one thing that it is good for: two
 * threads that write each to its own place and then look at the other's.
 *
 * Layer: base. Never: a default (sequentially consistent) access, a fence.
 */
#ifndef WKI_BASE_ATOMIC_H
#define WKI_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sched.h"

typedef _Atomic(uint64_t) wki_atomic_u64;
typedef _Atomic(uint32_t) wki_atomic_u32;
typedef _Atomic(uint8_t) wki_atomic_u8;
typedef _Atomic(int) wki_atomic_int;
typedef _Atomic(size_t) wki_atomic_size;
typedef _Atomic(uintptr_t) wki_atomic_word;
#define WKI_ATOMIC_POINTER(T) _Atomic(T *)

static inline void wki_program_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

#define atomic_load_relaxed(p) (SCHED_ACCESS(p), atomic_load_explicit((p), memory_order_relaxed))
#define atomic_load_acquire(p) (SCHED_ACCESS(p), atomic_load_explicit((p), memory_order_acquire))
#define atomic_load_seq_cst(p) (SCHED_ACCESS(p), atomic_load_explicit((p), memory_order_seq_cst))
#define atomic_store_relaxed(p, v) (SCHED_ACCESS(p), atomic_store_explicit((p), (v), memory_order_relaxed))
#define atomic_store_seq_cst(p, v) (SCHED_ACCESS(p), atomic_store_explicit((p), (v), memory_order_seq_cst))
#define atomic_store_release(p, v) (SCHED_ACCESS(p), atomic_store_explicit((p), (v), memory_order_release))

#define atomic_exchange_relaxed(p, v) (SCHED_ACCESS(p), atomic_exchange_explicit((p), (v), memory_order_relaxed))
#define atomic_exchange_acquire(p, v) (SCHED_ACCESS(p), atomic_exchange_explicit((p), (v), memory_order_acquire))
#define atomic_exchange_release(p, v) (SCHED_ACCESS(p), atomic_exchange_explicit((p), (v), memory_order_release))
#define atomic_exchange_acq_rel(p, v) (SCHED_ACCESS(p), atomic_exchange_explicit((p), (v), memory_order_acq_rel))

#define atomic_fetch_add_relaxed(p, v) (SCHED_ACCESS(p), atomic_fetch_add_explicit((p), (v), memory_order_relaxed))
#define atomic_fetch_add_acquire(p, v) (SCHED_ACCESS(p), atomic_fetch_add_explicit((p), (v), memory_order_acquire))
#define atomic_fetch_add_release(p, v) (SCHED_ACCESS(p), atomic_fetch_add_explicit((p), (v), memory_order_release))
#define atomic_fetch_add_acq_rel(p, v) (SCHED_ACCESS(p), atomic_fetch_add_explicit((p), (v), memory_order_acq_rel))
#define atomic_fetch_sub_relaxed(p, v) (SCHED_ACCESS(p), atomic_fetch_sub_explicit((p), (v), memory_order_relaxed))
#define atomic_fetch_sub_release(p, v) (SCHED_ACCESS(p), atomic_fetch_sub_explicit((p), (v), memory_order_release))
#define atomic_fetch_sub_acq_rel(p, v) (SCHED_ACCESS(p), atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel))
#define atomic_fetch_or_relaxed(p, v) (SCHED_ACCESS(p), atomic_fetch_or_explicit((p), (v), memory_order_relaxed))
#define atomic_fetch_or_acquire(p, v) (SCHED_ACCESS(p), atomic_fetch_or_explicit((p), (v), memory_order_acquire))
#define atomic_fetch_or_release(p, v) (SCHED_ACCESS(p), atomic_fetch_or_explicit((p), (v), memory_order_release))
#define atomic_fetch_and_relaxed(p, v) (SCHED_ACCESS(p), atomic_fetch_and_explicit((p), (v), memory_order_relaxed))
#define atomic_fetch_and_release(p, v) (SCHED_ACCESS(p), atomic_fetch_and_explicit((p), (v), memory_order_release))

/*
 * Compare-and-swap: true when *p was *expected and is now `desired`; otherwise *expected is
 * what *p was. The order in the name is that of success; a failure is an acquire load where
 * the success acquires, and relaxed where it does not.
 */
#define atomic_cas_relaxed(p, expected, desired)                                                          \
	(SCHED_ACCESS(p), atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_relaxed, \
								  memory_order_relaxed))
#define atomic_cas_acquire(p, expected, desired)                                                          \
	(SCHED_ACCESS(p), atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acquire, \
								  memory_order_acquire))
#define atomic_cas_release(p, expected, desired)                                                          \
	(SCHED_ACCESS(p), atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_release, \
								  memory_order_relaxed))
#define atomic_cas_acq_rel(p, expected, desired)                                                          \
	(SCHED_ACCESS(p), atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acq_rel, \
								  memory_order_acquire))
#define atomic_cas_seq_cst(p, expected, desired)                                                          \
	(SCHED_ACCESS(p), atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_seq_cst, \
								  memory_order_acquire))

#endif
