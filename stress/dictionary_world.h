/*
 * stress/dictionary_world.h - the dictionaries that dictionary_stress.c plays on, their keys, objects and memory
 */
#ifndef STRESS_DICTIONARY_WORLD_H
#define STRESS_DICTIONARY_WORLD_H

#include "harness.h"

struct item;

/* One key, and what its owner knows about it. */
struct spot {
	wki_atomic_u64 present; /* serial of the object that must be found now; 0: anything goes */
	wki_atomic_u64 gone;    /* no object up to this serial may be found any more */
	wki_atomic_u64 filled;  /* not 0: something has been stored all the time since that serial was */
	/* The owner's. */
	struct item *item; /* a strong reference; NULL: none, or given up */
	uint64_t serial;   /* of what was stored last, 0: nothing is stored */
	bool fading;       /* given up without removal: there for as long as a reader holds it */
};

struct item {
	struct stress_canary canary; /* its serial */
	struct spot *spot;           /* of its key */
};

/* What a dictionary has allocated, its latest array, and how often any of them became larger or smaller. */
struct tally {
	wki_atomic_u64 bytes, array;
};
extern wki_atomic_u64 world_grown, world_shrunk;

struct field {
	const char *name;
	wk_key_kind keys;
	wk_value_mode values;
	unsigned each; /* keys of each worker */
	bool counted; /* it has the allocator */
	wk_allocator allocator;
	struct tally tally;
	wk_value_dict *dict;
	struct spot *spots; /* spot n is worker n % threads' */
	unsigned spot_count;
	wki_atomic_u32 falling; /* the tide: more is stored than dropped until many keys are taken, then less */
};

#define WORLD_FIELDS 5
extern struct field world_fields[WORLD_FIELDS];

union key_memory {
	char text[48];
	struct stress_canary custom; /* the number */
};

void world_begin(void);
/* world_end - gives the dictionaries up and complains of what does not come back */
void world_end(void);

/* world_item - a new object for a key; serials rise for each thread, hence for each key, and no two are the same */
struct item *world_item(struct stress_worker *worker, struct spot *spot);

static inline uint64_t item_serial(const struct item *item)
{
	return item->canary.number;
}

wk_key world_key(const struct field *field, const struct spot *spot, union key_memory *memory);

#endif
