/*
 * slots_dictionary.h - set, insert, get, peek and remove on the table of slots_world.h, as a dictionary does them
 */
#ifndef EXPLORE_SLOTS_DICTIONARY_H
#define EXPLORE_SLOTS_DICTIONARY_H

#include "slots_moving.h"

/* Storing. */

static enum wki_stored store_rcu(const struct wki_place *place, struct wki_entry *entry)
{
	if (config->bug != REPLACES_ANYTHING || place->word == &place->bucket->next || (place->seen & WKI_FROZEN))
		return wki_slots_store(place, entry->hash, entry, &ops, NULL);
	atomic_store_release((wki_atomic_u64 *)place->word, wki_word_of(entry, entry->hash));
	return WKI_STORED;
}

/* true: it was the caller who ended it */
static bool flight_end(struct wki_entry *entry, enum flight how)
{
	uint64_t pending = FLIGHT_PENDING;

	return atomic_cas_release(&entry->flight, &pending, how);
}

/* What was in the place leaves its slot. If it was live, its end is the caller's; if not, its walker's. */
static void replaced_rcu(struct wki_entry *old, bool was_live)
{
	bool ended = was_live && wki_watch_move(&old->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED);

	if (config->bug == TAKES_STATE && !was_live && wki_watch_move(&old->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED))
		end_rcu(old);
	if (ended)
		end_rcu(old);
	else
		(void)atomic_fetch_add_relaxed(&table->live, 1);
	(void)flight_end(old, FLIGHT_DONE);
	drop_hold(old);
}

enum put { PUT_STORED, PUT_EXISTS, PUT_NO_MEMORY, PUT_AGAIN };

static enum put put_once_rcu(struct wki_array *outside, struct wki_entry *entry, bool replace)
{
	struct wki_array *array = outside == NULL ? wki_slots_route(&table->root, entry->hash) : outside;
	struct wki_place place = wki_slots_find(array, entry->hash, same_key, &entry->key);
	struct wki_entry *old = wki_place_entry(&place);
	bool was_live = old != NULL && entry_is_live(old);

	if (was_live && !replace)
		return PUT_EXISTS;
	if (config->equal && old != NULL && !was_live && config->bug != REUSES_DEAD)
		return PUT_AGAIN; /* it has died since it was found, and is passed over now */
	if (was_live && config->bug == STATE_FIRST && wki_watch_move(&old->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED)) {
		(void)atomic_fetch_sub_relaxed(&table->live, 1);
		end_rcu(old);
		was_live = false;
	}
	switch (store_rcu(&place, entry)) {
	case WKI_STORED:
		if (old != NULL)
			replaced_rcu(old, was_live);
		else
			(void)atomic_fetch_add_relaxed(&table->live, 1);
		return PUT_STORED;
	case WKI_STORE_FROZEN:
		return pass(place.array, entry->hash) ? PUT_AGAIN : PUT_NO_MEMORY;
	case WKI_STORE_NO_MEMORY:
		return PUT_NO_MEMORY;
	case WKI_STORE_AGAIN:
	default:
		return PUT_AGAIN;
	}
}

static unsigned put(unsigned key, unsigned object, bool replace)
{
	struct wki_entry *entry = entry_new(key, objects[object]);
	struct wki_array *outside = NULL;
	enum put result;

	if (config->strong)
		(void)wki_count_retain(&objects[object]->count, 1);
	if (config->bug == PASSES_FROM_OUTSIDE)
		outside = wki_slots_route(&table->root, entry->hash);
	do {
		explore_read_lock();
		if (!config->lazy)
			help_rcu();
		result = put_once_rcu(outside, entry, replace);
		if (result == PUT_STORED && !config->strong)
			wki_watch_push(&objects[object]->watches, &entry->watch);
		explore_read_unlock();
		outside = NULL;
	} while (result == PUT_AGAIN);
	if (result == PUT_STORED)
		return 1;
	if (config->strong)
		release_object(objects[object]);
	explore_free(entry);
	return result == PUT_EXISTS ? 0 : 2;
}

/* Looking. */

static void *take_upgrade(struct wki_entry *entry, void *context)
{
	(void)context;
	if (!state_is_live(entry))
		return NULL;
	return wki_count_upgrade(&entry->object->count) & WKI_STRONG_DEAD ? NULL : entry->object;
}

static void *take_peek(struct wki_entry *entry, void *context)
{
	(void)context;
	return entry_is_live(entry) ? entry->object : NULL;
}

static void *take_end(struct wki_entry *entry, void *context)
{
	(void)context;
	if (!entry_is_live(entry) || !wki_watch_move(&entry->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED))
		return NULL;
	(void)atomic_fetch_sub_relaxed(&table->live, 1);
	return entry;
}

static void *look_rcu(unsigned key, void *(*take)(struct wki_entry *entry, void *context))
{
	uint64_t hash = hash_of(key);
	uint8_t wanted = (uint8_t)key;
	struct wki_place place;

	if (config->bug != NEVER_LOOKS_AGAIN)
		return wki_slots_get(&table->root, hash, same_key, &wanted, take, NULL);
	place = wki_slots_find(wki_slots_route(&table->root, hash), hash, same_key, &wanted);
	return wki_place_entry(&place) == NULL ? NULL : take(wki_place_entry(&place), NULL);
}

#endif
