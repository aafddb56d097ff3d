/*
 * tests/support/threads.c
 */
#include "support/threads.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

/* Start together. */

struct threads_team {
	pthread_barrier_t start;
	void (*body)(void *context, unsigned index);
	void *context;
};

struct threads_member {
	struct threads_team *team;
	unsigned index;
	pthread_t thread;
};

static void *threads_main(void *argument)
{
	struct threads_member *member = argument;

	pthread_barrier_wait(&member->team->start);
	member->team->body(member->team->context, member->index);
	return NULL;
}

void threads_run(unsigned count, void (*body)(void *context, unsigned index), void *context)
{
	struct threads_team team = { .body = body, .context = context };
	struct threads_member *members = calloc(count, sizeof(*members));
	unsigned i;

	check(members != NULL && pthread_barrier_init(&team.start, NULL, count) == 0, "threads_run");
	for (i = 0; i < count; i++) {
		members[i].team = &team;
		members[i].index = i;
		check(pthread_create(&members[i].thread, NULL, threads_main, &members[i]) == 0, "pthread_create");
	}
	for (i = 0; i < count; i++)
		check(pthread_join(members[i].thread, NULL) == 0, "pthread_join");
	pthread_barrier_destroy(&team.start);
	free(members);
}

struct threads_loner {
	void (*body)(void *context);
	void *context;
};

static void *threads_loner_main(void *argument)
{
	struct threads_loner *loner = argument;

	loner->body(loner->context);
	return NULL;
}

void threads_alone(void (*body)(void *context), void *context, size_t stack)
{
	struct threads_loner loner = { body, context };
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	if (stack != 0)
		check(pthread_attr_setstacksize(&attributes, stack) == 0, "pthread_attr_setstacksize");
	check(pthread_create(&thread, &attributes, threads_loner_main, &loner) == 0, "pthread_create");
	check(pthread_join(thread, NULL) == 0, "pthread_join");
	pthread_attr_destroy(&attributes);
}

/* Meet. */

#define GATE_SPINS 200

void gate_pass(struct gate *gate)
{
	unsigned round = atomic_load_explicit(&gate->round, memory_order_relaxed);
	unsigned spins = 0;

	if (atomic_fetch_add_explicit(&gate->arrived, 1, memory_order_acq_rel) + 1 == gate->parties) {
		atomic_store_explicit(&gate->arrived, 0, memory_order_relaxed);
		atomic_store_explicit(&gate->round, round + 1, memory_order_release);
		return;
	}
	while (atomic_load_explicit(&gate->round, memory_order_acquire) == round) {
		if (++spins > GATE_SPINS)
			sched_yield();
	}
}

void steps_reach(struct steps *steps, unsigned step)
{
	pthread_mutex_lock(&steps->lock);
	if (steps->at < step)
		steps->at = step;
	pthread_cond_broadcast(&steps->moved);
	pthread_mutex_unlock(&steps->lock);
}

void steps_wait(struct steps *steps, unsigned step)
{
	pthread_mutex_lock(&steps->lock);
	while (steps->at < step)
		pthread_cond_wait(&steps->moved, &steps->lock);
	pthread_mutex_unlock(&steps->lock);
}

/* Race. */

#define RACE_PATIENCE 100u /* times the rounds, for a side that has not won yet */
#define RACE_HOLD_BACK 256u

struct race_run {
	const struct race *race;
	void *context;
	struct gate gate;
	bool over; /* written by thread 0 between two gates */
};

/*
 * A few turns of a loop, or, now and then, turns for everybody else: where threads outnumber processors the order of
 * a round would otherwise be the scheduler's, the same every time.
 */
static void race_hold_back(uint32_t *random, unsigned threads)
{
	volatile unsigned spin;
	unsigned turns;

	*random ^= *random << 13;
	*random ^= *random >> 17;
	*random ^= *random << 5;
	for (spin = *random % RACE_HOLD_BACK; spin > 0; spin--)
		;
	for (turns = *random >> 16 & 1 ? (*random >> 24) % threads : 0; turns > 0; turns--)
		sched_yield();
}

static bool race_is_over(const struct race_run *run, unsigned round)
{
	if (round < run->race->rounds)
		return false;
	return run->race->decided == NULL || run->race->decided(run->context) ||
	       round >= RACE_PATIENCE * run->race->rounds;
}

static void race_body(void *argument, unsigned index)
{
	struct race_run *run = argument;
	uint32_t random = 0x9e3779b9u * (index + 1);
	unsigned round = 0;

	for (;;) {
		if (index == 0) {
			run->over = race_is_over(run, round++);
			if (!run->over && run->race->prepare != NULL)
				run->race->prepare(run->context);
		}
		gate_pass(&run->gate);
		if (run->over)
			return;
		race_hold_back(&random, run->race->threads);
		run->race->act(run->context, index);
		gate_pass(&run->gate);
		if (index == 0 && run->race->settle != NULL)
			run->race->settle(run->context);
	}
}

void race_run(const struct race *race, void *context)
{
	struct race_run run = { .race = race, .context = context, .gate = { .parties = race->threads } };

	threads_run(race->threads, race_body, &run);
}
