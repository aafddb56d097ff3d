/*
 * weakref/weak.h and the counts behind it, raced: upgrades, releases, downgrades, handles given up
 *
 * Whatever comes first, an object is destroyed exactly once, nobody holds it then, and an upgrade that
 * has failed stays failed. Each side's wins are counted: a race that only one side wins tests nothing.
 */
#include "runtime_fixture.h"

#include "support/threads.h"

#define THREADS_MAX 8
#define ALIVE 0x600dL
#define DESTROYED 0x0badL

struct item {
	_Atomic long canary;
	_Atomic unsigned *destroys;
};

static void item_destroy(void *payload)
{
	struct item *item = payload;

	atomic_store(&item->canary, DESTROYED);
	atomic_fetch_add(item->destroys, 1);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);

/* One round's object, and what went wrong and who won in all of them. */
struct contest {
	struct item *item;
	wk_weak *weak;
	_Atomic unsigned destroys;
	_Atomic unsigned round_upgrades, round_failures;
	unsigned long rounds;
	_Atomic unsigned long corpses;  /* strong references to what is destroyed */
	_Atomic unsigned long revivals; /* upgrades after one that failed */
	_Atomic unsigned long upgraded, missed; /* rounds in which some upgrade did, and did not, come in time */
};

static void contest_prepare(void *context)
{
	struct contest *contest = context;

	contest->item = wk_new(&item_type);
	atomic_store(&contest->item->canary, ALIVE);
	contest->item->destroys = &contest->destroys;
	contest->weak = wk_downgrade(contest->item);
	contest->rounds++;
}

static void contest_settle(void *context)
{
	struct contest *contest = context;

	race_add(&contest->upgraded, atomic_exchange(&contest->round_upgrades, 0) != 0);
	race_add(&contest->missed, atomic_exchange(&contest->round_failures, 0) != 0);
	wk_weak_release(contest->weak);
}

static bool contest_decided(void *context)
{
	struct contest *contest = context;

	return atomic_load(&contest->upgraded) > 10 && atomic_load(&contest->missed) > 10;
}

static void contest_use(struct contest *contest, struct item *item)
{
	race_add(&contest->corpses, atomic_load(&item->canary) != ALIVE);
	atomic_fetch_add(&contest->round_upgrades, 1);
	wk_release(item);
}

/* Upgrade until it fails once; then it has to fail for good. */
static void contest_upgrade(struct contest *contest, unsigned times)
{
	struct item *item;

	for (; times > 0 && (item = wk_upgrade(contest->weak)) != NULL; times--)
		contest_use(contest, item);
	if (times == 0)
		return;
	atomic_fetch_add(&contest->round_failures, 1);
	item = wk_upgrade(contest->weak);
	race_add(&contest->revivals, item != NULL || !wk_weak_expired(contest->weak));
	wk_release(item);
}

static void contest_check(const char *name, const struct race *race, struct contest *contest)
{
	race_run(race, contest);
	settle();
	print_message("%s, %u threads: upgraded in %lu, missed in %lu of %lu rounds\n", name, race->threads,
		atomic_load(&contest->upgraded), atomic_load(&contest->missed), contest->rounds);
	assert_int_equal(atomic_load(&contest->destroys), contest->rounds);
	assert_int_equal(atomic_load(&contest->corpses), 0);
	assert_int_equal(atomic_load(&contest->revivals), 0);
	assert_true(contest_decided(contest));
}

static const unsigned team_sizes[] = { 2, 4, 8 };
#define TEAM_SIZES (sizeof(team_sizes) / sizeof(team_sizes[0]))

static void contest_run(const char *name, void (*act)(void *context, unsigned thread))
{
	struct race race = { 0, 0, contest_prepare, act, contest_settle, contest_decided };
	struct contest contest;
	size_t i;

	for (i = 0; i < TEAM_SIZES; i++) {
		race.threads = team_sizes[i];
		race.rounds = 4000 / team_sizes[i] / (THREADS_SANITIZED ? 4 : 1);
		contest = (struct contest){ 0 };
		contest_check(name, &race, &contest);
	}
}

/* Promise 1: upgrade against the last release. */
static void act_release_or_upgrade(void *context, unsigned thread)
{
	struct contest *contest = context;

	if (thread == 0)
		wk_release(contest->item);
	else
		contest_upgrade(contest, 1);
}

static void test_promise_1_upgrade_against_last_release(void **state)
{
	(void)state;
	contest_run("upgrade against release", act_release_or_upgrade);
}

/* Promise 1: every release may bring the count to zero, every upgrade revive it; exactly one decider wins. */
static void act_many_deciders(void *context, unsigned thread)
{
	struct contest *contest = context;

	if (thread == 0)
		wk_release(contest->item);
	contest_upgrade(contest, 6);
}

static void test_promise_1_one_of_many_deciders_wins(void **state)
{
	(void)state;
	contest_run("many deciders", act_many_deciders);
}

/* Handles that come and go while the object dies: the control block goes with the last of all. */
static void act_handles(void *context, unsigned thread)
{
	struct contest *contest = context;
	wk_weak *own = wk_weak_retain(contest->weak);

	if (thread == 0)
		wk_release(contest->item);
	contest_upgrade(contest, 2);
	wk_weak_release(own);
}

static void test_handles_against_death(void **state)
{
	(void)state;
	contest_run("handles", act_handles);
}

/*
 * Downgrades, each by an owner of a strong reference that it gives up right after, and the upgrade
 * of what the downgrade gave: the first handle of all may be made beside the last release.
 */

static void downgrade_prepare(void *context)
{
	struct contest *contest = context;

	contest_prepare(context);
	wk_weak_release(contest->weak);
	contest->weak = NULL;
	wk_retain_many(contest->item, THREADS_MAX - 1);
}

static void act_downgrade(void *context, unsigned thread)
{
	struct contest *contest = context;
	struct item *item = contest->item;
	wk_weak *weak;

	if (thread == 0) {
		wk_release(item);
		return;
	}
	weak = wk_downgrade(item);
	wk_release(item);
	item = wk_upgrade(weak);
	if (item != NULL)
		contest_use(contest, item);
	else
		atomic_fetch_add(&contest->round_failures, 1);
	wk_weak_release(weak);
}

static void test_downgrade_against_release(void **state)
{
	const struct race race = { THREADS_MAX, THREADS_SANITIZED ? 200 : 500, downgrade_prepare, act_downgrade,
		contest_settle, contest_decided };
	struct contest contest = { 0 };

	(void)state;
	contest_check("downgrade", &race, &contest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_1_upgrade_against_last_release),
		cmocka_unit_test(test_promise_1_one_of_many_deciders_wins),
		cmocka_unit_test(test_handles_against_death),
		cmocka_unit_test(test_downgrade_against_release),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
