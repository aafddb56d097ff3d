/*
 * weakref/value_dict.h - dictionary whose values leave it when they die
 *
 * Maps keys (64-bit numbers, byte strings, or a type of the program's) to objects. With weak values the dictionary
 * does not keep them alive: from the instant an object dies no lookup finds it, and when the last wk_release of it
 * has returned wk_value_dict_len does not count it. With strong values (WK_VALUES_STRONG) an entry holds a strong
 * reference until it is removed or replaced. Keys are copied into the entry. A dictionary is an object (wk_retain,
 * wk_release, wk_downgrade); its entries do not keep it alive.
 *
 * Safe with, not safe with. The caller of each holds the dictionary. No call takes a lock; a thread that is stopped
 * in the middle of one stops no other (but see WK_CREATE_ONCE):
 *
 *                    get peek contains   set insert get_or_*   remove remove_if pop   clear             len
 *   get and the like safe                before or after       before or after        before or after   safe
 *   set and the like before or after     one wins a key        one after the other    may stay          safe
 *   remove, pop      before or after     one after the other   one wins an entry      one wins          safe
 *   death of a value before or after     its entry only        one wins               one wins          safe
 *   growth, sweeping safe                helps                 safe                   safe              safe
 *   last wk_release of the dictionary    not safe with any: each caller needs a reference of its own
 *
 * "Before or after": each call on a key takes effect at one instant between its call and its return.
 *
 * A number given where bytes or a key of the program's own are wanted, or the reverse, stops the process with a
 * message.
 */
#ifndef WEAKREF_VALUE_DICT_H
#define WEAKREF_VALUE_DICT_H

#include "weakref/object.h"
#include "weakref/weak.h"

WK_BEGIN

typedef struct wk_value_dict wk_value_dict;

/* A key, passed by value. Made by wk_key_u64, wk_key_bytes, wk_key_string, wk_key_custom. */
typedef struct wk_key {
	const void *data; /* NULL: the key is `number`; else its bytes, or the program's own key */
	uint64_t number;  /* the key itself, or the length in bytes, at most UINT32_MAX */
} wk_key;

typedef enum wk_key_kind {
	WK_KEYS_U64,
	WK_KEYS_BYTES, /* compared byte by byte; zero bytes are fine, and so is length 0 */
	WK_KEYS_CUSTOM /* by wk_key_type */
} wk_key_kind;

typedef enum wk_value_mode { WK_VALUES_WEAK, WK_VALUES_STRONG } wk_value_mode;

/* What a caller of wk_value_dict_get_or_create does when another thread is making the value. */
typedef enum wk_create_mode {
	WK_CREATE_ONCE, /* waits for it */
	WK_CREATE_RACE, /* makes one too; the first to be done wins, the others' are released */
	WK_CREATE_TRY   /* WK_EBUSY */
} wk_create_mode;

/*
 * Keys of the program's own type. hash and equal run inside read sections, on the caller's key and on copies, and must
 * not wait nor call the library; they must answer the same for as long as a key is stored.
 */
typedef struct wk_key_type {
	uint64_t (*hash)(const void *key, uint64_t seed); /* 64 good bits; a seed that is secret to each dictionary */
	bool (*equal)(const void *a, const void *b);
	void *(*copy)(const void *key); /* on the caller's thread; NULL: no memory */
	void (*release)(void *key);     /* of a copy: on the runner, in its own time; or NULL */
	wk_owner *owner;                /* whose these are, see wk_owner_drain; NULL: the program's */
} wk_key_type;

/* Why an entry has ended. */
typedef enum wk_removal_cause {
	WK_CAUSE_REMOVED,  /* a remove or a pop took it out */
	WK_CAUSE_DIED,     /* its object died */
	WK_CAUSE_REPLACED, /* a set put another object in its place */
	WK_CAUSE_CLEARED   /* a clear, or the end of the dictionary */
} wk_removal_cause;

/*
 * Is told of every entry that has ended, exactly once, on the runner and soon after: by the time a wk_barrier that was
 * called later returns, but for the end of the dictionary, which takes its time. `key` is the entry's own copy, and good
 * until the call is over; a new entry may be under that key by then. Calls for entries that one thread has ended come in
 * that order. A callback like others: it may call everything but what waits for the runner.
 */
typedef void wk_removal_listener(wk_key key, wk_removal_cause cause, void *context);

typedef struct wk_value_dict_options {
	size_t struct_size; /* sizeof(wk_value_dict_options) */
	const char *name;   /* for messages and reports; copied; NULL: none */
	wk_key_kind keys;
	wk_value_mode values;
	const wk_key_type *key_type;   /* WK_KEYS_CUSTOM only; static */
	const wk_type *value_type;     /* another type is WK_ETYPE, so results can be cast; NULL: any */
	size_t expected;               /* entries to make room for at once; 0: begin small */
	const wk_allocator *allocator; /* for entries and slots; NULL: the runtime's */
	wk_removal_listener *removed;  /* NULL: none; an entry is 16 bytes larger with one */
	void *removed_context;         /* there until the last call: clear the dictionary, then wk_barrier, to be sure */
} wk_value_dict_options;

/*
 * Makes a value for wk_value_dict_get_or_create: a new strong reference, given away, or NULL and a negative *status
 * (which begins as WK_ENOMEM). Runs on the calling thread, with no lock held; `key` is the caller's.
 */
typedef void *wk_factory(wk_key key, void *context, int *status);

/**
 * wk_value_dict_new - make a dictionary
 *
 * Ownership: the result is owned, wk_release it once; values held strongly are released by the runner after that
 *            (wk_value_dict_clear releases them before it returns). `options` is borrowed; NULL: u64 keys, weak values of
 *            any type.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  allocates.
 * Ordering:  none.
 * Errors:    NULL and *status: WK_ENOMEM; WK_ESHUTDOWN; WK_EINVAL: struct_size, no such kind or mode, custom keys
 *            without hash, equal and copy; WK_ETYPE: weak values of a type with WK_TYPE_NO_WEAK.
 * Like:      Python weakref.WeakValueDictionary(), Guava MapMaker.weakValues.
 */
WK_API WK_MUST_USE wk_value_dict *wk_value_dict_new(const wk_value_dict_options *options, int *status);

/**
 * wk_value_dict_get - the object of a key
 *
 * Ownership: the result is owned, wk_release it once. `key` is borrowed.
 * Threads:   any; see the table above.
 * Context:   anywhere.
 * Progress:  takes no lock, never waits or allocates; repeats only when a writer of the same key succeeded meanwhile.
 * Ordering:  acquire: the object is seen as whoever stored it saw it.
 * Errors:    NULL: absent, or its object is dead.
 * Like:      WeakValueDictionary.get, a locked map of std::weak_ptr.
 */
WK_API WK_MUST_USE void *wk_value_dict_get(const wk_value_dict *dict, wk_key key);

/**
 * wk_value_dict_peek - borrow the object of a key
 *
 * Ownership: the result is borrowed until the read section ends: never release it, wk_try_retain to keep it.
 * Threads:   any.
 * Context:   inside a read section; elsewhere the hardened build stops with a message.
 * Progress:  as wk_value_dict_get; touches no count.
 * Ordering:  as wk_value_dict_get.
 * Errors:    NULL: absent, dead, or of a type with WK_TYPE_PROMPT, which cannot be peeked.
 * Like:      cds_lfht_lookup and rcu_dereference.
 */
WK_API void *wk_value_dict_peek(const wk_value_dict *dict, wk_key key);

/**
 * wk_value_dict_get_many - the objects of many keys, fetched together
 *
 * objects[i] is what wk_value_dict_get(dict, keys[i]) gives. The memory of many keys is asked for at once: in a
 * large dictionary much faster than one by one. Each lookup has its own instant: not a snapshot. Keys may repeat.
 *
 * Ownership: every objects[i] that is not NULL is owned, wk_release it once. Arrays are the caller's, `count` long.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  as wk_value_dict_get; many short read sections rather than one.
 * Ordering:  as wk_value_dict_get.
 * Errors:    none; returns how many are not NULL.
 * Like:      Redis MGET.
 */
WK_API size_t wk_value_dict_get_many(const wk_value_dict *dict, const wk_key *keys, size_t count, void **objects);

/**
 * wk_value_dict_peek_many - borrow the objects of many keys, fetched together
 *
 * objects[i] is what wk_value_dict_peek(dict, keys[i]) gives; else as wk_value_dict_get_many.
 *
 * Ownership: every objects[i] is borrowed until the read section ends. Arrays are the caller's, `count` long.
 * Threads:   any.
 * Context:   inside a read section; elsewhere the hardened build stops with a message.
 * Progress:  as wk_value_dict_peek.
 * Ordering:  as wk_value_dict_get.
 * Errors:    none; returns how many are not NULL.
 * Like:      Redis MGET.
 */
WK_API size_t wk_value_dict_peek_many(const wk_value_dict *dict, const wk_key *keys, size_t count, void **objects);

/**
 * wk_value_dict_contains - whether a key has a living object
 *
 * Stale at once: who wants the object calls wk_value_dict_get.
 *
 * Ownership: none.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  as wk_value_dict_get; touches no count.
 * Ordering:  none.
 * Errors:    none.
 * Like:      `key in WeakValueDictionary`.
 */
WK_API bool wk_value_dict_contains(const wk_value_dict *dict, wk_key key);

/**
 * wk_value_dict_set - store an object under a key, in place of what is there
 *
 * Ownership: borrows `object`, a strong reference of the caller's, and retains it only with WK_VALUES_STRONG; a strong
 *            value that is replaced is released before the call returns.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  lock-free but for the allocator; allocates. May do a small share of the table's growth.
 * Ordering:  release: who gets the object sees it as the caller does.
 * Errors:    WK_CREATED: the key had no living object, WK_OK: it had one, which is replaced. WK_ETYPE: not of
 *            value_type, or WK_TYPE_NO_WEAK in weak mode; WK_ENOMEM; WK_EINVAL: `object` is NULL, or a key of more
 *            than UINT32_MAX bytes; WK_ESHUTDOWN.
 * Like:      WeakValueDictionary.__setitem__.
 */
WK_API WK_MUST_USE int wk_value_dict_set(wk_value_dict *dict, wk_key key, const void *object);

/**
 * wk_value_dict_insert - store an object under a key that has none
 *
 * Of many threads that insert one absent key exactly one gets WK_CREATED.
 *
 * Ownership: borrows `object`, as wk_value_dict_set.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  as wk_value_dict_set.
 * Ordering:  as wk_value_dict_set.
 * Errors:    WK_CREATED: it is in; WK_EEXISTS: the key has a living object. Else as wk_value_dict_set.
 * Like:      cds_lfht_add_unique, C# ConditionalWeakTable.TryAdd.
 */
WK_API WK_MUST_USE int wk_value_dict_insert(wk_value_dict *dict, wk_key key, const void *object);

/**
 * wk_value_dict_get_or_insert - the living object of a key, or else this one, stored
 *
 * Ownership: borrows `object`, as wk_value_dict_set; the result is a strong reference of its own either way.
 * Threads:   any; all who call it for one absent key get the same object.
 * Context:   anywhere.
 * Progress:  as wk_value_dict_set.
 * Ordering:  as wk_value_dict_get and wk_value_dict_set.
 * Errors:    *status is WK_OK: the one that was there, or WK_CREATED: `object`. NULL on failure: as wk_value_dict_set.
 * Like:      WeakValueDictionary.setdefault, but atomic.
 */
WK_API WK_MUST_USE void *wk_value_dict_get_or_insert(wk_value_dict *dict, wk_key key, void *object, int *status);

/**
 * wk_value_dict_get_or_create - the living object of a key, or else a new one, made and stored
 *
 * A key with a living object: that one, nothing is made. Absent: make(key, context) runs, at most once in a call.
 *   - It succeeds: its product is stored, WK_CREATED; unless another thread stored a living object under the key
 *     meanwhile: then the product is released and that object returned, WK_OK.
 *   - It fails, or its thread ends in it: those who wait start over, and one of them runs its own factory.
 * A caller that is itself in a factory, a callback, a destructor or a read section never waits: WK_EDEADLOCK if it is
 * in the factory of this very key, else WK_EBUSY.
 *
 * Ownership: the result is owned, wk_release it once. `context` is borrowed for the call.
 * Threads:   any. With WK_CREATE_ONCE one factory at a time runs for a key.
 * Context:   anywhere; in a read section the factory runs in it too.
 * Progress:  WK_CREATE_ONCE waits for another thread's factory of the same key, the other modes never; runs `make`.
 * Ordering:  as wk_value_dict_get and wk_value_dict_set.
 * Errors:    NULL and *status: what the factory says; WK_EBUSY, WK_EDEADLOCK as above; WK_ENOMEM, WK_ESHUTDOWN before
 *            or after the factory ran, the product then being released; WK_ETYPE: so is a product of another type;
 *            WK_EINVAL: no factory, no such mode, or a key too long. On success *status is WK_OK or WK_CREATED.
 * Like:      Caffeine Cache.get(key, function), ConditionalWeakTable.GetOrAdd.
 */
WK_API WK_MUST_USE void *wk_value_dict_get_or_create(
	wk_value_dict *dict, wk_key key, wk_create_mode mode, wk_factory *make, void *context, int *status);

/**
 * wk_value_dict_remove - take a key out
 *
 * Ownership: a value held strongly is released before the call returns.
 * Threads:   any; of many threads that remove one entry exactly one gets WK_OK.
 * Context:   anywhere.
 * Progress:  lock-free, never allocates or waits.
 * Ordering:  acquire and release on the entry.
 * Errors:    WK_ENOTFOUND: absent, or its object is dead.
 * Like:      `del WeakValueDictionary[key]`.
 */
WK_API int wk_value_dict_remove(wk_value_dict *dict, wk_key key);

/**
 * wk_value_dict_remove_if - take a key out if it has that very object
 *
 * For an object that leaves: what was stored under its key meanwhile stays.
 *
 * Ownership: borrows `object`, held strongly by the caller; else as wk_value_dict_remove.
 * Threads:   any; as wk_value_dict_remove.
 * Context:   anywhere.
 * Progress:  as wk_value_dict_remove.
 * Ordering:  as wk_value_dict_remove.
 * Errors:    WK_ENOTFOUND: absent, dead, or another object.
 * Like:      Java ConcurrentMap.remove(key, value), by identity.
 */
WK_API int wk_value_dict_remove_if(wk_value_dict *dict, wk_key key, const void *object);

/**
 * wk_value_dict_pop - take a key out and get its object
 *
 * Ownership: the result is owned, wk_release it once; a value held strongly is handed over.
 * Threads:   any; of many threads that pop one entry exactly one gets the object.
 * Context:   anywhere.
 * Progress:  as wk_value_dict_remove.
 * Ordering:  as wk_value_dict_get and wk_value_dict_remove.
 * Errors:    NULL: absent, or its object is dead.
 * Like:      WeakValueDictionary.pop.
 */
WK_API WK_MUST_USE void *wk_value_dict_pop(wk_value_dict *dict, wk_key key);

/**
 * wk_value_dict_pop_any - take some entry out and get its object
 *
 * Who wants the key as well goes by cursor: wk_cursor_next, wk_cursor_key, and wk_value_dict_remove_if of the two.
 *
 * Ownership: as wk_value_dict_pop.
 * Threads:   any; of many threads that pop one entry exactly one gets the object.
 * Context:   anywhere.
 * Progress:  lock-free, never allocates or waits; linear in the table at worst, constant on average while a dictionary
 *            is emptied.
 * Ordering:  as wk_value_dict_pop.
 * Errors:    NULL: no entry was there during the whole call.
 * Like:      WeakValueDictionary.popitem.
 */
WK_API WK_MUST_USE void *wk_value_dict_pop_any(wk_value_dict *dict);

/**
 * wk_value_dict_len - how many entries have a living object
 *
 * Exact when nothing is in progress; never counts an object all of whose releases, nor an entry whose removal, have
 * returned.
 *
 * Ownership: none.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free; constant time.
 * Ordering:  none.
 * Errors:    none; never below 0.
 * Like:      len(WeakValueDictionary), Java size().
 */
WK_API size_t wk_value_dict_len(const wk_value_dict *dict);

/**
 * wk_value_dict_clear - take every entry out
 *
 * Every entry that is there during the whole call; what is stored meanwhile may stay.
 *
 * Ownership: values held strongly are released before the call returns.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in the table, in many short read sections; takes no lock, never waits.
 * Ordering:  as wk_value_dict_remove.
 * Errors:    none.
 * Like:      WeakValueDictionary.clear.
 */
WK_API void wk_value_dict_clear(wk_value_dict *dict);

/**
 * wk_value_dict_update - store all entries of another dictionary
 *
 * As a cursor meets them: each that is there during the whole call, and perhaps those that come or go.
 *
 * Ownership: borrows `from`, which may be `dict`; else as wk_value_dict_set for each.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in both tables; allocates.
 * Ordering:  as wk_value_dict_set.
 * Errors:    WK_OK. WK_EINVAL: keys of another kind or wk_key_type. Else as wk_value_dict_set, and what was stored before
 *            the failure stays.
 * Like:      WeakValueDictionary.update, `|=`.
 */
WK_API WK_MUST_USE int wk_value_dict_update(wk_value_dict *dict, const wk_value_dict *from);

/**
 * wk_value_dict_copy - a new dictionary with the same entries
 *
 * Ownership: the result is owned, wk_release it once; it has the options of `dict`. Values are shared, keys copied.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in the table; the new one is made in its final size; allocates.
 * Ordering:  as wk_value_dict_update.
 * Errors:    NULL and *status: as wk_value_dict_update and wk_value_dict_new. On success *status is WK_OK.
 * Like:      WeakValueDictionary.copy.
 */
WK_API WK_MUST_USE wk_value_dict *wk_value_dict_copy(const wk_value_dict *dict, int *status);

/**
 * wk_value_dict_merge - a new dictionary with the entries of two; where both have a key, the second's value
 *
 * Ownership: as wk_value_dict_copy; it has the options of `a`.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  as wk_value_dict_copy.
 * Ordering:  as wk_value_dict_update.
 * Errors:    as wk_value_dict_copy.
 * Like:      `WeakValueDictionary | WeakValueDictionary`.
 */
WK_API WK_MUST_USE wk_value_dict *wk_value_dict_merge(const wk_value_dict *a, const wk_value_dict *b, int *status);

/**
 * wk_value_dict_refs - weak handles of the values
 *
 * Not a snapshot: what comes or goes meanwhile may be in or not, and a value may be dead by the time its handle is
 * looked at. Strong values of a type with WK_TYPE_NO_WEAK are left out.
 *
 * Ownership: `refs` is the caller's, `capacity` long. What is stored there is owned, wk_weak_release each.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in the table, in many short read sections; takes no lock, never waits or allocates.
 * Ordering:  none.
 * Errors:    none; returns how many there are, of which at most `capacity` are stored.
 * Like:      WeakValueDictionary.valuerefs.
 */
WK_API size_t wk_value_dict_refs(const wk_value_dict *dict, wk_weak **refs, size_t capacity);

/* Keys. The bytes are the caller's: they must stay until the call that is given the key has returned. */
static inline wk_key wk_key_u64(uint64_t number)
{
	wk_key key = { NULL, number };

	return key;
}

static inline wk_key wk_key_bytes(const void *data, size_t length)
{
	wk_key key = { data ? data : "", length };

	return key;
}

static inline wk_key wk_key_string(const char *text)
{
	return wk_key_bytes(text, strlen(text));
}

static inline wk_key wk_key_custom(const void *custom)
{
	wk_key key = { custom, 0 };

	return key;
}

WK_END

#endif
