/*
 * stress/cell_stress.c - cells: loads and peeks against stores, exchanges, updates and deaths
 *
 * Threads share a few cells of each sort. A full cell is never emptied, an open one may be; a ledger is
 * only updated, each time by one more; a throne is a weak cell to which everybody puts an object of his own
 * for a moment and then one that lives for ever; a grave is a weak cell whose object dies in it. There are so many graves
 * that most of the dead are long gone when somebody comes to theirs: the cell has the last handle then.
 *
 * Oracles: what a cell gives is whole; full cells and thrones are never found empty; no thread sees a ledger go
 * back, and in the end it has counted every update; a handle out of a grave leads to what was put there; in the end
 * all that was created is destroyed, once.
 */
#include "harness.h"

#include <stdlib.h>

enum { RACE_REPLACE, RACE_UPDATE, RACE_OPEN, RACE_GRAVE, RACE_HANDLE, RACE_OUTLIVED, RACE_THRONE };
static const struct stress_race races[] = {
	[RACE_REPLACE] = { .left = "replaced", .right = "refused" },
	[RACE_UPDATE] = { .left = "updated", .right = "overtaken" },
	[RACE_OPEN] = { .left = "loaded", .right = "found empty" },
	[RACE_GRAVE] = { .left = "loaded weakly", .right = "found dead" },
	[RACE_HANDLE] = { .left = "handle to the living", .right = "to the dead" },
	[RACE_OUTLIVED] = { .left = "peeked alive", .right = "peeked past death" },
	[RACE_THRONE] = { .left = "found a guest", .right = "found the king" },
	{ .left = NULL },
};

enum { BROKEN_RELEASE, BROKEN_PEEK, BROKEN_LEAK, BROKEN_GIVE, BROKEN_CLEAR };
static const char *const broken[] = {
	[BROKEN_RELEASE] = "use_after_release",
	[BROKEN_PEEK] = "use_after_section",
	[BROKEN_LEAK] = "forget_release",
	[BROKEN_GIVE] = "give_what_is_not_owned",
	[BROKEN_CLEAR] = "clear_a_full_cell",
	NULL,
};

struct item {
	struct stress_canary first;
	uint64_t count; /* of a ledger */
	struct stress_canary last;
};

struct large_item {
	struct item item;
	unsigned char filler[1000];
};

static wki_atomic_u64 destroyed, updates;

static void item_destroy(void *payload)
{
	struct item *item = payload;

	stress_expect(stress_canary_is_whole(&item->first) && stress_canary_is_whole(&item->last),
		"destroyed twice, or overwritten");
	stress_canary_break(&item->first);
	stress_canary_break(&item->last);
	stress_count(&destroyed);
}

WK_DEFINE_TYPE(small_type, struct item, .destroy = item_destroy);
WK_DEFINE_TYPE(large_type, struct large_item, .destroy = item_destroy);
WK_DEFINE_TYPE(prompt_type, struct item, .destroy = item_destroy, .flags = WK_TYPE_PROMPT);
WK_DEFINE_TYPE(bare_type, struct item, .flags = 0);
static const wk_type *const item_types[] = { &small_type, &large_type, &bare_type, &prompt_type };
#define PEEKABLE 3u /* the first so many */

#define PLACES 2
#define GRAVES 32
static struct {
	wk_cell full, open, ledger;
	wk_weak_cell throne, grave[GRAVES];
	struct item *king;
} places[PLACES];

static struct stress_worker *const nobody = NULL;

static struct item *item_new(struct stress_worker *worker, bool peekable)
{
	unsigned kinds = peekable ? PEEKABLE : sizeof(item_types) / sizeof(item_types[0]);
	struct item *item = wk_new(item_types[worker == nobody ? 0 : stress_below(worker, kinds)]);

	if (!stress_expect(item != NULL, "no object: %s", wk_strerror(wk_last_status())))
		abort();
	stress_canary_set(&item->first, (uintptr_t)item);
	stress_canary_set(&item->last, (uintptr_t)item);
	return item;
}

static void check_whole(const struct item *item, const char *where)
{
	stress_expect(stress_canary_is_whole(&item->first) && stress_canary_is_whole(&item->last), "%s: not whole", where);
}

static void use_and_release(struct stress_worker *worker, struct item *item, const char *where)
{
	check_whole(item, where);
	stress_hesitate(worker);
	check_whole(item, where);
	if (stress_is_broken(BROKEN_LEAK) && stress_one_in(worker, 64))
		return;
	wk_release(item);
	if (stress_is_broken(BROKEN_RELEASE) && stress_one_in(worker, 64)) {
		stress_linger();
		check_whole(item, "used after it was released");
	}
}

/* Full cells. */

static void load_full(struct stress_worker *worker, wk_cell *cell)
{
	struct item *item = wk_cell_load(cell);

	if (stress_expect(item != NULL, "a full cell is empty"))
		use_and_release(worker, item, "loaded");
}

static void peek_full(struct stress_worker *worker, wk_cell *cell)
{
	struct item *item, *kept;

	wk_read_lock();
	item = wk_cell_peek(cell);
	if (!stress_expect(item != NULL, "a full cell is empty at a peek")) {
		wk_read_unlock();
		return;
	}
	check_whole(item, "peeked");
	stress_hesitate(worker);
	kept = wk_try_retain(item);
	stress_win(worker, RACE_OUTLIVED, kept != NULL ? STRESS_LEFT : STRESS_RIGHT);
	check_whole(item, "changed while it was peeked");
	wk_read_unlock();
	wk_release(kept);
	if (stress_is_broken(BROKEN_PEEK) && stress_one_in(worker, 64)) {
		stress_linger();
		check_whole(item, "used after its section");
	}
}

static void replace_full(struct stress_worker *worker, wk_cell *cell)
{
	struct item *old = wk_cell_load(cell), *fresh = item_new(worker, true);
	bool done;

	stress_hesitate(worker);
	done = wk_cell_compare_exchange(cell, old, fresh);
	stress_win(worker, RACE_REPLACE, done ? STRESS_LEFT : STRESS_RIGHT);
	wk_release(fresh);
	use_and_release(worker, old, "replaced");
}

static void store_full(struct stress_worker *worker, wk_cell *cell)
{
	struct item *fresh = item_new(worker, true);

	if (stress_is_broken(BROKEN_CLEAR) && stress_one_in(worker, 4))
		wk_cell_clear(cell);
	if (stress_one_in(worker, 2)) {
		wk_cell_give(cell, fresh);
		if (stress_is_broken(BROKEN_GIVE) && stress_one_in(worker, 64))
			wk_cell_give(cell, fresh);
		return;
	}
	wk_cell_store(cell, fresh);
	stress_hesitate(worker);
	use_and_release(worker, fresh, "stored");
}

static void play_full(struct stress_worker *worker, wk_cell *cell)
{
	switch (stress_below(worker, 6)) {
	case 0:
		store_full(worker, cell);
		return;
	case 1:
		replace_full(worker, cell);
		return;
	case 2:
	case 3:
		peek_full(worker, cell);
		return;
	default:
		load_full(worker, cell);
	}
}

/* Open cells. */

static void play_open(struct stress_worker *worker, wk_cell *cell)
{
	struct item *item = NULL;

	switch (stress_below(worker, 4)) {
	case 0:
		wk_cell_give(cell, item_new(worker, false));
		return;
	case 1:
		item = wk_cell_exchange(cell, NULL);
		break;
	default:
		item = wk_cell_load(cell);
	}
	stress_win(worker, RACE_OPEN, item != NULL ? STRESS_LEFT : STRESS_RIGHT);
	if (item != NULL)
		use_and_release(worker, item, "out of an open cell");
}

/* Ledgers. */

struct entry {
	struct stress_worker *worker;
	unsigned attempts;
};

static void *count_one_more(void *current, void *context, int *status)
{
	const struct item *item = current;
	struct entry *entry = context;
	struct item *next = item_new(entry->worker, false);

	(void)status;
	entry->attempts++;
	check_whole(item, "to be updated");
	stress_hesitate(entry->worker);
	next->count = item->count + 1;
	return next;
}

/* What a thread has seen of a ledger it does not see undone. */
static _Thread_local uint64_t seen[PLACES];

static void play_ledger(struct stress_worker *worker, unsigned place)
{
	struct entry entry = { .worker = worker };
	struct item *item;

	if (stress_one_in(worker, 2)) {
		stress_expect(wk_cell_update(&places[place].ledger, count_one_more, &entry) == WK_OK, "an update failed");
		stress_count(&updates);
		stress_win(worker, RACE_UPDATE, entry.attempts == 1 ? STRESS_LEFT : STRESS_RIGHT);
	}
	item = wk_cell_load(&places[place].ledger);
	stress_expect(item->count >= seen[place], "a ledger has gone back");
	seen[place] = item->count;
	use_and_release(worker, item, "a ledger");
}

/* Thrones: never empty, since whoever puts a guest there puts the king there before the guest dies. */

static void play_throne(struct stress_worker *worker, unsigned place)
{
	wk_weak_cell *throne = &places[place].throne;
	struct item *item;

	if (stress_one_in(worker, 3)) {
		item = item_new(worker, false);
		stress_expect(wk_weak_cell_store(throne, item) == WK_OK, "a store failed");
		stress_hesitate(worker);
		(void)wk_weak_cell_store(throne, places[place].king);
		use_and_release(worker, item, "a guest");
		return;
	}
	item = wk_weak_cell_load(throne);
	if (!stress_expect(item != NULL, "a throne is empty"))
		return;
	stress_win(worker, RACE_THRONE, item != places[place].king ? STRESS_LEFT : STRESS_RIGHT);
	use_and_release(worker, item, "out of a throne");
}

/* Graves. */

static void bury(struct stress_worker *worker, wk_weak_cell *grave)
{
	struct item *item = item_new(worker, false);

	(void)wk_weak_cell_store(grave, item);
	stress_hesitate(worker);
	use_and_release(worker, item, "about to die");
}

static void take_handle(struct stress_worker *worker, wk_weak_cell *grave)
{
	wk_weak *weak = stress_one_in(worker, 2) ? wk_weak_cell_exchange(grave, NULL) : wk_weak_cell_load_weak(grave);
	struct item *item = wk_upgrade(weak);

	if (weak == NULL)
		return;
	stress_win(worker, RACE_HANDLE, item != NULL ? STRESS_LEFT : STRESS_RIGHT);
	stress_expect(wk_weak_type(weak)->size >= sizeof(struct item), "a handle to nothing");
	if (item != NULL)
		use_and_release(worker, item, "through a handle");
	else if (stress_one_in(worker, 2))
		(void)wk_weak_cell_compare_exchange(grave, weak, NULL);
	wk_weak_release(weak);
}

static void play_grave(struct stress_worker *worker, wk_weak_cell *grave)
{
	struct item *item;

	switch (stress_below(worker, 4)) {
	case 0:
		bury(worker, grave);
		return;
	case 1:
		take_handle(worker, grave);
		return;
	default:
		item = wk_weak_cell_load(grave);
	}
	stress_win(worker, RACE_GRAVE, item != NULL ? STRESS_LEFT : STRESS_RIGHT);
	if (item != NULL)
		use_and_release(worker, item, "out of a grave");
}

static void step(struct stress_worker *worker)
{
	unsigned place = stress_below(worker, PLACES);

	worker->operations++;
	switch (stress_below(worker, 5)) {
	case 0:
		play_open(worker, &places[place].open);
		return;
	case 1:
		play_ledger(worker, place);
		return;
	case 2:
		play_throne(worker, place);
		return;
	case 3:
		play_grave(worker, &places[place].grave[stress_below(worker, GRAVES)]);
		return;
	default:
		play_full(worker, &places[place].full);
	}
}

static void begin(void)
{
	for (unsigned i = 0; i < PLACES; i++) {
		wk_cell_give(&places[i].full, item_new(nobody, true));
		wk_cell_give(&places[i].ledger, item_new(nobody, false));
		places[i].king = item_new(nobody, false);
		(void)wk_weak_cell_store(&places[i].throne, places[i].king);
	}
}

static uint64_t close_place(unsigned place)
{
	struct item *ledger = wk_cell_exchange(&places[place].ledger, NULL);
	uint64_t count = ledger->count;

	wk_release(ledger);
	wk_release(places[place].king);
	wk_cell_clear(&places[place].full);
	wk_cell_clear(&places[place].open);
	wk_weak_cell_clear(&places[place].throne);
	for (unsigned i = 0; i < GRAVES; i++)
		wk_weak_cell_clear(&places[place].grave[i]);
	return count;
}

static void settle(void)
{
	wk_census census = { .struct_size = sizeof(census) };
	uint64_t counted = 0, with_destroy = 0;

	for (unsigned i = 0; i < PLACES; i++)
		counted += close_place(i);
	stress_expect(counted == atomic_load_relaxed(&updates), "an update is lost");
	stress_settle_runtime();
	stress_settle_census();
	for (unsigned i = 0; i < sizeof(item_types) / sizeof(item_types[0]); i++) {
		wk_type_census(item_types[i], &census);
		with_destroy += item_types[i]->destroy != NULL ? census.created : 0;
	}
	stress_expect(atomic_load_relaxed(&destroyed) == with_destroy, "%llu created, destroy ran %llu times",
		(unsigned long long)with_destroy, (unsigned long long)atomic_load_relaxed(&destroyed));
}

static const struct stress cell_stress = {
	.name = "cell",
	.races = races,
	.broken = broken,
	.begin = begin,
	.step = step,
	.settle = settle,
};

int main(int argc, char **argv)
{
	return stress_main(argc, argv, &cell_stress);
}
