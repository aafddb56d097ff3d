/*
 * weakref/ref.h: callbacks: when they run, where, in what order, and when they do not
 */
#include "record.h"

#include "support/threads.h"

static int numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

/* Everything that refers weakly to the one object. */
static struct {
	wk_weak *weak;
	wk_weakref *other;
	wk_value_dict *dict;
} world;

static bool seems_alive(wk_weakref *ref)
{
	void *found = wk_weakref_get(ref);

	if (found == NULL)
		found = wk_weakref_get(world.other);
	if (found == NULL)
		found = wk_upgrade(world.weak);
	if (found == NULL && world.dict != NULL)
		found = wk_value_dict_get(world.dict, wk_key_u64(1));
	wk_release(found);
	return found != NULL;
}

/* Notes the argument's number; odd ones fail when they shall. */
static bool odd_ones_fail;
static unsigned found_alive; /* callbacks that found something of their object alive */

static int run_noting(wk_weakref *ref, void *argument)
{
	found_alive += seems_alive(ref);
	note(*(int *)argument);
	return odd_ones_fail && *(int *)argument % 2 != 0 ? -*(int *)argument : 0;
}

static void release_noting(void *argument)
{
	note(-*(int *)argument);
}

static void destroy_noting(void *payload)
{
	(void)payload;
	note(100);
}

struct thing {
	int number;
};

WK_DEFINE_TYPE(thing_type, struct thing, .destroy = destroy_noting);
WK_DEFINE_TYPE(plain_type, struct thing, .flags = 0);
WK_DEFINE_TYPE(hidden_type, struct thing, .flags = WK_TYPE_NO_WEAK);

static wk_weakref *ref_to(const void *object, int number, wk_queue *queue)
{
	const wk_callback callback = {
		.run = run_noting, .argument = &numbers[number], .release = release_noting, .queue = queue
	};
	wk_weakref *ref = wk_weakref_new(object, &callback, NULL);

	assert_non_null(ref);
	return ref;
}

static wk_queue *queue_new(void)
{
	wk_queue *queue = wk_queue_new(NULL, NULL);

	assert_non_null(queue);
	return queue;
}

static void queue_end(wk_queue *queue)
{
	assert_int_equal(wk_strong_count(queue), 1); /* callbacks have let go of it */
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

/* What the error hook was told. */
static struct {
	unsigned count;
	int status[8];
	const char *type_name[8];
} errors;

static void on_error(void *context, int status, const char *type_name, const char *message)
{
	(void)context;
	(void)message;
	errors.status[errors.count % 8] = status;
	errors.type_name[errors.count++ % 8] = type_name;
}

static const wk_runtime_options options = { .struct_size = sizeof(options), .on_error = on_error };

static int setup(void **state)
{
	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

/* Promise 7. */

static void test_promise_7_dead_then_newest_to_oldest_then_destroy(void **state)
{
	struct thing *thing = wk_new(&thing_type);
	wk_weakref *refs[4];
	int i;

	(void)state;
	world.dict = wk_value_dict_new(NULL, NULL);
	assert_int_equal(wk_value_dict_set(world.dict, wk_key_u64(1), thing), WK_CREATED);
	world.weak = wk_downgrade(thing);
	for (i = 1; i <= 3; i++)
		refs[i] = ref_to(thing, i, NULL);
	world.other = wk_weakref_new(thing, NULL, NULL);
	wk_release(thing);
	settle();
	ASSERT_HAPPENED(false, 3, -3, 2, -2, 1, -1, 100);
	for (i = 1; i <= 3; i++)
		wk_weakref_release(refs[i]);
	wk_weakref_release(world.other);
	wk_weak_release(world.weak);
	wk_release(world.dict);
	memset(&world, 0, sizeof(world));
}

static void test_promise_7_on_a_queue(void **state)
{
	struct thing *one = wk_new(&thing_type), *two = wk_new(&plain_type);
	wk_queue *queue = queue_new();
	wk_weakref *refs[] = { ref_to(one, 1, queue), ref_to(one, 2, NULL), ref_to(two, 3, queue), ref_to(one, 4, queue) };
	unsigned i;

	(void)state;
	assert_int_equal(wk_strong_count(queue), 4);
	wk_release(one);
	settle();
	ASSERT_HAPPENED(false, 2, -2, 100); /* the runner waits for no queue */
	wk_release(two);
	assert_int_equal(wk_queue_pending(queue), 3);
	assert_int_equal(wk_queue_drain(queue, 1), 1);
	ASSERT_HAPPENED(true, 4, -4);
	assert_int_equal(wk_queue_drain(queue, 0), 2);
	ASSERT_HAPPENED(true, 1, -1, 3, -3);
	queue_end(queue);
	for (i = 0; i < 4; i++)
		wk_weakref_release(refs[i]);
}

static void test_promise_7_failing_callbacks(void **state)
{
	struct thing *thing = wk_new(&thing_type);
	wk_weakref *refs[4];
	int i;

	(void)state;
	odd_ones_fail = true;
	for (i = 1; i <= 3; i++)
		refs[i] = ref_to(thing, i, NULL);
	wk_release(thing);
	settle();
	ASSERT_HAPPENED(false, 3, -3, 2, -2, 1, -1, 100);
	assert_int_equal(errors.count, 2);
	assert_int_equal(errors.status[0], -3);
	assert_int_equal(errors.status[1], -1);
	assert_string_equal(errors.type_name[0], "struct thing");
	errors.count = 0;
	odd_ones_fail = false;
	for (i = 1; i <= 3; i++)
		wk_weakref_release(refs[i]);
}

/* Promise 8. */

static void test_promise_8_released_before_death_never_fires(void **state)
{
	struct thing *thing = wk_new(&thing_type);
	wk_weakref *given_up = ref_to(thing, 1, NULL), *kept = ref_to(thing, 2, NULL);

	(void)state;
	wk_weakref_retain(given_up);
	wk_weakref_release(given_up);
	settle();
	ASSERT_NOTHING_HAPPENED();
	wk_weakref_release(given_up);
	settle();
	ASSERT_HAPPENED(false, -1); /* elsewhere, never in the release */
	wk_release(thing);
	settle();
	ASSERT_HAPPENED(false, 2, -2, 100);
	wk_weakref_release(kept);
}

static void test_promise_8_released_on_its_queue(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_queue *queue = queue_new();

	(void)state;
	wk_weakref_release(ref_to(thing, 1, queue));
	settle();
	ASSERT_NOTHING_HAPPENED();
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	ASSERT_HAPPENED(true, -1);
	queue_end(queue);
	wk_release(thing);
}

static void test_promise_8_posted_callback_fires_without_users(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_queue *queue = queue_new();
	wk_weakref *ref = ref_to(thing, 1, queue);

	(void)state;
	wk_release(thing);
	wk_weakref_release(ref);
	ASSERT_NOTHING_HAPPENED();
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	ASSERT_HAPPENED(true, 1, -1);
	queue_end(queue);
}

static wk_weakref *kept_by_callback;

static int run_keeping(wk_weakref *ref, void *argument)
{
	kept_by_callback = wk_weakref_retain(ref);
	return run_noting(ref, argument);
}

static void test_promise_8_callback_keeps_its_reference(void **state)
{
	const wk_callback callback = { .run = run_keeping, .argument = &numbers[1], .release = release_noting };
	struct thing *thing = wk_new(&plain_type);
	wk_weakref *ref = wk_weakref_new(thing, &callback, NULL);
	char text[64];

	(void)state;
	wk_release(thing);
	wk_weakref_release(ref);
	settle();
	ASSERT_HAPPENED(false, 1, -1);
	assert_ptr_equal(kept_by_callback, ref);
	assert_null(wk_weakref_get(ref));
	assert_true(wk_weakref_format(ref, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "; dead>"));
	assert_int_equal(wk_weakref_cancel(ref), WK_EDEAD);
	wk_weakref_release(ref);
}

/* If registration fails the argument stays the caller's. */
static void test_promise_8_failed_registration(void **state)
{
	const wk_callback callback = { .run = run_noting, .argument = &numbers[1], .release = release_noting };
	struct thing *hidden = wk_new(&hidden_type);
	int status;

	(void)state;
	assert_null(wk_weakref_new(hidden, &callback, &status));
	assert_int_equal(status, WK_ETYPE);
	wk_release(hidden);
	settle();
	ASSERT_NOTHING_HAPPENED();
}

/* Queues that close. */

static void close_with_two(wk_queue_close_mode mode)
{
	struct thing *thing = wk_new(&plain_type), *later = wk_new(&plain_type);
	wk_queue *queue = queue_new();
	wk_weakref *one = ref_to(thing, 1, queue), *two = ref_to(thing, 2, queue), *three = ref_to(later, 3, queue);

	wk_release(thing);
	assert_int_equal(wk_queue_pending(queue), 2);
	assert_int_equal(wk_queue_close(queue, mode), WK_OK);
	settle();
	if (mode == WK_QUEUE_RUN) {
		ASSERT_HAPPENED(true, 2, -2, 1, -1);
	} else if (mode == WK_QUEUE_MOVE) {
		ASSERT_HAPPENED(false, 2, -2, 1, -1);
	} else {
		ASSERT_HAPPENED(true, -2, -1);
	}
	assert_int_equal(wk_weakref_cancel(one), mode == WK_QUEUE_DROP ? WK_OK : WK_EDEAD);
	wk_release(later);
	settle();
	ASSERT_HAPPENED(false, 3, -3); /* on the runner */
	assert_int_equal(wk_strong_count(queue), 1);
	wk_release(queue);
	wk_weakref_release(one);
	wk_weakref_release(two);
	wk_weakref_release(three);
}

static void test_closed_queues(void **state)
{
	(void)state;
	close_with_two(WK_QUEUE_RUN);
	close_with_two(WK_QUEUE_MOVE);
	close_with_two(WK_QUEUE_DROP);
}

/* The program lets go of its queue: the callback's own hold keeps it until the death, and until it is drained. */
static void test_queue_that_only_callbacks_hold(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_queue *queue = queue_new();
	wk_weak *weak = wk_downgrade(queue);

	(void)state;
	wk_weakref_release(ref_to(thing, 1, queue));
	wk_weakref *ref = ref_to(thing, 2, queue);
	wk_release(queue);
	wk_release(thing);
	queue = wk_upgrade(weak);
	assert_non_null(queue);
	assert_int_equal(wk_queue_drain(queue, 0), 2);
	ASSERT_HAPPENED(true, -1, 2, -2);
	wk_weak_release(weak);
	queue_end(queue);
	wk_weakref_release(ref);
}

/* Callbacks that end their thread. */

static int run_ending(wk_weakref *ref, void *argument)
{
	(void)ref;
	note(*(int *)argument);
	pthread_exit(NULL);
}

static wk_weakref *ending_ref(const void *object, int number, wk_queue *queue)
{
	const wk_callback callback = {
		.run = run_ending, .argument = &numbers[number], .release = release_noting, .queue = queue
	};

	return wk_weakref_new(object, &callback, NULL);
}

static void test_callback_ends_the_runner(void **state)
{
	struct thing *thing = wk_new(&thing_type);
	wk_weakref *before = ref_to(thing, 1, NULL), *ending = ending_ref(thing, 2, NULL);

	(void)state;
	wk_release(thing);
	settle();
	ASSERT_HAPPENED(false, 2, -2, 1, -1, 100);
	assert_int_equal(errors.count, 1);
	errors.count = 0;
	assert_int_equal(wk_weakref_cancel(ending), WK_EDEAD);
	wk_weakref_release(ending);
	wk_weakref_release(before);
}

static void drain(void *queue)
{
	wk_queue_drain(queue, 0);
}

static void test_callback_ends_a_draining_thread(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_queue *queue = queue_new();
	wk_weakref *before = ref_to(thing, 1, queue), *ending = ending_ref(thing, 2, queue);

	(void)state;
	wk_release(thing);
	threads_alone(drain, queue, 0);
	ASSERT_HAPPENED(false, 2, -2);
	assert_int_equal(wk_weakref_cancel(ending), WK_EDEAD);
	assert_int_equal(wk_queue_drain(queue, 0), 1);
	ASSERT_HAPPENED(true, 1, -1);
	queue_end(queue);
	wk_weakref_release(ending);
	wk_weakref_release(before);
}

/* A callback may do what anybody may: make objects and references, end others. */
static int run_working(wk_weakref *ref, void *argument)
{
	struct thing *thing = wk_new(&plain_type);
	wk_weakref *other = ref_to(thing, 2, NULL);

	(void)ref;
	(void)argument;
	wk_release(thing);
	wk_weakref_release(other);
	return 0;
}

static void test_callbacks_make_callbacks(void **state)
{
	struct thing *thing = wk_new(&plain_type);
	wk_weakref *ref = wk_weakref_new(thing, &(wk_callback){ .run = run_working }, NULL);

	(void)state;
	wk_release(thing);
	settle();
	settle();
	ASSERT_HAPPENED(false, 2, -2);
	wk_weakref_release(ref);
}

static void test_statistics(void **state)
{
	wk_stats before = { .struct_size = sizeof(before) }, after = before;
	struct thing *thing = wk_new(&plain_type);
	wk_weakref *ref = ref_to(thing, 1, NULL);

	(void)state;
	wk_runtime_stats(&before);
	wk_release(thing);
	settle();
	ASSERT_HAPPENED(false, 1, -1);
	wk_runtime_stats(&after);
	assert_int_equal(after.callbacks_run - before.callbacks_run, 1);
	wk_weakref_release(ref);
}

/* Promise 7, in all of the above. */
static void test_no_callback_found_its_object(void **state)
{
	(void)state;
	assert_int_equal(found_alive, 0);
}

/* After the shutdown nothing is registered any more; what is registered can still be used and given up. */
static void test_after_the_shutdown(void **state)
{
	wk_shutdown_report report = { .struct_size = sizeof(report) };
	struct thing *thing;
	wk_weakref *ref;
	void *got;
	int status;

	(void)state;
	assert_int_equal(wk_runtime_start(&options), WK_OK);
	thing = wk_new(&plain_type);
	ref = ref_to(thing, 1, NULL);
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, &report), WK_OK);
	assert_int_equal(report.still_alive, 1);
	assert_null(wk_weakref_new(thing, NULL, &status));
	assert_int_equal(status, WK_ESHUTDOWN);
	got = wk_weakref_get(ref);
	assert_ptr_equal(got, thing);
	wk_release(got);
	assert_int_equal(wk_weakref_cancel(ref), WK_OK);
	wk_weakref_release(ref);
	wk_release(thing);
	ASSERT_NOTHING_HAPPENED();
	assert_int_equal(wk_runtime_start(&options), WK_OK);
	settle();
	ASSERT_HAPPENED(false, -1);
	test_the_accounts_balance(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_7_dead_then_newest_to_oldest_then_destroy),
		cmocka_unit_test(test_promise_7_on_a_queue),
		cmocka_unit_test(test_promise_7_failing_callbacks),
		cmocka_unit_test(test_promise_8_released_before_death_never_fires),
		cmocka_unit_test(test_promise_8_released_on_its_queue),
		cmocka_unit_test(test_promise_8_posted_callback_fires_without_users),
		cmocka_unit_test(test_promise_8_callback_keeps_its_reference),
		cmocka_unit_test(test_promise_8_failed_registration),
		cmocka_unit_test(test_closed_queues),
		cmocka_unit_test(test_queue_that_only_callbacks_hold),
		cmocka_unit_test(test_callback_ends_the_runner),
		cmocka_unit_test(test_callback_ends_a_draining_thread),
		cmocka_unit_test(test_callbacks_make_callbacks),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_the_accounts_balance),
		cmocka_unit_test(test_no_callback_found_its_object),
		cmocka_unit_test(test_after_the_shutdown),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
