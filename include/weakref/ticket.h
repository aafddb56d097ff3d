/*
 * weakref/ticket.h - numbers that stand for objects
 *
 * A ticket is what a program hands out where a pointer must not go: to the kernel in epoll_event.data.u64 or io_uring's
 * user_data, to a client over the network, into a log. Given back, it leads to its object as long as that lives, and to
 * nothing ever after: no ticket is used twice in the process's life. Any number may be tried; one that was never
 * issued, is stale or is 0 gives NULL, and so does one of an object of another type.
 *
 * A ticket is a positive number of 63 bits, so it goes where a signed 64-bit number does. It means something in the
 * process that made it, and in a forked child if it was made before; in no other. It is enciphered with a key of the
 * process's: tickets tell nothing about each other, about addresses, or about how many there are.
 *
 * But a ticket is no secret and no permission. Whoever has seen one can send it, and numbers can be guessed with much
 * patience: check after the lookup that who sent it may do to the object what he asks for.
 */
#ifndef WEAKREF_TICKET_H
#define WEAKREF_TICKET_H

#include "weakref/common.h"

WK_BEGIN

typedef uint64_t wk_ticket; /* 0: none */

/**
 * wk_ticket_of - the ticket of an object
 *
 * An object has one ticket: it is made when somebody asks for the first time, and every later call gives the same.
 *
 * Ownership: borrows `object`, of which the caller holds a strong reference. A ticket owns nothing and needs no
 *            release; what is kept for it goes with the object.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  lock-free; time linear in the weak references and entries that the object got after its ticket. The first
 *            call for an object allocates.
 * Ordering:  none: who passes the ticket on orders it.
 * Errors:    0 and *status: WK_ETYPE: of a type with WK_TYPE_NO_WEAK; WK_ENOMEM; WK_ESHUTDOWN; WK_EINVAL: `object` is
 *            NULL.
 * Like:      the key of a Rust slotmap, Linux idr_alloc, a Windows HANDLE.
 */
WK_API wk_ticket wk_ticket_of(const void *object, int *status);

/**
 * wk_ticket_of_weak - the ticket of a weak handle's object
 *
 * Ownership: borrows `weak`.
 * Threads:   any.
 * Context:   anywhere; may be the last release of the object: see wk_release.
 * Progress:  as wk_ticket_of, and as wk_release.
 * Ordering:  none.
 * Errors:    0 and *status: as wk_ticket_of; WK_EDEAD: the object is dead.
 * Like:      as wk_ticket_of.
 */
WK_API wk_ticket wk_ticket_of_weak(const wk_weak *weak, int *status);

/**
 * wk_ticket_get - a strong reference to the object of a ticket, if it lives
 *
 * NULL is final, unless the type was wrong.
 *
 * Ownership: the result is owned, wk_release it once.
 * Threads:   any; safe with every call on the object.
 * Context:   anywhere.
 * Progress:  wait-free; takes no lock, never allocates, never runs user code. A thread's first call may register it
 *            (wk_thread_prepare).
 * Ordering:  acquire: the object is seen as whoever asked for the ticket first saw it.
 * Errors:    NULL: no such ticket, or its object is dead or of another type than `type`, which must be given.
 * Like:      Rust slotmap get, Linux idr_find and kref_get_unless_zero.
 */
WK_API WK_MUST_USE void *wk_ticket_get(wk_ticket ticket, const wk_type *type);

/**
 * wk_ticket_peek - borrow the object of a ticket, if it lives
 *
 * Ownership: the result is borrowed until the read section ends: never release it, wk_try_retain to keep it.
 * Threads:   any; safe with every call on the object.
 * Context:   inside a read section; elsewhere the hardened build stops with a message.
 * Progress:  wait-free; no count is touched, nothing shared is written.
 * Ordering:  acquire, as wk_ticket_get.
 * Errors:    NULL as wk_ticket_get, and for an object of a type with WK_TYPE_PROMPT.
 * Like:      idr_find under rcu_read_lock.
 */
WK_API void *wk_ticket_peek(wk_ticket ticket, const wk_type *type);

/**
 * wk_ticket_weak - a weak handle to the object of a ticket
 *
 * Ownership: the result is owned, wk_weak_release it once. It may be expired by the time it is returned.
 * Threads:   any; safe with every call on the object.
 * Context:   anywhere.
 * Progress:  as wk_ticket_get.
 * Ordering:  acquire, as wk_ticket_get.
 * Errors:    NULL as wk_ticket_get.
 * Like:      none.
 */
WK_API WK_MUST_USE wk_weak *wk_ticket_weak(wk_ticket ticket, const wk_type *type);

WK_END

#endif
