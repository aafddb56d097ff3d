/*
 * slots_moving.h - the dictionary of slots_world.h moves: collect/move.h, or one step of it done wrong
 */
#ifndef EXPLORE_SLOTS_MOVING_H
#define EXPLORE_SLOTS_MOVING_H

#include "slots_world.h"

/* Moving, with the steps that a planted bug does wrong. */

static uint64_t freeze_badly(wki_atomic_u64 *slot)
{
	uint64_t word = wki_slots_load(slot), frozen = word | WKI_FROZEN;

	if (word & WKI_FROZEN)
		return word;
	if (config->bug == STALE_WORD) {
		(void)wki_slots_freeze(slot, &ops, NULL);
		return frozen;
	}
	frozen = wki_slots_freeze(slot, &ops, NULL);
	if (config->bug == DROPS_KEPT && wki_word_entry(frozen) != NULL)
		drop_hold(wki_word_entry(frozen));
	return frozen;
}

static bool lay_badly(struct wki_bucket *bucket, struct wki_bucket *image, size_t first, unsigned shift)
{
	struct wki_entry *entry;
	uint64_t word;

	for (; bucket != NULL;) {
		for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++) {
			word = freeze_badly(&bucket->slot[i]);
			entry = wki_word_entry(word);
			if (entry == NULL || (config->bug == LOOKS_AT_STATE && !state_is_live(entry)))
				continue;
			if (!wki_slots_lay(&image[wki_hash_home(entry_hash(NULL, entry), shift) - first], word & ~WKI_FROZEN, entry->hash, &ops, NULL))
				return false;
		}
		if (config->bug == FORGETS_NEXT)
			bucket = wki_word_bucket(wki_slots_load(&bucket->next));
		else
			bucket = wki_slots_freeze_next(bucket);
	}
	return true;
}

static void publish_badly(struct wki_bucket *bucket, const struct wki_bucket *image)
{
	if (config->bug != PUBLISHES_BY_STORE) {
		wki_slots_publish(bucket, image, &ops, NULL);
		return;
	}
	for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++)
		if (image->image[i] != 0)
			atomic_store_release(&bucket->slot[i], image->image[i]);
}

static bool move_badly(struct wki_array *array, struct wki_array *next, size_t unit)
{
	const unsigned shift = wki_unit_shift(array, next);
	const size_t sources = (size_t)1 << (shift - array->shift), targets = (size_t)1 << (shift - next->shift);
	struct wki_bucket *from = wki_unit_bucket(array, next, unit), *to = wki_unit_bucket(next, array, unit);
	struct wki_bucket image[2] = { 0 };

	for (size_t i = 0; i < sources; i++)
		if (!lay_badly(&from[i], image, unit * targets, next->shift))
			return false;
	if (config->bug == PASSES_UNMOVED)
		(void)atomic_fetch_or_release(&from->next, WKI_MOVED);
	for (size_t i = 0; i < targets; i++)
		publish_badly(&to[i], &image[i]);
	(void)atomic_fetch_or_release(&from->next, WKI_MOVED);
	return true;
}

static bool moves_badly(void)
{
	return config->bug >= FORGETS_NEXT && config->bug <= DROPS_KEPT && config->bug != PASSES_FROM_OUTSIDE;
}

static bool help_one(struct wki_array *array, struct wki_array *next)
{
	size_t unit;

	if (!moves_badly())
		return wki_slots_help(array, next, &ops, NULL);
	unit = wki_slots_claim(array, wki_slots_units(array, next));
	if (unit < wki_slots_units(array, next) && !wki_slots_is_moved(array, next, unit) && !move_badly(array, next, unit))
		return false;
	wki_slots_advance(array, next);
	return true;
}

static void finish_migration(struct wki_array *array, struct wki_array *next)
{
	if (!wki_slots_finish(&table->root, array, next))
		return;
	if (config->bug == FREES_ARRAY)
		array_free(array);
	else
		explore_retire(array, array_free);
}

static bool pass_badly(struct wki_array *array, struct wki_array *next, uint64_t hash)
{
	size_t unit = wki_hash_home(hash, wki_unit_shift(array, next)), frontier;

	while ((frontier = wki_slots_frontier(array)) <= unit) {
		if (!wki_slots_is_moved(array, next, frontier) && !move_badly(array, next, frontier))
			return false;
		wki_slots_advance(array, next);
	}
	return true;
}

/* A frozen place is in the way. */
static bool pass(struct wki_array *array, uint64_t hash)
{
	struct wki_array *next = wki_slots_next(array);
	bool passed = moves_badly() ? pass_badly(array, next, hash) : wki_slots_pass(array, hash, &ops, NULL);

	finish_migration(array, next);
	return passed;
}

/* An insert's share: one unit. Without memory it goes on. */
static void help_rcu(void)
{
	struct wki_array *array = wki_slots_current(&table->root), *next = wki_slots_next(array);

	if (next != NULL && help_one(array, next))
		finish_migration(array, next);
}

#endif
