/*
 * core/watch.h: an object's watch list
 *
 * All watches stay in memory for the whole test, so that a wrong step is seen in what it leaves behind. What
 * frees them too early is for the explorer to find, and for the tests of those who embed them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sched.h>

#include <cmocka.h>

#include "core/watch.h"
#include "support/threads.h"

#define WATCHES 4096u
#define FLAGS UINT32_C(0x5f) /* what others keep in the same word */

struct watched {
	struct wki_watch watch;
	_Atomic unsigned fired, left;
};

static struct watched watches[WATCHES];

static struct watched *watched_of(struct wki_watch *watch)
{
	return (struct watched *)(void *)watch;
}

static void leave(struct wki_watch *watch)
{
	atomic_fetch_add(&watched_of(watch)->left, 1);
}

static void init(unsigned first, unsigned count)
{
	unsigned i;

	for (i = first; i < first + count; i++) {
		wki_watch_init(&watches[i].watch, 3, 2);
		atomic_store(&watches[i].fired, 0);
		atomic_store(&watches[i].left, 0);
	}
}

static void push(wki_watch_head *head, unsigned first, unsigned count)
{
	unsigned i;

	init(first, count);
	for (i = first; i < first + count; i++)
		wki_watch_push(head, &watches[i].watch);
}

/* What ending.c does at death. */
static void fire(wki_watch_head *head)
{
	struct wki_watch *watch, *next;

	for (watch = wki_watch_take(head); watch != NULL; watch = next) {
		next = wki_watch_next(watch);
		if (wki_watch_move(watch, WKI_WATCH_LIVE, WKI_WATCH_FIRED))
			atomic_fetch_add(&watched_of(watch)->fired, 1);
		else if (wki_watch_move(watch, WKI_WATCH_REMOVED, WKI_WATCH_RETIRED))
			leave(watch);
	}
}

/* What ending.c does for who has removed a watch. */
static void unwatch(wki_watch_head *head, wki_atomic_u32 *meta)
{
	if (wki_watch_littered(meta))
		wki_watch_prune(head, meta, leave);
}

static unsigned length(const wki_watch_head *head)
{
	struct wki_watch *watch;
	unsigned count = 0;

	for (watch = wki_watch_first(head); watch != NULL; watch = wki_watch_next(watch))
		count++;
	return count;
}

static bool remove_watch(unsigned which)
{
	return wki_watch_move(&watches[which].watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED);
}

static void test_newest_first(void **state)
{
	wki_watch_head head = NULL;
	struct wki_watch *watch;
	unsigned i;

	(void)state;
	assert_null(wki_watch_take(&head));
	push(&head, 0, 5);
	watch = wki_watch_take(&head);
	for (i = 5; i-- > 0; watch = wki_watch_next(watch)) {
		assert_ptr_equal(watch, &watches[i].watch);
		assert_int_equal(watch->kind, 3);
		assert_int_equal(wki_watch_state(watch), WKI_WATCH_LIVE);
	}
	assert_null(watch);
	assert_null(wki_watch_first(&head));
}

static void test_one_step_has_one_winner(void **state)
{
	(void)state;
	init(0, 1);
	assert_true(remove_watch(0));
	assert_false(remove_watch(0));
	assert_false(wki_watch_move(&watches[0].watch, WKI_WATCH_LIVE, WKI_WATCH_FIRED));
	assert_true(wki_watch_move(&watches[0].watch, WKI_WATCH_REMOVED, WKI_WATCH_RETIRED));
	assert_false(wki_watch_move(&watches[0].watch, WKI_WATCH_REMOVED, WKI_WATCH_RETIRED));
	assert_false(wki_watch_drop_hold(&watches[0].watch));
	assert_true(wki_watch_drop_hold(&watches[0].watch));
}

static void test_push_only_where_nothing_is_new(void **state)
{
	wki_watch_head head = NULL;
	struct wki_watch *first;

	(void)state;
	push(&head, 0, 1);
	init(1, 2);
	first = wki_watch_first(&head);
	wki_watch_push(&head, &watches[1].watch);
	assert_false(wki_watch_try_push(&head, &first, &watches[2].watch));
	assert_ptr_equal(first, &watches[1].watch);
	assert_true(wki_watch_try_push(&head, &first, &watches[2].watch));
	assert_ptr_equal(wki_watch_first(&head), &watches[2].watch);
	assert_ptr_equal(wki_watch_next(&watches[2].watch), &watches[1].watch);
	assert_int_equal(length(&head), 3);
}

/* A prune takes out what was removed, wherever it stands, keeps the order of the rest, and resets the litter. */
static void test_prune(void **state)
{
	const unsigned removed[] = { 0, 3, 4, 9 }, kept[] = { 8, 7, 6, 5, 2, 1 };
	wki_watch_head head = NULL;
	wki_atomic_u32 meta = FLAGS;
	struct wki_watch *watch;
	size_t i;

	(void)state;
	push(&head, 0, 10);
	for (i = 0; i < 4; i++) {
		assert_true(remove_watch(removed[i]));
		assert_false(wki_watch_littered(&meta));
	}
	wki_watch_prune(&head, &meta, leave);
	for (i = 0; i < 4; i++) {
		assert_int_equal(wki_watch_state(&watches[removed[i]].watch), WKI_WATCH_RETIRED);
		assert_int_equal(atomic_load(&watches[removed[i]].left), 1);
	}
	for (i = 0, watch = wki_watch_first(&head); i < 6; i++, watch = wki_watch_next(watch)) {
		assert_ptr_equal(watch, &watches[kept[i]].watch);
		assert_int_equal(atomic_load(&watches[kept[i]].left), 0);
	}
	assert_null(watch);
	assert_int_equal(atomic_load(&meta) & FLAGS, FLAGS);
	assert_int_equal(atomic_load(&meta) & (WKI_META_PRUNING | WKI_META_GARBAGE_MASK), 0);
}

/* A prune that finds something new in front of the first watch leaves that for later. */
static void test_unlink_at_the_front(void **state)
{
	wki_watch_head head = NULL;

	(void)state;
	push(&head, 0, 2);
	assert_true(remove_watch(1));
	push(&head, 2, 1);
	assert_false(wki_watch_unlink(&head, NULL, &watches[1].watch, wki_watch_next(&watches[1].watch)));
	assert_ptr_equal(wki_watch_first(&head), &watches[2].watch);
	assert_int_equal(length(&head), 3);
	assert_true(wki_watch_unlink(&head, &watches[2].watch, &watches[1].watch, wki_watch_next(&watches[1].watch)));
	assert_int_equal(length(&head), 2);
	assert_true(wki_watch_unlink(&head, NULL, &watches[2].watch, wki_watch_next(&watches[2].watch)));
	assert_ptr_equal(wki_watch_first(&head), &watches[0].watch);
}

/* The litter that starts a prune grows with what is alive: an eighth watch for short lists, half of a long one. */
static unsigned litter_until_due(unsigned alive)
{
	wki_watch_head head = NULL;
	wki_atomic_u32 meta = FLAGS;
	unsigned litter = 1;

	push(&head, 0, alive);
	wki_watch_prune(&head, &meta, leave);
	while (!wki_watch_littered(&meta))
		litter++;
	assert_int_equal(atomic_load(&meta) & FLAGS, FLAGS);
	return litter;
}

static void test_when_a_prune_is_due(void **state)
{
	(void)state;
	assert_int_equal(litter_until_due(0), 8);
	assert_int_equal(litter_until_due(8), 8);
	assert_in_range(litter_until_due(100), 100, 200);
	assert_in_range(litter_until_due(4000), 4000, 8000);
}

static void test_one_prune_at_a_time(void **state)
{
	wki_watch_head head = NULL;
	wki_atomic_u32 meta = WKI_META_PRUNING; /* somebody is at it, or was stopped in it */

	(void)state;
	push(&head, 0, 20);
	assert_true(remove_watch(5));
	wki_watch_prune(&head, &meta, leave);
	assert_int_equal(length(&head), 20);
	assert_int_equal(atomic_load(&meta), WKI_META_PRUNING);
	assert_false(wki_watch_littered(&meta));
	fire(&head); /* the end of life does not wait for it */
	assert_int_equal(atomic_load(&watches[5].left), 1);
	assert_int_equal(atomic_load(&watches[6].fired), 1);
}

/* Who must not leave litter behind meets a prune that has passed his watch, or that cannot take it from the beginning. */

static wki_watch_head met_head;
static wki_atomic_u32 met_meta;
static unsigned met_removes, met_pushes; /* what is done beside the prune when the first watch leaves; WATCHES: nothing */

static void leave_and_meet(struct wki_watch *watch)
{
	unsigned removes = met_removes;

	leave(watch);
	met_removes = WATCHES;
	if (removes == WATCHES)
		return;
	assert_true(remove_watch(removes));
	if (met_pushes != WATCHES)
		push(&met_head, met_pushes, 1);
	wki_watch_prune_surely(&met_head, &met_meta, leave_and_meet);
}

static void meet(unsigned removed, unsigned removes, unsigned pushes)
{
	atomic_store(&met_meta, FLAGS);
	atomic_store(&met_head, NULL);
	push(&met_head, 0, 10);
	met_removes = removes;
	met_pushes = pushes;
	assert_true(remove_watch(removed));
	wki_watch_prune(&met_head, &met_meta, leave_and_meet);
	assert_int_equal(atomic_load(&watches[removed].left), 1);
	assert_int_equal(atomic_load(&watches[removes].left), 1);
	assert_int_equal(length(&met_head), pushes == WATCHES ? 8 : 9);
	assert_int_equal(atomic_load(&met_meta) & (FLAGS | WKI_META_PRUNING | WKI_META_AGAIN), FLAGS);
}

static void test_what_must_leave_leaves(void **state)
{
	(void)state;
	meet(5, 8, WATCHES); /* it stands before the one at hand */
	meet(5, 9, WATCHES); /* at the list's beginning */
	meet(5, 9, 10);      /* which is another one by then */
	meet(5, 2, WATCHES); /* behind it */
}

/* A long life: the list stays as short as what is alive on it, give or take the litter. */
static void test_lists_stay_short(void **state)
{
	wki_watch_head head = NULL;
	wki_atomic_u32 meta = 0;
	unsigned i, longest = 0, now;

	(void)state;
	push(&head, 0, 10);
	for (i = 10; i < WATCHES; i++) {
		push(&head, i, 1);
		assert_true(remove_watch(i - 10));
		unwatch(&head, &meta);
		now = length(&head);
		longest = now > longest ? now : longest;
	}
	assert_in_range(longest, 10, 10 + 16 + 1);
	fire(&head);
	for (i = 0; i < WATCHES; i++)
		assert_int_equal(atomic_load(&watches[i].fired) + atomic_load(&watches[i].left), 1);
}

/*
 * Pushers, removers and pruners, then death beside removers and pruners: each watch is fired once, or removed
 * and has left the list once; whoever removed it knew.
 */

#define WORKERS 4
#define PER_WORKER (WATCHES / 8 / WORKERS)

struct list_race {
	wki_watch_head head;
	wki_atomic_u32 meta;
	struct gate gate;
	_Atomic unsigned long removed[2], fired; /* by workers, before and during the death; by the death */
	_Atomic unsigned long wrong;
};

static void list_prepare(void *context)
{
	struct list_race *race = context;

	atomic_store(&race->head, NULL);
	atomic_store(&race->meta, FLAGS);
	init(0, WORKERS * PER_WORKER);
}

static void list_act(void *context, unsigned thread)
{
	struct list_race *race = context;
	unsigned first = thread * PER_WORKER, i;

	for (i = first; i < first + PER_WORKER; i++) {
		wki_watch_push(&race->head, &watches[i].watch);
		if (i % 3 == 0 || !remove_watch(i - i % 2))
			continue;
		race_add(&race->removed[0], true);
		unwatch(&race->head, &race->meta);
	}
	gate_pass(&race->gate); /* all have pushed: their references go, the last of them ends the life */
	if (thread == 0) {
		sched_yield();
		fire(&race->head);
		return;
	}
	for (i = first; i < first + PER_WORKER; i++) {
		if (i % 32 == 0)
			sched_yield();
		if (!remove_watch(i))
			continue;
		race_add(&race->removed[1], true);
		unwatch(&race->head, &race->meta);
	}
}

static void list_settle(void *context)
{
	struct list_race *race = context;
	unsigned i, fired, left;

	wki_watch_prune(&race->head, &race->meta, leave);
	for (i = 0; i < WORKERS * PER_WORKER; i++) {
		fired = atomic_load(&watches[i].fired);
		left = atomic_load(&watches[i].left);
		race_add(&race->fired, fired != 0);
		race_add(&race->wrong, fired + left != 1);
		race_add(&race->wrong, wki_watch_state(&watches[i].watch) != (fired ? WKI_WATCH_FIRED : WKI_WATCH_RETIRED));
	}
	race_add(&race->wrong, (atomic_load(&race->meta) & FLAGS) != FLAGS);
}

static bool list_decided(void *context)
{
	struct list_race *race = context;

	return atomic_load(&race->removed[1]) > 10 && atomic_load(&race->fired) > 10;
}

static void test_push_remove_prune_and_death(void **state)
{
	const struct race race = { WORKERS, THREADS_SANITIZED ? 100 : 500, list_prepare, list_act, list_settle, list_decided };
	static struct list_race list = { .gate = { .parties = WORKERS } };

	(void)state;
	race_run(&race, &list);
	print_message("removed %lu before and %lu during the death, fired %lu\n", atomic_load(&list.removed[0]),
		atomic_load(&list.removed[1]), atomic_load(&list.fired));
	assert_int_equal(atomic_load(&list.wrong), 0);
	assert_true(list_decided(&list));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newest_first),
		cmocka_unit_test(test_one_step_has_one_winner),
		cmocka_unit_test(test_push_only_where_nothing_is_new),
		cmocka_unit_test(test_prune),
		cmocka_unit_test(test_unlink_at_the_front),
		cmocka_unit_test(test_when_a_prune_is_due),
		cmocka_unit_test(test_one_prune_at_a_time),
		cmocka_unit_test(test_what_must_leave_leaves),
		cmocka_unit_test(test_lists_stay_short),
		cmocka_unit_test(test_push_remove_prune_and_death),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
