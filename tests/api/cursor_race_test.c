/*
 * weakref/cursor.h and weakref/weak_set.h by several threads
 *
 * Some keys are there all the while, their objects replaced again and again; others come and go in tides, so that the
 * table grows, sweeps and shrinks; a third kind is never there. Whoever goes through the container meets the first
 * exactly once, the second at most once, and the third never.
 */
#include "runtime_fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/threads.h"

#define STAY 200u
#define PASS 800u
#define KEYS (STAY + PASS)
#define WALKERS 3u
#define CHANGERS 3u
#define TOURS (THREADS_SANITIZED ? 40u : 300u)
#define CANARY UINT64_C(0x7e57ab1e0ddba11)

struct thing {
	uint64_t canary, id;
};

static void thing_destroy(void *payload)
{
	((struct thing *)payload)->canary = 0;
}

WK_DEFINE_TYPE(thing_type, struct thing, .destroy = thing_destroy);

static struct thing *thing_new(uint64_t id)
{
	struct thing *thing = wk_new(&thing_type);

	thing->canary = CANARY;
	thing->id = id;
	return thing;
}

struct world {
	wk_value_dict *dict; /* or */
	wk_weak_set *set;
	bool has_text;
	struct thing *things[KEYS]; /* thing i is changer i % CHANGERS' */
	_Atomic unsigned touring;   /* walkers that are not done */
	_Atomic unsigned long missed, twice, strange, replaced, came, parked;
};

static void count_if(_Atomic unsigned long *counter, bool counts)
{
	race_add(counter, counts);
}

/* Changing: each of its own keys. */

static wk_key key_of(const struct world *world, unsigned i, char *text)
{
	if (!world->has_text)
		return wk_key_u64(i);
	sprintf(text, "key %u", i);
	return wk_key_custom(text);
}

static void put(struct world *world, unsigned i)
{
	struct thing *thing = thing_new(i);
	char text[24];
	int status = world->set != NULL ? wk_weak_set_add(world->set, thing) :
					  wk_value_dict_set(world->dict, key_of(world, i, text), thing);

	count_if(&world->strange, status < 0);
	wk_release(world->things[i]);
	world->things[i] = thing;
}

static void take_away(struct world *world, unsigned i)
{
	char text[24];

	if (i % 7 == 0 && world->set != NULL)
		(void)wk_weak_set_discard(world->set, world->things[i]);
	else if (i % 7 == 0 || world->has_text)
		(void)wk_value_dict_remove(world->dict, key_of(world, i, text));
	wk_clear(&world->things[i]);
}

/* The tide: all of them in, then all of them out. Members of a set that stay are not replaced: that would be leaving. */
static void change(struct world *world, unsigned changer)
{
	unsigned i, round;

	for (round = 0; atomic_load(&world->touring) > 0; round++) {
		for (i = changer; i < STAY && world->set == NULL; i += CHANGERS, count_if(&world->replaced, true))
			put(world, i);
		for (i = STAY + changer; i < KEYS; i += CHANGERS) {
			if (round % 2 == 0)
				put(world, i);
			else if (world->things[i] != NULL)
				take_away(world, i);
		}
		count_if(&world->came, true);
	}
}

/* Going through. */

static void note(struct world *world, unsigned char *met, const struct thing *thing)
{
	bool strange = thing->canary != CANARY || thing->id >= KEYS;

	count_if(&world->strange, strange);
	if (!strange)
		met[thing->id] = (unsigned char)(met[thing->id] | met[thing->id] << 1 | 1); /* 1, then 3, then more */
}

/* Members of a set that come and go are new objects each time: a tour may meet several of one number. */
static void judge(struct world *world, const unsigned char *met)
{
	for (unsigned i = 0; i < KEYS; i++) {
		count_if(&world->missed, i < STAY && met[i] == 0);
		count_if(&world->twice, met[i] > 1 && (i < STAY || world->set == NULL));
	}
}

static void tour(struct world *world, bool parks)
{
	const void *container = world->set != NULL ? (const void *)world->set : (const void *)world->dict;
	unsigned char met[KEYS] = { 0 };

	WK_EACH(struct thing, each, container) {
		note(world, met, each);
		if (world->set == NULL && !world->has_text)
			count_if(&world->strange, wk_cursor_key_u64(&each_cursor) != each->id);
		if (world->has_text)
			count_if(&world->strange, (unsigned)atoi((const char *)wk_cursor_key(&each_cursor, NULL) + 4) != each->id);
		if (!parks)
			continue;
		wk_cursor_park(&each_cursor);
		count_if(&world->parked, true);
	}
	judge(world, met);
}

struct peeking {
	struct world *world;
	unsigned char met[KEYS];
};

static bool peek(void *object, void *context)
{
	struct peeking *peeking = context;

	note(peeking->world, peeking->met, object);
	return true;
}

static void tour_peeking(struct world *world)
{
	struct peeking peeking = { .world = world };

	(void)wk_weak_set_each_peek(world->set, peek, &peeking);
	judge(world, peeking.met);
}

static void body(void *context, unsigned thread)
{
	struct world *world = context;

	if (thread >= WALKERS) {
		change(world, thread - WALKERS);
		return;
	}
	for (unsigned i = 0; i < TOURS || atomic_load(&world->came) == 0; i++) { /* until there has been a change to meet */
		if (world->set != NULL && i % 2 == 0)
			tour_peeking(world);
		else
			tour(world, thread == 0);
	}
	atomic_fetch_sub(&world->touring, 1);
}

static void run(struct world *world)
{
	for (unsigned i = 0; i < STAY; i++)
		put(world, i);
	world->touring = WALKERS;
	threads_run(WALKERS + CHANGERS, body, world);
	assert_int_equal(world->missed, 0);
	assert_int_equal(world->twice, 0);
	assert_int_equal(world->strange, 0);
	assert_true(world->came > 0 && world->parked > 0);
	assert_true(world->set != NULL || world->replaced > 0);
	for (unsigned i = 0; i < KEYS; i++)
		wk_clear(&world->things[i]);
	if (world->has_text)
		wk_value_dict_clear(world->dict); /* strong values */
	assert_int_equal(world->set != NULL ? wk_weak_set_len(world->set) : wk_value_dict_len(world->dict), 0);
	wk_release(world->dict);
	wk_release(world->set);
}

static void test_promise_15_numbers(void **state)
{
	static struct world world;

	(void)state;
	world.dict = wk_value_dict_new(NULL, NULL);
	run(&world);
}

static void test_promise_15_members(void **state)
{
	static struct world world;

	(void)state;
	world.set = wk_weak_set_new(NULL, NULL);
	run(&world);
}

/* Eight keys to a hash: each step is among ties. */
static uint64_t poor_hash(const void *key, uint64_t seed)
{
	(void)seed;
	return (uint64_t)atoi((const char *)key + 4) % (KEYS / 8);
}

static bool same_text(const void *a, const void *b)
{
	return strcmp(a, b) == 0;
}

static void *copy_text(const void *key)
{
	return strdup(key);
}

static void test_promise_15_ties(void **state)
{
	static const wk_key_type texts = { poor_hash, same_text, copy_text, free, NULL };
	const wk_value_dict_options options = {
		.struct_size = sizeof(options), .keys = WK_KEYS_CUSTOM, .key_type = &texts, .values = WK_VALUES_STRONG
	};
	static struct world world = { .has_text = true };

	(void)state;
	world.dict = wk_value_dict_new(&options, NULL);
	run(&world);
}

/* Of many who pop, each member has one. */
struct popping {
	wk_weak_set *set;
	struct thing *things[KEYS];
	_Atomic unsigned popped[KEYS];
	_Atomic unsigned count;
};

static void pop_body(void *context, unsigned thread)
{
	struct popping *popping = context;
	struct thing *thing;

	(void)thread;
	while ((thing = wk_weak_set_pop(popping->set)) != NULL) {
		atomic_fetch_add(&popping->popped[thing->id], 1);
		atomic_fetch_add(&popping->count, 1);
		wk_release(thing);
	}
}

static void test_one_pop_wins(void **state)
{
	static struct popping popping;

	(void)state;
	popping.set = wk_weak_set_new(NULL, NULL);
	for (unsigned round = 0; round < 20; round++) {
		popping.count = 0;
		for (unsigned i = 0; i < KEYS; i++) {
			popping.popped[i] = 0;
			popping.things[i] = thing_new(i);
			assert_int_equal(wk_weak_set_add(popping.set, popping.things[i]), WK_CREATED);
		}
		threads_run(4, pop_body, &popping);
		assert_int_equal(popping.count, KEYS);
		for (unsigned i = 0; i < KEYS; i++) {
			assert_int_equal(popping.popped[i], 1);
			wk_release(popping.things[i]);
		}
	}
	assert_int_equal(wk_weak_set_len(popping.set), 0);
	wk_release(popping.set);
}

/* Of many who add one object exactly one makes it a member; of many who discard it one takes it out. */
struct sharing {
	wk_weak_set *set;
	struct thing *thing;
	_Atomic unsigned created, there, discarded;
	_Atomic unsigned long wrong;
};

static void share_begin(void *context)
{
	struct sharing *sharing = context;

	sharing->thing = thing_new(0);
	sharing->created = sharing->there = sharing->discarded = 0;
}

static void share_add(void *context, unsigned thread)
{
	struct sharing *sharing = context;
	int status = wk_weak_set_add(sharing->set, sharing->thing);

	(void)thread;
	atomic_fetch_add(status == WK_CREATED ? &sharing->created : &sharing->there, 1);
	count_if(&sharing->wrong, status < 0);
}

static void share_discard(void *context, unsigned thread)
{
	struct sharing *sharing = context;

	(void)thread;
	if (wk_weak_set_discard(sharing->set, sharing->thing))
		atomic_fetch_add(&sharing->discarded, 1);
}

static void share_judge_add(void *context)
{
	struct sharing *sharing = context;

	count_if(&sharing->wrong, sharing->created != 1 || sharing->there != 3 || wk_weak_set_len(sharing->set) != 1);
	wk_clear(&sharing->thing);
	count_if(&sharing->wrong, wk_weak_set_len(sharing->set) != 0);
}

static void share_begin_discard(void *context)
{
	struct sharing *sharing = context;

	share_begin(context);
	count_if(&sharing->wrong, wk_weak_set_add(sharing->set, sharing->thing) != WK_CREATED);
}

static void share_judge_discard(void *context)
{
	struct sharing *sharing = context;

	count_if(&sharing->wrong, sharing->discarded != 1 || wk_weak_set_len(sharing->set) != 0);
	wk_clear(&sharing->thing);
}

static void test_one_add_and_one_discard_win(void **state)
{
	const unsigned rounds = THREADS_SANITIZED ? 1000 : 10000;
	const struct race adding = { 4, rounds, share_begin, share_add, share_judge_add, NULL };
	const struct race discarding = { 4, rounds, share_begin_discard, share_discard, share_judge_discard, NULL };
	struct sharing sharing = { .set = wk_weak_set_new(NULL, NULL) };

	(void)state;
	race_run(&adding, &sharing);
	race_run(&discarding, &sharing);
	assert_int_equal(sharing.wrong, 0);
	wk_release(sharing.set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_15_numbers),
		cmocka_unit_test(test_promise_15_members),
		cmocka_unit_test(test_promise_15_ties),
		cmocka_unit_test(test_one_pop_wins),
		cmocka_unit_test(test_one_add_and_one_discard_win),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/cursor.h, threads", tests, runtime_setup, NULL);
}
