/*
 * heap.h - memory that is never reused within a run, so that freed means freed
 *
 * Every thread has an arena of its own: what a thread's n-th block is called and where it lies
 * depends on that thread alone, and so steps that commute lead to the same addresses.
 */
#ifndef EXPLORE_HEAP_H
#define EXPLORE_HEAP_H

#include "event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block {
	char *base;
	size_t size;
	const char *name;
	uint16_t number; /* its place among the blocks of its arena */
	uint8_t arena;
	bool freed;
	bool retired;
	uint8_t waits_for; /* retired: threads in whose read section that happened, and still goes on */
	void (*then)(void *block);
};

/* Objects of events. */
static inline event_object life_of(const struct block *block)
{
	return (uintptr_t)block->base | EVENT_LIFE;
}

static inline event_object pending_of(const struct block *block)
{
	return (uintptr_t)block->base | EVENT_PENDING;
}

/* heap_reset - a new run: no blocks */
void heap_reset(void);
struct block *heap_allocate(unsigned arena, size_t size, const char *name, int fill);
void heap_free(struct block *block);
/* heap_find - the block around an address; NULL: not in the heap */
struct block *heap_find(const volatile void *address);
/* heap_is_wild - is it an address made of freed, uninitialised or unallocated memory? */
bool heap_is_wild(const volatile void *address);
/* heap_each - the next block after `block`, NULL: the first */
struct block *heap_each(struct block *block);

#define HEAP_FILL 0xa5 /* uninitialised memory */

#endif
