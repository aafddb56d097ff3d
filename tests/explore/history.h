/*
 * history.h - is there an order of the operations that explains what they returned?
 *
 * The threads' operations on a map of objects that die, as one thread could have done them: in
 * the order of each thread, and what was over before another began comes first. Values are
 * objects with a number of strong references; a key leads to its object until that is dead.
 */
#ifndef EXPLORE_HISTORY_H
#define EXPLORE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#define HISTORY_KEYS 9u
#define HISTORY_OBJECTS 4u
#define HISTORY_NONE 0xffu /* no object */

enum history_kind {
	HISTORY_SET,     /* the key leads to the object; no result */
	HISTORY_INSERT,  /* result: 1 stored, 0 somebody lives there, 2 no memory */
	HISTORY_REMOVE,  /* result: 1 somebody lived there */
	HISTORY_GET,     /* result: the object, one reference more, or NONE */
	HISTORY_PEEK,    /* result: the object, or NONE */
	HISTORY_HAS,     /* result: 1 somebody lives there */
	HISTORY_RELEASE, /* of the object: one reference less */
};

/* history_reset - a new run: references of each object, key -> object at the beginning (or NONE); strong: a key owns a reference */
void history_reset(const uint8_t references[HISTORY_OBJECTS], const uint8_t map[HISTORY_KEYS], bool strong);
/* history_begin, history_end - around each operation, on its thread */
void history_begin(enum history_kind kind, unsigned key, unsigned object);
void history_end(unsigned result);
/* history_explained - is there such an order, one that ends with these contents (map: key -> live object, or NONE)? */
bool history_explained(const uint8_t map[HISTORY_KEYS]);
/* history_print - for a failure */
void history_print(void);

#endif
