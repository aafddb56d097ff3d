/*
 * weakref/weak.h - weak handles
 *
 * A weak handle is a counted pointer to the runtime's record of an object, its control block. It never keeps
 * the object alive, and it stays valid, with its identity, for as long as it is held. All handles to one
 * object are the same pointer, so == compares identity and wk_weak_hash goes with it.
 * A handle to a dead object keeps the control block and a small payload's memory, never a large payload.
 */
#ifndef WEAKREF_WEAK_H
#define WEAKREF_WEAK_H

#include "weakref/common.h"

WK_BEGIN

/**
 * wk_downgrade - make a weak handle
 *
 * `object` is held strongly by the caller, or peeked in the present read section, or the payload that a
 * destructor was given; a handle to an object that is dead already is expired, and keeps its identity.
 *
 * Ownership: borrows `object`; the result is owned, wk_weak_release it once.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free; never allocates.
 * Ordering:  none.
 * Errors:    NULL for NULL and for an object of a type with WK_TYPE_NO_WEAK.
 * Like:      Rust Arc::downgrade, the std::weak_ptr constructor.
 */
WK_API WK_MUST_USE wk_weak *wk_downgrade(const void *object);

/**
 * wk_upgrade - make a strong reference from a weak handle, if the object lives
 *
 * NULL is final: no later upgrade of any weak reference to that object can succeed. (One exception: while the
 * constructor that wk_new_cyclic runs has not returned, NULL means not yet; wk_weak_expired tells the two apart.)
 *
 * Ownership: borrows `weak`; the result is owned, wk_release it once.
 * Threads:   any; safe with every call on the object and on `weak` except its last wk_weak_release.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free; never allocates, never runs user code.
 * Ordering:  success: acquire, the object is seen as whoever made the handle saw it. NULL: acquire, what the
 *            releasing thread did before the object died is seen.
 * Errors:    NULL means dead, but see above; NULL gives NULL.
 * Like:      Python weakref.ref.__call__, std::weak_ptr::lock, Rust Weak::upgrade.
 */
WK_API WK_MUST_USE void *wk_upgrade(const wk_weak *weak);

/**
 * wk_upgrade_as - wk_upgrade, if the object is of that type
 *
 * Ownership: as wk_upgrade; an object of another type is not touched.
 * Threads:   as wk_upgrade.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free; never allocates, never runs user code.
 * Ordering:  as wk_upgrade.
 * Errors:    NULL means dead or of another type (wk_weak_type tells which); NULL gives NULL.
 * Like:      std::dynamic_pointer_cast after lock.
 */
WK_API WK_MUST_USE void *wk_upgrade_as(const wk_weak *weak, const wk_type *type);

/**
 * wk_weak_retain - own a weak handle once more
 *
 * Ownership: borrows `weak`; the result, the same pointer, is owned.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free; never allocates.
 * Ordering:  none.
 * Errors:    none; NULL gives NULL.
 * Like:      copying a std::weak_ptr, Rust Weak::clone.
 */
WK_API wk_weak *wk_weak_retain(wk_weak *weak);

/**
 * wk_weak_release - give a weak handle up
 *
 * Ownership: takes one ownership of `weak`. The last one on a dead object frees the control block.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free but for the allocator's own release; never allocates.
 * Ordering:  release: what this thread did through the handle comes before the memory is reused.
 * Errors:    none; NULL is allowed. More releases than ownerships stop the process with a message, at the end of
 *            the object's life at the latest; after it they cannot be told from others' releases.
 * Like:      the std::weak_ptr destructor, Rust Weak::drop.
 */
WK_API void wk_weak_release(wk_weak *weak);

/**
 * wk_weak_expired - whether the object is dead
 *
 * true is final. false may be stale when it is read: to use the object, upgrade. An object under construction
 * (wk_new_cyclic) is not dead.
 *
 * Ownership: borrows `weak`.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free; one load.
 * Ordering:  true: acquire, what the releasing thread did before the object died is seen. false: none.
 * Errors:    none; NULL is expired.
 * Like:      std::weak_ptr::expired, PyWeakref_IsDead.
 */
WK_API bool wk_weak_expired(const wk_weak *weak);

/**
 * wk_weak_refers_to - whether the handle is one of that object, without upgrading
 *
 * A dead object's handle never refers to a new object at the same address.
 *
 * Ownership: borrows both; `object` as for wk_downgrade.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free; no count is touched.
 * Ordering:  none.
 * Errors:    none; false if either is NULL.
 * Like:      Java Reference.refersTo, std::weak_ptr::owner_equal, Rust Weak::ptr_eq.
 */
WK_API bool wk_weak_refers_to(const wk_weak *weak, const void *object);

/**
 * wk_weak_hash - hash of the object's identity
 *
 * 64 bits, mixed well enough to take any of them as an index. Stays the same after death for as long as a
 * handle is held; meaningless in another process.
 *
 * Ownership: borrows `weak`.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; NULL gives 0.
 * Like:      std::weak_ptr::owner_hash.
 */
WK_API uint64_t wk_weak_hash(const wk_weak *weak);

/**
 * wk_weak_type - the object's type, dead or alive
 *
 * Ownership: borrows `weak`; the result is static.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; NULL gives NULL.
 * Like:      GLib G_OBJECT_TYPE, which needs a living object.
 */
WK_API const wk_type *wk_weak_type(const wk_weak *weak);

static inline void wk_auto_weak_release(wk_weak **slot)
{
	wk_weak_release(*slot);
}

WK_END

/* WK_AUTO_WEAK wk_weak *weak = wk_downgrade(object);  is released at the end of its block. */
#define WK_AUTO_WEAK WK_CLEANUP(wk_auto_weak_release) __attribute__((unused))

#endif
