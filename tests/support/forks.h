/*
 * tests/support/forks.h - children of fork, of a process with many threads
 *
 * Sanitizers' own locks do not survive a fork: a child hangs if one of its parent's threads was
 * inside their allocator, or starting. So in their builds the runtime allocates through
 * forks_allocator, and whoever forks holds the guard meanwhile (forks_fork; where others are in
 * read sections, in which they may allocate, only after wk_fork_before).
 * ThreadSanitizer's locks around each atomic are such locks too. Its children start no threads
 * that they wait for, unless all of the parent's were asleep.
 */
#ifndef TESTS_SUPPORT_FORKS_H
#define TESTS_SUPPORT_FORKS_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_THREAD__)
#define FORKS_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FORKS_UNDER_TSAN 1
#endif
#endif
#ifndef FORKS_UNDER_TSAN
#define FORKS_UNDER_TSAN 0
#endif

/* A wk_allocator for the builds that need one; NULL: malloc will do. */
const void *forks_allocator(void);

void forks_guard(void);
void forks_unguard(bool is_child); /* in both processes */

/* forks_fork - fork, guarded; a child that hangs is killed by a signal */
int forks_fork(void);

/* forks_child - in the child: run it and _exit(0) */
__attribute__((noreturn)) void forks_child(void (*run)(void *context), void *context);
/* forks_wait - until the child has ended; true: with 0. If not, says how. -1: there was no child */
bool forks_wait(int child);

/* forks_run - both with fork in between */
bool forks_run(void (*run)(void *context), void *context);

#endif
