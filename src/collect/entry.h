/*
 * collect/entry.h - what a slot leads to: a key, and a value or a flight
 *
 *	role     state                   what it has                      holds
 *	WEAK     LIVE, REMOVED, FIRED,   a value it does not keep alive   the slot's; the watch list's
 *	         RETIRED (core/watch.h)
 *	STRONG   LIVE, REMOVED           a strong reference to its value  the slot's
 *	FLIGHT   never LIVE              somebody who makes a value       the slot's; the maker's; each waiter's
 *
 * Who wins the change from LIVE deals with what follows: the length; the slot; the watch list's
 * litter; the strong reference. Whoever takes the entry out of its slot (he; a writer who wants the
 * slot before he has come to that; a mover; the end of the container) drops the slot's hold.
 * The last hold retires the entry: its memory goes one grace period later.
 *
 * LIVE means: the state is LIVE, read first; then the object is not DEAD. A live entry owns no weak
 * unit and its `control` is never cleared. Whoever looks at *control has read the state LIVE in
 * the same read section, and the end of life makes every such state FIRED before the object is
 * retired, so the grace period covers him. That takes a weak value to be on the watch list, or
 * held by whoever is about to put it there.
 *
 * HOME: a lookup that is led to *control by the slot has not read the state. The control block tells him what it would
 * have said: DEAD comes before FIRED, LEFT before REMOVED, as long as the entry is in its slot. And it is there for him: an
 * entry that is removed from its slot, or is still there after its object's death, owns a unit until nobody can come by that
 * slot any more. (One that is replaced has left its slot first.)
 *
 * `table` is read by the one who has won LIVE -> FIRED and by nobody else. His section began
 * before the object was dead for anybody, so neither the entry's replacement nor the end of
 * the container can have been over before it.
 *
 * The three words that a lookup reads (state, control, key) are the last three.
 *
 * EQUAL: the key of such an entry cannot be compared any more once the object is dead, and then not everybody would judge
 * "the same key" alike. So a slot belongs to one entry there: nobody is the same as an entry that is not live, and
 * what is not live is passed over: a key is stored anew where there is room.
 *
 * HELD: what a key dictionary holds for the key, see held.h. Live then means that it holds something, too.
 *
 * Layer: collect.
 */
#ifndef WKI_COLLECT_ENTRY_H
#define WKI_COLLECT_ENTRY_H

#include <string.h>

#include "base/generation.h"
#include "core/control.h"
#include "sync/event.h"
#include "weakref/value_dict.h"

struct wki_table;

/* watch.detail: a role, a kind of key, a flag; constant. */
enum wki_entry_role { WKI_ENTRY_WEAK, WKI_ENTRY_STRONG, WKI_ENTRY_FLIGHT };
#define WKI_ENTRY_ROLE 0x03u
#define WKI_ENTRY_KEYS_SHIFT 2 /* enum wk_key_kind */
#define WKI_ENTRY_KEYS 0x0cu
#define WKI_ENTRY_EXTRA 0x10u /* struct wki_entry_extra stands in front */
/* Marks, alike for all entries of a container. */
#define WKI_ENTRY_EQUAL 0x20u /* its key is the object itself, by the type's equality; key.number is the hash */
#define WKI_ENTRY_HELD 0x40u  /* a key dictionary's: key.object.held is there */
#define WKI_ENTRY_HEARD 0x80u /* struct wki_entry_listener stands in front of all else, and has a hold; no flight's */

/* Beside watch.state. */
#define WKI_ENTRY_HOME 0x40u /* constant: its value is at home here (core/control.h); a number's, of a value dictionary */
#define WKI_ENTRY_OWNS 0x20u /* it has ended, and owns a weak unit of its value until its memory goes */

enum wki_flight_state { WKI_FLIGHT_PENDING, WKI_FLIGHT_DONE, WKI_FLIGHT_FAILED };

struct wki_flight {
	wki_atomic_u32 state; /* enum wki_flight_state; leaves PENDING once, which is a claim (base/generation.h) */
	struct wki_event over;
};

struct wki_entry {
	union {
		struct wki_table *table; /* constant until retired */
		struct wki_link link;    /* retired */
	};
	struct wki_watch watch;
	union {
		struct wki_control *control; /* constant; not to be followed but as said above */
		struct wki_flight flight;
	};
	union { /* constant; an entry ends with what its kind of key needs */
		uint64_t number;
		struct {
			uint64_t number;
			wki_atomic_word held; /* HELD only; of a flight that is EQUAL: its key's control block */
		} object;
		struct {
			void *copy;
			uint64_t hash; /* the other kinds are hashed anew when they are moved */
		} custom;
		struct {
			uint32_t length;
			unsigned char bytes[];
		} text;
	} key;
};
_Static_assert(offsetof(struct wki_entry, key) == 32, "an entry with a number is 40 bytes, what malloc really gives");

/* In front of the entry where something must be known to free it. */
struct wki_entry_extra {
	const wk_allocator *allocator; /* NULL: the runtime's */
	const wk_key_type *key_type;   /* NULL: keys are u64 or bytes */
};

/* Who is told that the entry has ended. */
struct wki_entry_listener {
	wk_removal_listener *removed;
	void *context;
};

/* What all entries of a container have in common. */
struct wki_entry_form {
	wk_key_kind keys;
	uint8_t marks; /* WKI_ENTRY_EQUAL, WKI_ENTRY_HELD */
	const struct wki_entry_listener *listener; /* NULL: none */
	const wk_key_type *key_type;
	const wk_allocator *allocator;
};

/* Memory of entries and what belongs to them; `allocator` NULL: the thread's cache. */
void *wki_entry_allocate(const wk_allocator *allocator, size_t size);
void wki_entry_deallocate(const wk_allocator *allocator, void *memory, size_t size);

/* wki_entry_new - an entry with a copy of the key, and every hold there will be; NULL: no memory. May run the user's copy. */
struct wki_entry *wki_entry_new(const struct wki_entry_form *form, enum wki_entry_role role, wk_key key, uint64_t hash);
/* wki_entry_hash - of its key, `seed` being the container's. Also of a retired one, as long as a section keeps it. */
uint64_t wki_entry_hash(const struct wki_entry *entry, uint64_t seed);
/* wki_entry_discard - of an entry that nobody else has seen */
void wki_entry_discard(struct wki_entry *entry);
/* wki_entry_drop - one hold less; wki_entry_drop_many - so many, all the caller's */
void wki_entry_drop(struct wki_entry *entry);
void wki_entry_drop_many(struct wki_entry *entry, uint32_t many);
/* wki_entry_forget - of an entry that nobody holds, but others may be looking at: a grace period first */
void wki_entry_forget(struct wki_entry *entry);
/* wki_entry_hold - one hold more, by somebody in a read section; false: it has ended, or there is none left to add to */
bool wki_entry_hold(struct wki_entry *entry);

/* wki_entry_tell - the caller has won the entry's end: its listener is called, on the runner. The table is not to be asked for any more. */
void wki_entry_tell(struct wki_entry *entry, wk_removal_cause cause);

/* wki_entry_watch_rcu - a weak one is in its slot: put it on the list of its object, which the caller holds */
void wki_entry_watch_rcu(struct wki_entry *entry);
/* wki_entry_unwatch_rcu - of a weak one whose end the caller has won, in this section: it may leave its object's list */
void wki_entry_unwatch_rcu(struct wki_entry *entry);

/* wki_entry_same_entry - of the same container: a wki_same_key whose key is an entry */
bool wki_entry_same_entry(const struct wki_entry *entry, uint64_t hash, const void *other);

/* wki_entry_key - where a key that is not a number is, and how long it is: bytes; a custom key has no length */
const void *wki_entry_key(const struct wki_entry *entry, size_t *length);

/* For src/runtime/kinds.c. */
void wki_entry_reclaim(struct wki_link *link);
void wki_entry_fired(struct wki_watch *watch);
void wki_entry_leave(struct wki_watch *watch);
void wki_entry_orphaned(struct wki_watch *watch); /* what it holds is left alone: the parent sees to it */

static inline enum wki_entry_role wki_entry_role(const struct wki_entry *entry)
{
	return (enum wki_entry_role)(entry->watch.detail & WKI_ENTRY_ROLE);
}

static inline bool wki_entry_state_is_live(const struct wki_entry *entry)
{
	return wki_watch_state(&entry->watch) == WKI_WATCH_LIVE;
}

static inline bool wki_entry_is_home(const struct wki_entry *entry)
{
	return (wki_watch_marks(&entry->watch) & WKI_ENTRY_HOME) != 0;
}

/* wki_entry_set_home - before anybody else sees it; its value has been borrowed by the caller first */
void wki_entry_set_home(struct wki_entry *entry);

static inline bool wki_entry_has_held(const struct wki_entry *entry)
{
	return (entry->watch.detail & WKI_ENTRY_HELD) != 0;
}

/* wki_entry_held - what the entry of a key dictionary holds: a word of held.h; 0: it is over */
static inline uintptr_t wki_entry_held(const struct wki_entry *entry)
{
	/* ENT-8 acquire; pairs: ENT-9, HLD-1; weaker: a half-made value could be read; check: explore/held, api/key_dict_race_test */
	return atomic_load_acquire((wki_atomic_word *)(uintptr_t)&entry->key.object.held);
}

/* wki_entry_set_held - before anybody else sees the entry */
static inline void wki_entry_set_held(struct wki_entry *entry, uintptr_t held)
{
	/* ENT-9 release; pairs: ENT-8; weaker: not needed, the slot publishes it too; check: api/key_dict_race_test */
	atomic_store_release(&entry->key.object.held, held);
}

static inline bool wki_entry_is_live_rcu(const struct wki_entry *entry)
{
	return wki_entry_state_is_live(entry) && !wki_count_is_dead(&entry->control->count) &&
	       (!wki_entry_has_held(entry) || wki_entry_held(entry) != 0);
}

/* wki_entry_end - the caller wins LIVE -> REMOVED, or it is live no more. The entry has left its slot: else wki_entry_remove_rcu */
static inline bool wki_entry_end(struct wki_entry *entry)
{
	return wki_watch_move(&entry->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED);
}

/* wki_entry_remove_rcu - wki_entry_end of an entry that is in its slot; the caller has found it live in this section */
bool wki_entry_remove_rcu(struct wki_entry *entry);

/* Flights. */

static inline enum wki_flight_state wki_flight_state(const struct wki_entry *flight)
{
	/* ENT-1 acquire; pairs: ENT-2; weaker: who waited could look for the value before it is there; check: api/value_dict_test */
	uint32_t state = atomic_load_acquire((wki_atomic_u32 *)(uintptr_t)&flight->flight.state);

	if (wki_claim_state(state) == WKI_FLIGHT_PENDING && wki_claim_is_void(state))
		return WKI_FLIGHT_FAILED;
	return (enum wki_flight_state)wki_claim_state(state);
}

static inline bool wki_entry_is_pending_flight(const struct wki_entry *entry)
{
	return wki_entry_role(entry) == WKI_ENTRY_FLIGHT && wki_flight_state(entry) == WKI_FLIGHT_PENDING;
}

/* wki_flight_begin - the caller is about to make the value; also of one that it was making before a fork */
static inline void wki_flight_begin(struct wki_entry *flight)
{
	/* ENT-4 relaxed; pairs: none; weaker: not possible; check: api/value_dict_test (nobody else's yet, or nobody else is there) */
	atomic_store_relaxed(&flight->flight.state, wki_claim(WKI_FLIGHT_PENDING));
}

/* wki_flight_end - wake those who wait, unless somebody else has; the caller has a hold */
void wki_flight_end(struct wki_entry *flight, enum wki_flight_state state);

/* Keys. */

/* A key to look for, where it is not just a number. */
struct wki_entry_key {
	wk_key key;
	const wk_key_type *type;           /* NULL: bytes, or an object */
	const struct wki_control *control; /* of an object by equality, key.data being the payload; NULL: it is none */
	bool flights;                      /* of those: pending flights of the key fit, too */
};

/* wki_entry_same_object - is it live, and its key equal to this one? */
bool wki_entry_same_object(const struct wki_entry *entry, uint64_t hash, const struct wki_entry_key *key);

static inline bool wki_entry_same_number(const struct wki_entry *entry, uint64_t hash, const void *number)
{
	(void)hash;
	return entry->key.number == *(const uint64_t *)number;
}

static inline bool wki_entry_same_key(const struct wki_entry *entry, uint64_t hash, const void *wanted)
{
	const struct wki_entry_key *key = wanted;

	if (key->control != NULL)
		return wki_entry_same_object(entry, hash, key);
	if (key->type != NULL)
		return entry->key.custom.hash == hash && key->type->equal(key->key.data, entry->key.custom.copy);
	return entry->key.text.length == key->key.number &&
	       memcmp(entry->key.text.bytes, key->key.data, entry->key.text.length) == 0;
}

#endif
