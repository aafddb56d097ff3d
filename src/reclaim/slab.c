/*
 * reclaim/slab.c - chunks, slabs, and the lists of those that have room
 *
 * Layer: reclaim.
 */
#include "reclaim/slab.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/atomic.h"
#include "base/map.h"

#define CHUNK_SIZE WKI_HUGE_PAGE
#define SLAB_SIZE ((size_t)64 << 10)
#define SLAB_HEADER 64u
#define CHUNK_SLABS ((unsigned)(CHUNK_SIZE / SLAB_SIZE))
#define NO_CLASS WKI_SLAB_CLASSES
#define DEPOT_BATCHES 32u /* of each class that tidying leaves */

/* Every line of a class that is no multiple of a line holds as much of a block as it can. */
const uint16_t wki_slab_sizes[WKI_SLAB_CLASSES] = { 16, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 448, 512 };
/* A division for each block that is freed would cost as much as all the rest of it. */
#define BATCH(size) (WKI_SLAB_BATCH_BYTES / (size))
const uint16_t wki_slab_batches[WKI_SLAB_CLASSES] = {
	BATCH(16), BATCH(32), BATCH(48), BATCH(64), BATCH(96), BATCH(128), BATCH(160), BATCH(192), BATCH(256), BATCH(320),
	BATCH(384), BATCH(448), BATCH(512)
};
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
} slabs = { .lock = PTHREAD_MUTEX_INITIALIZER };

void wki_slab_lock(void)
{
	pthread_mutex_lock(&slabs.lock);
}

void wki_slab_unlock(void)
{
	pthread_mutex_unlock(&slabs.lock);
}

/*
 * Stacks, through `below`. Anybody pushes; only who has the lock pops, so that what he saw on top is not taken off
 * and put back behind him.
 */
struct stack {
	WKI_ATOMIC_POINTER(struct wki_block) top;
};
static struct {
	_Alignas(64) struct stack batches;
	struct stack loose;
} depots[WKI_SLAB_CLASSES];

static void stack_push(struct stack *stack, struct wki_block *first, struct wki_block *last)
{
	/* SLB-1 relaxed; pairs: none; weaker: not possible; check: unit/reclaim/slab_test (CAS again if stale) */
	last->below = atomic_load_relaxed(&stack->top);
	/* SLB-2 release; pairs: SLB-3, SLB-4, SLB-5; weaker: who pops could find the chain half made; check: unit/reclaim/slab_test under TSan */
	while (!atomic_cas_release(&stack->top, &last->below, first))
		;
}

static struct wki_block *stack_pop_locked(struct stack *stack)
{
	/* SLB-3 acquire; pairs: SLB-2; weaker: as SLB-2; check: unit/reclaim/slab_test under TSan */
	struct wki_block *top = atomic_load_acquire(&stack->top);

	/* SLB-4 acquire; pairs: SLB-2; weaker: as SLB-2; check: unit/reclaim/slab_test under TSan */
	while (top != NULL && !atomic_cas_acquire(&stack->top, &top, top->below))
		;
	return top;
}

static struct wki_block *stack_take_locked(struct stack *stack)
{
	/* SLB-5 acquire; pairs: SLB-2; weaker: as SLB-2; check: unit/reclaim/slab_test under TSan */
	return atomic_exchange_acquire(&stack->top, NULL);
}

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
	struct wki_block *loose = stack_pop_locked(&depots[class].loose);
	struct slab *slab;

	if (loose != NULL)
		return loose;
	slab = slabs.room[class] != NULL ? slabs.room[class] : slab_begin(class);
	return slab == NULL ? NULL : slab_take_block(slab);
}

static void slab_give_locked(struct wki_block *batch)
{
	struct wki_block *next;

	for (; batch != NULL; batch = next) {
		next = batch->next;
		slab_give_block(slab_of(batch), batch);
	}
}

/* All or nothing: a batch is whole. */
static struct wki_block *slab_cut_batch(unsigned class)
{
	struct wki_block *batch = NULL, *block;
	uint32_t left;

	for (left = wki_slab_batch(class); left > 0; left--) {
		block = slab_take_locked(class);
		if (block == NULL) {
			slab_give_locked(batch);
			return NULL;
		}
		block->next = batch;
		batch = block;
	}
	return batch;
}

struct wki_block *wki_slab_take(unsigned class)
{
	struct wki_block *batch;

	wki_slab_lock();
	batch = stack_pop_locked(&depots[class].batches);
	if (batch == NULL)
		batch = slab_cut_batch(class);
	wki_slab_unlock();
	return batch;
}

void wki_slab_give(unsigned class, struct wki_block *batch)
{
	stack_push(&depots[class].batches, batch, batch);
}

struct wki_block *wki_slab_take_one(unsigned class)
{
	struct wki_block *block;

	wki_slab_lock();
	block = slab_take_locked(class);
	wki_slab_unlock();
	return block;
}

void wki_slab_give_one(unsigned class, struct wki_block *block)
{
	block->next = NULL; /* a batch of one, on its own stack */
	stack_push(&depots[class].loose, block, block);
}

/* Give back what is on a stack, but for so many that stay. */
static void stack_tidy_locked(struct stack *stack, unsigned stay)
{
	struct wki_block *first = stack_take_locked(stack), *last = NULL, *item = first, *below;

	for (; item != NULL && stay > 0; stay--, item = item->below)
		last = item;
	for (; item != NULL; item = below) {
		below = item->below;
		slab_give_locked(item);
	}
	if (last != NULL)
		stack_push(stack, first, last);
}

void wki_slab_tidy(void)
{
	unsigned class;

	wki_slab_lock();
	for (class = 0; class < WKI_SLAB_CLASSES; class++) {
		stack_tidy_locked(&depots[class].loose, 0);
		stack_tidy_locked(&depots[class].batches, DEPOT_BATCHES);
	}
	wki_slab_unlock();
}

size_t wki_slab_mapped(void)
{
	size_t mapped;

	wki_slab_lock();
	mapped = slabs.chunks * CHUNK_SIZE;
	wki_slab_unlock();
	return mapped;
}
