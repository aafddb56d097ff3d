/*
 * slots_operations.h - what the threads of a scenario can do; set-up and final check
 */
#ifndef EXPLORE_SLOTS_OPERATIONS_H
#define EXPLORE_SLOTS_OPERATIONS_H

#include "slots_dictionary.h"

/* Operations of the threads; argument: key * 8 + object. */

static inline void set(intptr_t what)
{
	history_begin(HISTORY_SET, (unsigned)what / 8, (unsigned)what % 8);
	EXPLORE_CHECK(put((unsigned)what / 8, (unsigned)what % 8, true) == 1);
	history_end(0);
}

static inline void insert(intptr_t what)
{
	history_begin(HISTORY_INSERT, (unsigned)what / 8, (unsigned)what % 8);
	history_end(put((unsigned)what / 8, (unsigned)what % 8, false));
}

static inline void release(intptr_t object)
{
	history_begin(HISTORY_RELEASE, 0, (unsigned)object);
	release_object(objects[object]);
	history_end(0);
}

static inline void got(struct object *object)
{
	if (object != NULL)
		explore_touch(object);
	history_end(object == NULL ? HISTORY_NONE : object->number);
	if (object != NULL)
		release((intptr_t)object->number);
}

static inline void get(intptr_t key)
{
	struct object *object;

	history_begin(HISTORY_GET, (unsigned)key, HISTORY_NONE);
	explore_read_lock();
	object = look_rcu((unsigned)key, take_upgrade);
	explore_read_unlock();
	got(object);
}

/* As a lookup of a number does it: a glance at the home bucket first, and a proper look in a section of its own. */
static inline void glance(intptr_t key)
{
	uint64_t hash = hash_of((unsigned)key);
	uint8_t wanted = (uint8_t)key;
	struct object *object = NULL;
	struct wki_entry *entry;
	struct wki_glance seen;

	history_begin(HISTORY_GET, (unsigned)key, HISTORY_NONE);
	explore_read_lock();
	seen = wki_slots_glance(&table->root, hash);
	entry = wki_word_named(seen.word);
	if (seen.word & WKI_KEYED)
		EXPLORE_CHECK(seen.hinted == entry->object);
	if (entry != NULL && same_key(entry, hash, &wanted))
		object = take_upgrade(entry, NULL);
	explore_read_unlock();
	if (object == NULL) {
		explore_read_lock();
		object = look_rcu((unsigned)key, take_upgrade);
		explore_read_unlock();
	}
	got(object);
}

static inline void peek(intptr_t key)
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

static inline void remove_key(intptr_t key)
{
	bool removed;

	history_begin(HISTORY_REMOVE, (unsigned)key, HISTORY_NONE);
	explore_read_lock();
	removed = look_rcu((unsigned)key, take_end) != NULL;
	explore_read_unlock();
	history_end(removed);
}

/*
 * get_or_create without waiting: a flight is put in the key's place, then the object in the
 * flight's. Whoever finds another one's flight gives up; nobody stores it while that pends.
 */
enum begun { BEGUN, BEGUN_EXISTS, BEGUN_BUSY, BEGUN_NO_MEMORY, BEGUN_AGAIN, BEGUN_LOST };

static inline enum begun begin_flight_rcu(struct wki_entry *flight)
{
	struct wki_place place = wki_slots_find_room(wki_slots_route(&table->root, flight->hash), flight->hash, same_key, &flight->key, &ops);
	struct wki_entry *old = wki_place_entry(&place);

	if (old != NULL && old->object != NULL && entry_is_live(old))
		return BEGUN_EXISTS;
	if (old != NULL && flight_is_pending(old))
		return BEGUN_BUSY;
	switch (store_rcu(&place, flight)) {
	case WKI_STORED:
		if (old != NULL)
			drop_hold(old);
		return BEGUN;
	case WKI_STORE_FROZEN:
		return pass(place.array, flight->hash) ? BEGUN_AGAIN : BEGUN_NO_MEMORY;
	case WKI_STORE_LOST:
		return BEGUN_LOST;
	case WKI_STORE_NO_MEMORY:
		return BEGUN_NO_MEMORY;
	case WKI_STORE_AGAIN:
	default:
		return BEGUN_AGAIN;
	}
}

static inline enum begun begin_flight(struct wki_entry **flight)
{
	enum begun begun;

	do {
		explore_read_lock();
		begun = begin_flight_rcu(*flight);
		if (begun == BEGUN_LOST)
			*flight = entry_anew(*flight);
		explore_read_unlock();
	} while (begun == BEGUN_AGAIN || begun == BEGUN_LOST);
	return begun;
}

static inline void create(intptr_t what)
{
	struct wki_entry *flight = entry_new((unsigned)what / 8, NULL);
	uint64_t flying;

	atomic_store_relaxed(&flight->watch.state, WKI_WATCH_RETIRED);
	atomic_store_relaxed(&flight->flight, FLIGHT_PENDING);
	if (begin_flight(&flight) != BEGUN) {
		explore_free(flight);
		return;
	}
	flying = atomic_fetch_add_relaxed(&table->flying, 1);
	EXPLORE_CHECK(flying == 0 || !config->only_creates);
	if (what % 8 != HISTORY_OBJECTS)
		insert(what);
	(void)atomic_fetch_sub_relaxed(&table->flying, 1);
	(void)flight_end(flight, FLIGHT_FAILED);
	explore_read_lock();
	if (vacate_rcu(flight))
		drop_hold(flight);
	explore_read_unlock();
	drop_hold(flight);
}

/* Begin a migration to 2^bits buckets, unless one runs. */
static inline void start(intptr_t bits)
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

static inline void help(intptr_t units)
{
	for (; units > 0; units--) {
		explore_read_lock();
		help_rcu();
		explore_read_unlock();
	}
}

/* The child of a fork: a mover has been lost, wherever it was. */
static inline void fork_off(intptr_t unused)
{
	(void)unused;
	explore_fork(0);
}

/* The end of the container, when nobody is in a call on it; objects may die meanwhile. */

static void end_entry(struct wki_array *array, wki_atomic_u64 *slot, struct wki_entry *entry)
{
	uint64_t word = wki_slots_load(slot);

	(void)array;
	if (wki_watch_move(&entry->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED)) {
		(void)atomic_fetch_sub_relaxed(&table->live, 1);
		end_rcu(entry);
		if (vacate_rcu(entry))
			drop_hold(entry);
	}
	if (wki_word_entry(word) == entry && ((word & WKI_FROZEN) != 0 || atomic_cas_relaxed(slot, &word, WKI_FREE)))
		drop_hold(entry);
}

/* A mover was lost in the middle of its unit: what it has published is still in the array in front. */
static bool is_awaiting(const struct wki_array *array, size_t bucket)
{
	const struct wki_array *before = wki_slots_current(&table->root);

	if (before == array || config->bug == DRAINS_TWICE)
		return false;
	while (wki_slots_next(before) != array)
		before = wki_slots_next(before);
	return !wki_slots_is_moved(before, array, bucket >> (wki_unit_shift(before, array) - array->shift));
}

static void each_entry(struct wki_array *array, void (*visit)(struct wki_array *array, wki_atomic_u64 *slot, struct wki_entry *entry))
{
	struct wki_entry *entry;
	struct wki_array *next = wki_slots_next(array);
	struct wki_bucket *bucket;

	for (size_t i = 0; i < wki_slots_buckets(array); i++) {
		if (next != NULL && wki_slots_is_moved(array, next, i >> (wki_unit_shift(array, next) - array->shift)))
			continue; /* its entries are in the next array */
		if (is_awaiting(array, i))
			continue;
		for (bucket = &array->buckets[i]; bucket != NULL; bucket = wki_word_bucket(wki_slots_load(&bucket->next)))
			for (unsigned k = 0; k < WKI_BUCKET_SLOTS; k++)
				if ((entry = wki_word_entry(wki_slots_load(&bucket->slot[k]))) != NULL)
					visit(array, &bucket->slot[k], entry);
	}
}

static inline void destroy(intptr_t unused)
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
		(void)put(key, object == HISTORY_NONE ? HISTORY_OBJECTS - 1 : object, true);
		map[key] = (uint8_t)object;
		if (object == HISTORY_NONE)
			(void)look_rcu(key, take_end);
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
static void check_entry(struct wki_array *array, wki_atomic_u64 *slot, struct wki_entry *entry)
{
	struct wki_place place;

	(void)slot;
	if (wki_slots_route(&table->root, entry->hash) != array)
		return;
	if (config->equal && !entry_is_live(entry))
		return; /* nobody looks for it */
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

/* How a scenario is written. */

#define NONE HISTORY_NONE
#define CREATE(key, object) EXPLORE_DO(create, (key) * 8 + (object))
#define FAIL_TO_CREATE(key) EXPLORE_DO(create, (key) * 8 + HISTORY_OBJECTS)
#define SET(key, object) EXPLORE_DO(set, (key) * 8 + (object))
#define INSERT(key, object) EXPLORE_DO(insert, (key) * 8 + (object))
#define GET(key) EXPLORE_DO(get, key)
#define GLANCE(key) EXPLORE_DO(glance, key)
#define PEEK(key) EXPLORE_DO(peek, key)
#define REMOVE(key) EXPLORE_DO(remove_key, key)
#define RELEASE(object) EXPLORE_DO(release, object)
#define START(bits) EXPLORE_DO(start, bits)
#define HELP(units) EXPLORE_DO(help, units)
#define FORK EXPLORE_DO(fork_off, 0)
#define DESTROY EXPLORE_DO(destroy, 0)
#define WITH(...) .set_up = set_up, .argument = (intptr_t)&(const struct config){ __VA_ARGS__ }, .finish = finish
#define HAS(key, object) { 1, key, object }

#endif
