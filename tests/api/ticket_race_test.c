/*
 * weakref/ticket.h, raced: lookups against death, first askers against each other, slots that are used again
 */
#include "runtime_fixture.h"

#include "support/threads.h"

#define THREADS 4u
#define ROUNDS (THREADS_SANITIZED ? 400u : 1500u)
#define ENOUGH 10u

/* Each object knows its ticket: plain memory, written before the ticket is shown to anybody. */
struct item {
	wk_ticket ticket;
	long canary;
};

#define WHOLE 0x600dL
#define BROKEN 0x0badL

static void item_destroy(void *payload)
{
	((struct item *)payload)->canary = BROKEN;
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);

static struct item *item_new(void)
{
	struct item *item = wk_new(&item_type);

	item->canary = WHOLE;
	return item;
}

static struct {
	struct item *item;
	wk_ticket ticket, told[THREADS];
	_Atomic unsigned long got, missed, wrong, revived;
} world;

static bool saw_both(void *unused)
{
	(void)unused;
	return atomic_load(&world.got) > ENOUGH && atomic_load(&world.missed) > ENOUGH;
}

static void check_item(const struct item *item, wk_ticket ticket)
{
	race_add(&world.wrong, item->canary != WHOLE || item->ticket != ticket);
}

/* Lookups, each by its way, against the last release. */

static void prepare_death(void *unused)
{
	(void)unused;
	world.item = item_new();
	world.ticket = world.item->ticket = wk_ticket_of(world.item, NULL);
}

static bool look_up(wk_ticket ticket, unsigned way)
{
	struct item *item = NULL;
	bool found;
	wk_weak *weak;

	switch (way % 3) {
	case 0:
		item = wk_ticket_get(ticket, &item_type);
		break;
	case 1:
		weak = wk_ticket_weak(ticket, &item_type);
		item = wk_upgrade(weak);
		wk_weak_release(weak);
		break;
	default:
		wk_read_lock();
		item = wk_ticket_peek(ticket, &item_type);
		if (item != NULL)
			check_item(item, ticket);
		wk_read_unlock();
		return item != NULL;
	}
	found = item != NULL;
	if (found)
		check_item(item, ticket);
	wk_release(item);
	return found;
}

static void act_death(void *unused, unsigned thread)
{
	bool found;

	(void)unused;
	if (thread == 0) {
		wk_release(world.item);
		return;
	}
	found = look_up(world.ticket, thread);
	race_add(found ? &world.got : &world.missed, true);
	if (!found)
		race_add(&world.revived, look_up(world.ticket, thread + 1));
}

static void settle_death(void *unused)
{
	(void)unused;
	race_add(&world.wrong, look_up(world.ticket, 0));
}

static void test_lookup_against_death(void **state)
{
	const struct race race = { THREADS, ROUNDS, prepare_death, act_death, settle_death, saw_both };

	(void)state;
	memset(&world, 0, sizeof(world));
	race_run(&race, NULL);
	settle();
	print_message("lookup against death: got %lu, missed %lu\n", atomic_load(&world.got), atomic_load(&world.missed));
	assert_int_equal(atomic_load(&world.wrong), 0);
	assert_int_equal(atomic_load(&world.revived), 0);
	assert_true(saw_both(NULL));
}

/* All ask for the first time: all are told the same. */

static void prepare_asking(void *unused)
{
	(void)unused;
	world.item = item_new();
}

static void act_ask(void *unused, unsigned thread)
{
	(void)unused;
	world.told[thread] = wk_ticket_of(world.item, NULL);
}

static void settle_asking(void *unused)
{
	struct item *item = wk_ticket_get(world.told[0], &item_type);

	(void)unused;
	race_add(&world.wrong, item != world.item);
	for (unsigned i = 1; i < THREADS; i++)
		race_add(&world.wrong, world.told[i] != world.told[0]);
	wk_release(item);
	wk_release(world.item);
}

static void test_first_askers(void **state)
{
	const struct race race = { THREADS, ROUNDS, prepare_asking, act_ask, settle_asking, NULL };

	(void)state;
	memset(&world, 0, sizeof(world));
	race_run(&race, NULL);
	assert_int_equal(atomic_load(&world.wrong), 0);
}

/*
 * Churn: objects come and go, and their slots with them, while everybody looks up tickets that were shown a moment or
 * long ago, when their slots have other tickets. What is found is what the ticket was made for.
 */

#define RECENT 64u
#define OLD 4096u
#define TURNS (THREADS_SANITIZED ? 8000u : 20000u)

static _Atomic wk_ticket recent[RECENT], old[OLD];

static unsigned roll(uint64_t *dice, unsigned limit)
{
	*dice = *dice * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*dice >> 40) % limit;
}

static void show(_Atomic wk_ticket *place, wk_ticket ticket)
{
	atomic_store_explicit(place, ticket, memory_order_release);
}

static wk_ticket seen(_Atomic wk_ticket *place)
{
	return atomic_load_explicit(place, memory_order_acquire);
}

static void churn(void *unused, unsigned thread)
{
	struct item *mine[4] = { NULL };
	uint64_t dice = 88172645463325252u + thread;

	(void)unused;
	for (unsigned turn = 0; turn < TURNS; turn++) {
		struct item **place = &mine[turn % 4];
		wk_ticket ticket;

		wk_release(*place);
		*place = item_new();
		ticket = (*place)->ticket = wk_ticket_of(*place, NULL);
		show(&recent[roll(&dice, RECENT)], ticket);
		show(&old[roll(&dice, OLD)], ticket);
		ticket = turn % 2 == 0 ? seen(&recent[roll(&dice, RECENT)]) : seen(&old[roll(&dice, OLD)]);
		race_add(look_up(ticket, turn / 2) ? &world.got : &world.missed, true);
	}
	for (unsigned i = 0; i < 4; i++)
		wk_release(mine[i]);
}

static void test_lookup_against_reuse(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	threads_run(THREADS, churn, NULL);
	print_message("churn: got %lu, missed %lu\n", atomic_load(&world.got), atomic_load(&world.missed));
	assert_int_equal(atomic_load(&world.wrong), 0);
	assert_true(saw_both(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup_against_death),
		cmocka_unit_test(test_first_askers),
		cmocka_unit_test(test_lookup_against_reuse),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/ticket.h, races", tests, runtime_setup, NULL);
}
