/*
 * collect/walk.h - the slot protocol's third part: going through a table while others change it
 *
 * A walk goes through the keys in the order of their hashes. A bucket holds the keys of one
 * range of hashes, and in each array the buckets stand in the order of their ranges, so a hash
 * is a position in every array alike: whatever grows, shrinks or is swept between two steps,
 * what is below the position has been passed and the rest has not.
 *
 *	step	the bucket of the position, in the array that has authority over it; of the keys in
 *		it that are not below the position the one with the smallest hash; what `take` makes
 *		of it, by the rule of wki_slots_get; the position is now behind that hash
 *
 * EXACTLY ONCE. Steps cover disjoint ranges of hashes, hence never twice. A key that is present
 * throughout has a slot in the bucket when the step begins, and keeps it (S2). The entry in it may
 * turn out to be dead because it was replaced just now: so a slot is passed over only if that is
 * settled, and else the key is looked for like any other. Looking for it finds it.
 *
 * TIED: several keys have that hash. Nothing but the keys themselves tells them apart (slots of one
 * hash change their order when they move), so a position cannot stand between them. The caller
 * takes them all at once with wki_walk_tied, and then passes the hash.
 *
 * Every step is one read section's; between them the walk holds nothing.
 *
 * Layer: collect, header only. Never: libc, liburcu, allocation.
 */
#ifndef WKI_COLLECT_WALK_H
#define WKI_COLLECT_WALK_H

#include "collect/slots.h"

/* What is gone through. */
struct wki_walked {
	const wki_array_root *root;
	const struct wki_slots_ops *ops; /* hash and is_kept are what it takes */
	void *context;                   /* of ops */
};

/* A position. All zeroes: the beginning. */
struct wki_walk {
	uint64_t from;  /* the smallest hash that has not been passed */
	bool has_ended; /* they all have */
	bool is_tied;   /* several keys have the hash `from`, and it is the caller's turn */
};

/* What is next in a bucket. */
struct wki_walk_next {
	struct wki_entry *entry; /* has the smallest hash; NULL: there is nothing more */
	uint64_t hash;
	bool is_tied;
};

/* wki_walk_pass - the hash is passed */
WKI_INLINE void wki_walk_pass(struct wki_walk *walk, uint64_t hash)
{
	walk->is_tied = false;
	walk->from = hash + 1;
	walk->has_ended = walk->from == 0;
}

/*
 * The place's entry comes next, unless another one does, or its key is known to be absent. A key that has gone and come
 * back in another slot meanwhile is met twice.
 */
WKI_INLINE void wki_walk_meet(struct wki_walk_next *next, const struct wki_walked *walked,
			      const struct wki_place *place, wki_same_key *same, uint64_t from)
{
	struct wki_entry *entry = wki_place_entry(place);
	uint64_t hash;

	if (entry == NULL)
		return;
	hash = walked->ops->hash(walked->context, entry);
	if (hash < from || (next->entry != NULL && hash > next->hash))
		return;
	if (!walked->ops->is_kept(entry) && wki_slots_is_settled(walked->root, hash, place))
		return;
	if (next->entry == NULL || hash != next->hash)
		next->is_tied = false;
	else if (!same(entry, hash, next->entry))
		next->is_tied = true;
	next->entry = entry;
	next->hash = hash;
}

/* wki_walk_look - what is next in the bucket of `from`, the array having authority over it */
WKI_INLINE struct wki_walk_next wki_walk_look(const struct wki_walked *walked, struct wki_array *array, wki_same_key *same,
					      uint64_t from)
{
	struct wki_place place = { .array = array, .bucket = wki_slots_home(array, from) };
	struct wki_walk_next next = { 0 };
	unsigned i;

	for (; place.bucket != NULL; place.bucket = wki_word_bucket(wki_slots_load(&place.bucket->next))) {
		for (i = 0; i < WKI_BUCKET_SLOTS; i++) {
			place.word = &place.bucket->slot[i];
			place.seen = wki_slots_load(place.word);
			wki_walk_meet(&next, walked, &place, same, from);
		}
	}
	return next;
}

/*
 * wki_walk_step - what `take` makes of the next key
 *
 * NULL: the walk is tied, has ended, or has come some way without finding anything. `same` is
 * given entries for keys.
 */
WKI_INLINE void *wki_walk_step(struct wki_walk *walk, const struct wki_walked *walked, wki_same_key *same,
			       void *(*take)(struct wki_entry *entry, void *context), void *context)
{
	struct wki_array *array = wki_slots_route(walked->root, walk->from);
	size_t home = wki_hash_home(walk->from, array->shift);
	struct wki_walk_next next = wki_walk_look(walked, array, same, walk->from);

	if (next.is_tied) {
		walk->from = next.hash;
		walk->is_tied = true;
		return NULL;
	}
	if (next.entry == NULL) {
		wki_walk_pass(walk, wki_home_hash(home + 1, array->shift) - 1);
		return NULL;
	}
	wki_walk_pass(walk, next.hash);
	return wki_slots_get(walked->root, next.hash, same, next.entry, take, context);
}

/* wki_walk_tied - call `visit` for an entry of every key that has the hash, absent ones too; false: a visit said so */
WKI_INLINE bool wki_walk_tied(uint64_t hash, const struct wki_walked *walked,
			      bool (*visit)(struct wki_entry *entry, void *context), void *context)
{
	struct wki_array *array = wki_slots_route(walked->root, hash);
	struct wki_bucket *bucket = wki_slots_home(array, hash);
	struct wki_entry *entry;
	unsigned i;

	for (; bucket != NULL; bucket = wki_word_bucket(wki_slots_load(&bucket->next))) {
		for (i = 0; i < WKI_BUCKET_SLOTS; i++) {
			entry = wki_word_entry(wki_slots_load(&bucket->slot[i]));
			if (entry != NULL && walked->ops->hash(walked->context, entry) == hash && !visit(entry, context))
				return false;
		}
	}
	return true;
}

#endif
