/*
 * core/cell.h - one word that holds a reference, loaded and stored by many threads
 *
 * The word leads to the counts at the beginning of a control block; NULL is an empty cell. A strong cell
 * owns one strong reference of what it holds, a weak cell one unit. Who puts something in gives the
 * cell what it owned; who takes something out owns what the cell did.
 *
 *	                strong cell                         weak cell
 *	before a store  BORROWED is set                     BORROWED and CELLED are set
 *	keeps the block the reference, then the grace       the unit, then the grace period between the
 *	 for a reader   period between death and the end    last unit and the memory (CELLED)
 *	found dead      the cell has changed meanwhile      changed, or else dead for good
 *	no units left   -                                   the cell has changed meanwhile
 *
 * Readers own nothing: all they do is inside the read section in which they looked into the cell.
 * A dead object is no answer by itself. Whoever finds one looks again: if the cell still holds it, it
 * held it when it was dead (in this section the block is not used for another object); if not, a
 * store succeeded, and the loop begins anew. That is what makes loads lock-free and not wait-free. (One that
 * is under construction when it is found was so already when the cell was first looked into.)
 *
 * Layer: core, header only. Never: libc, liburcu, allocation.
 */
#ifndef WKI_CORE_CELL_H
#define WKI_CORE_CELL_H

#include "core/count.h"

struct wki_cell {
	WKI_ATOMIC_POINTER(struct wki_count) held;
};

static inline struct wki_count *wki_cell_look(const struct wki_cell *cell)
{
	/* CEL-1 acquire; pairs: CEL-2, CEL-3; weaker: an object could be seen before it was complete; check: api/cell_race_test under TSan */
	return atomic_load_acquire((WKI_ATOMIC_POINTER(struct wki_count) *)(uintptr_t)&cell->held);
}

/* wki_cell_swap - `held`, with what the caller owned of it, against what was there, with what the cell owned of that */
static inline struct wki_count *wki_cell_swap(struct wki_cell *cell, struct wki_count *held)
{
	/* CEL-2 acq_rel; pairs: CEL-1, CEL-2, CEL-3; weaker: the last owner could end an object before what the one who gave it did to it; check: api/cell_race_test under TSan */
	return atomic_exchange_acq_rel(&cell->held, held);
}

/* wki_cell_replace - the same, if `expected` is there, which the caller keeps from going */
static inline bool wki_cell_replace(struct wki_cell *cell, struct wki_count *expected, struct wki_count *desired)
{
	/* CEL-3 acq_rel; pairs: CEL-1, CEL-2, CEL-3; weaker: as CEL-2; check: api/cell_race_test under TSan */
	return atomic_cas_acq_rel(&cell->held, &expected, desired);
}

/* wki_cell_mark - by an owner of a unit that is about to be a weak cell's: from now on readers may find the block there */
static inline void wki_cell_mark(struct wki_count *count)
{
	if (wki_count_is_celled(count))
		return;
	/* CEL-4 relaxed; pairs: none; weaker: not possible; check: explore/cell (published by CEL-2 or CEL-3, then by CNT-4) */
	(void)atomic_fetch_or_relaxed(&count->meta, WKI_META_CELLED);
}

/*
 * What is there, alive by its strong word, which an upgrade or a look gives; NULL: the cell is empty, or what the weak cell
 * holds is dead
 */
static inline struct wki_count *wki_cell_find_rcu(const struct wki_cell *cell, uint64_t *strong, bool upgrades)
{
	struct wki_count *held = wki_cell_look(cell), *seen;

	for (; held != NULL; held = seen) {
		SCHED_POINT("a reader has looked into a cell");
		*strong = upgrades ? wki_count_upgrade(held) : wki_count_peek(held);
		if ((*strong & WKI_STRONG_DEAD) == 0)
			return held;
		seen = wki_cell_look(cell);
		if (seen == held)
			return NULL;
	}
	return NULL;
}

/* wki_cell_load_rcu - a strong reference to what is there, and the strong word that had it; NULL as above */
static inline struct wki_count *wki_cell_load_rcu(const struct wki_cell *cell, uint64_t *strong)
{
	return wki_cell_find_rcu(cell, strong, true);
}

/* wki_cell_peek_rcu - the same, without a reference */
static inline struct wki_count *wki_cell_peek_rcu(const struct wki_cell *cell, uint64_t *strong)
{
	return wki_cell_find_rcu(cell, strong, false);
}

/* wki_cell_load_unit_rcu - a unit of what a weak cell holds, dead or alive, and the units before */
static inline struct wki_count *wki_cell_load_unit_rcu(const struct wki_cell *cell, uint32_t *units)
{
	struct wki_count *held;

	do {
		held = wki_cell_look(cell);
		SCHED_POINT("a reader has looked into a cell");
	} while (held != NULL && !wki_count_try_add_unit_rcu(held, units));
	return held;
}

#endif
