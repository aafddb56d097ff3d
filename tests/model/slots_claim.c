/*
 * slots_claim.c - two inserts of one key where two slots are free, and each takes another one
 *
 * The home bucket is full. One slot is of an entry that has ended; the other one is taken out by the
 * second thread before it inserts, and comes earlier in the key's probe order. So the first thread
 * claims either. Shows: each sees the other's claim or is seen by it; one stores, the other finds
 * it; one entry of the key is there afterwards. With STOPPED nobody takes the first of those
 * entries out either: its slot is claimed over it, and its memory goes once. With HELPERS a third
 * thread inserts the key, too: it settles claims that it has only met.
 */
#include "slots_model.h"

#ifndef STOPPED
#define STOPPED 0
#endif
#ifndef HELPERS
#define HELPERS 0
#endif

static bool stored[3];

static void *first(void *unused)
{
	stored[0] = put(0, 0, 1, false);
	return unused;
}

static void *second(void *unused)
{
	assert(end_key(1, 1, WKI_WATCH_REMOVED));
	stored[1] = put(1, 0, 2, false);
	return unused;
}

static void *helper(void *unused)
{
	stored[2] = put(2, 0, 3, false);
	return unused;
}

static unsigned entries_of(int key)
{
	struct wki_bucket *bucket = &wki_slots_current(&root)->buckets[0];
	struct wki_entry *entry;
	unsigned found = 0;

	for (; bucket != NULL; bucket = wki_word_bucket(wki_slots_load(&bucket->next))) {
		for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++) {
			assert(!wki_word_is_claim(wki_slots_load(&bucket->slot[i])));
			entry = wki_word_entry(wki_slots_load(&bucket->slot[i]));
			found += entry != NULL && entry->key == key;
		}
	}
	return found;
}

int main(void)
{
	unsigned winner;

	table_begin(0);
	(void)put(3, 1, 8, false);
	(void)put(3, 2, 9, false);
	if (STOPPED)
		(void)end_key_only(3, 2, WKI_WATCH_REMOVED);
	else
		(void)end_key(3, 2, WKI_WATCH_REMOVED);
	model_run(first, second, HELPERS ? helper : NULL);
	assert(stored[0] + stored[1] + stored[2] == 1);
	winner = stored[0] ? 1 : stored[1] ? 2 : 3;
	assert(get(3, 0) == (int)winner);
	assert(get(3, 1) == 0 && get(3, 2) == 0);
	assert(entries_of(0) == 1 && length() == 1);
	table_end();
	return 0;
}
