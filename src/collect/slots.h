/*
 * collect/slots.h - the slot protocol: buckets of entries that many threads share without a lock
 *
 * WORD, 64 bits:  tag (16, its top bit is always set) | entry address (48, 16-aligned) | FROZEN (bit 0)
 *
 *	state          word            from                        who
 *	EMPTY          0               -                           the array is made of these
 *	ENTRY(e)       tag|e           EMPTY, ENTRY(x)             a writer: e is of x's key, and x was replaced,
 *	                                                           is dead or is a flight
 *	                               EMPTY of the next array     a mover
 *	EMPTY|F        1               EMPTY                       a mover
 *	ENTRY(e)|F     tag|e|1         ENTRY(e)                    a mover
 *	DROPPED        3               ENTRY(e), e not worth       a mover, who then drops e
 *	                               moving
 *	Impossible: anything to 0; any change of a word that is FROZEN.
 *
 * BUCKET: one cache line, WKI_BUCKET_SLOTS words and NEXT; and a second one with a HINT for each slot.
 *	NEXT           0 none, or the overflow bucket; then FROZEN (none, for ever) and, in the first bucket
 *	               of a unit only, MOVED: everything of the unit is in the next array.
 *
 *	HINT           an address that whoever finds the entry will want next, to be asked for while the
 *	               entry itself is on its way. It may be of an entry that was there before, or none:
 *	               it is prefetched, which cannot fault, and never followed. Home buckets only.
 *
 * A key's PROBE ORDER: the slots of its home bucket, cyclic from start(hash), then those of the
 * overflow bucket in the same way, and so on.
 *
 * ARRAY: 2^k buckets; `next`, the array that a migration moves it to, NULL until one starts;
 * `frontier`, how many units have moved. UNIT: what moves at once, a bucket with its overflow
 * (two buckets, where the next array is smaller), to a place of its own in the next array.
 *
 * AUTHORITY: an array has it for the units at and above its frontier, the next array for those
 * below. Units are moved in any order and by several threads at once, each as often as it
 * happens; authority passes in order, one unit at a time, when the frontier is advanced over a
 * unit that is MOVED.
 *
 * INVARIANTS
 *	(S1) A slot, once filled, belongs to one key for the array's life: a key is never beyond an
 *	     EMPTY slot of its probe order, so two inserts of one key meet at one slot. There are no
 *	     tombstones: what is removed or dies stays as a ghost and keeps the slot for its key.
 *	(S2) A key has at most one slot in the array that has authority over it (DROPPED is nobody's).
 *	(S3) The compare-and-swap that takes an entry out of its slot has one winner, who deals with it.
 *	(S4) Once frozen, a unit's words never change, so every mover computes the same layout of
 *	     the destination: in the old order, each entry at the first free place of its probe
 *	     order. A mover that comes late finds every place of the layout filled and changes nothing.
 *	(S5) frontier > unit  =>  the unit is MOVED  =>  every word of its layout is in the next array.
 *
 * SECTIONS. Every call below runs inside a read section, and one that is given an array or a
 * place got it in the same section, from wki_slots_route or by reading the root. An old bucket
 * whose unit has lost authority holds addresses of entries that were freed since; a section that
 * read the frontier at or below the unit keeps them.
 *
 * What the protocol must know of entries comes in through `same` and struct wki_slots_ops;
 * both are compile-time constants wherever speed counts.
 *
 * Layer: collect, header only. Never: libc, liburcu, allocation (other than by ops).
 */
#ifndef WKI_COLLECT_SLOTS_H
#define WKI_COLLECT_SLOTS_H

#include "base/atomic.h"
#include "base/line.h"

#define WKI_INLINE static inline __attribute__((always_inline))

#ifndef WKI_BUCKET_SLOTS
#define WKI_BUCKET_SLOTS 7u /* an explorer makes buckets smaller */
#endif

#define WKI_HINT_SHIFT (63u - 10u) /* arrays of 2^10 buckets and more have hints */
#define WKI_FROZEN UINT64_C(1)
#define WKI_MOVED UINT64_C(2) /* in NEXT of a unit's first bucket */
#define WKI_DROPPED (UINT64_C(2) | WKI_FROZEN)
#define WKI_WORD_TAG (UINT64_C(0xffff) << 48)
#define WKI_WORD_ENTRY (UINT64_C(1) << 63) /* in every word that holds an entry */
#define WKI_WORD_ADDRESS UINT64_C(0x0000fffffffffff0)

struct wki_entry;

struct wki_bucket {
	union {
		wki_atomic_u64 slot[WKI_BUCKET_SLOTS];
		uint64_t image[WKI_BUCKET_SLOTS]; /* while nobody else can see the bucket */
	};
	union {
		wki_atomic_u64 next;
		uint64_t image_next;
	};
	wki_atomic_word hint[WKI_BUCKET_SLOTS];
	uint64_t unused;
};

struct wki_array;
typedef WKI_ATOMIC_POINTER(struct wki_array) wki_array_root;

struct wki_array {
	struct wki_bucket *buckets; /* constant: 2^(63 - shift) of them, zeroed */
	unsigned shift;             /* constant */
	wki_array_root next;        /* NULL, then set once */
	wki_atomic_size frontier;   /* units whose authority has passed to next; only grows */
	wki_atomic_size claim;      /* units that somebody means to move: a hint */
};

/* What a migration must know of entries, and where overflow buckets come from. */
struct wki_slots_ops {
	uint64_t (*hash)(void *context, const struct wki_entry *entry);
	/* Worth moving: a live value or a pending flight. True also where it has just ceased to be. */
	bool (*is_kept)(const struct wki_entry *entry);
	/* The entry left its slot and no other slot has it. */
	void (*dropped)(void *context, struct wki_entry *entry);
	struct wki_bucket *(*bucket_new)(void *context); /* zeroed; NULL: no memory */
	void (*bucket_free)(void *context, struct wki_bucket *bucket);
	uintptr_t (*hint)(const struct wki_entry *entry); /* NULL: there are none */
};

/* Is it an entry of this key? Asked of entries whose tag fits, dead ones included. */
typedef bool wki_same_key(const struct wki_entry *entry, uint64_t hash, const void *key);

/* Where the probe for a key ended. */
struct wki_place {
	struct wki_array *array;
	struct wki_bucket *bucket;
	wki_atomic_u64 *word; /* a slot: of the key, or EMPTY; or &bucket->next: the key would go behind this bucket */
	uint64_t seen;        /* what *word was */
};

/* Words and hashes. The home bucket takes the hash's top bits, the tag and the start others. */

WKI_INLINE uint64_t wki_hash_tag(uint64_t hash)
{
	return hash << 48 | WKI_WORD_ENTRY;
}

WKI_INLINE unsigned wki_hash_start(uint64_t hash)
{
	return (unsigned)((hash >> 16 & 0xff) * WKI_BUCKET_SLOTS >> 8);
}

WKI_INLINE size_t wki_hash_home(uint64_t hash, unsigned shift)
{
	return (size_t)(hash >> 1 >> shift);
}

WKI_INLINE uint64_t wki_word_of(const struct wki_entry *entry, uint64_t hash)
{
	return wki_hash_tag(hash) | (uintptr_t)entry;
}

/* wki_word_entry - of a slot's word; NULL: EMPTY or DROPPED, frozen or not */
WKI_INLINE struct wki_entry *wki_word_entry(uint64_t word)
{
	return (struct wki_entry *)(uintptr_t)(word & WKI_WORD_ADDRESS);
}

/* wki_word_bucket - of a NEXT word; NULL: none */
WKI_INLINE struct wki_bucket *wki_word_bucket(uint64_t next)
{
	return (struct wki_bucket *)(uintptr_t)(next & WKI_WORD_ADDRESS);
}

WKI_INLINE struct wki_entry *wki_place_entry(const struct wki_place *place)
{
	return place->word == &place->bucket->next ? NULL : wki_word_entry(place->seen);
}

/* Arrays and authority. */

WKI_INLINE struct wki_array *wki_slots_current(const wki_array_root *root)
{
	/* SLT-1 acquire; pairs: MOV-11, SLT-6; weaker: a half-made array could be read; check: explore/slots, unit/collect/table_test */
	return atomic_load_acquire((wki_array_root *)(uintptr_t)root);
}

/* wki_slots_next - the array that this one is moving to, NULL: none. It stays so while nobody starts a migration. */
WKI_INLINE struct wki_array *wki_slots_next(const struct wki_array *array)
{
	/* SLT-2 acquire; pairs: MOV-10; weaker: a half-made array could be read; check: explore/slots, unit/collect/table_test */
	return atomic_load_acquire((wki_array_root *)(uintptr_t)&array->next);
}

WKI_INLINE size_t wki_slots_frontier(const struct wki_array *array)
{
	/* SLT-3 acquire; pairs: MOV-7; weaker: the next array could be read as it was before the unit came; check: explore/slots */
	return atomic_load_acquire((wki_atomic_size *)(uintptr_t)&array->frontier);
}

WKI_INLINE size_t wki_slots_buckets(const struct wki_array *array)
{
	return (size_t)1 << (63 - array->shift);
}

/* A unit is a bucket of whichever of the two arrays has fewer. */
WKI_INLINE unsigned wki_unit_shift(const struct wki_array *array, const struct wki_array *next)
{
	return array->shift > next->shift ? array->shift : next->shift;
}

WKI_INLINE size_t wki_slots_units(const struct wki_array *array, const struct wki_array *next)
{
	return (size_t)1 << (63 - wki_unit_shift(array, next));
}

WKI_INLINE struct wki_array *wki_slots_route_from(struct wki_array *array, uint64_t hash)
{
	struct wki_array *next;

	while ((next = wki_slots_next(array)) != NULL) {
		if (wki_hash_home(hash, wki_unit_shift(array, next)) >= wki_slots_frontier(array))
			break;
		array = next;
	}
	return array;
}

/* wki_slots_route - the array that has authority over the hash: now, and until its unit's frontier passes */
WKI_INLINE struct wki_array *wki_slots_route(const wki_array_root *root, uint64_t hash)
{
	return wki_slots_route_from(wki_slots_current(root), hash);
}

/* Looking for a key. */

WKI_INLINE uint64_t wki_slots_load(const wki_atomic_u64 *word)
{
	/* SLT-4 acquire; pairs: SLT-7, SLT-8, MOV-2, MOV-4, MOV-5; weaker: a half-made entry or bucket could be read; check: explore/slots */
	return atomic_load_acquire((wki_atomic_u64 *)(uintptr_t)word);
}

/* wki_bucket_glance - the first slot whose word has the tag: all are compared, so that no branch depends on the key */
#if WKI_HAS_LINE && WKI_BUCKET_SLOTS == 7u && !WKI_EXPLORE
#define WKI_GLANCE_NONE 8u

WKI_INLINE unsigned wki_bucket_glance(const struct wki_bucket *bucket, uint64_t tag)
{
	return wki_line_find(bucket, tag); /* NEXT is the last word, and no tag fits it */
}
#else
#define WKI_GLANCE_NONE WKI_BUCKET_SLOTS

WKI_INLINE unsigned wki_bucket_glance(const struct wki_bucket *bucket, uint64_t tag)
{
	unsigned i;

	for (i = 0; i < WKI_BUCKET_SLOTS; i++) {
		/* SLT-9 relaxed; pairs: none; weaker: not possible; check: explore/slots (only a hint where to look: SLT-4 reads what is used) */
		uint64_t word = atomic_load_relaxed((wki_atomic_u64 *)(uintptr_t)&bucket->slot[i]);

		if ((word ^ tag) >> 48 == 0)
			break;
	}
	return i;
}
#endif

/* Hints. */

WKI_INLINE void wki_bucket_ask(const struct wki_bucket *bucket, unsigned slot, int writes)
{
	/* SLT-10 relaxed; pairs: none; weaker: not possible; check: by reading (only prefetched) */
	const void *hint = (const void *)atomic_load_relaxed((wki_atomic_word *)(uintptr_t)&bucket->hint[slot]);

	if (writes)
		__builtin_prefetch(hint, 1);
	else
		__builtin_prefetch(hint);
}

WKI_INLINE void wki_bucket_set_hint(const struct wki_array *array, struct wki_bucket *bucket, size_t slot,
				    const struct wki_entry *entry, const struct wki_slots_ops *ops)
{
	if (ops->hint == NULL || array->shift > WKI_HINT_SHIFT)
		return;
	/* SLT-11 relaxed; pairs: none; weaker: not possible; check: by reading (only prefetched) */
	atomic_store_relaxed(&bucket->hint[slot], ops->hint(entry));
}

/*
 * wki_slots_glance - the first entry in the home bucket that has the key's tag; NULL: look again, properly
 *
 * Mostly it is the key's, and if it is, then as truly as if wki_slots_find had found it: a key has
 * one slot (S1). That there is none says nothing: a migration may be running, the key may be in an
 * overflow bucket, or two keys have one tag. What its hint leads to is asked for, to be written if `writes`.
 */
WKI_INLINE struct wki_entry *wki_slots_glance(const wki_array_root *root, uint64_t hash, int writes)
{
	const struct wki_array *array = wki_slots_current(root);
	const struct wki_bucket *bucket = &array->buckets[wki_hash_home(hash, array->shift)];
	unsigned i;

	if (__builtin_expect(wki_slots_next(array) != NULL, 0))
		return NULL;
	i = wki_bucket_glance(bucket, wki_hash_tag(hash));
	if (__builtin_expect(i == WKI_GLANCE_NONE, 0))
		return NULL;
	if (array->shift <= WKI_HINT_SHIFT)
		wki_bucket_ask(bucket, i, writes);
	return wki_word_entry(wki_slots_load(&bucket->slot[i]));
}

/* wki_slots_find - the slot of the key, or the place where an insert of it would put it */
WKI_INLINE struct wki_place wki_slots_find(struct wki_array *array, uint64_t hash, wki_same_key *same, const void *key)
{
	struct wki_place place = { .array = array, .bucket = &array->buckets[wki_hash_home(hash, array->shift)] };
	const uint64_t tag = wki_hash_tag(hash);
	const unsigned start = wki_hash_start(hash);
	struct wki_bucket *next;
	unsigned i, left;

	for (;;) {
		for (i = start, left = WKI_BUCKET_SLOTS; left > 0; left--) {
			place.word = &place.bucket->slot[i];
			place.seen = wki_slots_load(place.word);
			if ((place.seen & WKI_WORD_TAG) == tag && same(wki_word_entry(place.seen), hash, key))
				return place;
			if ((place.seen & ~WKI_FROZEN) == 0)
				return place;
			i = i + 1 == WKI_BUCKET_SLOTS ? 0 : i + 1;
		}
		place.word = &place.bucket->next;
		place.seen = wki_slots_load(place.word);
		next = wki_word_bucket(place.seen);
		if (next == NULL)
			return place;
		place.bucket = next;
	}
}

/*
 * wki_slots_is_settled - may a place whose entry turned out to be dead be taken for absent?
 *
 * Asked after the entry was found dead (an acquire). False: somebody stored the key anew, or its
 * unit moved and somebody may have: look again.
 */
WKI_INLINE bool wki_slots_is_settled(const wki_array_root *root, uint64_t hash, const struct wki_place *place)
{
	/* SLT-5 relaxed; pairs: none; weaker: not possible; check: explore/slots, model/slots_dead (the death was acquired) */
	if (atomic_load_relaxed(place->word) != place->seen)
		return false;
	return (place->seen & WKI_FROZEN) == 0 || wki_slots_route(root, hash) == place->array;
}

/*
 * wki_slots_get - what `take` makes of the key's entry; NULL: absent
 *
 * `take` returns NULL when the entry is not live (or not what is wanted) by an acquire; it is
 * asked again whenever the key was stored anew meanwhile. Get, peek, remove and pop are this.
 */
WKI_INLINE void *wki_slots_get(const wki_array_root *root, uint64_t hash, wki_same_key *same, const void *key,
			       void *(*take)(struct wki_entry *entry, void *context), void *context)
{
	struct wki_entry *entry;
	struct wki_place place;
	void *taken;

	do {
		place = wki_slots_find(wki_slots_route(root, hash), hash, same, key);
		entry = wki_place_entry(&place);
		if (entry == NULL)
			return NULL;
		taken = take(entry, context);
		if (taken != NULL)
			return taken;
	} while (!wki_slots_is_settled(root, hash, &place));
	return NULL;
}

/* Storing. */

enum wki_stored {
	WKI_STORED,          /* the entry is in the slot; what was there (place.seen) is the caller's to deal with */
	WKI_STORE_AGAIN,     /* somebody else changed the slot: find it again */
	WKI_STORE_FROZEN,    /* the unit is being moved: wki_slots_pass, then find it again */
	WKI_STORE_NO_MEMORY, /* nothing changed */
};

/* wki_slots_append - store behind the last bucket, in a new one */
WKI_INLINE enum wki_stored wki_slots_append(const struct wki_place *place, uint64_t hash, struct wki_entry *entry,
					    const struct wki_slots_ops *ops, void *context)
{
	struct wki_bucket *bucket = ops->bucket_new(context);
	uint64_t next = 0;

	if (bucket == NULL)
		return WKI_STORE_NO_MEMORY;
	bucket->image[wki_hash_start(hash)] = wki_word_of(entry, hash);
	/* SLT-7 release; pairs: SLT-4, MOV-3; weaker: a half-made bucket or entry could be read; check: explore/slots */
	if (atomic_cas_release(&place->bucket->next, &next, (uintptr_t)bucket))
		return WKI_STORED;
	ops->bucket_free(context, bucket);
	return WKI_STORE_AGAIN;
}

/*
 * wki_slots_store - put the entry where its key was found, or would be
 *
 * In the place of another entry only if that one is of the same key and the caller replaces it,
 * or has found it dead, or it is a flight.
 */
WKI_INLINE enum wki_stored wki_slots_store(const struct wki_place *place, uint64_t hash, struct wki_entry *entry,
					   const struct wki_slots_ops *ops, void *context)
{
	uint64_t seen = place->seen;

	if (seen & WKI_FROZEN)
		return WKI_STORE_FROZEN;
	if (place->word == &place->bucket->next)
		return wki_slots_append(place, hash, entry, ops, context);
	/* SLT-8 release; pairs: SLT-4, MOV-1, MOV-2; weaker: a half-made entry could be read; check: explore/slots */
	if (!atomic_cas_release(place->word, &seen, wki_word_of(entry, hash)))
		return WKI_STORE_AGAIN;
	wki_bucket_set_hint(place->array, place->bucket, (size_t)(place->word - place->bucket->slot), entry, ops);
	return WKI_STORED;
}

/* wki_slots_init - the first array, before anybody else can see the table */
WKI_INLINE void wki_slots_init(wki_array_root *root, struct wki_array *array)
{
	/* SLT-6 release; pairs: SLT-1; weaker: a half-made array could be read; check: unit/collect/table_test */
	atomic_store_release(root, array);
}

#endif
