/*
 * reclaim/cache.h - a thread's own free blocks, by size
 *
 * Memory whose grace period is over goes to the thread that retired it and from there
 * straight into that thread's next constructor: no other thread's free list is touched, and the
 * block is still warm. The budget is a base and as much again as waits in the thread's limbo:
 * what comes back from there is about to be asked for again, and what was in use a moment ago
 * is no growth. What does not fit goes back to the allocator.
 *
 * Classes are 8, 24, 40, … 504 bytes: what malloc really gives, with a header of 8 and steps of 16.
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
#define WKI_CACHE_FIRST 8u    /* the smallest class */
#define WKI_CACHE_CLASSES 32u /* up to 504 bytes */

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
