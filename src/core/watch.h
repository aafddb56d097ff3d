/*
 * core/watch.h - an object's watch list: everything that wants to know of its death
 *
 * A watch is embedded in what it stands for (an entry of a container, a weak reference with a
 * callback, a finalizer). Its state decides by one compare-and-swap who deals with it:
 *
 *	LIVE -> REMOVED    somebody took the registration back
 *	LIVE -> FIRED      the object died: the walker of the end of life deals with it
 *	REMOVED -> RETIRED a removed watch has left the list: the pruner or the walker, whoever
 *	                   wins, drops the hold that the list had on it
 *
 * The list is a stack. Push needs a strong reference to the object, so push and death never
 * overlap. Removing does not unlink: it leaves garbage, and once there is enough of it one
 * thread at a time prunes. A pruner that is stopped stops nobody; others just leave garbage.
 *
 * Who walks (pruner, end of life, listing) is inside one read section, and so is who removes,
 * from finding the watch live until it has touched the object for the last time: that is what
 * keeps watches and control block where they are.
 *
 * META, the word beside the units:  garbage (16 bits) | generation of PRUNING (3 bits, at 13) |
 * log2 of the garbage that starts a prune (4 bits, at 8) | flags (bit 12 and 8 bits, core/control.h, PRUNING
 * among them). The garbage is a hint; it is at the top so that it wraps into nothing. A pruner
 * that a fork left behind is no pruner (base/generation.h); of eight forks in a row one takes
 * him for its own, and lets the garbage lie.
 *
 * Layer: core, header only. Never: libc, liburcu, allocation.
 */
#ifndef WKI_CORE_WATCH_H
#define WKI_CORE_WATCH_H

#include "base/atomic.h"
#include "base/generation.h"

enum wki_watch_state { WKI_WATCH_LIVE, WKI_WATCH_REMOVED, WKI_WATCH_FIRED, WKI_WATCH_RETIRED };

/*
 * Beside the state, sticky: somebody has taken a hold on the embedder while it was LIVE, or is about to. Who ends a
 * watch without it knows that there are no holds but those it began with.
 */
#define WKI_WATCH_SHARED 0x80u
#define WKI_WATCH_MARKS 0x60u /* likewise sticky: two of the embedder's */
#define WKI_WATCH_STATE 0x03u

struct wki_watch {
	WKI_ATOMIC_POINTER(struct wki_watch) next; /* pusher before the push; then only the pruner */
	wki_atomic_u8 state;                       /* enum wki_watch_state; SHARED, MARKS */
	uint8_t kind;                              /* who it is: core/control.h; constant */
	uint8_t detail;                            /* the embedder's, constant */
	uint8_t note;                              /* the embedder's, by whoever has won the state */
	wki_atomic_u32 holds; /* the embedder's memory goes when the last one is dropped */
};

typedef WKI_ATOMIC_POINTER(struct wki_watch) wki_watch_head;

#define WKI_META_PRUNING UINT32_C(0x80)
#define WKI_META_AGAIN UINT32_C(0x20) /* something was removed that must not stay as litter */
#define WKI_META_DUE_SHIFT 8
#define WKI_META_DUE_MASK (UINT32_C(0xf) << WKI_META_DUE_SHIFT)
#define WKI_META_GENERATION_SHIFT 13
#define WKI_META_GENERATION_MASK (UINT32_C(7) << WKI_META_GENERATION_SHIFT)
#define WKI_META_GARBAGE_SHIFT 16
#define WKI_META_GARBAGE_MASK (UINT32_C(0xffff) << WKI_META_GARBAGE_SHIFT)
#define WKI_WATCH_DUE_MIN 3u  /* eight removed watches start the first prune */
#define WKI_WATCH_DUE_MAX 15u /* what the garbage counter can hold */

static inline void wki_watch_init(struct wki_watch *watch, uint8_t kind, uint32_t holds)
{
	/* WCH-1 relaxed; pairs: none; weaker: not possible; check: explore/watch (published by WCH-4 or by the embedder) */
	atomic_store_relaxed(&watch->state, WKI_WATCH_LIVE);
	/* WCH-2 relaxed; pairs: none; weaker: not possible; check: as WCH-1 */
	atomic_store_relaxed(&watch->holds, holds);
	watch->kind = kind;
}

/* wki_watch_push - by a holder of a strong reference to the object whose list this is */
static inline void wki_watch_push(wki_watch_head *head, struct wki_watch *watch)
{
	/* WCH-3 relaxed; pairs: none; weaker: not possible; check: explore/watch */
	struct wki_watch *first = atomic_load_relaxed(head);

	do {
		/* WCH-5 relaxed; pairs: none; weaker: not possible; check: explore/watch (published by WCH-4) */
		atomic_store_relaxed(&watch->next, first);
		/* WCH-4 release; pairs: WCH-12, WCH-18; weaker: a walker could meet a half-made watch; check: explore/watch, model/watch */
	} while (!atomic_cas_release(head, &first, watch));
}

/* wki_watch_first - where a walk of the list begins */
static inline struct wki_watch *wki_watch_first(const wki_watch_head *head)
{
	/* WCH-18 acquire; pairs: WCH-4, WCH-13, WCH-20; weaker: a walker could meet a half-made watch; check: explore/cancel */
	return atomic_load_acquire((wki_watch_head *)(uintptr_t)head);
}

/*
 * wki_watch_try_push - push, unless the list begins with another watch than `*first`
 *
 * For a watch that must be the only one of its sort: the caller has found none from `*first` on.
 * False: `*first` is where the list begins now, and what stands in front of the old one is new.
 * All in one read section, so that a watch that was unlinked meanwhile cannot be back.
 */
static inline bool wki_watch_try_push(wki_watch_head *head, struct wki_watch **first, struct wki_watch *watch)
{
	/* WCH-19 relaxed; pairs: none; weaker: not possible; check: explore/cancel (published by WCH-20) */
	atomic_store_relaxed(&watch->next, *first);
	/* WCH-20 acq_rel; pairs: WCH-4, WCH-12, WCH-18, WCH-20; weaker: a walker, or the caller in what is new, could meet a half-made watch; check: explore/cancel */
	return atomic_cas_acq_rel(head, first, watch);
}

static inline enum wki_watch_state wki_watch_state(const struct wki_watch *watch)
{
	/* WCH-6 acquire; pairs: WCH-7; weaker: who finds it no longer live could act on what was before; check: explore/slots, model/slots_dead */
	return (enum wki_watch_state)(atomic_load_acquire((wki_atomic_u8 *)(uintptr_t)&watch->state) & WKI_WATCH_STATE);
}

/* wki_watch_move_marked - from one state to another, with these marks; true: the caller made the change and owns what follows from it */
static inline bool wki_watch_move_marked(struct wki_watch *watch, enum wki_watch_state from, enum wki_watch_state to, unsigned marks)
{
	/* WCH-25 acquire; pairs: WCH-7; weaker: as WCH-7; check: explore/watch, model/watch */
	uint8_t seen = atomic_load_acquire(&watch->state);

	while ((seen & WKI_WATCH_STATE) == from) {
		/* WCH-7 acq_rel; pairs: WCH-6, WCH-7, WCH-23, WCH-25; weaker: the loser could act before what the winner did first; check: explore/watch, model/watch */
		if (atomic_cas_acq_rel(&watch->state, &seen, (uint8_t)((unsigned)to | marks | (seen & ~WKI_WATCH_STATE))))
			return true;
	}
	return false;
}

static inline bool wki_watch_move(struct wki_watch *watch, enum wki_watch_state from, enum wki_watch_state to)
{
	return wki_watch_move_marked(watch, from, to, 0);
}

/* wki_watch_share - by somebody in a section, before he takes a hold; false: it is not LIVE, and he takes none */
static inline bool wki_watch_share(struct wki_watch *watch)
{
	/* WCH-23 acquire; pairs: WCH-7; weaker: as WCH-6; check: explore/cursor */
	return (atomic_fetch_or_acquire(&watch->state, WKI_WATCH_SHARED) & WKI_WATCH_STATE) == WKI_WATCH_LIVE;
}

/* wki_watch_is_shared - by who has ended it; no: for good */
static inline bool wki_watch_is_shared(const struct wki_watch *watch)
{
	/* WCH-24 relaxed; pairs: none; weaker: not possible; check: explore/cursor (WCH-7 has read it) */
	return (atomic_load_relaxed((wki_atomic_u8 *)(uintptr_t)&watch->state) & WKI_WATCH_SHARED) != 0;
}

/* wki_watch_mark - by who has ended it and has a hold, before he drops that; wki_watch_marks - by who has the embedder from whoever marked it */
static inline void wki_watch_mark(struct wki_watch *watch, uint8_t mark)
{
	/* WCH-26 relaxed; pairs: none; weaker: not possible; check: explore/store (WCH-8 carries it) */
	(void)atomic_fetch_or_relaxed(&watch->state, mark);
}

static inline uint8_t wki_watch_marks(const struct wki_watch *watch)
{
	/* WCH-27 relaxed; pairs: none; weaker: not possible; check: as WCH-26 */
	return atomic_load_relaxed((wki_atomic_u8 *)(uintptr_t)&watch->state) & WKI_WATCH_MARKS;
}

/* wki_watch_drop_holds - of the caller's; true: they were the last ones, he retires the embedder */
static inline bool wki_watch_drop_holds(struct wki_watch *watch, uint32_t many)
{
	/* WCH-8 acq_rel; pairs: WCH-8; weaker: the memory could go before another holder's last access; check: explore/watch, explore/slots */
	return atomic_fetch_sub_acq_rel(&watch->holds, many) == many;
}

static inline bool wki_watch_drop_hold(struct wki_watch *watch)
{
	return wki_watch_drop_holds(watch, 1);
}

/*
 * wki_watch_take - the end of life takes the whole list, newest first; nobody finds a watch there afterwards
 *
 * Nobody pushes any more, and who prunes only takes out: a list that is empty stays so. What a pruner takes out
 * between the load and the store is walked all the same, and found RETIRED: the section keeps it.
 */
static inline struct wki_watch *wki_watch_take(wki_watch_head *head)
{
	struct wki_watch *first = wki_watch_first(head);

	if (first != NULL) {
		/* WCH-9 relaxed; pairs: none; weaker: not possible; check: explore/watch (a prune that misses it began before the death) */
		atomic_store_relaxed(head, NULL);
	}
	return first;
}

/* wki_watch_next - of a watch met on a list that is walked */
static inline struct wki_watch *wki_watch_next(const struct wki_watch *watch)
{
	/* WCH-10 acquire; pairs: WCH-14; weaker: a walker could meet a half-made watch behind an unlinked one; check: explore/watch */
	return atomic_load_acquire((wki_watch_head *)(uintptr_t)&watch->next);
}

/* A prune's claim, as of now. */
static inline uint32_t wki_watch_pruning(void)
{
	return WKI_META_PRUNING | (wki_generation << WKI_META_GENERATION_SHIFT & WKI_META_GENERATION_MASK);
}

static inline bool wki_watch_is_pruned(uint32_t meta)
{
	return (meta & (WKI_META_PRUNING | WKI_META_GENERATION_MASK)) == wki_watch_pruning();
}

/* wki_watch_claim_prune - false: somebody is at it. *surely: it was asked for by wki_watch_prune_surely */
static inline bool wki_watch_claim_prune(wki_atomic_u32 *meta, bool *surely)
{
	/* WCH-21 relaxed; pairs: none; weaker: not possible; check: explore/watch (CAS again if stale) */
	uint32_t old = atomic_load_relaxed(meta);

	do {
		if (wki_watch_is_pruned(old))
			return false;
		/* WCH-15 acquire; pairs: WCH-17, WCH-22; weaker: this prune could see next pointers from before the last one, or miss what it was asked for; check: explore/watch, model/watch */
	} while (!atomic_cas_acquire(meta, &old, (old & ~(WKI_META_GENERATION_MASK | WKI_META_AGAIN)) | wki_watch_pruning()));
	*surely = (old & WKI_META_AGAIN) != 0;
	return true;
}

/* wki_watch_is_listed - in the child of a fork: has it been pushed? */
static inline bool wki_watch_is_listed(const wki_watch_head *head, const struct wki_watch *wanted)
{
	const struct wki_watch *watch = wki_watch_first(head);

	while (watch != NULL && watch != wanted)
		watch = wki_watch_next(watch);
	return watch != NULL;
}

/* wki_watch_littered - one more removed watch is on the list; true: a prune is due */
static inline bool wki_watch_littered(wki_atomic_u32 *meta)
{
	/* WCH-11 relaxed; pairs: none; weaker: not possible; check: unit/core/control_test (lists stay short) */
	uint32_t now = atomic_fetch_add_relaxed(meta, UINT32_C(1) << WKI_META_GARBAGE_SHIFT);
	uint32_t due = (now & WKI_META_DUE_MASK) >> WKI_META_DUE_SHIFT;
	uint32_t garbage = (now >> WKI_META_GARBAGE_SHIFT) + 1;

	return !wki_watch_is_pruned(now) && garbage >= UINT32_C(1) << (due > WKI_WATCH_DUE_MIN ? due : WKI_WATCH_DUE_MIN);
}

/* wki_watch_unlink - take a removed watch out; false: others were pushed in front meanwhile, leave it for later */
static inline bool wki_watch_unlink(wki_watch_head *head, struct wki_watch *before, struct wki_watch *watch,
				    struct wki_watch *next)
{
	if (before == NULL) {
		/* WCH-13 release; pairs: WCH-12, WCH-18; weaker: as WCH-14; check: explore/watch, model/watch */
		return atomic_cas_release(head, &watch, next);
	}
	/* WCH-14 release; pairs: WCH-10; weaker: a walker could meet a half-made watch; check: explore/watch */
	atomic_store_release(&before->next, next);
	return true;
}

/* What was removed behind the walk waits for the next one; false: something in front of it does, too. */
static inline bool wki_watch_unlink_removed(wki_watch_head *head, uint32_t *kept, void (*leave)(struct wki_watch *))
{
	struct wki_watch *before = NULL, *watch, *next;
	bool removed, all = true;

	/* WCH-12 acquire; pairs: WCH-4, WCH-13, WCH-20; weaker: it could meet a half-made watch; check: explore/watch, model/watch */
	for (watch = atomic_load_acquire(head); watch != NULL; watch = next) {
		next = wki_watch_next(watch);
		removed = wki_watch_state(watch) == WKI_WATCH_REMOVED;
		if (removed && wki_watch_unlink(head, before, watch, next)) {
			if (wki_watch_move(watch, WKI_WATCH_REMOVED, WKI_WATCH_RETIRED))
				leave(watch);
			continue;
		}
		all = all && !removed;
		before = watch;
		++*kept;
	}
	return all;
}

/* A prune that has been claimed; true: it must be done again. */
static inline bool wki_watch_prune_claimed(wki_watch_head *head, wki_atomic_u32 *meta, bool surely,
					   void (*leave)(struct wki_watch *))
{
	uint32_t kept = 0, due = WKI_WATCH_DUE_MIN, old, again;

	again = !wki_watch_unlink_removed(head, &kept, leave) && surely ? WKI_META_AGAIN : 0;
	while (due < WKI_WATCH_DUE_MAX && UINT32_C(1) << due < kept)
		due++;
	/* WCH-16 relaxed; pairs: none; weaker: not possible; check: explore/watch */
	old = atomic_load_relaxed(meta);
	/* WCH-17 release; pairs: WCH-15; weaker: the next pruner could see next pointers from before this prune; check: explore/watch, model/watch */
	while (!atomic_cas_release(meta, &old, (old & ~(WKI_META_PRUNING | WKI_META_GARBAGE_MASK | WKI_META_DUE_MASK)) | again | due << WKI_META_DUE_SHIFT))
		;
	return ((old | again) & WKI_META_AGAIN) != 0;
}

/*
 * wki_watch_prune - unlink the removed watches, unless somebody is at it
 *
 * `leave` drops the list's hold on a watch that left it. The caller is inside the read section
 * in which it found a watch of this list live.
 */
static inline void wki_watch_prune(wki_watch_head *head, wki_atomic_u32 *meta, void (*leave)(struct wki_watch *))
{
	bool surely;

	while (wki_watch_claim_prune(meta, &surely) && wki_watch_prune_claimed(head, meta, surely, leave))
		;
}

/* wki_watch_prune_surely - the same, but what has been removed before the call leaves: whoever is at it goes round again */
static inline void wki_watch_prune_surely(wki_watch_head *head, wki_atomic_u32 *meta, void (*leave)(struct wki_watch *))
{
	/* WCH-22 release; pairs: WCH-15; weaker: who goes round again could still find it live; check: unit/core/watch_test */
	(void)atomic_fetch_or_release(meta, WKI_META_AGAIN);
	wki_watch_prune(head, meta, leave);
}

#endif
