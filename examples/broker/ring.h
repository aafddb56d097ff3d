#ifndef BROKER_RING_H
#define BROKER_RING_H

#include <stdbool.h>
#include <stddef.h>

/* A ring of structs that carry its link inside. One thread at a time. A link of zero bytes is in no ring. */
struct ring {
	struct ring *next, *previous;
};

#define RING_STRUCT(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void ring_init(struct ring *ring)
{
	ring->next = ring->previous = ring;
}

/* The link that has been in longest, or NULL. */
static inline struct ring *ring_first(const struct ring *ring)
{
	return ring->next == ring ? NULL : ring->next;
}

/* In front of `ring`, which is the end of it; a link that is in already stays where it is. */
static inline void ring_add(struct ring *ring, struct ring *link)
{
	if (link->next)
		return;
	link->next = ring;
	link->previous = ring->previous;
	link->previous->next = ring->previous = link;
}

/* A link that is in no ring may be removed too. */
static inline void ring_remove(struct ring *link)
{
	if (!link->next)
		return;
	link->next->previous = link->previous;
	link->previous->next = link->next;
	link->next = link->previous = NULL;
}

#endif
