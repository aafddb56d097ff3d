/*
 * weakref/ref.h: cancelling callbacks (promise 9)
 */
#include "runtime_fixture.h"

#include <sched.h>
#include <stdatomic.h>

#include "support/threads.h"

struct thing {
	int number;
};

WK_DEFINE_TYPE(plain_type, struct thing, .flags = 0);

/* How often a callback ran and its argument was released. */
struct tally {
	_Atomic unsigned ran, released;
};

static int run_counting(wk_weakref *ref, void *argument)
{
	(void)ref;
	atomic_fetch_add(&((struct tally *)argument)->ran, 1);
	return 0;
}

static void release_counting(void *argument)
{
	atomic_fetch_add(&((struct tally *)argument)->released, 1);
}

#define ASSERT_TALLY(tally, runs, releases)                        \
	do {                                                       \
		assert_int_equal(atomic_load(&(tally)->ran), runs); \
		assert_int_equal(atomic_load(&(tally)->released), releases); \
	} while (0)

static wk_weakref *counting_ref(const void *object, struct tally *tally, wk_queue *queue)
{
	const wk_callback callback = {
		.run = run_counting, .argument = tally, .release = release_counting, .queue = queue
	};

	return wk_weakref_new(object, &callback, NULL);
}

static void test_promise_9_armed(void **state)
{
	struct thing *thing = wk_new(&plain_type), *got;
	struct tally tally = { 0 };
	wk_weakref *ref = counting_ref(thing, &tally, NULL);

	(void)state;
	assert_int_equal(wk_weakref_cancel(ref), WK_OK);
	assert_int_equal(wk_weakref_cancel(ref), WK_OK);
	settle();
	ASSERT_TALLY(&tally, 0, 1);
	assert_int_equal(wk_weakref_count(thing), 1); /* it is a reference still */
	got = wk_weakref_get(ref);
	assert_ptr_equal(got, thing);
	wk_release(got);
	wk_release(thing);
	settle();
	ASSERT_TALLY(&tally, 0, 1);
	assert_int_equal(wk_weakref_cancel(ref), WK_OK);
	wk_weakref_release(ref);
	settle();
	ASSERT_TALLY(&tally, 0, 1);
}

static void test_promise_9_posted(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_queue *queue = wk_queue_new(NULL, NULL);
	struct tally tally = { 0 };
	wk_weakref *ref = counting_ref(thing, &tally, queue);

	(void)state;
	wk_release(thing);
	assert_int_equal(wk_queue_pending(queue), 1);
	assert_int_equal(wk_weakref_cancel(ref), WK_OK);
	ASSERT_TALLY(&tally, 0, 0);
	wk_queue_drain(queue, 0);
	ASSERT_TALLY(&tally, 0, 1);
	assert_int_equal(wk_weakref_cancel(ref), WK_OK);
	wk_weakref_release(ref);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

static void test_promise_9_done(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	struct tally tally = { 0 };
	wk_weakref *ref = counting_ref(thing, &tally, NULL);

	(void)state;
	wk_release(thing);
	settle();
	assert_int_equal(wk_weakref_cancel(ref), WK_EDEAD);
	assert_int_equal(wk_weakref_cancel(ref), WK_EDEAD);
	ASSERT_TALLY(&tally, 1, 1);
	wk_weakref_release(ref);
}

static void test_nothing_to_cancel(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_weakref *ref = wk_weakref_new(thing, NULL, NULL);
	wk_weakref *bare = wk_weakref_new(thing, &(wk_callback){ .run = run_counting }, NULL);

	(void)state;
	assert_int_equal(wk_weakref_cancel(ref), WK_OK);
	assert_int_equal(wk_weakref_cancel(bare), WK_OK); /* no argument to release */
	wk_release(thing);
	assert_int_equal(wk_weakref_cancel(ref), WK_OK);
	assert_int_equal(wk_weakref_cancel(bare), WK_OK);
	wk_weakref_release(ref);
	wk_weakref_release(bare);
}

/* Cancelling what runs at this moment. */

struct scene {
	struct steps steps;
	wk_weakref *ref, *other;
	bool ended;           /* by the callback, last thing: no atomic, cancel orders it */
	int own, others, in_section, waited;
	bool ended_before_cancel_returned;
};

enum { SCENE_BEGUN = 1, SCENE_WAITING, SCENE_CONTINUE };

/* Runs until it is told to go on, and tries to cancel itself meanwhile. */
static int run_scene(wk_weakref *ref, void *argument)
{
	struct scene *scene = argument;
	unsigned i;

	scene->own = wk_weakref_cancel(ref);
	steps_reach(&scene->steps, SCENE_BEGUN);
	steps_wait(&scene->steps, SCENE_CONTINUE);
	for (i = 0; i < 100; i++)
		sched_yield(); /* who does not wait for us is seen to be early */
	scene->ended = true;
	return 0;
}

/* Another callback, on another thread. */
static int cancel_scene(wk_weakref *ref, void *argument)
{
	struct scene *scene = argument;

	(void)ref;
	scene->others = wk_weakref_cancel(scene->ref);
	return 0;
}

static void scene_begin(struct scene *scene)
{
	const struct steps steps = STEPS_AT_START;
	struct thing *thing = wk_new(&plain_type);

	*scene = (struct scene){ .steps = steps };
	scene->ref = wk_weakref_new(thing, &(wk_callback){ .run = run_scene, .argument = scene }, NULL);
	wk_release(thing);
	steps_wait(&scene->steps, SCENE_BEGUN);
}

static void scene_end(struct scene *scene)
{
	steps_reach(&scene->steps, SCENE_CONTINUE);
	assert_int_equal(wk_weakref_cancel(scene->ref), WK_EDEAD);
	assert_true(scene->ended);
	assert_int_equal(scene->own, WK_EDEADLOCK);
	wk_weakref_release(scene->ref);
}

static void test_promise_9_no_waiting_in_callbacks_and_sections(void **state)
{
	wk_queue *queue = wk_queue_new(NULL, NULL);
	struct scene scene;
	struct thing *thing = wk_new(&plain_type);

	(void)state;
	scene_begin(&scene);
	wk_read_lock();
	assert_int_equal(wk_weakref_cancel(scene.ref), WK_EDEADLOCK);
	wk_read_unlock();
	scene.other = wk_weakref_new(
		thing, &(wk_callback){ .run = cancel_scene, .argument = &scene, .queue = queue }, NULL);
	wk_release(thing);
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	assert_int_equal(scene.others, WK_EDEADLOCK);
	wk_weakref_release(scene.other);
	scene_end(&scene);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

/* A destructor counts as a callback. */
struct canceller {
	struct scene *scene;
};

static void canceller_destroy(void *payload)
{
	struct scene *scene = ((struct canceller *)payload)->scene;

	scene->others = wk_weakref_cancel(scene->ref);
}

WK_DEFINE_TYPE(canceller_type, struct canceller, .destroy = canceller_destroy, .flags = WK_TYPE_PROMPT);

static void test_promise_9_no_waiting_in_destructors(void **state)
{
	struct canceller *canceller = wk_new(&canceller_type);
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	canceller->scene = &scene;
	wk_release(canceller);
	assert_int_equal(scene.others, WK_EDEADLOCK);
	scene_end(&scene);
}

static void wait_for_scene(void *context, unsigned index)
{
	struct scene *scene = context;

	if (index == 0) {
		steps_reach(&scene->steps, SCENE_WAITING);
		scene->waited = wk_weakref_cancel(scene->ref);
		scene->ended_before_cancel_returned = scene->ended;
	} else {
		steps_wait(&scene->steps, SCENE_WAITING);
		steps_reach(&scene->steps, SCENE_CONTINUE);
	}
}

static void test_promise_9_waits_for_its_return(void **state)
{
	struct scene scene;
	unsigned i;

	(void)state;
	for (i = 0; i < 50; i++) {
		scene_begin(&scene);
		threads_run(2, wait_for_scene, &scene);
		assert_int_equal(scene.waited, WK_EDEAD);
		assert_true(scene.ended_before_cancel_returned);
		scene_end(&scene);
	}
}

/* Raced: cancel against the death and whoever drains. Each verdict must be true, and each must come. */

struct duel {
	struct thing *thing;
	wk_queue *queue;
	wk_weakref *ref;
	struct tally *tally;
	int verdict;
	unsigned ran_at_verdict;
	unsigned long rounds, wrong;
	_Atomic unsigned long cancelled, ran;
};

static struct tally tallies[1 << 20];

static void duel_prepare(void *context)
{
	struct duel *duel = context;

	duel->tally = &tallies[duel->rounds++];
	duel->thing = wk_new(&plain_type);
	duel->ref = counting_ref(duel->thing, duel->tally, duel->queue);
}

static void duel_act(void *context, unsigned thread)
{
	struct duel *duel = context;

	if (thread == 0) {
		duel->verdict = wk_weakref_cancel(duel->ref);
		duel->ran_at_verdict = atomic_load(&duel->tally->ran);
	} else if (thread == 1) {
		wk_release(duel->thing);
	} else {
		wk_queue_drain(duel->queue, 0);
	}
}

static void duel_settle(void *context)
{
	struct duel *duel = context;
	unsigned ran;

	wk_queue_drain(duel->queue, 0);
	wk_weakref_release(duel->ref);
	if (duel->queue == NULL && wk_barrier(WK_NO_TIMEOUT) != WK_OK)
		duel->wrong++;
	ran = atomic_load(&duel->tally->ran);
	if (duel->verdict == WK_OK) {
		atomic_fetch_add(&duel->cancelled, 1);
		duel->wrong += ran != 0;
	} else {
		atomic_fetch_add(&duel->ran, 1);
		duel->wrong += duel->verdict != WK_EDEAD || duel->ran_at_verdict != 1 || ran != 1;
	}
	duel->wrong += atomic_load(&duel->tally->released) != 1;
}

static bool duel_decided(void *context)
{
	struct duel *duel = context;

	return atomic_load(&duel->cancelled) != 0 && atomic_load(&duel->ran) != 0;
}

static void fight(wk_queue *queue, unsigned threads)
{
	struct duel duel = { .queue = queue };
	const struct race race = {
		.threads = threads,
		.rounds = THREADS_SANITIZED ? 300 : 1000,
		.prepare = duel_prepare,
		.act = duel_act,
		.settle = duel_settle,
		.decided = duel_decided,
	};

	memset(tallies, 0, sizeof(tallies));
	race_run(&race, &duel);
	print_message("%lu cancelled, %lu ran\n", atomic_load(&duel.cancelled), atomic_load(&duel.ran));
	assert_int_equal(duel.wrong, 0);
	assert_true(duel_decided(&duel));
}

static void test_promise_9_cancel_against_the_runner(void **state)
{
	(void)state;
	fight(NULL, 2);
}

static void test_promise_9_cancel_against_a_queue(void **state)
{
	wk_queue *queue = wk_queue_new(NULL, NULL);

	(void)state;
	fight(queue, 3);
	assert_int_equal(wk_strong_count(queue), 1);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_9_armed),
		cmocka_unit_test(test_promise_9_posted),
		cmocka_unit_test(test_promise_9_done),
		cmocka_unit_test(test_nothing_to_cancel),
		cmocka_unit_test(test_promise_9_no_waiting_in_callbacks_and_sections),
		cmocka_unit_test(test_promise_9_no_waiting_in_destructors),
		cmocka_unit_test(test_promise_9_waits_for_its_return),
		cmocka_unit_test(test_promise_9_cancel_against_the_runner),
		cmocka_unit_test(test_promise_9_cancel_against_a_queue),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
