/*
 * weakref/runtime.h: the marks on dead objects that wait, and what constructors do above them (promise 19)
 *
 * A reader that stays in its section keeps everything that has died waiting, for as long as a test wants. How
 * long a constructor waits is a matter of time and not looked at; that it waited is counted.
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <sched.h>

#include "support/child.h"
#include "support/threads.h"

#define BATCH 64 /* objects between two looks of a thread at the backlog */

static _Atomic unsigned long destroyed;

static void count_destroy(void *payload)
{
	(void)payload;
	atomic_fetch_add(&destroyed, 1);
}

struct large {
	char bytes[1 << 20];
};

WK_DEFINE_TYPE(item_type, long, .destroy = count_destroy);
WK_DEFINE_TYPE(plain_type, long, .flags = 0);
WK_DEFINE_TYPE(large_type, struct large, .destroy = count_destroy);

/* A reader that holds everything up. */

enum { READING = 1, MAY_LEAVE };

static struct steps steps = STEPS_AT_START;
static pthread_t reader;

static void *stay_in_section(void *unused)
{
	(void)unused;
	wk_read_lock();
	steps_reach(&steps, READING);
	steps_wait(&steps, MAY_LEAVE);
	wk_read_unlock();
	return NULL;
}

static void hold_up(void)
{
	steps = (struct steps)STEPS_AT_START;
	child_check(pthread_create(&reader, NULL, stay_in_section, NULL) == 0);
	steps_wait(&steps, READING);
}

static void let_go(void)
{
	steps_reach(&steps, MAY_LEAVE);
	child_check(pthread_join(reader, NULL) == 0);
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK);
}

static wk_stats stats_now(void)
{
	wk_stats stats = { .struct_size = sizeof(stats) };

	wk_runtime_stats(&stats);
	return stats;
}

static void release_borrowed(const wk_type *type, unsigned count)
{
	void *object;

	for (; count > 0; count--) {
		object = wk_new(type);
		child_check(object != NULL);
		wk_weak_release(wk_downgrade(object));
		wk_release(object);
	}
}

/* Makes objects, keeps nothing dead behind; returns how many could be made. */
static unsigned make(unsigned count)
{
	unsigned made = 0;
	void *object;

	for (; count > 0; count--) {
		object = wk_new(&plain_type); /* nobody sees it: its memory goes at once */
		made += object != NULL;
		child_check(object != NULL || wk_last_status() == WK_ENOMEM);
		wk_release(object);
	}
	return made;
}

static void start(wk_runtime_options options)
{
	options.struct_size = sizeof(options);
	child_check(wk_runtime_start(&options) == WK_OK);
}

static void shut_down(void)
{
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
}

/* Scenarios. */

static void below_the_marks(void)
{
	start((wk_runtime_options){ .soft_objects = 100000 });
	hold_up();
	release_borrowed(&item_type, 1000);
	child_check(make(10 * BATCH) == 10 * BATCH);
	child_check(stats_now().throttled == 0);
	child_check(stats_now().dead_objects_waiting == 1000);
	let_go();
	shut_down();
}

static void throttled_by_objects(void)
{
	uint64_t before;

	start((wk_runtime_options){ .soft_objects = 100, .throttle_ns = 1000 });
	hold_up();
	release_borrowed(&item_type, 3 * BATCH);
	before = stats_now().throttled;
	child_check(make(5 * BATCH) == 5 * BATCH); /* slower, but made */
	child_check(stats_now().throttled - before == 5);
	child_check(stats_now().backlog_peak >= 100);
	let_go();
	before = stats_now().throttled;
	child_check(make(5 * BATCH) == 5 * BATCH);
	child_check(stats_now().throttled == before);
	shut_down();
}

static void throttled_by_bytes(void)
{
	uint64_t before;

	start((wk_runtime_options){ .soft_bytes = 4 << 20, .throttle_ns = 1000 });
	hold_up();
	release_borrowed(&large_type, 8);
	before = stats_now().throttled;
	child_check(make(2 * BATCH) == 2 * BATCH);
	child_check(stats_now().throttled - before == 2);
	let_go();
	shut_down();
}

/* Plain memory counts as much as what waits for its destructor. */
static void throttled_by_plain_memory(void)
{
	uint64_t before;

	start((wk_runtime_options){ .soft_objects = 100, .throttle_ns = 1000 });
	hold_up();
	release_borrowed(&plain_type, 4 * BATCH);
	child_check(stats_now().dead_objects_waiting >= 3 * BATCH);
	before = stats_now().throttled;
	child_check(make(2 * BATCH) == 2 * BATCH);
	child_check(stats_now().throttled - before == 2);
	let_go();
	shut_down();
}

/* Who must never wait. */

static void make_in_callback(void *unused)
{
	(void)unused;
	child_check(make(5 * BATCH) == 5 * BATCH);
}

static void make_in_destroy(void *payload)
{
	make_in_callback(payload);
	count_destroy(payload);
}

WK_DEFINE_TYPE(making_type, long, .destroy = make_in_destroy);
WK_DEFINE_TYPE(prompt_making_type, long, .destroy = make_in_destroy, .flags = WK_TYPE_PROMPT);

static void never_throttled_in_callbacks(void)
{
	wk_queue *queue;
	void *object;
	uint64_t before;

	start((wk_runtime_options){ .soft_objects = 100 });
	queue = wk_queue_new(NULL, NULL);
	hold_up();
	release_borrowed(&item_type, 3 * BATCH);
	before = stats_now().throttled;
	wk_read_lock();
	child_check(make(5 * BATCH) == 5 * BATCH);
	wk_read_unlock();
	child_check(wk_queue_post(queue, make_in_callback, NULL, NULL) == WK_OK);
	child_check(wk_queue_drain(queue, 0) == 1);
	wk_release(wk_new(&prompt_making_type));
	child_check(stats_now().throttled == before);
	object = wk_new(&making_type);
	wk_release(object); /* unborrowed: runs while the others wait */
	while (atomic_load(&destroyed) < 2)
		sched_yield();
	child_check(stats_now().throttled == before);
	let_go();
	child_check(wk_queue_close(queue, WK_QUEUE_RUN) == WK_OK);
	wk_release(queue);
	shut_down();
}

static void throttle_switched_off(void)
{
	start((wk_runtime_options){ .soft_objects = 100, .throttle_ns = WK_NO_THROTTLE });
	hold_up();
	release_borrowed(&item_type, 10 * BATCH);
	child_check(make(5 * BATCH) == 5 * BATCH);
	child_check(stats_now().throttled == 0);
	let_go();
	shut_down();
}

/* The hard mark, by objects: constructors fail until the backlog has gone, then they work again. */
static void hard_mark_of_objects(void)
{
	start((wk_runtime_options){ .hard_objects = 200, .throttle_ns = WK_NO_THROTTLE });
	hold_up();
	release_borrowed(&item_type, 4 * BATCH);
	child_check(make(3 * BATCH) < BATCH);
	child_check(make(1) == 0); /* and not only one in so many */
	let_go();
	child_check(make(3 * BATCH) == 3 * BATCH);
	shut_down();
}

/* By bytes; what has gone back is told however few objects it was. */
static void hard_mark_of_bytes(void)
{
	unsigned round;

	start((wk_runtime_options){ .hard_bytes = 4 << 20, .throttle_ns = WK_NO_THROTTLE });
	for (round = 0; round < 4; round++) {
		hold_up();
		release_borrowed(&large_type, 8);
		child_check(make(3 * BATCH) < BATCH);
		let_go();
		child_check(make(3 * BATCH) == 3 * BATCH);
	}
	shut_down();
}

/* Promise 19 and 20: at the hard mark nothing changes, a queue cannot be made either. */
static void hard_mark_changes_nothing(void)
{
	wk_census before = { .struct_size = sizeof(before) }, after = before;
	int status = WK_OK;

	start((wk_runtime_options){ .hard_objects = 200, .throttle_ns = WK_NO_THROTTLE });
	hold_up();
	release_borrowed(&item_type, 4 * BATCH);
	(void)make(BATCH);
	child_check(wk_type_census(&item_type, &before) == WK_OK);
	child_check(wk_new_with(&item_type, NULL, &status) == NULL && status == WK_ENOMEM);
	child_check(wk_queue_new(NULL, &status) == NULL && status == WK_ENOMEM);
	child_check(wk_type_census(&item_type, &after) == WK_OK);
	child_check(after.created == before.created);
	let_go();
	shut_down();
}

/* Threads by the dozen make and release until the marks have been passed many times; in the end nothing is left. */

#define CHURNERS 4

static void churn(void *unused, unsigned index)
{
	unsigned i;

	(void)unused;
	for (i = 0; i < (THREADS_SANITIZED ? 2000u : 20000u); i++)
		release_borrowed(i % 2 == 0 ? &item_type : &plain_type, 1 + index % 2);
}

static void churn_above_the_mark(void)
{
	wk_stats stats;

	start((wk_runtime_options){ .soft_objects = 50, .throttle_ns = 1000 });
	threads_run(CHURNERS, churn, NULL);
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK);
	child_check(stats_now().throttled > 0);
	shut_down();
	stats = stats_now();
	child_check(stats.dead_objects_waiting == 0);
	child_check(stats.dead_bytes_waiting == 0);
	child_check(stats.objects_created == stats.objects_destroyed);
}

static const struct child_case cases[] = {
	{ "below_the_marks", below_the_marks },
	{ "throttled_by_objects", throttled_by_objects },
	{ "throttled_by_bytes", throttled_by_bytes },
	{ "throttled_by_plain_memory", throttled_by_plain_memory },
	{ "never_throttled_in_callbacks", never_throttled_in_callbacks },
	{ "throttle_switched_off", throttle_switched_off },
	{ "hard_mark_of_objects", hard_mark_of_objects },
	{ "hard_mark_of_bytes", hard_mark_of_bytes },
	{ "hard_mark_changes_nothing", hard_mark_changes_nothing },
	{ "churn_above_the_mark", churn_above_the_mark },
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static void test_promise_19_backlog(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < CASES; i++) {
		print_message("%s\n", cases[i].name);
		assert_true(child_passes(cases[i].name));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_19_backlog),
	};

	if (child_main(argc, argv, cases, CASES))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
