/*
 * weakref/cell.h, raced: loads against stores, stores against stores, loads against deaths
 *
 * Whatever comes first, what a load gives is whole, each reference is released once, and a cell that is never empty
 * is never found so. Each side's wins are counted: a race that only one side wins tests nothing.
 */
#include "runtime_fixture.h"

#include <sched.h>

#include "support/threads.h"

#define THREADS 4u
#define ROUNDS (THREADS_SANITIZED ? 400u : 1500u)
#define ENOUGH 10u

#define WHOLE 0x600dL
#define BROKEN 0x0badL

struct item {
	long canary; /* plain memory on purpose: ThreadSanitizer sees who breaks it too early */
	unsigned long number;
};

static _Atomic unsigned long destroyed;

static void item_destroy(void *payload)
{
	((struct item *)payload)->canary = BROKEN;
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);
WK_DEFINE_TYPE(prompt_type, struct item, .destroy = item_destroy, .flags = WK_TYPE_PROMPT);

/* Round's state, and who won in all of them. */
static struct {
	wk_cell cell;
	wk_weak_cell weak;
	const wk_type *type;
	struct item *first, *own[THREADS]; /* what the threads may store: one reference each */
	unsigned long made;
	_Atomic unsigned winners;
	_Atomic unsigned long corpses, missing, wrong;
	_Atomic unsigned long early, late, wins[THREADS]; /* who saw the old one, and the new one; who won */
} world;

static struct item *item_new(unsigned long number)
{
	struct item *item = wk_new(world.type);

	item->number = number;
	item->canary = WHOLE;
	world.made++;
	return item;
}

static void use(const struct item *item)
{
	race_add(&world.corpses, item->canary != WHOLE);
	race_add(item->number == 0 ? &world.early : &world.late, true);
}

static void begin(const wk_type *type)
{
	settle(); /* what an earlier race has left is counted there */
	memset(&world, 0, sizeof(world));
	world.type = type;
	atomic_store(&destroyed, 0);
}

static bool saw_both(void *unused)
{
	(void)unused;
	return atomic_load(&world.early) > ENOUGH && atomic_load(&world.late) > ENOUGH;
}

static bool all_won(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < THREADS; i++) {
		if (atomic_load(&world.wins[i]) <= ENOUGH)
			return false;
	}
	return true;
}

/* The race is over: nothing was lost, nothing was broken. */
static void check(const char *name)
{
	settle();
	print_message("%s: early %lu, late %lu, won %lu %lu %lu %lu\n", name, atomic_load(&world.early), atomic_load(&world.late),
		atomic_load(&world.wins[0]), atomic_load(&world.wins[1]), atomic_load(&world.wins[2]), atomic_load(&world.wins[3]));
	assert_int_equal(atomic_load(&destroyed), world.made);
	assert_int_equal(atomic_load(&world.corpses), 0);
	assert_int_equal(atomic_load(&world.missing), 0);
	assert_int_equal(atomic_load(&world.wrong), 0);
}

/*
 * Two threads replace what is there, each by something that it has just written to and that the cell alone
 * keeps; the others load. Who displaces the other's object ends it: after everything its giver did.
 */

static void prepare_replacement(void *unused)
{
	(void)unused;
	wk_cell_give(&world.cell, item_new(0));
	world.own[0] = item_new(1);
	world.own[1] = item_new(2);
}

static void act_load_against_give(void *unused, unsigned thread)
{
	struct item *item;

	(void)unused;
	if (thread < 2) {
		world.own[thread]->canary = WHOLE;
		wk_cell_give(&world.cell, world.own[thread]);
		return;
	}
	item = wk_cell_load(&world.cell);
	race_add(&world.missing, item == NULL);
	if (item != NULL)
		use(item);
	wk_release(item);
}

static void act_peek_against_give(void *unused, unsigned thread)
{
	struct item *item;

	if (thread < 2) {
		act_load_against_give(unused, thread);
		return;
	}
	wk_read_lock();
	item = wk_cell_peek(&world.cell);
	race_add(&world.missing, item == NULL);
	if (item != NULL)
		use(item);
	wk_read_unlock();
}

static void settle_cell(void *unused)
{
	(void)unused;
	wk_cell_clear(&world.cell);
}

static void run(const char *name, const wk_type *type, void (*prepare)(void *), void (*act)(void *, unsigned), void (*after)(void *),
	bool (*decided)(void *))
{
	const struct race race = { THREADS, ROUNDS, prepare, act, after, decided };

	begin(type);
	race_run(&race, NULL);
	check(name);
	assert_true(decided(NULL));
}

static void test_load_against_give(void **state)
{
	(void)state;
	run("load against give", &item_type, prepare_replacement, act_load_against_give, settle_cell, saw_both);
	run("load against give, prompt", &prompt_type, prepare_replacement, act_load_against_give, settle_cell, saw_both);
}

static void test_peek_against_give(void **state)
{
	(void)state;
	run("peek against give", &item_type, prepare_replacement, act_peek_against_give, settle_cell, saw_both);
}

/* All exchange: what each gets, and what is there in the end, is everything that was put in, once. */

static void prepare_own(void *unused)
{
	(void)unused;
	world.first = item_new(0);
	wk_cell_store(&world.cell, world.first);
	for (unsigned i = 0; i < THREADS; i++)
		world.own[i] = item_new(i + 1);
}

static void act_exchange(void *unused, unsigned thread)
{
	struct item *old = wk_cell_exchange(&world.cell, world.own[thread]);

	(void)unused;
	use(old);
	race_add(&world.wins[thread], old == world.first); /* it came first */
	wk_release(old);
}

static void settle_own(void *unused)
{
	(void)unused;
	wk_cell_clear(&world.cell);
	race_add(&world.wrong, wk_strong_count(world.first) != 1);
	wk_release(world.first);
	for (unsigned i = 0; i < THREADS; i++) {
		race_add(&world.wrong, wk_strong_count(world.own[i]) != 1);
		wk_release(world.own[i]);
	}
}

static void test_exchange_against_exchange(void **state)
{
	(void)state;
	run("exchange against exchange", &item_type, prepare_own, act_exchange, settle_own, all_won);
}

static void act_compare_exchange(void *unused, unsigned thread)
{
	bool won = wk_cell_compare_exchange(&world.cell, world.first, world.own[thread]);

	(void)unused;
	race_add(&world.wins[thread], won);
	if (won)
		atomic_fetch_add(&world.winners, 1);
}

static void settle_one_winner(void *unused)
{
	race_add(&world.wrong, atomic_exchange(&world.winners, 0) != 1);
	settle_own(unused);
}

static void test_compare_exchange_has_one_winner(void **state)
{
	(void)state;
	run("compare_exchange", &item_type, prepare_own, act_compare_exchange, settle_one_winner, all_won);
}

/* No update is lost. An attempt that is not the first was overtaken. */

static _Atomic unsigned long attempts;

static void *add_one(void *current, void *context, int *status)
{
	struct item *next = wk_new(&item_type);
	const struct item *item = current;

	(void)context;
	(void)status;
	if (atomic_fetch_add(&attempts, 1) % 16 == 0)
		sched_yield(); /* on a busy machine too, somebody comes between the load and the exchange */
	next->canary = WHOLE;
	next->number = item == NULL ? 1 : item->number + 1;
	return next;
}

#define UPDATES 2000ul

static void update_often(void *unused, unsigned thread)
{
	(void)unused;
	(void)thread;
	for (unsigned long i = 0; i < UPDATES; i++)
		race_add(&world.wrong, wk_cell_update(&world.cell, add_one, NULL) != WK_OK);
}

static void test_no_update_is_lost(void **state)
{
	unsigned runs = 0;
	struct item *item;

	(void)state;
	begin(&item_type);
	do {
		atomic_store(&attempts, 0);
		threads_run(THREADS, update_often, NULL);
		item = wk_cell_load(&world.cell);
		assert_int_equal(item->number, THREADS * UPDATES);
		wk_release(item);
		wk_cell_clear(&world.cell);
	} while (atomic_load(&attempts) == THREADS * UPDATES && ++runs < 100);
	print_message("update: %lu attempts for %lu updates\n", atomic_load(&attempts), THREADS * UPDATES);
	assert_true(atomic_load(&attempts) > THREADS * UPDATES);
	assert_int_equal(atomic_load(&world.wrong), 0);
}

/* Weak cells: thread 0 lets the object die, with or without a successor in the cell. */

static void prepare_weak(void *unused)
{
	(void)unused;
	world.first = item_new(0);
	(void)wk_weak_cell_store(&world.weak, world.first);
}

static void use_weakly(unsigned thread)
{
	struct item *item;
	wk_weak *weak;

	if (thread % 2 == 0) {
		item = wk_weak_cell_load(&world.weak);
	} else {
		weak = wk_weak_cell_load_weak(&world.weak);
		item = wk_upgrade(weak);
		race_add(&world.wrong, weak == NULL || wk_weak_type(weak) != &item_type);
		wk_weak_release(weak);
	}
	if (item != NULL)
		use(item);
	else
		race_add(&world.late, true);
	wk_release(item);
}

static void act_load_against_death(void *unused, unsigned thread)
{
	(void)unused;
	if (thread == 0)
		wk_release(world.first);
	else
		use_weakly(thread);
}

static void settle_weak(void *unused)
{
	(void)unused;
	wk_weak_cell_clear(&world.weak);
}

static void test_weak_load_against_death(void **state)
{
	(void)state;
	run("weak load against death", &item_type, prepare_weak, act_load_against_death, settle_weak, saw_both);
}

/* The cell always refers to something that lives: nobody may find it empty. */

static void prepare_heir(void *unused)
{
	prepare_weak(unused);
	world.own[0] = item_new(1);
}

static void act_load_against_heir(void *unused, unsigned thread)
{
	struct item *item;

	(void)unused;
	if (thread == 0) {
		(void)wk_weak_cell_store(&world.weak, world.own[0]);
		wk_release(world.first);
		return;
	}
	wk_read_lock();
	item = thread == 1 ? wk_weak_cell_peek(&world.weak) : wk_weak_cell_load(&world.weak);
	race_add(&world.missing, item == NULL);
	if (item != NULL)
		use(item);
	wk_read_unlock();
	if (thread != 1)
		wk_release(item);
}

static void settle_heir(void *unused)
{
	settle_weak(unused);
	wk_release(world.own[0]);
}

static void test_weak_load_against_store_and_death(void **state)
{
	(void)state;
	run("weak load against store and death", &item_type, prepare_heir, act_load_against_heir, settle_heir, saw_both);
}

/* The last handle of a dead object is the cell's: clearing it against who is just looking. */

static void prepare_dead(void *unused)
{
	prepare_weak(unused);
	wk_release(world.first);
	race_add(&world.wrong, wk_barrier(WK_NO_TIMEOUT) != WK_OK); /* nothing but the cell's handle is left of it */
}

static void act_handle_against_clear(void *unused, unsigned thread)
{
	wk_weak *weak;

	(void)unused;
	if (thread == 0) {
		wk_weak_cell_clear(&world.weak);
		return;
	}
	weak = wk_weak_cell_load_weak(&world.weak);
	race_add(weak != NULL ? &world.early : &world.late, true);
	race_add(&world.wrong, weak != NULL && (!wk_weak_expired(weak) || wk_weak_type(weak) != &item_type));
	wk_weak_release(weak);
}

static void test_the_last_handle_against_clear(void **state)
{
	(void)state;
	run("handle against clear", &item_type, prepare_dead, act_handle_against_clear, settle_weak, saw_both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_against_give),
		cmocka_unit_test(test_peek_against_give),
		cmocka_unit_test(test_exchange_against_exchange),
		cmocka_unit_test(test_compare_exchange_has_one_winner),
		cmocka_unit_test(test_no_update_is_lost),
		cmocka_unit_test(test_weak_load_against_death),
		cmocka_unit_test(test_weak_load_against_store_and_death),
		cmocka_unit_test(test_the_last_handle_against_clear),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/cell.h, races", tests, runtime_setup, NULL);
}
