/*
 * reclaim/slab.h - where the blocks of all caches come from, and where they go back to
 *
 *	CHUNK  2 MiB of memory, aligned to that, mapped at once; from the second on with huge pages
 *	SLAB   64 KiB of a chunk: blocks of one class
 *	BATCH  a chain of blocks of one class, as many as fit into 4 KiB: what caches take and give
 *	DEPOT  batches that came back: handed over whole, without a look at the blocks; and LOOSE blocks
 *
 * Lookups in a large table wait for memory, and of that wait half is address translation: with
 * pages of 2 MiB it is gone (docs/decisions/0005-slabs.md). malloc gives no such pages unless the
 * whole process is told to. The first chunk has small pages: a program with few objects pays for few.
 *
 * Classes of 64 bytes and more begin at a cache line or in the middle of one: a control block and
 * the beginning of its payload share a line.
 *
 * wki_slab_tidy leaves a few batches of each class in the depot and puts the rest back where it belongs.
 * A slab whose blocks are all back serves any class; a chunk whose slabs are all back is unmapped,
 * but for WKI_CHUNKS_KEPT.
 *
 * Giving is a push and takes no lock, since releases do it; what was given stays in the depot until somebody takes
 * it, or until wki_slab_tidy. Taking, tidying and mapping are done under one short lock.
 *
 * Layer: reclaim. Never: user code, a read section.
 */
#ifndef WKI_RECLAIM_SLAB_H
#define WKI_RECLAIM_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define WKI_SLAB_CLASSES 13u
#define WKI_SLAB_LARGEST 512u
#define WKI_CHUNKS_KEPT 4u /* what comes and goes with grace periods is not to be mapped and zeroed each time */

#define WKI_SLAB_BATCH_BYTES 4096u

extern const uint16_t wki_slab_sizes[WKI_SLAB_CLASSES];
extern const uint16_t wki_slab_batches[WKI_SLAB_CLASSES];
extern const uint8_t wki_slab_class_of[WKI_SLAB_LARGEST / 16 + 1]; /* of a size in steps of 16 */

/* A free block. */
struct wki_block {
	struct wki_block *next;
	struct wki_block *below; /* in the depot: of a batch's first block, or of a loose one */
};

static inline unsigned wki_slab_class(size_t size)
{
	return wki_slab_class_of[(size + 15) / 16];
}

/* wki_slab_batch - blocks in a batch */
static inline uint32_t wki_slab_batch(unsigned class)
{
	return wki_slab_batches[class];
}

/* wki_slab_take - a batch; NULL: no memory. wki_slab_give - a batch; lock-free */
struct wki_block *wki_slab_take(unsigned class);
void wki_slab_give(unsigned class, struct wki_block *batch);

/* wki_slab_take_one, wki_slab_give_one - for threads that have no cache, and for what is left of a batch */
struct wki_block *wki_slab_take_one(unsigned class);
void wki_slab_give_one(unsigned class, struct wki_block *block);

/* wki_slab_tidy - by the grace thread, now and then */
void wki_slab_tidy(void);

/* wki_slab_lock, wki_slab_unlock - around a fork */
void wki_slab_lock(void);
void wki_slab_unlock(void);

/* wki_slab_mapped - bytes of all chunks */
size_t wki_slab_mapped(void);

#endif
