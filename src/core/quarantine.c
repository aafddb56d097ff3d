/*
 * core/quarantine.c - a ring of blocks
 *
 * Layer: core. A lock that is busy is not waited for: then a block is freed at once.
 */
#include "core/quarantine.h"

#if WKI_CHECK_LEVEL >= 1
#include <pthread.h>
#include <string.h>

#include "base/memory.h"

#define QUARANTINE_BLOCKS 4096u
#define QUARANTINE_FILL 0xdd

struct quarantined {
	const wk_type *type;
	void *block; /* NULL: none yet */
	struct wki_layout layout;
};

static struct {
	pthread_mutex_t lock;
	unsigned next;
	struct quarantined ring[QUARANTINE_BLOCKS];
} quarantine = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A plug-in's type may be unloaded while its blocks are here. */
static bool quarantine_takes(const wk_type *type)
{
	return type->owner == NULL && type->allocator == NULL && wki_memory_is_pooled();
}

void wki_quarantine(const wk_type *type, void *block, const struct wki_layout *layout, void *payload, size_t size)
{
	struct quarantined leaves = { type, block, *layout }, *place;

	if (quarantine_takes(type) && pthread_mutex_trylock(&quarantine.lock) == 0) {
		memset(payload, QUARANTINE_FILL, size);
		((uintptr_t *)payload)[-1] = WKI_BACK_GONE | (uintptr_t)type;
		place = &quarantine.ring[quarantine.next++ % QUARANTINE_BLOCKS];
		leaves = *place;
		*place = (struct quarantined){ type, block, *layout };
		pthread_mutex_unlock(&quarantine.lock);
	}
	if (leaves.block != NULL)
		wki_block_free(leaves.type, leaves.block, &leaves.layout);
}
#endif
