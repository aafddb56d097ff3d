/*
 * collect/value_many.c - get_many, peek_many: the cache misses of many lookups at once
 *
 * A lookup in a large dictionary waits for the bucket's line, and then for those of the entry and the control block, of
 * which the bucket has hints. Here lines are asked for in one pass over many keys and used in the next, so the waits of
 * all keys overlap. The first passes only ask: what they see is forgotten, and the last pass is the ordinary lookup, with
 * everything in reach.
 *
 * Layer: collect.
 */
#include "collect/values.h"

#include "sync/rcu.h"

#define MANY_BATCH 32u /* keys whose lines are asked for at once: as many as are still there when they are used */

struct many_lookup {
	struct wki_value_key key;
	const struct wki_bucket *bucket;
};

static void many_ask_bucket_rcu(const wk_value_dict *dict, struct many_lookup *lookup)
{
	const uint64_t hash = lookup->key.hash;
	struct wki_array *array = wki_slots_route(&dict->table.root, hash);

	lookup->bucket = wki_slots_home(array, hash);
	__builtin_prefetch(lookup->bucket);
}

/* Of the entry the line with the key, where its address is, too, mostly. The object is to be written if `writes`. */
WKI_INLINE void many_ask_entry_rcu(const struct many_lookup *lookup, bool writes)
{
	const size_t slot = wki_bucket_glance(lookup->bucket, lookup->key.hash);
	const struct wki_entry *entry;
	uint64_t word;

	if (slot == WKI_GLANCE_NONE)
		return;
	word = wki_slots_load(&lookup->bucket->slot[slot]);
	entry = wki_word_entry(word);
	if (entry == NULL)
		return; /* it has left between the two looks */
	__builtin_prefetch(&entry->key);
	wki_slots_prefetch(wki_bucket_hinted(lookup->bucket, slot, word), writes);
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
		many_ask_entry_rcu(&lookups[i], writes);
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
