/*
 * reclaim/cache.h - a thread's own free blocks, by size
 *
 * Memory whose grace period is over goes to the thread that retired it and from there
 * straight into that thread's next constructor: no other thread's free list is touched, and the
 * block is still warm. The budget is a base and as much again as waits in the thread's limbo:
 * what comes back from there is about to be asked for again, and what was in use a moment ago
 * is no growth. What does not fit goes back to the slabs (reclaim/slab.h), and what is missing comes
 * from there, a batch at a time.
 *
 * A program's own allocator sees every block, and so does malloc where a sanitizer looks on: then nothing is kept.
 *
 * Layer: reclaim.
 */
#ifndef WKI_RECLAIM_CACHE_H
#define WKI_RECLAIM_CACHE_H

#include "reclaim/slab.h"

struct wki_cache {
	size_t bytes; /* kept in all classes */
	struct wki_block *free[WKI_SLAB_CLASSES];
	uint32_t count[WKI_SLAB_CLASSES];
};

/* wki_cache_allocate - `size` bytes, 16-aligned, not zeroed, from the runtime's allocator; NULL: no memory */
void *wki_cache_allocate(size_t size);
void wki_cache_free(void *memory, size_t size);

/* wki_cache_empty - give everything back */
void wki_cache_empty(struct wki_cache *cache);

#endif
