/*
 * reclaim/cache.c - a thread's own free blocks
 *
 * Layer: reclaim.
 */
#include "reclaim/cache.h"

#include "base/memory.h"
#include "reclaim/thread.h"

#if defined(__SANITIZE_ADDRESS__)
#define CACHE_BUDGET 0u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CACHE_BUDGET 0u
#endif
#endif
#ifndef CACHE_BUDGET
#define CACHE_BUDGET ((size_t)512 << 10) /* bytes a thread may keep; docs/decisions/0003-reclamation.md */
#endif

static inline size_t cache_class(size_t size)
{
	return (size - 1) / WKI_CACHE_GRAIN;
}

static inline size_t cache_round(size_t size)
{
	return (size + WKI_CACHE_GRAIN - 1) & ~(size_t)(WKI_CACHE_GRAIN - 1);
}

void *wki_cache_allocate(size_t size)
{
	struct wki_thread *thread = wki_thread_if_any();
	size_t class = cache_class(size);
	struct wki_cache_block *block;

	size = cache_round(size);
	if (likely(thread != NULL && class < WKI_CACHE_CLASSES)) {
		block = thread->cache.free[class];
		if (block != NULL) {
			thread->cache.free[class] = block->next;
			thread->cache.bytes -= size;
			return block;
		}
	}
	return wki_allocate(NULL, size, WKI_ALIGNMENT);
}

void wki_cache_free(void *memory, size_t size)
{
	struct wki_thread *thread = wki_thread_if_any();
	size_t class = cache_class(size);
	struct wki_cache_block *block = memory;

	size = cache_round(size);
	if (thread == NULL || class >= WKI_CACHE_CLASSES || thread->cache.bytes + size > CACHE_BUDGET ||
	    wki_thread_use(thread) == WKI_THREAD_RECLAIMER || !wki_memory_is_malloc()) {
		wki_free(NULL, memory, size, WKI_ALIGNMENT);
		return;
	}
	block->next = thread->cache.free[class];
	thread->cache.free[class] = block;
	thread->cache.bytes += size;
}

void wki_cache_empty(struct wki_cache *cache)
{
	struct wki_cache_block *block;
	size_t class;

	for (class = 0; class < WKI_CACHE_CLASSES; class++) {
		while ((block = cache->free[class]) != NULL) {
			cache->free[class] = block->next;
			wki_free(NULL, block, (class + 1) * WKI_CACHE_GRAIN, WKI_ALIGNMENT);
		}
	}
	cache->bytes = 0;
}
