/*
 * collect/pages.c - malloc for small arrays, mmap for large ones
 *
 * Layer: collect.
 */
#define _DEFAULT_SOURCE
#include "collect/pages.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/memory.h"

#define PAGES_MAPPED ((size_t)128 << 10) /* from here on zeroing costs more than a mapping */
#define PAGES_HUGE ((size_t)2 << 20)
#define PAGES_ALIGNMENT 64u

static bool pages_are_mapped(const wk_allocator *allocator, size_t size)
{
	return allocator == NULL && wki_memory_is_malloc() && size >= PAGES_MAPPED;
}

/* Map more than is needed and give back what is before and behind the aligned part. */
static void *pages_map_aligned(size_t size, size_t alignment)
{
	char *mapped = mmap(NULL, size + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (mapped == MAP_FAILED)
		return NULL;
	before = (size_t)(-(uintptr_t)mapped & (alignment - 1));
	if (before > 0)
		(void)munmap(mapped, before);
	(void)munmap(mapped + before + size, alignment - before);
	return mapped + before;
}

static void *pages_map(size_t size)
{
	void *pages;

	if (size < PAGES_HUGE) {
		pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return pages == MAP_FAILED ? NULL : pages;
	}
	pages = pages_map_aligned(size, PAGES_HUGE);
#ifdef MADV_HUGEPAGE
	if (pages != NULL)
		(void)madvise(pages, size, MADV_HUGEPAGE);
#endif
	return pages;
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
		(void)munmap(pages, size);
	else
		wki_free(allocator, pages, size, PAGES_ALIGNMENT);
}
