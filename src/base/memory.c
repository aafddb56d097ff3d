/*
 * base/memory.c - malloc, or the program's allocator
 *
 * Layer: base.
 */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Written by wki_memory_use while no other thread uses the runtime, constant afterwards. */
static const wk_allocator *runtime_allocator;

wki_atomic_u8 wki_memory_pooling;

void wki_memory_use(const wk_allocator *allocator)
{
	runtime_allocator = allocator;
	/* MEM-2 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/cache_test (nobody else is there) */
	atomic_store_relaxed(&wki_memory_pooling, WKI_POOLED_UNKNOWN);
}

bool wki_memory_is_malloc(void)
{
	return runtime_allocator == NULL;
}

/* Defined by the runtimes of LeakSanitizer, which AddressSanitizer has too, and of ThreadSanitizer. */
extern void __lsan_do_leak_check(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

bool wki_memory_find_pooling(void)
{
	bool pooled = runtime_allocator == NULL && __lsan_do_leak_check == NULL && __tsan_init == NULL;

	/* MEM-3 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/cache_test (everybody finds the same) */
	atomic_store_relaxed(&wki_memory_pooling, pooled ? WKI_POOLED : WKI_POOLED_NEVER);
	return pooled;
}

bool wki_memory_is(const wk_allocator *allocator)
{
	return runtime_allocator == allocator;
}

void *wki_allocate(const wk_allocator *allocator, size_t size, size_t alignment)
{
	if (allocator == NULL)
		allocator = runtime_allocator;
	if (allocator != NULL)
		return allocator->allocate(allocator->context, size, alignment);
	if (alignment <= WKI_ALIGNMENT)
		return malloc(size);
	size = (size + alignment - 1) & ~(alignment - 1);
	return aligned_alloc(alignment, size);
}

void *wki_allocate_zeroed(const wk_allocator *allocator, size_t size, size_t alignment)
{
	void *memory;

	if (allocator == NULL && runtime_allocator == NULL && alignment <= WKI_ALIGNMENT)
		return calloc(1, size);
	memory = wki_allocate(allocator, size, alignment);
	if (memory != NULL)
		memset(memory, 0, size);
	return memory;
}

void wki_free(const wk_allocator *allocator, void *memory, size_t size, size_t alignment)
{
	if (memory == NULL)
		return;
	if (allocator == NULL)
		allocator = runtime_allocator;
	if (allocator != NULL)
		allocator->release(allocator->context, memory, size, alignment);
	else
		free(memory);
}
