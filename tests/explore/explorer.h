/*
 * explorer.h - run a protocol under every schedule
 *
 * A scenario is a set-up, up to four threads of a few operations each, and a final check. Its
 * threads are coroutines in one OS thread. In front of every atomic access (base/atomic.h calls
 * wki_explore_access there) the explorer decides who goes on; it runs the scenario again and
 * again until every schedule was taken that could make a difference, and stops at the first
 * failure, which it prints as a list of steps with the argument that replays it.
 *
 * A failure is: a check that does not hold; an access to freed memory; memory freed twice, or
 * never; a read section left open; a run that does not end.
 *
 * Interleavings are sequentially consistent: one access after the other, each seeing all
 * before it. What weaker orders allow is not seen here; that is what tests/model is for.
 *
 * SCHED_POINT names a place in the printed steps. It is not a step of its own: being preempted
 * there is being preempted in front of the access that follows.
 *
 * Scenarios must be deterministic, wait for nothing, and keep what threads share in blocks of
 * explore_alloc or in static variables of at least eight bytes.
 */
#ifndef EXPLORE_EXPLORER_H
#define EXPLORE_EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPLORE_THREADS 4
#define EXPLORE_OPERATIONS 6

struct explore_operation {
	const char *name;
	void (*run)(intptr_t argument);
	intptr_t argument;
};

/* EXPLORE_DO(insert, 7) is the operation insert(7). */
#define EXPLORE_DO(function, value)                                                                        \
	{                                                                                                  \
		.name = #function "(" #value ")", .run = (function), .argument = (value)                   \
	}

enum explore_how {
	EXPLORE_TRACES,  /* all interleavings, but one only of those that differ in steps that commute */
	EXPLORE_EVERY,   /* all interleavings one by one: invariants see every state */
	EXPLORE_BOUNDED, /* all interleavings with at most `preemptions` preemptions */
};

struct explore_scenario {
	const char *name;
	struct explore_operation thread[EXPLORE_THREADS][EXPLORE_OPERATIONS]; /* in order, the first unused one ends it */
	void (*set_up)(intptr_t argument);
	intptr_t argument;        /* of set_up */
	void (*invariant)(void);  /* after every step; may be NULL */
	void (*finish)(void);     /* all threads have ended: check, free everything */
	enum explore_how how;
	unsigned preemptions;
	bool deep;                /* only with --deep */
	const char *planted;      /* a planted bug: what the failure's message contains; NULL: must not fail */
};

/*
 * explore_main - run the scenarios that the arguments name (none: all that are not deep)
 *
 *	--deep                  the deep ones too
 *	--list                  names only
 *	--replay NAME SCHEDULE  run one schedule and print its steps
 *
 * Returns the exit status: 0 if every correct scenario passed and every planted bug was caught.
 */
int explore_main(int argc, char **argv, const struct explore_scenario *scenarios, size_t count);

/* explore_fail - this schedule shows a failure; does not return */
__attribute__((noreturn, format(printf, 1, 2))) void explore_fail(const char *format, ...);

#define EXPLORE_CHECK(condition)                                                                           \
	do {                                                                                               \
		if (!(condition))                                                                          \
			explore_fail("check failed: %s (%s:%d)", #condition, __FILE__, __LINE__);          \
	} while (0)

/*
 * Memory. A block is 64-byte aligned, filled with a pattern (or zeroed), never reused within
 * a run; once freed, any access to it that the explorer sees is a failure.
 */
void *explore_alloc(size_t size, const char *name);
void *explore_zeroed(size_t size, const char *name);
void explore_free(void *memory);

/* explore_touch - stands for a plain (not atomic) access to a block: a step, and a failure if it is freed */
void explore_touch(const volatile void *address);

/*
 * Read sections and grace periods. explore_retire waits for the read sections that are open at
 * that moment, and acts as soon as the last of them has ended, on the thread that ended it, or
 * at once if there is none: `then` is called, or if it is NULL the block is freed.
 */
void explore_read_lock(void);
void explore_read_unlock(void);
bool explore_reading(void);
void explore_retire(void *block, void (*then)(void *block));

/*
 * explore_fork - from here on the caller is alone, in the child of a fork: thread `lost` vanishes where it stands
 *
 * It may stand in front of any of its steps. Its read sections are over, and the generation (base/generation.h) is the
 * next one. What it owned nobody owns: memory is not missed at the end of such a run. explore_is_child: is this one?
 */
void explore_fork(unsigned lost);
bool explore_is_child(void);

/* explore_label - name an object for the printed steps (blocks have a name already) */
void explore_label(const volatile void *address, const char *name);

/* explore_thread - who runs: 0 to 3, EXPLORE_THREADS in set_up and finish */
unsigned explore_thread(void);

#endif
