/*
 * weakref/queue.h, raced: posts, drains, deliveries, waits and closes against each other
 */
#include "runtime_fixture.h"

#include <sched.h>

#include "support/threads.h"

#define SCALE (THREADS_SANITIZED ? 4 : 1)

/* Many posters, one who waits and drains: each post runs once, those of a thread in their order. */

#define POSTERS 4
#define POSTS (8000u / SCALE)

struct stream {
	wk_queue *queue;
	unsigned next[POSTERS]; /* the number expected from each poster: the drainer's */
	_Atomic unsigned posted, failed;
	unsigned run, out_of_order, released, waits_failed;
};

struct parcel {
	struct stream *stream;
	unsigned poster, number;
};

static struct parcel parcels[POSTERS][POSTS];

static void parcel_run(void *argument)
{
	struct parcel *parcel = argument;

	parcel->stream->out_of_order += parcel->number != parcel->stream->next[parcel->poster];
	parcel->stream->next[parcel->poster] = parcel->number + 1;
	parcel->stream->run++;
}

static void parcel_release(void *argument)
{
	struct parcel *parcel = argument;

	parcel->stream->released++;
}

static void stream_body(void *context, unsigned index)
{
	struct stream *stream = context;
	unsigned i;

	if (index == POSTERS) {
		while (stream->run < POSTERS * POSTS) {
			stream->waits_failed += wk_queue_wait(stream->queue, WK_NO_TIMEOUT) != WK_OK;
			wk_queue_drain(stream->queue, index % 2 == 0 ? 0 : 100);
		}
		return;
	}
	for (i = 0; i < POSTS; i++) {
		parcels[index][i] = (struct parcel){ stream, index, i };
		if (wk_queue_post(stream->queue, parcel_run, &parcels[index][i], parcel_release) != WK_OK)
			atomic_fetch_add(&stream->failed, 1);
	}
}

static void test_every_post_runs_once_in_its_posters_order(void **state)
{
	struct stream stream = { .queue = wk_queue_new(NULL, NULL) };

	(void)state;
	threads_run(POSTERS + 1, stream_body, &stream);
	assert_int_equal(atomic_load(&stream.failed), 0);
	assert_int_equal(stream.run, POSTERS * POSTS);
	assert_int_equal(stream.released, POSTERS * POSTS);
	assert_int_equal(stream.out_of_order, 0);
	assert_int_equal(stream.waits_failed, 0);
	assert_int_equal(wk_queue_close(stream.queue, WK_QUEUE_RUN), WK_OK);
	wk_release(stream.queue);
}

/*
 * Post against close: a post that succeeded runs once (or, with WK_QUEUE_DROP, its release does), one that failed
 * never. Destructors that are delivered meanwhile run once, wherever.
 */

struct closing {
	wk_queue *queue;
	wk_queue_close_mode mode;
	unsigned long rounds;
	_Atomic unsigned accepted, refused, runs, releases;
	_Atomic unsigned long wrong, failed_closes;
	_Atomic unsigned long before, after; /* posts that came before and after the closing */
	_Atomic unsigned long made, destroyed;
	_Atomic bool closed; /* wk_queue_close has returned */
};

static _Atomic unsigned long *destroys;

static void item_destroy(void *payload)
{
	(void)payload;
	atomic_fetch_add(destroys, 1);
}

WK_DEFINE_TYPE(item_type, int, .destroy = item_destroy);

static void closing_run(void *argument)
{
	atomic_fetch_add(&((struct closing *)argument)->runs, 1);
}

static void closing_release(void *argument)
{
	atomic_fetch_add(&((struct closing *)argument)->releases, 1);
}

static void closing_wake(void *context)
{
	struct closing *closing = context;

	sched_yield();
	race_add(&closing->wrong, atomic_load(&closing->closed)); /* promised to run no more */
}

static void closing_prepare(void *context)
{
	struct closing *closing = context;
	const wk_queue_options options = {
		.struct_size = sizeof(options), .no_descriptor = closing->rounds % 2 == 0, .wake = closing_wake, .context = closing
	};

	closing->queue = wk_queue_new(&options, NULL);
	atomic_store(&closing->closed, false);
	closing->rounds++;
}

static void closing_post(struct closing *closing)
{
	int status = wk_queue_post(closing->queue, closing_run, closing, closing_release);
	void *item = wk_new_with(&item_type, &(wk_new_options){ .destroy_on = closing->queue }, NULL);

	atomic_fetch_add(status == WK_OK ? &closing->accepted : &closing->refused, 1);
	race_add(&closing->wrong, status != WK_OK && status != WK_ESHUTDOWN);
	atomic_fetch_add(&closing->made, 1);
	wk_release(item);
}

static void closing_act(void *context, unsigned thread)
{
	struct closing *closing = context;
	unsigned i;

	if (thread == 1) {
		race_add(&closing->failed_closes, wk_queue_close(closing->queue, closing->mode) != WK_OK);
		atomic_store(&closing->closed, true);
		return;
	}
	for (i = 0; i < 3; i++) {
		closing_post(closing);
		sched_yield();
	}
}

static void closing_settle(void *context)
{
	struct closing *closing = context;
	unsigned accepted = atomic_exchange(&closing->accepted, 0), refused = atomic_exchange(&closing->refused, 0);
	unsigned runs, releases;
	int over = wk_barrier(WK_NO_TIMEOUT);

	runs = atomic_exchange(&closing->runs, 0);
	releases = atomic_exchange(&closing->releases, 0);
	race_add(&closing->wrong, over != WK_OK);
	race_add(&closing->wrong, releases != accepted);
	race_add(&closing->wrong, runs != (closing->mode == WK_QUEUE_DROP ? 0 : accepted));
	race_add(&closing->before, accepted != 0);
	race_add(&closing->after, refused != 0);
	wk_release(closing->queue);
}

static bool closing_decided(void *context)
{
	struct closing *closing = context;

	return atomic_load(&closing->before) > 10 && atomic_load(&closing->after) > 10;
}

static uint64_t abandoned_objects(void)
{
	wk_stats stats = { .struct_size = sizeof(stats) };

	wk_runtime_stats(&stats);
	return stats.abandoned;
}

static void post_against_close(const char *name, wk_queue_close_mode mode, unsigned threads)
{
	const struct race race = { threads, 160 / SCALE, closing_prepare, closing_act, closing_settle, closing_decided };
	uint64_t abandoned = abandoned_objects();
	struct closing closing = { .mode = mode };

	destroys = &closing.destroyed;
	race_run(&race, &closing);
	settle();
	abandoned = abandoned_objects() - abandoned;
	print_message("%s, %u threads: posted in time in %lu, too late in %lu of %lu rounds; %lu destroyed, %lu abandoned\n",
		name, threads, atomic_load(&closing.before), atomic_load(&closing.after), closing.rounds,
		atomic_load(&closing.destroyed), (unsigned long)abandoned);
	assert_int_equal(atomic_load(&closing.wrong), 0);
	assert_int_equal(atomic_load(&closing.failed_closes), 0);
	assert_int_equal(atomic_load(&closing.destroyed) + abandoned, atomic_load(&closing.made));
	assert_true(mode == WK_QUEUE_DROP || abandoned == 0);
	assert_true(closing_decided(&closing));
}

static void test_promise_8_post_against_close(void **state)
{
	const unsigned sizes[] = { 2, 4, 8 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		post_against_close("run", WK_QUEUE_RUN, sizes[i]);
		post_against_close("move", WK_QUEUE_MOVE, sizes[i]);
		post_against_close("drop", WK_QUEUE_DROP, sizes[i]);
	}
}

/* Drain against drain: one at a time, every item once. */

#define DRAINERS 4
#define ITEMS 16u

struct draining {
	wk_queue *queue;
	unsigned long rounds;
	_Atomic unsigned inside, ran, left_alone;
	_Atomic unsigned long overlaps, lost;
	_Atomic unsigned long drained[DRAINERS], shut_out;
};

static void draining_run(void *argument)
{
	struct draining *draining = argument;

	race_add(&draining->overlaps, atomic_fetch_add(&draining->inside, 1) != 0);
	sched_yield();
	atomic_fetch_sub(&draining->inside, 1);
	atomic_fetch_add(&draining->ran, 1);
}

static void draining_prepare(void *context)
{
	struct draining *draining = context;
	unsigned i;

	for (i = 0; i < ITEMS; i++)
		race_add(&draining->lost, wk_queue_post(draining->queue, draining_run, draining, NULL) != WK_OK);
	draining->rounds++;
}

static void draining_act(void *context, unsigned thread)
{
	struct draining *draining = context;
	size_t ran = wk_queue_drain(draining->queue, ITEMS / 2);

	atomic_fetch_add(&draining->drained[thread], ran);
	race_add(&draining->shut_out, ran == 0);
}

static void draining_settle(void *context)
{
	struct draining *draining = context;

	wk_queue_drain(draining->queue, 0);
	race_add(&draining->lost, atomic_exchange(&draining->ran, 0) != ITEMS);
}

static bool draining_decided(void *context)
{
	struct draining *draining = context;
	unsigned i, winners = 0;

	for (i = 0; i < DRAINERS; i++)
		winners += atomic_load(&draining->drained[i]) != 0;
	return winners >= 2 && atomic_load(&draining->shut_out) != 0;
}

static void test_drain_against_drain(void **state)
{
	const struct race race = { DRAINERS, 400 / SCALE, draining_prepare, draining_act, draining_settle, draining_decided };
	struct draining draining = { .queue = wk_queue_new(NULL, NULL) };
	unsigned i;

	(void)state;
	race_run(&race, &draining);
	for (i = 0; i < DRAINERS; i++)
		print_message("drainer %u ran %lu items\n", i, atomic_load(&draining.drained[i]));
	print_message("shut out %lu times in %lu rounds\n", atomic_load(&draining.shut_out), draining.rounds);
	assert_int_equal(atomic_load(&draining.overlaps), 0);
	assert_int_equal(atomic_load(&draining.lost), 0);
	assert_true(draining_decided(&draining));
	assert_int_equal(wk_queue_close(draining.queue, WK_QUEUE_RUN), WK_OK);
	wk_release(draining.queue);
}

/* Close against close: one succeeds, the others are told why not. */

struct shutting {
	wk_queue *queue;
	_Atomic unsigned closed;
	_Atomic unsigned long busy, late, wrong;
};

static void shutting_prepare(void *context)
{
	struct shutting *shutting = context;

	shutting->queue = wk_queue_new(NULL, NULL);
}

static void shutting_act(void *context, unsigned thread)
{
	struct shutting *shutting = context;
	int status = wk_queue_close(shutting->queue, (wk_queue_close_mode)(thread % 3));

	if (status == WK_OK)
		atomic_fetch_add(&shutting->closed, 1);
	else
		race_add(status == WK_EBUSY ? &shutting->busy : status == WK_ESHUTDOWN ? &shutting->late : &shutting->wrong,
			true);
}

static void shutting_settle(void *context)
{
	struct shutting *shutting = context;

	race_add(&shutting->wrong, atomic_exchange(&shutting->closed, 0) != 1);
	wk_release(shutting->queue);
}

static bool shutting_decided(void *context)
{
	struct shutting *shutting = context;

	return atomic_load(&shutting->busy) != 0 && atomic_load(&shutting->late) != 0;
}

static void test_close_against_close(void **state)
{
	const struct race race = { 4, 200 / SCALE, shutting_prepare, shutting_act, shutting_settle, shutting_decided };
	struct shutting shutting = { .queue = NULL };

	(void)state;
	race_run(&race, &shutting);
	print_message("%lu busy, %lu late\n", atomic_load(&shutting.busy), atomic_load(&shutting.late));
	assert_int_equal(atomic_load(&shutting.wrong), 0);
	assert_true(shutting_decided(&shutting));
}

/* Several wait: whoever is woken drains, nobody sleeps over an item, and the closing wakes them all. */

#define WAITERS 4

struct crowd {
	wk_queue *queue;
	_Atomic unsigned ran, told_of_the_end;
	_Atomic unsigned long wrong;
	_Atomic unsigned long served[WAITERS];
};

static void crowd_run(void *argument)
{
	atomic_fetch_add(&((struct crowd *)argument)->ran, 1);
}

static void crowd_post(struct crowd *crowd)
{
	unsigned i, burst;

	for (i = 0; i < POSTS; i++) {
		race_add(&crowd->wrong, wk_queue_post(crowd->queue, crowd_run, crowd, NULL) != WK_OK);
		if (i % 16 != 0)
			continue;
		for (burst = 0; atomic_load(&crowd->ran) <= i; burst++) /* until it has been served, so that they sleep again */
			sched_yield();
	}
	for (i = 0; i < 200 || atomic_load(&crowd->ran) < POSTS; i++)
		sched_yield(); /* so that they sleep when it is closed */
	while (wk_queue_close(crowd->queue, WK_QUEUE_RUN) == WK_EBUSY)
		sched_yield();
}

static void crowd_body(void *context, unsigned index)
{
	struct crowd *crowd = context;
	int status;

	if (index == WAITERS) {
		crowd_post(crowd);
		return;
	}
	while ((status = wk_queue_wait(crowd->queue, WK_NO_TIMEOUT)) == WK_OK)
		atomic_fetch_add(&crowd->served[index], wk_queue_drain(crowd->queue, 8));
	race_add(&crowd->wrong, status != WK_ESHUTDOWN);
	atomic_fetch_add(&crowd->told_of_the_end, 1);
}

static void test_several_wait(void **state)
{
	struct crowd crowd = { .queue = wk_queue_new(NULL, NULL) };
	unsigned i;

	(void)state;
	threads_run(WAITERS + 1, crowd_body, &crowd);
	for (i = 0; i < WAITERS; i++)
		print_message("waiter %u served %lu\n", i, atomic_load(&crowd.served[i]));
	assert_int_equal(atomic_load(&crowd.ran), POSTS);
	assert_int_equal(atomic_load(&crowd.wrong), 0);
	assert_int_equal(atomic_load(&crowd.told_of_the_end), WAITERS);
	wk_release(crowd.queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_post_runs_once_in_its_posters_order),
		cmocka_unit_test(test_promise_8_post_against_close),
		cmocka_unit_test(test_drain_against_drain),
		cmocka_unit_test(test_close_against_close),
		cmocka_unit_test(test_several_wait),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
