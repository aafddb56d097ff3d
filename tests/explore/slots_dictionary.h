/*
 * slots_dictionary.h - set, insert, get, peek and remove on the table of slots_world.h, as a dictionary does them
 */
#ifndef EXPLORE_SLOTS_DICTIONARY_H
#define EXPLORE_SLOTS_DICTIONARY_H

#include "slots_moving.h"

/* Storing. */

static bool never_same(const struct wki_entry *entry, uint64_t hash, const void *key)
{
	(void)entry, (void)hash, (void)key;
	return false;
}

static bool same_living_key(const struct wki_entry *entry, uint64_t hash, const void *key)
{
	return same_key(entry, hash, key) && entry_is_kept(entry);
}

/* A claim that settles with another idea of what is in its way. */
static wki_same_key *settles_by(void)
{
	if (config->bug == WINS_UNSEEN)
		return never_same;
	return config->bug == WINS_OVER_ENTRY ? same_living_key : same_key;
}

static enum wki_stored store_badly(const struct wki_place *place, struct wki_entry *entry)
{
	uint64_t seen = place->seen;

	if (config->bug == REPLACES_ANYTHING) {
		atomic_store_release((wki_atomic_u64 *)place->word, wki_word_of(entry, entry->hash));
		return WKI_STORED;
	}
	return atomic_cas_release(place->word, &seen, wki_word_of(entry, entry->hash)) ? WKI_STORED : WKI_STORE_AGAIN;
}

static bool stores_badly(const struct wki_place *place)
{
	if (place->word == &place->bucket->next || (place->seen & WKI_FROZEN))
		return false;
	return config->bug == REPLACES_ANYTHING || (config->bug == STORES_UNCLAIMED && place->claims);
}

static enum wki_stored store_rcu(const struct wki_place *place, struct wki_entry *entry)
{
	enum wki_stored stored = stores_badly(place) ? store_badly(place, entry) :
		wki_slots_store(place, entry->hash, entry, settles_by(), &entry->key, &ops, NULL);

	if (config->bug == KEYS_AGAIN && stored == WKI_STORED && place->seen != 0)
		wki_bucket_key(place->bucket, (size_t)(place->word - place->bucket->slot), wki_word_of(entry, entry->hash), &ops);
	if ((stored == WKI_STORED || stored == WKI_STORE_LOST) && place->claims && place->word != &place->bucket->next &&
	    wki_word_entry(place->seen) != NULL)
		drop_hold(wki_word_entry(place->seen));
	return stored;
}

/* It has lost: others may be looking at it, so that the next attempt takes another one. */
static struct wki_entry *entry_anew(struct wki_entry *lost)
{
	struct wki_entry *entry = entry_new(lost->key, lost->object);

	atomic_store_relaxed(&entry->watch.state, (uint8_t)wki_watch_state(&lost->watch));
	atomic_store_relaxed(&entry->flight, atomic_load_relaxed(&lost->flight));
	if (config->bug == FREES_LOST)
		explore_free(lost);
	else
		explore_retire(lost, NULL);
	return entry;
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

enum put { PUT_STORED, PUT_EXISTS, PUT_NO_MEMORY, PUT_AGAIN, PUT_LOST };

static enum put put_once_rcu(struct wki_array *outside, struct wki_entry *entry, bool replace)
{
	struct wki_array *array = outside == NULL ? wki_slots_route(&table->root, entry->hash) : outside;
	struct wki_place place = wki_slots_find_room(array, entry->hash, same_key, &entry->key, &ops);
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
	case WKI_STORE_LOST:
		return PUT_LOST;
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
		if (result == PUT_LOST)
			entry = entry_anew(entry);
		explore_read_unlock();
		outside = NULL;
	} while (result == PUT_AGAIN || result == PUT_LOST);
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
	end_rcu(entry);
	if (vacate_rcu(entry))
		drop_hold(entry);
	return entry;
}

static void *look_rcu(unsigned key, void *(*take)(struct wki_entry *entry, void *context))
{
	uint64_t hash = hash_of(key);
	uint8_t wanted = (uint8_t)key;
	struct wki_place place;

	if (config->bug == LOOKS_AT_CLAIMS) {
		place = wki_slots_look_for_room(wki_slots_route(&table->root, hash), hash, same_key, &wanted, &ops);
		return place.claims || place.seen == 0 ? NULL : take(wki_word_named(place.seen), NULL);
	}
	if (config->bug != NEVER_LOOKS_AGAIN)
		return wki_slots_get(&table->root, hash, same_key, &wanted, take, NULL);
	place = wki_slots_find(wki_slots_route(&table->root, hash), hash, same_key, &wanted);
	return wki_place_entry(&place) == NULL ? NULL : take(wki_place_entry(&place), NULL);
}

#endif
