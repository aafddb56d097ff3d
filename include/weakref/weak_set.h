/*
 * weakref/weak_set.h - set whose members leave it when they die
 *
 * A set of objects that does not keep them alive: the subscribers of a topic, the windows of a screen. From the instant
 * a member dies nothing finds it here, and when the last wk_release of it has returned wk_weak_set_len does not count
 * it. Members are told apart by identity: a new object at the address of a dead one is another object. A set is
 * an object (wk_retain, wk_release, wk_downgrade); its members do not keep it alive. To go through it: WK_EACH
 * (cursor.h), which holds each member for its step, or wk_weak_set_each_peek, which only looks.
 *
 * Safe with, not safe with. The caller of each holds the set, and the object or peeks it; of an object that is added
 * he holds a strong reference. No call takes a lock; a thread that is stopped in the middle of one stops no other:
 *
 *                      contains           add                remove discard pop clear   each_peek, cursors
 *   contains           safe               before or after    before or after            safe
 *   add                before or after    one WK_CREATED     one after the other        may be met or not
 *   remove and others  before or after    one after another  one wins a member          may be met or not
 *   death of a member  before or after    not: it is held    one wins                   safe
 *   growth, sweeping   safe               helps              safe                       safe
 *   last wk_release of the set    not safe with any: each caller needs a reference of its own
 *
 * "Before or after": each call on an object takes effect at one instant between its call and its return.
 */
#ifndef WEAKREF_WEAK_SET_H
#define WEAKREF_WEAK_SET_H

#include "weakref/cursor.h"

WK_BEGIN

typedef struct wk_weak_set wk_weak_set;

typedef enum wk_compare {
	WK_BY_IDENTITY,
	WK_BY_EQUALITY /* reserved: WK_EINVAL */
} wk_compare;

typedef struct wk_weak_set_options {
	size_t struct_size; /* sizeof(wk_weak_set_options) */
	const char *name;   /* for messages and reports; copied; NULL: none */
	wk_compare compare;
	const wk_type *element_type;   /* another type is WK_ETYPE, so results can be cast; NULL: any */
	size_t expected;               /* members to make room for at once; 0: begin small */
	const wk_allocator *allocator; /* for entries and slots; NULL: the runtime's */
} wk_weak_set_options;

/**
 * wk_weak_set_new - make a set
 *
 * Ownership: the result is owned, wk_release it once. `options` is borrowed; NULL: members of any type.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  allocates.
 * Ordering:  none.
 * Errors:    NULL and *status: WK_ENOMEM; WK_ESHUTDOWN; WK_EINVAL: struct_size, or WK_BY_EQUALITY, which is not there
 *            yet; WK_ETYPE: an element_type with WK_TYPE_NO_WEAK.
 * Like:      Python weakref.WeakSet(), Java Collections.newSetFromMap(new WeakHashMap()).
 */
WK_API WK_MUST_USE wk_weak_set *wk_weak_set_new(const wk_weak_set_options *options, int *status);

/**
 * wk_weak_set_add - make an object a member
 *
 * Of many threads that add one object exactly one gets WK_CREATED.
 *
 * Ownership: borrows `object`, a strong reference of the caller's.
 * Threads:   any; see the table above.
 * Context:   anywhere.
 * Progress:  lock-free but for the allocator; allocates, but not for an object that is a member already. May do a small
 *            share of the table's growth.
 * Ordering:  release: who gets the object sees it as the caller does.
 * Errors:    WK_CREATED: it is a member now; WK_OK: it was one already. WK_ETYPE: not of element_type, or
 *            WK_TYPE_NO_WEAK; WK_ENOMEM; WK_EINVAL: `object` is NULL; WK_ESHUTDOWN.
 * Like:      WeakSet.add.
 */
WK_API WK_MUST_USE int wk_weak_set_add(wk_weak_set *set, const void *object);

/**
 * wk_weak_set_discard - see to it that an object is no member
 *
 * Ownership: borrows `object`, held or peeked by the caller.
 * Threads:   any; of many threads that discard one member exactly one gets true.
 * Context:   anywhere.
 * Progress:  lock-free, never allocates or waits.
 * Ordering:  acquire and release on the member's entry.
 * Errors:    none; returns whether it was a member. NULL is none.
 * Like:      WeakSet.discard.
 */
WK_API bool wk_weak_set_discard(wk_weak_set *set, const void *object);

/**
 * wk_weak_set_remove - take an object out
 *
 * Ownership: as wk_weak_set_discard.
 * Threads:   any; as wk_weak_set_discard.
 * Context:   anywhere.
 * Progress:  as wk_weak_set_discard.
 * Ordering:  as wk_weak_set_discard.
 * Errors:    WK_ENOTFOUND: it was no member.
 * Like:      WeakSet.remove.
 */
WK_API int wk_weak_set_remove(wk_weak_set *set, const void *object);

/**
 * wk_weak_set_contains - whether an object is a member
 *
 * Ownership: borrows `object`, held or peeked by the caller.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  takes no lock, never waits or allocates; touches no count.
 * Ordering:  none.
 * Errors:    none. NULL is no member, and nor is an object that has died.
 * Like:      `object in WeakSet`.
 */
WK_API bool wk_weak_set_contains(const wk_weak_set *set, const void *object);

/**
 * wk_weak_set_len - how many living members there are
 *
 * Exact when nothing is in progress; never counts an object all of whose releases, nor a member whose removal, have
 * returned.
 *
 * Ownership: none.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free; constant time.
 * Ordering:  none.
 * Errors:    none; never below 0.
 * Like:      len(WeakSet).
 */
WK_API size_t wk_weak_set_len(const wk_weak_set *set);

/**
 * wk_weak_set_pop - take some member out and get it
 *
 * Ownership: the result is owned, wk_release it once.
 * Threads:   any; of many threads that pop one member exactly one gets it.
 * Context:   anywhere.
 * Progress:  lock-free, never allocates or waits; linear in the table at worst, constant on average while a set is
 *            emptied.
 * Ordering:  acquire: the object is seen as whoever added it saw it.
 * Errors:    NULL: no object was a member during the whole call.
 * Like:      WeakSet.pop.
 */
WK_API WK_MUST_USE void *wk_weak_set_pop(wk_weak_set *set);

/**
 * wk_weak_set_clear - take every member out
 *
 * Every member that is there during the whole call; what is added meanwhile may stay.
 *
 * Ownership: none.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in the table, in many short read sections; takes no lock, never waits.
 * Ordering:  as wk_weak_set_discard.
 * Errors:    none.
 * Like:      WeakSet.clear.
 */
WK_API void wk_weak_set_clear(wk_weak_set *set);

/**
 * wk_weak_set_copy - a new set with the same members
 *
 * As a cursor meets them: every member that is there during the whole call, and perhaps those that come or go.
 *
 * Ownership: the result is owned, wk_release it once; it has the name, element type and allocator of `set`.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in the table; allocates.
 * Ordering:  as wk_weak_set_add.
 * Errors:    NULL and *status: WK_ENOMEM; WK_ESHUTDOWN. On success *status is WK_OK.
 * Like:      WeakSet.copy.
 */
WK_API WK_MUST_USE wk_weak_set *wk_weak_set_copy(const wk_weak_set *set, int *status);

/**
 * wk_weak_set_each_peek - call `visit` for each member, without touching a count
 *
 * For handing something to many members. A member that is there during the whole call is visited exactly once, no
 * object twice; none that was dead before its turn. A visit that returns false is the last one.
 *
 * Ownership: visit borrows the object until it returns: wk_try_retain to keep it. `context` is handed through.
 * Threads:   any.
 * Context:   anywhere. visit runs inside a read section, a new one for every few buckets: it must not wait. It may
 *            add and remove, also here.
 * Progress:  linear in the table; takes no lock, never waits or allocates; runs `visit`.
 * Ordering:  acquire: the object is seen as whoever added it saw it.
 * Errors:    none; returns how many were visited. Members of types with WK_TYPE_PROMPT cannot be peeked and are not
 *            visited: a cursor gets them.
 * Like:      list_for_each_entry_rcu.
 */
WK_API size_t wk_weak_set_each_peek(const wk_weak_set *set, bool (*visit)(void *object, void *context), void *context);

WK_END

#endif
