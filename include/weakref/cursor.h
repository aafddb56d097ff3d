/*
 * weakref/cursor.h - go through a container, at leisure, while it changes
 *
 * One cursor for all containers: value dictionaries, key dictionaries and weak sets. It works outside read sections,
 * between turns of an event loop, and on containers that grow, shrink and change under it. It holds the current
 * object, so that the program can use it, until the next step, wk_cursor_park or wk_cursor_close. WK_EACH declares it
 * as well, with _cursor behind the variable's name: wk_cursor_key(&each_cursor, &length).
 *
 *	WK_EACH(struct session, each, sessions) {
 *		if (each->fd < 0)
 *			break;
 *	}
 *
 * What a cursor meets: a key that is present from open to the end is met exactly once, also when its object is
 * replaced meanwhile; a key that comes or goes meanwhile is met once or not at all; a key that is never present is
 * never met. Keys come in an order that nobody should build on. Not a snapshot: each step has its own instant.
 *
 * Safe with, not safe with:
 *
 *                                                    the same cursor   another cursor
 *   next, park, close, key, value                    one thread        safe
 *   get, set, add, remove, pop, clear on the container, by anybody: safe; removing the current key too
 *   growth, shrinking, sweeping, death of members:   safe
 *   last wk_release of the container by others:      safe: the cursor has a reference of its own
 */
#ifndef WEAKREF_CURSOR_H
#define WEAKREF_CURSOR_H

#include "weakref/object.h"

WK_BEGIN

/* In the program's own memory: on the stack or in a struct; may be moved between two calls. All zeroes: closed. */
typedef struct wk_cursor {
	void *wk_private[8];
} wk_cursor;

/**
 * wk_cursor_open - a cursor in front of the first element
 *
 * Ownership: the container is retained until wk_cursor_close, which must be called. NULL: a cursor that has ended.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free; never allocates.
 * Ordering:  none.
 * Errors:    none. An object that is no container stops the process with a message.
 * Like:      iter(d), C++ begin(), cds_lfht_first.
 */
WK_API WK_MUST_USE wk_cursor wk_cursor_open(const void *container);

/**
 * wk_cursor_next - go on to the next element
 *
 * Gives up the current object, then finds the next one: a value of a value dictionary, a key of a key dictionary, a
 * member of a weak set.
 *
 * Ownership: the CURSOR owns the result, until its next step, park or close; wk_retain it to keep it longer.
 * Threads:   any, one at a time.
 * Context:   anywhere. The release of the last object may be the last one of it.
 * Progress:  takes no lock, never waits; one short read section for each bucket of the table that it goes through.
 *            Allocates only where several keys have one and the same 64-bit hash: never with numbers for keys nor
 *            by identity; with bytes as good as never; with custom keys and by equality when the hash function is a
 *            poor one.
 * Ordering:  as wk_value_dict_get.
 * Errors:    NULL, and wk_last_status tells why. WK_ENOTFOUND: the end; further calls give NULL again. WK_ENOMEM: no
 *            memory for keys of one hash; nothing was passed over, the next call tries the same again.
 * Like:      next(iterator), cds_lfht_next.
 */
WK_API void *wk_cursor_next(wk_cursor *cursor);

/**
 * wk_cursor_key - the key of the current element
 *
 * Ownership: borrowed from the cursor until its next step, park or close; good outside read sections too, and when
 *            the key has been removed meanwhile.
 * Threads:   the cursor's.
 * Context:   anywhere.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    NULL: there is no current element, or it is its own key (weak sets, key dictionaries). Else, by the kind of
 *            keys: the bytes, *length of them; the number, a uint64_t, *length 8; the container's copy of a custom key,
 *            *length 0. `length` may be NULL; with a NULL result it is 0.
 * Like:      WeakValueDictionary.items.
 */
WK_API const void *wk_cursor_key(const wk_cursor *cursor, size_t *length);

/**
 * wk_cursor_key_u64 - the key of the current element, where keys are numbers
 *
 * Ownership: none.
 * Threads:   the cursor's.
 * Context:   anywhere.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    0: there is no current element. Keys that are no numbers stop the process with a message.
 * Like:      WeakValueDictionary.items.
 */
WK_API uint64_t wk_cursor_key_u64(const wk_cursor *cursor);

/**
 * wk_cursor_value - what a key dictionary has for the current object, which is the key
 *
 * Ownership: an object is borrowed from the cursor, which holds it, until its next step, park or close. A plain value is
 *            borrowed as from wk_key_dict_peek: what the entry has now.
 * Threads:   the cursor's.
 * Context:   anywhere; with WK_HOLD_PLAIN inside a read section (the hardened build stops elsewhere).
 * Progress:  wait-free.
 * Ordering:  as wk_key_dict_get.
 * Errors:    NULL: value dictionaries and weak sets have nothing beside the object; a plain value is gone.
 * Like:      WeakKeyDictionary.items.
 */
WK_API void *wk_cursor_value(const wk_cursor *cursor);

/**
 * wk_cursor_park - give up the current object, keep the position
 *
 * Before going back to an event loop: a parked cursor keeps no object alive, but for the container. The next
 * wk_cursor_next goes on behind the element that was given up.
 *
 * Ownership: the result of the last wk_cursor_next, and its key, may not be used any more.
 * Threads:   any, one at a time; another thread may go on with the cursor.
 * Context:   anywhere.
 * Progress:  as wk_release.
 * Ordering:  as wk_release.
 * Errors:    none; parking twice is fine.
 * Like:      Redis SCAN.
 */
WK_API void wk_cursor_park(wk_cursor *cursor);

/**
 * wk_cursor_close - give up everything
 *
 * Ownership: the current object and the container are released.
 * Threads:   any, one at a time.
 * Context:   anywhere.
 * Progress:  as wk_release.
 * Ordering:  as wk_release.
 * Errors:    none; closing twice is fine. A closed cursor has ended.
 * Like:      sqlite3_finalize.
 */
WK_API void wk_cursor_close(wk_cursor *cursor);

WK_END

/*
 * WK_EACH(struct session, each, sessions) { ... }
 *
 * break, continue, return and goto out of the block are all fine: the cursor, each_cursor, closes itself. `each` is
 * the cursor's: wk_retain(each) to keep it. The container is evaluated once; NULL: no turn. Where wk_cursor_next
 * can be without memory, wk_last_status tells after the loop why it ended.
 */
#define WK_EACH(T, variable, container)                                                                    \
	for (wk_cursor variable##_cursor WK_CLEANUP(wk_cursor_close) = wk_cursor_open(container),          \
			       *variable##_once = &variable##_cursor;                                      \
	     variable##_once; variable##_once = NULL)                                                      \
		for (T *variable; (variable = (T *)wk_cursor_next(&variable##_cursor)) != NULL;)

#endif
