/*
 * event.h - what one step of a thread touched, and which steps may change places
 *
 * A step is one atomic access (or a free, a retirement, an edge of a read section) with the
 * thread's private work up to its next one. It uses objects: the word accessed, the life of
 * the block around it, and for read sections and grace periods the objects below. Two steps
 * of two threads commute unless they use one object and one of them changed it; a
 * compare-and-swap that failed changed nothing.
 */
#ifndef EXPLORE_EVENT_H
#define EXPLORE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An object: an address, with what about it in the bits that no address has. */
typedef uint64_t event_object;

#define EVENT_CHANGED (UINT64_C(1) << 63)
#define EVENT_LIFE (UINT64_C(1) << 56)    /* of a block: read by every access to it, changed by the free */
#define EVENT_PENDING (UINT64_C(2) << 56) /* of a retired block: how many read sections it waits for */
#define EVENT_SECTION (UINT64_C(3) << 56) /* of a thread: is it inside a read section? */

static inline event_object section_of(unsigned thread)
{
	return EVENT_SECTION | (thread + 1);
}

#define EVENT_USES 13

struct event {
	uint64_t all, changed;  /* one bit for each object used, by its hash: to tell most steps apart at once */
	uint8_t count;
	bool overflow;          /* more objects than fit: depends on everything */
	event_object uses[EVENT_USES];
};

static inline uint64_t event_bit(event_object object)
{
	return UINT64_C(1) << (((object & ~EVENT_CHANGED) * UINT64_C(0x9e3779b97f4a7c15)) >> 58);
}

static inline void event_use(struct event *event, event_object object, bool change)
{
	uint64_t bit = event_bit(object);

	event->all |= bit;
	if (change)
		event->changed |= bit;
	if (event->count == EVENT_USES)
		event->overflow = true;
	else
		event->uses[event->count++] = object | (change ? EVENT_CHANGED : 0);
}

static inline bool event_conflict(event_object a, event_object b)
{
	return ((a ^ b) & ~EVENT_CHANGED) == 0 && ((a | b) & EVENT_CHANGED) != 0;
}

/* event_dependent - would another order of the two be another story? */
static inline bool event_dependent(const struct event *a, const struct event *b)
{
	if (a->overflow || b->overflow)
		return true;
	if ((a->changed & b->all) == 0 && (a->all & b->changed) == 0)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		for (unsigned k = 0; k < b->count; k++)
			if (event_conflict(a->uses[i], b->uses[k]))
				return true;
	return false;
}

#endif
