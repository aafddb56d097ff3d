/*
 * collect/slots.h - the slot protocol: buckets of entries that many threads share without a lock
 *
 * WORD, 64 bits:  tag (16, its top bit is set in ENTRY alone) | entry address (48, 16-aligned) |
 *                 KEYED (bit 2) | FREE (bit 1) | FROZEN (bit 0)
 *
 *	state          word            from                        who
 *	EMPTY          0               -                           the array is made of these
 *	CLAIM(e)       tag-|e          FREE, EMPTY of an overflow  a writer who has not found e's key anywhere
 *	                               bucket, ENTRY(x) that ended
 *	ENTRY(e)       tag|e           EMPTY of a home bucket      a writer who has not found e's key
 *	                               ENTRY(x)                    a writer: e is of x's key, and x was replaced,
 *	                                                           is dead or is a flight
 *	                               CLAIM(e)                    whoever has found that e's key is nowhere else
 *	                               EMPTY of the next array     a mover
 *	ENTRY(e)|KEYED tag|e|4         ENTRY(e), if it was EMPTY   whoever put it there (see KEYED)
 *	LOST(e)        tag-|e|2        CLAIM(e)                    whoever has found e's key elsewhere
 *	FREE           2               ENTRY(x)                    whoever has ended x, or finds it ended
 *	                               LOST(e)                     the writer whose claim it was
 *	EMPTY|F        1               EMPTY                       a mover
 *	ENTRY(e)|F     tag|e|1         ENTRY(e)                    a mover
 *	LOST(e)|F      tag-|e|3        CLAIM(e), LOST(e)           a mover
 *	FREE|F         3               FREE; ENTRY(x) that ended   a mover
 *	Impossible: anything to 0; any change of a word that is FROZEN. Whoever takes an entry out of its
 *	slot drops it.
 *
 * BUCKET: one cache line: WKI_BUCKET_SLOTS words, NEXT, and a HINT for each slot.
 *	NEXT           0 none, or the overflow bucket; then FROZEN (none, for ever) and, in the first bucket
 *	               of a unit only, MOVED: everything of the unit is in the next array.
 *
 *	HINT           how far from the entry that is which whoever finds it will want next, to be asked for while
 *	               the entry itself is on its way. It may be wrong, or of an entry that was there before: it is
 *	               prefetched, which cannot fault, and followed only where the slot is KEYED. Only the first look at
 *	               a home bucket uses it.
 *
 * KEYED, in the ENTRY(e) of a home bucket: its hint is e's, and right, and what it leads to tells whether e is of the key
 * that is looked for, and live (`is_home`). Only the first entry that a slot has had may become so: whoever put it there,
 * the writer or any mover, writes the hint, then adds KEYED to the very word, if that is still there. Late ones write the
 * same hint once more. Whoever comes after e in the slot writes his own, once his word is there: so a lookup reads the
 * word, the hint, and the word again.
 *
 * A key's PROBE ORDER: the slots of its home bucket, cyclic from start(hash), then those of the
 * overflow bucket in the same way, and so on.
 *
 * ROOM. While the home bucket has an EMPTY slot, no slot of it is used for another key than its
 * first one, and who inserts takes the first EMPTY slot: two inserts of one key meet there. Once
 * there is none (for the array's life, then), any slot of the probe order will do that is FREE, or
 * whose entry has ended, or that is EMPTY and the first such one. Two inserts of one key may then
 * take two slots. So a slot is CLAIMED first; then all others are looked at:
 *
 *	the key is in an ENTRY                         the claim is LOST
 *	in a CLAIM that is earlier in the probe order  the claim is LOST
 *	in a CLAIM that is later                       that one is made LOST
 *	otherwise                                      the claim becomes an ENTRY
 *
 * Claims and looks are sequentially consistent: of two that claim slots for one key at least one
 * sees the other, and each outcome is one compare-and-swap on the claim's word. Anybody can settle
 * anybody's claim, and does if he wants to insert its key; nobody waits. Lookups pass over claims.
 * LOST names the entry, which is never claimed for again: so the writer learns what has become of it, and
 * a late helper changes nothing.
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
 *	(S1) A key is never beyond an EMPTY slot of its probe order.
 *	(S2) A key has at most one ENTRY in the array that has authority over it, one that has ended included: it
 *	     keeps its slot for its key until it is taken out.
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

/* In front of a loop over the slots of a bucket: gcc unrolls none by itself, not even one of four turns. */
#if defined(__GNUC__) && !defined(__clang__)
#define WKI_UNROLL _Pragma("GCC unroll 8")
#else
#define WKI_UNROLL
#endif

#ifndef WKI_BUCKET_SLOTS
#define WKI_BUCKET_SLOTS 4u /* an explorer makes buckets smaller */
#endif

#define WKI_HINT_UNIT 8u /* a hint is how many of these lie between the entry and what is wanted: 2^31 in each direction */
#define WKI_FROZEN UINT64_C(1)
#define WKI_MOVED UINT64_C(2) /* in NEXT of a unit's first bucket */
#define WKI_FREE UINT64_C(2) /* in a slot, and in every word that is LOST */
#define WKI_KEYED UINT64_C(4) /* in a slot's ENTRY */
#define WKI_WORD_TAG (UINT64_C(0xffff) << 48)
#define WKI_WORD_ENTRY (UINT64_C(1) << 63) /* in every word that is an ENTRY */
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
	wki_atomic_u32 hint[WKI_BUCKET_SLOTS];
	uint64_t unused;
};

_Static_assert(WKI_BUCKET_SLOTS != 4 || sizeof(struct wki_bucket) == 64, "a bucket is one line");

struct wki_array;
typedef WKI_ATOMIC_POINTER(struct wki_array) wki_array_root;

struct wki_array {
	struct wki_bucket *buckets; /* constant: zeroed */
	unsigned shift;             /* constant: wki_slots_shift, of how many there are */
	wki_array_root next;        /* NULL, then set once */
	wki_atomic_size frontier;   /* units whose authority has passed to next; only grows */
	wki_atomic_size claim;      /* units that somebody means to move: a hint */
	wki_atomic_u64 spilled;     /* slots of overflow buckets that were claimed here, not those that a mover filled; only grows */
};

/* What a migration must know of entries, and where overflow buckets come from. */
struct wki_slots_ops {
	uint64_t (*hash)(void *context, const struct wki_entry *entry);
	/* It has not ended: a live value or a pending flight. True also where it has just ended; false is final. */
	bool (*is_kept)(const struct wki_entry *entry);
	/* A mover took the entry out of its slot. */
	void (*dropped)(void *context, struct wki_entry *entry);
	struct wki_bucket *(*bucket_new)(void *context); /* zeroed; NULL: no memory */
	void (*bucket_free)(void *context, struct wki_bucket *bucket);
	uintptr_t (*hint)(const struct wki_entry *entry); /* NULL: there are none */
	bool (*is_home)(const struct wki_entry *entry);   /* may its slot be KEYED? Constant. With hints only */
};

/* Is it an entry of this key? Asked of entries whose tag fits, dead ones included. */
typedef bool wki_same_key(const struct wki_entry *entry, uint64_t hash, const void *key);

/* wki_slots_is_entry - a wki_same_key whose key is the entry itself: where is it? */
static inline bool wki_slots_is_entry(const struct wki_entry *entry, uint64_t hash, const void *wanted)
{
	(void)hash;
	return entry == wanted;
}

/* Where the probe for a key ended. */
struct wki_place {
	struct wki_array *array;
	struct wki_bucket *bucket;
	wki_atomic_u64 *word; /* a slot: of the key, or room; or &bucket->next: the key would go behind this bucket */
	uint64_t seen;        /* what *word was */
	bool claims;          /* room that has to be claimed; what it holds is of another key */
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

/*
 * wki_slots_shift - of an array of 2^bits buckets, at most 2^58; the bits of a shift
 *
 * The home bucket's address in the array is the hash shifted by so much, its last WKI_BUCKET_BITS cut off: a
 * bucket is a line of so many bits.
 */
#define WKI_BUCKET_BITS 6u

WKI_INLINE unsigned wki_slots_shift(unsigned bits)
{
	return 64 - WKI_BUCKET_BITS - bits;
}

WKI_INLINE size_t wki_hash_home(uint64_t hash, unsigned shift)
{
	return (size_t)(hash >> shift >> WKI_BUCKET_BITS);
}

/* wki_home_hash - the least hash whose home it is */
WKI_INLINE uint64_t wki_home_hash(size_t home, unsigned shift)
{
	return (uint64_t)home << WKI_BUCKET_BITS << shift;
}

WKI_INLINE uint64_t wki_word_of(const struct wki_entry *entry, uint64_t hash)
{
	return wki_hash_tag(hash) | (uintptr_t)entry;
}

/* wki_word_named - the entry that a slot's word names: an ENTRY's, a CLAIM's, a LOST one; NULL: EMPTY or FREE */
WKI_INLINE struct wki_entry *wki_word_named(uint64_t word)
{
	return (struct wki_entry *)(uintptr_t)(word & WKI_WORD_ADDRESS);
}

/* wki_word_entry - the entry that is in the slot; NULL: none, frozen or not */
WKI_INLINE struct wki_entry *wki_word_entry(uint64_t word)
{
	struct wki_entry *entry = wki_word_named(word);

	if ((word & WKI_WORD_ENTRY) == 0)
		return NULL;
	if (entry == NULL)
		__builtin_unreachable(); /* an ENTRY has one: no caller needs to look twice */
	return entry;
}

WKI_INLINE uint64_t wki_word_claim(const struct wki_entry *entry, uint64_t hash)
{
	return wki_word_of(entry, hash) & ~WKI_WORD_ENTRY;
}

WKI_INLINE bool wki_word_is_claim(uint64_t word)
{
	return (word & (WKI_WORD_ENTRY | WKI_FREE)) == 0 && wki_word_named(word) != NULL;
}

/* wki_word_has_tag - whatever else it is; ENTRY is the tag's top bit, and is shifted out */
WKI_INLINE bool wki_word_has_tag(uint64_t word, uint64_t tag)
{
	return (word ^ tag) << 1 < UINT64_C(1) << 49;
}

/* wki_word_may_be - has it the tag, as an ENTRY or a CLAIM? */
WKI_INLINE bool wki_word_may_be(uint64_t word, uint64_t tag)
{
	return wki_word_has_tag(word, tag) && (word & WKI_FREE) == 0 && wki_word_named(word) != NULL;
}

/* wki_word_bucket - of a NEXT word; NULL: none */
WKI_INLINE struct wki_bucket *wki_word_bucket(uint64_t next)
{
	return (struct wki_bucket *)(uintptr_t)(next & WKI_WORD_ADDRESS);
}

/* wki_place_entry - of the key; NULL: it was not found */
WKI_INLINE struct wki_entry *wki_place_entry(const struct wki_place *place)
{
	return place->claims || place->word == &place->bucket->next ? NULL : wki_word_entry(place->seen);
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

/* wki_slots_home - the hash's home bucket */
WKI_INLINE struct wki_bucket *wki_slots_home(const struct wki_array *array, uint64_t hash)
{
	return &array->buckets[wki_hash_home(hash, array->shift)];
}

WKI_INLINE size_t wki_slots_buckets(const struct wki_array *array)
{
	return (size_t)1 << wki_slots_shift(array->shift);
}

/* A unit is a bucket of whichever of the two arrays has fewer. */
WKI_INLINE unsigned wki_unit_shift(const struct wki_array *array, const struct wki_array *next)
{
	return array->shift > next->shift ? array->shift : next->shift;
}

WKI_INLINE size_t wki_slots_units(const struct wki_array *array, const struct wki_array *next)
{
	return (size_t)1 << wki_slots_shift(wki_unit_shift(array, next));
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
	/* SLT-4 acquire; pairs: CLM-1, CLM-2, CLM-3, CLM-5, GLN-4, MOV-2, MOV-4, MOV-5; weaker: a half-made entry or bucket could be read; check: explore/slots */
	return atomic_load_acquire((wki_atomic_u64 *)(uintptr_t)word);
}

/* wki_slots_find - the slot of the key, or where the search for it has ended */
WKI_INLINE struct wki_place wki_slots_find(struct wki_array *array, uint64_t hash, wki_same_key *same, const void *key)
{
	struct wki_place place = { .array = array, .bucket = wki_slots_home(array, hash) };
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

WKI_INLINE void wki_slots_count_spilled(struct wki_array *array)
{
	/* SLT-7 relaxed; pairs: none; weaker: not possible; check: unit/collect/table_test (a sum only) */
	(void)atomic_fetch_add_relaxed(&array->spilled, 1);
}

/* wki_slots_init - the first array, before anybody else can see the table */
WKI_INLINE void wki_slots_init(wki_array_root *root, struct wki_array *array)
{
	/* SLT-6 release; pairs: SLT-1; weaker: a half-made array could be read; check: unit/collect/table_test */
	atomic_store_release(root, array);
}

#endif
