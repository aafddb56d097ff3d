/*
 * core/count.h - the counts of one object: who owns the end of life, who owns the memory
 *
 * STRONG, 64 bits:  DEAD (top bit) | UNBORN | two constant flags | count below.
 * UNITS, 32 bits:   BORROWED (top bit) | weak units; whoever drops the last one frees the control
 *                   block. The strong side owns two until the end of life is over: one for itself,
 *                   and one in advance for a grant that is late (see below). BORROWED stands here
 *                   because the first weak handle sets it and adds its unit in one step.
 *
 *	                count > 0            count == 0            DEAD
 *	upgrade         +1                   +1, and a GRANT       fails
 *	                                     (one more unit)
 *	end, by who     DEAD is set: owner   never happens         never happens
 *	owns them all   of the end of life;
 *	                more by now: fails
 *	release         -1; reached zero:    never happens         never happens
 *	                become a DECIDER
 *	decide          fails (revived):     DEAD is set: owner    fails (somebody else
 *	                give a unit back     of the end of life    won): give a unit back
 *
 * Who owns all the references that there are ends the life by one compare-and-swap, from the word
 * that he has read to DEAD. The count does not come to zero on this way: nobody revives, nobody
 * decides. If it fails, somebody has upgraded, and he releases as anybody does.
 *
 * Between its decrement and its compare-and-swap a decider holds nothing: another thread may
 * revive the object, release it, win the decision and run the end of life. What keeps the
 * block there for the loser is the grant. Every visit of the count to zero makes one decider and
 * every revival from zero one grant. If a decider wins, no revival has followed the last visit; if
 * an owner of all references ends the life, one has followed each, and every decider loses: there
 * are as many grants as losers either way.
 *
 * A grant is paid after the revival, so a loser may give it back before it is paid:
 *
 *	A releases: count 1 -> 0, A is a decider
 *	                                    B, in a read section, revives: 0 -> 1, and is stopped
 *	A decides, loses, gives a unit back
 *	                                    B pays the grant
 *
 * If B reached the object by a unit of its own, that unit keeps the block meanwhile. If B found it
 * in a container or peeked at it, nothing would, and A would free a live object. Hence the unit in
 * advance. One is enough: until B has returned, its strong reference keeps the count from
 * coming back to zero, so at most one grant is late at a time; and nobody else owns all
 * references, so none is late when the object dies.
 *
 * Failed upgrades increment the count of a dead object too. That is harmless: the count has 60
 * bits, so 2^60 of them would have to fail (at one a nanosecond, 36 years) before they
 * touched a flag; DEAD itself is never cleared, unless UNBORN stands beside it.
 *
 * UNBORN: the object is under construction, and there are weak handles to it already. DEAD makes
 * upgrades and peeks fail as ever; UNBORN says that this is not for good. There is one way out,
 * and the constructor's thread alone takes it, once: a store of the whole word, which forgets the
 * upgrades that have failed so far.
 *
 *	init -> DEAD|UNBORN           nobody has a handle yet
 *	DEAD|UNBORN -> count 1        the constructor has succeeded: all that it wrote is released
 *	DEAD|UNBORN -> DEAD           it has failed: dead for good, without ever having been alive
 *
 * Layer: core, header only. Never: libc, liburcu, allocation; explorers and model checkers
 * drive this file as it is.
 */
#ifndef WKI_CORE_COUNT_H
#define WKI_CORE_COUNT_H

#include "base/atomic.h"

#define WKI_STRONG_DEAD (UINT64_C(1) << 63)   /* no upgrade and no peek any more */
#define WKI_STRONG_UNBORN (UINT64_C(1) << 62) /* beside DEAD: no upgrade and no peek yet */
#define WKI_STRONG_NOPEEK (UINT64_C(1) << 61) /* constant: the type is prompt, nobody may peek */
#define WKI_STRONG_APART (UINT64_C(1) << 60)  /* constant: the payload is not behind the control block */
#define WKI_STRONG_FLAGS (WKI_STRONG_NOPEEK | WKI_STRONG_APART)
#define WKI_STRONG_COUNT (WKI_STRONG_APART - 1)

/* What the strong side owns: its own unit, and the advance on a late grant. */
#define WKI_STRONG_UNITS 2u

#define WKI_UNITS_BORROWED (UINT32_C(1) << 31) /* sticky: somebody may peek or upgrade without owning a reference */

/* In META, sticky: a weak cell (core/cell.h) has led here. Who owns no unit may add one, inside a read section. */
#define WKI_META_CELLED UINT32_C(0x40)

struct wki_count {
	wki_atomic_u64 strong;
	wki_atomic_u32 units; /* and BORROWED */
	wki_atomic_u32 meta; /* flags and garbage: core/watch.h and core/control.h */
};

static inline uint64_t wki_strong_count(uint64_t strong)
{
	return strong & WKI_STRONG_COUNT;
}

/* wki_strong_is_above - are there more references than so many, of an object that is not dead? One comparison: DEAD is the sign */
static inline bool wki_strong_is_above(uint64_t strong, uint64_t many)
{
	return (int64_t)(strong & ~WKI_STRONG_FLAGS) > (int64_t)many;
}

static inline uint32_t wki_count_units(uint32_t word)
{
	return word & ~WKI_UNITS_BORROWED;
}

/* wki_count_init - one strong reference, the strong side's units; the object is nobody else's yet */
static inline void wki_count_init(struct wki_count *count, uint64_t strong_flags)
{
	/* CNT-1 relaxed; pairs: none; weaker: not possible; check: api/object_test (publishing is the creator's act) */
	atomic_store_relaxed(&count->strong, strong_flags | 1);
	/* CNT-2 relaxed; pairs: none; weaker: not possible; check: as CNT-1 */
	atomic_store_relaxed(&count->units, WKI_STRONG_UNITS);
}

/* wki_count_add_unit - by somebody who knows that the block stays; returns the units before */
static inline uint32_t wki_count_add_unit(struct wki_count *count)
{
	/* CNT-3 relaxed; pairs: none; weaker: not possible; check: explore/count */
	return wki_count_units(atomic_fetch_add_relaxed(&count->units, 1));
}

/* wki_count_is_borrowed - by who has set it, or who has seen the release of whoever has: an answer that stays, if it is yes */
static inline bool wki_count_is_borrowed(const struct wki_count *count)
{
	/* CNT-20 relaxed; pairs: none; weaker: not possible; check: unit/core/control_test (shown by CNT-9, CNT-10 or CNT-19) */
	return (atomic_load_relaxed((wki_atomic_u32 *)(uintptr_t)&count->units) & WKI_UNITS_BORROWED) != 0;
}

/* wki_count_borrow - true: the caller is the first one */
static inline bool wki_count_borrow(struct wki_count *count)
{
	/* CNT-21 relaxed; pairs: none; weaker: not possible; check: unit/core/control_test (no plain store: threads may share the one reference) */
	return (atomic_fetch_or_relaxed(&count->units, WKI_UNITS_BORROWED) & WKI_UNITS_BORROWED) == 0;
}

/* wki_count_borrow_unit - both at once, where it has not been borrowed; returns the units before */
static inline uint32_t wki_count_borrow_unit(struct wki_count *count)
{
	/* CNT-22 relaxed; pairs: none; weaker: not possible; check: unit/core/control_test (CAS fails if stale) */
	uint32_t word = atomic_load_relaxed(&count->units);

	/* CNT-23 relaxed; pairs: none; weaker: not possible; check: unit/core/control_test (as CNT-3 and CNT-21) */
	if (atomic_cas_relaxed(&count->units, &word, (word | WKI_UNITS_BORROWED) + 1))
		return wki_count_units(word);
	(void)wki_count_borrow(count); /* somebody else was at it: two steps, and no loop */
	return wki_count_add_unit(count);
}

static inline bool wki_count_drop_units(struct wki_count *count, uint32_t many)
{
	/* CNT-4 release; pairs: CNT-5; weaker: the memory could be reused before this thread's last access; check: explore/count, model/count */
	if (wki_count_units(atomic_fetch_sub_release(&count->units, many)) != many)
		return false;
	/* CNT-5 acquire; pairs: CNT-4; weaker: the free could overtake the others' last accesses; check: explore/count, model/count */
	(void)atomic_load_acquire(&count->units);
	return true;
}

/* wki_count_drop_unit - true: it was the last one, the caller frees the block; else the block may be gone */
static inline bool wki_count_drop_unit(struct wki_count *count)
{
	return wki_count_drop_units(count, 1);
}

/*
 * wki_count_try_add_unit_rcu - by somebody who owns none, in the read section in which a weak cell led here
 *
 * False: the last unit is gone, and so is the cell's: it holds something else now, and this thread sees that.
 */
static inline bool wki_count_try_add_unit_rcu(struct wki_count *count, uint32_t *before)
{
	/* CNT-14 acquire; pairs: CNT-4; weaker: who fails could find the cell as it was, again and again; check: explore/cell */
	uint32_t word = atomic_load_acquire(&count->units);

	while (wki_count_units(word) != 0) {
		*before = wki_count_units(word);
		/* CNT-15 acquire; pairs: CNT-4; weaker: as CNT-14, where it fails; check: explore/cell */
		if (atomic_cas_acquire(&count->units, &word, word + 1))
			return true;
	}
	return false;
}

/* wki_count_is_celled - by who has seen all units but the strong side's go, or the last one: an answer that stays */
static inline bool wki_count_is_celled(const struct wki_count *count)
{
	/* CNT-16 relaxed; pairs: none; weaker: not possible; check: explore/cell (set by an owner of a unit that is gone) */
	return (atomic_load_relaxed((wki_atomic_u32 *)(uintptr_t)&count->meta) & WKI_META_CELLED) != 0;
}

/*
 * wki_count_drop_strong_side - the end of life is over, and so is a grace period; true as in wki_count_drop_unit
 *
 * No grant is late any more, and unless a weak cell has led here, nobody can make another unit of an object that is
 * dead: if there are just the strong side's, they are the last ones, and there is nobody to take turns with.
 */
static inline bool wki_count_drop_strong_side(struct wki_count *count)
{
	/* CNT-13 acquire; pairs: CNT-4; weaker: as CNT-5, and CNT-16 could miss the flag; check: explore/count, explore/cell */
	if (wki_count_units(atomic_load_acquire(&count->units)) == WKI_STRONG_UNITS && !wki_count_is_celled(count))
		return true;
	return wki_count_drop_units(count, WKI_STRONG_UNITS);
}

/* wki_count_retain - one more strong reference, by an owner of one; returns the word before */
static inline uint64_t wki_count_retain(struct wki_count *count, uint64_t many)
{
	/* CNT-6 relaxed; pairs: none; weaker: not possible; check: api/object_test */
	return atomic_fetch_add_relaxed(&count->strong, many);
}

/*
 * wki_count_upgrade - one more strong reference by somebody who owns none
 *
 * Returns the word before: with DEAD in it the upgrade failed, else a reference was made. The
 * caller must know that the block stays: a unit of its own, or a read section.
 */
static inline uint64_t wki_count_upgrade(struct wki_count *count)
{
	/*
	 * CNT-7 acquire; pairs: CNT-8, CNT-18, CNT-19; weaker: a revived object could be used before what its last
	 * owner wrote, and whoever fails could look at a slot as it was before the death;
	 * check: explore/count, model/count, model/slots_dead
	 */
	uint64_t before = atomic_fetch_add_acquire(&count->strong, 1);

	if (!wki_strong_is_above(before, 0) && (before & WKI_STRONG_DEAD) == 0)
		wki_count_add_unit(count); /* the grant */
	return before;
}

/*
 * wki_count_release - `many` strong references less; returns the word before
 *
 * Unless wki_strong_count(before) == many the block may be gone: use only what was returned.
 * If it is, the caller is a decider and calls wki_count_decide.
 */
static inline uint64_t wki_count_release(struct wki_count *count, uint64_t many)
{
	/* CNT-8 release; pairs: CNT-7, CNT-9; weaker: destroy could run before this thread's last uses; check: explore/count, model/count */
	return atomic_fetch_sub_release(&count->strong, many);
}

/* wki_count_is_all - are these all the references that there were, of an object that was not dead? */
static inline bool wki_count_is_all(uint64_t word, uint64_t many)
{
	return (word & ~WKI_STRONG_FLAGS) == many;
}

/*
 * wki_count_try_end - by the owner of all the references in `word`, which he has read: dead, if there are no more by now
 *
 * True: the object is dead from this instant, as in wki_count_decide. False: the references are the caller's still.
 */
static inline bool wki_count_try_end(struct wki_count *count, uint64_t word)
{
	/* CNT-19 acq_rel; pairs: CNT-7, CNT-8, CNT-10; weaker: as CNT-8 for whoever finds it dead, as CNT-9 for destroy; check: explore/count, model/count */
	return atomic_cas_acq_rel(&count->strong, &word, (word & WKI_STRONG_FLAGS) | WKI_STRONG_DEAD);
}

/*
 * wki_count_decide - a decider ends the object's life, unless somebody revived it
 *
 * True: the object is dead from this instant, the caller owns its end of life and calls
 * wki_count_drop_strong_side when that is over. False: the caller gives its grant back with
 * wki_count_drop_unit, and touches nothing else.
 */
static inline bool wki_count_decide(struct wki_count *count, uint64_t before)
{
	uint64_t flags = before & WKI_STRONG_FLAGS;

	/* CNT-9 acquire; pairs: CNT-8; weaker: destroy could miss what earlier owners wrote; check: explore/count, model/count */
	return atomic_cas_acquire(&count->strong, &flags, flags | WKI_STRONG_DEAD);
}

static inline uint64_t wki_count_flags(const struct wki_count *count)
{
	/* CNT-11 relaxed; pairs: none; weaker: not possible; check: api/object_test (constant) */
	return atomic_load_relaxed((wki_atomic_u64 *)(uintptr_t)&count->strong) & WKI_STRONG_FLAGS;
}

/* wki_count_end - by the only one who can end it, its one owner or its constructor: dead, without a decision */
static inline void wki_count_end(struct wki_count *count)
{
	/* CNT-12 relaxed; pairs: none; weaker: not possible; check: api/object_test (nobody else's), explore/construct */
	atomic_store_relaxed(&count->strong, wki_count_flags(count) | WKI_STRONG_DEAD);
}

/* wki_count_begin_construction - before there is a handle; wki_count_end ends it if it has failed */
static inline void wki_count_begin_construction(struct wki_count *count)
{
	/* CNT-17 relaxed; pairs: none; weaker: not possible; check: explore/construct (nobody else's yet) */
	atomic_store_relaxed(&count->strong, wki_count_flags(count) | WKI_STRONG_DEAD | WKI_STRONG_UNBORN);
}

/* wki_count_bear - construction has succeeded: alive, with one strong reference */
static inline void wki_count_bear(struct wki_count *count)
{
	/* CNT-18 release; pairs: CNT-7, CNT-10; weaker: an upgrade could show a half-made payload; check: explore/construct, model/construct */
	atomic_store_release(&count->strong, wki_count_flags(count) | 1);
}

/* wki_count_peek - the word, for somebody inside a read section; usable if neither DEAD nor NOPEEK is in it */
static inline uint64_t wki_count_peek(const struct wki_count *count)
{
	/* CNT-10 acquire; pairs: CNT-8, CNT-18, CNT-19; weaker: as CNT-7 for whoever finds it dead; check: model/slots_dead */
	return atomic_load_acquire((wki_atomic_u64 *)(uintptr_t)&count->strong);
}

/* wki_count_is_dead - true is final. A count of zero is not death: the object may be revived; nor is being unborn. */
static inline bool wki_count_is_dead(const struct wki_count *count)
{
	uint64_t strong = wki_count_peek(count);

	return (strong & WKI_STRONG_DEAD) != 0 && (strong & WKI_STRONG_UNBORN) == 0;
}

static inline bool wki_count_is_unborn(const struct wki_count *count)
{
	return (wki_count_peek(count) & WKI_STRONG_UNBORN) != 0;
}

#endif
