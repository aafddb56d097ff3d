/*
 * collect/glance.h - the slot protocol's first look: tags, hints and what they lead to
 *
 * What nearly every lookup comes to: the home bucket's line, all its tags at once, and the hint of the slot that fits.
 * HINT and KEYED are in slots.h. Whatever is not found so is looked for properly: wki_slots_find.
 *
 * Layer: collect, header only. Never: libc, liburcu, allocation.
 */
#ifndef WKI_COLLECT_GLANCE_H
#define WKI_COLLECT_GLANCE_H

#include "base/line.h"
#include "collect/slots.h"

/* wki_bucket_glance - the first slot whose word has the hash's tag: all are compared, so that no branch depends on the key */
#define WKI_GLANCE_NONE WKI_BUCKET_SLOTS

#if WKI_HAS_LINE && WKI_BUCKET_SLOTS == 4u && !WKI_EXPLORE
WKI_INLINE size_t wki_bucket_glance(const struct wki_bucket *bucket, uint64_t hash)
{
	return wki_line_find(bucket->slot, hash | WKI_WORD_ENTRY >> 48);
}
#else
WKI_INLINE size_t wki_bucket_glance(const struct wki_bucket *bucket, uint64_t hash)
{
	size_t i;

	for (i = 0; i < WKI_BUCKET_SLOTS; i++) {
		/* GLN-1 relaxed; pairs: none; weaker: not possible; check: explore/slots (only a hint where to look: SLT-4 reads what is used) */
		uint64_t word = atomic_load_relaxed((wki_atomic_u64 *)(uintptr_t)&bucket->slot[i]);

		if ((word ^ wki_hash_tag(hash)) >> 48 == 0)
			break;
	}
	return i;
}
#endif

/* Hints. */

/* Where the slot's hint leads, if it is the entry's. */
WKI_INLINE void *wki_bucket_hinted(const struct wki_bucket *bucket, size_t slot, uint64_t word)
{
	/* GLN-2 acquire; pairs: GLN-3; weaker: who finds the slot KEYED could have another entry's hint, and miss that the slot is that one's now; check: explore/slots */
	const intptr_t hint = (int32_t)atomic_load_acquire((wki_atomic_u32 *)(uintptr_t)&bucket->hint[slot]);

	return (void *)((uintptr_t)wki_word_named(word) + (uintptr_t)hint * WKI_HINT_UNIT);
}

WKI_INLINE void wki_slots_prefetch(const void *wanted, int writes)
{
	if (writes)
		__builtin_prefetch(wanted, 1);
	else
		__builtin_prefetch(wanted);
}

/* The entry is in the slot, or has been; true: the hint is right. */
WKI_INLINE bool wki_bucket_set_hint(struct wki_bucket *bucket, size_t slot, const struct wki_entry *entry,
				    const struct wki_slots_ops *ops)
{
	intptr_t distance;

	if (ops->hint == NULL)
		return false;
	distance = (intptr_t)(ops->hint(entry) - (uintptr_t)entry) / (intptr_t)WKI_HINT_UNIT;
	/* GLN-3 release; pairs: GLN-2; weaker: as GLN-2; check: explore/slots */
	atomic_store_release(&bucket->hint[slot], (uint32_t)distance);
	return distance == (int32_t)distance;
}

/*
 * wki_bucket_key - a slot that was EMPTY has got its first entry by this word: its hint, and if that is right, KEYED
 *
 * By whoever put the entry there, in the section in which he did, and by every mover who meant to.
 */
WKI_INLINE void wki_bucket_key(struct wki_bucket *bucket, size_t slot, uint64_t word, const struct wki_slots_ops *ops)
{
	const struct wki_entry *entry = wki_word_entry(word);

	if (!wki_bucket_set_hint(bucket, slot, entry, ops) || !ops->is_home(entry))
		return;
	/* GLN-4 release; pairs: SLT-4; weaker: the hint could be read as it was before; check: explore/slots */
	(void)atomic_cas_release(&bucket->slot[slot], &word, word | WKI_KEYED);
}

/* What the first look at a bucket has found. */
struct wki_glance {
	uint64_t word; /* an ENTRY with the key's tag; 0: none */
	void *hinted;  /* what leads on from there, if the word is KEYED; else a guess, to be prefetched */
};

/*
 * wki_slots_glance - the first entry in the home bucket that has the key's tag; none: look again, properly
 *
 * Mostly it is the key's, and if it is, then as truly as if wki_slots_find had found it: a key has
 * one slot (S1). That there is none says nothing: a migration may be running, the key may be in an
 * overflow bucket, or two keys have one tag.
 */
WKI_INLINE struct wki_glance wki_slots_glance(const wki_array_root *root, uint64_t hash)
{
	const struct wki_array *array = wki_slots_current(root);
	const struct wki_bucket *bucket = wki_slots_home(array, hash);
	struct wki_glance glance = { .word = 0 };
	size_t i;

	if (__builtin_expect(wki_slots_next(array) != NULL, 0))
		return glance;
	i = wki_bucket_glance(bucket, hash);
	if (__builtin_expect(i == WKI_GLANCE_NONE, 0))
		return glance;
	glance.word = wki_slots_load(&bucket->slot[i]);
	glance.hinted = wki_bucket_hinted(bucket, i, glance.word);
	if (__builtin_expect((glance.word & WKI_WORD_ENTRY) == 0 || wki_slots_load(&bucket->slot[i]) != glance.word, 0))
		glance.word = 0; /* it has left just now, and the hint may be another's */
	return glance;
}

#endif
