/*
 * stress/rivals_arena.h - dictionaries, the objects stored in them, and factories of such objects
 */
#ifndef STRESS_RIVALS_ARENA_H
#define STRESS_RIVALS_ARENA_H

#include "harness.h"

struct item {
	struct stress_canary canary; /* its key */
	uint64_t arena;              /* number of the arena it was made for */
	wki_atomic_u32 taken;        /* out of its dictionary, by somebody who was told so */
};

/* A dictionary, with a number that is never used again. */
struct arena {
	wk_value_dict *dict; /* owned */
	uint64_t number;
	wki_atomic_u32 holders;
};

struct arena *arena_new(wk_value_mode values);
void arena_retain(void *held);
void arena_release(void *held);

struct item *arena_item(const struct arena *arena, uint64_t key);
/* arena_check - complains unless the item is whole, of that key, and of that arena */
void arena_check(const struct arena *arena, uint64_t key, const struct item *item);

/* One call of get_or_create: what its factory is told, and what it has made. */
struct making {
	struct stress_worker *worker;
	struct arena *arena;
	uint64_t key;
	wki_atomic_u32 *alone; /* factories of this key that run just now; NULL: they may run side by side */
	bool plain;            /* makes one object, and does nothing else */
	struct item *made;     /* not owned; NULL: the factory did not run, or failed */
};

/* arena_make - get_or_create; NULL: the factory failed, or mode TRY met somebody else's */
struct item *arena_make(struct making *making, wk_create_mode mode, int *status);

#endif
