/*
 * ticket_explore.c - slots and records of tickets (collect/ticket.h) under every schedule
 *
 * Objects come, get a ticket in one of a few slots, and die; others look tickets up, also those of the dead. A
 * ticket is the generation above the slot's index, in clear. Records and objects are really freed, slots never.
 */
#include "collect/ticket.h"
#include "core/count.h"
#include "explorer.h"

#define SLOTS 8u
#define OBJECTS 4u

enum bug {
	NO_BUG,
	BACK_AT_ONCE,   /* a slot is free before the grace period is over */
	POPPED_OUTSIDE, /* a pop has no read section */
	NOT_COMPARED,   /* a lookup takes what is in the slot */
	NOT_TAKEN_OUT,  /* the record stays in its slot when it is retired */
	FREED_AT_ONCE,  /* a record is freed without a grace period */
	GENERATION_KEPT /* the next ticket of a slot has the same generation */
};

struct object {
	struct wki_count count;
	struct wki_ticket *ticket;
	unsigned number;
};

static struct {
	struct wki_ticket_slot slot[SLOTS];
	struct wki_ticket_stack stack;
	wki_atomic_u64 ticket[OBJECTS]; /* + 1, of who has come */
	struct object *object[OBJECTS];
	wki_atomic_u32 fresh; /* the first slot that was never taken */
} *world;

static enum bug bug;

struct wki_ticket_slot *wki_ticket_slot_at(uint32_t index)
{
	EXPLORE_CHECK(index < SLOTS);
	return &world->slot[index];
}

static struct object *object_of(struct wki_control *control)
{
	return (struct object *)(void *)control;
}

/* Coming. */

static void take(struct wki_ticket *ticket)
{
	struct wki_ticket_slot *slot;

	if (!wki_ticket_pop_rcu(&world->stack, &ticket->index))
		ticket->index = atomic_fetch_add_relaxed(&world->fresh, 1);
	slot = wki_ticket_slot_at(ticket->index);
	EXPLORE_CHECK(atomic_load_relaxed(&slot->record) == NULL);
	ticket->value = (uint64_t)slot->generation << 32 | ticket->index;
	if (bug != GENERATION_KEPT)
		slot->generation++;
}

static void come(intptr_t number)
{
	struct object *object = explore_zeroed(sizeof(*object), "object");
	struct wki_ticket *ticket = explore_zeroed(sizeof(*ticket), "record");

	wki_count_init(&object->count, 0);
	object->number = (unsigned)number;
	object->ticket = ticket;
	world->object[number] = object;
	if (bug != POPPED_OUTSIDE)
		explore_read_lock();
	take(ticket);
	wki_watch_init(&ticket->watch, 0, 1);
	ticket->control = (struct wki_control *)(void *)object;
	wki_ticket_hold(ticket);
	if (bug != POPPED_OUTSIDE)
		explore_read_unlock();
	atomic_store_release(&world->ticket[number], ticket->value + 1);
}

/* Going. */

static void give_back(void *memory)
{
	struct wki_ticket *ticket = memory;

	if (bug != BACK_AT_ONCE)
		wki_ticket_push(&world->stack, ticket->index);
	explore_free(ticket);
}

static void retire(struct wki_ticket *ticket)
{
	if (bug != NOT_TAKEN_OUT)
		wki_ticket_leave(ticket);
	if (bug == BACK_AT_ONCE)
		wki_ticket_push(&world->stack, ticket->index);
	if (bug == FREED_AT_ONCE)
		give_back(ticket);
	else
		explore_retire(ticket, give_back);
}

static void settle(void *memory)
{
	struct object *object = memory;

	if (wki_count_drop_strong_side(&object->count))
		explore_free(object);
}

static void release(struct object *object)
{
	uint64_t before = wki_count_release(&object->count, 1);
	bool won;

	if (wki_strong_count(before) != 1)
		return;
	explore_read_lock();
	won = wki_count_decide(&object->count, before);
	if (won && wki_watch_move(&object->ticket->watch, WKI_WATCH_LIVE, WKI_WATCH_FIRED))
		retire(object->ticket);
	explore_read_unlock();
	if (won)
		explore_retire(object, settle);
	else if (wki_count_drop_unit(&object->count))
		explore_free(object);
}

static void go(intptr_t number)
{
	release(world->object[number]);
}

/* Looking. */

static struct wki_ticket *look(const struct wki_ticket_slot *slot, uint64_t value)
{
	if (bug != NOT_COMPARED)
		return wki_ticket_look_rcu(slot, value);
	return atomic_load_acquire((WKI_ATOMIC_POINTER(struct wki_ticket) *)(uintptr_t)&slot->record);
}

static void look_up(intptr_t number)
{
	uint64_t value = atomic_load_acquire(&world->ticket[number]);
	struct object *object = NULL;
	struct wki_ticket *ticket;

	if (value-- == 0)
		return;
	explore_read_lock();
	ticket = look(&world->slot[value & UINT32_MAX], value);
	if (ticket != NULL) {
		explore_touch(ticket);
		object = object_of(ticket->control);
		if ((wki_count_upgrade(&object->count) & WKI_STRONG_DEAD) != 0)
			object = NULL;
	}
	explore_read_unlock();
	if (object == NULL)
		return;
	explore_touch(object);
	EXPLORE_CHECK(object->number == (unsigned)number);
	release(object);
}

/* The set-up: so many free slots, so many objects that are there already. */

#define WORLD(slots, objects, planted) ((slots) + 10 * (objects) + 100 * (planted))

static void set_up(intptr_t argument)
{
	bug = NO_BUG;
	world = explore_zeroed(sizeof(*world), "world");
	explore_label(&world->stack.top, "top");
	explore_label(&world->slot[0].record, "slot 0");
	explore_label(&world->slot[1].record, "slot 1");
	atomic_store_relaxed(&world->fresh, (uint32_t)argument % 10);
	for (uint32_t index = (uint32_t)argument % 10; index-- > 0;)
		wki_ticket_push(&world->stack, index);
	for (intptr_t number = 0; number < argument / 10 % 10; number++)
		come(number);
	bug = (enum bug)(argument / 100);
}

/* All are dead: every slot is free, and in the stack once. */
static void finish(void)
{
	uint32_t left = atomic_load_relaxed(&world->fresh), index;
	bool seen[SLOTS] = { false };

	for (; wki_ticket_pop_rcu(&world->stack, &index); left--) {
		EXPLORE_CHECK(left > 0 && !seen[index]);
		EXPLORE_CHECK(atomic_load_relaxed(&world->slot[index].record) == NULL);
		seen[index] = true;
	}
	EXPLORE_CHECK(left == 0);
	explore_free(world);
}

#define COME(i) EXPLORE_DO(come, i)
#define GO(i) EXPLORE_DO(go, i)
#define LOOK(i) EXPLORE_DO(look_up, i)
#define IN(slots, objects) .set_up = set_up, .argument = WORLD(slots, objects, NO_BUG), .finish = finish
#define PLANTED(how, slots, objects, message) \
	.set_up = set_up, .argument = WORLD(slots, objects, how), .finish = finish, .planted = (message)

static const struct explore_scenario scenarios[] = {
	{ .name = "death, look", .thread = { { GO(0) }, { LOOK(0) } }, IN(1, 1), .how = EXPLORE_EVERY },
	{ .name = "death and successor, look at the old one", .thread = { { GO(0), COME(1), GO(1) }, { LOOK(0), LOOK(0) } }, IN(2, 1) },
	{ .name = "death and successor, look at both", .thread = { { GO(0), COME(1), GO(1) }, { LOOK(1), LOOK(0) } }, IN(2, 1) },
	{ .name = "two come and go", .thread = { { COME(0), GO(0), COME(2), GO(2) }, { COME(1), GO(1), COME(3), GO(3) } }, IN(1, 0), .how = EXPLORE_BOUNDED, .preemptions = 3 },
	{ .name = "come against two that come and one that goes", .thread = { { COME(0), COME(3), GO(0), GO(3) }, { COME(1), COME(2), GO(1), GO(2) } }, IN(2, 0), .how = EXPLORE_BOUNDED, .preemptions = 3 },
	{ .name = "come, look and go", .thread = { { COME(0), LOOK(1), GO(0) }, { COME(1), LOOK(0), GO(1) } }, IN(2, 0) },
	{ .name = "three: death, look, look", .thread = { { GO(0) }, { LOOK(0) }, { LOOK(0) } }, IN(1, 1), .how = EXPLORE_BOUNDED, .preemptions = 3 },
	{ .name = "three: death and successor, death, look", .thread = { { GO(0), COME(2), GO(2) }, { GO(1) }, { LOOK(0) } }, IN(3, 2), .how = EXPLORE_BOUNDED, .preemptions = 2 },
	{ .name = "planted: back at once", .thread = { { COME(0), COME(3), GO(0), GO(3) }, { COME(1), COME(2), GO(1), GO(2) } }, PLANTED(BACK_AT_ONCE, 2, 0, "check failed") },
	{ .name = "planted: popped outside of a read section", .thread = { { COME(0), COME(3), GO(0), GO(3) }, { COME(1), COME(2), GO(1), GO(2) } }, PLANTED(POPPED_OUTSIDE, 2, 0, "check failed") },
	{ .name = "planted: not compared", .thread = { { GO(0), COME(1), GO(1) }, { LOOK(0) } }, PLANTED(NOT_COMPARED, 1, 1, "check failed") },
	{ .name = "planted: not taken out", .thread = { { GO(0) }, { LOOK(0) } }, PLANTED(NOT_TAKEN_OUT, 1, 1, "check failed") },
	{ .name = "planted: a record freed at once", .thread = { { GO(0) }, { LOOK(0) } }, PLANTED(FREED_AT_ONCE, 1, 1, "freed") },
	{ .name = "planted: a generation kept", .thread = { { GO(0), COME(1), GO(1), COME(2), GO(2) }, { LOOK(1) } }, PLANTED(GENERATION_KEPT, 1, 1, "check failed") },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
