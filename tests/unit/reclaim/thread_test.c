/*
 * reclaim/thread.c: records of threads, made, handed on, never freed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>

#include <cmocka.h>

#include "reclaim/thread.h"
#include "support/threads.h"

static unsigned records(void)
{
	const struct wki_thread *thread;
	unsigned count = 0;

	for (thread = wki_thread_all(); thread != NULL; thread = thread->next)
		count++;
	return count;
}

static unsigned records_in_use(void)
{
	const struct wki_thread *thread;
	unsigned count = 0;

	for (thread = wki_thread_all(); thread != NULL; thread = thread->next)
		count += wki_thread_use(thread) != WKI_THREAD_FREE;
	return count;
}

static void note_record(void *noted)
{
	struct wki_thread **record = noted;

	record[0] = wki_thread_if_any();
	record[1] = wki_thread_self();
	record[2] = wki_thread_if_any();
}

static void test_one_record_serves_one_thread_after_another(void **state)
{
	struct wki_thread *first[3], *second[3];

	(void)state;
	threads_alone(note_record, first, 0);
	assert_null(first[0]); /* made on demand */
	assert_non_null(first[1]);
	assert_ptr_equal(first[1], first[2]);
	assert_int_equal(wki_thread_use(first[1]), WKI_THREAD_FREE);
	threads_alone(note_record, second, 0);
	assert_ptr_equal(second[1], first[1]);
	assert_int_equal(records(), 1);
}

/* At one time no two threads have the same record, nor the same stripe; over many times there are no more than at once. */

#define THREADS 8u

static struct {
	struct gate gate;
	struct wki_thread *records[THREADS];
	unsigned stripes[THREADS];
} meeting = { .gate = { .parties = THREADS } };

static void meet(void *unused, unsigned index)
{
	(void)unused;
	meeting.records[index] = wki_thread_self();
	meeting.stripes[index] = wki_thread_index();
	gate_pass(&meeting.gate);
}

static void test_threads_at_one_time_have_records_of_their_own(void **state)
{
	unsigned round, i, j;

	(void)state;
	for (round = 0; round < 50; round++) {
		threads_run(THREADS, meet, NULL);
		for (i = 0; i < THREADS; i++) {
			assert_non_null(meeting.records[i]);
			for (j = 0; j < i; j++) {
				assert_ptr_not_equal(meeting.records[i], meeting.records[j]);
				assert_int_not_equal(meeting.stripes[i], meeting.stripes[j]);
			}
		}
		assert_in_range(records(), THREADS, THREADS + 1);
		assert_int_equal(records_in_use(), 0);
	}
}

/* What the last owner wrote is there for the next, whole: plain writes, which ThreadSanitizer watches. */
static void count_in_record(void *unused, unsigned index)
{
	unsigned i;

	(void)unused;
	(void)index;
	for (i = 0; i < 100; i++)
		wki_thread_self()->debt++;
}

static void test_records_are_handed_on_whole(void **state)
{
	unsigned round;

	(void)state;
	for (round = 0; round < 50; round++)
		threads_run(4, count_in_record, NULL);
	assert_int_equal(records_in_use(), 0);
}

/* Inside the last destructors of a thread there is no second record. */

static pthread_key_t key;
static _Atomic unsigned late, with_record;

static void look_late(void *again)
{
	atomic_fetch_add(&late, 1);
	if (wki_thread_self() != NULL)
		atomic_fetch_add(&with_record, 1);
	if (again != NULL && atomic_load(&late) < 3)
		pthread_setspecific(key, again); /* one round more, when the library has let go of the thread */
}

static void end_late(void *unused)
{
	(void)unused;
	wki_thread_self();
	pthread_setspecific(key, &late);
}

static void test_no_record_while_a_thread_ends(void **state)
{
	(void)state;
	assert_int_equal(pthread_key_create(&key, look_late), 0);
	threads_alone(end_late, NULL, 0);
	pthread_key_delete(key);
	assert_int_equal(atomic_load(&late), 3);
	assert_in_range(atomic_load(&with_record), 0, 1); /* in the first round at most */
	assert_int_equal(records_in_use(), 0);
}

/* Callbacks nest, on threads with and without a record. */
static void nest_callbacks(void *context)
{
	bool *good = context;

	*good = !wki_thread_in_callback();
	wki_callback_enter();
	*good = *good && wki_thread_in_callback();
	wki_callback_enter();
	wki_thread_self();
	wki_callback_leave();
	*good = *good && wki_thread_in_callback();
	wki_callback_leave();
	*good = *good && !wki_thread_in_callback();
}

static void test_callbacks_nest(void **state)
{
	bool good = false;

	(void)state;
	threads_alone(nest_callbacks, &good, 0);
	assert_true(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_record_serves_one_thread_after_another),
		cmocka_unit_test(test_threads_at_one_time_have_records_of_their_own),
		cmocka_unit_test(test_records_are_handed_on_whole),
		cmocka_unit_test(test_no_record_while_a_thread_ends),
		cmocka_unit_test(test_callbacks_nest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
