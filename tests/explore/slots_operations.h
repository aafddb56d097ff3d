/*
 * slots_operations.h - what the threads of a scenario can do; set-up and final check
 */
#ifndef EXPLORE_SLOTS_OPERATIONS_H
#define EXPLORE_SLOTS_OPERATIONS_H

#include "slots_dictionary.h"

/* Operations of the threads; argument: key * 8 + object. */

static void set(intptr_t what)
{
	history_begin(HISTORY_SET, (unsigned)what / 8, (unsigned)what % 8);
	EXPLORE_CHECK(put((unsigned)what / 8, (unsigned)what % 8, true) == 1);
	history_end(0);
}

static void insert(intptr_t what)
{
	history_begin(HISTORY_INSERT, (unsigned)what / 8, (unsigned)what % 8);
	history_end(put((unsigned)what / 8, (unsigned)what % 8, false));
}

static void release(intptr_t object)
{
	history_begin(HISTORY_RELEASE, 0, (unsigned)object);
	release_object(objects[object]);
	history_end(0);
}

static void get(intptr_t key)
{
	struct object *object;

	history_begin(HISTORY_GET, (unsigned)key, HISTORY_NONE);
	explore_read_lock();
	object = look_rcu((unsigned)key, take_upgrade);
	explore_read_unlock();
	if (object != NULL)
		explore_touch(object);
	history_end(object == NULL ? HISTORY_NONE : object->number);
	if (object != NULL)
		release((intptr_t)object->number);
}

static void peek(intptr_t key)
{
	struct object *object;

	history_begin(HISTORY_PEEK, (unsigned)key, HISTORY_NONE);
	explore_read_lock();
	object = look_rcu((unsigned)key, take_peek);
	if (object != NULL)
		explore_touch(object);
	history_end(object == NULL ? HISTORY_NONE : object->number);
	explore_read_unlock();
}

static void remove_key(intptr_t key)
{
	struct wki_entry *entry;

	history_begin(HISTORY_REMOVE, (unsigned)key, HISTORY_NONE);
	explore_read_lock();
	entry = look_rcu((unsigned)key, take_end);
	if (entry != NULL)
		end_rcu(entry);
	explore_read_unlock();
	history_end(entry != NULL);
}

/* Begin a migration to 2^bits buckets, unless one runs. */
static void start(intptr_t bits)
{
	struct wki_array *array, *next;

	explore_read_lock();
	array = wki_slots_current(&table->root);
	if (wki_slots_next(array) == NULL && has_memory()) {
		next = array_new((unsigned)bits);
		if (config->bug == STARTS_BY_STORE)
			atomic_store_release(&array->next, next);
		else if (!wki_slots_start(array, next))
			array_free(next);
	}
	explore_read_unlock();
}

static void help(intptr_t units)
{
	for (; units > 0; units--) {
		explore_read_lock();
		help_rcu();
		explore_read_unlock();
	}
}

/* The end of the container, when nobody is in a call on it; objects may die meanwhile. */

static void end_entry(struct wki_array *array, struct wki_entry *entry)
{
	(void)array;
	if (wki_watch_move(&entry->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED)) {
		(void)atomic_fetch_sub_relaxed(&table->live, 1);
		end_rcu(entry);
	}
	drop_hold(entry);
}

static void each_entry(struct wki_array *array, void (*visit)(struct wki_array *array, struct wki_entry *entry))
{
	struct wki_array *next = wki_slots_next(array);
	struct wki_bucket *bucket;

	for (size_t i = 0; i < wki_slots_buckets(array); i++) {
		if (next != NULL && wki_slots_is_moved(array, next, i >> (wki_unit_shift(array, next) - array->shift)))
			continue; /* its entries are in the next array */
		for (bucket = &array->buckets[i]; bucket != NULL; bucket = wki_word_bucket(wki_slots_load(&bucket->next)))
			for (unsigned k = 0; k < WKI_BUCKET_SLOTS; k++)
				if (wki_word_entry(wki_slots_load(&bucket->slot[k])) != NULL)
					visit(array, wki_word_entry(wki_slots_load(&bucket->slot[k])));
	}
}

static void destroy(intptr_t unused)
{
	struct wki_array *array, *next;

	(void)unused;
	explore_read_lock();
	for (array = wki_slots_current(&table->root); array != NULL; array = wki_slots_next(array))
		each_entry(array, end_entry);
	explore_read_unlock();
	for (array = wki_slots_current(&table->root); array != NULL; array = next) {
		next = wki_slots_next(array);
		explore_retire(array, array_free);
	}
	explore_retire(table, NULL);
	table = NULL;
}

/* Set-up. */

static void fill(void)
{
	static const uint8_t references[HISTORY_OBJECTS] = { 1, 1, 1, 1 };
	uint8_t map[HISTORY_KEYS];

	memset(map, HISTORY_NONE, sizeof(map));
	for (unsigned i = 0; i < sizeof(config->contents) / sizeof(config->contents[0]) && config->contents[i].used; i++) {
		unsigned key = config->contents[i].key, object = config->contents[i].object;
		struct wki_entry *ghost;

		(void)put(key, object == HISTORY_NONE ? HISTORY_OBJECTS - 1 : object, true);
		map[key] = (uint8_t)object;
		if (object != HISTORY_NONE)
			continue;
		ghost = look_rcu(key, take_end);
		end_rcu(ghost);
	}
	history_reset(references, map, config->strong);
}

static void set_up(intptr_t with)
{
	config = (const struct config *)with;
	table = explore_zeroed(sizeof(*table), "table");
	explore_label(&table->root, "root");
	explore_label(&table->live, "live");
	for (unsigned i = 0; i < HISTORY_OBJECTS; i++) {
		objects[i] = explore_zeroed(sizeof(struct object), "object");
		objects[i]->number = i;
		gone[i] = false;
		wki_count_init(&objects[i]->count, 0);
	}
	wki_slots_init(&table->root, array_new(config->bits));
	fill();
	if (config->migration != 0) {
		start(config->migration - 1);
		help(config->moved);
	}
}

/* The final check. */

static uint64_t found_live;
static uint8_t found[HISTORY_KEYS];

/* (S1), (S2): looking for the key leads to this entry, if its array has authority. */
static void check_entry(struct wki_array *array, struct wki_entry *entry)
{
	struct wki_place place;

	if (wki_slots_route(&table->root, entry->hash) != array)
		return;
	place = wki_slots_find(array, entry->hash, same_key, &entry->key);
	EXPLORE_CHECK(wki_place_entry(&place) == entry);
	if (!state_is_live(entry))
		return;
	EXPLORE_CHECK(found[entry->key] == HISTORY_NONE);
	found[entry->key] = (uint8_t)entry->object->number;
	found_live++;
}

static void check_table(void)
{
	struct wki_array *array;

	memset(found, HISTORY_NONE, sizeof(found));
	found_live = 0;
	for (array = wki_slots_current(&table->root); array != NULL; array = wki_slots_next(array))
		each_entry(array, check_entry);
	EXPLORE_CHECK(atomic_load_relaxed(&table->live) == found_live);
}

static void finish(void)
{
	if (table != NULL) {
		check_table();
		if (!history_explained(found))
			explore_fail("no order of the operations explains what they returned");
		destroy(0);
	}
	for (unsigned i = 0; i < HISTORY_OBJECTS; i++)
		while (!gone[i])
			release_object(objects[i]);
}

#endif
