/*
 * weakref/object.h: wk_into_inner and wk_make_unique: what only the last owner may do (promises 3, 5, 20)
 */
#include "runtime_fixture.h"

#include <stdatomic.h>

#include "support/threads.h"

#define ROUNDS (THREADS_SANITIZED ? 300u : 1000u)

struct config {
	unsigned version, check; /* check is ~version, except for who changes it */
	struct config *base;     /* owned */
	char text[16];
};

static _Atomic unsigned long destroyed;

static void config_destroy(void *payload)
{
	struct config *config = payload;

	wk_release(config->base);
	atomic_fetch_add(&destroyed, 1);
}

static int copy_result;
static struct gate *copy_gate; /* who copies waits there for another who does */

static int config_copy(void *payload, const void *from)
{
	struct config *config = payload;

	(void)from;
	if (copy_result < 0)
		return copy_result;
	if (copy_gate != NULL)
		gate_pass(copy_gate);
	wk_retain(config->base);
	return 0;
}

WK_DEFINE_TYPE(plain_type, struct config, .flags = 0);
WK_DEFINE_TYPE(config_type, struct config, .destroy = config_destroy, .copy = config_copy);
WK_DEFINE_TYPE(prompt_type, struct config, .destroy = config_destroy, .copy = config_copy, .flags = WK_TYPE_PROMPT);
WK_DEFINE_TYPE(uncopied_type, struct config, .destroy = config_destroy);
WK_DEFINE_TYPE(pinned_type, struct config, .flags = WK_TYPE_PINNED);

static struct config *config_new(const wk_type *type, unsigned version)
{
	struct config *config = wk_new(type);

	config->version = version;
	config->check = ~version;
	return config;
}

static void nothing_is_left(const wk_type *type)
{
	wk_census census;

	settle();
	census = census_of(type);
	assert_int_equal(census.created, census.destroyed);
}

/* wk_into_inner. */

static void test_the_last_owner_gets_the_payload(void **state)
{
	const wk_type *types[] = { &plain_type, &config_type, &prompt_type };
	struct config *config, inner;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		config = wk_retain(config_new(types[i], 5));
		inner.version = 77;
		assert_int_equal(wk_into_inner(config, &inner), WK_EBUSY);
		assert_int_equal(inner.version, 77);
		assert_int_equal(wk_into_inner(config, &inner), WK_OK);
		assert_int_equal(inner.version, 5);
		assert_int_equal(inner.check, ~5u);
		nothing_is_left(types[i]);
	}
	assert_int_equal(atomic_load(&destroyed), 0); /* the payload's are ours */
}

static int count_call(wk_weakref *ref, void *argument)
{
	(void)ref;
	++*(unsigned *)argument;
	return 0;
}

/* Promise 3: it is a death like any other. */
static void test_promise_3_weak_references_of_all_kinds_see_it_dead(void **state)
{
	const wk_type *types[] = { &plain_type, &config_type, &prompt_type };
	wk_value_dict *dict = wk_value_dict_new(NULL, NULL);
	struct config *config, inner;
	unsigned calls = 0;
	const wk_callback callback = { .run = count_call, .argument = &calls };
	wk_weakref *ref;
	wk_weak *weak;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		config = config_new(types[i], 6);
		weak = wk_downgrade(config);
		ref = wk_weakref_new(config, &callback, NULL);
		assert_int_equal(wk_value_dict_set(dict, wk_key_u64(1), config), WK_CREATED);
		assert_int_equal(wk_into_inner(config, &inner), WK_OK);
		assert_int_equal(inner.version, 6);
		assert_null(wk_upgrade(weak));
		assert_true(wk_weak_expired(weak));
		assert_null(wk_value_dict_get(dict, wk_key_u64(1)));
		assert_int_equal(wk_value_dict_len(dict), 0);
		settle();
		assert_int_equal(calls, i + 1);
		wk_weakref_release(ref);
		wk_weak_release(weak);
		nothing_is_left(types[i]);
	}
	assert_int_equal(atomic_load(&destroyed), 0);
	wk_release(dict);
}

static void test_given_memory_and_queues_are_free_again(void **state)
{
	static struct {
		wk_header header;
		struct config config;
	} given;
	wk_queue *queue = wk_queue_new(NULL, NULL);
	const wk_new_options options = { .memory = &given.header, .destroy_on = queue };
	struct config *config = wk_new_with(&config_type, &options, NULL), inner;
	wk_weak *weak = wk_downgrade(config);

	(void)state;
	config->version = 8;
	assert_int_equal(wk_strong_count(queue), 2);
	assert_int_equal(wk_into_inner(config, &inner), WK_OK);
	assert_int_equal(inner.version, 8);
	assert_int_equal(wk_strong_count(queue), 1);
	memset(&given, 0xdd, sizeof(given));
	wk_weak_release(weak);
	nothing_is_left(&config_type);
	assert_int_equal(wk_queue_drain(queue, 0), 0);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

static void test_what_into_inner_refuses(void **state)
{
	struct config *config = config_new(&plain_type, 1), *pinned = config_new(&pinned_type, 1), inner;
	wk_value_dict *dict = wk_value_dict_new(NULL, NULL);
	char dictionary[1024];

	(void)state;
	assert_int_equal(wk_into_inner(NULL, &inner), WK_EINVAL);
	assert_int_equal(wk_into_inner(config, NULL), WK_EINVAL);
	assert_int_equal(wk_into_inner(pinned, &inner), WK_ETYPE);
	assert_int_equal(wk_into_inner(dict, dictionary), WK_ETYPE);
	wk_read_lock();
	assert_int_equal(wk_into_inner(config, &inner), WK_EDEADLOCK);
	wk_read_unlock();
	assert_int_equal(wk_strong_count(config), 1); /* still ours, all of them */
	wk_release(config);
	wk_release(pinned);
	wk_release(dict);
}

/* Promise 5: who peeks keeps the payload where it is, whoever takes it. */

struct patience {
	struct config *config;
	wk_weak *weak;
	struct steps steps;
	_Atomic bool taken;
	unsigned long wrong;
};

static void take_or_peek(void *context, unsigned thread)
{
	struct patience *patience = context;
	struct config *peeked, inner = { 0 };
	unsigned i;

	if (thread == 0) {
		steps_wait(&patience->steps, 1);
		patience->wrong += wk_into_inner(patience->config, &inner) != WK_OK;
		atomic_store(&patience->taken, true);
		patience->wrong += inner.version != 9;
		return;
	}
	wk_read_lock();
	peeked = wk_weak_peek(patience->weak);
	steps_reach(&patience->steps, 1);
	while (!wk_weak_expired(patience->weak))
		;
	for (i = 0; i < 100000; i++) /* it is dead, and waits for us */
		patience->wrong += atomic_load(&patience->taken) || ((volatile struct config *)peeked)->version != 9;
	wk_read_unlock();
}

static void test_promise_5_taking_waits_for_who_peeks(void **state)
{
	struct patience patience = { .config = config_new(&config_type, 9), .steps = STEPS_AT_START };

	(void)state;
	patience.weak = wk_downgrade(patience.config);
	threads_run(2, take_or_peek, &patience);
	assert_true(atomic_load(&patience.taken));
	assert_int_equal(patience.wrong, 0);
	wk_weak_release(patience.weak);
	nothing_is_left(&config_type);
}

/*
 * Raced: all owners take, and so does one who upgrades, at the same moment or, every fourth time, before. Exactly one
 * gets the payload.
 */

struct heirs {
	struct config *config;
	wk_weak *weak;
	unsigned version;
	int status[4];
	struct config inner[4];
	struct config *upgraded;
	unsigned long wrong;
	_Atomic unsigned long first, last, fourth, late;
};

static void heirs_prepare(void *context)
{
	struct heirs *heirs = context;

	heirs->config = config_new(&config_type, ++heirs->version);
	heirs->weak = wk_downgrade(heirs->config);
	heirs->upgraded = heirs->version % 4 == 0 ? wk_upgrade(heirs->weak) : NULL;
	wk_retain_many(heirs->config, 2);
}

static void heirs_act(void *context, unsigned thread)
{
	struct heirs *heirs = context;
	const void *mine = heirs->config;

	if (thread == 3) {
		if (heirs->upgraded == NULL)
			heirs->upgraded = wk_upgrade(heirs->weak);
		mine = heirs->upgraded;
	}
	heirs->status[thread] = mine == NULL ? WK_EBUSY : wk_into_inner(mine, &heirs->inner[thread]);
}

static void heirs_settle(void *context)
{
	struct heirs *heirs = context;
	unsigned i, takers = 0;

	for (i = 0; i < 4; i++) {
		heirs->wrong += heirs->status[i] != WK_OK && heirs->status[i] != WK_EBUSY;
		if (heirs->status[i] != WK_OK)
			continue;
		takers++;
		heirs->wrong += heirs->inner[i].version != heirs->version || heirs->inner[i].check != ~heirs->version;
	}
	heirs->wrong += takers != 1;
	race_add(&heirs->first, heirs->status[0] == WK_OK);
	race_add(&heirs->last, heirs->status[2] == WK_OK);
	race_add(&heirs->fourth, heirs->status[3] == WK_OK);
	race_add(&heirs->late, heirs->upgraded == NULL);
	wk_weak_release(heirs->weak);
}

static bool heirs_decided(void *context)
{
	struct heirs *heirs = context;

	return atomic_load(&heirs->first) != 0 && atomic_load(&heirs->last) != 0 && atomic_load(&heirs->fourth) != 0 &&
	       atomic_load(&heirs->late) != 0;
}

static void test_of_all_who_take_exactly_one_gets_it(void **state)
{
	const struct race race = {
		.threads = 4,
		.rounds = ROUNDS,
		.prepare = heirs_prepare,
		.act = heirs_act,
		.settle = heirs_settle,
		.decided = heirs_decided,
	};
	struct heirs heirs = { 0 };

	(void)state;
	race_run(&race, &heirs);
	print_message("first %lu, last %lu, who upgraded %lu, too late %lu\n", atomic_load(&heirs.first),
		      atomic_load(&heirs.last), atomic_load(&heirs.fourth), atomic_load(&heirs.late));
	assert_int_equal(heirs.wrong, 0);
	assert_true(heirs_decided(&heirs));
	nothing_is_left(&config_type);
	assert_int_equal(atomic_load(&destroyed), 0);
}

/* One takes, one releases: the payload is taken or destroyed, once. */

struct parting {
	struct config *config;
	bool weakly;
	int status;
	unsigned long wrong;
	_Atomic unsigned long taken, released;
};

static void parting_prepare(void *context)
{
	struct parting *parting = context;

	parting->config = wk_retain(config_new(&prompt_type, 3));
	parting->weakly = !parting->weakly;
	if (parting->weakly)
		wk_weak_release(wk_downgrade(parting->config));
}

static void parting_act(void *context, unsigned thread)
{
	struct parting *parting = context;
	struct config inner;

	if (thread == 0)
		parting->status = wk_into_inner(parting->config, &inner);
	else
		wk_release(parting->config);
}

static void parting_settle(void *context)
{
	struct parting *parting = context;
	unsigned long ended = atomic_exchange(&destroyed, 0);

	parting->wrong += parting->status == WK_OK ? ended != 0 : ended != 1 || parting->status != WK_EBUSY;
	race_add(&parting->taken, parting->status == WK_OK);
	race_add(&parting->released, parting->status != WK_OK);
}

static bool parting_decided(void *context)
{
	struct parting *parting = context;

	return atomic_load(&parting->taken) != 0 && atomic_load(&parting->released) != 0;
}

static void test_taking_against_a_release(void **state)
{
	const struct race race = {
		.threads = 2,
		.rounds = ROUNDS,
		.prepare = parting_prepare,
		.act = parting_act,
		.settle = parting_settle,
		.decided = parting_decided,
	};
	struct parting parting = { 0 };

	(void)state;
	race_run(&race, &parting);
	print_message("%lu taken, %lu destroyed\n", atomic_load(&parting.taken), atomic_load(&parting.released));
	assert_int_equal(parting.wrong, 0);
	assert_true(parting_decided(&parting));
	nothing_is_left(&prompt_type);
}

/* wk_make_unique. */

static void test_the_only_owner_keeps_the_object(void **state)
{
	struct config *config = config_new(&config_type, 1);
	int status = 7;

	(void)state;
	assert_ptr_equal(wk_make_unique(config, &status), config);
	assert_int_equal(status, WK_OK);
	assert_ptr_equal(wk_make_unique(config, NULL), config);
	wk_release(config);
	settle();
	assert_int_equal(atomic_exchange(&destroyed, 0), 1);
}

static void test_a_second_owner_gets_a_copy(void **state)
{
	struct config *base = config_new(&plain_type, 0), *config = config_new(&config_type, 4), *mine;
	int status = 7;

	(void)state;
	config->base = wk_retain(base);
	mine = wk_make_unique(wk_retain(config), &status);
	assert_int_equal(status, WK_CREATED);
	assert_true(mine != config);
	assert_int_equal(mine->version, 4);
	assert_ptr_equal(mine->base, base);
	assert_int_equal(wk_strong_count(base), 3); /* the type's copy has run */
	assert_int_equal(wk_strong_count(config), 1);
	assert_ptr_equal(wk_make_unique(mine, &status), mine);
	wk_release(mine);
	wk_release(config);
	settle();
	assert_int_equal(atomic_exchange(&destroyed, 0), 2);
	assert_int_equal(wk_strong_count(base), 1);
	wk_release(base);
}

/* Promise 5: whatever lets others peek, now or once, is reason to copy; the old one is left as it is. */
static void test_promise_5_what_could_be_peeked_is_copied(void **state)
{
	const wk_type *types[] = { &plain_type, &prompt_type };
	struct config *config, *mine, *kept;
	wk_weak *weak;
	int status;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		config = config_new(types[i], 7);
		kept = wk_retain(config);
		wk_weak_release(wk_downgrade(config)); /* nobody has a handle any more */
		weak = wk_downgrade(config);
		wk_weak_release(weak);
		wk_release(kept);
		assert_true(wk_is_unique(config)); /* about counts only */
		mine = wk_make_unique(config, &status);
		assert_int_equal(status, WK_CREATED);
		assert_true(mine != config);
		assert_int_equal(mine->version, 7);
		wk_release(mine);
		nothing_is_left(types[i]);
	}
	assert_int_equal(atomic_exchange(&destroyed, 0), 2);
}

/* A copy has the size and the queue of its model. */
static void test_copies_are_made_as_their_model(void **state)
{
	wk_queue *queue = wk_queue_new(NULL, NULL);
	const wk_new_options options = { .size = 1000, .destroy_on = queue };
	char *model = wk_new_with(&config_type, &options, NULL), *copy;
	size_t i;

	(void)state;
	for (i = sizeof(struct config); i < 1000; i++)
		model[i] = (char)(i % 100);
	wk_retain(model);
	copy = wk_make_unique(model, NULL);
	assert_int_equal(wk_size_of(copy), 1000);
	assert_memory_equal(copy, model, 1000);
	assert_int_equal(wk_strong_count(queue), 3);
	wk_release(model);
	wk_release(copy);
	settle();
	assert_int_equal(wk_queue_drain(queue, 0), 2);
	assert_int_equal(atomic_exchange(&destroyed, 0), 2);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

static void test_what_make_unique_refuses(void **state)
{
	struct config *uncopied = config_new(&uncopied_type, 1), *pinned = config_new(&pinned_type, 1);
	struct config *config = wk_retain(config_new(&config_type, 1));
	wk_queue *queue = wk_queue_new(NULL, NULL);
	int status;

	(void)state;
	assert_null(wk_make_unique(NULL, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_make_unique(uncopied, &status));
	assert_int_equal(status, WK_ETYPE);
	assert_null(wk_make_unique(pinned, &status));
	assert_int_equal(status, WK_ETYPE);
	assert_null(wk_make_unique(queue, &status));
	assert_int_equal(status, WK_ETYPE);
	copy_result = -33;
	assert_null(wk_make_unique(config, &status));
	assert_int_equal(status, -33);
	copy_result = 0;
	assert_int_equal(wk_strong_count(config), 2); /* nothing has changed */
	wk_release_many(config, 2);
	wk_release(uncopied);
	wk_release(pinned);
	wk_release(queue);
	settle();
	assert_int_equal(atomic_exchange(&destroyed, 0), 2);
	nothing_is_left(&config_type);
}

/*
 * Raced: two owners want it for themselves, and change what they get, while a third peeks, if it was ever lent. If
 * it was not, the later of the two keeps it, unless both have begun to copy, which they are made to now and then.
 */

struct writers {
	struct config *config;
	wk_value_dict *dict;
	unsigned round;
	bool lent;
	struct gate gate;
	struct config *mine[2];
	int status[2];
	unsigned long wrong[3];
	_Atomic unsigned long kept, both_copied, peeked;
};

static bool config_is_intact(const volatile struct config *config, unsigned version)
{
	return config->version == version && config->check == ~version;
}

static void writers_prepare(void *context)
{
	struct writers *writers = context;

	writers->config = wk_retain(config_new(&config_type, ++writers->round));
	writers->lent = writers->round % 2 == 0;
	copy_gate = writers->round % 8 == 1 ? &writers->gate : NULL;
	if (writers->lent)
		writers->wrong[0] += wk_value_dict_set(writers->dict, wk_key_u64(1), writers->config) < 0;
}

static void writers_peek(struct writers *writers)
{
	const struct config *peeked;
	unsigned i;

	wk_read_lock();
	peeked = wk_value_dict_peek(writers->dict, wk_key_u64(1));
	race_add(&writers->peeked, peeked != NULL);
	for (i = 0; peeked != NULL && i < 100; i++)
		writers->wrong[2] += !config_is_intact(peeked, writers->round);
	wk_read_unlock();
}

static void writers_act(void *context, unsigned thread)
{
	struct writers *writers = context;
	struct config *mine;

	if (thread == 2) {
		writers_peek(writers);
		return;
	}
	mine = wk_make_unique(writers->config, &writers->status[thread]);
	writers->wrong[thread] += mine == NULL || !config_is_intact(mine, writers->round);
	mine->version = thread;
	mine->check = ~thread;
	writers->mine[thread] = mine;
}

static void writers_settle(void *context)
{
	struct writers *writers = context;
	bool kept[2];
	unsigned i;

	for (i = 0; i < 2; i++) {
		kept[i] = writers->status[i] == WK_OK;
		writers->wrong[i] += !kept[i] && writers->status[i] != WK_CREATED;
		writers->wrong[i] += !config_is_intact(writers->mine[i], i) || wk_strong_count(writers->mine[i]) != 1;
		wk_release(writers->mine[i]);
	}
	writers->wrong[0] += (kept[0] || kept[1]) && writers->lent;
	writers->wrong[0] += kept[0] && kept[1];
	race_add(&writers->kept, kept[0] || kept[1]);
	race_add(&writers->both_copied, !kept[0] && !kept[1] && !writers->lent);
}

static bool writers_decided(void *context)
{
	struct writers *writers = context;

	return atomic_load(&writers->kept) != 0 && atomic_load(&writers->both_copied) != 0 && atomic_load(&writers->peeked) != 0;
}

static void test_promise_5_writers_raced(void **state)
{
	const struct race race = {
		.threads = 3,
		.rounds = ROUNDS,
		.prepare = writers_prepare,
		.act = writers_act,
		.settle = writers_settle,
		.decided = writers_decided,
	};
	struct writers writers = { .dict = wk_value_dict_new(NULL, NULL), .gate = { .parties = 2 } };

	(void)state;
	race_run(&race, &writers);
	print_message("%lu kept, %lu copied by both, %lu peeks\n", atomic_load(&writers.kept),
		      atomic_load(&writers.both_copied), atomic_load(&writers.peeked));
	assert_int_equal(writers.wrong[0] + writers.wrong[1] + writers.wrong[2], 0);
	assert_true(writers_decided(&writers));
	wk_release(writers.dict);
	copy_gate = NULL;
	nothing_is_left(&config_type);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_last_owner_gets_the_payload),
		cmocka_unit_test(test_promise_3_weak_references_of_all_kinds_see_it_dead),
		cmocka_unit_test(test_given_memory_and_queues_are_free_again),
		cmocka_unit_test(test_what_into_inner_refuses),
		cmocka_unit_test(test_promise_5_taking_waits_for_who_peeks),
		cmocka_unit_test(test_of_all_who_take_exactly_one_gets_it),
		cmocka_unit_test(test_taking_against_a_release),
		cmocka_unit_test(test_the_only_owner_keeps_the_object),
		cmocka_unit_test(test_a_second_owner_gets_a_copy),
		cmocka_unit_test(test_promise_5_what_could_be_peeked_is_copied),
		cmocka_unit_test(test_copies_are_made_as_their_model),
		cmocka_unit_test(test_what_make_unique_refuses),
		cmocka_unit_test(test_promise_5_writers_raced),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
