/*
 * weakref/weak_set.h - set whose members leave it when they die
 *
 * A set of objects that does not keep them alive: the subscribers of a topic, the windows of a screen. From the instant
 * a member dies nothing finds it here, and when the last wk_release of it has returned wk_weak_set_len does not count
 * it. Members are told apart by identity (a new object at the address of a dead one is another object), or by their
 * type's hash and equality: then the first of equal objects is the member, and when that one dies none is. A set is
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
	WK_BY_EQUALITY /* the type's hash and equal, both of which it must have; not with WK_TYPE_PROMPT */
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
 * Errors:    NULL and *status: WK_ENOMEM; WK_ESHUTDOWN; WK_EINVAL: struct_size, no such comparison; WK_ETYPE: an
 *            element_type with WK_TYPE_NO_WEAK, or by equality one that cannot be compared.
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
 * Errors:    WK_CREATED: it is a member now; WK_OK: it was one already, or an equal object is. WK_ETYPE: not of
 *            element_type, WK_TYPE_NO_WEAK, or by equality an object that cannot be compared; WK_ENOMEM; WK_EINVAL:
 *            `object` is NULL; WK_ESHUTDOWN.
 * Like:      WeakSet.add.
 */
WK_API WK_MUST_USE int wk_weak_set_add(wk_weak_set *set, const void *object);

/**
 * wk_weak_set_discard - see to it that an object is no member; by equality: nor one that is equal to it
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
 * wk_weak_set_of - a new set of the objects in an array
 *
 * Ownership: the result is owned, wk_release it once. Borrows the array, `count` long, and its objects, strong references
 *            of the caller's; `options` as for wk_weak_set_new.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in `count`; the table is made in its final size; allocates.
 * Ordering:  as wk_weak_set_add.
 * Errors:    NULL and *status: as wk_weak_set_new and wk_weak_set_add. On success *status is WK_OK. Objects may repeat.
 * Like:      WeakSet(iterable).
 */
WK_API WK_MUST_USE wk_weak_set *wk_weak_set_of(
	const wk_weak_set_options *options, void *const *objects, size_t count, int *status);

/**
 * wk_weak_set_copy - a new set with the same members
 *
 * As a cursor meets them: every member that is there during the whole call, and perhaps those that come or go.
 *
 * Ownership: the result is owned, wk_release it once; it has the options of `set`.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in the table; the new one is made in its final size; allocates.
 * Ordering:  as wk_weak_set_add.
 * Errors:    NULL and *status: WK_ENOMEM; WK_ESHUTDOWN. On success *status is WK_OK.
 * Like:      WeakSet.copy.
 */
WK_API WK_MUST_USE wk_weak_set *wk_weak_set_copy(const wk_weak_set *set, int *status);

/* What is made of two sets, a and b. */
typedef enum wk_set_operation {
	WK_SET_UNION,                /* the members of a, and those of b */
	WK_SET_INTERSECTION,         /* the members of a that b has */
	WK_SET_DIFFERENCE,           /* the members of a that b has not */
	WK_SET_SYMMETRIC_DIFFERENCE, /* the members of a that b has not, and those of b that a has not */
} wk_set_operation;

/**
 * wk_weak_set_combine - a new set made of two
 *
 * Each set is asked by its own comparison. Members are met and asked for one after the other, not at one instant.
 *
 * Ownership: the result is owned, wk_release it once; it has the options of `a`. `a` and `b` may be the same.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in both tables; the new one is made in its final size; allocates.
 * Ordering:  as wk_weak_set_add.
 * Errors:    NULL and *status: WK_ENOMEM; WK_ESHUTDOWN; WK_EINVAL: no such operation; WK_ETYPE: a member of `b` cannot be
 *            one of `a`. On success *status is WK_OK.
 * Like:      WeakSet.union, intersection, difference, symmetric_difference: `|`, `&`, `-`, `^`.
 */
WK_API WK_MUST_USE wk_weak_set *wk_weak_set_combine(
	const wk_weak_set *a, const wk_weak_set *b, wk_set_operation operation, int *status);

/**
 * wk_weak_set_update - change `a` into what wk_weak_set_combine would make
 *
 * Member by member: others see each change when it is made.
 *
 * Ownership: none. `a` and `b` may be the same.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in the table of `b`, WK_SET_INTERSECTION in that of `a`; a union and a symmetric difference allocate.
 * Ordering:  as wk_weak_set_add and wk_weak_set_discard.
 * Errors:    as wk_weak_set_combine, the code returned, WK_OK on success; what was changed before the failure stays.
 * Like:      WeakSet.update, intersection_update, difference_update, symmetric_difference_update: `|=`, `&=`, `-=`, `^=`.
 */
WK_API WK_MUST_USE int wk_weak_set_update(wk_weak_set *a, const wk_weak_set *b, wk_set_operation operation);

/**
 * wk_weak_set_is_subset - whether `b` has every member of `a`
 *
 * `b` is asked by its own comparison, for one member after the other: exact for members that neither come nor go during the
 * call.
 *
 * Ownership: none.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in the table of `a` at worst; takes no lock, never waits or allocates; touches no count.
 * Ordering:  none.
 * Errors:    none.
 * Like:      WeakSet.issubset, `<=`.
 */
WK_API bool wk_weak_set_is_subset(const wk_weak_set *a, const wk_weak_set *b);

/**
 * wk_weak_set_equal - whether two sets have the same members
 *
 * Ownership: none.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  as wk_weak_set_is_subset.
 * Ordering:  none.
 * Errors:    none.
 * Like:      `==` of WeakSets.
 */
WK_API bool wk_weak_set_equal(const wk_weak_set *a, const wk_weak_set *b);

/**
 * wk_weak_set_is_disjoint - whether two sets have no member in common
 *
 * Ownership: none.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  as wk_weak_set_is_subset, of the smaller set.
 * Ordering:  none.
 * Errors:    none.
 * Like:      WeakSet.isdisjoint.
 */
WK_API bool wk_weak_set_is_disjoint(const wk_weak_set *a, const wk_weak_set *b);

/**
 * wk_weak_set_each_peek - call `visit` for each member, without touching a count
 *
 * For handing something to many members. A member that is there during the whole call is visited exactly once, no
 * object twice (unless it is removed and added again meanwhile, in a set whose type's hash is so bad that more than 64
 * members are in one bucket); none that was dead before its turn. A visit that returns false is the last one.
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

/* By name: what wk_weak_set_combine and wk_weak_set_update do. */
#define WK_SET_NAMED(name, operation)                                                                                    \
	static inline WK_MUST_USE wk_weak_set *wk_weak_set_##name(const wk_weak_set *a, const wk_weak_set *b, int *status) \
	{                                                                                                                \
		return wk_weak_set_combine(a, b, operation, status);                                                     \
	}                                                                                                                \
	static inline WK_MUST_USE int wk_weak_set_##name##_update(wk_weak_set *a, const wk_weak_set *b)                  \
	{                                                                                                                \
		return wk_weak_set_update(a, b, operation);                                                              \
	}
WK_SET_NAMED(union, WK_SET_UNION)
WK_SET_NAMED(intersection, WK_SET_INTERSECTION)
WK_SET_NAMED(difference, WK_SET_DIFFERENCE)
WK_SET_NAMED(symmetric_difference, WK_SET_SYMMETRIC_DIFFERENCE)
#undef WK_SET_NAMED

static inline bool wk_weak_set_is_superset(const wk_weak_set *a, const wk_weak_set *b)
{
	return wk_weak_set_is_subset(b, a);
}

/* A subset, and not equal: Python's `<`; its `>` is this with the two exchanged. */
static inline bool wk_weak_set_is_proper_subset(const wk_weak_set *a, const wk_weak_set *b)
{
	return wk_weak_set_len(a) < wk_weak_set_len(b) && wk_weak_set_is_subset(a, b);
}

WK_END

#endif
