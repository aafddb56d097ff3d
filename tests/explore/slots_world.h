/*
 * slots_world.h - what a dictionary for the explorer is made of: entries, objects, arrays
 *
 * The table is collect/slots.h and collect/move.h with arrays from the explorer's heap, its
 * values are objects that die by core/count.h and core/watch.h. Entries have a slot's hold and
 * a watch list's hold, and no unit of their object. Who ends one takes it out of its slot.
 *
 * Whoever includes slots_operations.h chooses the size of the buckets first. Each program is
 * one translation unit, hence everything in these headers is static.
 */
#ifndef EXPLORE_SLOTS_WORLD_H
#define EXPLORE_SLOTS_WORLD_H

#include "collect/claim.h"
#include "collect/move.h"
#include "core/count.h"
#include "core/watch.h"
#include "explorer.h"
#include "history.h"

#include <string.h>

/* One step of the protocol done wrong. */
enum bug {
	NO_BUG,
	NEVER_LOOKS_AGAIN,   /* a dead entry is taken for absence */
	FORGETS_NEXT,        /* a mover does not freeze NEXT */
	STALE_WORD,          /* a mover lays out the word it read before its freeze lost */
	LOOKS_AT_STATE,      /* a mover leaves out what has died since it was frozen */
	PUBLISHES_BY_STORE,  /* a mover stores into the next array */
	PASSES_UNMOVED,      /* authority passes before everything is there */
	PASSES_FROM_OUTSIDE, /* the frontier is read in front of the read section */
	DROPS_KEPT,          /* the mover drops the slot's hold of what it moves */
	TAKES_STATE,         /* who replaces a dead entry takes its state from the walker */
	STARTS_BY_STORE,     /* a migration is begun over another one */
	FREES_ARRAY,         /* the old array is freed without a grace period */
	STATE_FIRST,         /* set ends the old entry before it takes the slot */
	REPLACES_ANYTHING,   /* a store does not compare */
	FLIGHT_LEFT_BEHIND,  /* a mover drops a pending flight */
	REUSES_DEAD,         /* equal: who found a live entry takes its slot when it has died since */
	SAME_WHEN_DEAD,      /* equal: dead entries are compared, and taken for absence */
	DRAINS_TWICE,        /* the end of the container visits what a lost mover has published */
	STORES_UNCLAIMED,    /* room is stored into without a claim */
	WINS_UNSEEN,         /* a claim wins without a look at the other slots */
	WINS_OVER_ENTRY,     /* a claim wins over an entry that has ended */
	FREES_LOST,          /* an entry that has lost is freed without a grace period */
	LOOKS_AT_CLAIMS,     /* a lookup takes a claim for an entry */
	KEYS_AGAIN,          /* a slot is KEYED for another entry than its first one */
	VACATES_BY_STORE,    /* who has ended an entry stores FREE into its slot */
};

/* What a scenario starts from. */
struct config {
	unsigned bits;           /* of the first array: 2^bits buckets */
	unsigned migration;      /* 1 + bits of the next array; 0: no migration has begun */
	unsigned moved;          /* units that have moved already */
	struct {
		uint8_t used, key, object; /* object NONE: a ghost is left there */
	} contents[HISTORY_KEYS];
	unsigned no_memory;      /* bit t: thread t gets no bucket and no array */
	bool lazy;               /* inserts help only where they must */
	bool only_creates;       /* nobody else stores: one flight at a time */
	bool strong;             /* entries own a reference to their value */
	bool stays;              /* who ends an entry leaves it in its slot, as if he were stopped for good */
	bool equal;              /* keys are the objects, equal ones having one number: collect/entry.h, EQUAL */
	enum bug bug;
};

struct object {
	struct wki_count count;
	wki_watch_head watches;
	unsigned number;
};

struct table {
	wki_array_root root;
	wki_atomic_u64 live;   /* entries whose state is LIVE; wraps */
	wki_atomic_u64 flying; /* creators between their flight and their value */
};

struct wki_entry {
	struct wki_watch watch;
	struct table *table;
	struct object *object; /* no unit, never NULL; strong: a reference; flight: NULL */
	wki_atomic_u64 flight; /* enum flight */
	uint64_t hash;
	uint8_t key;
	bool strong;
};

/* Somebody makes a value for the key: absent for everybody, moved while it is pending. */
enum flight { NO_FLIGHT, FLIGHT_PENDING, FLIGHT_DONE, FLIGHT_FAILED };

static struct table *table;
static struct object *objects[HISTORY_OBJECTS];
static bool gone[HISTORY_OBJECTS]; /* for the final check */
static const struct config *config;

/*
 * Keys 0, 1, 2 and 6, 7, 8 meet in bucket 0 of every array of up to four buckets, 0 and 1 with one
 * tag, the others with other starts; 3 leaves them where there are four buckets, 4 and 5 where
 * there are two.
 */
static uint64_t hash_of(unsigned key)
{
	static const uint64_t hashes[HISTORY_KEYS] = {
		UINT64_C(0x0000000000001111), UINT64_C(0x0000000000001111), UINT64_C(0x0000000000ff2222),
		UINT64_C(0x4000000000003333), UINT64_C(0x8000000000004444), UINT64_C(0x8000000000ff5555),
		UINT64_C(0x0000000000706666), UINT64_C(0x0000000000707777), UINT64_C(0x0000000000c08888),
	};

	return hashes[key];
}

static bool entry_is_live(const struct wki_entry *entry);

static bool same_key(const struct wki_entry *entry, uint64_t hash, const void *key)
{
	explore_touch(entry);
	if (entry->hash != hash || entry->key != *(const uint8_t *)key)
		return false;
	return !config->equal || config->bug == SAME_WHEN_DEAD || entry_is_live(entry);
}

/* Entries. */

static void drop_hold(struct wki_entry *entry)
{
	uint32_t holds = atomic_load_relaxed(&entry->watch.holds);

	EXPLORE_CHECK(holds > 0);
	if (wki_watch_drop_hold(&entry->watch))
		explore_retire(entry, NULL);
}

/* The entry has ended, by the caller; true: the slot's hold is his. */
static bool vacate_rcu(struct wki_entry *entry)
{
	const wki_array_root *root = &entry->table->root;
	struct wki_place place;

	if (config->stays)
		return false;
	if (config->bug != VACATES_BY_STORE)
		return wki_slots_vacate(root, entry->hash, entry);
	place = wki_slots_find(wki_slots_route(root, entry->hash), entry->hash, wki_slots_is_entry, entry);
	if (wki_place_entry(&place) == NULL || (place.seen & WKI_FROZEN) != 0)
		return false;
	atomic_store_release(place.word, WKI_FREE);
	return true;
}

/* The walker has ended it: both holds are his, or the list's alone; that there are no others he need not count. */
static void fired(struct wki_entry *entry)
{
	(void)atomic_fetch_sub_relaxed(&entry->table->live, 1);
	if (!vacate_rcu(entry)) {
		drop_hold(entry);
	} else if (wki_watch_is_shared(&entry->watch)) {
		drop_hold(entry);
		drop_hold(entry);
	} else {
		atomic_store_relaxed(&entry->watch.holds, 0);
		explore_retire(entry, NULL);
	}
}

static void leave(struct wki_watch *watch)
{
	drop_hold((struct wki_entry *)(void *)watch);
}

static struct wki_entry *entry_new(unsigned key, struct object *object)
{
	struct wki_entry *entry = explore_zeroed(sizeof(*entry), "entry");

	wki_watch_init(&entry->watch, 0, config->strong && object != NULL ? 1 : 2);
	entry->table = table;
	entry->object = object;
	entry->hash = hash_of(key);
	entry->key = (uint8_t)key;
	entry->strong = config->strong;
	return entry;
}

static bool state_is_live(const struct wki_entry *entry)
{
	return wki_watch_state(&entry->watch) == WKI_WATCH_LIVE;
}

static bool entry_is_live(const struct wki_entry *entry)
{
	return state_is_live(entry) && !wki_count_is_dead(&entry->object->count);
}

/* Objects. */

static void settle(void *memory)
{
	struct object *object = memory;

	unsigned number = object->number;

	if (!wki_count_drop_strong_side(&object->count))
		return;
	gone[number] = true;
	explore_free(object);
}

static void fire(struct object *object)
{
	struct wki_watch *watch, *next;

	for (watch = wki_watch_take(&object->watches); watch != NULL; watch = next) {
		next = wki_watch_next(watch);
		if (wki_watch_move(watch, WKI_WATCH_LIVE, WKI_WATCH_FIRED)) {
			fired((struct wki_entry *)(void *)watch);
		} else if (wki_watch_move(watch, WKI_WATCH_REMOVED, WKI_WATCH_RETIRED)) {
			leave(watch);
		}
	}
}

static void release_object(struct object *object)
{
	unsigned number = object->number;
	uint64_t before = wki_count_release(&object->count, 1);
	bool won;

	if (wki_strong_count(before) != 1)
		return;
	explore_read_lock();
	won = wki_count_decide(&object->count, before);
	if (won)
		fire(object);
	explore_read_unlock();
	if (won)
		explore_retire(object, settle);
	else if (wki_count_drop_unit(&object->count)) {
		gone[number] = true;
		explore_free(object);
	}
}

/* Who won LIVE -> REMOVED, in the section in which the entry was found live. */
static void end_rcu(struct wki_entry *entry)
{
	if (entry->strong)
		release_object(entry->object);
	else if (wki_watch_littered(&entry->object->count.meta))
		wki_watch_prune(&entry->object->watches, &entry->object->count.meta, leave);
}

/* What the protocol asks for. */

static uint64_t entry_hash(void *context, const struct wki_entry *entry)
{
	(void)context;
	explore_touch(entry);
	return entry->hash;
}

static bool flight_is_pending(const struct wki_entry *entry)
{
	return atomic_load_acquire((wki_atomic_u64 *)(uintptr_t)&entry->flight) == FLIGHT_PENDING;
}

static bool entry_is_kept(const struct wki_entry *entry)
{
	return state_is_live(entry) || (config->bug != FLIGHT_LEFT_BEHIND && flight_is_pending(entry));
}

static void entry_dropped(void *context, struct wki_entry *entry)
{
	(void)context;
	drop_hold(entry);
}

static bool has_memory(void)
{
	return (config->no_memory & 1u << explore_thread()) == 0;
}

static struct wki_bucket *bucket_new(void *context)
{
	(void)context;
	return has_memory() ? explore_zeroed(sizeof(struct wki_bucket), "overflow") : NULL;
}

static void bucket_free(void *context, struct wki_bucket *bucket)
{
	(void)context;
	explore_free(bucket);
}

/* What leads on from an entry: the entry that it is asked of must be there. */
static inline uintptr_t entry_hint(const struct wki_entry *entry)
{
	explore_touch(entry);
	return (uintptr_t)entry->object;
}

static inline bool entry_is_home(const struct wki_entry *entry)
{
	explore_touch(entry);
	return true;
}

#ifdef EXPLORE_HINTS
#define HINT entry_hint
#else
#define HINT NULL
#endif

static const struct wki_slots_ops ops = { entry_hash, entry_is_kept, entry_dropped, bucket_new, bucket_free, HINT, entry_is_home };

/* Arrays. */

static struct wki_array *array_new(unsigned bits)
{
	struct wki_array *array = explore_zeroed(sizeof(*array), "array");

	array->buckets = explore_zeroed(sizeof(struct wki_bucket) << bits, "buckets");
	array->shift = wki_slots_shift(bits);
	return array;
}

static void array_free(void *memory)
{
	struct wki_array *array = memory;
	struct wki_bucket *overflow, *next;

	for (size_t i = 0; i < wki_slots_buckets(array); i++) {
		for (overflow = wki_word_bucket(wki_slots_load(&array->buckets[i].next)); overflow != NULL; overflow = next) {
			next = wki_word_bucket(wki_slots_load(&overflow->next));
			explore_free(overflow);
		}
	}
	explore_free(array->buckets);
	explore_free(array);
}

#endif
