/*
 * sync/rcu.h: read sections, and what waits for them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <sched.h>

#include <cmocka.h>

#include "support/threads.h"
#include "sync/rcu.h"

static void test_sections_nest(void **state)
{
	(void)state;
	assert_false(wki_read_ongoing());
	wki_read_lock();
	assert_true(wki_read_ongoing());
	wki_read_lock();
	wki_read_unlock();
	assert_true(wki_read_ongoing());
	wki_read_unlock();
	assert_false(wki_read_ongoing());
	wki_synchronize();
}

/* Sections of the library's two kinds and the program's own, in one another: what is ongoing is what it was. */
enum kind { ORDINARY, SHORTEST, PROGRAMS, KINDS };
enum { DEEP = 3 };

static void section_begin(enum kind kind, struct wki_section *section)
{
	if (kind == ORDINARY)
		wki_read_lock();
	else if (kind == SHORTEST)
		*section = wki_section_begin();
	else
		urcu_bp_read_lock();
}

static void section_end(enum kind kind, struct wki_section section)
{
	if (kind == ORDINARY)
		wki_read_unlock();
	else if (kind == SHORTEST)
		wki_section_end(section);
	else
		urcu_bp_read_unlock();
}

static void check_nested(const enum kind kinds[DEEP])
{
	struct wki_section sections[DEEP] = { { 0 } };
	unsigned depth;

	for (depth = 0; depth < DEEP; depth++) {
		section_begin(kinds[depth], &sections[depth]);
		assert_true(wki_read_ongoing());
		section_end(kinds[depth], sections[depth]);
		assert_int_equal(wki_read_ongoing(), depth > 0);
		section_begin(kinds[depth], &sections[depth]);
	}
	while (depth-- > 0) {
		assert_true(wki_read_ongoing());
		section_end(kinds[depth], sections[depth]);
	}
	assert_false(wki_read_ongoing());
}

static bool make_known(void)
{
	wki_read_lock();
	wki_read_unlock();
	return wki_read_is_known();
}

static void test_sections_of_all_kinds_nest(void **state)
{
	(void)state;
	if (!make_known())
		skip(); /* no membarrier */
	for (unsigned i = 0; i < KINDS * KINDS * KINDS; i++) {
		check_nested((enum kind[DEEP]){ i % KINDS, i / KINDS % KINDS, i / KINDS / KINDS });
		wki_synchronize(); /* nothing is left open */
	}
}

/* A section is its thread's own. */
static void note_ongoing(void *ongoing)
{
	*(bool *)ongoing = wki_read_ongoing();
}

static void test_section_belongs_to_its_thread(void **state)
{
	bool ongoing = true;

	(void)state;
	wki_read_lock();
	threads_alone(note_ongoing, &ongoing, 0);
	wki_read_unlock();
	assert_false(ongoing);
}

/*
 * The edge that a grace period gives: a reader's plain write, made in its section before the grace period, and
 * the plain read after it. Both by no other synchronization, so that ThreadSanitizer sees it if it is missing.
 */

#define ROUNDS 100u
#define READERS 3

struct box {
	long written[READERS];
};

static struct {
	_Atomic(struct box *) current;
	_Atomic bool over;
	_Atomic unsigned long writes, late;
} shelf;

static void write_in_sections(unsigned index)
{
	struct box *box;

	while (!atomic_load(&shelf.over)) {
		wki_read_lock();
		box = atomic_load(&shelf.current);
		box->written[index]++;
		sched_yield();
		box->written[index]++;
		wki_read_unlock();
		race_add(&shelf.writes, true);
	}
}

static void shelf_body(void *unused, unsigned index)
{
	static struct box boxes[2];
	struct box *old = &boxes[0];
	unsigned round, reader;

	(void)unused;
	if (index < READERS) {
		while (atomic_load(&shelf.current) == NULL)
			sched_yield();
		write_in_sections(index);
		return;
	}
	atomic_store(&shelf.current, &boxes[0]);
	for (round = 0; round < ROUNDS || atomic_load(&shelf.writes) < ROUNDS; round++) {
		old = atomic_exchange(&shelf.current, &boxes[(round + 1) % 2]);
		wki_synchronize();
		for (reader = 0; reader < READERS; reader++) {
			race_add(&shelf.late, old->written[reader] % 2 != 0); /* half of a section */
			old->written[reader] = 0;
		}
	}
	atomic_store(&shelf.over, true);
}

static void test_grace_period_waits_for_sections(void **state)
{
	(void)state;
	threads_run(READERS + 1, shelf_body, NULL);
	print_message("%lu sections\n", atomic_load(&shelf.writes));
	assert_int_equal(atomic_load(&shelf.late), 0);
}

/*
 * Looking at readers: a section that was open is waited for, one that begins later is not, and one that lasts too long
 * is left to liburcu.
 */
static struct {
	_Atomic bool inside, leave, over;
} held;

static void hold_a_section(void *unused)
{
	(void)unused;
	wki_read_lock();
	atomic_store(&held.inside, true);
	while (!atomic_load(&held.leave))
		sched_yield();
	atomic_store(&held.over, true);
	wki_read_unlock();
}

static void test_nobody_inside(void **state)
{
	(void)state;
	if (!make_known())
		skip(); /* no membarrier */
	assert_true(wki_readers_wait());
}

static void *hold_main(void *unused)
{
	hold_a_section(unused);
	return NULL;
}

/* A section of a program that uses liburcu itself, in which it peeks. */
static void *hold_of_its_own(void *unused)
{
	urcu_bp_read_lock();
	atomic_store(&held.inside, wki_read_join());
	while (!atomic_load(&held.leave))
		sched_yield();
	atomic_store(&held.over, true);
	urcu_bp_read_unlock();
	return unused;
}

/* The same where sections of the library's have begun and ended in it. */
static void *hold_behind_others(void *unused)
{
	struct wki_section section;

	urcu_bp_read_lock();
	wki_read_lock();
	wki_read_unlock();
	if (wki_read_is_known()) {
		section = wki_section_begin();
		wki_section_end(section);
	}
	atomic_store(&held.inside, true);
	while (!atomic_load(&held.leave))
		sched_yield();
	atomic_store(&held.over, true);
	urcu_bp_read_unlock();
	return unused;
}

enum { HOLDS = 3 };
static void *(*const holds[HOLDS])(void *unused) = { hold_main, hold_of_its_own, hold_behind_others };

static pthread_t hold_begin(void *(*hold)(void *unused))
{
	pthread_t thread;

	atomic_store(&held.inside, false);
	atomic_store(&held.leave, false);
	atomic_store(&held.over, false);
	assert_int_equal(pthread_create(&thread, NULL, hold, NULL), 0);
	while (!atomic_load(&held.inside))
		sched_yield();
	return thread;
}

static void *leave_main(void *unused)
{
	sched_yield();
	atomic_store(&held.leave, true);
	return unused;
}

static void test_an_open_section_is_waited_for(void **state)
{
	pthread_t holder, other;
	unsigned i;

	(void)state;
	for (i = 0; i < 300; i++) {
		holder = hold_begin(holds[i % HOLDS]);
		assert_int_equal(pthread_create(&other, NULL, leave_main, NULL), 0);
		wki_synchronize();
		assert_true(atomic_load(&held.over));
		pthread_join(other, NULL);
		pthread_join(holder, NULL);
	}
}

static void test_a_long_section_is_left_to_liburcu(void **state)
{
	pthread_t holder = hold_begin(hold_main);

	(void)state;
	assert_false(wki_readers_wait());
	atomic_store(&held.leave, true);
	pthread_join(holder, NULL);
}

/*
 * Who has just come is looked at as well. liburcu gives a thread the place of one that has ended, and that has been introduced:
 * so there is company, in all the places that there have been.
 */
enum { COMPANY = 20 };
static pthread_barrier_t company_is_there, company_leaves;

static void *keep_company(void *unused)
{
	urcu_bp_read_lock(); /* it has a place, and that is all */
	urcu_bp_read_unlock();
	pthread_barrier_wait(&company_is_there);
	pthread_barrier_wait(&company_leaves);
	return unused;
}

static void check_a_new_place(void *(*hold)(void *unused), unsigned count)
{
	pthread_t company[COMPANY + HOLDS], holder;
	bool overlooked;
	unsigned i;

	assert_int_equal(pthread_barrier_init(&company_is_there, NULL, count + 1), 0);
	assert_int_equal(pthread_barrier_init(&company_leaves, NULL, count + 1), 0);
	for (i = 0; i < count; i++)
		assert_int_equal(pthread_create(&company[i], NULL, keep_company, NULL), 0);
	pthread_barrier_wait(&company_is_there);
	holder = hold_begin(hold);
	overlooked = wki_readers_wait();
	atomic_store(&held.leave, true);
	pthread_join(holder, NULL);
	pthread_barrier_wait(&company_leaves);
	for (i = 0; i < count; i++)
		pthread_join(company[i], NULL);
	pthread_barrier_destroy(&company_is_there);
	pthread_barrier_destroy(&company_leaves);
	assert_false(overlooked);
	assert_true(wki_readers_wait());
}

static void test_a_new_place_is_looked_at(void **state)
{
	unsigned i;

	(void)state;
	if (!make_known())
		skip(); /* no membarrier */
	for (i = 0; i < HOLDS; i++)
		check_a_new_place(holds[i], COMPANY + i);
}

/* A section of one that comes when there is no room for it any more: from then on liburcu waits. */
enum { CROWD = 1100 };
static pthread_barrier_t crowd;

static void *crowd_main(void *unused)
{
	wki_read_lock();
	wki_read_unlock();
	pthread_barrier_wait(&crowd);
	return unused;
}

static void test_more_threads_than_places(void **state)
{
	static pthread_t threads[CROWD];
	pthread_attr_t small;
	unsigned i;

	(void)state;
	if (THREADS_SANITIZED)
		skip();
	assert_int_equal(pthread_attr_init(&small), 0);
	assert_int_equal(pthread_attr_setstacksize(&small, 256 << 10), 0);
	assert_int_equal(pthread_barrier_init(&crowd, NULL, CROWD), 0);
	for (i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], &small, crowd_main, NULL), 0);
	for (i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	pthread_attr_destroy(&small);
	pthread_barrier_destroy(&crowd);
	assert_false(wki_readers_wait());
	wki_synchronize();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections_nest),
		cmocka_unit_test(test_sections_of_all_kinds_nest),
		cmocka_unit_test(test_section_belongs_to_its_thread),
		cmocka_unit_test(test_grace_period_waits_for_sections),
		cmocka_unit_test(test_nobody_inside),
		cmocka_unit_test(test_an_open_section_is_waited_for),
		cmocka_unit_test(test_a_long_section_is_left_to_liburcu),
		cmocka_unit_test(test_a_new_place_is_looked_at),
		cmocka_unit_test(test_more_threads_than_places), /* the last one: it does not pass */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
