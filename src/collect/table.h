/*
 * collect/table.h - the table of one container: arrays that come and go, and how much is in them
 *
 * slots.h moves entries from one array to the next; here is when, and where memory comes from.
 *
 *	grow    k+1  live > 5/2 * 2^k
 *	shrink  k-1  live < 1/4 * 2^k, down to what was asked for at first
 *	sweep   k    spilled > max(2^k, 8): the same size, but without the overflow buckets that are not needed any more
 *
 * live     entries whose state is LIVE; whoever makes one LIVE or ends that counts. A sum over stripes, which may be
 *          off (even below 0) by what is in progress.
 * spilled  slots of overflow buckets that have been filled since the array was made; what a migration lays there, no sweep would take out.
 *
 * Whoever ends an entry takes it out of its slot, which then serves any key. So a table whose entries come and go
 * stays as it is, but for keys that meet in one bucket: what they spill goes with a sweep.
 *
 * Every insert that finds a migration running moves two units, so that it ends before the next
 * array is full. Removals and deaths move nothing. The runner looks after every larger migration now and then, and
 * moves what is left, in small steps, once nobody else does; and it begins one where removals and deaths have left a
 * table that is due. It needs no reference to the container: what it is asked for while the container lives it comes
 * to before it comes to the container's end.
 *
 * Layer: collect. Never: a lock, waiting, user code but for the program's allocator.
 */
#ifndef WKI_COLLECT_TABLE_H
#define WKI_COLLECT_TABLE_H

#include "collect/claim.h"
#include "collect/walk.h"
#include "core/control.h"
#include "reclaim/link.h"
#include "reclaim/thread.h"

/* A counter that wraps: a stripe may be below 0, the sum is not. */
struct wki_stripe {
	_Alignas(64) wki_atomic_u64 live;
	uint32_t lost; /* of a thread's own stripe: how often it has counted down */
};

/* Stripe i belongs to the thread whose record has that index: it alone writes there, and needs no locked instruction. */
struct wki_stripes {
	unsigned count; /* constant */
	struct wki_stripe stripe[];
};

struct wki_table {
	/* Read by every lookup, seldom written. */
	wki_array_root root;
	uint64_t seed;                                  /* of its keys' hashes; constant */
	WKI_ATOMIC_POINTER(struct wki_stripes) stripes; /* NULL while the table is small; set once */
	struct wki_control *owner;                      /* the container's control block; constant */
	const wk_allocator *allocator;                  /* constant */
	uint8_t floor;                                  /* no shrinking below 2^floor buckets; constant */
	wki_atomic_u8 asked;                            /* by which generation the runner was given `maintenance`; 0: by none */
	uint32_t seen;                                  /* where the migration was when the runner last looked; its own */
	struct wki_deferred maintenance;
	struct wki_stripe own; /* everybody's: of a small table, and for threads that have no stripe in a larger one */
};

/* wki_table_init - with room for `expected` entries. WK_ENOMEM: nothing is left behind. */
int wki_table_init(struct wki_table *table, struct wki_control *owner, const wk_allocator *allocator, size_t expected);

/*
 * wki_table_find_room_rcu - wki_slots_find_room
 * wki_table_store_rcu - wki_slots_store there; an entry of the same key that was in the place is the caller's to deal with. Sets *tend: wki_table_tend is called for.
 */
struct wki_place wki_table_find_room_rcu(const struct wki_table *table, uint64_t hash, wki_same_key *same, const void *key);
enum wki_stored wki_table_store_rcu(struct wki_table *table, const struct wki_place *place, uint64_t hash,
				    struct wki_entry *entry, wki_same_key *same, const void *key, bool *tend);
/* wki_table_vacate_rcu - take an entry that has ended out of its slot; true: the slot's hold is the caller's */
bool wki_table_vacate_rcu(const struct wki_table *table, const struct wki_entry *entry);
/* wki_table_withdraw - in the child of a fork: the claim for an entry that a lost thread was storing */
void wki_table_withdraw(struct wki_table *table, const struct wki_entry *entry);
/* wki_table_tend - outside a section, by somebody who has stored: his share of the migration that runs; or begin one that is due */
void wki_table_tend(struct wki_table *table);
/* wki_table_start - outside a section, for arrays are made: begin a migration if one is due and none is running; false: no memory */
bool wki_table_start(struct wki_table *table);
/* wki_table_look_rcu - the same by somebody who must not allocate: the runner is asked */
void wki_table_look_rcu(struct wki_table *table);

/*
 * wki_table_each_rcu - call `visit` for each entry in the bucket of hash *from whose hash is not below that, and set
 * *from to where the next bucket begins; false: that was the last one
 */
bool wki_table_each_rcu(struct wki_table *table, uint64_t *from, void (*visit)(struct wki_entry *entry, void *context),
			void *context);

/* wki_table_step_rcu - wki_walk_step; wki_table_tied_rcu - wki_walk_tied */
void *wki_table_step_rcu(struct wki_table *table, struct wki_walk *walk,
			 void *(*take)(struct wki_entry *entry, void *context), void *context);
bool wki_table_tied_rcu(struct wki_table *table, uint64_t hash, bool (*visit)(struct wki_entry *entry, void *context),
			void *context);

/* Where the end of a container has got to. */
struct wki_table_drain {
	struct wki_array *array; /* NULL: it has not begun */
	size_t bucket;
};
/* End an entry, inside a section, unless it has ended; returns a strong value, to be released outside, or NULL. */
typedef struct wki_control *wki_table_end(struct wki_entry *entry, void *context);
/*
 * wki_table_drain - call `end` for each entry of some buckets, and drop the slot's hold; false: those were the last
 *
 * Once the container is dead and nobody can be in a call on it; outside a section, for what is released may be
 * destroyed here and now. Objects may die meanwhile.
 */
bool wki_table_drain(struct wki_table *table, struct wki_table_drain *drain, wki_table_end *end, void *context);
/* wki_table_destroy - arrays and counters, after wki_table_drain and a grace period */
void wki_table_destroy(struct wki_table *table);

/* wki_table_check - stop if an invariant of slots.h or this file does not hold; while nobody else uses the table */
void wki_table_check(const struct wki_table *table);

struct wki_table_figures {
	int64_t live, spilled;
	size_t buckets;  /* of the array in authority */
	bool is_moving;
};
void wki_table_read(const struct wki_table *table, struct wki_table_figures *figures);

/* The calling thread's own stripe; NULL: it has none here. */
static inline struct wki_stripe *wki_table_stripe(const struct wki_table *table)
{
	const unsigned index = wki_thread_index();
	/* TBL-1 acquire; pairs: TBL-2; weaker: half-made stripes could be counted in; check: unit/collect/table_test under TSan */
	struct wki_stripes *stripes =
		atomic_load_acquire((WKI_ATOMIC_POINTER(struct wki_stripes) *)(uintptr_t)&table->stripes);

	return stripes != NULL && index < stripes->count ? &stripes->stripe[index] : NULL;
}

/* Nobody else writes there: a load and a store. */
static inline void wki_stripe_add(struct wki_stripe *stripe, uint64_t more)
{
	/* TBL-14 relaxed; pairs: none; weaker: not possible; check: unit/collect/table_test (its own) */
	uint64_t live = atomic_load_relaxed(&stripe->live);

	/* TBL-15 relaxed; pairs: none; weaker: not possible; check: unit/collect/table_test (sums only) */
	atomic_store_relaxed(&stripe->live, live + more);
}

/* wki_table_gained - one more entry is LIVE */
static inline void wki_table_gained(struct wki_table *table)
{
	struct wki_stripe *stripe = wki_table_stripe(table);

	if (stripe != NULL) {
		wki_stripe_add(stripe, 1);
	} else {
		/* TBL-3 relaxed; pairs: none; weaker: not possible; check: unit/collect/table_test (sums only) */
		(void)atomic_fetch_add_relaxed(&table->own.live, 1);
	}
}

/* One less; true: so many have gone that somebody had better look. */
static inline bool wki_table_count_lost(struct wki_table *table)
{
	struct wki_stripe *stripe = wki_table_stripe(table);

	if (stripe == NULL) {
		/* TBL-4 relaxed; pairs: none; weaker: not possible; check: unit/collect/table_test (sums only) */
		return (atomic_fetch_sub_relaxed(&table->own.live, 1) & 7) == 0;
	}
	wki_stripe_add(stripe, UINT64_MAX);
	return (++stripe->lost & 63) == 0;
}

/* wki_table_lost_rcu - one less, and its slot is free: by whoever has ended the entry; true: the slot's hold is his, too */
static inline bool wki_table_lost_rcu(struct wki_table *table, const struct wki_entry *entry)
{
	if (wki_table_count_lost(table))
		wki_table_look_rcu(table);
	return wki_table_vacate_rcu(table, entry);
}

/* wki_table_pass_rcu - get out of the way of a migration that has frozen a place; false: no memory */
bool wki_table_pass_rcu(struct wki_table *table, struct wki_array *array, uint64_t hash);

/* wki_table_len - entries that are LIVE */
size_t wki_table_len(const struct wki_table *table);

#endif
