/*
 * collect/pages.c - malloc for small arrays, mmap for large ones
 *
 * Layer: collect.
 */
#include "collect/pages.h"

#include <stdbool.h>

#include "base/map.h"
#include "base/memory.h"

#define PAGES_MAPPED ((size_t)128 << 10) /* from here on zeroing costs more than a mapping */
#define PAGES_ALIGNMENT 64u

static bool pages_are_mapped(const wk_allocator *allocator, size_t size)
{
	return allocator == NULL && wki_memory_is_malloc() && size >= PAGES_MAPPED;
}

static void *pages_map(size_t size)
{
	bool huge = size >= WKI_HUGE_PAGE;

	return wki_map(size, huge ? WKI_HUGE_PAGE : PAGES_ALIGNMENT, huge);
}

void *wki_pages_new(const wk_allocator *allocator, size_t size)
{
	if (pages_are_mapped(allocator, size))
		return pages_map(size);
	return wki_allocate_zeroed(allocator, size, PAGES_ALIGNMENT);
}

void wki_pages_free(const wk_allocator *allocator, void *pages, size_t size)
{
	if (pages_are_mapped(allocator, size))
		wki_unmap(pages, size);
	else
		wki_free(allocator, pages, size, PAGES_ALIGNMENT);
}
