/*
 * weakref/cell.h - a place in memory that holds a reference, loaded and stored by many threads
 *
 * A cell is one word in a struct of the program's: a configuration that is swapped while it is read, the head of a
 * list, a parent pointer. A strong cell keeps what it holds alive, a weak cell does not. Zero bytes are an empty cell:
 * static storage, calloc and the zeroed payload of wk_new need no constructor. Clear a cell before its memory goes (an
 * object's destroy is the place for that), and do not copy one.
 *
 * No call takes a lock, allocates, or waits for a reader. All are linearizable, whichever meet:
 *
 *	                  load, load_weak, peek       store, give, clear,       compare_exchange,
 *	                                              exchange                  update
 *	load, load_weak,  both may get the same       the one before or the     likewise; of an update never
 *	peek              object, each with a         one after; a load starts  what a failed attempt made
 *	                  reference of its own        over only if a store
 *	                                              succeeded meanwhile
 *	store, give,                                  one after the other; no   one after the other; a
 *	clear, exchange                               reference is lost: each   compare_exchange that comes
 *	                                              goes to one exchange, or  second fails, an update that
 *	                                              is released once          comes second starts over
 *	compare_exchange,                                                       of those that expect the same
 *	update                                                                  thing one succeeds
 *
 * Not safe with any of these: the end of the cell's memory.
 */
#ifndef WEAKREF_CELL_H
#define WEAKREF_CELL_H

#include "weakref/common.h"

WK_BEGIN

typedef struct wk_cell {
	void *wk_private;
} wk_cell;

typedef struct wk_weak_cell {
	void *wk_private;
} wk_weak_cell;

#define WK_CELL_INIT { NULL }
#define WK_WEAK_CELL_INIT { NULL }

/**
 * wk_cell_load - a strong reference to what the cell holds
 *
 * Ownership: borrows the cell; the result is owned, wk_release it once.
 * Threads:   any; with every call on the cell.
 * Context:   anywhere.
 * Progress:  lock-free: starts over only if a store succeeded meanwhile; never allocates, never runs user code. A
 *            thread's first call may register it (wk_thread_prepare).
 * Ordering:  acquire: the object is seen as whoever stored it saw it.
 * Errors:    NULL: the cell is empty.
 * Like:      std::atomic<std::shared_ptr>::load, arc-swap load_full.
 */
WK_API WK_MUST_USE void *wk_cell_load(const wk_cell *cell);

/**
 * wk_cell_peek - borrow what the cell holds
 *
 * Ownership: the result is borrowed until the read section ends: never release it, wk_try_retain to keep it.
 * Threads:   any; with every call on the cell.
 * Context:   inside a read section; elsewhere the hardened build stops with a message.
 * Progress:  lock-free as wk_cell_load; no count is touched, nothing shared is written.
 * Ordering:  acquire, as wk_cell_load.
 * Errors:    NULL: the cell is empty, or holds an object of a type with WK_TYPE_PROMPT, which cannot be peeked.
 * Like:      arc-swap load (its Guard), CDRC get_snapshot, rcu_dereference.
 */
WK_API void *wk_cell_peek(const wk_cell *cell);

/**
 * wk_cell_store - put an object in; what was there is released
 *
 * Ownership: borrows `object`; the cell has a reference of its own. `object` NULL empties the cell.
 * Threads:   any; with every call on the cell.
 * Context:   anywhere. May be the last release of what was there: see wk_release.
 * Progress:  wait-free but for what wk_release does; never allocates, never waits for a reader. What was there is
 *            destroyed where its type says, a WK_TYPE_PROMPT one before the call returns.
 * Ordering:  release: what the caller did to the object comes before every load of it.
 * Errors:    none; an object that is dead already stops the process with a message.
 * Like:      std::atomic<std::shared_ptr>::store, arc-swap store.
 */
WK_API void wk_cell_store(wk_cell *cell, const void *object);

/**
 * wk_cell_give - wk_cell_store of a reference that the caller gives away
 *
 * Ownership: takes one reference of the caller's; no count is touched for the object that goes in.
 * Threads:   any; with every call on the cell.
 * Context:   as wk_cell_store.
 * Progress:  as wk_cell_store.
 * Ordering:  as wk_cell_store.
 * Errors:    as wk_cell_store.
 * Like:      std::atomic<std::shared_ptr>::store of a moved pointer.
 */
WK_API void wk_cell_give(wk_cell *cell, void *object);

/**
 * wk_cell_exchange - put an object in and take out what was there
 *
 * Ownership: borrows `object` (NULL empties the cell); the result, the reference that the cell had, is owned,
 *            wk_release it once.
 * Threads:   any; with every call on the cell. Of two exchanges each gets what it displaced.
 * Context:   anywhere.
 * Progress:  wait-free; never allocates, never runs user code.
 * Ordering:  acquire and release: as wk_cell_load for the result, as wk_cell_store for `object`.
 * Errors:    NULL: the cell was empty. A dead `object` stops the process with a message.
 * Like:      std::atomic<std::shared_ptr>::exchange, arc-swap swap.
 */
WK_API WK_MUST_USE void *wk_cell_exchange(wk_cell *cell, const void *object);

/**
 * wk_cell_compare_exchange - put an object in if the cell still holds a certain one
 *
 * Compared is identity, not equality. The caller holds `expected`, so that no new object can be at its address.
 *
 * Ownership: borrows `expected` and `desired` (either may be NULL: empty). On success the cell has a reference of its
 *            own to `desired`, and the one to `expected` is released.
 * Threads:   any; with every call on the cell. Of several that expect the same thing and store another, one succeeds.
 * Context:   as wk_cell_store.
 * Progress:  wait-free; never allocates. It does not fail by accident.
 * Ordering:  true: acquire and release. false: acquire.
 * Errors:    false: the cell holds something else, and nothing has changed. A dead `desired` stops the process.
 * Like:      std::atomic<std::shared_ptr>::compare_exchange_strong, arc-swap compare_and_swap.
 */
WK_API bool wk_cell_compare_exchange(wk_cell *cell, const void *expected, const void *desired);

/*
 * Makes the next object from the present one for wk_cell_update: a strong reference, given away; NULL empties the cell.
 * `current` is borrowed, NULL if the cell is empty, and must not be changed: others are reading it (wk_retain(current)
 * as the result leaves it where it is). A negative *status (it is WK_OK at the call) gives up.
 */
typedef void *wk_cell_updater(void *current, void *context, int *status);

/**
 * wk_cell_update - replace what the cell holds by something made from it
 *
 * Calls `update` with the present object and stores what it returns, if the cell still holds that object; if not, the
 * product is released and it begins again. No update is lost, and no reader waits for one.
 *
 * Ownership: see wk_cell_updater. What was replaced is released.
 * Threads:   any; with every call on the cell.
 * Context:   anywhere; `update` runs on the calling thread, in a read section only if the caller is in one.
 * Progress:  lock-free, apart from `update`: it runs again only because another thread's store succeeded.
 * Ordering:  acquire and release, as wk_cell_compare_exchange.
 * Errors:    WK_OK: stored. Else what `update` said; the cell is as the other threads left it.
 * Like:      arc-swap rcu, Java AtomicReference.updateAndGet.
 */
WK_API int wk_cell_update(wk_cell *cell, wk_cell_updater *update, void *context);

/**
 * wk_cell_clear - empty the cell; what was there is released
 *
 * Ownership: as wk_cell_store with NULL.
 * Threads:   any; with every call on the cell.
 * Context:   as wk_cell_store.
 * Progress:  as wk_cell_store.
 * Ordering:  release.
 * Errors:    none; an empty cell stays empty.
 * Like:      std::atomic<std::shared_ptr>::store(nullptr).
 */
WK_API void wk_cell_clear(wk_cell *cell);

/*
 * Weak cells. What is in one may die at any time: then wk_weak_cell_load and wk_weak_cell_peek find nothing, while
 * wk_weak_cell_load_weak still gives the handle. Until something else is stored the cell pins what a weak handle pins.
 */

/**
 * wk_weak_cell_load - a strong reference to what the cell holds, if that lives
 *
 * Ownership: borrows the cell; the result is owned, wk_release it once.
 * Threads:   any; with every call on the cell and on the object.
 * Context:   anywhere.
 * Progress:  lock-free: starts over only if a store succeeded meanwhile; never allocates, never runs user code. A
 *            thread's first call may register it (wk_thread_prepare).
 * Ordering:  acquire, as wk_upgrade.
 * Errors:    NULL: at one moment of the call the cell was empty, or what it held was dead or under construction.
 * Like:      std::atomic<std::weak_ptr>::load and lock, GLib g_weak_ref_get.
 */
WK_API WK_MUST_USE void *wk_weak_cell_load(const wk_weak_cell *cell);

/**
 * wk_weak_cell_load_weak - a weak handle to what the cell holds, dead or alive
 *
 * Ownership: borrows the cell; the result is owned, wk_weak_release it once.
 * Threads:   any; with every call on the cell and on the object.
 * Context:   anywhere.
 * Progress:  as wk_weak_cell_load.
 * Ordering:  acquire: the object is seen as whoever stored it saw it.
 * Errors:    NULL: the cell is empty.
 * Like:      std::atomic<std::weak_ptr>::load.
 */
WK_API WK_MUST_USE wk_weak *wk_weak_cell_load_weak(const wk_weak_cell *cell);

/**
 * wk_weak_cell_peek - borrow what the cell holds, if that lives
 *
 * Ownership: as wk_cell_peek.
 * Threads:   any; with every call on the cell and on the object.
 * Context:   inside a read section; elsewhere the hardened build stops with a message.
 * Progress:  as wk_cell_peek.
 * Ordering:  acquire.
 * Errors:    NULL as wk_weak_cell_load, and for an object of a type with WK_TYPE_PROMPT.
 * Like:      CDRC weak_snapshot_ptr.
 */
WK_API void *wk_weak_cell_peek(const wk_weak_cell *cell);

/**
 * wk_weak_cell_store - make the cell refer to an object
 *
 * Ownership: borrows `object`, as wk_downgrade does; NULL empties the cell. The handle that was there is released.
 * Threads:   any; with every call on the cell.
 * Context:   anywhere.
 * Progress:  wait-free but for the allocator's own release; never allocates, never waits for a reader.
 * Ordering:  release, as wk_cell_store.
 * Errors:    WK_ETYPE: of a type with WK_TYPE_NO_WEAK; the cell has not changed.
 * Like:      std::atomic<std::weak_ptr>::store, GLib g_weak_ref_set.
 */
WK_API int wk_weak_cell_store(wk_weak_cell *cell, const void *object);

/**
 * wk_weak_cell_give - put a handle in that the caller gives away
 *
 * Ownership: takes one ownership of `weak`; NULL empties the cell. The handle that was there is released.
 * Threads:   any; with every call on the cell.
 * Context:   anywhere.
 * Progress:  as wk_weak_cell_store.
 * Ordering:  release.
 * Errors:    none; the object may be dead.
 * Like:      std::atomic<std::weak_ptr>::store of a moved pointer.
 */
WK_API void wk_weak_cell_give(wk_weak_cell *cell, wk_weak *weak);

/**
 * wk_weak_cell_exchange - put a handle in and take out what was there
 *
 * Ownership: borrows `weak` (NULL empties the cell); the result is owned, wk_weak_release it once.
 * Threads:   any; with every call on the cell.
 * Context:   anywhere.
 * Progress:  wait-free; never allocates.
 * Ordering:  acquire and release.
 * Errors:    NULL: the cell was empty.
 * Like:      std::atomic<std::weak_ptr>::exchange.
 */
WK_API WK_MUST_USE wk_weak *wk_weak_cell_exchange(wk_weak_cell *cell, wk_weak *weak);

/**
 * wk_weak_cell_compare_exchange - put a handle in if the cell still holds a certain one
 *
 * All handles to one object are the same pointer: compared is the object's identity, dead or alive.
 *
 * Ownership: borrows both (either may be NULL: empty). On success the cell owns `desired` once more, and its
 *            ownership of `expected` is given up.
 * Threads:   any; with every call on the cell. Of several that expect the same thing and store another, one succeeds.
 * Context:   anywhere.
 * Progress:  wait-free; never allocates.
 * Ordering:  true: acquire and release. false: acquire.
 * Errors:    false: the cell holds something else, and nothing has changed.
 * Like:      std::atomic<std::weak_ptr>::compare_exchange_strong.
 */
WK_API bool wk_weak_cell_compare_exchange(wk_weak_cell *cell, wk_weak *expected, wk_weak *desired);

/*
 * Makes the next handle from the present one for wk_weak_cell_update: owned, given away; NULL empties the cell.
 * `current` is borrowed, NULL if the cell is empty. A negative *status (it is WK_OK at the call) gives up.
 */
typedef wk_weak *wk_weak_cell_updater(wk_weak *current, void *context, int *status);

/**
 * wk_weak_cell_update - replace what the cell holds by something made from it
 *
 * Ownership: see wk_weak_cell_updater.
 * Threads:   any; with every call on the cell.
 * Context:   as wk_cell_update.
 * Progress:  as wk_cell_update.
 * Ordering:  acquire and release.
 * Errors:    WK_OK: stored. Else what `update` said; the cell is as the other threads left it.
 * Like:      arc-swap rcu on an ArcSwapWeak.
 */
WK_API int wk_weak_cell_update(wk_weak_cell *cell, wk_weak_cell_updater *update, void *context);

/**
 * wk_weak_cell_clear - empty the cell
 *
 * Ownership: the handle that was there is released.
 * Threads:   any; with every call on the cell.
 * Context:   anywhere.
 * Progress:  as wk_weak_cell_store.
 * Ordering:  release.
 * Errors:    none; an empty cell stays empty.
 * Like:      GLib g_weak_ref_clear, which is not safe with other calls.
 */
WK_API void wk_weak_cell_clear(wk_weak_cell *cell);

WK_END

#endif
