/*
 * tests/unit/collect/dictionary.h - a value dictionary with its insides in view, and values to put in
 *
 * The including file defines the runtime around its tests (api/runtime_fixture.h).
 */
#ifndef TESTS_UNIT_COLLECT_DICTIONARY_H
#define TESTS_UNIT_COLLECT_DICTIONARY_H

#include "api/runtime_fixture.h"

#include <stdlib.h>

#include "collect/values.h"
#include "sync/rcu.h"

struct value {
	uint64_t id;
};
WK_DEFINE_TYPE(value_type, struct value, .flags = 0);

static inline struct value *value_new(uint64_t id)
{
	struct value *value = wk_new(&value_type);

	if (value != NULL)
		value->id = id;
	return value;
}

static inline wk_value_dict *dictionary_new(wk_value_mode values, size_t expected, const wk_allocator *allocator)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options),
						.name = "test",
						.values = values,
						.value_type = &value_type,
						.expected = expected,
						.allocator = allocator };

	return wk_value_dict_new(&options, NULL);
}

/* Numbers without a pattern: those in a row are spread more evenly than chance would. */
static inline uint64_t scrambled(uint64_t i)
{
	i = (i ^ i >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	i = (i ^ i >> 27) * UINT64_C(0x94d049bb133111eb);
	return i ^ i >> 31;
}

static inline struct wki_table_figures figures_of(const wk_value_dict *dict)
{
	struct wki_table_figures figures;

	wki_table_read(&dict->table, &figures);
	return figures;
}

static inline void count_ended(struct wki_entry *entry, void *count)
{
	if (!wki_entry_state_is_live(entry))
		++*(unsigned *)count;
}

/* Entries that have ended and are in their slots still. */
static inline unsigned ended_of(const wk_value_dict *dict)
{
	struct wki_table *table = (struct wki_table *)(uintptr_t)&dict->table;
	uint64_t from = 0;
	unsigned count = 0;
	bool more;

	do {
		wki_read_lock();
		more = wki_table_each_rcu(table, &from, count_ended, &count);
		wki_read_unlock();
	} while (more);
	return count;
}

/* Overflow buckets of the array in authority. */
static inline size_t overflow_of(const wk_value_dict *dict)
{
	const struct wki_array *array = wki_slots_current(&dict->table.root);
	const struct wki_bucket *bucket;
	size_t home, count = 0;

	for (home = 0; home < wki_slots_buckets(array); home++) {
		bucket = wki_word_bucket(wki_slots_load(&array->buckets[home].next));
		for (; bucket != NULL; bucket = wki_word_bucket(wki_slots_load(&bucket->next)))
			count++;
	}
	return count;
}

/* What the runner has been asked for is done: its own mails follow one another, a barrier waits for one at a time. */
static inline void settle_table(wk_value_dict *dict)
{
	uint32_t asked;

	do {
		settle();
		asked = atomic_load_acquire(&dict->table.asked);
	} while (asked != 0);
	wki_table_check(&dict->table);
}

#endif
