/*
 * stress/rivals_stress.c - many writers of one key, and dictionaries that end meanwhile
 *
 * Rounds: all threads store an object of their own under one absent key, each in some way, and the
 * winner's object is kept until everybody has had his turn. Exactly one may win, all must see it,
 * and factories that wait for each other must not run at the same time.
 *
 * Bedlam: all threads do everything to a few keys of dictionaries that are replaced now and then,
 * so that they end while objects in them die, and while values made for them are on their way.
 * Every object is stored once in its life: so it can be taken out once, and never comes back.
 */
#include "rivals_arena.h"

#include <sched.h>

enum { RACE_ROUND, RACE_FACTORY, RACE_TAKE, RACE_INSERT };
static const struct stress_race races[] = {
	[RACE_ROUND] = { .left = "first to come won", .right = "later one won" },
	[RACE_FACTORY] = { .left = "made", .right = "found" }, /* by get_or_create */
	[RACE_TAKE] = { .left = "taken", .right = "too late" },
	[RACE_INSERT] = { .left = "inserted", .right = "existed" },
	{ .left = NULL },
};

enum { BROKEN_CHECK, BROKEN_TAKE };
static const char *const broken[] = {
	[BROKEN_CHECK] = "check_then_set",
	[BROKEN_TAKE] = "get_then_remove",
	NULL,
};

static struct item *make(struct making *making, wk_create_mode mode, int *status)
{
	struct item *item = arena_make(making, mode, status);

	if (item != NULL)
		stress_win(making->worker, RACE_FACTORY, *status == WK_CREATED ? STRESS_LEFT : STRESS_RIGHT);
	return item;
}

/* Rounds. */

#define ROUNDS 64
struct round {
	wki_atomic_u64 number; /* of the round that is being played here, which is its key too */
	wki_atomic_u32 begun, winners, arrived, factories;
	WKI_ATOMIC_POINTER(void) found; /* the object that all must see */
	struct item *kept;              /* the winner's reference */
};
static struct round rounds[ROUNDS];
static uint64_t next_round[STRESS_THREADS_MAX];
static struct arena *round_arena;

static struct item *round_insert(uint64_t key, int *status)
{
	struct item *item = arena_item(round_arena, key), *there;

	*status = wk_value_dict_insert(round_arena->dict, wk_key_u64(key), item);
	if (*status == WK_CREATED)
		return item;
	stress_expect(*status == WK_EEXISTS, "insert: %s", wk_strerror(*status));
	wk_release(item);
	there = wk_value_dict_get(round_arena->dict, wk_key_u64(key));
	stress_expect(there != NULL, "the winner's object is not there");
	return there;
}

static struct item *round_get_or_insert(uint64_t key, int *status)
{
	struct item *item = arena_item(round_arena, key), *there;

	there = wk_value_dict_get_or_insert(round_arena->dict, wk_key_u64(key), item, status);
	stress_expect(there != NULL && (*status == WK_CREATED) == (there == item), "get_or_insert: %s",
		wk_strerror(*status));
	wk_release(item);
	return there;
}

/* What one must not do instead: the key may be taken between the two. */
static struct item *round_check_then_set(uint64_t key, int *status)
{
	struct item *item = wk_value_dict_get(round_arena->dict, wk_key_u64(key));

	*status = item == NULL ? WK_CREATED : WK_OK;
	if (item != NULL)
		return item;
	sched_yield();
	item = arena_item(round_arena, key);
	stress_expect(wk_value_dict_set(round_arena->dict, wk_key_u64(key), item) >= 0, "set failed");
	return item;
}

/* The object of the key, by this thread or another; one of all the threads is told WK_CREATED. */
static struct item *round_store(struct stress_worker *worker, struct round *round, uint64_t key, int *status)
{
	struct making making = { .worker = worker, .arena = round_arena, .key = key, .plain = true };
	wk_create_mode mode = key % 2 == 0 ? WK_CREATE_ONCE : WK_CREATE_RACE;
	struct item *item;

	if (stress_is_broken(BROKEN_CHECK))
		return round_check_then_set(key, status);
	switch (stress_below(worker, 4)) {
	case 0:
		return round_insert(key, status);
	case 1:
		return round_get_or_insert(key, status);
	default:
		making.alone = mode == WK_CREATE_ONCE ? &round->factories : NULL;
		do
			item = make(&making, mode, status);
		while (item == NULL && !stress_is_over());
		return item;
	}
}

/* Everybody has been there: the winner's object is let go, and the place made free for another round. */
static void round_end(struct stress_worker *worker, struct round *round, uint64_t key)
{
	stress_expect(atomic_load_relaxed(&round->winners) == 1, "%u threads won one key",
		atomic_load_relaxed(&round->winners));
	if (stress_one_in(worker, 2))
		stress_expect(wk_value_dict_remove(round_arena->dict, wk_key_u64(key)) == WK_OK, "the winner is gone");
	wk_clear(&round->kept);
	atomic_store_relaxed(&round->begun, 0);
	atomic_store_relaxed(&round->winners, 0);
	atomic_store_relaxed(&round->arrived, 0);
	atomic_store_relaxed(&round->found, NULL);
	atomic_store_release(&round->number, key + ROUNDS);
}

static void play_round(struct stress_worker *worker)
{
	uint64_t key = next_round[worker->index];
	struct round *round = &rounds[key % ROUNDS];
	void *nobody = NULL;
	struct item *item;
	uint32_t turn;
	int status;

	if (atomic_load_acquire(&round->number) != key)
		return; /* others are behind */
	turn = atomic_fetch_add_relaxed(&round->begun, 1);
	stress_hesitate(worker);
	item = round_store(worker, round, key, &status);
	if (item == NULL)
		return;
	arena_check(round_arena, key, item);
	stress_expect(atomic_cas_relaxed(&round->found, &nobody, item) || nobody == item, "two objects of one key");
	if (status == WK_CREATED) {
		stress_win(worker, RACE_ROUND, turn == 0 ? STRESS_LEFT : STRESS_RIGHT);
		(void)atomic_fetch_add_relaxed(&round->winners, 1);
		round->kept = item;
	} else {
		wk_release(item);
	}
	next_round[worker->index]++;
	if (atomic_fetch_add_acq_rel(&round->arrived, 1) + 1 == stress_run.threads)
		round_end(worker, round, key);
}

/* Bedlam. */

#define PLACES 2
#define KEYS 12
#define HAND 6
static struct stress_share places[PLACES];
static struct item *hands[STRESS_THREADS_MAX][HAND];

static void keep(struct stress_worker *worker, struct item *item)
{
	struct item **place = &hands[worker->index][stress_below(worker, HAND)], *before = *place;

	*place = item;
	wk_release(before);
}

/* The caller was told that it took this object out: nobody else may be, and it does not come back. */
static void took(const struct arena *arena, uint64_t key, struct item *item)
{
	struct item *there;

	stress_expect(atomic_fetch_add_relaxed(&item->taken, 1) == 0, "one object was taken out twice");
	there = wk_value_dict_get(arena->dict, wk_key_u64(key));
	stress_expect(there != item, "what was taken out is back");
	wk_release(there);
}

static void play_store(struct stress_worker *worker, struct arena *arena, uint64_t key)
{
	struct item *item = arena_item(arena, key), *there;
	int status;

	switch (stress_below(worker, 3)) {
	case 0:
		status = wk_value_dict_set(arena->dict, wk_key_u64(key), item);
		stress_expect(status == WK_OK || status == WK_CREATED, "set: %s", wk_strerror(status));
		break;
	case 1:
		status = wk_value_dict_insert(arena->dict, wk_key_u64(key), item);
		stress_expect(status == WK_EEXISTS || status == WK_CREATED, "insert: %s", wk_strerror(status));
		stress_win(worker, RACE_INSERT, status == WK_CREATED ? STRESS_LEFT : STRESS_RIGHT);
		break;
	default:
		there = wk_value_dict_get_or_insert(arena->dict, wk_key_u64(key), item, &status);
		if (stress_expect(there != NULL, "get_or_insert: %s", wk_strerror(status)))
			arena_check(arena, key, there);
		wk_release(there);
	}
	keep(worker, item);
}

static void play_create(struct stress_worker *worker, struct arena *arena, uint64_t key)
{
	struct making making = { .worker = worker, .arena = arena, .key = key };
	int status;

	keep(worker, make(&making, (wk_create_mode)stress_below(worker, 3), &status));
}

static void play_get(struct stress_worker *worker, struct arena *arena, uint64_t key)
{
	struct item *item = wk_value_dict_get(arena->dict, wk_key_u64(key));

	if (item != NULL)
		arena_check(arena, key, item);
	keep(worker, item);
}

static void play_peek(struct stress_worker *worker, struct arena *arena, uint64_t key)
{
	struct item *item;

	wk_read_lock();
	item = wk_value_dict_peek(arena->dict, wk_key_u64(key));
	if (item != NULL) {
		arena_check(arena, key, item);
		stress_hesitate(worker);
		arena_check(arena, key, item);
	}
	wk_read_unlock();
}

static void play_pop(struct stress_worker *worker, struct arena *arena, uint64_t key)
{
	struct item *item = wk_value_dict_pop(arena->dict, wk_key_u64(key));

	stress_win(worker, RACE_TAKE, item != NULL ? STRESS_LEFT : STRESS_RIGHT);
	if (item == NULL)
		return;
	arena_check(arena, key, item);
	took(arena, key, item);
	wk_release(item);
}

/* With what was got before; the planted bug thinks that it takes out what it has looked at. */
static void play_remove_if(struct stress_worker *worker, struct arena *arena, uint64_t key)
{
	struct item *item = wk_value_dict_get(arena->dict, wk_key_u64(key));
	int status;

	if (item == NULL)
		return;
	stress_hesitate(worker);
	if (stress_is_broken(BROKEN_TAKE)) {
		if (stress_one_in(worker, 16))
			stress_linger(); /* others take it out meanwhile */
		status = wk_value_dict_remove(arena->dict, wk_key_u64(key));
	} else {
		status = wk_value_dict_remove_if(arena->dict, wk_key_u64(key), item);
	}
	stress_win(worker, RACE_TAKE, status == WK_OK ? STRESS_LEFT : STRESS_RIGHT);
	if (status == WK_OK)
		took(arena, key, item);
	wk_release(item);
}

static struct arena *some_arena(struct stress_worker *worker, struct stress_share *place)
{
	struct arena *arena;

	if (stress_one_in(worker, 2000))
		stress_share_offer(place, arena_new(stress_one_in(worker, 2) ? WK_VALUES_STRONG : WK_VALUES_WEAK));
	do
		arena = stress_share_borrow(place);
	while (arena == NULL && !stress_is_over());
	return arena;
}

static void play(struct stress_worker *worker, struct arena *arena, uint64_t key)
{
	switch (stress_below(worker, 16)) {
	case 0:
		if (stress_one_in(worker, 64))
			wk_value_dict_clear(arena->dict);
		break;
	case 1:
		(void)wk_value_dict_remove(arena->dict, wk_key_u64(key));
		break;
	case 2:
	case 3:
		play_pop(worker, arena, key);
		break;
	case 4:
	case 5:
		play_remove_if(worker, arena, key);
		break;
	case 6:
	case 7:
		play_peek(worker, arena, key);
		break;
	case 8:
	case 9:
		play_get(worker, arena, key);
		break;
	case 10:
	case 11:
	case 12:
		play_create(worker, arena, key);
		break;
	default:
		play_store(worker, arena, key);
	}
}

static void step(struct stress_worker *worker)
{
	struct arena *arena = some_arena(worker, &places[stress_below(worker, PLACES)]);
	unsigned turns = 16;

	if (arena == NULL)
		return;
	while (turns-- > 0) {
		worker->operations += 2;
		play(worker, arena, stress_below(worker, KEYS));
		play_round(worker);
	}
	arena_release(arena);
}

static void leave(struct stress_worker *worker)
{
	unsigned place;

	for (place = 0; place < HAND; place++)
		wk_clear(&hands[worker->index][place]);
}

static void begin(void)
{
	unsigned index;

	for (index = 0; index < PLACES; index++) {
		places[index] = (struct stress_share){ .retain = arena_retain, .release = arena_release };
		stress_share_offer(&places[index], arena_new(index % 2 == 0 ? WK_VALUES_WEAK : WK_VALUES_STRONG));
	}
	round_arena = arena_new(WK_VALUES_WEAK);
	for (index = 0; index < ROUNDS; index++)
		atomic_store_relaxed(&rounds[index].number, index);
}

/* Hands are empty: what is in a dictionary with weak values now is dead. */
static void settle_arena(struct arena *arena)
{
	struct item *item;
	uint64_t key;
	size_t there = 0;

	for (key = 0; key < KEYS; key++) {
		item = wk_value_dict_get(arena->dict, wk_key_u64(key));
		there += item != NULL;
		wk_release(item);
	}
	stress_expect(wk_value_dict_len(arena->dict) == there, "%zu keys give an object, the length is %zu", there,
		wk_value_dict_len(arena->dict));
	arena_release(arena);
}

static void settle(void)
{
	unsigned index;

	for (index = 0; index < ROUNDS; index++) {
		stress_expect(atomic_load_relaxed(&rounds[index].winners) <= 1, "two winners of an unfinished round");
		wk_clear(&rounds[index].kept);
	}
	settle_arena(round_arena);
	for (index = 0; index < PLACES; index++)
		settle_arena(stress_share_take(&places[index]));
	stress_settle_runtime();
	stress_settle_census();
}

static const struct stress rivals_stress = {
	.name = "rivals",
	.races = races,
	.broken = broken,
	.begin = begin,
	.step = step,
	.leave = leave,
	.settle = settle,
};

int main(int argc, char **argv)
{
	return stress_main(argc, argv, &rivals_stress);
}
