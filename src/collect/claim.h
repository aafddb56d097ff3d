/*
 * collect/claim.h - the slot protocol's writing half: room for a key, claims, stores
 *
 * The states, the invariants and what a caller must see to are in slots.h.
 *
 * Anybody may be stopped between any two steps: a claim that is not settled is settled by whoever
 * inserts that key next, and is in nobody else's way but for the one slot.
 *
 * Layer: collect, header only. Never: libc, liburcu, allocation (other than by ops).
 */
#ifndef WKI_COLLECT_CLAIM_H
#define WKI_COLLECT_CLAIM_H

#include "collect/glance.h"

/* Claims. */

/* A slot of the chain that a key's probe order goes through. */
struct wki_probe {
	struct wki_bucket *bucket;
	unsigned slot, left;
};

WKI_INLINE struct wki_probe wki_probe_begin(const struct wki_array *array, uint64_t hash)
{
	return (struct wki_probe){ wki_slots_home(array, hash), wki_hash_start(hash), WKI_BUCKET_SLOTS };
}

WKI_INLINE uint64_t wki_slots_look(const wki_atomic_u64 *word)
{
	/* CLM-4 seq_cst; pairs: CLM-3, CLM-5; weaker: two that claim slots for one key could miss each other; check: explore/slots, model/slots_claim */
	return atomic_load_seq_cst((wki_atomic_u64 *)(uintptr_t)word);
}

/* wki_probe_step - the next slot of the order; false: that was the last one */
WKI_INLINE bool wki_probe_step(struct wki_probe *probe, uint64_t hash)
{
	probe->slot = probe->slot + 1 == WKI_BUCKET_SLOTS ? 0 : probe->slot + 1;
	if (--probe->left > 0)
		return true;
	probe->bucket = wki_word_bucket(wki_slots_look(&probe->bucket->next));
	probe->slot = wki_hash_start(hash);
	probe->left = WKI_BUCKET_SLOTS;
	return probe->bucket != NULL;
}

/* What the slots of a bucket hold. Nearly always it says all there is to know, and no branch depends on a slot. */
struct wki_survey {
	unsigned named;       /* how many have the key's tag: perhaps it is theirs, in an ENTRY or a CLAIM */
	unsigned empty, free; /* which: a bit for each */
	uint64_t any;         /* what all words have between them */
};

WKI_INLINE struct wki_survey wki_bucket_survey(const struct wki_bucket *bucket, uint64_t tag)
{
	struct wki_survey survey = { 0 };
	uint64_t word;
	unsigned i;

	WKI_UNROLL
	for (i = 0; i < WKI_BUCKET_SLOTS; i++) {
		word = wki_slots_look(&bucket->slot[i]);
		survey.named += wki_word_has_tag(word, tag);
		survey.empty |= (unsigned)(word == 0) << i;
		survey.free |= (unsigned)(word == WKI_FREE) << i;
		survey.any |= word;
	}
	return survey;
}

/* The first slot of the set in the probe order. */
WKI_INLINE unsigned wki_survey_first(unsigned slots, uint64_t hash)
{
	const unsigned start = wki_hash_start(hash);
	const unsigned i = start + (unsigned)__builtin_ctz(slots >> start | slots << (WKI_BUCKET_SLOTS - start));

	return i < WKI_BUCKET_SLOTS ? i : i - WKI_BUCKET_SLOTS;
}

/* The claim has lost; whoever else decides it, decides it once. */
WKI_INLINE void wki_claim_lose(wki_atomic_u64 *word, uint64_t claim)
{
	/* CLM-6 relaxed; pairs: none; weaker: not possible; check: explore/slots (the word says all) */
	(void)atomic_cas_relaxed(word, &claim, claim | WKI_FREE);
}

/* No other slot may be of the claim's key: there is just the home bucket, and nothing else there has its tag. */
WKI_INLINE bool wki_claim_is_alone(const struct wki_array *array, const wki_atomic_u64 *word, uint64_t hash)
{
	const struct wki_bucket *home = wki_slots_home(array, hash);
	const bool is_home = (size_t)(word - home->slot) < WKI_BUCKET_SLOTS;

	return is_home && wki_bucket_survey(home, wki_hash_tag(hash)).named == 1 && wki_slots_look(&home->next) == 0;
}

/* No other slot is of the claim's key, but for claims that are later in the probe order: these have lost when it returns. */
WKI_INLINE bool wki_claim_is_first(const struct wki_array *array, const wki_atomic_u64 *word, uint64_t hash,
				   wki_same_key *same, const void *key)
{
	const uint64_t tag = wki_hash_tag(hash);
	struct wki_probe probe = wki_probe_begin(array, hash);
	wki_atomic_u64 *slot;
	bool is_later = false; /* the slot is later than the claim's */
	uint64_t other;

	do {
		slot = &probe.bucket->slot[probe.slot];
		is_later = is_later || slot == word;
		while (slot != word && wki_word_may_be(other = wki_slots_look(slot), tag) &&
		       same(wki_word_named(other), hash, key)) {
			if (!is_later || !wki_word_is_claim(other))
				return false;
			wki_claim_lose(slot, other); /* unless it has won: look again */
		}
	} while (wki_probe_step(&probe, hash));
	return true;
}

/*
 * wki_slots_settle - a claim for the key is decided when this returns, by whomever
 *
 * `same` and `key` are those of the claim's key, by the claimant or by somebody who inserts the key, too.
 */
WKI_INLINE void wki_slots_settle(const struct wki_array *array, wki_atomic_u64 *word, uint64_t claim, uint64_t hash,
				 wki_same_key *same, const void *key)
{
	if (wki_slots_look(word) != claim)
		return; /* a helper's looks at the others come after this one */
	if (!wki_claim_is_alone(array, word, hash) && !wki_claim_is_first(array, word, hash, same, key)) {
		wki_claim_lose(word, claim);
		return;
	}
	/* CLM-5 seq_cst; pairs: SLT-4, CLM-4; weaker: as CLM-4; check: explore/slots, model/slots_claim */
	(void)atomic_cas_seq_cst(word, &claim, claim | WKI_WORD_ENTRY);
}

/* Room for a key. */

/* wki_slots_ask - the home bucket's line is about to be written: it comes as one's own at once */
WKI_INLINE void wki_slots_ask(const wki_array_root *root, uint64_t hash)
{
	const struct wki_array *array = wki_slots_current(root);

	__builtin_prefetch(wki_slots_home(array, hash), 1);
}

/* An ended entry of another key: its slot is free for the taking. */
WKI_INLINE bool wki_slots_find_ended(struct wki_place *place, struct wki_bucket *home, const struct wki_slots_ops *ops)
{
	const struct wki_entry *entry;
	unsigned i;

	for (i = 0; i < WKI_BUCKET_SLOTS; i++) {
		place->word = &home->slot[i];
		place->seen = wki_slots_load(place->word);
		entry = wki_word_entry(place->seen);
		if (entry != NULL && (place->seen & WKI_FROZEN) == 0 && !ops->is_kept(entry)) {
			place->bucket = home;
			return true;
		}
	}
	return false;
}

/*
 * The key was not found up to `end`, and its home bucket is full; `room`: the first FREE slot, if there is one. Entries
 * that have ended and are still in their slots are few: they are looked for before a bucket is made.
 */
WKI_INLINE struct wki_place wki_slots_choose(const struct wki_place *end, const struct wki_place *room, uint64_t hash,
					     const struct wki_slots_ops *ops)
{
	struct wki_bucket *home = wki_slots_home(end->array, hash);
	struct wki_place place = *end;

	if (room->word != NULL)
		return *room;
	if (end->word == &end->bucket->next && wki_slots_find_ended(&place, home, ops))
		return place;
	return *end;
}

/* The usual case of wki_slots_look_for_room: the key is not there, and there is room in the home bucket. */
WKI_INLINE bool wki_slots_find_room_at_home(struct wki_place *place, uint64_t hash)
{
	struct wki_bucket *home = wki_slots_home(place->array, hash);
	const struct wki_survey survey = wki_bucket_survey(home, wki_hash_tag(hash));
	const unsigned slots = survey.empty != 0 ? survey.empty : survey.free;

	if (slots == 0 || survey.named != 0 || (survey.any & WKI_FROZEN) != 0 || wki_slots_look(&home->next) != 0)
		return false;
	place->bucket = home;
	place->word = &home->slot[wki_survey_first(slots, hash)];
	place->seen = survey.empty != 0 ? 0 : WKI_FREE;
	place->claims = survey.empty == 0;
	return true;
}

/* One look for wki_slots_find_room; a CLAIM in a place that needs none: somebody's of the key, to be settled first. */
WKI_INLINE struct wki_place wki_slots_look_for_room(struct wki_array *array, uint64_t hash, wki_same_key *same, const void *key,
						    const struct wki_slots_ops *ops)
{
	const uint64_t tag = wki_hash_tag(hash);
	struct wki_probe probe = wki_probe_begin(array, hash);
	struct wki_place place = { .array = array }, room = { .word = NULL };
	const struct wki_bucket *home = probe.bucket;
	uint64_t frozen = 0;

	if (wki_slots_find_room_at_home(&place, hash))
		return place;
	do {
		place.bucket = probe.bucket;
		place.word = &probe.bucket->slot[probe.slot];
		place.seen = wki_slots_load(place.word);
		if (wki_word_may_be(place.seen, tag) && same(wki_word_named(place.seen), hash, key))
			return place;
		if ((place.seen & ~WKI_FROZEN) == 0)
			break;
		if (place.seen == WKI_FREE && room.word == NULL) {
			room = place;
			room.claims = true;
		}
		frozen |= place.seen & WKI_FROZEN;
	} while (wki_probe_step(&probe, hash));
	if (probe.bucket == home)
		return place;
	place.claims = true;
	if (probe.bucket == NULL) {
		place.word = &place.bucket->next;
		place.seen = wki_slots_load(place.word);
	}
	if (frozen != 0) {
		place.seen |= WKI_FROZEN; /* a mover is at it: he would make the claim lose */
		return place;
	}
	return wki_slots_choose(&place, &room, hash, ops);
}

/* wki_slots_find_room - the slot of the key, or where an insert of it is to put it */
WKI_INLINE struct wki_place wki_slots_find_room(struct wki_array *array, uint64_t hash, wki_same_key *same, const void *key,
						const struct wki_slots_ops *ops)
{
	struct wki_place place = wki_slots_look_for_room(array, hash, same, key, ops);

	while (!place.claims && wki_word_is_claim(place.seen)) {
		wki_slots_settle(array, place.word, place.seen, hash, same, key);
		place = wki_slots_look_for_room(array, hash, same, key, ops);
	}
	return place;
}

/* Storing. */

enum wki_stored {
	WKI_STORED,          /* the entry is in the slot; the entry of place.seen is out of it, and the caller's to deal with */
	WKI_STORE_AGAIN,     /* somebody else changed the slot: find it again */
	WKI_STORE_FROZEN,    /* the unit is being moved: wki_slots_pass, then find it again */
	WKI_STORE_LOST,      /* as STORED, for what was there; but the entry has lost to another one, which is to be found. It has been seen, and must not be stored again */
	WKI_STORE_NO_MEMORY, /* nothing changed */
};

/* What has become of the caller's claim? */
WKI_INLINE enum wki_stored wki_slots_learn(wki_atomic_u64 *word, uint64_t claim)
{
	uint64_t lost = claim | WKI_FREE;

	if ((wki_slots_load(word) & ~WKI_FROZEN) != lost)
		return WKI_STORED; /* and perhaps replaced or gone again */
	/* CLM-7 relaxed; pairs: none; weaker: not possible; check: explore/slots (a frozen one stays) */
	(void)atomic_cas_relaxed(word, &lost, WKI_FREE);
	return WKI_STORE_LOST;
}

/* Claim the slot; or append a bucket in which it is claimed, for which *slot is set. */
WKI_INLINE enum wki_stored wki_slots_claim_slot(const struct wki_place *place, wki_atomic_u64 **slot, uint64_t claim,
						uint64_t hash, const struct wki_slots_ops *ops, void *context)
{
	uint64_t seen = place->seen, none = 0;
	struct wki_bucket *bucket;

	*slot = place->word;
	if (place->word != &place->bucket->next) {
		/* CLM-3 seq_cst; pairs: SLT-4, CLM-4, MOV-1, MOV-2; weaker: as CLM-4; check: explore/slots, model/slots_claim */
		return atomic_cas_seq_cst(place->word, &seen, claim) ? WKI_STORED : WKI_STORE_AGAIN;
	}
	if (seen != 0)
		return WKI_STORE_AGAIN; /* somebody has appended one */
	bucket = ops->bucket_new(context);
	if (bucket == NULL)
		return WKI_STORE_NO_MEMORY;
	*slot = &bucket->slot[wki_hash_start(hash)];
	bucket->image[wki_hash_start(hash)] = claim;
	/* CLM-1 seq_cst; pairs: SLT-4, CLM-4, MOV-3; weaker: as CLM-4; check: explore/slots, model/slots_claim */
	if (atomic_cas_seq_cst(&place->bucket->next, &none, (uintptr_t)bucket))
		return WKI_STORED;
	ops->bucket_free(context, bucket);
	return WKI_STORE_AGAIN;
}

/* wki_slots_claim_room - store where room has to be claimed */
WKI_INLINE enum wki_stored wki_slots_claim_room(const struct wki_place *place, uint64_t hash, struct wki_entry *entry,
						wki_same_key *same, const void *key, const struct wki_slots_ops *ops,
						void *context)
{
	const uint64_t claim = wki_word_claim(entry, hash);
	wki_atomic_u64 *slot;
	enum wki_stored stored = wki_slots_claim_slot(place, &slot, claim, hash, ops, context);

	if (stored != WKI_STORED)
		return stored;
	if (place->seen == 0)
		wki_slots_count_spilled(place->array);
	wki_slots_settle(place->array, slot, claim, hash, same, key);
	return wki_slots_learn(slot, claim);
}

/*
 * wki_slots_store - put the entry where its key was found, or would be: a place of wki_slots_find_room
 *
 * In the place of an entry of the same key only if the caller replaces that, or has found it dead, or it is a flight.
 */
WKI_INLINE enum wki_stored wki_slots_store(const struct wki_place *place, uint64_t hash, struct wki_entry *entry,
					   wki_same_key *same, const void *key, const struct wki_slots_ops *ops,
					   void *context)
{
	const size_t slot = (size_t)(place->word - place->bucket->slot);
	const uint64_t word = wki_word_of(entry, hash);
	enum wki_stored stored = WKI_STORED;
	uint64_t seen = place->seen;

	if (seen & WKI_FROZEN)
		return WKI_STORE_FROZEN;
	if (place->claims) {
		stored = wki_slots_claim_room(place, hash, entry, same, key, ops, context);
	} else {
		/* CLM-2 release; pairs: SLT-4, MOV-1, MOV-2; weaker: a half-made entry could be read; check: explore/slots */
		if (!atomic_cas_release(place->word, &seen, word))
			return WKI_STORE_AGAIN;
	}
	if (!place->claims && seen == 0)
		wki_bucket_key(place->bucket, slot, word, ops);
	else if (stored == WKI_STORED && place->word != &place->bucket->next)
		(void)wki_bucket_set_hint(place->bucket, slot, entry, ops);
	return stored;
}

/* wki_slots_withdraw - in the child of a fork: the claim for an entry whose writer is lost, if there is one */
WKI_INLINE void wki_slots_withdraw(const struct wki_array *array, uint64_t hash, const struct wki_entry *entry)
{
	const uint64_t claim = wki_word_claim(entry, hash);
	struct wki_probe probe = wki_probe_begin(array, hash);
	wki_atomic_u64 *word;

	do {
		word = &probe.bucket->slot[probe.slot];
		if ((wki_slots_load(word) & ~WKI_FREE) == claim) {
			wki_claim_lose(word, claim);
			(void)wki_slots_learn(word, claim);
		}
	} while (wki_probe_step(&probe, hash));
}

/*
 * wki_slots_vacate - take an entry that has ended out of its slot; true: it was the caller who did
 *
 * False: somebody else has, or a mover has it before him: it stays where it is until somebody wants the slot.
 */
WKI_INLINE bool wki_slots_vacate(const wki_array_root *root, uint64_t hash, const struct wki_entry *entry)
{
	struct wki_array *array = wki_slots_route(root, hash);
	struct wki_bucket *home = wki_slots_home(array, hash);
	size_t i = wki_bucket_glance(home, hash);
	struct wki_place place;

	if (i < WKI_BUCKET_SLOTS)
		place = (struct wki_place){ .bucket = home, .word = &home->slot[i], .seen = wki_slots_load(&home->slot[i]) };
	if (i >= WKI_BUCKET_SLOTS || wki_place_entry(&place) != entry)
		place = wki_slots_find(array, hash, wki_slots_is_entry, entry);
	while (wki_place_entry(&place) == entry && (place.seen & WKI_FROZEN) == 0) {
		/* CLM-8 release; pairs: SLT-4; weaker: who does not find the key could miss what was done before its end; check: explore/slots */
		if (atomic_cas_release(place.word, &place.seen, WKI_FREE))
			return true; /* it fails, and is tried again, where the slot has just become KEYED */
	}
	return false;
}

#endif
