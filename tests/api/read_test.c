/*
 * weakref/read.h: read sections, peeks, and what waits for them (promise 5)
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <sched.h>

#include "support/threads.h"

#define ALIVE 0x600d
#define DESTROYED 0x0bad

struct item {
	_Atomic long canary;
};

static _Atomic unsigned long destroyed;

static void item_destroy(void *payload)
{
	struct item *item = payload;

	atomic_store(&item->canary, DESTROYED);
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);
WK_DEFINE_TYPE(plain_type, struct item, .flags = 0);
WK_DEFINE_TYPE(prompt_type, struct item, .flags = WK_TYPE_PROMPT);

static struct item *item_new(const wk_type *type, wk_weak **weak)
{
	struct item *item = wk_new(type);

	assert_non_null(item);
	atomic_store(&item->canary, ALIVE);
	*weak = wk_downgrade(item);
	return item;
}

static void test_peek(void **state)
{
	wk_weak *weak, *again;
	struct item *item = item_new(&item_type, &weak), *peeked;

	(void)state;
	wk_read_lock();
	peeked = wk_weak_peek(weak);
	assert_ptr_equal(peeked, item);
	assert_int_equal(wk_strong_count(peeked), 1);
	assert_ptr_equal(wk_type_of(peeked), &item_type);
	again = wk_downgrade(peeked); /* from a peek */
	assert_ptr_equal(again, weak);
	assert_ptr_equal(wk_try_retain(peeked), item);
	assert_int_equal(wk_strong_count(item), 2);
	assert_null(wk_weak_peek(NULL));
	wk_read_unlock();
	wk_release_many(item, 2);
	wk_weak_release(again);
	wk_weak_release(weak);
}

static void test_no_peek_at_prompt_objects(void **state)
{
	wk_weak *weak;
	struct item *item = item_new(&prompt_type, &weak);

	(void)state;
	wk_read_lock();
	assert_null(wk_weak_peek(weak));
	wk_read_unlock();
	wk_release(item);
	wk_weak_release(weak);
}

static long left_early(wk_weak *weak)
{
	WK_READ_SECTION();
	struct item *peeked = wk_weak_peek(weak);

	if (peeked == NULL)
		return 0;
	return atomic_load(&peeked->canary);
}

static void test_sections_nest_and_end_with_their_block(void **state)
{
	wk_weak *weak;
	struct item *item = item_new(&item_type, &weak);

	(void)state;
	assert_int_equal(left_early(weak), ALIVE);
	wk_read_lock();
	assert_int_equal(left_early(weak), ALIVE);
	assert_int_equal(wk_barrier(0), WK_EDEADLOCK); /* the outer one is still open */
	wk_read_unlock();
	settle();
	wk_release(item);
	assert_int_equal(left_early(weak), 0);
	wk_weak_release(weak);
}

/* Promise 5: what was peeked stays intact until the section ends, although others try hard to see it end. */

enum { PEEKED = 1, RELEASED, LEFT };

struct reader {
	struct steps steps;
	wk_weak *weak;
	long before, after; /* canary at the peek, and after the last release, many other ends of life and a wait */
	unsigned long destroyed_inside;
};

static void reader_body(void *context)
{
	struct reader *reader = context;
	struct item *peeked;

	wk_read_lock();
	peeked = wk_weak_peek(reader->weak);
	reader->before = peeked == NULL ? 0 : atomic_load(&peeked->canary);
	steps_reach(&reader->steps, PEEKED);
	steps_wait(&reader->steps, RELEASED);
	reader->after = peeked == NULL ? 0 : atomic_load(&peeked->canary);
	reader->destroyed_inside = atomic_load(&destroyed);
	if (wk_try_retain(peeked) != NULL)
		reader->after = 0;
	wk_read_unlock();
	steps_reach(&reader->steps, LEFT);
}

static void *reader_main(void *context)
{
	reader_body(context);
	return NULL;
}

#define OTHERS 500

static void end_other_lives(const wk_type *type)
{
	unsigned i;

	for (i = 0; i < OTHERS; i++) {
		struct item *item = wk_new(type);

		wk_weak_release(wk_downgrade(item));
		wk_release(item);
	}
}

static void peek_while_it_dies(const wk_type *type, unsigned long destroys)
{
	struct reader reader = { .steps = STEPS_AT_START };
	struct item *item = item_new(type, &reader.weak);
	pthread_t thread;

	settle();
	atomic_store(&destroyed, 0);
	assert_int_equal(pthread_create(&thread, NULL, reader_main, &reader), 0);
	steps_wait(&reader.steps, PEEKED);
	wk_release(item);
	end_other_lives(type);
	assert_int_equal(wk_barrier(20000000), WK_ETIMEDOUT); /* the open section holds everything up */
	steps_reach(&reader.steps, RELEASED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	settle();
	assert_int_equal(reader.before, ALIVE);
	assert_int_equal(reader.after, ALIVE);
	assert_int_equal(reader.destroyed_inside, 0);
	assert_int_equal(atomic_load(&destroyed), destroys);
	wk_weak_release(reader.weak);
}

static void test_promise_5_peeked_stays_intact(void **state)
{
	(void)state;
	peek_while_it_dies(&item_type, OTHERS + 1);
	peek_while_it_dies(&plain_type, 0);
}

/* Promise 5, without a script: readers look again and again at what dies and is made anew. */

#define READERS 4

struct turnover {
	_Atomic(wk_weak *) current;
	_Atomic bool over;
	_Atomic unsigned long intact, gone, torn, retained, died;
	unsigned long rounds;
};

static void turnover_look(struct turnover *turnover, bool linger)
{
	struct item *peeked;
	wk_weak *weak;
	bool seen;

	wk_read_lock();
	weak = atomic_load(&turnover->current); /* an object's handle is released a grace period after it was replaced */
	peeked = wk_weak_peek(weak);
	if (linger)
		sched_yield(); /* so that the object dies under us now and then */
	seen = peeked != NULL;
	race_add(seen ? &turnover->intact : &turnover->gone, true);
	if (seen && wk_try_retain(peeked) != NULL) {
		race_add(&turnover->retained, true);
		race_add(&turnover->torn, atomic_load(&peeked->canary) != ALIVE);
		wk_release(peeked);
	} else if (seen) {
		race_add(&turnover->died, true);
	}
	race_add(&turnover->torn, seen && atomic_load(&peeked->canary) != ALIVE);
	wk_read_unlock();
}

static bool turnover_decided(const struct turnover *turnover)
{
	return atomic_load(&turnover->retained) > 100 && atomic_load(&turnover->died) > 10 &&
	       atomic_load(&turnover->gone) > 100;
}

static void drop_handle(void *payload)
{
	wk_weak_release(*(wk_weak **)payload);
}

WK_DEFINE_TYPE(handle_type, wk_weak *, .destroy = drop_handle);

/* The handle goes when nobody can be looking at it any more: an object's destructor gives it back. */
static void release_handle_later(wk_weak *weak)
{
	wk_weak **box = wk_new(&handle_type);

	if (box == NULL)
		return;
	*box = weak;
	wk_weak_release(wk_downgrade(box));
	wk_release(box);
}

static void turnover_write(struct turnover *turnover)
{
	struct item *item = wk_new(&item_type);
	wk_weak *old, *weak = wk_downgrade(item);

	atomic_store(&item->canary, ALIVE);
	old = atomic_exchange(&turnover->current, weak);
	release_handle_later(old);
	turnover_look(turnover, false);
	sched_yield();
	wk_release(item);
	sched_yield();
	turnover->rounds++;
}

static void turnover_body(void *context, unsigned index)
{
	struct turnover *turnover = context;
	const unsigned long rounds = THREADS_SANITIZED ? 500 : 2000;
	unsigned looks;

	if (index > 0) {
		for (looks = 0; !atomic_load(&turnover->over); looks++)
			turnover_look(turnover, looks % 8 == 0);
		return;
	}
	while (turnover->rounds < rounds || (!turnover_decided(turnover) && turnover->rounds < 50 * rounds))
		turnover_write(turnover);
	atomic_store(&turnover->over, true);
}

static void test_promise_5_readers_against_turnover(void **state)
{
	struct turnover turnover = { .current = NULL };
	struct item *item;
	wk_weak *weak;

	(void)state;
	item = item_new(&item_type, &weak);
	atomic_store(&turnover.current, weak);
	wk_release(item);
	settle();
	atomic_store(&destroyed, 0);
	threads_run(1 + READERS, turnover_body, &turnover);
	wk_weak_release(atomic_load(&turnover.current));
	settle();
	print_message("%lu peeked, %lu of them retained, %lu had died; %lu found nothing\n",
		atomic_load(&turnover.intact), atomic_load(&turnover.retained), atomic_load(&turnover.died),
		atomic_load(&turnover.gone));
	assert_int_equal(atomic_load(&turnover.torn), 0);
	assert_int_equal(atomic_load(&destroyed), turnover.rounds);
	assert_true(turnover_decided(&turnover));
}

/* try_retain of what is peeked, against its last release. */

struct retain_race {
	struct item *item;
	wk_weak *weak;
	unsigned long rounds;
	_Atomic unsigned long kept, died, gone, torn;
};

static void retain_prepare(void *context)
{
	struct retain_race *race = context;

	race->item = item_new(&item_type, &race->weak);
	race->rounds++;
}

static void retain_act(void *context, unsigned thread)
{
	struct retain_race *race = context;
	struct item *peeked, *kept;

	if (thread == 1) {
		wk_release(race->item);
		return;
	}
	wk_read_lock();
	peeked = wk_weak_peek(race->weak);
	if ((race->rounds + thread) % 2 == 0)
		sched_yield();
	kept = wk_try_retain(peeked);
	race_add(peeked == NULL ? &race->gone : kept != NULL ? &race->kept : &race->died, true);
	wk_read_unlock();
	if (kept == NULL)
		return;
	race_add(&race->torn, kept != peeked || atomic_load(&kept->canary) != ALIVE);
	wk_release(kept);
}

static void retain_settle(void *context)
{
	struct retain_race *race = context;

	wk_weak_release(race->weak);
}

static bool retain_decided(void *context)
{
	struct retain_race *race = context;

	return atomic_load(&race->kept) > 10 && atomic_load(&race->died) > 0 && atomic_load(&race->gone) > 10;
}

static void test_promise_1_try_retain_against_death(void **state)
{
	const unsigned sizes[] = { 2, 4, 8 };
	struct race race = { 0, 0, retain_prepare, retain_act, retain_settle, retain_decided };
	struct retain_race retain;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		race.threads = sizes[i];
		race.rounds = 4000 / sizes[i] / (THREADS_SANITIZED ? 4 : 1);
		retain = (struct retain_race){ 0 };
		settle();
		atomic_store(&destroyed, 0);
		race_run(&race, &retain);
		settle();
		print_message("%u threads: %lu kept, %lu peeked but died, %lu gone\n", sizes[i],
			atomic_load(&retain.kept), atomic_load(&retain.died), atomic_load(&retain.gone));
		assert_int_equal(atomic_load(&retain.torn), 0);
		assert_int_equal(atomic_load(&destroyed), retain.rounds);
		assert_true(retain_decided(&retain));
	}
}

/* What would wait for the section says so. */
static void test_waiting_calls_in_a_section(void **state)
{
	wk_shutdown_report report = { .struct_size = sizeof(report) };
	wk_queue *queue = wk_queue_new(NULL, NULL);

	(void)state;
	wk_read_lock();
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_EDEADLOCK);
	assert_int_equal(wk_queue_wait(queue, WK_NO_TIMEOUT), WK_EDEADLOCK);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_EDEADLOCK);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_MOVE), WK_EDEADLOCK);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_DROP), WK_EDEADLOCK);
	assert_int_equal(wk_runtime_start(NULL), WK_EDEADLOCK);
	assert_int_equal(wk_runtime_shutdown(0, &report), WK_EDEADLOCK);
	wk_read_unlock();
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

/* Everything else works in a section, for objects that die in it too. */
static void test_ends_of_life_in_a_section(void **state)
{
	wk_weak *weak;
	struct item *item = item_new(&item_type, &weak), *peeked;
	unsigned i;

	(void)state;
	settle();
	atomic_store(&destroyed, 0);
	wk_read_lock();
	peeked = wk_weak_peek(weak);
	wk_release(item);
	for (i = 0; i < OTHERS; i++)
		wk_release(wk_new(i % 2 == 0 ? &plain_type : &item_type));
	assert_null(wk_weak_peek(weak));
	assert_int_equal(atomic_load(&peeked->canary), ALIVE);
	wk_read_unlock();
	settle();
	assert_int_equal(atomic_load(&destroyed), 1 + OTHERS / 2);
	wk_weak_release(weak);
}

static void prepare_twice(void *context)
{
	int *statuses = context;

	statuses[0] = wk_thread_prepare();
	statuses[1] = wk_thread_prepare();
	wk_read_lock();
	statuses[2] = wk_thread_prepare();
	wk_read_unlock();
}

static void test_prepare(void **state)
{
	int statuses[3] = { -1, -1, -1 };

	(void)state;
	threads_alone(prepare_twice, statuses, 0);
	assert_int_equal(statuses[0], WK_OK);
	assert_int_equal(statuses[1], WK_OK);
	assert_int_equal(statuses[2], WK_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peek),
		cmocka_unit_test(test_no_peek_at_prompt_objects),
		cmocka_unit_test(test_sections_nest_and_end_with_their_block),
		cmocka_unit_test(test_promise_5_peeked_stays_intact),
		cmocka_unit_test(test_promise_5_readers_against_turnover),
		cmocka_unit_test(test_promise_1_try_retain_against_death),
		cmocka_unit_test(test_waiting_calls_in_a_section),
		cmocka_unit_test(test_ends_of_life_in_a_section),
		cmocka_unit_test(test_prepare),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
