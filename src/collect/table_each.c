/*
 * collect/table_each.c - visiting every entry: bucket by bucket while others use the table, and all of them at its end
 *
 * Layer: collect.
 */
#include "collect/entry.h"
#include "collect/move.h"
#include "collect/table.h"
#include "sync/rcu.h"

#define EACH_STRIDE 64u /* buckets that a container's end drains at a time */

/* Entries whose hash is below `from` are left out. */
static void bucket_each(struct wki_table *table, struct wki_bucket *bucket, uint64_t from,
			void (*visit)(struct wki_entry *entry, void *context), void *context)
{
	struct wki_entry *entry;
	unsigned i;

	for (; bucket != NULL; bucket = wki_word_bucket(wki_slots_load(&bucket->next))) {
		for (i = 0; i < WKI_BUCKET_SLOTS; i++) {
			entry = wki_word_entry(wki_slots_load(&bucket->slot[i]));
			if (entry != NULL && (from == 0 || wki_entry_hash(entry, table->seed) >= from))
				visit(entry, context);
		}
	}
}

bool wki_table_each_rcu(struct wki_table *table, uint64_t *from, void (*visit)(struct wki_entry *entry, void *context),
			void *context)
{
	struct wki_array *array = wki_slots_route(&table->root, *from);
	size_t home = wki_hash_home(*from, array->shift);
	bool begins = wki_home_hash(home, array->shift) == *from;

	bucket_each(table, &array->buckets[home], begins ? 0 : *from, visit, context);
	if (home + 1 == wki_slots_buckets(array))
		return false;
	*from = wki_home_hash(home + 1, array->shift);
	return true;
}

static bool array_bucket_has_moved(const struct wki_array *array, const struct wki_array *next, unsigned shift, size_t bucket)
{
	return wki_slots_is_moved(array, next, bucket >> (wki_unit_shift(array, next) - shift));
}

/*
 * Of a unit that has moved, the entries are the next array's; of one that has not, they are this one's, even if a mover has begun
 * to publish them there: one that a fork has left behind never ends.
 */
static bool table_bucket_counts(const struct wki_table *table, const struct wki_array *array, size_t bucket)
{
	const struct wki_array *before = wki_slots_current(&table->root), *next = wki_slots_next(array);

	if (next != NULL && array_bucket_has_moved(array, next, array->shift, bucket))
		return false;
	if (before == array)
		return true;
	while (wki_slots_next(before) != array)
		before = wki_slots_next(before);
	return array_bucket_has_moved(before, array, array->shift, bucket);
}

/*
 * What is in a slot ends and leaves it. Who ends it because its object died just now takes it out, too, if he can: only
 * what is frozen is the drain's alone.
 */
static void slot_drain(wki_atomic_u64 *slot, wki_table_end *end, void *context)
{
	struct wki_control *owned;
	struct wki_entry *entry;
	uint64_t word;

	wki_read_lock();
	word = wki_slots_load(slot);
	entry = wki_word_entry(word);
	owned = entry != NULL ? end(entry, context) : NULL;
	/* EAC-1 relaxed; pairs: none; weaker: not possible; check: unit/collect/table_test (nobody stores, moves or looks for a key any more) */
	if (entry != NULL && ((word & WKI_FROZEN) != 0 || atomic_cas_relaxed(slot, &word, WKI_FREE)))
		wki_entry_drop(entry);
	wki_read_unlock();
	if (owned != NULL)
		wki_control_release(owned, 1);
}

static void bucket_drain(struct wki_bucket *bucket, wki_table_end *end, void *context)
{
	unsigned i;

	for (; bucket != NULL; bucket = wki_word_bucket(wki_slots_load(&bucket->next))) {
		for (i = 0; i < WKI_BUCKET_SLOTS; i++) {
			if (wki_slots_load(&bucket->slot[i]) != 0)
				slot_drain(&bucket->slot[i], end, context);
		}
	}
}

bool wki_table_drain(struct wki_table *table, struct wki_table_drain *drain, wki_table_end *end, void *context)
{
	unsigned quota;

	if (drain->array == NULL)
		drain->array = wki_slots_current(&table->root);
	for (quota = EACH_STRIDE; quota > 0; quota--, drain->bucket++) {
		if (drain->bucket == wki_slots_buckets(drain->array)) {
			drain->array = wki_slots_next(drain->array);
			drain->bucket = 0;
		}
		if (drain->array == NULL)
			return false;
		if (table_bucket_counts(table, drain->array, drain->bucket))
			bucket_drain(&drain->array->buckets[drain->bucket], end, context);
	}
	return true;
}
