/*
 * reclaim/slab.h - where the blocks of all caches come from, and where they go back to
 *
 *	CHUNK  2 MiB of memory, aligned to that, mapped at once; from the second on with huge pages
 *	SLAB   64 KiB of a chunk: blocks of one class
 *	BLOCK  what a cache asks for: a few dozen at a time, under one lock
 *
 * Lookups in a large table wait for memory, and of that wait half is address translation: with
 * pages of 2 MiB it is gone (docs/decisions/0005-slabs.md). malloc gives no such pages unless the
 * whole process is told to. The first chunk has small pages: a program with few objects pays for few.
 *
 * Classes of 64 bytes and more begin at a cache line or in the middle of one: a control block and
 * the beginning of its payload share a line.
 *
 * A slab whose blocks are all back serves any class; a chunk whose slabs are all back is unmapped,
 * but for one that is kept.
 *
 * Layer: reclaim. Any context; takes a short lock. Never: user code, a read section.
 */
#ifndef WKI_RECLAIM_SLAB_H
#define WKI_RECLAIM_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define WKI_SLAB_CLASSES 13u
#define WKI_SLAB_LARGEST 512u

extern const uint16_t wki_slab_sizes[WKI_SLAB_CLASSES];
extern const uint8_t wki_slab_class_of[WKI_SLAB_LARGEST / 16 + 1]; /* of a size in steps of 16 */

struct wki_block {
	struct wki_block *next;
};

static inline unsigned wki_slab_class(size_t size)
{
	return wki_slab_class_of[(size + 15) / 16];
}

/* wki_slab_take - up to `many` blocks of a class, as a chain; NULL: no memory */
struct wki_block *wki_slab_take(unsigned class, unsigned many);
/* wki_slab_give - `many` blocks from the front of a chain; returns the rest of it */
struct wki_block *wki_slab_give(struct wki_block *blocks, unsigned many);

/* wki_slab_mapped - bytes of all chunks */
size_t wki_slab_mapped(void);

#endif
