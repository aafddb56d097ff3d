/*
 * The harness: worker threads pinned one to a core, samples of a fixed time, implementations interleaved.
 *
 * A sample: all workers meet at a barrier, run until everything is warm, are told to count, are told to stop. They look
 * at the phase after each chunk, so nobody waits for a slow neighbour and everybody is running while anybody counts.
 * Deferred work is finished between samples, so that it does not land in the next implementation's sample; its cost
 * shows in the measurement's cpu time.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum phase { PHASE_WARM, PHASE_COUNT, PHASE_STOP };

/* What a worker hands back after one sample. */
struct tally {
	uint64_t counted, elapsed_ns, total, wrong;
} __attribute__((aligned(128)));

/* Written by the main thread between samples only; the barrier publishes it. `phase` changes during one. */
static struct {
	bench_run *run;
	void *state;
	unsigned threads;
	bool quit;
} job;
static _Alignas(128) _Atomic int phase;

static pthread_barrier_t gate;
static unsigned worker_count;
static pthread_t thread[MAX_THREADS];
static struct worker worker[MAX_THREADS];
static struct tally tally[MAX_THREADS];

static void fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

static uint64_t process_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void run_sample(struct worker *self, struct tally *result)
{
	uint64_t warm = 0, counted = 0, wrong = 0, begin;

	while (atomic_load_explicit(&phase, memory_order_relaxed) == PHASE_WARM) {
		wrong += job.run(job.state, self, CHUNK);
		warm += CHUNK;
	}
	begin = now_ns();
	do {	/* once at least, even if this thread slept through the sample */
		wrong += job.run(job.state, self, CHUNK);
		counted += CHUNK;
	} while (atomic_load_explicit(&phase, memory_order_relaxed) == PHASE_COUNT);
	result->elapsed_ns = now_ns() - begin;
	result->counted = counted;
	result->total = warm + counted;
	result->wrong = wrong;
}

static void *worker_main(void *argument)
{
	struct worker *self = argument;

	for (;;) {
		pthread_barrier_wait(&gate);
		if (job.quit)
			return NULL;
		if (self->index < job.threads)
			run_sample(self, &tally[self->index]);
		pthread_barrier_wait(&gate);
	}
}

/* The allowed core number `index`; CPU_SETSIZE where there are fewer. */
static size_t core_of(unsigned index)
{
	cpu_set_t allowed;
	unsigned seen = 0;

	if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		return CPU_SETSIZE;
	for (size_t core = 0; core < CPU_SETSIZE; core++) {
		if (!CPU_ISSET(core, &allowed))
			continue;
		if (seen++ == index)
			return core;
	}
	return CPU_SETSIZE;
}

static void start_worker(unsigned index)
{
	size_t core = core_of(index);
	cpu_set_t only;

	worker[index].index = index;
	worker[index].random = key_of(index);
	if (pthread_create(&thread[index], NULL, worker_main, &worker[index]) != 0)
		fail("pthread_create");
	if (core == CPU_SETSIZE)
		return;
	CPU_ZERO(&only);
	CPU_SET(core, &only);
	pthread_setaffinity_np(thread[index], sizeof only, &only);
}

void harness_start(unsigned max_threads)
{
	worker_count = max_threads;
	pthread_barrier_init(&gate, NULL, worker_count + 1);
	for (unsigned i = 0; i < worker_count; i++)
		start_worker(i);
}

void harness_stop(void)
{
	job.quit = true;
	pthread_barrier_wait(&gate);
	for (unsigned i = 0; i < worker_count; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&gate);
}

static void settle(const struct contender *contender)
{
	if (contender->settle)
		contender->settle(contender->state);
}

/* One sample of one contender. Returns its ns per operation and adds its cpu time and operations to the sums. */
static double sample(const struct plan *plan, const struct contender *contender, uint64_t *cpu_ns, uint64_t *operations)
{
	uint64_t elapsed = 0, counted = 0, wrong = 0, cpu_before = process_cpu_ns();

	atomic_store_explicit(&phase, PHASE_WARM, memory_order_relaxed);
	pthread_barrier_wait(&gate);
	sleep_ns(plan->warm_ns);
	atomic_store_explicit(&phase, PHASE_COUNT, memory_order_relaxed);
	sleep_ns(plan->sample_ns);
	atomic_store_explicit(&phase, PHASE_STOP, memory_order_relaxed);
	pthread_barrier_wait(&gate);
	settle(contender);
	*cpu_ns += process_cpu_ns() - cpu_before;
	for (unsigned i = 0; i < plan->threads; i++) {
		elapsed += tally[i].elapsed_ns;
		counted += tally[i].counted;
		wrong += tally[i].wrong;
		*operations += tally[i].total;
	}
	if (wrong != 0) {
		fprintf(stderr, "%s: %llu wrong results in %llu operations\n", contender->name,
			(unsigned long long)wrong, (unsigned long long)counted);
		exit(EXIT_FAILURE);
	}
	return (double)elapsed / (double)counted;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts them. */
static struct spread spread_of(double *values, unsigned count)
{
	struct spread all;

	qsort(values, count, sizeof *values, by_value);
	all.min = values[0];
	all.max = values[count - 1];
	all.median = count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
	return all;
}

static struct measurement summarize(double *samples, unsigned rounds, double cpu)
{
	struct measurement m = { .cpu = cpu, .rounds = rounds };

	memcpy(m.round, samples, rounds * sizeof *samples);
	m.ns = spread_of(samples, rounds);
	return m;
}

struct spread measurement_ratio(const struct measurement *ours, const struct measurement *theirs)
{
	double quotients[MAX_ROUNDS];

	for (unsigned i = 0; i < ours->rounds; i++)
		quotients[i] = ours->round[i] / theirs->round[i];
	return spread_of(quotients, ours->rounds);
}

void harness_warm(const struct contender *contender, size_t n)
{
	struct worker self = { .random = key_of(MAX_THREADS), .n = n, .index = MAX_THREADS - 1 };

	for (size_t done = 0; done < 2 * n; done += CHUNK)
		contender->run(contender->state, &self, CHUNK);
	settle(contender);
}

void harness_measure(const struct plan *plan, size_t n, const struct contender *contenders, size_t count,
	struct measurement *measured)
{
	double (*samples)[MAX_ROUNDS] = calloc(count, sizeof *samples);
	uint64_t *cpu_ns = calloc(count, sizeof *cpu_ns), *operations = calloc(count, sizeof *operations);

	if (!samples || !cpu_ns || !operations)
		fail("calloc");
	for (unsigned i = 0; i < worker_count; i++)
		worker[i].n = n;
	for (unsigned round = 0; round < plan->rounds; round++) {
		for (size_t i = 0; i < count; i++) {
			job.run = contenders[i].run;
			job.state = contenders[i].state;
			job.threads = plan->threads;
			samples[i][round] = sample(plan, &contenders[i], &cpu_ns[i], &operations[i]);
		}
	}
	for (size_t i = 0; i < count; i++)
		measured[i] = summarize(samples[i], plan->rounds, (double)cpu_ns[i] / (double)operations[i]);
	free(samples);
	free(cpu_ns);
	free(operations);
}

uint32_t *shuffled(size_t n)
{
	uint32_t *order = malloc((n ? n : 1) * sizeof *order);

	if (!order)
		fail("malloc");
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	for (size_t i = n; i > 1; i--) {
		size_t j = key_of(i) % i;
		uint32_t other = order[j];

		order[j] = order[i - 1];
		order[i - 1] = other;
	}
	return order;
}
