/*
 * stress/harness.h - what the stress programs share: options, threads, dice, wins, canaries
 *
 * A program describes itself by a struct stress and calls stress_main. Its workers begin together,
 * take step after step until the time is over, and count in their own records; then the main
 * thread settles the accounts. A run is good if no oracle complained and if in every race both
 * sides have won: a stress program that never raced has shown nothing. On a machine that has no
 * time for it a run lasts longer until that has come about, within limits.
 *
 * A program plants bugs in its own use of the library (--broken NAME), to show that its oracles
 * can tell: with such a bug it must fail.
 *
 * What threads share here goes through base/atomic.h like in the library, and statistics are
 * relaxed: the harness must not order what the library has to order itself.
 */
#ifndef STRESS_HARNESS_H
#define STRESS_HARNESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "weakref.h"

#define STRESS_RACES_MAX 12
#define STRESS_THREADS_MAX 64

enum stress_side { STRESS_LEFT, STRESS_RIGHT };

/* Two outcomes of one race: a run must have seen both. */
struct stress_race {
	const char *left, *right;
	wki_atomic_u64 *count[2]; /* where they are counted if no worker is known there; else NULL: stress_win */
};

struct stress_worker {
	unsigned index;
	uint64_t dice;
	uint64_t operations;
	wki_atomic_u64 wins[STRESS_RACES_MAX][2]; /* only the worker writes them */
	pthread_t thread;
};

struct stress {
	const char *name;
	const struct stress_race *races; /* at most STRESS_RACES_MAX, ends with NULLs */
	const char *const *broken;       /* names of the bugs that can be planted, ends with NULL */
	void (*begin)(void);             /* main thread, before the workers */
	void (*step)(struct stress_worker *worker);
	void (*leave)(struct stress_worker *worker); /* a worker's last act; or NULL */
	void (*settle)(void);                        /* main thread, after the workers */
};

/* What was asked for; constant while workers run. */
struct stress_run {
	unsigned seconds, threads;
	uint64_t seed;
	int broken; /* index of the planted bug; -1: none */
};
extern struct stress_run stress_run;

/* stress_main - the exit status of the program: 0 good, 1 an oracle complained or a side never won, 2 usage */
int stress_main(int argc, char **argv, const struct stress *stress);

/* stress_is_over - steps that take long look now and then */
bool stress_is_over(void);

/* stress_complain - an oracle has been violated: the first one is printed, and the run ends */
__attribute__((format(printf, 1, 2))) void stress_complain(const char *format, ...);

/* stress_has_complained - for a process that was forked from a run: its complaints are its own */
bool stress_has_complained(void);

/* stress_expect(condition, format, ...) - complain unless it holds; its value is the condition's */
#define stress_expect(condition, ...) ((condition) ? true : (stress_complain(__VA_ARGS__), false))

static inline bool stress_is_broken(int bug)
{
	return stress_run.broken == bug;
}

/* Dice: xorshift64*, seeded for each worker from the printed seed. */
static inline uint64_t stress_roll(struct stress_worker *worker)
{
	worker->dice ^= worker->dice >> 12;
	worker->dice ^= worker->dice << 25;
	worker->dice ^= worker->dice >> 27;
	return worker->dice * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

static inline unsigned stress_below(struct stress_worker *worker, unsigned limit)
{
	return (unsigned)(stress_roll(worker) % limit);
}

static inline bool stress_one_in(struct stress_worker *worker, unsigned chance)
{
	return stress_below(worker, chance) == 0;
}

/* stress_hesitate - in a window that races should meet: now and then another thread gets the processor */
void stress_hesitate(struct stress_worker *worker);

/* stress_linger - for planted bugs only: long enough for a grace period and a destructor */
void stress_linger(void);

static inline void stress_win(struct stress_worker *worker, unsigned race, enum stress_side side)
{
	wki_atomic_u64 *wins = &worker->wins[race][side];

	atomic_store_relaxed(wins, atomic_load_relaxed(wins) + 1);
}

/* stress_wins - a race's wins of one side, all workers taken together */
uint64_t stress_wins(unsigned race, enum stress_side side);

/* Statistics that are kept where no worker is known, as in destructors. */
static inline void stress_count(wki_atomic_u64 *count)
{
	(void)atomic_fetch_add_relaxed(count, 1);
}

/*
 * Canaries: set by the constructor, checked at every use, broken by destroy. Plain memory on
 * purpose: ThreadSanitizer reports a destroy that overlaps with a use.
 */
struct stress_canary {
	uint64_t pattern, number;
};

#define STRESS_CANARY UINT64_C(0xc0ffee5eed5a1ad5)
#define STRESS_BROKEN UINT64_C(0xdeaddeaddeaddead)

static inline void stress_canary_set(struct stress_canary *canary, uint64_t number)
{
	canary->pattern = STRESS_CANARY ^ number;
	canary->number = number;
}

static inline bool stress_canary_is_whole(const struct stress_canary *canary)
{
	return canary->pattern == (STRESS_CANARY ^ canary->number);
}

static inline void stress_canary_break(struct stress_canary *canary)
{
	canary->pattern = STRESS_BROKEN;
}

/*
 * A place through which threads hand each other something counted, without a lock: it is taken
 * out, counted once more, and put back unless something newer has been offered. NULL: empty, or
 * somebody has it in his hands.
 */
struct stress_share {
	wki_atomic_u64 word; /* the pointer, and above its 48 bits the number of offers so far */
	void (*retain)(void *held);
	void (*release)(void *held);
};

/* stress_share_borrow - what is there, owned by the caller once more; or NULL */
void *stress_share_borrow(struct stress_share *share);
/* stress_share_offer - give `held` away to the place; what was there is released */
void stress_share_offer(struct stress_share *share, void *held);
/* stress_share_take - what is there, as the caller's own; the place is empty */
void *stress_share_take(struct stress_share *share);

/* stress_settle_runtime - everything that died is destroyed and given back, and the runtime shut down; complains if not */
void stress_settle_runtime(void);
/* stress_settle_census - all types: created = destroyed; complains of each that is not */
void stress_settle_census(void);

#endif
