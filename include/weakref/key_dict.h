/*
 * weakref/key_dict.h - dictionary whose entries leave it when their keys die
 *
 * Maps objects to values and does not keep the objects alive: data about connections, windows, nodes that somebody else
 * owns. From the instant a key dies no lookup finds its entry, and when the last wk_release of it has returned
 * wk_key_dict_len does not count it. Keys are told apart by identity, or by their type's hash and equality. Values are
 *
 *	WK_HOLD_STRONG  objects; the entry holds a strong reference
 *	WK_HOLD_WEAK    objects; the entry ends when its value dies, too
 *	WK_HOLD_PLAIN   pointers of the program's own, with a destructor that the runner calls when nobody peeks any more
 *
 * What the entry held is given up before the call that removes or replaces it returns; after the key's death by
 * the runner, since wk_release releases nothing else. A dictionary is an object (wk_retain, wk_release, wk_downgrade); its
 * entries do not keep it alive.
 *
 * By equality: a value that is stored under a key equal to one that is there takes the place of that one's
 * value, and the key that was there stays; when that key dies the entry goes, though the other lives on.
 *
 * A value that holds its own key strongly keeps it for ever: the entry holds the value, the value the key. Let it hold
 * a weak handle, its own (wk_downgrade) or the borrowed one of wk_key_borrow.
 *
 * Safe with, not safe with. The caller of each holds the dictionary, and the key or peeks it; of a key and a value that
 * are stored he holds strong references. No call takes a lock; a thread that is stopped in the middle of one
 * stops no other (but see WK_CREATE_ONCE):
 *
 *                      get peek contains   set insert get_or_*   remove remove_if pop   clear             len
 *   get and the like   safe                before or after       before or after        before or after   safe
 *   set and the like   before or after     one after the other   one after the other    may stay          safe
 *   remove, pop        before or after     one after the other   one wins an entry      one wins          safe
 *   death of the key   before or after     its entry only        one wins               one wins          safe
 *   death of a value   before or after     its entry only        one wins               one wins          safe
 *   growth, sweeping   safe                helps                 safe                   safe              safe
 *   last wk_release of the dictionary    not safe with any: each caller needs a reference of its own
 *
 * "Before or after": each call on a key takes effect at one instant between its call and its return.
 */
#ifndef WEAKREF_KEY_DICT_H
#define WEAKREF_KEY_DICT_H

#include "weakref/value_dict.h"
#include "weakref/weak.h"
#include "weakref/weak_set.h"

WK_BEGIN

typedef struct wk_key_dict wk_key_dict;

typedef enum wk_hold { WK_HOLD_STRONG, WK_HOLD_WEAK, WK_HOLD_PLAIN } wk_hold;

typedef struct wk_key_dict_options {
	size_t struct_size; /* sizeof(wk_key_dict_options) */
	const char *name;   /* for messages and reports; copied; NULL: none */
	wk_compare compare; /* by equality: keys of types with hash and equal, without WK_TYPE_PROMPT */
	wk_hold values;
	void (*release_value)(void *value); /* WK_HOLD_PLAIN only: on the runner, nobody peeks any more; or NULL */
	const wk_type *key_type;            /* another type is WK_ETYPE; NULL: any */
	const wk_type *value_type;          /* likewise, so results can be cast; not with WK_HOLD_PLAIN */
	size_t expected;                    /* entries to make room for at once; 0: begin small */
	const wk_allocator *allocator;      /* for entries and slots; NULL: the runtime's */
} wk_key_dict_options;

/*
 * Makes a value for wk_key_dict_get_or_create: a new strong reference or plain pointer, given away, or NULL and a
 * negative *status (which begins as WK_ENOMEM). Runs on the calling thread, with no lock held; `key` is the caller's.
 */
typedef void *wk_key_factory(const void *key, void *context, int *status);

/* What wk_key_dict_pop_any gives. */
typedef struct wk_pair {
	void *key; /* a strong reference; NULL: the dictionary was empty */
	void *value;
} wk_pair;

/**
 * wk_key_dict_new - make a dictionary
 *
 * Ownership: the result is owned, wk_release it once; values are given up by the runner after that. `options` is
 *            borrowed; NULL: by identity, strong values, any types.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  allocates.
 * Ordering:  none.
 * Errors:    NULL and *status: WK_ENOMEM; WK_ESHUTDOWN; WK_EINVAL: struct_size, no such comparison or hold, a
 *            release_value without WK_HOLD_PLAIN or a value_type with it; WK_ETYPE: a key_type with WK_TYPE_NO_WEAK, or
 *            by equality one that has none; a value_type with WK_TYPE_NO_WEAK for weak values.
 * Like:      Python weakref.WeakKeyDictionary(), C# ConditionalWeakTable, Java WeakHashMap.
 */
WK_API WK_MUST_USE wk_key_dict *wk_key_dict_new(const wk_key_dict_options *options, int *status);

/**
 * wk_key_dict_get - the value of a key
 *
 * Ownership: the result is owned, wk_release it once. `key` is borrowed, held or peeked by the caller.
 * Threads:   any; see the table above.
 * Context:   anywhere.
 * Progress:  takes no lock, never waits or allocates; repeats only when a writer of the same key succeeded meanwhile. By
 *            equality runs the type's hash and equal.
 * Ordering:  acquire: the value is seen as whoever stored it saw it.
 * Errors:    NULL: absent, or the value is dead; `key` is NULL, or a type that cannot be compared. With WK_HOLD_PLAIN
 *            the process stops with a message: there is nothing to own, use wk_key_dict_peek.
 * Like:      WeakKeyDictionary.get, ConditionalWeakTable.TryGetValue.
 */
WK_API WK_MUST_USE void *wk_key_dict_get(const wk_key_dict *dict, const void *key);

/**
 * wk_key_dict_peek - borrow the value of a key
 *
 * Ownership: the result is borrowed until the read section ends: never release it, wk_try_retain an object to keep it.
 * Threads:   any.
 * Context:   inside a read section; elsewhere the hardened build stops with a message.
 * Progress:  as wk_key_dict_get; touches no count.
 * Ordering:  as wk_key_dict_get.
 * Errors:    NULL: as wk_key_dict_get; an object of a type with WK_TYPE_PROMPT, which cannot be peeked.
 * Like:      rcu_dereference of per-object data.
 */
WK_API void *wk_key_dict_peek(const wk_key_dict *dict, const void *key);

/**
 * wk_key_dict_contains - whether a living key has a living value
 *
 * Stale at once: who wants the value calls wk_key_dict_get.
 *
 * Ownership: as wk_key_dict_get.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  as wk_key_dict_get; touches no count.
 * Ordering:  none.
 * Errors:    none.
 * Like:      `key in WeakKeyDictionary`.
 */
WK_API bool wk_key_dict_contains(const wk_key_dict *dict, const void *key);

/**
 * wk_key_dict_len - how many entries there are
 *
 * Exact when nothing is in progress; never counts a key or a weak value all of whose releases, nor an entry whose
 * removal, have returned.
 *
 * Ownership: none.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free; constant time.
 * Ordering:  none.
 * Errors:    none; never below 0.
 * Like:      len(WeakKeyDictionary).
 */
WK_API size_t wk_key_dict_len(const wk_key_dict *dict);

/**
 * wk_key_dict_set - store a value under a key, in place of what is there
 *
 * Ownership: borrows `key` and an object, strong references of the caller's; retains an object with WK_HOLD_STRONG. A
 *            plain value is the dictionary's on success, still the caller's on failure. A strong value that is
 *            replaced is released before the call returns, a plain one destroyed on the runner.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  lock-free but for the allocator; allocates, but not to replace a strong value. May do a small share of the
 *            table's growth.
 * Ordering:  release: who gets the value sees it as the caller does.
 * Errors:    WK_CREATED: the key had no living value, WK_OK: it had one, which is replaced. WK_ETYPE: not of key_type or
 *            value_type, WK_TYPE_NO_WEAK, or by equality a key that cannot be compared; WK_ENOMEM; WK_EINVAL: `key` or
 *            `value` is NULL; WK_ESHUTDOWN.
 * Like:      WeakKeyDictionary.__setitem__, ConditionalWeakTable.AddOrUpdate.
 */
WK_API WK_MUST_USE int wk_key_dict_set(wk_key_dict *dict, const void *key, void *value);

/**
 * wk_key_dict_insert - store a value under a key that has none
 *
 * Of many threads that insert for one absent key exactly one gets WK_CREATED.
 *
 * Ownership: as wk_key_dict_set; WK_EEXISTS is a failure.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  as wk_key_dict_set.
 * Ordering:  as wk_key_dict_set.
 * Errors:    WK_CREATED: it is in; WK_EEXISTS: the key has a living value. Else as wk_key_dict_set.
 * Like:      ConditionalWeakTable.TryAdd.
 */
WK_API WK_MUST_USE int wk_key_dict_insert(wk_key_dict *dict, const void *key, void *value);

/**
 * wk_key_dict_get_or_insert - the living value of a key, or else this one, stored
 *
 * Ownership: as wk_key_dict_insert. The result is a strong reference of its own either way; a plain one is
 *            borrowed as from wk_key_dict_peek, `value` is the dictionary's with WK_CREATED and else the caller's.
 * Threads:   any; all who call it for one absent key get the same value.
 * Context:   anywhere; with WK_HOLD_PLAIN inside a read section.
 * Progress:  as wk_key_dict_set; allocates nothing where there is a value.
 * Ordering:  as wk_key_dict_get and wk_key_dict_set.
 * Errors:    *status is WK_OK: the one that was there, or WK_CREATED: `value`. NULL on failure: as wk_key_dict_set.
 * Like:      WeakKeyDictionary.setdefault, but atomic.
 */
WK_API WK_MUST_USE void *wk_key_dict_get_or_insert(wk_key_dict *dict, const void *key, void *value, int *status);

/**
 * wk_key_dict_get_or_create - the living value of a key, or else a new one, made and stored
 *
 * As wk_value_dict_get_or_create, with one difference by equality: who waits for another thread's factory waits until it
 * is over, also when a value is stored by a set or an insert meanwhile.
 *
 * Ownership: as wk_key_dict_get_or_insert. `context` is borrowed for the call. A product that makes way is given up:
 *            an object is released, a plain one destroyed on the runner.
 * Threads:   any. With WK_CREATE_ONCE one factory at a time runs for a key.
 * Context:   anywhere; in a read section (WK_HOLD_PLAIN: there always, unless nobody removes or replaces) the factory runs
 *            in it too, and nothing waits.
 * Progress:  WK_CREATE_ONCE waits for another thread's factory of the same key, the other modes never; runs `make`.
 * Ordering:  as wk_key_dict_get and wk_key_dict_set.
 * Errors:    as wk_value_dict_get_or_create; WK_ETYPE, WK_EINVAL as wk_key_dict_set.
 * Like:      ConditionalWeakTable.GetOrAdd.
 */
WK_API WK_MUST_USE void *wk_key_dict_get_or_create(
	wk_key_dict *dict, const void *key, wk_create_mode mode, wk_key_factory *make, void *context, int *status);

/**
 * wk_key_dict_remove - take a key's entry out
 *
 * Ownership: a strong value is released before the call returns, a plain one destroyed on the runner.
 * Threads:   any; of many threads that remove one entry exactly one gets WK_OK.
 * Context:   anywhere.
 * Progress:  lock-free, never allocates or waits. By equality runs the type's hash and equal.
 * Ordering:  acquire and release on the entry.
 * Errors:    WK_ENOTFOUND: absent, or the value is dead.
 * Like:      `del WeakKeyDictionary[key]`.
 */
WK_API int wk_key_dict_remove(wk_key_dict *dict, const void *key);

/**
 * wk_key_dict_remove_if - take a key's entry out if it has that very value
 *
 * Ownership: borrows `value`, an object held strongly by the caller; else as wk_key_dict_remove.
 * Threads:   any; as wk_key_dict_remove.
 * Context:   anywhere.
 * Progress:  as wk_key_dict_remove.
 * Ordering:  as wk_key_dict_remove.
 * Errors:    WK_ENOTFOUND: absent, dead, or another value.
 * Like:      Java ConcurrentMap.remove(key, value), by identity.
 */
WK_API int wk_key_dict_remove_if(wk_key_dict *dict, const void *key, const void *value);

/**
 * wk_key_dict_pop - take a key's entry out and get its value
 *
 * Ownership: the result is owned: a strong reference, wk_release it once. A plain value is handed over without its
 *            destructor; others who peek it may still look at it until their read sections end.
 * Threads:   any; of many threads that pop one entry exactly one gets the value.
 * Context:   anywhere.
 * Progress:  as wk_key_dict_remove.
 * Ordering:  as wk_key_dict_get and wk_key_dict_remove.
 * Errors:    NULL: absent, or the value is dead.
 * Like:      WeakKeyDictionary.pop, ConditionalWeakTable.Remove(key, out value).
 */
WK_API WK_MUST_USE void *wk_key_dict_pop(wk_key_dict *dict, const void *key);

/**
 * wk_key_dict_pop_any - take some entry out and get its key and its value
 *
 * Ownership: both are owned, as from wk_key_dict_pop.
 * Threads:   any; of many threads that pop one entry exactly one gets it.
 * Context:   anywhere.
 * Progress:  lock-free, never allocates or waits; linear in the table at worst, constant on average while a dictionary
 *            is emptied.
 * Ordering:  as wk_key_dict_pop.
 * Errors:    both NULL: no entry was there during the whole call.
 * Like:      WeakKeyDictionary.popitem.
 */
WK_API WK_MUST_USE wk_pair wk_key_dict_pop_any(wk_key_dict *dict);

/**
 * wk_key_dict_clear - take every entry out
 *
 * Every entry that is there during the whole call; what is stored meanwhile may stay.
 *
 * Ownership: as wk_key_dict_remove.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in the table, in many short read sections; takes no lock, never waits.
 * Ordering:  as wk_key_dict_remove.
 * Errors:    none.
 * Like:      WeakKeyDictionary.clear.
 */
WK_API void wk_key_dict_clear(wk_key_dict *dict);

/**
 * wk_key_dict_update - store all entries of another dictionary
 *
 * As a cursor meets them: each that is there during the whole call, and perhaps those that come or go.
 *
 * Ownership: borrows `from`, which may be `dict`; else as wk_key_dict_set for each.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in both tables; allocates.
 * Ordering:  as wk_key_dict_set.
 * Errors:    WK_OK. WK_EINVAL: one has plain values and the other objects, or plain values have a destructor, which
 *            two entries cannot share. Else as wk_key_dict_set, and what was stored before the failure stays.
 * Like:      WeakKeyDictionary.update, `|=`.
 */
WK_API WK_MUST_USE int wk_key_dict_update(wk_key_dict *dict, const wk_key_dict *from);

/**
 * wk_key_dict_copy - a new dictionary with the same entries
 *
 * Ownership: the result is owned, wk_release it once; it has the options of `dict`. Values are shared.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in the table, which is made in its final size; allocates.
 * Ordering:  as wk_key_dict_update.
 * Errors:    NULL and *status: as wk_key_dict_update and wk_key_dict_new. On success *status is WK_OK.
 * Like:      WeakKeyDictionary.copy.
 */
WK_API WK_MUST_USE wk_key_dict *wk_key_dict_copy(const wk_key_dict *dict, int *status);

/**
 * wk_key_dict_merge - a new dictionary with the entries of two; where both have a key, the second's value
 *
 * Ownership: as wk_key_dict_copy; it has the options of `a`.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  as wk_key_dict_copy.
 * Ordering:  as wk_key_dict_update.
 * Errors:    as wk_key_dict_copy.
 * Like:      `WeakKeyDictionary | WeakKeyDictionary`.
 */
WK_API WK_MUST_USE wk_key_dict *wk_key_dict_merge(const wk_key_dict *a, const wk_key_dict *b, int *status);

/**
 * wk_key_dict_refs - weak handles of the keys
 *
 * Not a snapshot: what comes or goes meanwhile may be in or not, and a key may be dead by the time its handle is
 * looked at.
 *
 * Ownership: `refs` is the caller's, `capacity` long. What is stored there is owned, wk_weak_release each.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in the table, in many short read sections; takes no lock, never waits or allocates.
 * Ordering:  none.
 * Errors:    none; returns how many keys there are, of which at most `capacity` are stored.
 * Like:      WeakKeyDictionary.keyrefs.
 */
WK_API size_t wk_key_dict_refs(const wk_key_dict *dict, wk_weak **refs, size_t capacity);

/**
 * wk_key_borrow - a key's weak handle, without owning it: for a value to know its key by
 *
 * It costs nothing, and nothing has to be released. It is good for as long as the object is the key of an entry: its
 * entry has not been removed and the key has not died; who finds the value in a read section, by peeking, may use
 * it until that section ends, also when the entry ends meanwhile. Not in the value's destructor. By equality a value
 * that is stored in place of another one (WK_OK) belongs to the key that was there, not to the one it was stored by.
 *
 * Ownership: borrows `key`, a strong reference of the caller's. Never wk_weak_release the result; wk_weak_retain it to have
 *            a handle of one's own, while it is good.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free; never allocates.
 * Ordering:  none.
 * Errors:    NULL for NULL and for an object of a type with WK_TYPE_NO_WEAK.
 * Like:      the key of an ephemeron: ConditionalWeakTable, JavaScript WeakMap.
 */
WK_API wk_weak *wk_key_borrow(const void *key);

WK_END

#endif
