/*
 * tests/support/threads.h - threads that start together, meet, and race
 *
 * Workers record what they see in their context; only the main thread asserts, after they have
 * ended. Nothing here measures time: threads wait for each other.
 */
#ifndef TESTS_SUPPORT_THREADS_H
#define TESTS_SUPPORT_THREADS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* threads_run - body(context, index) on `count` threads that are let go at once; returns when all have ended */
void threads_run(unsigned count, void (*body)(void *context, unsigned index), void *context);

/* threads_alone - body(context) on a thread of its own, with a stack of so many bytes (0: the default) */
void threads_alone(void (*body)(void *context), void *context, size_t stack);

/* Is this a build with a sanitizer, which needs larger stacks and more time? */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define THREADS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define THREADS_SANITIZED 1
#endif
#endif
#ifndef THREADS_SANITIZED
#define THREADS_SANITIZED 0
#endif
#define THREADS_SMALL_STACK ((size_t)(THREADS_SANITIZED ? 1024 : 64) << 10)

/* A gate lets its parties through when all have come, as often as they like. It spins: it starts races. */
struct gate {
	unsigned parties;
	_Atomic unsigned arrived, round;
};
void gate_pass(struct gate *gate);

/* Steps of a script that two or more threads follow: who waits for a step goes on once it has been reached. */
struct steps {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	unsigned at;
};
#define STEPS_AT_START { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 }
void steps_reach(struct steps *steps, unsigned step);
void steps_wait(struct steps *steps, unsigned step);

/*
 * A race is run again and again: prepare, all threads act at once, settle. Each thread is held
 * back a random moment (from a fixed seed), so that every side comes first now and then. It is over
 * after `rounds` rounds, or, while `decided` says that a side has not won yet, after a hundred times as many.
 */
struct race {
	unsigned threads, rounds;
	void (*prepare)(void *context);              /* one thread, the others wait */
	void (*act)(void *context, unsigned thread); /* all threads at once */
	void (*settle)(void *context);               /* one thread, the others wait */
	bool (*decided)(void *context);              /* every side has won; NULL: yes */
};
void race_run(const struct race *race, void *context);

/* race_add - for win counts */
static inline void race_add(_Atomic unsigned long *wins, bool won)
{
	if (won)
		atomic_fetch_add_explicit(wins, 1, memory_order_relaxed);
}

#endif
