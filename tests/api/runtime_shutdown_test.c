/*
 * weakref/runtime.h: what a shutdown runs, what it reports, and what happens beside it (promise 22)
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <sched.h>

#include "support/threads.h"


static void start(wk_thread_mode mode)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = mode };

	assert_int_equal(wk_runtime_start(&options), WK_OK);
}

static int shut_down_within(uint64_t timeout, wk_shutdown_report *report)
{
	*report = (wk_shutdown_report){ .struct_size = sizeof(*report), .not_run = 99, .still_alive = 99 };
	return wk_runtime_shutdown(timeout, report);
}

static wk_shutdown_report shut_down(void)
{
	wk_shutdown_report report;

	assert_int_equal(shut_down_within(WK_NO_TIMEOUT, &report), WK_OK);
	return report;
}

/* Chains: each destroy releases the next object, so that each round of the runner makes the next one due. */

struct link {
	struct link *next;
};

static _Atomic unsigned long unlinked;

static void link_destroy(void *payload)
{
	atomic_fetch_add(&unlinked, 1);
	wk_release(((struct link *)payload)->next);
}

WK_DEFINE_TYPE(link_type, struct link, .destroy = link_destroy);

static struct link *chain_new(unsigned length, unsigned borrowed)
{
	struct link *chain = NULL, *link;

	for (; length > 0; length--) {
		link = wk_new(&link_type);
		link->next = chain;
		chain = link;
		if (length % borrowed == 0)
			wk_weak_release(wk_downgrade(link)); /* due only after a grace period */
	}
	return chain;
}

static void shut_down_over_chains(wk_thread_mode mode)
{
	wk_shutdown_report report;
	unsigned length;

	for (length = 1; length <= 40; length++) {
		start(mode);
		atomic_store(&unlinked, 0);
		wk_release(chain_new(length, 1 + length % 3));
		report = shut_down();
		assert_int_equal(atomic_load(&unlinked), length);
		assert_int_equal(report.not_run, 0);
		assert_int_equal(report.still_alive, 0);
	}
}

static void test_shutdown_runs_what_becomes_due_meanwhile(void **state)
{
	(void)state;
	shut_down_over_chains(WK_THREAD_OWN);
	shut_down_over_chains(WK_THREAD_NONE);
}

/* The report: what is alive, what was due, queues included; a later start does the rest. */

static _Atomic unsigned long destroyed;

static void count_destroy(void *payload)
{
	(void)payload;
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(counted_type, long, .destroy = count_destroy);
WK_DEFINE_TYPE(plain_type, long, .flags = 0);

static void run_nothing(void *argument)
{
	(void)argument;
}

static void report_what_is_left(wk_thread_mode mode)
{
	wk_queue *queue;
	wk_shutdown_report report;
	void *alive[2], *delivered;

	start(mode);
	atomic_store(&destroyed, 0);
	queue = wk_queue_new(NULL, NULL);
	alive[0] = wk_new(&counted_type);
	alive[1] = wk_new(&plain_type);
	delivered = wk_new_with(&counted_type, &(wk_new_options){ .destroy_on = queue }, NULL);
	wk_release(delivered);
	assert_int_equal(wk_queue_post(queue, run_nothing, NULL, NULL), WK_OK);
	report = shut_down();
	assert_int_equal(report.still_alive, 3); /* and the queue */
	assert_int_equal(report.not_run, 2);     /* they are the queue's */
	wk_release(alive[0]);
	wk_release(alive[1]);
	start(mode);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
	report = shut_down();
	assert_int_equal(report.still_alive, 0);
	assert_int_equal(report.not_run, 0);
	assert_int_equal(atomic_load(&destroyed), 2);
}

static void test_report(void **state)
{
	(void)state;
	report_what_is_left(WK_THREAD_OWN);
	report_what_is_left(WK_THREAD_NONE);
}

/* The deadline: a destroy that stays lets nobody else through; the shutdown gives up, and says how many are left. */

#define BACKLOG 300u

enum { STAYING = 1, CLOSING };

static struct steps steps;
static int made_while_closing;

static void staying_destroy(void *payload)
{
	unsigned i;

	(void)payload;
	steps_reach(&steps, STAYING);
	steps_wait(&steps, CLOSING);
	for (i = 0; i < 100; i++) { /* beside the shutdown that waits for it, a destroy may construct */
		void *object = wk_new(&plain_type);

		made_while_closing += object != NULL;
		wk_release(object);
		sched_yield();
	}
	count_destroy(payload);
}

WK_DEFINE_TYPE(staying_type, long, .destroy = staying_destroy);

/* Waits for the closing as a program can tell it, then lets the destroy go on. */
static void *watch_closing(void *argument)
{
	int *started = argument;
	void *object;

	while ((object = wk_new(&plain_type)) != NULL) {
		wk_release(object);
		sched_yield();
	}
	started[0] = wk_last_status();
	started[1] = wk_runtime_start(NULL);
	steps_reach(&steps, CLOSING);
	return NULL;
}

/* Returns how many were left when the deadline had passed. */
static uint64_t shut_down_without_time(void)
{
	wk_shutdown_report report;
	int seen[2] = { 0, 0 }, status;
	pthread_t watcher;
	unsigned long ran;
	unsigned i;

	steps = (struct steps)STEPS_AT_START;
	made_while_closing = 0;
	start(WK_THREAD_OWN);
	atomic_store(&destroyed, 0);
	wk_release(wk_new(&staying_type));
	steps_wait(&steps, STAYING);
	for (i = 0; i < BACKLOG; i++)
		wk_release(wk_new(&counted_type));
	assert_int_equal(wk_barrier(0), WK_ETIMEDOUT); /* its mark waits with the others, and is not one of them */
	assert_int_equal(pthread_create(&watcher, NULL, watch_closing, seen), 0);
	status = shut_down_within(0, &report);
	ran = atomic_load(&destroyed); /* the one that stayed, and whatever was begun before the runner was told */
	assert_int_equal(pthread_join(watcher, NULL), 0);
	assert_int_equal(seen[0], WK_ESHUTDOWN);
	assert_int_equal(seen[1], WK_EBUSY);
	assert_int_equal(made_while_closing, 100);
	assert_int_equal(report.not_run + ran, 1 + BACKLOG);
	assert_int_equal(report.still_alive, 0);
	assert_true(status == WK_ETIMEDOUT || (status == WK_OK && report.not_run == 0));
	start(WK_THREAD_OWN);
	assert_int_equal(shut_down().not_run, 0);
	assert_int_equal(atomic_load(&destroyed), 1 + BACKLOG);
	return report.not_run;
}

static void test_deadline(void **state)
{
	uint64_t left = 0;
	unsigned tries;

	(void)state;
	for (tries = 0; tries < 5 || (left == 0 && tries < 500); tries++)
		left += shut_down_without_time();
	print_message("%llu not run by %u shutdowns\n", (unsigned long long)left, tries);
	assert_true(left > 0);
}

/* A destroy that is at work when the shutdown begins, and makes others due while that waits. */

static void staying_link_destroy(void *payload)
{
	steps_reach(&steps, STAYING);
	steps_wait(&steps, CLOSING);
	link_destroy(payload);
}

WK_DEFINE_TYPE(staying_link_type, struct link, .destroy = staying_link_destroy);

static void test_shutdown_runs_what_a_running_destroy_makes_due(void **state)
{
	int seen[2];
	struct link *first;
	pthread_t watcher;
	unsigned round;

	(void)state;
	for (round = 0; round < 20; round++) {
		steps = (struct steps)STEPS_AT_START;
		start(WK_THREAD_OWN);
		atomic_store(&unlinked, 0);
		first = wk_new(&staying_link_type);
		first->next = chain_new(10, 1);
		wk_release(first);
		steps_wait(&steps, STAYING);
		assert_int_equal(pthread_create(&watcher, NULL, watch_closing, seen), 0);
		assert_int_equal(shut_down().not_run, 0);
		assert_int_equal(pthread_join(watcher, NULL), 0);
		assert_int_equal(atomic_load(&unlinked), 11);
	}
}

/* Whoever waits in a barrier when the runtime goes down is told. */

static void *wait_in_barrier(void *status)
{
	*(int *)status = wk_barrier(WK_NO_TIMEOUT);
	return NULL;
}

static void *release_after_closing(void *unused)
{
	int seen[2];

	(void)unused;
	return watch_closing(seen);
}

static void test_barrier_beside_a_shutdown(void **state)
{
	wk_shutdown_report report;
	pthread_t waiter, watcher;
	int status = WK_EINVAL;

	(void)state;
	steps = (struct steps)STEPS_AT_START;
	start(WK_THREAD_OWN);
	wk_release(wk_new(&staying_type));
	steps_wait(&steps, STAYING);
	assert_int_equal(pthread_create(&waiter, NULL, wait_in_barrier, &status), 0);
	assert_int_equal(pthread_create(&watcher, NULL, release_after_closing, NULL), 0);
	(void)shut_down_within(0, &report);
	assert_int_equal(pthread_join(watcher, NULL), 0);
	assert_int_equal(pthread_join(waiter, NULL), 0);
	assert_true(status == WK_OK || status == WK_ESHUTDOWN);
	start(WK_THREAD_OWN);
	(void)shut_down();
}

/* Shutdown against releases: what died before it is destroyed by it, the rest by the next life; nothing twice. */

#define WORKERS 3

struct downfall {
	void *objects[WORKERS][100];
	_Atomic unsigned long wrong;
	_Atomic unsigned long first, later; /* destroyed by the first shutdown, and by the second */
	unsigned long rounds;
};

static void downfall_prepare(void *context)
{
	struct downfall *downfall = context;
	unsigned worker, i;

	race_add(&downfall->wrong, wk_runtime_start(NULL) != WK_OK);
	atomic_store(&destroyed, 0);
	for (worker = 0; worker < WORKERS; worker++) {
		for (i = 0; i < 100; i++) {
			downfall->objects[worker][i] = wk_new(&counted_type);
			if (i % 2 == 0)
				wk_weak_release(wk_downgrade(downfall->objects[worker][i]));
		}
	}
	downfall->rounds++;
}

static void downfall_act(void *context, unsigned thread)
{
	struct downfall *downfall = context;
	unsigned i;

	if (thread == 1) {
		race_add(&downfall->wrong, wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) != WK_OK);
		return;
	}
	for (i = 0; i < 100; i++) {
		wk_release(downfall->objects[thread == 0 ? 0 : thread - 1][i]);
		if (i % 8 == 0)
			sched_yield();
	}
}

static void downfall_settle(void *context)
{
	struct downfall *downfall = context;
	unsigned long first = atomic_load(&destroyed);

	race_add(&downfall->first, first != 0);
	race_add(&downfall->later, first != 100 * WORKERS);
	race_add(&downfall->wrong, wk_runtime_start(NULL) != WK_OK);
	race_add(&downfall->wrong, wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) != WK_OK);
	race_add(&downfall->wrong, atomic_load(&destroyed) != 100 * WORKERS);
}

static bool downfall_decided(void *context)
{
	struct downfall *downfall = context;

	return atomic_load(&downfall->first) > 5 && atomic_load(&downfall->later) > 5;
}

static void test_shutdown_against_releases(void **state)
{
	const struct race race = { WORKERS + 1, THREADS_SANITIZED ? 20 : 100, downfall_prepare, downfall_act,
		downfall_settle, downfall_decided };
	static struct downfall downfall;

	(void)state;
	race_run(&race, &downfall);
	print_message("some died in time in %lu, some too late in %lu of %lu rounds\n", atomic_load(&downfall.first),
		atomic_load(&downfall.later), downfall.rounds);
	assert_int_equal(atomic_load(&downfall.wrong), 0);
	assert_true(downfall_decided(&downfall));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shutdown_runs_what_becomes_due_meanwhile),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_shutdown_runs_what_a_running_destroy_makes_due),
		cmocka_unit_test(test_barrier_beside_a_shutdown),
		cmocka_unit_test(test_shutdown_against_releases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
