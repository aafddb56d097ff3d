/*
 * collect/ticket.h, collect/ticket_slots.c, collect/cipher.h: slots that are used again, and used up
 *
 * The runtime has no threads of its own: a slot comes back when the test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/cipher.h"
#include "collect/ticket.h"
#include "support/threads.h"
#include "weakref.h"

#include <cmocka.h>

struct item {
	unsigned number;
};

WK_DEFINE_TYPE(item_type, struct item, .flags = 0);

/* The published example of Speck64/128. */
static void test_cipher(void **state)
{
	struct wki_cipher cipher;

	(void)state;
	wki_cipher_init(&cipher, UINT64_C(0x0b0a090803020100), UINT64_C(0x1b1a191813121110));
	assert_true(wki_cipher_hide(&cipher, UINT64_C(0x3b7265747475432d)) == UINT64_C(0x8c6fa548454e028b));
	assert_true(wki_cipher_show(&cipher, UINT64_C(0x8c6fa548454e028b)) == UINT64_C(0x3b7265747475432d));
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(wki_cipher_show(&cipher, wki_cipher_hide(&cipher, i << 32 | i)) == (i << 32 | i));
}

/* Everything that has died goes back, slots too. */
static void drain(void)
{
	do
		assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
	while (wk_runtime_poll(SIZE_MAX) > 0);
}

static wk_ticket ticket;
static struct wki_ticket_slot *slot;

/* On a thread of its own: what it has retired is given up at its end. */
static void come_and_go(void *unused)
{
	struct item *item = wk_new(&item_type);

	(void)unused;
	ticket = wk_ticket_of(item, NULL);
	slot = (struct wki_ticket_slot *)(uintptr_t)wki_ticket_find_slot(ticket);
	wk_release(item);
}

static void turn_over(void)
{
	threads_alone(come_and_go, NULL, 0);
	drain();
}

static void test_a_slot_is_used_again_for_another_ticket(void **state)
{
	struct wki_ticket_slot *first;
	wk_ticket old;

	(void)state;
	turn_over();
	first = slot;
	old = ticket;
	turn_over();
	assert_ptr_equal(slot, first);
	assert_int_not_equal(ticket, old);
	assert_null(wk_ticket_get(old, &item_type));
	assert_null(wk_ticket_get(ticket, &item_type));
}

/* In the same slot: the old ticket leads to nothing while the new one leads to its object. */
static void test_a_stale_ticket_does_not_lead_to_its_successor(void **state)
{
	struct item *item, *got;
	wk_ticket old;

	(void)state;
	turn_over();
	old = ticket;
	item = wk_new(&item_type);
	ticket = wk_ticket_of(item, NULL);
	assert_ptr_equal(wki_ticket_find_slot(ticket), slot);
	assert_ptr_equal(wki_ticket_find_slot(old), slot);
	assert_null(wk_ticket_get(old, &item_type));
	assert_null(wk_ticket_weak(old, &item_type));
	got = wk_ticket_get(ticket, &item_type);
	assert_ptr_equal(got, item);
	wk_release_many(item, 2);
}

#define LEFT 20u

static void test_a_used_up_slot_is_never_used_again(void **state)
{
	wk_ticket used[LEFT + 1];
	struct wki_ticket_slot *first;
	unsigned count = 0;

	(void)state;
	turn_over();
	turn_over(); /* the slot that this thread's last test has left may be anywhere: take what is on top now */
	first = slot;
	first->generation = WKI_TICKET_GENERATIONS - LEFT;
	for (turn_over(); slot == first; turn_over()) {
		assert_true(count < LEFT);
		for (unsigned i = 0; i < count; i++)
			assert_int_not_equal(ticket, used[i]);
		used[count++] = ticket;
	}
	assert_int_equal(first->generation, WKI_TICKET_GENERATIONS);
	for (unsigned i = 0; i < 2 * LEFT; i++) {
		turn_over();
		assert_ptr_not_equal(slot, first);
	}
	for (unsigned i = 0; i < count; i++)
		assert_null(wk_ticket_get(used[i], &item_type));
	print_message("%u tickets of the last %u generations\n", count, LEFT);
}

/* Segments hang together: slots of many objects at one time are all different, and those of the dead are used again. */

#define MANY 2500u

static struct item *items[MANY];
static wk_ticket tickets[MANY];

static void test_many_slots(void **state)
{
	struct wki_ticket_slot *seen;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		items[i] = wk_new(&item_type);
		tickets[i] = wk_ticket_of(items[i], NULL);
	}
	for (unsigned i = 0; i < MANY; i++) {
		seen = (struct wki_ticket_slot *)(uintptr_t)wki_ticket_find_slot(tickets[i]);
		assert_ptr_equal(wki_ticket_look_rcu(seen, tickets[i])->control, wk_downgrade(items[i]));
		wk_weak_release((wk_weak *)(void *)wki_ticket_look_rcu(seen, tickets[i])->control);
	}
	for (unsigned i = 0; i < MANY; i++)
		wk_release(items[i]);
}

/* Several ask for an object's ticket at the same time: who comes second has taken a slot in vain, and it goes back. */

static struct {
	struct item *item;
	wk_ticket told[4];
	uint32_t highest; /* index so far */
	unsigned wrong;
	unsigned long lost;
} asking;

static uint32_t index_of(wk_ticket value)
{
	return wki_ticket_look_rcu(wki_ticket_find_slot(value), value)->index;
}

static void note_index(wk_ticket value)
{
	uint32_t index = index_of(value);

	if (index > asking.highest)
		asking.highest = index;
}

static void prepare_asking(void *unused)
{
	(void)unused;
	asking.item = wk_new(&item_type);
}

static void act_ask(void *unused, unsigned thread)
{
	(void)unused;
	asking.told[thread] = wk_ticket_of(asking.item, NULL);
}

/* No slot comes back meanwhile: a round takes one for its object and one for the next, and the others in vain. */
static void settle_asking(void *unused)
{
	struct item *next = wk_new(&item_type);
	wk_ticket last = wk_ticket_of(next, NULL);

	(void)unused;
	asking.lost += index_of(last) > asking.highest + 2;
	note_index(last);
	for (unsigned i = 1; i < 4; i++)
		asking.wrong += asking.told[i] != asking.told[0];
	wk_release(asking.item);
	wk_release(next);
}

static bool asked_in_vain(void *unused)
{
	(void)unused;
	return asking.lost > 10;
}

static void test_first_askers(void **state)
{
	const struct race race = { 4, 20000, prepare_asking, act_ask, settle_asking, asked_in_vain };

	(void)state;
	drain();
	for (unsigned i = 0; i < MANY; i++) { /* more than there are free slots: from here on all are fresh */
		items[i] = wk_new(&item_type);
		note_index(wk_ticket_of(items[i], NULL));
	}
	wki_sched_seed(0x5eed, 2);
	race_run(&race, NULL);
	wki_sched_seed(0, 0);
	print_message("asked in vain in %lu rounds\n", asking.lost);
	assert_int_equal(asking.wrong, 0);
	assert_true(asked_in_vain(NULL));
	for (unsigned i = 0; i < MANY; i++)
		wk_release(items[i]);
	drain();
	ticket = wk_ticket_of(asking.item = wk_new(&item_type), NULL);
	assert_in_range(index_of(ticket), 0, asking.highest); /* they have come back */
	wk_release(asking.item);
}

static int setup(void **state)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = WK_THREAD_NONE };

	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cipher),
		cmocka_unit_test(test_a_slot_is_used_again_for_another_ticket),
		cmocka_unit_test(test_a_stale_ticket_does_not_lead_to_its_successor),
		cmocka_unit_test(test_a_used_up_slot_is_never_used_again),
		cmocka_unit_test(test_many_slots),
		cmocka_unit_test(test_first_askers),
	};

	return cmocka_run_group_tests_name("collect/ticket.h", tests, setup, NULL);
}
