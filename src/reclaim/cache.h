/*
 * reclaim/cache.h - a thread's own free blocks, by size
 *
 * Memory whose grace period is over goes to the thread that retired it and from there
 * straight into that thread's next constructor: no other thread's free list is touched, and the
 * block is still warm. What does not fit the budget goes back to the allocator.
 *
 * Only with malloc behind it: a program's own allocator sees every block. Under
 * AddressSanitizer nothing is kept, so that it sees every use after free.
 *
 * Layer: reclaim.
 */
#ifndef WKI_RECLAIM_CACHE_H
#define WKI_RECLAIM_CACHE_H

#include <stddef.h>
#include <stdint.h>

#define WKI_CACHE_GRAIN 16u
#define WKI_CACHE_CLASSES 32u /* up to 512 bytes */

struct wki_cache_block {
	struct wki_cache_block *next;
};

struct wki_cache {
	size_t bytes; /* kept in all classes */
	struct wki_cache_block *free[WKI_CACHE_CLASSES];
};

/* wki_cache_allocate - `size` bytes, 16-aligned, not zeroed, from the runtime's allocator; NULL: no memory */
void *wki_cache_allocate(size_t size);
void wki_cache_free(void *memory, size_t size);

/* wki_cache_empty - give everything back to the allocator */
void wki_cache_empty(struct wki_cache *cache);

#endif
