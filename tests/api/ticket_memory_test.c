/*
 * weakref/ticket.h: what happens when there is no memory, and that a ticket's memory goes back with its object
 *
 * Scenarios run on a thread of their own, so that what it has retired is given up at its end. The runtime has no
 * threads of its own. What is kept for good is slots, once for as many tickets as there were at one time.
 */
#include "runtime_fixture.h"

#include "support/memory.h"
#include "support/threads.h"

static struct memory memory;
static const wk_allocator allocator = { memory_allocate, memory_release, &memory };

struct item {
	unsigned number;
};

WK_DEFINE_TYPE(item_type, struct item, .flags = 0);

static unsigned long wrong, failures;

static void expect(bool holds)
{
	wrong += !holds;
}

/* Each allocation of one wk_ticket_of fails in turn. */
static wk_ticket ask_until_it_works(struct item *item)
{
	unsigned long site = 0;
	wk_ticket ticket;
	long blocks;
	int status;

	do {
		blocks = atomic_load(&memory.blocks);
		memory_fail_at(&memory, ++site);
		ticket = wk_ticket_of(item, &status);
		memory_fail_at(&memory, 0);
		expect(status == (ticket != 0 ? WK_OK : WK_ENOMEM));
		if (ticket != 0)
			break;
		failures++;
		expect(atomic_load(&memory.blocks) == blocks);
		expect(wk_is_unique(item));
	} while (site < 10);
	return ticket;
}

/* More than the first slots hold. */
#define MANY 300u

static struct item *items[MANY];
static wk_ticket tickets[MANY];

static void ask_without_memory(void *unused)
{
	(void)unused;
	expect(wk_thread_prepare() == WK_OK);
	for (unsigned i = 0; i < MANY; i++) {
		items[i] = wk_new(&item_type);
		tickets[i] = ask_until_it_works(items[i]);
	}
	for (unsigned i = 0; i < MANY; i++) {
		WK_AUTO struct item *got = wk_ticket_get(tickets[i], &item_type);

		expect(got == items[i]);
	}
	for (unsigned i = 0; i < MANY; i++)
		wk_release(items[i]);
}

static void drain(void)
{
	do
		settle();
	while (wk_runtime_poll(SIZE_MAX) > 0);
}

static void test_promise_20_no_memory_for_tickets(void **state)
{
	(void)state;
	failures = wrong = 0;
	threads_alone(ask_without_memory, NULL, 0);
	assert_int_equal(wrong, 0);
	assert_int_equal(failures, MANY + 2); /* a record each; twice, slots */
	drain();
}

static void ask_and_look(void *unused)
{
	struct item *item = wk_new(&item_type), *got;
	wk_ticket ticket = wk_ticket_of(item, NULL);
	unsigned long calls = atomic_load(&memory.calls);

	(void)unused;
	for (unsigned i = 0; i < 100; i++) {
		expect(wk_ticket_of(item, NULL) == ticket);
		got = wk_ticket_get(ticket, &item_type);
		expect(got == item);
		wk_release(got);
		wk_weak_release(wk_ticket_weak(ticket, &item_type));
	}
	expect(atomic_load(&memory.calls) == calls);
	wk_release(item);
}

static void test_lookups_allocate_nothing(void **state)
{
	long blocks;

	(void)state;
	wrong = 0;
	drain();
	blocks = atomic_load(&memory.blocks);
	threads_alone(ask_and_look, NULL, 0);
	drain();
	assert_int_equal(wrong, 0);
	assert_int_equal(atomic_load(&memory.blocks), blocks);
	assert_int_equal(memory.wrong, 0);
}

static int setup(void **state)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = WK_THREAD_NONE, .allocator = &allocator };

	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_20_no_memory_for_tickets),
		cmocka_unit_test(test_lookups_allocate_nothing),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/ticket.h, memory", tests, setup, NULL);
}
