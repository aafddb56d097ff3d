/*
 * Promise 24: misuse that can be told at low cost stops the process with a message, in every build
 *
 * Each scenario runs in a process of its own, which must end by abort after saying the right thing.
 */
#include "runtime_fixture.h"

#include "support/child.h"

struct item {
	long number;
};

static void destroy_nothing(void *payload)
{
	(void)payload;
}

static void destroy_twice_done(void *payload)
{
	wk_destroy_done(payload);
	wk_destroy_done(payload);
}

static void destroy_and_retain(void *payload)
{
	wk_retain(payload);
}

WK_DEFINE_TYPE(item_type, struct item, .flags = 0);
WK_DEFINE_TYPE(destroyed_type, struct item, .destroy = destroy_nothing);
WK_DEFINE_TYPE(twice_type, struct item, .destroy = destroy_twice_done, .flags = WK_TYPE_ASYNC_DESTROY);
WK_DEFINE_TYPE(retaining_type, struct item, .destroy = destroy_and_retain);

static uintptr_t no_object[4];

static void retain_no_object(void)
{
	wk_retain(&no_object[2]);
}

static void release_no_object(void)
{
	wk_release(&no_object[2]);
}

static void ask_no_object(void)
{
	(void)wk_type_of(&no_object[2]);
}

static void downgrade_no_object(void)
{
	(void)!wk_downgrade(&no_object[2]);
}

/* A weak handle keeps the memory of a small payload: a release too many finds what it needs to complain. */
static void release_too_often(void)
{
	struct item *item = wk_new(&item_type);

	(void)!wk_downgrade(item);
	wk_release(item);
	wk_release(item);
}

/* The object waits for its destructor: still there, and dead. */
static void release_unborrowed(void)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = WK_THREAD_NONE };
	struct item *item;

	child_check(wk_runtime_start(&options) == WK_OK);
	item = wk_new(&destroyed_type);
	wk_release(item);
	wk_release(item);
}

static void release_too_many(void)
{
	struct item *item = wk_new(&item_type);

	wk_retain(item);
	wk_release_many(item, 3);
}

/* More than any object can have: as a signed number it is less than none. */
static void release_minus_one(void)
{
	struct item *item = wk_new(&item_type);

	wk_release_many(item, (size_t)-1);
}

static void release_half_of_all_numbers(void)
{
	struct item *item = wk_new(&item_type);

	wk_release_many(item, SIZE_MAX / 2 + 1);
}

static void retain_in_destroy(void)
{
	wk_release(wk_new(&retaining_type));
	(void)!wk_barrier(WK_NO_TIMEOUT);
}

static void release_a_handle_twice(void)
{
	struct item *item = wk_new(&destroyed_type);
	wk_weak *weak = wk_downgrade(item);

	wk_weak_release(weak);
	wk_weak_release(weak);
	wk_release(item);
	(void)!wk_barrier(WK_NO_TIMEOUT);
}

static void release_a_handle_thrice(void)
{
	struct item *item = wk_new(&item_type);
	wk_weak *weak = wk_downgrade(item);

	wk_weak_release(weak);
	wk_weak_release(weak);
	wk_weak_release(weak);
}

static void discard_with_a_handle(void)
{
	struct item *item = wk_new(&item_type);

	(void)!wk_downgrade(item);
	wk_discard(item);
}

/* The handle is gone, but somebody may be peeking. */
static void discard_after_a_handle(void)
{
	struct item *item = wk_new(&item_type);

	wk_weak_release(wk_downgrade(item));
	wk_discard(item);
}

static void discard_with_two_references(void)
{
	wk_discard(wk_retain(wk_new(&item_type)));
}

/* A handle keeps the control block, so that the second call finds it. */
static void destroy_done_twice(void)
{
	struct item *item = wk_new(&twice_type);

	(void)!wk_downgrade(item);
	wk_release(item);
	(void)!wk_barrier(WK_NO_TIMEOUT);
}

static void destroy_done_early(void)
{
	wk_destroy_done(wk_new(&twice_type));
}

static void destroy_done_of_another_type(void)
{
	wk_destroy_done(wk_new(&destroyed_type));
}

static void poll_in_a_read_section(void)
{
	wk_read_lock();
	(void)wk_runtime_poll(0);
}

static wk_cell cell;

static void store_no_object(void)
{
	wk_cell_store(&cell, &no_object[2]);
}

/* The object waits for its destructor, which nobody polls for. */
static void give_what_is_dead(void)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = WK_THREAD_NONE };
	struct item *item;

	child_check(wk_runtime_start(&options) == WK_OK);
	item = wk_new(&destroyed_type);
	(void)!wk_downgrade(item);
	wk_release(item);
	wk_cell_give(&cell, item);
}

#define OF_THE_TYPE "weakref: struct item at 0x"

static const struct {
	struct child_case scenario;
	const char *subject, *message;
} misuses[] = {
	{ { "retain_no_object", retain_no_object }, "weakref: 0x", "is not an object" },
	{ { "release_no_object", release_no_object }, "weakref: 0x", "is not an object" },
	{ { "ask_no_object", ask_no_object }, "weakref: 0x", "is not an object" },
	{ { "downgrade_no_object", downgrade_no_object }, "weakref: 0x", "is not an object" },
	{ { "release_too_often", release_too_often }, OF_THE_TYPE, "released more often than retained" },
	{ { "release_unborrowed", release_unborrowed }, OF_THE_TYPE, "released more often than retained" },
	{ { "release_too_many", release_too_many }, OF_THE_TYPE, "released more often than retained" },
	{ { "release_minus_one", release_minus_one }, OF_THE_TYPE, "released more often than retained" },
	{ { "release_half_of_all_numbers", release_half_of_all_numbers }, OF_THE_TYPE, "released more often than retained" },
	{ { "retain_in_destroy", retain_in_destroy }, OF_THE_TYPE, "retained after its last release" },
	{ { "release_a_handle_twice", release_a_handle_twice }, OF_THE_TYPE, "weak handle released more often" },
	{ { "release_a_handle_thrice", release_a_handle_thrice }, OF_THE_TYPE, "weak handle released more often" },
	{ { "discard_with_a_handle", discard_with_a_handle }, OF_THE_TYPE, "somebody else has seen it" },
	{ { "discard_after_a_handle", discard_after_a_handle }, OF_THE_TYPE, "somebody else has seen it" },
	{ { "discard_with_two_references", discard_with_two_references }, OF_THE_TYPE, "somebody else has seen it" },
	{ { "destroy_done_twice", destroy_done_twice }, OF_THE_TYPE, "without an asynchronous destroy" },
	{ { "destroy_done_early", destroy_done_early }, OF_THE_TYPE, "without an asynchronous destroy" },
	{ { "destroy_done_of_another_type", destroy_done_of_another_type }, OF_THE_TYPE, "without an asynchronous" },
	{ { "store_no_object", store_no_object }, "weakref: 0x", "is not an object" },
	{ { "give_what_is_dead", give_what_is_dead }, OF_THE_TYPE, "put into a cell after its last release" },
	{ { "poll_in_a_read_section", poll_in_a_read_section }, "weakref: ", "wk_runtime_poll inside a read section" },
};
#define MISUSES (sizeof(misuses) / sizeof(misuses[0]))

static void test_promise_24_misuse_stops_and_names_the_type(void **state)
{
	struct child_end end;
	size_t i;

	(void)state;
	for (i = 0; i < MISUSES; i++) {
		print_message("%s\n", misuses[i].scenario.name);
		end = child_run(misuses[i].scenario.name);
		assert_true(child_aborted(&end));
		assert_true(child_said(&end, misuses[i].subject));
		assert_true(child_said(&end, misuses[i].message));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_24_misuse_stops_and_names_the_type),
	};
	struct child_case cases[MISUSES];
	size_t i;

	for (i = 0; i < MISUSES; i++)
		cases[i] = misuses[i].scenario;
	if (child_main(argc, argv, cases, MISUSES))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
