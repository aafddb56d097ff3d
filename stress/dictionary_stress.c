/*
 * stress/dictionary_stress.c - lookups against stores, removals, deaths, growth and shrinking
 *
 * Every key is written by one thread, its owner, and read by all. So it is known at each moment
 * what a key must hold: the owner notes in the key's spot which object is present (from after a
 * store has returned until before the next change begins) and which are gone for good. Readers
 * hold what they get for a while: objects die on any thread, and while their key is stored anew.
 * The live part of each dictionary rises and falls, so that its table grows, sweeps and shrinks.
 *
 * Oracles: a lookup never gives an object of another key, a broken one, or one that was gone
 * before the lookup began; it never misses one that is present from before its call until after
 * its return; an object that is no longer stored cannot be removed, and whoever tries does not
 * remove its successor; in the end each length is the number of keys that give an object, these
 * are the ones the owners know of, and every byte, key copy and object comes back.
 */
#include "dictionary_world.h"

enum { RACE_GET, RACE_PEEK, RACE_INSERT, RACE_DIE, RACE_SIZE };
static const struct stress_race races[] = {
	[RACE_GET] = { .left = "get", .right = "change" },         /* of lookups that overlapped with a change of their key */
	[RACE_PEEK] = { .left = "retained", .right = "too late" }, /* of objects peeked in the same section */
	[RACE_INSERT] = { .left = "stored over the dead", .right = "still held" },
	[RACE_DIE] = { .left = "dead at once", .right = "outlived" },
	[RACE_SIZE] = { .left = "grown", .right = "shrunk", .count = { &world_grown, &world_shrunk } },
	{ .left = NULL },
};

enum { BROKEN_REMOVE, BROKEN_PEEK, BROKEN_LEAK };
static const char *const broken[] = {
	[BROKEN_REMOVE] = "remove_unseen",
	[BROKEN_PEEK] = "use_after_section",
	[BROKEN_LEAK] = "forget_release",
	NULL,
};

/* What readers hold on to. */
#define HAND 8
static struct item *hands[STRESS_THREADS_MAX][HAND];

/* Reading: by everybody. */

/* Before a lookup: what was known then. */
struct view {
	uint64_t present, gone, filled;
};

static struct view view_before(struct spot *spot)
{
	return (struct view){ atomic_load_acquire(&spot->present), atomic_load_acquire(&spot->gone),
		atomic_load_acquire(&spot->filled) };
}

/* After it: does the result go with what was known before and is known now? */
static void view_check(struct stress_worker *worker, const struct field *field, struct spot *spot,
	const struct view *view, const struct item *found)
{
	uint64_t present = atomic_load_acquire(&spot->present);
	uint64_t filled = atomic_load_acquire(&spot->filled);

	if (found != NULL) {
		stress_expect(stress_canary_is_whole(&found->canary), "%s: found a broken object", field->name);
		stress_expect(found->spot == spot, "%s: found the object of another key", field->name);
		stress_expect(item_serial(found) > view->gone, "%s: found what was gone", field->name);
	}
	if (filled == view->filled && filled != 0)
		stress_expect(found != NULL, "%s: found nothing though there was always something", field->name);
	if (present == view->present && present != 0)
		stress_expect(found != NULL && item_serial(found) == present, "%s: missed what was present", field->name);
	else if (present != view->present)
		stress_win(worker, RACE_GET, found != NULL ? STRESS_LEFT : STRESS_RIGHT);
}

/* A reader keeps what it got, and lets go of something else. */
static void keep(struct stress_worker *worker, struct item *item)
{
	struct item **place = &hands[worker->index][stress_below(worker, HAND)];
	struct item *before = *place;

	*place = item;
	if (stress_is_broken(BROKEN_LEAK) && stress_one_in(worker, 100))
		return;
	wk_release(before);
}

/* What is held but not stored any more is nobody's to remove, and nor is what came after it. */
static void remove_in_vain(const struct field *field, wk_key key, const struct item *item)
{
	if (atomic_load_acquire(&item->spot->gone) < item_serial(item))
		return;
	if (stress_is_broken(BROKEN_REMOVE))
		(void)wk_value_dict_remove(field->dict, key);
	else
		stress_expect(wk_value_dict_remove_if(field->dict, key, item) == WK_ENOTFOUND,
			"%s: removed what was gone", field->name);
}

static void read_get(struct stress_worker *worker, const struct field *field, struct spot *spot)
{
	union key_memory memory;
	wk_key key = world_key(field, spot, &memory);
	struct view view = view_before(spot);
	struct item *item = wk_value_dict_get(field->dict, key);

	view_check(worker, field, spot, &view, item);
	stress_hesitate(worker);
	if (item == NULL)
		return;
	remove_in_vain(field, key, item);
	if (stress_one_in(worker, 2))
		keep(worker, item);
	else
		wk_release(item);
}

/* For the planted bug: until the object is out of the dictionary, and destroyed unless somebody holds it. */
static void await_gone(struct spot *spot, uint64_t serial)
{
	unsigned patience = 30;

	while (atomic_load_relaxed(&spot->gone) < serial && --patience > 0)
		stress_linger();
	stress_linger();
}

static void read_peek(struct stress_worker *worker, const struct field *field, struct spot *spot)
{
	union key_memory memory;
	wk_key key = world_key(field, spot, &memory);
	struct item *item, *retained;
	uint64_t serial = 0;
	struct view view;

	wk_read_lock();
	view = view_before(spot);
	item = wk_value_dict_peek(field->dict, key);
	view_check(worker, field, spot, &view, item);
	stress_hesitate(worker);
	if (item != NULL) {
		serial = item_serial(item);
		retained = wk_try_retain(item);
		stress_win(worker, RACE_PEEK, retained != NULL ? STRESS_LEFT : STRESS_RIGHT);
		wk_release(retained);
		stress_expect(stress_canary_is_whole(&item->canary) && item_serial(item) == serial,
			"%s: broken while it was peeked", field->name);
	}
	wk_read_unlock();
	if (item != NULL && stress_is_broken(BROKEN_PEEK) && stress_one_in(worker, 8)) {
		await_gone(spot, serial);
		stress_expect(stress_canary_is_whole(&item->canary) && item_serial(item) == serial, "%s: used after its section", field->name);
	}
}

static void read_contains(const struct field *field, struct spot *spot)
{
	union key_memory memory;
	wk_key key = world_key(field, spot, &memory);
	struct view view = view_before(spot);
	bool there = wk_value_dict_contains(field->dict, key);

	if (view.filled != 0 && atomic_load_acquire(&spot->filled) == view.filled)
		stress_expect(there, "%s: did not contain what was present", field->name);
}

static struct spot *some_spot(struct stress_worker *worker, const struct field *field)
{
	return &field->spots[stress_below(worker, field->spot_count)];
}

static void read_many(struct stress_worker *worker, const struct field *field)
{
	enum { MANY = 24 };
	union key_memory memory[MANY];
	struct spot *spots[MANY];
	struct view views[MANY];
	wk_key keys[MANY];
	void *found[MANY];
	size_t index, hits = 0;

	for (index = 0; index < MANY; index++) {
		spots[index] = some_spot(worker, field);
		keys[index] = world_key(field, spots[index], &memory[index]);
		views[index] = view_before(spots[index]);
	}
	hits = wk_value_dict_get_many(field->dict, keys, MANY, found);
	for (index = 0; index < MANY; index++) {
		view_check(worker, field, spots[index], &views[index], found[index]);
		hits -= found[index] != NULL;
		wk_release(found[index]);
	}
	stress_expect(hits == 0, "%s: get_many miscounted", field->name);
}

static void read_some(struct stress_worker *worker, const struct field *field)
{
	struct spot *spot = some_spot(worker, field);

	switch (stress_below(worker, 8)) {
	case 0:
		read_many(worker, field);
		break;
	case 1:
		read_contains(field, spot);
		break;
	case 2:
	case 3:
		read_peek(worker, field, spot);
		break;
	default:
		read_get(worker, field, spot);
	}
}

/* Writing: by the owner of the key. */

static void note_changing(struct spot *spot, bool goes)
{
	if (goes)
		(void)atomic_exchange_acq_rel(&spot->filled, 0);
	(void)atomic_exchange_acq_rel(&spot->present, 0);
}

static void note_gone(struct spot *spot, uint64_t serial)
{
	atomic_store_release(&spot->gone, serial);
}

static bool spot_must_be_found(const struct spot *spot)
{
	return spot->serial != 0 && !spot->fading;
}

static bool spot_must_be_absent(const struct spot *spot)
{
	return spot->serial == 0;
}

/* Where there may be something: what did the store say, and is that possible? True: the object is in. */
static bool store_check(struct stress_worker *worker, const struct field *field, const struct spot *spot, int status)
{
	bool over = status == WK_EEXISTS || status == WK_OK;

	stress_expect(over || status == WK_CREATED, "%s: store: %s", field->name, wk_strerror(status));
	if (spot_must_be_found(spot))
		stress_expect(over, "%s: stored over a living object unseen", field->name);
	else if (spot_must_be_absent(spot))
		stress_expect(!over, "%s: met an object that is not there", field->name);
	else
		stress_win(worker, RACE_INSERT, over ? STRESS_RIGHT : STRESS_LEFT);
	return status == WK_CREATED;
}

static void *make_item(wk_key key, void *context, int *status)
{
	(void)key;
	(void)status;
	return wk_retain(context);
}

/* Store `item` unless something is there. */
static bool store_if_absent(struct stress_worker *worker, const struct field *field, struct spot *spot, wk_key key,
	struct item *item)
{
	struct item *there;
	int status;

	switch (stress_below(worker, 4)) {
	case 0:
		return store_check(worker, field, spot, wk_value_dict_insert(field->dict, key, item));
	case 1:
		there = wk_value_dict_get_or_insert(field->dict, key, item, &status);
		break;
	case 2:
		there = wk_value_dict_get_or_create(field->dict, key, (wk_create_mode)stress_below(worker, 3), make_item,
			item, &status);
		break;
	default:
		return false;
	}
	stress_expect(there != NULL && (status == WK_CREATED) == (there == item) && there->spot == spot,
		"%s: got another object than was there or stored", field->name);
	wk_release(there);
	return store_check(worker, field, spot, status);
}

static void store(struct stress_worker *worker, struct field *field, struct spot *spot)
{
	struct item *item = world_item(worker, spot), *before = spot->item, *found;
	union key_memory memory;
	wk_key key = world_key(field, spot, &memory);

	note_changing(spot, false);
	if (!store_if_absent(worker, field, spot, key, item))
		(void)store_check(worker, field, spot, wk_value_dict_set(field->dict, key, item));
	if (spot->serial != 0)
		note_gone(spot, spot->serial);
	spot->item = item;
	spot->serial = item_serial(item);
	spot->fading = false;
	atomic_store_release(&spot->present, spot->serial);
	if (atomic_load_relaxed(&spot->filled) == 0)
		atomic_store_release(&spot->filled, spot->serial);
	found = wk_value_dict_get(field->dict, key);
	stress_expect(found == item, "%s: what was stored is not found", field->name);
	wk_release(found);
	wk_release(before);
	if (field->values == WK_VALUES_STRONG && stress_one_in(worker, 2))
		wk_clear(&spot->item);
}

/* Let go of it, without removal: it dies here, or where a reader lets go of it. */
static void drop_fade(struct stress_worker *worker, struct field *field, struct spot *spot, wk_key key)
{
	wk_weak *weak = wk_downgrade(spot->item);
	bool dead;

	wk_clear(&spot->item);
	dead = wk_weak_expired(weak);
	wk_weak_release(weak);
	stress_win(worker, RACE_DIE, dead ? STRESS_LEFT : STRESS_RIGHT);
	spot->fading = true;
	if (!dead)
		return;
	note_gone(spot, spot->serial);
	stress_expect(!wk_value_dict_contains(field->dict, key), "%s: contains the dead", field->name);
	stress_expect(wk_value_dict_remove(field->dict, key) == WK_ENOTFOUND, "%s: removed the dead", field->name);
}

/* Take the key out, in one of three ways; it is known to be there, or fading. */
static bool drop_remove(struct stress_worker *worker, struct field *field, struct spot *spot, wk_key key)
{
	struct item *popped;
	uint64_t serial;

	switch (stress_below(worker, 3)) {
	case 0:
		return wk_value_dict_remove(field->dict, key) == WK_OK;
	case 1:
		if (spot->item != NULL)
			return wk_value_dict_remove_if(field->dict, key, spot->item) == WK_OK;
		return wk_value_dict_remove(field->dict, key) == WK_OK;
	default:
		popped = wk_value_dict_pop(field->dict, key);
		if (popped == NULL)
			return false;
		serial = item_serial(popped);
		wk_release(popped);
		return stress_expect(serial == spot->serial, "%s: popped something else", field->name);
	}
}

static void drop(struct stress_worker *worker, struct field *field, struct spot *spot)
{
	union key_memory memory;
	wk_key key = world_key(field, spot, &memory);
	bool removed;

	note_changing(spot, true);
	if (field->values == WK_VALUES_WEAK && spot->item != NULL && stress_one_in(worker, 2)) {
		drop_fade(worker, field, spot, key);
		return;
	}
	removed = drop_remove(worker, field, spot, key);
	stress_expect(removed || spot->fading, "%s: what was present could not be removed", field->name);
	note_gone(spot, spot->serial);
	stress_expect(wk_value_dict_remove(field->dict, key) == WK_ENOTFOUND, "%s: removed twice", field->name);
	wk_clear(&spot->item);
	spot->serial = 0;
	spot->fading = false;
}

/* The dictionary's own length turns the tide, for all owners together. */
static bool is_falling(struct field *field)
{
	size_t taken = wk_value_dict_len(field->dict);

	stress_expect(taken <= field->spot_count, "%s: longer than it can be", field->name);
	if (taken > field->spot_count / 4 * 3)
		atomic_store_relaxed(&field->falling, 1);
	else if (taken <= field->spot_count / 16)
		atomic_store_relaxed(&field->falling, 0);
	return atomic_load_relaxed(&field->falling) != 0;
}

static void write_some(struct stress_worker *worker, struct field *field)
{
	struct spot *spot = &field->spots[stress_below(worker, field->each) * stress_run.threads + worker->index];
	bool falling = is_falling(field);

	if (spot->serial == 0 ? !falling || stress_one_in(worker, 64) : !falling && !stress_one_in(worker, 8))
		store(worker, field, spot);
	else if (spot->serial != 0)
		drop(worker, field, spot);
}

static void step(struct stress_worker *worker)
{
	unsigned chosen = stress_below(worker, 2 * WORLD_FIELDS); /* the small one has the hot keys */
	struct field *field = &world_fields[chosen < WORLD_FIELDS ? chosen : 0];
	unsigned turns = 16;

	while (turns-- > 0) {
		worker->operations++;
		if (stress_one_in(worker, 2))
			write_some(worker, field);
		else
			read_some(worker, field);
	}
}

/* Settling: nothing is in progress any more. */

static void settle_compare(struct field *field, bool held)
{
	union key_memory memory;
	struct spot *spot;
	struct item *item;
	size_t found = 0;

	for (spot = field->spots; spot < field->spots + field->spot_count; spot++) {
		item = wk_value_dict_get(field->dict, world_key(field, spot, &memory));
		found += item != NULL;
		stress_expect(item == NULL || item_serial(item) == spot->serial, "%s: holds what its owner did not store",
			field->name);
		stress_expect(item != NULL || !spot_must_be_found(spot), "%s: lost what its owner stored", field->name);
		stress_expect(item == NULL || !spot->fading || held, "%s: holds what nobody holds", field->name);
		wk_release(item);
	}
	stress_expect(wk_value_dict_len(field->dict) == found, "%s: %zu keys give an object, its length is %zu",
		field->name, found, wk_value_dict_len(field->dict));
}

static void settle_empty(struct field *field)
{
	struct spot *spot;

	for (spot = field->spots; spot < field->spots + field->spot_count; spot++)
		wk_clear(&spot->item);
	if (field->values == WK_VALUES_STRONG)
		wk_value_dict_clear(field->dict);
	stress_expect(wk_value_dict_len(field->dict) == 0, "%s: %zu dead objects are counted", field->name,
		wk_value_dict_len(field->dict));
}

static void settle(void)
{
	struct field *field;
	unsigned index, place;

	for (field = world_fields; field < world_fields + WORLD_FIELDS; field++)
		settle_compare(field, true);
	for (index = 0; index < stress_run.threads; index++)
		for (place = 0; place < HAND; place++)
			wk_release(hands[index][place]);
	for (field = world_fields; field < world_fields + WORLD_FIELDS; field++) {
		settle_compare(field, false);
		settle_empty(field);
	}
	world_end();
}

static const struct stress dictionary_stress = {
	.name = "dictionary",
	.races = races,
	.broken = broken,
	.begin = world_begin,
	.step = step,
	.settle = settle,
};

int main(int argc, char **argv)
{
	return stress_main(argc, argv, &dictionary_stress);
}
