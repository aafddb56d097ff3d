/*
 * heap.c - arenas with a map from addresses to blocks
 *
 * AddressSanitizer, where it is on, is told which bytes are allocated: then plain accesses to
 * freed blocks are caught too.
 */
#include "heap.h"

#include "explorer.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define forbid(address, size) __asan_poison_memory_region(address, size)
#define allow(address, size) __asan_unpoison_memory_region(address, size)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define forbid(address, size) __asan_poison_memory_region(address, size)
#define allow(address, size) __asan_unpoison_memory_region(address, size)
#endif
#endif
#ifndef forbid
#define forbid(address, size) ((void)0)
#define allow(address, size) ((void)0)
#endif

#define ARENAS (EXPLORE_THREADS + 1u)
#define ARENA_SIZE ((size_t)32 * 1024)
#define GRAIN ((size_t)64)
#define BLOCKS 512u
#define FREED_FILL 0xdb

static _Alignas(64) char arenas[ARENAS][ARENA_SIZE];
static size_t used[ARENAS];
static struct block blocks[BLOCKS];
static unsigned block_count;
static struct block *owner[ARENAS][ARENA_SIZE / GRAIN];
static uint16_t numbers[ARENAS];

void heap_reset(void)
{
	for (unsigned i = 0; i < ARENAS; i++)
		forbid(arenas[i], ARENA_SIZE);
	memset(used, 0, sizeof(used));
	memset(numbers, 0, sizeof(numbers));
	memset(owner, 0, sizeof(owner));
	block_count = 0;
}

struct block *heap_allocate(unsigned arena, size_t size, const char *name, int fill)
{
	size_t whole = (size + GRAIN - 1) & ~(GRAIN - 1);
	struct block *block = &blocks[block_count];

	if (block_count == BLOCKS || used[arena] + whole > ARENA_SIZE)
		explore_fail("the explorer's heap is full");
	block_count++;
	*block = (struct block){
		.base = arenas[arena] + used[arena],
		.size = size,
		.name = name,
		.number = numbers[arena]++,
		.arena = (uint8_t)arena,
	};
	for (size_t at = 0; at < whole; at += GRAIN)
		owner[arena][(used[arena] + at) / GRAIN] = block;
	used[arena] += whole;
	allow(block->base, (size + 7) & ~(size_t)7); /* steps are compared by words of eight bytes */
	memset(block->base, fill, size);
	return block;
}

void heap_free(struct block *block)
{
	block->freed = true;
	memset(block->base, FREED_FILL, block->size);
	forbid(block->base, block->size);
}

struct block *heap_find(const volatile void *address)
{
	uintptr_t offset = (uintptr_t)address - (uintptr_t)arenas;

	if ((uintptr_t)address < (uintptr_t)arenas || offset >= sizeof(arenas))
		return NULL;
	return owner[offset / ARENA_SIZE][offset % ARENA_SIZE / GRAIN];
}

bool heap_is_wild(const volatile void *address)
{
	uintptr_t middle = (uintptr_t)address >> 16 & 0xffffffff;
	bool in_heap = (uintptr_t)address - (uintptr_t)arenas < sizeof(arenas);

	return (uintptr_t)address < 4096 || middle == UINT32_C(0xdbdbdbdb) || middle == UINT32_C(0xa5a5a5a5) ||
	       (in_heap && heap_find(address) == NULL);
}

struct block *heap_each(struct block *block)
{
	block = block == NULL ? blocks : block + 1;
	return block < blocks + block_count ? block : NULL;
}
