/*
 * base/memory.h - where the runtime's memory comes from
 *
 * One allocator for everything that has no allocator of its own: malloc, or what the program
 * gave to wk_runtime_start before the first object. Sizes travel with the release, as sized
 * allocators want them.
 *
 * Layer: base. Never: remember anything about a block.
 */
#ifndef WKI_BASE_MEMORY_H
#define WKI_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/atomic.h"
#include "base/check.h"
#include "weakref/object.h"

/* The alignment that every block has without asking. */
#define WKI_ALIGNMENT 16u

/* wki_memory_use - from now on use `allocator`; NULL goes back to malloc. Only while nothing is allocated. */
void wki_memory_use(const wk_allocator *allocator);

/* wki_memory_is_malloc - no allocator was given */
bool wki_memory_is_malloc(void);

/* What wki_memory_is_pooled answers; unknown until somebody asks, and when the allocator has changed. */
enum wki_pooling { WKI_POOLED_UNKNOWN, WKI_POOLED, WKI_POOLED_NEVER };
extern wki_atomic_u8 wki_memory_pooling;
bool wki_memory_find_pooling(void);

/*
 * wki_memory_is_pooled - blocks may be kept and reused by size: no allocator was given, and nobody looks for leaks
 * and uses after free, be it that only the program was built with a sanitizer and this library was not
 */
static inline bool wki_memory_is_pooled(void)
{
	/* MEM-1 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/cache_test (everybody finds the same) */
	const uint8_t known = atomic_load_relaxed(&wki_memory_pooling);

	return likely(known == WKI_POOLED) || (known == WKI_POOLED_UNKNOWN && wki_memory_find_pooling());
}

/* wki_memory_is - `allocator` is the one in use */
bool wki_memory_is(const wk_allocator *allocator);

/* wki_allocate - `size` bytes aligned to `alignment` (a power of two); NULL: no memory. `allocator` NULL: the runtime's. */
void *wki_allocate(const wk_allocator *allocator, size_t size, size_t alignment);
void *wki_allocate_zeroed(const wk_allocator *allocator, size_t size, size_t alignment);
void wki_free(const wk_allocator *allocator, void *memory, size_t size, size_t alignment);

#endif
