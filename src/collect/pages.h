/*
 * collect/pages.h - zeroed memory for arrays of buckets
 *
 * A large array must come zeroed without anybody writing the zeroes, or the insert that makes
 * it would pay for the whole table: it is mapped, in huge pages where it is large enough for
 * one. A program's own allocator is asked for everything.
 *
 * Layer: collect.
 */
#ifndef WKI_COLLECT_PAGES_H
#define WKI_COLLECT_PAGES_H

#include <stddef.h>

#include "weakref/object.h"

/* wki_pages_new - `size` zeroed bytes (a power of two, at least 64), 64-aligned; NULL: no memory */
void *wki_pages_new(const wk_allocator *allocator, size_t size);
void wki_pages_free(const wk_allocator *allocator, void *pages, size_t size);

#endif
