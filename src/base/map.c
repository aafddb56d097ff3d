/*
 * base/map.c - mmap
 *
 * Layer: base.
 */
#define _DEFAULT_SOURCE
#include "base/map.h"

#include <stdint.h>
#include <sys/mman.h>

static void *map_pages(size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

/* Map more than is needed and give back what is before and behind the aligned part. */
static void *map_aligned(size_t size, size_t alignment)
{
	char *mapped = map_pages(size + alignment);
	size_t before;

	if (mapped == NULL)
		return NULL;
	before = (size_t)(-(uintptr_t)mapped & (alignment - 1));
	if (before > 0)
		(void)munmap(mapped, before);
	(void)munmap(mapped + before + size, alignment - before);
	return mapped + before;
}

void *wki_map(size_t size, size_t alignment, bool huge)
{
	void *memory = alignment <= 4096 ? map_pages(size) : map_aligned(size, alignment);

#ifdef MADV_HUGEPAGE
	if (huge && memory != NULL)
		(void)madvise(memory, size, MADV_HUGEPAGE);
#endif
	return memory;
}

void wki_unmap(void *memory, size_t size)
{
	(void)munmap(memory, size);
}
