/*
 * stress/cursor_stress.c - walks through containers against inserts, removals, deaths, growth, shrinking and sweeping
 *
 * Every key (in a set: every member) has one owner, who alone puts it in, replaces its object, takes it out or lets
 * the object die, and who notes in the key's spot when it is present or absent for certain. Everybody walks, by
 * cursors that are parked, left in the middle or kept for long, and by peeking. What comes rises and falls like a
 * tide, so that the tables change their size under the walks.
 *
 * Oracles: what was present during a whole walk was met exactly once, also when its object was replaced; what was
 * absent during a whole walk was not met; no key is met twice; what is met is whole, was put there, and stays whole
 * while the cursor holds it; its key is its own. At the end every object, key copy and byte has come back.
 */
#include "cursor_world.h"

#include <stdlib.h>

enum { RACE_MEET, RACE_TABLE, RACE_DIE, RACE_SIZE, RACE_SWEEP };
static const struct stress_race races[] = {
	[RACE_MEET] = { .left = "met", .right = "missed" },               /* of keys that came or went during a walk */
	[RACE_TABLE] = { .left = "moving table", .right = "still table" }, /* of walks */
	[RACE_DIE] = { .left = "dead at once", .right = "held by a cursor" },
	[RACE_SIZE] = { .left = "grown", .right = "shrunk", .count = { &world_grown, &world_shrunk } },
	[RACE_SWEEP] = { .left = "swept", .right = "outgrown", .count = { &world_swept, &world_grown } },
	{ .left = NULL },
};

enum { BROKEN_HOLD, BROKEN_TWICE, BROKEN_SKIP, BROKEN_CLOSE };
static const char *const broken[] = {
	[BROKEN_HOLD] = "use_after_step",
	[BROKEN_TWICE] = "begin_again_after_parking",
	[BROKEN_SKIP] = "step_over_one",
	[BROKEN_CLOSE] = "forget_close",
	NULL,
};

/* A walk. */

/* By one worker: what was known of each spot before, and what has been met since. */
struct walk {
	uint64_t before[WORLD_SPOTS_MAX];
	uint64_t last[WORLD_SPOTS_MAX]; /* number of the object that was met last; 0: none */
	unsigned met[WORLD_SPOTS_MAX];
};
static struct walk *walks[STRESS_THREADS_MAX];

static struct walk *walk_begin(const struct stress_worker *worker, const struct field *field)
{
	struct walk *walk = walks[worker->index];
	unsigned i;

	for (i = 0; i < field->spot_count; i++) {
		walk->before[i] = atomic_load_acquire(&field->spots[i].presence);
		walk->met[i] = 0;
		walk->last[i] = 0;
	}
	return walk;
}

/* A member of a set that left and another that came are two objects: only the same one must not be met again. */
static void walk_meet(struct walk *walk, const struct field *field, const struct item *item)
{
	if (!stress_expect(stress_canary_is_whole(&item->canary), "%s: met a broken object", field->name) ||
	    !stress_expect(item->spot < field->spot_count, "%s: met what is nobody's", field->name))
		return;
	stress_expect(field->is_set ? walk->last[item->spot] != item->canary.number : walk->met[item->spot] == 0,
		"%s: met twice", field->name);
	walk->last[item->spot] = item->canary.number;
	walk->met[item->spot]++;
}

static enum presence presence_of(uint64_t word)
{
	return (enum presence)(word & ((1u << PRESENCE_BITS) - 1));
}

static void walk_judge(struct stress_worker *worker, const struct walk *walk, const struct field *field)
{
	unsigned i;

	for (i = 0; i < field->spot_count; i++) {
		if (atomic_load_acquire(&field->spots[i].presence) != walk->before[i] ||
		    presence_of(walk->before[i]) == PRESENCE_OPEN)
			stress_win(worker, RACE_MEET, walk->met[i] != 0 ? STRESS_LEFT : STRESS_RIGHT);
		else if (presence_of(walk->before[i]) == PRESENCE_PRESENT)
			stress_expect(walk->met[i] == 1, "%s: present throughout, and met %u times", field->name, walk->met[i]);
		else
			stress_expect(walk->met[i] == 0, "%s: absent throughout, and met", field->name);
	}
}

/* Walking. */

static void begin_again(wk_cursor *cursor, const struct field *field)
{
	wk_cursor_close(cursor);
	*cursor = wk_cursor_open(field->container);
}

/* Between meeting an object and going on. False: leave the walk in the middle. */
static bool rest(struct stress_worker *worker, wk_cursor *cursor, const struct field *field, struct item *item)
{
	stress_hesitate(worker);
	if (stress_one_in(worker, 2048))
		return false;
	if (stress_one_in(worker, 512))
		stress_linger();
	stress_expect(stress_canary_is_whole(&item->canary), "%s: broken while the cursor held it", field->name);
	if (stress_one_in(worker, 16)) {
		wk_cursor_park(cursor);
		stress_hesitate(worker);
		if (stress_is_broken(BROKEN_TWICE) && stress_one_in(worker, 64))
			begin_again(cursor, field);
	}
	if (stress_is_broken(BROKEN_SKIP) && stress_one_in(worker, 512))
		(void)wk_cursor_next(cursor);
	return true;
}

static void walk_on(struct stress_worker *worker, struct field *field)
{
	struct walk *walk = walk_begin(worker, field);
	wk_cursor cursor = wk_cursor_open(field->container);
	struct item *item, *before = NULL;
	bool whole = true;

	while (whole && (item = wk_cursor_next(&cursor)) != NULL) {
		if (stress_is_broken(BROKEN_HOLD) && before != NULL && stress_one_in(worker, 4)) {
			stress_linger();
			stress_expect(stress_canary_is_whole(&before->canary), "%s: used after the cursor's step", field->name);
		}
		walk_meet(walk, field, item);
		stress_expect(world_key_is(field, &cursor, item->spot), "%s: met under another key", field->name);
		before = item;
		whole = rest(worker, &cursor, field, item);
	}
	if (whole)
		walk_judge(worker, walk, field);
	if (!stress_is_broken(BROKEN_CLOSE) || !stress_one_in(worker, 16))
		wk_cursor_close(&cursor);
}

struct peeking {
	struct walk *walk;
	const struct field *field;
};

static bool peek(void *object, void *context)
{
	const struct peeking *peeking = context;

	walk_meet(peeking->walk, peeking->field, object);
	return true;
}

static void walk_peeking(struct stress_worker *worker, struct field *field)
{
	struct peeking peeking = { walk_begin(worker, field), field };

	(void)wk_weak_set_each_peek(field->container, peek, &peeking);
	walk_judge(worker, peeking.walk, field);
}

static void walk_somehow(struct stress_worker *worker, struct field *field)
{
	uint64_t resized = atomic_load_relaxed(&field->tally.resized);

	if (field->is_set && stress_one_in(worker, 4))
		walk_peeking(worker, field);
	else
		walk_on(worker, field);
	resized -= atomic_load_relaxed(&field->tally.resized);
	stress_win(worker, RACE_TABLE, resized != 0 ? STRESS_LEFT : STRESS_RIGHT);
}

/* Changing: by the owner. */

static void note_change(struct spot *spot, enum presence presence)
{
	uint64_t number = (atomic_load_relaxed(&spot->presence) >> PRESENCE_BITS) + 1;

	atomic_store_release(&spot->presence, number << PRESENCE_BITS | presence);
}

/* What was given up without removal is in until it is dead. In a set it stays beside what comes after it. */
static void await_faded(struct field *field, struct spot *spot)
{
	struct item *item = wk_upgrade(spot->fading);

	if (item != NULL && field->is_set)
		(void)world_take_out(field, spot, item);
	wk_release(item);
	wk_weak_release(spot->fading);
	spot->fading = NULL;
}

static void put(struct field *field, struct spot *spot)
{
	struct item *item = world_item((unsigned)(spot - field->spots));
	int status;

	note_change(spot, PRESENCE_OPEN);
	if (spot->fading != NULL)
		await_faded(field, spot);
	status = world_put(field, spot, item);
	stress_expect(status >= 0, "%s: %s", field->name, wk_strerror(status));
	note_change(spot, PRESENCE_PRESENT);
	spot->item = item;
}

/* The key stays. A member of a set cannot be replaced. */
static void replace(struct field *field, struct spot *spot)
{
	struct item *item = world_item((unsigned)(spot - field->spots));

	stress_expect(world_put(field, spot, item) == WK_OK, "%s: not there, though nobody removed it", field->name);
	wk_release(spot->item);
	spot->item = item;
}

static void remove_it(struct field *field, struct spot *spot)
{
	note_change(spot, PRESENCE_OPEN);
	stress_expect(world_take_out(field, spot, spot->item), "%s: what was present could not be removed", field->name);
	note_change(spot, PRESENCE_ABSENT);
	wk_clear(&spot->item);
}

/* It dies here, unless a cursor holds it. */
static void let_go(struct stress_worker *worker, struct spot *spot)
{
	spot->fading = wk_downgrade(spot->item);
	note_change(spot, PRESENCE_OPEN);
	wk_clear(&spot->item);
	if (!wk_weak_expired(spot->fading)) {
		stress_win(worker, RACE_DIE, STRESS_RIGHT);
		return;
	}
	stress_win(worker, RACE_DIE, STRESS_LEFT);
	note_change(spot, PRESENCE_ABSENT);
	wk_weak_release(spot->fading);
	spot->fading = NULL;
}

static bool is_falling(struct field *field)
{
	size_t there = world_len(field);

	if (there > field->spot_count / 4 * 3)
		atomic_store_relaxed(&field->falling, 1);
	else if (there <= field->spot_count / 16)
		atomic_store_relaxed(&field->falling, 0);
	return atomic_load_relaxed(&field->falling) != 0;
}

static void change(struct stress_worker *worker, struct field *field)
{
	struct spot *spot = &field->spots[stress_below(worker, field->each) * stress_run.threads + worker->index];
	bool falling = is_falling(field);

	if (spot->item == NULL) {
		if (!falling || stress_one_in(worker, 64))
			put(field, spot);
	} else if (!falling && !stress_one_in(worker, 8)) {
		if (!field->is_set)
			replace(field, spot);
	} else if (field->values == WK_VALUES_WEAK && stress_one_in(worker, 2)) {
		let_go(worker, spot);
	} else {
		remove_it(field, spot);
	}
}

/* The program. */

static void step(struct stress_worker *worker)
{
	struct field *field = &world_fields[stress_below(worker, WORLD_FIELDS)];
	unsigned turns = 64;

	while (turns-- > 0) {
		worker->operations++;
		change(worker, field);
	}
	if (stress_one_in(worker, 4))
		walk_somehow(worker, &world_fields[stress_below(worker, WORLD_FIELDS)]);
}

static void begin(void)
{
	unsigned i;

	world_begin();
	for (i = 0; i < stress_run.threads; i++) {
		walks[i] = calloc(1, sizeof(*walks[i]));
		if (!stress_expect(walks[i] != NULL, "no memory"))
			abort();
	}
}

/* Nothing is in progress any more: a walk meets what the owners know to be present, and nothing else. */
static void settle(void)
{
	struct stress_worker alone = { .dice = 1 };
	struct field *field;
	struct spot *spot;
	size_t present;

	for (field = world_fields; field < world_fields + WORLD_FIELDS; field++) {
		present = 0;
		for (spot = field->spots; spot < field->spots + field->spot_count; spot++) {
			present += spot->item != NULL;
			wk_weak_release(spot->fading);
		}
		walk_somehow(&alone, field);
		stress_expect(world_len(field) == present || stress_is_broken(BROKEN_CLOSE), "%s: %zu are there, its length is %zu",
			field->name, present, world_len(field));
		for (spot = field->spots; spot < field->spots + field->spot_count; spot++)
			wk_clear(&spot->item);
	}
	world_end();
}

int main(int argc, char **argv)
{
	static const struct stress stress = {
		.name = "cursor",
		.races = races,
		.broken = broken,
		.begin = begin,
		.step = step,
		.settle = settle,
	};

	return stress_main(argc, argv, &stress);
}
