/*
 * reclaim/slab.c - chunks, slabs, and the lists of those that have room
 *
 * Layer: reclaim.
 */
#include "reclaim/slab.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/map.h"

#define CHUNK_SIZE WKI_HUGE_PAGE
#define SLAB_SIZE ((size_t)64 << 10)
#define SLAB_HEADER 64u
#define CHUNK_SLABS ((unsigned)(CHUNK_SIZE / SLAB_SIZE))
#define NO_CLASS WKI_SLAB_CLASSES
#define DEPOT_BATCHES 32u /* of each class; what is more goes back to its slabs */

/* Every line of a class that is no multiple of a line holds as much of a block as it can. */
const uint16_t wki_slab_sizes[WKI_SLAB_CLASSES] = { 16, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 448, 512 };
const uint8_t wki_slab_class_of[WKI_SLAB_LARGEST / 16 + 1] = {
	0, 0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 11, 11, 11, 11, 12, 12, 12, 12
};

struct slab {
	struct slab *next, *previous; /* on the list of its class that have room, or on the list of the unused */
	struct wki_block *free;       /* blocks that came back */
	uint32_t used;                /* blocks that are out */
	uint32_t fresh;               /* where memory begins that was never a block */
	uint32_t class;               /* NO_CLASS: unused */
	uint32_t slabs_used;          /* of the chunk, in its first slab: those that have a class */
};
_Static_assert(sizeof(struct slab) <= SLAB_HEADER, "a slab's header is one line");

static struct {
	pthread_mutex_t lock;
	struct slab *room[WKI_SLAB_CLASSES];
	struct slab *unused;
	size_t chunks, chunks_unused;
	struct wki_block *depot[WKI_SLAB_CLASSES];
	uint32_t depot_count[WKI_SLAB_CLASSES];
} slabs = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void slab_link(struct slab **list, struct slab *slab)
{
	slab->previous = NULL;
	slab->next = *list;
	if (slab->next != NULL)
		slab->next->previous = slab;
	*list = slab;
}

static void slab_unlink(struct slab **list, struct slab *slab)
{
	if (slab->next != NULL)
		slab->next->previous = slab->previous;
	if (slab->previous != NULL)
		slab->previous->next = slab->next;
	else
		*list = slab->next;
}

static struct slab *slab_of(const struct wki_block *block)
{
	return (struct slab *)((uintptr_t)block & ~(SLAB_SIZE - 1));
}

static struct slab *chunk_of(const struct slab *slab)
{
	return (struct slab *)((uintptr_t)slab & ~(CHUNK_SIZE - 1));
}

static struct slab *chunk_slab(struct slab *chunk, unsigned i)
{
	return (struct slab *)(void *)((char *)chunk + i * SLAB_SIZE);
}

static bool slab_has_room(const struct slab *slab)
{
	return slab->free != NULL || slab->fresh + wki_slab_sizes[slab->class] <= SLAB_SIZE;
}

static bool chunk_add(void)
{
	struct slab *chunk = wki_map(CHUNK_SIZE, CHUNK_SIZE, slabs.chunks > 0);
	unsigned i;

	if (chunk == NULL)
		return false;
	for (i = CHUNK_SLABS; i-- > 0;) { /* the first one ends up in front */
		chunk_slab(chunk, i)->class = NO_CLASS;
		slab_link(&slabs.unused, chunk_slab(chunk, i));
	}
	slabs.chunks++;
	slabs.chunks_unused++;
	return true;
}

static void chunk_remove(struct slab *chunk)
{
	unsigned i;

	for (i = 0; i < CHUNK_SLABS; i++)
		slab_unlink(&slabs.unused, chunk_slab(chunk, i));
	slabs.chunks--;
	slabs.chunks_unused--;
	wki_unmap(chunk, CHUNK_SIZE);
}

/* An unused slab becomes one of the class, with room. NULL: no memory. */
static struct slab *slab_begin(unsigned class)
{
	struct slab *slab;

	if (slabs.unused == NULL && !chunk_add())
		return NULL;
	slab = slabs.unused;
	slab_unlink(&slabs.unused, slab);
	if (chunk_of(slab)->slabs_used++ == 0)
		slabs.chunks_unused--;
	slab->free = NULL;
	slab->fresh = SLAB_HEADER;
	slab->class = class;
	slab_link(&slabs.room[class], slab);
	return slab;
}

/* All its blocks are back. */
static void slab_end(struct slab *slab)
{
	struct slab *chunk = chunk_of(slab);

	slab_unlink(&slabs.room[slab->class], slab);
	slab->class = NO_CLASS;
	slab_link(&slabs.unused, slab);
	if (--chunk->slabs_used > 0)
		return;
	if (++slabs.chunks_unused > WKI_CHUNKS_KEPT)
		chunk_remove(chunk);
}

static struct wki_block *slab_take_block(struct slab *slab)
{
	struct wki_block *block = slab->free;

	if (block != NULL) {
		slab->free = block->next;
	} else {
		block = (struct wki_block *)(void *)((char *)slab + slab->fresh);
		slab->fresh += wki_slab_sizes[slab->class];
	}
	slab->used++;
	if (!slab_has_room(slab))
		slab_unlink(&slabs.room[slab->class], slab);
	return block;
}

static void slab_give_block(struct slab *slab, struct wki_block *block)
{
	if (!slab_has_room(slab))
		slab_link(&slabs.room[slab->class], slab);
	block->next = slab->free;
	slab->free = block;
	if (--slab->used == 0)
		slab_end(slab);
}

static struct wki_block *slab_take_locked(unsigned class)
{
	struct slab *slab = slabs.room[class] != NULL ? slabs.room[class] : slab_begin(class);

	return slab == NULL ? NULL : slab_take_block(slab);
}

/* All or nothing: a batch is whole. */
static struct wki_block *slab_cut_batch(unsigned class)
{
	struct wki_block *batch = NULL, *block;
	uint32_t left;

	for (left = wki_slab_batch(class); left > 0; left--, batch = block) {
		block = slab_take_locked(class);
		if (block == NULL)
			break;
		block->next = batch;
	}
	for (; left > 0 && batch != NULL; batch = block) {
		block = batch->next;
		slab_give_block(slab_of(batch), batch);
	}
	return batch;
}

struct wki_block *wki_slab_take(unsigned class)
{
	struct wki_block *batch;

	pthread_mutex_lock(&slabs.lock);
	batch = slabs.depot[class];
	if (batch != NULL) {
		slabs.depot[class] = batch->next_batch;
		slabs.depot_count[class]--;
	} else {
		batch = slab_cut_batch(class);
	}
	pthread_mutex_unlock(&slabs.lock);
	return batch;
}

void wki_slab_give(unsigned class, struct wki_block *batch)
{
	struct wki_block *next;

	pthread_mutex_lock(&slabs.lock);
	if (slabs.depot_count[class] < DEPOT_BATCHES) {
		batch->next_batch = slabs.depot[class];
		slabs.depot[class] = batch;
		slabs.depot_count[class]++;
		batch = NULL;
	}
	for (; batch != NULL; batch = next) {
		next = batch->next;
		slab_give_block(slab_of(batch), batch);
	}
	pthread_mutex_unlock(&slabs.lock);
}

struct wki_block *wki_slab_take_one(unsigned class)
{
	struct wki_block *block;

	pthread_mutex_lock(&slabs.lock);
	block = slab_take_locked(class);
	pthread_mutex_unlock(&slabs.lock);
	return block;
}

void wki_slab_give_one(struct wki_block *block)
{
	pthread_mutex_lock(&slabs.lock);
	slab_give_block(slab_of(block), block);
	pthread_mutex_unlock(&slabs.lock);
}

size_t wki_slab_mapped(void)
{
	size_t mapped;

	pthread_mutex_lock(&slabs.lock);
	mapped = slabs.chunks * CHUNK_SIZE;
	pthread_mutex_unlock(&slabs.lock);
	return mapped;
}
