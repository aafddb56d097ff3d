/*
 * stress/cursor_world.h - the containers that cursor_stress.c walks through, their keys, objects and memory
 */
#ifndef STRESS_CURSOR_WORLD_H
#define STRESS_CURSOR_WORLD_H

#include "harness.h"

/*
 * What is known of one key, or in a set of one object: a number that rises with each change, and in its low bits
 * whether it is there. Read twice alike, before and after a walk, it held all the while.
 */
enum presence { PRESENCE_OPEN, PRESENCE_ABSENT, PRESENCE_PRESENT };
#define PRESENCE_BITS 2

struct item;

struct spot {
	wki_atomic_u64 presence;
	/* The owner's. */
	struct item *item; /* a strong reference; NULL: none */
	wk_weak *fading;   /* what was given up without removal, until it is known to be dead */
};

struct item {
	struct stress_canary canary;
	unsigned spot; /* its index */
};

/* What a container has allocated, and its latest array. */
struct tally {
	wki_atomic_u64 bytes, array;
	wki_atomic_u64 resized; /* how often an array of any size was made */
};
extern wki_atomic_u64 world_grown, world_shrunk, world_swept;

struct field {
	const char *name;
	bool is_set;
	bool is_tied; /* several keys have one hash */
	wk_key_kind keys;
	wk_value_mode values;
	unsigned each; /* keys of each worker */
	wk_allocator allocator;
	struct tally tally;
	void *container;
	struct spot *spots; /* spot n is worker n % threads' */
	unsigned spot_count;
	wki_atomic_u32 falling; /* the tide: more comes than goes until many are there, then less */
};

#define WORLD_FIELDS 4
#define WORLD_SPOTS_MAX (64u * STRESS_THREADS_MAX)
extern struct field world_fields[WORLD_FIELDS];

void world_begin(void);
/* world_end - gives the containers up and complains of what does not come back */
void world_end(void);

struct item *world_item(unsigned spot);

/* Of the key, or of the item if the container is a set. */
int world_put(struct field *field, const struct spot *spot, struct item *item);
bool world_take_out(struct field *field, const struct spot *spot, struct item *item);
size_t world_len(const struct field *field);
/* world_key_is - is the cursor's key the one of that spot? */
bool world_key_is(const struct field *field, const wk_cursor *cursor, unsigned spot);

#endif
