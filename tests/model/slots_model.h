/*
 * slots_model.h - a table of collect/slots.h, collect/claim.h and collect/move.h for the drivers
 *
 * Buckets of two slots, entries with a state and holds, values that are numbers: an entry is
 * live while its state is LIVE (death is a change of state by somebody, here as in the
 * library). Who ends one takes it out of its slot, unless he is stopped in between, which a driver
 * shows by a thread that comes to it late or never. Threads free what they retire after a grace
 * period of their own.
 */
#ifndef SLOTS_MODEL_H
#define SLOTS_MODEL_H

#define WKI_BUCKET_SLOTS 2u
#include "collect/claim.h"
#include "collect/move.h"
#include "core/watch.h"

#include "model.h"

struct wki_entry {
	struct wki_watch watch; /* state and holds */
	uint64_t hash;
	int key, value;
};

static wki_array_root root;
static wki_atomic_u64 live; /* the container's length; wraps */
static _Thread_local struct model_limbo limbo;

/* Hashes with the top bit clear: they stay in bucket 0 of up to two buckets. Key 2 starts at the other slot. */
static uint64_t hash_of(int key)
{
	return (key == 2 ? UINT64_C(0xff0000) : 0) | (uint64_t)(key + 1);
}

static bool same_key(const struct wki_entry *entry, uint64_t hash, const void *key)
{
	return entry->hash == hash && entry->key == *(const int *)key;
}

static uint64_t entry_hash(void *context, const struct wki_entry *entry)
{
	(void)context;
	return entry->hash;
}

static bool is_live(const struct wki_entry *entry)
{
	return wki_watch_state(&entry->watch) == WKI_WATCH_LIVE;
}

static void drop_hold(struct wki_entry *entry)
{
	if (wki_watch_drop_hold(&entry->watch))
		model_retire(&limbo, entry);
}

static void entry_dropped(void *context, struct wki_entry *entry)
{
	(void)context;
	drop_hold(entry);
}

static struct wki_bucket *bucket_new(void *context)
{
	(void)context;
	return model_allocate(sizeof(struct wki_bucket));
}

static void bucket_free(void *context, struct wki_bucket *bucket)
{
	(void)context;
	free(bucket);
}

static const struct wki_slots_ops ops = { entry_hash, is_live, entry_dropped, bucket_new, bucket_free, NULL, NULL };

static inline struct wki_array *array_new(unsigned bits)
{
	struct wki_array *array = model_allocate(sizeof(*array));

	array->buckets = model_allocate(sizeof(struct wki_bucket) << bits);
	array->shift = wki_slots_shift(bits);
	return array;
}

static inline void array_retire(struct wki_array *array)
{
	for (size_t i = 0; i < wki_slots_buckets(array); i++) {
		struct wki_bucket *overflow = wki_word_bucket(wki_slots_load(&array->buckets[i].next));

		for (; overflow != NULL; overflow = wki_word_bucket(wki_slots_load(&overflow->next)))
			model_retire(&limbo, overflow);
	}
	model_retire(&limbo, array->buckets);
	model_retire(&limbo, array);
}

/* One unit of the migration that runs. */
static inline void help(unsigned me)
{
	struct wki_array *array, *next;

	model_read_lock(me);
	array = wki_slots_current(&root);
	next = wki_slots_next(array);
	if (next != NULL && wki_slots_help(array, next, &ops, NULL) && wki_slots_finish(&root, array, next))
		array_retire(array);
	model_read_unlock(me);
	model_reclaim(&limbo);
}

static inline struct wki_entry *entry_new(int key, int value)
{
	struct wki_entry *entry = model_allocate(sizeof(*entry));

	wki_watch_init(&entry->watch, 0, 1);
	entry->hash = hash_of(key);
	entry->key = key;
	entry->value = value;
	return entry;
}

/* One attempt of an insert, or of a set. */
enum put { PUT_STORED, PUT_EXISTS, PUT_AGAIN, PUT_LOST };

/* What was in the place is out of it: a live entry of the key ends, unless somebody else ends it. */
static inline void put_settle(const struct wki_place *place, bool was_live)
{
	struct wki_entry *old = wki_place_entry(place);

	if (!was_live || !wki_watch_move(&old->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED))
		(void)atomic_fetch_add_relaxed(&live, 1);
	if (old != NULL)
		drop_hold(old);
}

/* An entry of another key that has ended was in the slot that was claimed. */
static inline void put_displace(const struct wki_place *place)
{
	bool is_slot = place->claims && place->word != &place->bucket->next;

	if (is_slot && wki_word_entry(place->seen) != NULL)
		drop_hold(wki_word_entry(place->seen));
}

static inline enum put put_rcu(struct wki_entry *entry, bool replace)
{
	struct wki_array *array = wki_slots_route(&root, entry->hash);
	struct wki_place place = wki_slots_find_room(array, entry->hash, same_key, &entry->key, &ops);
	struct wki_entry *old = wki_place_entry(&place);
	bool was_live = old != NULL && is_live(old);

	if (was_live && !replace)
		return PUT_EXISTS;
	switch (wki_slots_store(&place, entry->hash, entry, same_key, &entry->key, &ops, NULL)) {
	case WKI_STORED:
		put_displace(&place);
		put_settle(&place, was_live);
		return PUT_STORED;
	case WKI_STORE_LOST:
		put_displace(&place);
		return PUT_LOST;
	case WKI_STORE_FROZEN:
		(void)wki_slots_pass(place.array, entry->hash, &ops, NULL);
		return PUT_AGAIN;
	default:
		return PUT_AGAIN;
	}
}

/* insert, or set; true: stored. An entry that has lost was seen by others, and is not stored again. */
static inline bool put(unsigned me, int key, int value, bool replace)
{
	struct wki_entry *entry = entry_new(key, value);
	enum put result;

	do {
		model_read_lock(me);
		result = put_rcu(entry, replace);
		model_read_unlock(me);
		if (result == PUT_LOST) {
			model_retire(&limbo, entry);
			entry = entry_new(key, value);
		}
	} while (result == PUT_AGAIN || result == PUT_LOST);
	if (result == PUT_EXISTS)
		free(entry);
	model_reclaim(&limbo);
	return result == PUT_STORED;
}

static void *take_value(struct wki_entry *entry, void *value)
{
	if (!is_live(entry))
		return NULL;
	*(int *)value = entry->value;
	return entry;
}

/* get - the value, 0: absent */
static inline int get(unsigned me, int key)
{
	int value = 0;

	model_read_lock(me);
	(void)wki_slots_get(&root, hash_of(key), same_key, &key, take_value, &value);
	model_read_unlock(me);
	return value;
}

static void *take_end(struct wki_entry *entry, void *state)
{
	if (!wki_watch_move(&entry->watch, WKI_WATCH_LIVE, *(enum wki_watch_state *)state))
		return NULL;
	(void)atomic_fetch_sub_relaxed(&live, 1);
	return entry;
}

/*
 * remove (REMOVED), or the death of the value that is there (FIRED), by somebody who is stopped before he takes it
 * out of its slot; true: something was
 */
static inline bool end_key_only(unsigned me, int key, enum wki_watch_state state)
{
	bool ended;

	model_read_lock(me);
	ended = wki_slots_get(&root, hash_of(key), same_key, &key, take_end, &state) != NULL;
	model_read_unlock(me);
	return ended;
}

static inline void vacate_rcu(struct wki_entry *entry)
{
	if (wki_slots_vacate(&root, entry->hash, entry))
		drop_hold(entry);
}

/* The same to its end. It waits for nobody, so that what the thread does next may race with what others have begun; that reclaims. */
static inline bool end_key(unsigned me, int key, enum wki_watch_state state)
{
	struct wki_entry *entry;

	model_read_lock(me);
	entry = wki_slots_get(&root, hash_of(key), same_key, &key, take_end, &state);
	if (entry != NULL)
		vacate_rcu(entry);
	model_read_unlock(me);
	return entry != NULL;
}

/* The key's entry, whatever has become of it. */
static inline struct wki_entry *find_entry(int key)
{
	struct wki_place place = wki_slots_find(wki_slots_route(&root, hash_of(key)), hash_of(key), same_key, &key);

	return wki_place_entry(&place);
}

/* The main thread's: a table of 2^bits buckets, a migration to 2^next_bits, the final check and the end. */

static inline void table_begin(unsigned bits)
{
	wki_slots_init(&root, array_new(bits));
}

static inline void table_start(unsigned next_bits)
{
	bool started = wki_slots_start(wki_slots_current(&root), array_new(next_bits));

	assert(started);
	(void)started;
}

static inline void drop_bucket(struct wki_bucket *bucket)
{
	for (; bucket != NULL; bucket = wki_word_bucket(wki_slots_load(&bucket->next)))
		for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
			if (wki_word_entry(wki_slots_load(&bucket->slot[i])) != NULL)
				drop_hold(wki_word_entry(wki_slots_load(&bucket->slot[i])));
}

static inline void table_end(void)
{
	struct wki_array *array = wki_slots_current(&root), *next;

	for (; array != NULL; array = next) {
		next = wki_slots_next(array);
		for (size_t i = 0; i < wki_slots_buckets(array); i++)
			if (next == NULL || !wki_slots_is_moved(array, next, i >> (wki_unit_shift(array, next) - array->shift)))
				drop_bucket(&array->buckets[i]);
		array_retire(array);
		model_reclaim(&limbo);
	}
}

static inline uint64_t length(void)
{
	return atomic_load_relaxed(&live);
}

#endif
