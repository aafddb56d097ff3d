/*
 * tests/support/forks.c
 */
#define _GNU_SOURCE
#include "support/forks.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/threads.h"

#define FORKS_PATIENCE 30u /* seconds */

/* No lock of the C library's: those know who took them, by a number that changes in a child. */
static atomic_bool guard_closed;
static atomic_int guard_inside;

#if FORKS_UNDER_TSAN
/* ThreadSanitizer asks for it by this name. Else no child of a process with threads may start one. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}
#endif

static void guard_enter(void)
{
	for (;;) {
		atomic_fetch_add(&guard_inside, 1);
		if (!atomic_load(&guard_closed))
			return;
		atomic_fetch_sub(&guard_inside, 1);
		while (atomic_load(&guard_closed))
			sched_yield();
	}
}

static void guard_leave(void)
{
	atomic_fetch_sub(&guard_inside, 1);
}

static void *forks_allocate(void *unused, size_t size, size_t alignment)
{
	void *memory;

	(void)unused;
	guard_enter();
	if (posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size) != 0)
		memory = NULL;
	guard_leave();
	return memory;
}

static void forks_release(void *unused, void *memory, size_t size, size_t alignment)
{
	(void)unused;
	(void)size;
	(void)alignment;
	guard_enter();
	free(memory);
	guard_leave();
}

/* As wk_allocator, which this library of tests does not know. */
static const struct {
	void *(*allocate)(void *context, size_t size, size_t alignment);
	void (*release)(void *context, void *memory, size_t size, size_t alignment);
	void *context;
} forks_guarded = { forks_allocate, forks_release, NULL };

const void *forks_allocator(void)
{
	return THREADS_SANITIZED ? &forks_guarded : NULL;
}

/*
 * The C library gives the stacks of threads that are lost to the child's first ones, and ThreadSanitizer takes these
 * for threads that it knows: have larger stacks than the parent's.
 */
static void forks_take_new_stacks(void)
{
	pthread_attr_t attributes;
	size_t size;

	pthread_getattr_default_np(&attributes);
	pthread_attr_getstacksize(&attributes, &size);
	pthread_attr_setstacksize(&attributes, size + ((size_t)64 << 10));
	pthread_setattr_default_np(&attributes);
	pthread_attr_destroy(&attributes);
}

static void forks_begin_child(void)
{
	alarm(FORKS_PATIENCE);
	if (FORKS_UNDER_TSAN)
		forks_take_new_stacks();
}

int forks_fork(void)
{
	pid_t child;

	forks_guard();
	child = fork();
	if (child == 0)
		forks_begin_child();
	forks_unguard(child == 0);
	return child;
}

void forks_guard(void)
{
	while (atomic_exchange(&guard_closed, true))
		sched_yield();
	while (atomic_load(&guard_inside) > 0)
		sched_yield();
}

/* Who was on his way in is not there in the child. */
void forks_unguard(bool is_child)
{
	if (is_child)
		atomic_store(&guard_inside, 0);
	atomic_store(&guard_closed, false);
}

void forks_child(void (*run)(void *context), void *context)
{
	run(context);
	_exit(0);
}

bool forks_wait(int child)
{
	int status = -1;

	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("no child");
		return false;
	}
	if (status != 0)
		fprintf(stderr, "the forked child ended with status %#x\n", (unsigned)status);
	return status == 0;
}

bool forks_run(void (*run)(void *context), void *context)
{
	int child = forks_fork();

	if (child == 0)
		forks_child(run, context);
	return forks_wait(child);
}
