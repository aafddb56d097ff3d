/*
 * explorer_explore.c - the explorer explored: does it take every schedule, does it see every failure?
 *
 * Small random programs are run one interleaving by one, by classes of interleavings, and with
 * a bound that no run reaches: the outcomes must be the same ones. Then a planted bug of each
 * kind must be caught.
 */
#include "base/atomic.h"
#include "explorer.h"
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 2
#define OUTCOMES 8192u

/* One random program and what its runs led to. */
enum kind { LOAD, STORE, ADD, SWAP, LOOK, TAKE, KINDS };

struct act {
	enum kind kind;
	unsigned word;
	uint64_t value;
};

struct outcomes {
	uint64_t hash[OUTCOMES];
	unsigned count;
	uint64_t runs;
	bool failed;
};

static struct act program[EXPLORE_THREADS][EXPLORE_OPERATIONS];
static struct {
	wki_atomic_u64 word[WORDS];
	WKI_ATOMIC_POINTER(uint64_t) shared;
} *world;
static uint64_t seen[EXPLORE_THREADS][EXPLORE_OPERATIONS];
static uint64_t last_outcome;

/* Look at the shared block, or take it away; every fourth look forgets its read section. */
static uint64_t look(uint64_t value)
{
	bool careless = value == 3;
	uint64_t *block;
	bool found;

	if (!careless)
		explore_read_lock();
	block = atomic_load_acquire(&world->shared);
	found = block != NULL;
	if (found)
		explore_touch(block);
	if (!careless)
		explore_read_unlock();
	return found;
}

static uint64_t take(void)
{
	uint64_t *block = atomic_exchange_acq_rel(&world->shared, NULL);

	if (block != NULL)
		explore_retire(block, NULL);
	return block != NULL;
}

static void act(intptr_t index)
{
	const struct act *now = &program[explore_thread()][index];
	wki_atomic_u64 *word = &world->word[now->word];
	uint64_t result = now->value;

	switch (now->kind) {
	case LOAD:
		result = atomic_load_acquire(word);
		break;
	case STORE:
		atomic_store_release(word, now->value);
		break;
	case ADD:
		result = atomic_fetch_add_relaxed(word, now->value);
		break;
	case SWAP:
		atomic_cas_acq_rel(word, &result, now->value + 1);
		break;
	case LOOK:
		result = look(now->value);
		break;
	default:
		result = take();
	}
	seen[explore_thread()][index] = result;
}

static void set_up(intptr_t argument)
{
	(void)argument;
	memset(seen, 0, sizeof(seen));
	world = explore_zeroed(sizeof(*world), "world");
	atomic_store_relaxed(&world->shared, explore_alloc(sizeof(uint64_t), "shared"));
}

static void finish(void)
{
	uint64_t hash = 0, *block = atomic_load_relaxed(&world->shared);

	for (unsigned i = 0; i < sizeof(seen) / sizeof(uint64_t); i++)
		hash = (hash ^ (&seen[0][0])[i]) * UINT64_C(0x100000001b3) + i;
	for (unsigned i = 0; i < WORDS; i++)
		hash = (hash ^ atomic_load_relaxed(&world->word[i])) * UINT64_C(0x100000001b3);
	last_outcome = hash;
	if (block != NULL)
		explore_free(block);
	explore_free(world);
}

static int by_value(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void note(struct outcomes *outcomes, uint64_t hash)
{
	for (unsigned i = 0; i < outcomes->count; i++)
		if (outcomes->hash[i] == hash)
			return;
	if (outcomes->count == OUTCOMES)
		abort();
	outcomes->hash[outcomes->count++] = hash;
}

static void collect(const struct explore_scenario *scenario, enum search_mode mode, unsigned threads, struct outcomes *outcomes)
{
	static struct machine_run run;
	enum machine_outcome outcome;

	memset(outcomes, 0, sizeof(*outcomes));
	search_begin(mode, threads, 1000);
	do {
		run.print = false;
		outcome = machine_run(scenario, &run);
		outcomes->runs++;
		outcomes->failed |= outcome == MACHINE_FAILED;
		if (outcome == MACHINE_ENDED)
			note(outcomes, last_outcome);
	} while (!outcomes->failed && search_next());
	qsort(outcomes->hash, outcomes->count, sizeof(uint64_t), by_value);
}

static bool same(const struct outcomes *a, const struct outcomes *b)
{
	if (a->failed || b->failed)
		return a->failed && b->failed;
	return a->count == b->count && memcmp(a->hash, b->hash, a->count * sizeof(uint64_t)) == 0;
}

static void make_program(struct explore_scenario *scenario, unsigned threads, unsigned acts)
{
	memset(scenario->thread, 0, sizeof(scenario->thread));
	for (unsigned t = 0; t < threads; t++) {
		for (unsigned i = 0; i < acts; i++) {
			program[t][i].kind = (enum kind)((unsigned)rand() % KINDS);
			program[t][i].word = (unsigned)rand() % WORDS;
			program[t][i].value = (uint64_t)(rand() % 4);
			scenario->thread[t][i] = (struct explore_operation){ "act", act, i };
		}
	}
}

/* Programs of `threads` threads: do all ways to search lead to the same outcomes? */
static bool compare_ways(unsigned threads, unsigned acts, unsigned programs)
{
	static struct outcomes every, traces, bounded;
	struct explore_scenario scenario = { .name = "random", .set_up = set_up, .finish = finish };
	uint64_t every_runs = 0, trace_runs = 0, failures = 0;

	for (unsigned i = 0; i < programs; i++) {
		make_program(&scenario, threads, acts);
		collect(&scenario, SEARCH_EVERY, threads, &every);
		collect(&scenario, SEARCH_TRACES, threads, &traces);
		collect(&scenario, SEARCH_BOUNDED, threads, &bounded);
		every_runs += every.runs;
		trace_runs += traces.runs;
		failures += every.failed;
		if (!same(&every, &traces) || !same(&every, &bounded)) {
			printf("FAILED    program %u of %u threads: %u, %u and %u outcomes\n", i, threads, every.count, traces.count, bounded.count);
			return false;
		}
	}
	printf("passed    %u random programs of %u threads: the same outcomes in %llu executions as in %llu, %llu of them failures\n",
		programs, threads, (unsigned long long)trace_runs, (unsigned long long)every_runs, (unsigned long long)failures);
	return failures != 0 && failures != programs;
}

/* Planted bugs, one for each kind of failure. */

static void add_carelessly(intptr_t value)
{
	uint64_t before = atomic_load_relaxed(&world->word[0]);

	atomic_store_relaxed(&world->word[0], before + (uint64_t)value);
}

static void add_carefully(intptr_t value)
{
	(void)atomic_fetch_add_relaxed(&world->word[0], (uint64_t)value);
}

static void finish_sum(void)
{
	EXPLORE_CHECK(atomic_load_relaxed(&world->word[0]) == 2);
	finish();
}

static void look_in(intptr_t value)
{
	(void)look((uint64_t)value);
}

static void take_out(intptr_t unused)
{
	(void)unused;
	(void)take();
}

static void take_and_free(intptr_t careless)
{
	uint64_t *block = careless ? atomic_load_acquire(&world->shared) : atomic_exchange_acq_rel(&world->shared, NULL);

	if (block != NULL)
		explore_free(block);
	atomic_store_release(&world->shared, NULL);
}

static void lose(intptr_t unused)
{
	(void)unused;
	if (atomic_load_relaxed(&world->word[0]) == 1)
		atomic_store_release(&world->shared, NULL);
}

static void stay_inside(intptr_t unused)
{
	(void)unused;
	explore_read_lock();
}

static void wait_for_other(intptr_t unused)
{
	(void)unused;
	while (atomic_load_acquire(&world->word[0]) == 0)
		;
}

static void never_two(void)
{
	EXPLORE_CHECK(atomic_load_relaxed(&world->word[0]) < 2);
}

/* A fork in front of any of so many steps, or behind the last. */
static void step_on(intptr_t steps)
{
	for (; steps > 0; steps--)
		(void)atomic_fetch_add_relaxed(&world->word[0], 1);
}

static uint64_t cut_short; /* a bit for each number of steps that a lost thread has done */

static void fork_off(intptr_t unused)
{
	uint64_t before = atomic_load_relaxed(&world->word[1]);

	(void)unused;
	explore_fork(0);
	EXPLORE_CHECK(before == 0);
	cut_short |= UINT64_C(1) << atomic_load_relaxed(&world->word[0]);
}

static void fork_and_take(intptr_t unused)
{
	explore_fork(0);
	take_out(unused);
}

static void finish_all_cut(void)
{
	finish();
	if (cut_short == 0xf)
		explore_fail("all four places have been seen");
}

#define BASIC .set_up = set_up, .finish = finish

static const struct explore_scenario scenarios[] = {
	{ .name = "sum", .thread = { { EXPLORE_DO(add_carefully, 1) }, { EXPLORE_DO(add_carefully, 1) } }, .set_up = set_up, .finish = finish_sum },
	{ .name = "lost update", .thread = { { EXPLORE_DO(add_carelessly, 1) }, { EXPLORE_DO(add_carelessly, 1) } }, .set_up = set_up, .finish = finish_sum, .planted = "check failed" },
	{ .name = "look and take", .thread = { { EXPLORE_DO(look_in, 0), EXPLORE_DO(look_in, 0) }, { EXPLORE_DO(take_out, 0) }, { EXPLORE_DO(look_in, 0) } }, BASIC },
	{ .name = "look without read section", .thread = { { EXPLORE_DO(look_in, 3) }, { EXPLORE_DO(take_out, 0) } }, BASIC, .planted = "access to freed memory" },
	{ .name = "free without grace period", .thread = { { EXPLORE_DO(look_in, 0) }, { EXPLORE_DO(take_and_free, 0) } }, BASIC, .planted = "access to freed memory" },
	{ .name = "double free", .thread = { { EXPLORE_DO(take_and_free, 1) }, { EXPLORE_DO(take_and_free, 1) } }, BASIC, .planted = "free of a freed block" },
	{ .name = "leak", .thread = { { EXPLORE_DO(lose, 0) }, { EXPLORE_DO(add_carefully, 1) } }, BASIC, .planted = "leak: shared" },
	{ .name = "open read section", .thread = { { EXPLORE_DO(stay_inside, 0) } }, BASIC, .planted = "ended inside a read section" },
	{ .name = "livelock", .thread = { { EXPLORE_DO(wait_for_other, 0) }, { EXPLORE_DO(add_carefully, 1) } }, BASIC, .planted = "livelock" },
	{ .name = "broken invariant", .thread = { { EXPLORE_DO(add_carefully, 1), EXPLORE_DO(add_carefully, -1) }, { EXPLORE_DO(add_carefully, 1), EXPLORE_DO(add_carefully, -1) } }, BASIC, .invariant = never_two, .how = EXPLORE_EVERY, .planted = "check failed" },
	{ .name = "a fork in front of each step", .thread = { { EXPLORE_DO(step_on, 3) }, { EXPLORE_DO(fork_off, 0) } }, .set_up = set_up, .finish = finish_all_cut, .planted = "all four places" },
	{ .name = "a fork, and the lost one's section is over", .thread = { { EXPLORE_DO(look_in, 0) }, { EXPLORE_DO(fork_and_take, 0) } }, BASIC },
	{ .name = "lost update, one preemption", .thread = { { EXPLORE_DO(add_carelessly, 1) }, { EXPLORE_DO(add_carelessly, 1) } }, .set_up = set_up, .finish = finish_sum, .how = EXPLORE_BOUNDED, .preemptions = 1, .planted = "check failed" },
	{ .name = "lost update, no preemption", .thread = { { EXPLORE_DO(add_carelessly, 1) }, { EXPLORE_DO(add_carelessly, 1) } }, .set_up = set_up, .finish = finish_sum, .how = EXPLORE_BOUNDED, .preemptions = 0 },
};

int main(int argc, char **argv)
{
	bool good;

	srand(1);
	good = compare_ways(2, 3, 150) && compare_ways(3, 2, 16);
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0])) || !good;
}
