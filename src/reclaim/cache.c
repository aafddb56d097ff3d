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
#define CACHE_BUDGET ((size_t)256 << 10) /* base; docs/decisions/0003-reclamation.md */
#define CACHE_FOLLOWS_LIMBO 1
#else
#define CACHE_FOLLOWS_LIMBO 0
#endif

static inline size_t cache_class(size_t size)
{
	return (size + WKI_CACHE_GRAIN - WKI_CACHE_FIRST - 1) / WKI_CACHE_GRAIN;
}

static inline size_t cache_class_size(size_t class)
{
	return class * WKI_CACHE_GRAIN + WKI_CACHE_FIRST;
}

static inline bool cache_has_room(const struct wki_thread *thread, size_t size)
{
	size_t budget = CACHE_BUDGET + (CACHE_FOLLOWS_LIMBO ? thread->limbo.waiting : 0);

	return thread->cache.bytes + size <= budget && wki_thread_use(thread) != WKI_THREAD_RECLAIMER && wki_memory_is_malloc();
}

void *wki_cache_allocate(size_t size)
{
	struct wki_thread *thread = wki_thread_if_any();
	size_t class = cache_class(size);
	struct wki_cache_block *block;

	if (unlikely(class >= WKI_CACHE_CLASSES))
		return wki_allocate(NULL, size, WKI_ALIGNMENT);
	size = cache_class_size(class);
	if (likely(thread != NULL) && (block = thread->cache.free[class]) != NULL) {
		thread->cache.free[class] = block->next;
		thread->cache.bytes -= size;
		__builtin_prefetch(block->next, 1); /* the next constructor's */
		return block;
	}
	return wki_allocate(NULL, size, WKI_ALIGNMENT);
}

void wki_cache_free(void *memory, size_t size)
{
	struct wki_thread *thread = wki_thread_if_any();
	size_t class = cache_class(size);
	struct wki_cache_block *block = memory;

	if (class < WKI_CACHE_CLASSES)
		size = cache_class_size(class);
	if (thread == NULL || class >= WKI_CACHE_CLASSES || !cache_has_room(thread, size)) {
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
			wki_free(NULL, block, cache_class_size(class), WKI_ALIGNMENT);
		}
	}
	cache->bytes = 0;
}
