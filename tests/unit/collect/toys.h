/*
 * toys.h - the slot protocol by one thread, with toys for entries: a hash, a key, whether they have ended
 *
 * What several threads do to each other is explored in tests/explore.
 */
#ifndef UNIT_COLLECT_TOYS_H
#define UNIT_COLLECT_TOYS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collect/claim.h"
#include "collect/move.h"

struct wki_entry {
	_Alignas(16) uint64_t hash;
	uint64_t key;
	bool dead;
	int dropped;
};

/* Buckets may be refused, and are counted. */
struct memory {
	int buckets, refuse;
};

static inline uint64_t toy_hash(void *context, const struct wki_entry *entry)
{
	(void)context;
	return entry->hash;
}

static inline bool toy_is_kept(const struct wki_entry *entry)
{
	return !entry->dead;
}

static inline void toy_dropped(void *context, struct wki_entry *entry)
{
	(void)context;
	entry->dropped++;
}

static inline struct wki_bucket *toy_bucket_new(void *context)
{
	struct memory *memory = context;
	struct wki_bucket *bucket;

	if (memory->refuse > 0 && memory->refuse-- == 1)
		return NULL;
	bucket = aligned_alloc(64, sizeof(*bucket));
	memset(bucket, 0, sizeof(*bucket));
	memory->buckets++;
	return bucket;
}

static inline void toy_bucket_free(void *context, struct wki_bucket *bucket)
{
	struct memory *memory = context;

	memory->buckets--;
	free(bucket);
}

static const struct wki_slots_ops ops = { toy_hash, toy_is_kept, toy_dropped, toy_bucket_new, toy_bucket_free, NULL, NULL };

static inline bool toy_same(const struct wki_entry *entry, uint64_t hash, const void *key)
{
	return entry->hash == hash && entry->key == *(const uint64_t *)key;
}

static inline void *toy_take(struct wki_entry *entry, void *context)
{
	(void)context;
	return entry->dead ? NULL : entry;
}

struct toys {
	struct memory memory;
	wki_array_root root;
	struct wki_array array[4];
	unsigned arrays;
};

static inline struct wki_array *array_new(struct toys *toys, unsigned bits)
{
	struct wki_array *array = &toys->array[toys->arrays++];

	array->shift = wki_slots_shift(bits);
	array->buckets = aligned_alloc(64, sizeof(struct wki_bucket) << bits);
	memset(array->buckets, 0, sizeof(struct wki_bucket) << bits);
	return array;
}

static inline int toys_setup(void **state)
{
	*state = calloc(1, sizeof(struct toys));
	return *state == NULL ? -1 : 0;
}

static inline void free_overflow(struct toys *toys, struct wki_array *array)
{
	size_t home;

	for (home = 0; home < wki_slots_buckets(array); home++) {
		struct wki_bucket *bucket = wki_word_bucket(wki_slots_load(&array->buckets[home].next)), *next;

		for (; bucket != NULL; bucket = next) {
			next = wki_word_bucket(wki_slots_load(&bucket->next));
			toy_bucket_free(&toys->memory, bucket);
		}
	}
}

/* Every bucket that was made and not given back is in an array. */
static inline int toys_teardown(void **state)
{
	struct toys *toys = *state;
	int leaked;

	for (unsigned i = 0; i < toys->arrays; i++) {
		free_overflow(toys, &toys->array[i]);
		free(toys->array[i].buckets);
	}
	leaked = toys->memory.buckets;
	free(toys);
	return leaked;
}

/* A hash with its home in the top bits, its start and its tag where they are looked for. */
static inline uint64_t hash_of(unsigned home_byte, unsigned start, unsigned tag)
{
	uint64_t middle = (start * 256 + WKI_BUCKET_SLOTS - 1) / WKI_BUCKET_SLOTS;

	assert_int_equal(wki_hash_start(middle << 16), start);
	return (uint64_t)home_byte << 56 | middle << 16 | tag;
}

static inline struct wki_place place_of(struct toys *toys, uint64_t hash, uint64_t key)
{
	return wki_slots_find_room(wki_slots_route(&toys->root, hash), hash, toy_same, &key, &ops);
}

static inline struct wki_entry *get(struct toys *toys, uint64_t hash, uint64_t key)
{
	return wki_slots_get(&toys->root, hash, toy_same, &key, toy_take, NULL);
}

static inline enum wki_stored store_at(struct toys *toys, const struct wki_place *place, struct wki_entry *entry)
{
	return wki_slots_store(place, entry->hash, entry, toy_same, &entry->key, &ops, &toys->memory);
}

static inline enum wki_stored store(struct toys *toys, struct wki_entry *entry)
{
	struct wki_place place = place_of(toys, entry->hash, entry->key);

	return store_at(toys, &place, entry);
}

#define TOY_TEST(test) cmocka_unit_test_setup_teardown(test, toys_setup, toys_teardown)

#endif
