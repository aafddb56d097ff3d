/*
 * weakref/object.h: WK_TYPE_PROMPT, destroyed on the releasing thread before the release returns (promise 4)
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support/memory.h"
#include "support/threads.h"

struct node {
	struct node *left, *right;
	unsigned number;
};

static unsigned destroyed;
static unsigned order[8];
static pthread_t destroyer;

static void node_destroy(void *payload)
{
	struct node *node = payload;

	order[destroyed % 8] = node->number;
	destroyed++;
	destroyer = pthread_self();
	wk_release(node->left);
	wk_release(node->right);
}

WK_DEFINE_TYPE(node_type, struct node, .destroy = node_destroy, .flags = WK_TYPE_PROMPT);

static struct node *node_new(unsigned number, struct node *left, struct node *right)
{
	struct node *node = wk_new(&node_type);

	if (node != NULL)
		*node = (struct node){ left, right, number };
	return node;
}

static void test_destroyed_before_release_returns(void **state)
{
	(void)state;
	destroyed = 0;
	wk_release(node_new(1, NULL, NULL));
	assert_int_equal(destroyed, 1);
	assert_true(pthread_equal(destroyer, pthread_self()));
}

/* Promise 4: nested releases are worked off in order by the outermost one. */
static void test_nested_releases(void **state)
{
	const unsigned expected[] = { 1, 2, 3, 4, 5 };
	struct node *tree = node_new(1, node_new(2, node_new(4, NULL, NULL), NULL), node_new(3, node_new(5, NULL, NULL), NULL));

	(void)state;
	destroyed = 0;
	wk_release(tree);
	assert_int_equal(destroyed, 5);
	assert_memory_equal(order, expected, sizeof(expected));
}

/* Promise 4: a chain of a million objects takes no stack. (A sanitizer's stack is larger, but not for this many.) */

#define CHAIN (THREADS_SANITIZED ? 200000u : 1000000u)

static void release_chain(void *context)
{
	wk_release(context);
}

static void release_long_chain(unsigned length, bool weakly)
{
	struct node *chain = NULL;
	wk_weak *weak = NULL;
	unsigned i;

	for (i = 0; i < length; i++) {
		chain = node_new(i, chain, NULL);
		assert_non_null(chain);
		if (weakly) {
			wk_weak_release(weak);
			weak = wk_downgrade(chain);
		}
	}
	destroyed = 0;
	threads_alone(release_chain, chain, THREADS_SMALL_STACK);
	assert_int_equal(destroyed, length);
	assert_true(wk_weak_expired(weak));
	wk_weak_release(weak);
}

static void test_promise_4_a_million_on_a_small_stack(void **state)
{
	(void)state;
	release_long_chain(CHAIN, false);
	release_long_chain(CHAIN, true);
}

/* Prompt objects can be upgraded, and not peeked. */
static void test_handles_to_prompt_objects(void **state)
{
	struct node *node = node_new(1, NULL, NULL);
	wk_weak *weak = wk_downgrade(node);
	void *peeked;

	(void)state;
	wk_read_lock();
	peeked = wk_weak_peek(weak);
	wk_read_unlock();
	assert_null(peeked);
	assert_ptr_equal(wk_upgrade(weak), node);
	destroyed = 0;
	wk_release(node);
	assert_int_equal(destroyed, 0);
	wk_release(node);
	assert_int_equal(destroyed, 1);
	assert_null(wk_upgrade(weak));
	wk_weak_release(weak);
}

/* Who comes last destroys, whoever it is: never two, never none, and never another thread. */

struct last_race {
	void *object;
	_Atomic unsigned here[8];
	_Atomic unsigned long wrong;
	_Atomic unsigned long wins[8];
};

static _Thread_local _Atomic unsigned *destroyed_here;

static void last_destroy(void *payload)
{
	(void)payload;
	atomic_fetch_add(destroyed_here, 1);
}

WK_DEFINE_TYPE(last_type, struct node, .destroy = last_destroy, .flags = WK_TYPE_PROMPT);

static void last_prepare(void *context)
{
	struct last_race *race = context;

	race->object = wk_new(&last_type);
	wk_retain_many(race->object, 7);
}

static void last_act(void *context, unsigned thread)
{
	struct last_race *race = context;

	destroyed_here = &race->here[thread];
	wk_release(race->object);
}

static void last_settle(void *context)
{
	struct last_race *race = context;
	unsigned i, sum = 0, here;

	for (i = 0; i < 8; i++) {
		here = atomic_exchange(&race->here[i], 0);
		race_add(&race->wins[i], here != 0);
		sum += here;
	}
	race_add(&race->wrong, sum != 1);
}

static bool last_decided(void *context)
{
	struct last_race *race = context;
	unsigned i;

	for (i = 0; i < 8; i++) {
		if (atomic_load(&race->wins[i]) == 0)
			return false;
	}
	return true;
}

static void test_exactly_one_destroys(void **state)
{
	const struct race race = { 8, 500, last_prepare, last_act, last_settle, last_decided };
	static struct last_race last;
	unsigned i;

	(void)state;
	race_run(&race, &last);
	assert_int_equal(atomic_load(&last.wrong), 0);
	for (i = 0; i < 8; i++) {
		print_message("thread %u was last %lu times\n", i, atomic_load(&last.wins[i]));
		assert_true(atomic_load(&last.wins[i]) > 0);
	}
}

/* Given memory is the program's again when the release returns: nobody can have peeked it. */

struct slot {
	wk_header header;
	char payload[400];
};

static void slot_destroy(void *payload)
{
	struct slot *slot = (struct slot *)(void *)((char *)payload - offsetof(struct slot, payload));

	memset(slot, MEMORY_GONE, sizeof(*slot));
	free(slot);
	destroyed++;
}

WK_DEFINE_TYPE(slot_type, char[400], .destroy = slot_destroy, .flags = WK_TYPE_PROMPT);

static void test_given_memory_of_prompt_objects(void **state)
{
	struct slot *slots[2] = { malloc(sizeof(struct slot)), malloc(sizeof(struct slot)) };
	wk_weak *weak;
	char *object;
	size_t i;

	(void)state;
	destroyed = 0;
	for (i = 0; i < 2; i++) {
		assert_non_null(slots[i]);
		object = wk_new_with(&slot_type, &(wk_new_options){ .memory = &slots[i]->header }, NULL);
		assert_ptr_equal(object, slots[i]->payload);
		weak = i == 0 ? NULL : wk_downgrade(object);
		wk_release(object);
		assert_int_equal(destroyed, i + 1);
		assert_null(wk_upgrade(weak));
		wk_weak_release(weak);
	}
}

/* A discard, and objects made and released, inside a prompt destroy. */

static unsigned inner_status;

static void busy_destroy(void *payload)
{
	struct node *node = node_new(7, NULL, NULL);

	(void)payload;
	inner_status = node != NULL;
	wk_release(node);
	wk_discard(node_new(8, NULL, NULL));
}

WK_DEFINE_TYPE(busy_type, struct node, .destroy = busy_destroy, .flags = WK_TYPE_PROMPT);

static void test_prompt_destroy_that_makes_objects(void **state)
{
	(void)state;
	destroyed = 0;
	wk_release(wk_new(&busy_type));
	assert_int_equal(inner_status, 1);
	assert_int_equal(destroyed, 1); /* the released one, not the discarded one */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destroyed_before_release_returns),
		cmocka_unit_test(test_nested_releases),
		cmocka_unit_test(test_promise_4_a_million_on_a_small_stack),
		cmocka_unit_test(test_handles_to_prompt_objects),
		cmocka_unit_test(test_exactly_one_destroys),
		cmocka_unit_test(test_given_memory_of_prompt_objects),
		cmocka_unit_test(test_prompt_destroy_that_makes_objects),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
