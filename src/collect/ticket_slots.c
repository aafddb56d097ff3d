/*
 * collect/ticket_slots.c - where slots are, and the numbers that stand for them
 *
 * Slots come in segments, each twice as large as the one before, and stay where they are for the process's
 * life: a lookup needs no lock, and a number that was made up finds at worst a slot.
 *
 * Layer: collect.
 */
#include <pthread.h>

#include "base/memory.h"
#include "collect/cipher.h"
#include "collect/hash.h"
#include "collect/ticket.h"

/* Slots of the first segment, and as many segments as it takes to use up all indices. */
#define SLOTS_FIRST_BITS 8u
#define SLOTS_SEGMENTS (32u - SLOTS_FIRST_BITS)
#define SLOTS_LIMIT (UINT32_MAX - (1u << SLOTS_FIRST_BITS) + 1) /* slots of all segments; an index + 1 is a number of 32 bits */

static WKI_ATOMIC_POINTER(struct wki_ticket_slot) slots_segments[SLOTS_SEGMENTS];
static struct wki_ticket_stack slots_free;
static wki_atomic_u32 slots_fresh; /* the first index that was never taken */

/* Drawn before the first segment can be seen. */
static struct wki_cipher slots_cipher;
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;

static void slots_draw_key(void)
{
	wki_cipher_init(&slots_cipher, wki_hash_seed(), wki_hash_seed());
}

struct slots_place {
	unsigned segment;
	uint32_t offset;
};

static struct slots_place slots_place(uint32_t index)
{
	uint64_t place = (uint64_t)index + (1u << SLOTS_FIRST_BITS);
	unsigned top = 63u - (unsigned)__builtin_clzll(place);

	return (struct slots_place){ top - SLOTS_FIRST_BITS, (uint32_t)(place - (UINT64_C(1) << top)) };
}

static size_t slots_size(unsigned segment)
{
	return sizeof(struct wki_ticket_slot) << (segment + SLOTS_FIRST_BITS);
}

static struct wki_ticket_slot *slots_segment(unsigned segment)
{
	/* TKS-1 acquire; pairs: TKS-2; weaker: slots and key could be seen before they are there; check: api/ticket_race_test under TSan */
	return atomic_load_acquire(&slots_segments[segment]);
}

struct wki_ticket_slot *wki_ticket_slot_at(uint32_t index)
{
	struct slots_place place = slots_place(index);

	return slots_segment(place.segment) + place.offset;
}

/* The segment is there afterwards, by whomever; false: no memory. */
static bool slots_grow(unsigned segment)
{
	struct wki_ticket_slot *none = NULL, *slots;

	if (slots_segment(segment) != NULL)
		return true;
	slots = wki_allocate_zeroed(NULL, slots_size(segment), 64);
	if (slots == NULL)
		return false;
	pthread_once(&slots_once, slots_draw_key);
	/* TKS-2 release; pairs: TKS-1; weaker: as TKS-1; check: api/ticket_race_test under TSan */
	if (!atomic_cas_release(&slots_segments[segment], &none, slots))
		wki_free(NULL, slots, slots_size(segment), 64);
	return true;
}

/* A slot that was never taken. */
static bool slots_take_fresh(uint32_t *index)
{
	/* TKS-3 relaxed; pairs: none; weaker: not possible; check: unit/collect/ticket_test */
	*index = atomic_load_relaxed(&slots_fresh);
	do {
		if (*index == SLOTS_LIMIT || !slots_grow(slots_place(*index).segment))
			return false;
		/* TKS-4 relaxed; pairs: none; weaker: not possible; check: api/ticket_race_test (its slot is zeroed, and nobody else's) */
	} while (!atomic_cas_relaxed(&slots_fresh, index, *index + 1));
	return true;
}

/* The next number of a slot; false: it is used up. Numbers that are not positive are passed over. */
static bool slots_number(uint32_t index, uint64_t *value)
{
	struct wki_ticket_slot *slot = wki_ticket_slot_at(index);

	while (slot->generation < WKI_TICKET_GENERATIONS) {
		*value = wki_cipher_hide(&slots_cipher, (uint64_t)slot->generation++ << 32 | index);
		if ((int64_t)*value > 0)
			return true;
	}
	return false;
}

bool wki_ticket_take_rcu(struct wki_ticket *ticket)
{
	do {
		if (!wki_ticket_pop_rcu(&slots_free, &ticket->index) && !slots_take_fresh(&ticket->index))
			return false;
	} while (!slots_number(ticket->index, &ticket->value));
	return true;
}

void wki_ticket_give_back(const struct wki_ticket *ticket)
{
	if (wki_ticket_slot_at(ticket->index)->generation < WKI_TICKET_GENERATIONS)
		wki_ticket_push(&slots_free, ticket->index);
}

const struct wki_ticket_slot *wki_ticket_find_slot(uint64_t value)
{
	const struct wki_ticket_slot *slots;
	struct slots_place place;

	if (slots_segment(0) == NULL)
		return NULL; /* there has never been a ticket, and there may be no key */
	place = slots_place((uint32_t)wki_cipher_show(&slots_cipher, value));
	if (place.segment >= SLOTS_SEGMENTS)
		return NULL;
	slots = slots_segment(place.segment);
	return slots == NULL ? NULL : slots + place.offset;
}
