/*
 * collect/ticket.h - slots and records behind tickets
 *
 *	ticket  = cipher(generation, index)        64 bits, positive as a signed number, never 0
 *	slot      at index, never freed: the record that is there, and the next generation
 *	record    a watch of one object: that object's ticket; constant once it can be found
 *
 *	slot    FREE -> TAKEN       popped, or never used before
 *	        TAKEN -> HELD       the record is put there
 *	        HELD -> LEFT        the object died, or another record of it was faster: the record is taken out
 *	        LEFT -> FREE        a grace period later, with the record's memory
 *	        LEFT -> USED UP     instead, if there is no generation left: for ever
 *
 * A lookup compares the whole ticket with the record's own, which leads to one object only: whatever has become of the
 * slot meanwhile, it gets the object for which the ticket was made, or nothing. Generations never wrap, so
 * no two records ever have the same ticket.
 *
 * FREE slots are a stack. A pop is inside a read section, and a slot comes back a grace period after it was
 * taken at the earliest: what the pop has read of the stack's top is still so when its compare-and-swap succeeds.
 *
 * Layer: collect. The functions in this file are the protocol: an explorer drives them as they are.
 */
#ifndef WKI_COLLECT_TICKET_H
#define WKI_COLLECT_TICKET_H

#include "base/atomic.h"
#include "core/watch.h"
#include "reclaim/link.h"

struct wki_control;

struct wki_ticket {
	struct wki_watch watch;
	struct wki_link link;        /* left: limbo */
	struct wki_control *control; /* no unit: for who has found the record in its slot, in that read section */
	uint64_t value;
	uint32_t index;
};

struct wki_ticket_slot {
	WKI_ATOMIC_POINTER(struct wki_ticket) record;
	uint32_t generation; /* the next one; who has taken the slot */
	wki_atomic_u32 next; /* FREE: index + 1 of the slot below, 0: none */
};

#define WKI_TICKET_GENERATIONS UINT32_MAX

struct wki_ticket_stack {
	wki_atomic_u32 top; /* index + 1; 0: empty */
};

/* wki_ticket_slot_at - a slot that has been taken at least once; ticket_slots.c, and the explorer's own */
struct wki_ticket_slot *wki_ticket_slot_at(uint32_t index);

/* wki_ticket_push - the slot is FREE again; by whoever had it, a grace period after it was LEFT */
static inline void wki_ticket_push(struct wki_ticket_stack *stack, uint32_t index)
{
	struct wki_ticket_slot *slot = wki_ticket_slot_at(index);
	/* TKT-1 relaxed; pairs: none; weaker: not possible; check: explore/ticket */
	uint32_t top = atomic_load_relaxed(&stack->top);

	do {
		/* TKT-2 relaxed; pairs: none; weaker: not possible; check: explore/ticket (published by TKT-3) */
		atomic_store_relaxed(&slot->next, top);
		/* TKT-3 release; pairs: TKT-4, TKT-6; weaker: the next one could take the slot with an old generation; check: api/ticket_race_test under TSan */
	} while (!atomic_cas_release(&stack->top, &top, index + 1));
}

/* wki_ticket_pop_rcu - a FREE slot is TAKEN; false: there is none */
static inline bool wki_ticket_pop_rcu(struct wki_ticket_stack *stack, uint32_t *index)
{
	/* TKT-4 acquire; pairs: TKT-3; weaker: `next` could be read as it was before the push; check: explore/ticket */
	uint32_t top = atomic_load_acquire(&stack->top), next;

	while (top != 0) {
		/* TKT-5 relaxed; pairs: none; weaker: not possible; check: explore/ticket (of use only if TKT-6 succeeds) */
		next = atomic_load_relaxed(&wki_ticket_slot_at(top - 1)->next);
		/* TKT-6 acquire; pairs: TKT-3; weaker: as TKT-3; check: api/ticket_race_test under TSan */
		if (atomic_cas_acquire(&stack->top, &top, next)) {
			*index = top - 1;
			return true;
		}
	}
	return false;
}

/* wki_ticket_hold - the slot is HELD by a record that is complete: from now on it can be found */
static inline void wki_ticket_hold(struct wki_ticket *ticket)
{
	/* TKT-7 release; pairs: TKT-9; weaker: a half-made record could be found; check: api/ticket_race_test under TSan */
	atomic_store_release(&wki_ticket_slot_at(ticket->index)->record, ticket);
}

/* wki_ticket_leave - the slot is LEFT: who looks from now on does not find the record */
static inline void wki_ticket_leave(struct wki_ticket *ticket)
{
	/* TKT-8 relaxed; pairs: none; weaker: not possible, the grace period that follows orders it; check: explore/ticket */
	atomic_store_relaxed(&wki_ticket_slot_at(ticket->index)->record, NULL);
}

/*
 * wki_ticket_look_rcu - the record that is in a slot, if it is of that ticket
 *
 * The end of the object's life takes the record out before it draws the grace ticket of block and record: both
 * stay where they are until this section ends.
 */
static inline struct wki_ticket *wki_ticket_look_rcu(const struct wki_ticket_slot *slot, uint64_t value)
{
	/* TKT-9 acquire; pairs: TKT-7; weaker: as TKT-7; check: api/ticket_race_test under TSan */
	struct wki_ticket *ticket = atomic_load_acquire((WKI_ATOMIC_POINTER(struct wki_ticket) *)(uintptr_t)&slot->record);

	return ticket != NULL && ticket->value == value ? ticket : NULL;
}

/* What follows is not the protocol: ticket_slots.c. */

/* wki_ticket_take_rcu - index and value, for a record that is nobody else's yet; false: no memory */
bool wki_ticket_take_rcu(struct wki_ticket *ticket);
/* wki_ticket_give_back - the record has left its slot a grace period ago: the slot is FREE, or used up */
void wki_ticket_give_back(const struct wki_ticket *ticket);
/* wki_ticket_find_slot - where a ticket would be; NULL: there has never been one there */
const struct wki_ticket_slot *wki_ticket_find_slot(uint64_t value);

/* ticket.c: the watch has fired; and a grace period later. */
void wki_ticket_fired(struct wki_watch *watch);
void wki_ticket_free(struct wki_link *link);

#endif
