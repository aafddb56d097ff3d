/*
 * weakref/object.h: wk_new_cyclic: a constructor that is given a weak handle to what it makes (promises 1, 20, 24)
 */
#include "runtime_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "support/child.h"
#include "support/threads.h"

#define ROUNDS (THREADS_SANITIZED ? 300u : 1000u)

struct node {
	wk_weak *self;
	unsigned number, twice;
	char rest[16];
};

static _Atomic unsigned long destroyed;

static void node_destroy(void *payload)
{
	struct node *node = payload;

	wk_weak_release(node->self);
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(node_type, struct node, .destroy = node_destroy);
WK_DEFINE_TYPE(prompt_type, struct node, .destroy = node_destroy, .flags = WK_TYPE_PROMPT);
WK_DEFINE_TYPE(strong_only_type, struct node, .flags = WK_TYPE_NO_WEAK);

/* What a constructor is asked to do, and what it saw. */
struct plan {
	const wk_type *type;
	int result;
	bool ends_its_thread;
	wk_weak *kept;
	unsigned wrong;
};

static int construct(void *payload, wk_weak *self, void *context)
{
	struct node *node = payload;
	struct plan *plan = context;

	plan->wrong += wk_upgrade(self) != NULL || wk_upgrade(self) != NULL; /* one failure is like two */
	plan->wrong += wk_upgrade_as(self, plan->type) != NULL || wk_try_retain(payload) != NULL;
	plan->wrong += wk_weak_expired(self) || !wk_weak_refers_to(self, payload) || wk_weak_type(self) != plan->type;
	plan->wrong += wk_strong_count(payload) != 0 || wk_is_unique(payload);
	wk_read_lock();
	plan->wrong += wk_weak_peek(self) != NULL;
	wk_read_unlock();
	plan->kept = wk_weak_retain(self);
	node->number = 21;
	if (plan->ends_its_thread)
		pthread_exit(NULL);
	if (plan->result >= 0)
		node->self = wk_weak_retain(self);
	return plan->result;
}

static void test_promise_1_upgrades_succeed_from_the_constructors_end_on(void **state)
{
	struct plan plan = { .type = &node_type, .result = 7 };
	int status = 7;
	struct node *node = wk_new_cyclic(&node_type, NULL, construct, &plan, &status), *upgraded;

	(void)state;
	assert_non_null(node);
	assert_int_equal(status, WK_OK);
	assert_int_equal(plan.wrong, 0);
	assert_int_equal(node->number, 21);
	assert_ptr_equal(node->self, plan.kept);
	assert_int_equal(wk_strong_count(node), 1); /* upgrades that failed have left no trace */
	assert_int_equal(wk_weak_count(node), 2);
	upgraded = wk_upgrade(plan.kept);
	assert_ptr_equal(upgraded, node);
	wk_release(upgraded);
	wk_release(node);
	assert_true(wk_weak_expired(plan.kept));
	assert_null(wk_upgrade(plan.kept));
	wk_weak_release(plan.kept);
	settle();
	assert_int_equal(atomic_exchange(&destroyed, 0), 1);
}

static void assert_nothing_is_left(const struct plan *plan)
{
	wk_census census;

	assert_int_equal(plan->wrong, 0);
	assert_true(wk_weak_expired(plan->kept));
	assert_null(wk_upgrade(plan->kept));
	assert_ptr_equal(wk_weak_type(plan->kept), plan->type);
	wk_weak_release(plan->kept);
	settle();
	census = census_of(plan->type);
	assert_int_equal(census.created, census.destroyed);
	assert_int_equal(atomic_load(&destroyed), 0);
}

static void test_a_constructor_that_fails_leaves_nothing_behind(void **state)
{
	struct plan plan = { .type = &node_type, .result = -77 };
	struct plan prompt = { .type = &prompt_type, .result = WK_EBUSY };
	int status = 7;

	(void)state;
	assert_null(wk_new_cyclic(&node_type, NULL, construct, &plan, &status));
	assert_int_equal(status, -77);
	assert_int_equal(wk_last_status(), -77);
	assert_nothing_is_left(&plan);
	assert_null(wk_new_cyclic(&prompt_type, NULL, construct, &prompt, NULL));
	assert_int_equal(wk_last_status(), WK_EBUSY);
	assert_nothing_is_left(&prompt);
}

static void make_in_a_thread(void *context)
{
	struct plan *plan = context;

	(void)!wk_new_cyclic(plan->type, NULL, construct, plan, NULL);
	plan->wrong++; /* it has ended */
}

static void test_a_constructor_that_ends_its_thread_has_failed(void **state)
{
	struct plan plan = { .type = &node_type, .ends_its_thread = true };

	(void)state;
	threads_alone(make_in_a_thread, &plan, 0);
	assert_nothing_is_left(&plan);
}

/* Payloads apart, in given memory, with a queue: as wk_new_with. */
static void test_options(void **state)
{
	static struct {
		wk_header header;
		struct node node;
	} given;
	const struct node model = { .twice = 42 };
	const wk_new_options large = { .size = 1000 }, copied = { .copy_from = &model }, placed = { .memory = &given.header };
	wk_queue *queue = wk_queue_new(NULL, NULL);
	const wk_new_options queued = { .destroy_on = queue };
	const wk_new_options *options[] = { &large, &copied, &placed, &queued };
	struct node *node;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct plan plan = { .type = &node_type }, failing = { .type = &node_type, .result = -1 };

		assert_null(wk_new_cyclic(&node_type, options[i], construct, &failing, NULL));
		assert_nothing_is_left(&failing);
		node = wk_new_cyclic(&node_type, options[i], construct, &plan, NULL);
		assert_non_null(node);
		assert_int_equal(node->twice, i == 1 ? 42 : 0);
		assert_int_equal(wk_size_of(node), i == 0 ? 1000 : sizeof(*node));
		assert_int_equal(plan.wrong, 0);
		wk_release(node);
		wk_weak_release(plan.kept);
		settle();
		assert_int_equal(wk_queue_drain(queue, 0), i == 3);
		assert_int_equal(atomic_exchange(&destroyed, 0), 1);
	}
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

static void test_what_is_refused(void **state)
{
	struct plan plan = { .type = &node_type };
	int status;

	(void)state;
	assert_null(wk_new_cyclic(&strong_only_type, NULL, construct, &plan, &status));
	assert_int_equal(status, WK_ETYPE);
	assert_null(wk_new_cyclic(&node_type, NULL, NULL, &plan, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_new_cyclic(NULL, NULL, construct, &plan, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_int_equal(wk_last_status(), WK_EINVAL);
	assert_null(wk_new_cyclic(&node_type, &(wk_new_options){ .size = 1 }, construct, &plan, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(plan.kept);
}

/* An object that has been made by wk_new_cyclic is like any other: members, callbacks, a second generation. */
static void test_afterwards_it_is_like_any_other(void **state)
{
	struct plan plan = { .type = &node_type };
	struct node *node = wk_new_cyclic(&node_type, NULL, construct, &plan, NULL), *peeked;
	wk_value_dict *dict = wk_value_dict_new(NULL, NULL);
	wk_weakref *ref = wk_weakref_new(node, NULL, NULL);

	(void)state;
	assert_int_equal(wk_value_dict_set(dict, wk_key_u64(1), node), WK_CREATED);
	wk_read_lock();
	peeked = wk_weak_peek(plan.kept);
	assert_ptr_equal(peeked, node);
	assert_ptr_equal(wk_value_dict_peek(dict, wk_key_u64(1)), node);
	wk_read_unlock();
	wk_release(node);
	assert_int_equal(wk_value_dict_len(dict), 0);
	assert_null(wk_weakref_get(ref));
	wk_weakref_release(ref);
	wk_weak_release(plan.kept);
	wk_release(dict);
	settle();
	assert_int_equal(atomic_exchange(&destroyed, 0), 1);
}

/*
 * Raced: handles that the constructor gives away are upgraded by others while it goes on, and then it succeeds or
 * fails. Now and then it goes on only when they have tried.
 */

struct birth {
	_Atomic(wk_weak *) handle;
	_Atomic bool tried;
	unsigned round;
	bool fails;
	struct node *made;
	unsigned after[2]; /* upgrades that succeeded */
	unsigned long wrong[3];
	_Atomic unsigned long too_early, in_time, never;
};

static int construct_in_public(void *payload, wk_weak *self, void *context)
{
	struct node *node = payload;
	struct birth *birth = context;

	node->number = birth->round;
	wk_weak_retain(self);
	wk_weak_retain(self);
	atomic_store(&birth->handle, self); /* two thirds of it are the others' */
	while (birth->round % 4 == 0 && !atomic_load(&birth->tried))
		node->twice++;
	node->twice = 2 * birth->round;
	return birth->fails ? -1 : 0;
}

static void birth_prepare(void *context)
{
	struct birth *birth = context;

	birth->fails = ++birth->round % 3 == 0;
	birth->made = NULL;
	birth->after[0] = birth->after[1] = 0;
	atomic_store(&birth->handle, NULL);
	atomic_store(&birth->tried, false);
}

static void birth_upgrade(struct birth *birth, unsigned thread)
{
	bool alive = false, expired;
	struct node *node;
	wk_weak *weak;
	unsigned i;

	while ((weak = atomic_load(&birth->handle)) == NULL)
		;
	do {
		expired = wk_weak_expired(weak);
		node = wk_upgrade(weak);
		atomic_store(&birth->tried, true);
		birth->wrong[thread] += node != NULL && (expired || birth->fails);
		birth->wrong[thread] += node == NULL && alive && !wk_weak_expired(weak);
		for (i = 0; node != NULL && i < 3; i++)
			birth->wrong[thread] += node->number != birth->round || node->twice != 2 * birth->round;
		alive = alive || node != NULL;
		race_add(&birth->too_early, node == NULL && !expired);
		wk_release(node);
	} while (!alive && !expired);
	birth->after[thread - 1] = alive;
	wk_weak_release(weak);
}

static void birth_act(void *context, unsigned thread)
{
	struct birth *birth = context;

	if (thread != 0) {
		birth_upgrade(birth, thread);
		return;
	}
	birth->made = wk_new_cyclic(&node_type, NULL, construct_in_public, birth, NULL);
	birth->wrong[0] += (birth->made == NULL) != birth->fails;
	if (birth->round % 2 == 0)
		wk_clear(&birth->made);
}

static void birth_settle(void *context)
{
	struct birth *birth = context;

	birth->wrong[0] += birth->made != NULL && wk_strong_count(birth->made) != 1;
	birth->wrong[0] += birth->made != NULL && wk_weak_count(birth->made) != 0;
	wk_clear(&birth->made);
	race_add(&birth->in_time, birth->after[0] != 0 || birth->after[1] != 0);
	race_add(&birth->never, birth->after[0] == 0 || birth->after[1] == 0);
}

static bool birth_decided(void *context)
{
	struct birth *birth = context;

	return atomic_load(&birth->too_early) != 0 && atomic_load(&birth->in_time) != 0 && atomic_load(&birth->never) != 0;
}

static void test_promise_1_handles_raced_with_the_constructor(void **state)
{
	const struct race race = {
		.threads = 3,
		.rounds = ROUNDS,
		.prepare = birth_prepare,
		.act = birth_act,
		.settle = birth_settle,
		.decided = birth_decided,
	};
	struct birth birth = { 0 };
	wk_census census;

	(void)state;
	race_run(&race, &birth);
	print_message("%lu upgrades too early, %lu in time, %lu never\n", atomic_load(&birth.too_early),
		      atomic_load(&birth.in_time), atomic_load(&birth.never));
	assert_int_equal(birth.wrong[0] + birth.wrong[1] + birth.wrong[2], 0);
	assert_true(birth_decided(&birth));
	settle();
	census = census_of(&node_type);
	assert_int_equal(census.created, census.destroyed);
	assert_int_equal(atomic_exchange(&destroyed, 0), birth.round - birth.round / 3);
}

/* Promise 24: the payload is given away too early. Each in a process of its own, which must stop. */

static int retain_self(void *payload, wk_weak *self, void *context)
{
	(void)self;
	(void)context;
	wk_retain(payload);
	return 0;
}

static int release_self(void *payload, wk_weak *self, void *context)
{
	(void)!wk_upgrade(self);
	(void)context;
	wk_release(payload);
	return 0;
}

static int discard_self(void *payload, wk_weak *self, void *context)
{
	(void)!wk_upgrade(self);
	(void)context;
	wk_discard(payload);
	return 0;
}

static int downgrade_self(void *payload, wk_weak *self, void *context)
{
	(void)self;
	(void)context;
	(void)!wk_downgrade(payload);
	return 0;
}

static int refer_to_self(void *payload, wk_weak *self, void *context)
{
	(void)self;
	(void)context;
	(void)!wk_weakref_new(payload, NULL, NULL);
	return 0;
}

static int insert_self(void *payload, wk_weak *self, void *context)
{
	(void)self;
	(void)context;
	(void)!wk_weak_set_add(wk_weak_set_new(NULL, NULL), payload);
	return 0;
}

#define CASE(name)                                                              \
	static void child_##name(void)                                          \
	{                                                                       \
		(void)!wk_new_cyclic(&node_type, NULL, name##_self, NULL, NULL); \
	}
CASE(retain)
CASE(release)
CASE(discard)
CASE(downgrade)
CASE(refer_to)
CASE(insert)

static const struct child_case cases[] = {
	{ "retained", child_retain },         { "released", child_release },   { "discarded", child_discard },
	{ "downgraded", child_downgrade },    { "referred to", child_refer_to }, { "inserted", child_insert },
};

static void test_promise_24_a_payload_that_is_given_away_too_early(void **state)
{
	const char *said[] = { "struct node", "struct node", "somebody else has seen it", "before it is constructed",
			       "before it is constructed", "before it is constructed" };
	struct child_end end;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		end = child_run(cases[i].name);
		assert_true(child_aborted(&end));
		assert_true(child_said(&end, said[i]));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_1_upgrades_succeed_from_the_constructors_end_on),
		cmocka_unit_test(test_a_constructor_that_fails_leaves_nothing_behind),
		cmocka_unit_test(test_a_constructor_that_ends_its_thread_has_failed),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_afterwards_it_is_like_any_other),
		cmocka_unit_test(test_promise_1_handles_raced_with_the_constructor),
		cmocka_unit_test(test_promise_24_a_payload_that_is_given_away_too_early),
		cmocka_unit_test(test_the_accounts_balance),
	};

	if (child_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0])))
		return 0;
	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
