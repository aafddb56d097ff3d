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
 * BUCKET: one cache line, WKI_BUCKET_SLOTS words and NEXT.
 *	NEXT           0 none, or the overflow bucket; then FROZEN (none, for ever) and, in the first bucket
 *	               of a unit only, MOVED: everything of the unit is in the next array.
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

#define WKI_INLINE static inline __attribute__((always_inline))

#ifndef WKI_BUCKET_SLOTS
#define WKI_BUCKET_SLOTS 7u /* an explorer makes buckets smaller */
#endif
#ifndef WKI_WINDOW
#define WKI_WINDOW 16u /* units beyond the frontier that may be claimed: what a thread that must pass may find undone */
#endif

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
	uint64_t (*hash)(const struct wki_entry *entry);
	/* Worth moving: a live value or a pending flight. True also where it has just ceased to be. */
	bool (*is_kept)(const struct wki_entry *entry);
	/* The entry left its slot and no other slot has it. */
	void (*dropped)(void *context, struct wki_entry *entry);
	struct wki_bucket *(*bucket_new)(void *context); /* zeroed; NULL: no memory */
	void (*bucket_free)(void *context, struct wki_bucket *bucket);
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
	/* SLT-1 acquire; pairs: SLT-19, SLT-20; weaker: a half-made array could be read; check: explore/slots, unit/collect/table_test */
	return atomic_load_acquire((wki_array_root *)(uintptr_t)root);
}

/* wki_slots_next - the array that this one is moving to, NULL: none. It stays so while nobody starts a migration. */
WKI_INLINE struct wki_array *wki_slots_next(const struct wki_array *array)
{
	/* SLT-2 acquire; pairs: SLT-18; weaker: a half-made array could be read; check: explore/slots, unit/collect/table_test */
	return atomic_load_acquire((wki_array_root *)(uintptr_t)&array->next);
}

WKI_INLINE size_t wki_slots_frontier(const struct wki_array *array)
{
	/* SLT-3 acquire; pairs: SLT-16; weaker: the next array could be read as it was before the unit came; check: explore/slots */
	return atomic_load_acquire((wki_atomic_size *)(uintptr_t)&array->frontier);
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
	/* SLT-4 acquire; pairs: SLT-7, SLT-8, SLT-10, SLT-13, SLT-14; weaker: a half-made entry or bucket could be read; check: explore/slots */
	return atomic_load_acquire((wki_atomic_u64 *)(uintptr_t)word);
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
	/* SLT-7 release; pairs: SLT-4, SLT-11; weaker: a half-made bucket or entry could be read; check: explore/slots */
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
	/* SLT-8 release; pairs: SLT-4, SLT-9, SLT-10; weaker: a half-made entry could be read; check: explore/slots */
	if (atomic_cas_release(place->word, &seen, wki_word_of(entry, hash)))
		return WKI_STORED;
	return WKI_STORE_AGAIN;
}

/* Moving a unit. */

/* wki_slots_freeze - after this the slot never changes; returns its last word */
WKI_INLINE uint64_t wki_slots_freeze(wki_atomic_u64 *slot, const struct wki_slots_ops *ops, void *context)
{
	/* SLT-9 acquire; pairs: SLT-7, SLT-8, SLT-10, SLT-13, SLT-14; weaker: a half-made entry could be read; check: explore/slots */
	uint64_t frozen, word = atomic_load_acquire(slot);
	struct wki_entry *entry;

	while ((word & WKI_FROZEN) == 0) {
		entry = wki_word_entry(word);
		frozen = entry == NULL || ops->is_kept(entry) ? word | WKI_FROZEN : WKI_DROPPED;
		/* SLT-10 acq_rel; pairs: SLT-4, SLT-8, SLT-9, SLT-10; weaker: another mover could read a half-made entry; check: explore/slots */
		if (!atomic_cas_acq_rel(slot, &word, frozen))
			continue;
		if (frozen == WKI_DROPPED)
			ops->dropped(context, entry);
		return frozen;
	}
	return word;
}

/* wki_slots_freeze_next - after this nothing is appended to the bucket; returns its overflow bucket */
WKI_INLINE struct wki_bucket *wki_slots_freeze_next(struct wki_bucket *bucket)
{
	uint64_t next = 0;

	/* SLT-11 acq_rel; pairs: SLT-4, SLT-7, SLT-14; weaker: a half-made overflow bucket could be read; check: explore/slots */
	(void)atomic_cas_acq_rel(&bucket->next, &next, WKI_FROZEN);
	return wki_word_bucket(next);
}

/* wki_slots_lay - one more entry in a layout; false: no memory */
WKI_INLINE bool wki_slots_lay(struct wki_bucket *image, uint64_t word, uint64_t hash, const struct wki_slots_ops *ops,
			      void *context)
{
	unsigned i, left;

	for (;; image = wki_word_bucket(image->image_next)) {
		for (i = wki_hash_start(hash), left = WKI_BUCKET_SLOTS; left > 0; left--) {
			if (image->image[i] == 0) {
				image->image[i] = word;
				return true;
			}
			i = i + 1 == WKI_BUCKET_SLOTS ? 0 : i + 1;
		}
		if (image->image_next == 0)
			image->image_next = (uintptr_t)ops->bucket_new(context);
		if (image->image_next == 0)
			return false;
	}
}

/* wki_slots_lay_bucket - freeze a bucket and its overflow, and lay out what is in there, from `first` on */
WKI_INLINE bool wki_slots_lay_bucket(struct wki_bucket *bucket, struct wki_bucket *image, size_t first, unsigned shift,
				     const struct wki_slots_ops *ops, void *context)
{
	struct wki_entry *entry;
	uint64_t word, hash;
	unsigned i;

	for (; bucket != NULL; bucket = wki_slots_freeze_next(bucket)) {
		for (i = 0; i < WKI_BUCKET_SLOTS; i++) {
			word = wki_slots_freeze(&bucket->slot[i], ops, context);
			entry = wki_word_entry(word);
			if (entry == NULL)
				continue;
			hash = ops->hash(entry);
			if (!wki_slots_lay(&image[wki_hash_home(hash, shift) - first], word & ~WKI_FROZEN, hash, ops, context))
				return false;
		}
	}
	return true;
}

WKI_INLINE void wki_slots_free_chain(uint64_t next, const struct wki_slots_ops *ops, void *context)
{
	struct wki_bucket *bucket;

	while ((bucket = wki_word_bucket(next)) != NULL) {
		next = bucket->image_next;
		ops->bucket_free(context, bucket);
	}
}

/* wki_slots_publish - make a bucket of the next array what the layout says, where somebody has not yet */
WKI_INLINE void wki_slots_publish(struct wki_bucket *bucket, const struct wki_bucket *image,
				  const struct wki_slots_ops *ops, void *context)
{
	uint64_t none;
	unsigned i;

	for (i = 0; i < WKI_BUCKET_SLOTS; i++) {
		none = 0;
		if (image->image[i] != 0) {
			/* SLT-13 release; pairs: SLT-4, SLT-9; weaker: a half-made entry could be read; check: explore/slots */
			(void)atomic_cas_release(&bucket->slot[i], &none, image->image[i]);
		}
	}
	none = 0;
	/* SLT-14 release; pairs: SLT-4, SLT-11; weaker: a half-made bucket could be read; check: explore/slots */
	if (image->image_next != 0 && !atomic_cas_release(&bucket->next, &none, image->image_next))
		wki_slots_free_chain(image->image_next, ops, context);
}

WKI_INLINE struct wki_bucket *wki_unit_bucket(const struct wki_array *array, const struct wki_array *next, size_t unit)
{
	return &array->buckets[unit << (wki_unit_shift(array, next) - array->shift)];
}

WKI_INLINE bool wki_slots_is_moved(const struct wki_array *array, const struct wki_array *next, size_t unit)
{
	return (wki_slots_load(&wki_unit_bucket(array, next, unit)->next) & WKI_MOVED) != 0;
}

/*
 * wki_slots_move - move one unit to the next array, however many others are at it
 *
 * The caller read a frontier at or below `unit` in this section. False: no memory for an
 * overflow bucket; the unit stays frozen and unmoved until somebody has better luck.
 */
WKI_INLINE bool wki_slots_move(struct wki_array *array, struct wki_array *next, size_t unit,
			       const struct wki_slots_ops *ops, void *context)
{
	const unsigned shift = wki_unit_shift(array, next);
	const size_t sources = (size_t)1 << (shift - array->shift), targets = (size_t)1 << (shift - next->shift);
	struct wki_bucket *from = wki_unit_bucket(array, next, unit), *to = wki_unit_bucket(next, array, unit);
	struct wki_bucket image[2] = { 0 };
	bool laid = true;
	size_t i;

	for (i = 0; i < sources && laid; i++)
		laid = wki_slots_lay_bucket(&from[i], image, unit * targets, next->shift, ops, context);
	for (i = 0; i < targets; i++) {
		if (laid)
			wki_slots_publish(&to[i], &image[i], ops, context);
		else
			wki_slots_free_chain(image[i].image_next, ops, context);
	}
	if (laid) {
		/* SLT-15 release; pairs: SLT-4; weaker: the frontier could pass what is not in the next array yet; check: explore/slots */
		(void)atomic_fetch_or_release(&from->next, WKI_MOVED);
	}
	return laid;
}

/* wki_slots_advance - authority over what has moved passes to the next array, in order */
WKI_INLINE void wki_slots_advance(struct wki_array *array, struct wki_array *next)
{
	const size_t units = wki_slots_units(array, next);
	size_t frontier = wki_slots_frontier(array);

	while (frontier < units && wki_slots_is_moved(array, next, frontier)) {
		/* SLT-16 acq_rel; pairs: SLT-3, SLT-16; weaker: the next array could be read as it was before the unit came; check: explore/slots */
		if (atomic_cas_acq_rel(&array->frontier, &frontier, frontier + 1))
			frontier++;
	}
}

/*
 * wki_slots_claim - a unit that the caller had better move, so that helpers do not do the same
 *
 * The frontier itself once the window is full: whoever claimed that unit may have been stopped.
 */
WKI_INLINE size_t wki_slots_claim(struct wki_array *array, size_t units)
{
	size_t frontier = wki_slots_frontier(array), unit;
	/* SLT-17 relaxed; pairs: none; weaker: not possible; check: explore/slots (a hint) */
	size_t claim = atomic_load_relaxed(&array->claim);

	do {
		unit = claim < frontier ? frontier : claim;
		if (unit >= units || unit - frontier >= WKI_WINDOW)
			return frontier;
		/* SLT-6 relaxed; pairs: none; weaker: not possible; check: explore/slots (a hint) */
	} while (!atomic_cas_relaxed(&array->claim, &claim, unit + 1));
	return unit;
}

/* wki_slots_help - move one unit of the migration that runs; false: no memory */
WKI_INLINE bool wki_slots_help(struct wki_array *array, struct wki_array *next, const struct wki_slots_ops *ops, void *context)
{
	const size_t units = wki_slots_units(array, next);
	size_t unit = wki_slots_claim(array, units);

	if (unit < units && !wki_slots_is_moved(array, next, unit) && !wki_slots_move(array, next, unit, ops, context))
		return false;
	wki_slots_advance(array, next);
	return true;
}

/* wki_slots_pass - see to it that the next array has authority over the hash; false: no memory */
WKI_INLINE bool wki_slots_pass(struct wki_array *array, uint64_t hash, const struct wki_slots_ops *ops, void *context)
{
	struct wki_array *next = wki_slots_next(array);
	const size_t unit = wki_hash_home(hash, wki_unit_shift(array, next));
	size_t frontier;

	while ((frontier = wki_slots_frontier(array)) <= unit) {
		if (!wki_slots_is_moved(array, next, frontier) && !wki_slots_move(array, next, frontier, ops, context))
			return false;
		wki_slots_advance(array, next);
	}
	return true;
}

/* Arrays come and go. */

/* wki_slots_start - begin a migration; false: another one has begun, `next` is still the caller's */
WKI_INLINE bool wki_slots_start(struct wki_array *array, struct wki_array *next)
{
	struct wki_array *none = NULL;

	/* SLT-18 release; pairs: SLT-2; weaker: a half-made array could be read; check: explore/slots, unit/collect/table_test */
	return atomic_cas_release(&array->next, &none, next);
}

/* wki_slots_finish - end a migration; true: it was the caller who did, `array` is his to retire */
WKI_INLINE bool wki_slots_finish(wki_array_root *root, struct wki_array *array, struct wki_array *next)
{
	if (wki_slots_frontier(array) < wki_slots_units(array, next))
		return false;
	/* SLT-19 release; pairs: SLT-1; weaker: a half-made array could be read; check: explore/slots, unit/collect/table_test */
	return atomic_cas_release(root, &array, next);
}

/* wki_slots_init - the first array, before anybody else can see the table */
WKI_INLINE void wki_slots_init(wki_array_root *root, struct wki_array *array)
{
	/* SLT-20 release; pairs: SLT-1; weaker: a half-made array could be read; check: unit/collect/table_test */
	atomic_store_release(root, array);
}

#endif
