/*
 * tests/support/memory.h - an allocator that counts, poisons, checks and fails on demand
 *
 * Its two functions have the types of wk_allocator's. New memory is filled with one pattern, released
 * memory with another before it goes; each block remembers what it was asked for, and a release
 * that names another size or alignment, or no block at all, is counted.
 */
#ifndef TESTS_SUPPORT_MEMORY_H
#define TESTS_SUPPORT_MEMORY_H

#include <stdatomic.h>
#include <stddef.h>

#define MEMORY_NEW 0xa5
#define MEMORY_GONE 0xdd

struct memory {
	_Atomic long blocks, bytes;              /* out now */
	_Atomic unsigned long calls;             /* of allocate, so far */
	_Atomic unsigned long fail_at, fail_all; /* the call of that number fails; 1: every one; 0: none */
	_Atomic unsigned long failed;            /* calls that failed */
	_Atomic unsigned long wrong;             /* releases that did not fit their block */
};

void *memory_allocate(void *memory, size_t size, size_t alignment);
void memory_release(void *memory, void *block, size_t size, size_t alignment);

/* memory_fail_at - the n-th call from now on fails, 1 being the next one; 0: none */
void memory_fail_at(struct memory *memory, unsigned long n);

/*
 * memory_near - a wk_allocator for builds with sanitizers: malloc, with small blocks all of one size; NULL: malloc will do
 *
 * The heaps of sanitizers keep blocks of different sizes further apart than a hint in a slot reaches (collect/slots.h). With
 * one size lookups go past entries there too, and each block is still watched.
 */
const void *memory_near(void);

#endif
