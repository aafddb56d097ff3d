/*
 * weakref/key_dict.h under change: threads set, remove, pop and let die, others go through it, copy it and look
 *
 * Some keys stay all the while, their values replaced again and again; others come and go in tides, so that the table
 * grows, sweeps and shrinks. A value belongs to the number of its key: whoever sees a pair can tell.
 */
#include "runtime_fixture.h"

#include <stdatomic.h>

#include "support/threads.h"

#define STAY 100u
#define PASS 500u
#define KEYS (STAY + PASS)
#define CHANGERS 2u
#define LOOKERS 2u
#define TOURS (THREADS_SANITIZED ? 15u : 120u)
#define CANARY UINT64_C(0x7e57ab1e0ddba11)

struct thing {
	uint64_t canary, id;
};

static void thing_destroy(void *payload)
{
	((struct thing *)payload)->canary = 0;
}

/* Few hashes, so that cursors meet many keys of one. */
static uint64_t thing_hash(const void *payload)
{
	return ((const struct thing *)payload)->id / 4;
}

static bool thing_equal(const void *a, const void *b)
{
	return ((const struct thing *)a)->id == ((const struct thing *)b)->id;
}

WK_DEFINE_TYPE(thing_type, struct thing, .destroy = thing_destroy, .hash = thing_hash, .equal = thing_equal);

static struct thing *thing_new(uint64_t id)
{
	struct thing *thing = wk_new(&thing_type);

	thing->canary = CANARY;
	thing->id = id;
	return thing;
}

struct world {
	wk_key_dict *dict;
	wk_compare compare;
	wk_hold hold;
	struct thing *keys[KEYS], *values[KEYS]; /* thing i is changer i % CHANGERS' */
	_Atomic unsigned looking;                /* lookers that are not done */
	_Atomic unsigned long wrong, missed, twice, came, went, pairs;
};

static void count_if(_Atomic unsigned long *counter, bool counts)
{
	race_add(counter, counts);
}

static void plain_release(void *value)
{
	wk_release(value);
}

/* A new value under the key, which outlives the old one: weak values are there for as long as their changer has them. */
static void put(struct world *world, unsigned i)
{
	struct thing *value = thing_new(i);
	int status = wk_key_dict_set(world->dict, world->keys[i], world->hold == WK_HOLD_PLAIN ? wk_retain(value) : value);

	count_if(&world->wrong, status < 0);
	wk_release(world->values[i]);
	world->values[i] = value;
}

static void bring(struct world *world, unsigned i)
{
	if (world->keys[i] == NULL)
		world->keys[i] = thing_new(i);
	put(world, i);
	count_if(&world->came, true);
}

/*
 * In every way that there is. By equality the value may have been stored under an earlier key, which a cursor kept from
 * dying, and have gone with that one.
 */
static void take(struct world *world, unsigned i, unsigned how)
{
	int status;

	switch (how % 4) {
	case 0:
		status = wk_key_dict_remove(world->dict, world->keys[i]);
		count_if(&world->wrong, status != WK_OK && world->compare == WK_BY_IDENTITY);
		break;
	case 1:
		if (world->hold == WK_HOLD_PLAIN) /* popped, it could not be released before all who peek have left */
			(void)wk_key_dict_remove(world->dict, world->keys[i]);
		else
			wk_release(wk_key_dict_pop(world->dict, world->keys[i]));
		break;
	case 2:
		wk_clear(&world->values[i]); /* the end of a weak value's entry */
		if (world->hold != WK_HOLD_WEAK)
			(void)wk_key_dict_remove(world->dict, world->keys[i]);
		break;
	default:
		wk_clear(&world->keys[i]);
		break;
	}
	count_if(&world->went, true);
}

static void change(struct world *world, unsigned changer)
{
	for (unsigned turn = 0; world->looking > 0; turn++) {
		for (unsigned i = changer; i < STAY; i += CHANGERS)
			put(world, i);
		for (unsigned i = STAY + changer; i < KEYS; i += CHANGERS)
			bring(world, i);
		for (unsigned i = STAY + changer; i < KEYS; i += CHANGERS)
			take(world, i, i / CHANGERS + turn);
	}
}

static void look_at_pair(struct world *world, const struct thing *key, const struct thing *value, bool *met)
{
	count_if(&world->wrong, key->canary != CANARY || key->id >= KEYS);
	count_if(&world->wrong, value != NULL && (value->canary != CANARY || value->id != key->id));
	count_if(&world->twice, met[key->id] && key->id < STAY);
	met[key->id] = true;
	count_if(&world->pairs, true);
}

/* The dictionary itself: what stays is met exactly once. */
static void tour(struct world *world)
{
	bool met[KEYS] = { false };

	WK_EACH(struct thing, key, world->dict) {
		wk_read_lock();
		look_at_pair(world, key, wk_cursor_value(&key_cursor), met);
		wk_read_unlock();
	}
	for (unsigned i = 0; i < STAY; i++)
		count_if(&world->missed, !met[i]);
}

/* A copy: it has what stays, though a weak value may have been replaced and gone since. */
static void tour_of_a_copy(struct world *world)
{
	wk_key_dict *copy = wk_key_dict_copy(world->dict, NULL);
	bool met[KEYS] = { false };

	count_if(&world->wrong, copy == NULL);
	WK_EACH(struct thing, key, copy)
		look_at_pair(world, key, wk_cursor_value(&key_cursor), met);
	for (unsigned i = 0; i < STAY && world->hold == WK_HOLD_STRONG; i++)
		count_if(&world->missed, !met[i]);
	wk_release(copy);
}

static void look_up(struct world *world)
{
	const struct thing *value;

	for (unsigned i = 0; i < STAY; i++) {
		wk_read_lock();
		value = wk_key_dict_peek(world->dict, world->keys[i]);
		count_if(&world->missed, value == NULL);
		count_if(&world->wrong, value != NULL && (value->canary != CANARY || value->id != i));
		wk_read_unlock();
	}
}

static void body(void *context, unsigned thread)
{
	struct world *world = context;

	if (thread < CHANGERS) {
		change(world, thread);
		return;
	}
	for (unsigned i = 0; i < TOURS || world->came < 4 * KEYS; i++) { /* while something has changed, too */
		tour(world);
		look_up(world);
		if (world->hold != WK_HOLD_PLAIN)
			tour_of_a_copy(world);
	}
	atomic_fetch_sub(&world->looking, 1);
}

static void run(wk_compare compare, wk_hold hold)
{
	const wk_key_dict_options options = { .struct_size = sizeof(options),
					      .compare = compare,
					      .values = hold,
					      .release_value = hold == WK_HOLD_PLAIN ? plain_release : NULL };
	struct world world = {
		.dict = wk_key_dict_new(&options, NULL), .compare = compare, .hold = hold, .looking = LOOKERS
	};

	for (unsigned i = 0; i < STAY; i++)
		bring(&world, i);
	threads_run(CHANGERS + LOOKERS, body, &world);
	assert_int_equal(world.wrong, 0);
	assert_int_equal(world.missed, 0);
	assert_int_equal(world.twice, 0);
	assert_true(world.went > 0 && world.pairs >= STAY * TOURS);
	assert_int_equal(wk_key_dict_len(world.dict), STAY);
	for (unsigned i = 0; i < KEYS; i++) {
		wk_clear(&world.keys[i]);
		wk_clear(&world.values[i]);
	}
	assert_int_equal(wk_key_dict_len(world.dict), 0);
	wk_release(world.dict);
	for (unsigned i = 0; i < 4; i++)
		settle();
}

static void test_strong(void **state)
{
	(void)state;
	run(WK_BY_IDENTITY, WK_HOLD_STRONG);
	run(WK_BY_EQUALITY, WK_HOLD_STRONG);
}

static void test_weak(void **state)
{
	(void)state;
	run(WK_BY_IDENTITY, WK_HOLD_WEAK);
	run(WK_BY_EQUALITY, WK_HOLD_WEAK);
}

static void test_plain(void **state)
{
	(void)state;
	run(WK_BY_IDENTITY, WK_HOLD_PLAIN);
	run(WK_BY_EQUALITY, WK_HOLD_PLAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strong),
		cmocka_unit_test(test_weak),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/key_dict.h, under change", tests, runtime_setup, NULL);
}
