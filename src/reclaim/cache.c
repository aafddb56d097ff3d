/*
 * reclaim/cache.c - a thread's own free blocks
 *
 * Layer: reclaim.
 */
#include "reclaim/cache.h"

#include "base/memory.h"
#include "reclaim/thread.h"

#define CACHE_BUDGET ((size_t)256 << 10) /* base; docs/decisions/0003-reclamation.md */

/* Less than a batch of a class is never too much. */
static inline bool cache_is_full(const struct wki_thread *thread, unsigned class)
{
	if (thread->cache.count[class] < wki_slab_batch(class))
		return false;
	return thread->cache.bytes > CACHE_BUDGET + thread->limbo.waiting || wki_thread_use(thread) == WKI_THREAD_RECLAIMER;
}

/* So many blocks more, or fewer. */
static inline void cache_count(struct wki_cache *cache, unsigned class, int32_t more)
{
	cache->count[class] += (uint32_t)more;
	cache->bytes += (size_t)(ptrdiff_t)more * wki_slab_sizes[class];
}

static void *cache_pop(struct wki_cache *cache, unsigned class)
{
	struct wki_block *block = cache->free[class], *next = block->next;

	cache->free[class] = next;
	cache_count(cache, class, -1);
	if (next != NULL) { /* asking for no address at all takes a walk through the page tables */
		__builtin_prefetch(next, 1);
		__builtin_prefetch((char *)next + 64, 1);
	}
	return block;
}

/* Out of line, or who pops a block saves the registers for this. */
static __attribute__((noinline)) void *cache_refill(struct wki_cache *cache, unsigned class)
{
	cache->free[class] = wki_slab_take(class);
	if (cache->free[class] == NULL)
		return wki_slab_take_one(class); /* not a whole batch is left */
	cache_count(cache, class, (int32_t)wki_slab_batch(class));
	return cache_pop(cache, class);
}

static void cache_spill(struct wki_cache *cache, unsigned class)
{
	struct wki_block *batch = cache->free[class], *last = batch;
	uint32_t left;

	for (left = wki_slab_batch(class) - 1; left > 0; left--)
		last = last->next;
	cache->free[class] = last->next;
	last->next = NULL;
	cache_count(cache, class, -(int32_t)wki_slab_batch(class));
	wki_slab_give(class, batch);
}

void *wki_cache_allocate(size_t size)
{
	struct wki_thread *thread = wki_thread_if_any();
	unsigned class;

	if (unlikely(size > WKI_SLAB_LARGEST || !wki_memory_is_pooled()))
		return wki_allocate(NULL, size, WKI_ALIGNMENT);
	class = wki_slab_class(size);
	if (unlikely(thread == NULL))
		return wki_slab_take_one(class);
	if (likely(thread->cache.free[class] != NULL))
		return cache_pop(&thread->cache, class);
	return cache_refill(&thread->cache, class);
}

void wki_cache_free(void *memory, size_t size)
{
	struct wki_thread *thread = wki_thread_if_any();
	struct wki_block *block = memory;
	unsigned class;

	if (unlikely(size > WKI_SLAB_LARGEST || !wki_memory_is_pooled())) {
		wki_free(NULL, memory, size, WKI_ALIGNMENT);
		return;
	}
	class = wki_slab_class(size);
	if (unlikely(thread == NULL)) {
		wki_slab_give_one(class, block);
		return;
	}
	block->next = thread->cache.free[class];
	thread->cache.free[class] = block;
	cache_count(&thread->cache, class, 1);
	if (unlikely(cache_is_full(thread, class)))
		cache_spill(&thread->cache, class);
}

void wki_cache_empty(struct wki_cache *cache)
{
	unsigned class;

	for (class = 0; class < WKI_SLAB_CLASSES; class++) {
		while (cache->count[class] >= wki_slab_batch(class))
			cache_spill(cache, class);
		while (cache->count[class] > 0)
			wki_slab_give_one(class, cache_pop(cache, class));
	}
}
