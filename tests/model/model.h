/*
 * model.h - what the drivers need besides the protocol: waiting, read sections, grace periods
 *
 * A model checker explores every execution that C11 allows; it must be able to drop those in
 * which a wait is not over yet, and so a wait is an assumption there (-DMODEL_CHECKER), and a
 * loop otherwise.
 *
 * Read sections are the simplest that can be right: a flag for each thread, raised before a
 * sequentially consistent fence and lowered by a release; a grace period is such a fence and
 * a wait until every flag was seen lowered once.
 */
#ifndef MODEL_H
#define MODEL_H

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef MODEL_CHECKER
void __VERIFIER_assume(int condition);
#define MODEL_AWAIT(condition) __VERIFIER_assume(condition)
#else
#define MODEL_AWAIT(condition)                                                                             \
	while (!(condition))                                                                               \
	sched_yield()
#endif

#define MODEL_THREADS 4

static atomic_int model_reading[MODEL_THREADS];

static inline void model_read_lock(unsigned me)
{
	atomic_store_explicit(&model_reading[me], 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

static inline void model_read_unlock(unsigned me)
{
	atomic_store_explicit(&model_reading[me], 0, memory_order_release);
}

/* model_synchronize - by a thread outside of its own read sections */
static inline void model_synchronize(void)
{
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < MODEL_THREADS; i++)
		MODEL_AWAIT(atomic_load_explicit(&model_reading[i], memory_order_acquire) == 0);
}

/* What a thread has to free after a grace period. */
struct model_limbo {
	void *block[16];
	unsigned count;
};

static inline void model_retire(struct model_limbo *limbo, void *block)
{
	limbo->block[limbo->count++] = block;
}

static inline void model_reclaim(struct model_limbo *limbo)
{
	if (limbo->count == 0)
		return;
	model_synchronize();
	while (limbo->count > 0)
		free(limbo->block[--limbo->count]);
}

static inline void *model_allocate(size_t size)
{
	void *memory = calloc(1, size);

	assert(memory != NULL);
	return memory;
}

/* model_run - two or three threads (the third may be NULL), to their ends */
static inline void model_run(void *(*first)(void *), void *(*second)(void *), void *(*third)(void *))
{
	pthread_t threads[3];

	if (pthread_create(&threads[0], NULL, first, NULL) != 0 || pthread_create(&threads[1], NULL, second, NULL) != 0)
		abort();
	if (third != NULL && pthread_create(&threads[2], NULL, third, NULL) != 0)
		abort();
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	if (third != NULL)
		pthread_join(threads[2], NULL);
}

#endif
