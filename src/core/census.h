/*
 * core/census.h - how many objects of each type were made and destroyed
 *
 * Counting in the type's own state would make it the one line that all threads write. Each
 * thread counts in slots of its record, for the types that it uses most lately, and tells
 * the type's state when another type takes the slot or the thread ends.
 *
 * A type that has an owner (core/owner.h) is counted in its state: no slot leads to it. Its place
 * in the list of all types is given up when its owner is drained.
 *
 * Layer: core.
 */
#ifndef WKI_CORE_CENSUS_H
#define WKI_CORE_CENSUS_H

#include "base/atomic.h"
#include "base/check.h"
#include "weakref/object.h"

/* What a wk_type_state is to us. */
struct wki_type_state {
	WKI_ATOMIC_POINTER(const wk_type) type; /* NULL: not registered yet */
	wki_atomic_u64 created, destroyed;      /* what threads have told */
	WKI_ATOMIC_POINTER(const wk_type) next; /* the list of all types, newest first; walked in read sections */
};
_Static_assert(sizeof(struct wki_type_state) == sizeof(wk_type_state), "a type's state has four words");

static inline struct wki_type_state *wki_type_state_of(const wk_type *type)
{
	return (struct wki_type_state *)(void *)type->state;
}

/* wki_type_register_slow - WK_OK, or WK_EINVAL for a type that was not filled in as it must be. By a holder of its owner. */
int wki_type_register_slow(const wk_type *type);

static inline int wki_type_register(const wk_type *type)
{
	/* CEN-1 acquire; pairs: CEN-2; weaker: not needed for memory, the type is constant; check: api/object_test */
	if (likely(type->state != NULL && atomic_load_acquire(&wki_type_state_of(type)->type) == type))
		return WK_OK;
	return wki_type_register_slow(type);
}

void wki_census_created(const wk_type *type);
void wki_census_destroyed(const wk_type *type);

/* wki_census_read - exact when nothing is on its way */
void wki_census_read(const wk_type *type, uint64_t *created, uint64_t *destroyed);

/* wki_census_is_empty - there has never been a type */
bool wki_census_is_empty(void);
/*
 * wki_census_first - a registered type, or NULL; its owner is visited
 * wki_census_next - another one; the visit of `type` ends
 */
const wk_type *wki_census_first(void);
const wk_type *wki_census_next(const wk_type *type);

/* wki_census_has - a type of that owner is on the list; wki_census_unlist_locked - take all of them off: it is free. A grace period later nobody knows them. */
bool wki_census_has(const wk_owner *owner);
void wki_census_unlist_locked(const wk_owner *owner);
/* wki_census_departed - objects of types that are on the list no more: all are destroyed */
uint64_t wki_census_departed(void);

struct wki_thread;
/* wki_census_tell - the thread ends: add what it has counted to the types */
void wki_census_tell(struct wki_thread *thread);

#endif
