/*
 * base/sched.c - seeded yields at schedule points (check level 2 only)
 *
 * Layer: base.
 */
#include "base/sched.h"

#if WKI_CHECK_LEVEL >= 2 && !WKI_EXPLORE
#include <sched.h>

#include "base/atomic.h"

/* The accesses here are no schedule points: they decide about them. */
#undef SCHED_ACCESS
#define SCHED_ACCESS(address) ((void)0)

/* How much seldomer an access yields than a window. */
#define SCHED_ACCESS_RARITY 16u

static wki_atomic_u32 sched_seed;
static wki_atomic_u32 sched_one_in;

void wki_sched_seed(unsigned seed, unsigned one_in)
{
	/* SCHED-1 relaxed; pairs: none; weaker: not possible; check: stress programs print their seed */
	atomic_store_relaxed(&sched_seed, seed);
	/* SCHED-2 relaxed; pairs: none; weaker: not possible; check: as SCHED-1 */
	atomic_store_relaxed(&sched_one_in, one_in);
}

static void sched_maybe_yield(uint32_t rarity)
{
	static _Thread_local uint32_t state;
	/* SCHED-3 relaxed; pairs: none; weaker: not possible; check: as SCHED-1 */
	uint32_t one_in = atomic_load_relaxed(&sched_one_in);

	if (one_in == 0)
		return;
	if (state == 0) {
		/* SCHED-4 relaxed; pairs: none; weaker: not possible; check: as SCHED-1 */
		state = atomic_fetch_add_relaxed(&sched_seed, 0x9e3779b9u) | 1u;
	}
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	if (state % (one_in * rarity) == 0)
		sched_yield();
}

void wki_sched_point(const char *place)
{
	(void)place;
	sched_maybe_yield(1);
}

void wki_sched_access(void)
{
	sched_maybe_yield(SCHED_ACCESS_RARITY);
}
#endif
