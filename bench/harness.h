/*
 * The benchmark's one interface: what an implementation offers, and what the harness gives it.
 *
 * An implementation fills a struct of functions, one per benchmark. The harness calls them in chunks of a few hundred
 * operations; the timed loop stands inside the implementation's own file, so that the interface costs nothing per
 * operation. A function returns how many of its operations went wrong; any at all ends the run.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	CHUNK = 256,		/* operations between two looks at the phase */
	BATCH = 32,		/* keys of one get_many */
	POOL = 1000,		/* keys of a thread that come back in churn_same */
	PAYLOAD_SIZE = 64,	/* bytes of every object */
	MAX_THREADS = 64,
	MAX_ROUNDS = 101
};

enum bench_id {
	BENCH_GET,		/* look a live object up by key, use it, give it back */
	BENCH_PEEK,		/* look it up, use it where it is; an implementation without borrowing does a get */
	BENCH_GET_MANY,		/* BATCH keys at once, per key; without batches: gets */
	BENCH_CHURN,		/* new object, insert under a key never used before, release: entry gone */
	BENCH_CHURN_SAME,	/* the same, keys coming back */
	BENCH_UPGRADE,		/* weak to strong and release, one object shared by all threads */
	BENCH_UPGRADE_OWN,	/* the same, an object for each thread */
	BENCH_NEW,		/* new object, release */
	BENCH_NEW_WEAK,		/* new object, weak handle, release both */
	BENCH_COUNT
};

/* One worker thread's share of the workload. */
struct worker {
	uint64_t random;	/* state of the generator, never 0 */
	uint64_t fresh;		/* churn: keys used so far */
	size_t n;		/* live entries in the dictionary */
	unsigned index;
} __attribute__((aligned(128)));

typedef uint64_t bench_run(void *state, struct worker *worker, size_t operations);

struct implementation {
	const char *name;
	bool handmade;			/* nothing one can install: shown beside the peers, but no requirement refers to it */
	void *(*open)(size_t n);	/* n live objects, in a dictionary if it has one */
	void (*close)(void *state);
	void (*settle)(void *state);	/* finish deferred work; NULL: there is none */
	bench_run *run[BENCH_COUNT];	/* NULL: not offered */
};

extern const struct implementation weakref_dictionary;
extern const struct implementation weakref_objects;
extern const struct implementation map_with_mutex;
extern const struct implementation map_with_shared_mutex;
extern const struct implementation flat_map;
extern const struct implementation tbb_map;
extern const struct implementation lfht;
extern const struct implementation ck_table;
extern const struct implementation make_shared_objects;

struct spread {
	double median, min, max;
};

/* One measured cell: nanoseconds per operation as one thread sees it (its time divided by its own operations). */
struct measurement {
	struct spread ns;
	double cpu;		/* process time per operation, helper threads and deferred work included */
	unsigned rounds;
	double round[MAX_ROUNDS];	/* in the order of the rounds */
};

/* One contender's time in parts of another's, round by round: what disturbs one round disturbs both. */
struct spread measurement_ratio(const struct measurement *ours, const struct measurement *theirs);

struct plan {
	unsigned threads;
	unsigned rounds;
	uint64_t warm_ns, sample_ns;
};

/* What is timed: one function on one opened state. */
struct contender {
	const char *name;
	bench_run *run;
	void (*settle)(void *state);	/* NULL: nothing is deferred */
	void *state;
};

void harness_start(unsigned max_threads);
void harness_stop(void);

/* Runs it untimed for two operations a live object, so that all memory has been touched before anything is timed. */
void harness_warm(const struct contender *contender, size_t n);

/* Samples every contender in turn, round after round, and fills one measurement for each. */
void harness_measure(const struct plan *plan, size_t n, const struct contender *contenders, size_t count,
	struct measurement *measured);

/* A bijection, so that different numbers are different keys; the keys are spread already, whatever a peer's hash. */
static inline uint64_t key_of(uint64_t number)
{
	uint64_t x = number + 1;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* The key of a live entry, any of n. */
static inline uint64_t next_key(struct worker *worker)
{
	uint64_t x = worker->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	worker->random = x;
	return key_of(((x >> 32) * worker->n) >> 32);
}

/* A key that no thread has used before. */
static inline uint64_t next_fresh_key(struct worker *worker)
{
	return key_of(((uint64_t)(worker->index + 1) << 40) + worker->fresh++);
}

/* One of this thread's POOL keys, in turn. */
static inline uint64_t next_pool_key(struct worker *worker)
{
	return key_of(((uint64_t)(worker->index + 1) << 40) + worker->fresh++ % POOL);
}

/* 0..n-1 in a random order that is the same in every run; the caller frees it. */
uint32_t *shuffled(size_t n);

#ifdef __cplusplus
}
#endif

#endif
