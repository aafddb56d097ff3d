/*
 * collect/value_many.c - get_many, peek_many: the cache misses of many lookups at once
 *
 * A lookup in a large dictionary waits for the bucket's line, then for the entry's and the control block's: these two
 * together where it is led by a hint (slots.h), one after the other where it is not. Here each line is asked for in one
 * pass over many keys and used in the next, so the waits of all keys overlap, and hints are not needed. The first passes
 * only ask: what they see is forgotten, and the last pass is the ordinary lookup, with everything in reach.
 *
 * Layer: collect.
 */
#include "collect/values.h"

#include "sync/rcu.h"

#define MANY_BATCH 32u /* keys whose lines are asked for at once: as many as are still there when they are used */

struct many_lookup {
	struct wki_value_key key;
	const struct wki_bucket *bucket;
	const struct wki_entry *entry; /* has the key's tag; NULL: no such entry in the first bucket */
};

static void many_ask_bucket_rcu(const wk_value_dict *dict, struct many_lookup *lookup)
{
	const uint64_t hash = lookup->key.hash;
	struct wki_array *array = wki_slots_route(&dict->table.root, hash);

	lookup->bucket = &array->buckets[wki_hash_home(hash, array->shift)];
	__builtin_prefetch(lookup->bucket);
}

static void many_ask_entry_rcu(struct many_lookup *lookup)
{
	const uint64_t tag = wki_hash_tag(lookup->key.hash);
	unsigned i = wki_hash_start(lookup->key.hash), left;
	uint64_t word;

	lookup->entry = NULL;
	for (left = WKI_BUCKET_SLOTS; left > 0; left--) {
		word = wki_slots_load(&lookup->bucket->slot[i]);
		if ((word & WKI_WORD_TAG) == tag) {
			lookup->entry = wki_word_entry(word);
			__builtin_prefetch(lookup->entry);
			return;
		}
		if ((word & ~WKI_FROZEN) == 0)
			return;
		i = i + 1 == WKI_BUCKET_SLOTS ? 0 : i + 1;
	}
}

/* Where the count will be written the line is asked for as one's own. */
WKI_INLINE void many_ask_control_rcu(const struct many_lookup *lookup, bool writes)
{
	if (lookup->entry == NULL || !wki_entry_state_is_live(lookup->entry))
		return;
	if (writes)
		__builtin_prefetch(lookup->entry->control, 1);
	else
		__builtin_prefetch(lookup->entry->control);
}

/* What `take` makes of each key's entry; in one section, a batch being short. */
WKI_INLINE size_t many_look(const wk_value_dict *dict, const wk_key *keys, size_t count, void **objects,
			    void *(*take)(struct wki_entry *entry, void *unused), bool writes)
{
	struct many_lookup lookups[MANY_BATCH];
	size_t i, found = 0;

	for (i = 0; i < count; i++)
		lookups[i].key = wki_value_key(dict, keys[i]);
	wki_read_lock();
	for (i = 0; i < count; i++)
		many_ask_bucket_rcu(dict, &lookups[i]);
	for (i = 0; i < count; i++)
		many_ask_entry_rcu(&lookups[i]);
	for (i = 0; i < count; i++)
		many_ask_control_rcu(&lookups[i], writes);
	for (i = 0; i < count; i++) {
		objects[i] = wki_value_get_rcu(dict, &lookups[i].key, take, NULL);
		found += objects[i] != NULL;
	}
	wki_read_unlock();
	return found;
}

size_t wk_value_dict_get_many(const wk_value_dict *dict, const wk_key *keys, size_t count, void **objects)
{
	size_t found = 0, done, batch;

	for (done = 0; done < count; done += batch) {
		batch = count - done < MANY_BATCH ? count - done : MANY_BATCH;
		found += many_look(dict, keys + done, batch, objects + done, wki_value_take_strong, true);
	}
	return found;
}

size_t wk_value_dict_peek_many(const wk_value_dict *dict, const wk_key *keys, size_t count, void **objects)
{
	size_t found = 0, done, batch;

	if (!wki_read_join() && WKI_CHECK_LEVEL >= 1)
		wki_stop("value dictionary \"%s\": peeked outside a read section", dict->name);
	for (done = 0; done < count; done += batch) {
		batch = count - done < MANY_BATCH ? count - done : MANY_BATCH;
		found += many_look(dict, keys + done, batch, objects + done, wki_value_take_borrowed, false);
	}
	return found;
}
