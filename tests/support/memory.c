/*
 * tests/support/memory.c
 */
#include "support/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "support/threads.h"

/* In front of each block. */
struct memory_label {
	uint64_t mark;
	size_t size, alignment;
};

#define MEMORY_MARK UINT64_C(0x6d656d6f72793a29)

static size_t memory_front(size_t alignment)
{
	return alignment > sizeof(struct memory_label) ? alignment : 32;
}

static bool memory_fails(struct memory *memory)
{
	unsigned long call = atomic_fetch_add(&memory->calls, 1) + 1;
	bool fails = atomic_load(&memory->fail_all) != 0 || call == atomic_load(&memory->fail_at);

	if (fails)
		atomic_fetch_add(&memory->failed, 1);
	return fails;
}

void *memory_allocate(void *context, size_t size, size_t alignment)
{
	struct memory *memory = context;
	size_t front = memory_front(alignment);
	struct memory_label label = { MEMORY_MARK, size, alignment };
	char *whole;

	if (memory_fails(memory))
		return NULL;
	whole = aligned_alloc(front, (front + size + front - 1) / front * front);
	if (whole == NULL)
		return NULL;
	memcpy(whole + front - sizeof(label), &label, sizeof(label));
	memset(whole + front, MEMORY_NEW, size);
	atomic_fetch_add(&memory->blocks, 1);
	atomic_fetch_add(&memory->bytes, (long)size);
	return whole + front;
}

void memory_release(void *context, void *block, size_t size, size_t alignment)
{
	struct memory *memory = context;
	size_t front = memory_front(alignment);
	struct memory_label label;

	memcpy(&label, (char *)block - sizeof(label), sizeof(label));
	if (label.mark != MEMORY_MARK || label.size != size || label.alignment != alignment) {
		atomic_fetch_add(&memory->wrong, 1);
		return;
	}
	memset((char *)block - sizeof(label), MEMORY_GONE, sizeof(label) + size);
	atomic_fetch_sub(&memory->blocks, 1);
	atomic_fetch_sub(&memory->bytes, (long)size);
	free((char *)block - front);
}

void memory_fail_at(struct memory *memory, unsigned long n)
{
	atomic_store(&memory->fail_at, n == 0 ? 0 : atomic_load(&memory->calls) + n);
}

#define MEMORY_NEAR 512u

static void *near_allocate(void *unused, size_t size, size_t alignment)
{
	const size_t room = alignment > MEMORY_NEAR ? alignment : MEMORY_NEAR;

	(void)unused;
	return aligned_alloc(alignment, (size + room - 1) / room * room);
}

static void near_release(void *unused, void *block, size_t size, size_t alignment)
{
	(void)unused, (void)size, (void)alignment;
	free(block);
}

const void *memory_near(void)
{
	/* As wk_allocator, which this library of tests does not know. */
	static const struct {
		void *(*allocate)(void *context, size_t size, size_t alignment);
		void (*release)(void *context, void *memory, size_t size, size_t alignment);
		void *context;
	} near = { near_allocate, near_release, NULL };

	return THREADS_SANITIZED ? &near : NULL;
}
