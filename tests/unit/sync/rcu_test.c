/*
 * sync/rcu.h: read sections, and what waits for them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

/* What others see of a thread's sections, where they can: never a section that there is none. */
#if WKI_RCU_INLINE && !WKI_TSAN
#define SEEN true
#else
#define SEEN false
#endif

struct seen {
	wki_reader *reader;
	bool inside;
};

static void note_seen(void *context)
{
	struct seen *seen = context;

	seen->inside = wki_reader_stays(seen->reader);
}

static void test_others_see_a_section(void **state)
{
	struct seen seen = { .reader = wki_reader_self() };

	(void)state;
	assert_true((seen.reader != NULL) == SEEN);
	assert_false(wki_reader_stays(NULL));
	threads_alone(note_seen, &seen, 0);
	assert_false(seen.inside);
	wki_read_lock();
	threads_alone(note_seen, &seen, 0);
	assert_true(seen.inside == SEEN);
	wki_read_unlock();
	threads_alone(note_seen, &seen, 0);
	assert_false(seen.inside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections_nest),
		cmocka_unit_test(test_section_belongs_to_its_thread),
		cmocka_unit_test(test_grace_period_waits_for_sections),
		cmocka_unit_test(test_others_see_a_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
