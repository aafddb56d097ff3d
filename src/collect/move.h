/*
 * collect/move.h - the slot protocol's other half: migrations, one unit at a time
 *
 * The states, the invariants and what a caller must see to are in slots.h.
 *
 *	start    next: NULL -> the new array
 *	move     a unit: freeze every word; lay out a local image of the destination; publish it
 *	         there; mark the unit MOVED
 *	advance  the frontier, over units that are MOVED
 *	finish   root: the old array -> the new one, once the frontier is at the end
 *
 * Any thread may do any step at any time, and again after others have: the second time changes
 * nothing. Nobody waits for anybody, and a thread that is stopped in the middle stops nobody.
 *
 * Layer: collect, header only. Never: libc, liburcu, allocation (other than by ops).
 */
#ifndef WKI_COLLECT_MOVE_H
#define WKI_COLLECT_MOVE_H

#include "collect/glance.h"

#ifndef WKI_WINDOW
#define WKI_WINDOW 16u /* units beyond the frontier that may be claimed: what a thread that must pass may find undone */
#endif

/* Moving a unit. */

/* What a mover makes of a word: an entry that has ended is dropped, a claim is lost. */
WKI_INLINE uint64_t wki_word_frozen(uint64_t word, const struct wki_slots_ops *ops)
{
	const struct wki_entry *entry = wki_word_entry(word);

	if (entry != NULL && !ops->is_kept(entry))
		return WKI_FREE | WKI_FROZEN;
	if (wki_word_is_claim(word))
		return word | WKI_FREE | WKI_FROZEN;
	return word | WKI_FROZEN;
}

/* wki_slots_freeze - after this the slot never changes; returns its last word */
WKI_INLINE uint64_t wki_slots_freeze(wki_atomic_u64 *slot, const struct wki_slots_ops *ops, void *context)
{
	/* MOV-1 acquire; pairs: CLM-1, CLM-2, CLM-3, CLM-5, MOV-2, MOV-4, MOV-5; weaker: a half-made entry could be read; check: explore/slots */
	uint64_t frozen, word = atomic_load_acquire(slot);

	while ((word & WKI_FROZEN) == 0) {
		frozen = wki_word_frozen(word, ops);
		/* MOV-2 acq_rel; pairs: SLT-4, CLM-2, CLM-3, CLM-5, MOV-1, MOV-2; weaker: another mover could read a half-made entry; check: explore/slots */
		if (!atomic_cas_acq_rel(slot, &word, frozen))
			continue;
		if (wki_word_entry(word) != NULL && wki_word_entry(frozen) == NULL)
			ops->dropped(context, wki_word_entry(word));
		return frozen;
	}
	return word;
}

/* wki_slots_freeze_next - after this nothing is appended to the bucket; returns its overflow bucket */
WKI_INLINE struct wki_bucket *wki_slots_freeze_next(struct wki_bucket *bucket)
{
	uint64_t next = 0;

	/* MOV-3 acq_rel; pairs: SLT-4, CLM-1, CLM-4, MOV-5; weaker: a half-made overflow bucket could be read; check: explore/slots */
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
			hash = ops->hash(context, entry);
			if (!wki_slots_lay(&image[wki_hash_home(hash, shift) - first], word & ~(WKI_FROZEN | WKI_KEYED), hash, ops, context))
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

/* An overflow chain for a bucket of the next array, unless somebody has put it there. No sweep would take it out: it has not spilled there. */
WKI_INLINE void wki_slots_publish_chain(struct wki_bucket *bucket, uint64_t chain, const struct wki_slots_ops *ops, void *context)
{
	uint64_t none = 0;

	/* MOV-5 release; pairs: SLT-4, CLM-4, MOV-3; weaker: a half-made bucket could be read; check: explore/slots */
	if (!atomic_cas_release(&bucket->next, &none, chain))
		wki_slots_free_chain(chain, ops, context);
}

/* wki_slots_publish - make a bucket of the next array what the layout says, where somebody has not yet */
WKI_INLINE void wki_slots_publish(struct wki_bucket *bucket, const struct wki_bucket *image, const struct wki_slots_ops *ops,
				  void *context)
{
	uint64_t none;
	unsigned i;

	for (i = 0; i < WKI_BUCKET_SLOTS; i++) {
		none = 0;
		if (image->image[i] != 0) {
			/* MOV-4 release; pairs: SLT-4, CLM-4, MOV-1; weaker: a half-made entry could be read; check: explore/slots */
			(void)atomic_cas_release(&bucket->slot[i], &none, image->image[i]);
			wki_bucket_key(bucket, i, image->image[i], ops);
		}
	}
	if (image->image_next != 0)
		wki_slots_publish_chain(bucket, image->image_next, ops, context);
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
		/* MOV-6 release; pairs: SLT-4; weaker: the frontier could pass what is not in the next array yet; check: explore/slots */
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
		/* MOV-7 acq_rel; pairs: SLT-3, MOV-7; weaker: the next array could be read as it was before the unit came; check: explore/slots */
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
	/* MOV-8 relaxed; pairs: none; weaker: not possible; check: explore/slots (a hint) */
	size_t claim = atomic_load_relaxed(&array->claim);

	do {
		unit = claim < frontier ? frontier : claim;
		if (unit >= units || unit - frontier >= WKI_WINDOW)
			return frontier;
		/* MOV-9 relaxed; pairs: none; weaker: not possible; check: explore/slots (a hint) */
	} while (!atomic_cas_relaxed(&array->claim, &claim, unit + 1));
	return unit;
}

/* wki_slots_help - move one unit of the migration that runs; false: no memory */
WKI_INLINE bool wki_slots_help(struct wki_array *array, struct wki_array *next, const struct wki_slots_ops *ops,
			       void *context)
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

	/* MOV-10 release; pairs: SLT-2; weaker: a half-made array could be read; check: explore/slots, unit/collect/table_test */
	return atomic_cas_release(&array->next, &none, next);
}

/* wki_slots_finish - end a migration; true: it was the caller who did, `array` is his to retire */
WKI_INLINE bool wki_slots_finish(wki_array_root *root, struct wki_array *array, struct wki_array *next)
{
	if (wki_slots_frontier(array) < wki_slots_units(array, next))
		return false;
	/* MOV-11 release; pairs: SLT-1; weaker: a half-made array could be read; check: explore/slots, unit/collect/table_test */
	return atomic_cas_release(root, &array, next);
}

#endif
