/*
 * collect/table_check.c - the invariants of slots.h and table.h, executed
 *
 * Layer: collect. Only while nobody else uses the table.
 */
#include "base/check.h"
#include "collect/entry.h"
#include "collect/move.h"
#include "collect/table.h"

struct table_tally {
	const struct wki_table *table;
	int64_t live;
};

static void check_that(bool holds, const struct wki_table *table, const char *what)
{
	if (!holds)
		wki_stop("broken invariant of the table at %p: %s", (const void *)table, what);
}

/* One word of a bucket that has authority over it. */
static void check_word(struct table_tally *tally, struct wki_array *array, size_t home, uint64_t word)
{
	struct wki_entry *entry = wki_word_entry(word);
	struct wki_place place;
	uint64_t hash;

	check_that(!wki_word_is_claim(word), tally->table, "every claim has been settled");
	if (entry == NULL)
		return;
	hash = wki_entry_hash(entry, tally->table->seed);
	check_that((word & ~(WKI_FROZEN | WKI_KEYED)) == wki_word_of(entry, hash), tally->table, "the tag is of the entry's hash");
	check_that(wki_hash_home(hash, array->shift) == home, tally->table, "the entry is at home");
	place = wki_slots_find(array, hash, wki_slots_is_entry, entry);
	check_that(wki_place_entry(&place) == entry, tally->table, "(S1) no EMPTY slot before the entry's");
	place = wki_slots_find(array, hash, wki_entry_same_entry, entry);
	check_that(wki_place_entry(&place) == entry, tally->table, "(S2) one entry of a key");
	tally->live += wki_entry_state_is_live(entry);
}

static void check_bucket(struct table_tally *tally, struct wki_array *array, size_t home)
{
	const struct wki_bucket *bucket = &array->buckets[home];
	unsigned i;

	for (; bucket != NULL; bucket = wki_word_bucket(wki_slots_load(&bucket->next))) {
		for (i = 0; i < WKI_BUCKET_SLOTS; i++)
			check_word(tally, array, home, wki_slots_load(&bucket->slot[i]));
	}
}

static bool check_has_authority(const struct wki_array *array, const struct wki_array *next, size_t bucket)
{
	return next == NULL || bucket >> (wki_unit_shift(array, next) - array->shift) >= wki_slots_frontier(array);
}

static void check_frontier(const struct wki_table *table, const struct wki_array *array, const struct wki_array *next)
{
	size_t unit;

	if (next == NULL) {
		check_that(wki_slots_frontier(array) == 0, table, "no frontier without a next array");
		return;
	}
	check_that(wki_slots_next(next) == NULL, table, "one migration at a time");
	for (unit = 0; unit < wki_slots_frontier(array); unit++)
		check_that(wki_slots_is_moved(array, next, unit), table, "(S5) units below the frontier have moved");
}

/* What has moved, of an array that has more buckets than there are units, or fewer: those of units below the frontier. */
static size_t check_first_unmoved(const struct wki_array *array, const struct wki_array *next)
{
	return wki_slots_frontier(array) << (wki_unit_shift(array, next) - next->shift);
}

void wki_table_check(const struct wki_table *table)
{
	struct wki_array *array = wki_slots_current(&table->root), *next = wki_slots_next(array);
	struct table_tally tally = { .table = table };
	struct wki_table_figures figures;
	size_t bucket;

	check_frontier(table, array, next);
	for (bucket = 0; bucket < wki_slots_buckets(array); bucket++) {
		if (check_has_authority(array, next, bucket))
			check_bucket(&tally, array, bucket);
	}
	for (bucket = 0; next != NULL && bucket < check_first_unmoved(array, next); bucket++)
		check_bucket(&tally, next, bucket);
	wki_table_read(table, &figures);
	check_that(tally.live == figures.live, table, "live is the number of entries that are LIVE");
}
