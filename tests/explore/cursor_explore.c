/*
 * cursor_explore.c - going through a table (collect/walk.h) against stores, deaths and movers
 *
 * A walk goes from beginning to end, each step in a read section of its own, as a cursor does. Of
 * each key its scenario says whether it is there all the while (it is met once), or never (it is
 * not met); any other is met once at most. Buckets of two slots.
 */
#define WKI_BUCKET_SLOTS 2u
#include "slots_operations.h"

#include "collect/walk.h"

/* One thing done wrong. */
enum walk_bug {
	WALKS_WELL,
	PASSES_THE_DEAD,   /* a dead entry is taken for absence, though its slot has changed */
	LOOKS_ONCE,        /* what is next is not looked for again when it turns out to be dead */
	MEASURES_ANOTHER,  /* where the bucket ends is asked of the array that is there by then */
	FORGETS_POSITION,  /* the bucket's keys below the position are met again */
	TIES_BY_ENTRY,     /* of tied keys the entry's object is taken, whatever is stored by then */
	TIES_TWICE,        /* a tied key that comes back in another slot is collected again */
	HOLDS_UNSEEN,      /* who takes a hold does not say so to who ends the entry */
};

struct met {
	unsigned times[HISTORY_KEYS];
	struct wki_entry *ties[4];
	unsigned tied;
	enum walk_bug bug;
};

static struct wki_walked this_table(void)
{
	return (struct wki_walked){ &table->root, &ops, NULL };
}

static bool same_entry(const struct wki_entry *entry, uint64_t hash, const void *other)
{
	explore_touch(other);
	return same_key(entry, hash, &((const struct wki_entry *)other)->key);
}

static void *take_met(struct wki_entry *entry, void *context)
{
	struct met *met = context;

	if (take_peek(entry, NULL) == NULL)
		return NULL;
	met->times[entry->key]++;
	return entry;
}

/* Ties: each key is held by an entry of it, as in cursor.c. */

static void *take_hold(struct wki_entry *entry, void *context)
{
	const struct met *met = context;
	uint32_t holds;

	if (!state_is_live(entry) || (met->bug != HOLDS_UNSEEN && !wki_watch_share(&entry->watch)))
		return NULL;
	holds = atomic_load_relaxed(&entry->watch.holds);
	while (holds != 0) {
		if (atomic_cas_relaxed(&entry->watch.holds, &holds, holds + 1))
			return entry;
	}
	return NULL;
}

static void add_tie(struct met *met, struct wki_entry *held)
{
	unsigned i = 0;

	while (i < met->tied && (met->bug == TIES_TWICE || !same_entry(held, held->hash, met->ties[i])))
		i++;
	if (i < met->tied)
		drop_hold(met->ties[i]);
	else
		met->tied++;
	met->ties[i] = held;
}

static bool collect(struct wki_entry *entry, void *context)
{
	struct met *met = context;
	struct wki_entry *held = take_hold(entry, met);

	if (held == NULL)
		held = wki_slots_get(&table->root, entry->hash, same_entry, entry, take_hold, met);
	if (held != NULL)
		add_tie(met, held);
	return true;
}

static void meet_tied(struct met *met)
{
	struct wki_entry *entry = met->ties[--met->tied];

	explore_read_lock();
	if (met->bug == TIES_BY_ENTRY)
		(void)take_met(entry, met);
	else
		(void)wki_slots_get(&table->root, entry->hash, same_entry, entry, take_met, met);
	explore_read_unlock();
	drop_hold(entry);
}

/* Steps, and what they are with a bug. */

static struct wki_walk_next look_badly(struct wki_array *array, uint64_t from, const struct met *met)
{
	struct wki_bucket *bucket = wki_slots_home(array, from);
	struct wki_walk_next next = { 0 };
	struct wki_entry *entry;

	for (; bucket != NULL; bucket = wki_word_bucket(wki_slots_load(&bucket->next))) {
		for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++) {
			entry = wki_word_entry(wki_slots_load(&bucket->slot[i]));
			if (entry == NULL || entry_hash(NULL, entry) < from || !state_is_live(entry))
				continue;
			if (met->bug == PASSES_THE_DEAD && (next.entry == NULL || entry->hash < next.hash))
				next = (struct wki_walk_next){ entry, entry->hash, false };
		}
	}
	return next;
}

static void step_badly(struct wki_walk *walk, struct met *met)
{
	const struct wki_walked this = this_table();
	struct wki_array *array = wki_slots_route(this.root, walk->from);
	struct wki_walk_next next = met->bug == PASSES_THE_DEAD ? look_badly(array, walk->from, met) :
								   wki_walk_look(&this, array, same_entry, walk->from);

	if (next.entry != NULL) {
		wki_walk_pass(walk, next.hash);
		if (met->bug == LOOKS_ONCE)
			(void)take_met(next.entry, met);
		else
			(void)wki_slots_get(this.root, next.hash, same_entry, next.entry, take_met, met);
		return;
	}
	if (met->bug == MEASURES_ANOTHER)
		array = wki_slots_route(this.root, walk->from);
	wki_walk_pass(walk, wki_home_hash(wki_hash_home(walk->from, array->shift) + 1, array->shift) - 1);
}

/* The position is where the last bucket ended, and what the bucket has now is met. */
static void step_by_bucket(struct wki_walk *walk, struct met *met)
{
	struct wki_array *array = wki_slots_route(&table->root, walk->from);
	struct wki_bucket *bucket = wki_slots_home(array, walk->from);
	struct wki_entry *entry;

	wki_walk_pass(walk, wki_home_hash(wki_hash_home(walk->from, array->shift) + 1, array->shift) - 1);
	for (; bucket != NULL; bucket = wki_word_bucket(wki_slots_load(&bucket->next))) {
		for (unsigned i = 0; i < WKI_BUCKET_SLOTS; i++) {
			entry = wki_word_entry(wki_slots_load(&bucket->slot[i]));
			if (entry != NULL)
				(void)take_met(entry, met);
		}
	}
}

static void step_rcu(struct wki_walk *walk, struct met *met)
{
	const struct wki_walked this = this_table();

	switch (met->bug) {
	case WALKS_WELL:
	case TIES_BY_ENTRY:
	case TIES_TWICE:
	case HOLDS_UNSEEN:
		(void)wki_walk_step(walk, &this, same_entry, take_met, met);
		break;
	case FORGETS_POSITION:
		step_by_bucket(walk, met);
		break;
	case PASSES_THE_DEAD:
	case LOOKS_ONCE:
	case MEASURES_ANOTHER:
	default:
		step_badly(walk, met);
	}
	if (walk->is_tied)
		(void)wki_walk_tied(walk->from, &this, collect, met);
}

#define WALK_NEVER 16 /* bits from here on: keys that are never there */
#define WALK_BUG 32

/* argument: a bit for each key that is there all the while, a bit for each that is never there, the bug */
static void walk(intptr_t argument)
{
	struct met met = { .bug = (enum walk_bug)(argument >> WALK_BUG) };
	struct wki_walk walk = { 0 };

	while (!walk.has_ended) {
		explore_read_lock();
		step_rcu(&walk, &met);
		explore_read_unlock();
		if (!walk.is_tied)
			continue;
		while (met.tied > 0)
			meet_tied(&met);
		wki_walk_pass(&walk, walk.from);
	}
	for (unsigned key = 0; key < HISTORY_KEYS; key++) {
		EXPLORE_CHECK(met.times[key] <= 1);
		EXPLORE_CHECK((argument >> key & 1) == 0 || met.times[key] == 1);
		EXPLORE_CHECK((argument >> (WALK_NEVER + key) & 1) == 0 || met.times[key] == 0);
	}
}

#define K(key) (1 << (key))
#define WALK(always, never) EXPLORE_DO(walk, (intptr_t)(always) | (intptr_t)(never) << WALK_NEVER)
#define WALK_BADLY(how, always) EXPLORE_DO(walk, (intptr_t)(always) | (intptr_t)(how) << WALK_BUG)
#define BOUNDED .how = EXPLORE_BOUNDED, .preemptions = 3

static const struct explore_scenario scenarios[] = {
	/* One array. */
	{ .name = "set under it", .thread = { { WALK(K(0), K(2)) }, { SET(0, 1), SET(0, 2) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "comes and goes", .thread = { { WALK(K(2), K(4)) }, { INSERT(0, 0), REMOVE(0), INSERT(0, 1) } }, WITH(.contents = { HAS(2, 2), HAS(0, NONE) }) },
	{ .name = "death", .thread = { { WALK(K(2), 0) }, { RELEASE(0), INSERT(0, 1) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }) },
	{ .name = "an append", .thread = { { WALK(K(0) | K(2), 0) }, { INSERT(3, 1), REMOVE(3) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }) },
	{ .name = "ties, one is set", .thread = { { WALK(K(0) | K(1), K(2)) }, { SET(0, 2), SET(0, 1) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }) },
	{ .name = "ties come and go", .thread = { { WALK(K(0), 0) }, { REMOVE(1), INSERT(1, 2) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }) },
	{ .name = "ties: gone, and back behind", .thread = { { WALK(K(0) | K(2), 0) }, { REMOVE(1), INSERT(3, 3), INSERT(1, 2) } }, WITH(.contents = { HAS(1, 1), HAS(2, 2), HAS(0, 0) }) },
	{ .name = "gone, and back behind", .thread = { { WALK(K(0) | K(2), 0) }, { REMOVE(1), INSERT(3, 3), INSERT(1, 2) } }, WITH(.contents = { HAS(1, 1), HAS(0, 0), HAS(2, 2) }) },
	{ .name = "destroyed after it", .thread = { { WALK(K(0) | K(1), 0), DESTROY }, { RELEASE(2) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1), HAS(2, 2) }) },
	/* One migration. */
	{ .name = "grow: mover", .thread = { { WALK(K(0) | K(4), K(2)) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0), HAS(4, 1) }) },
	{ .name = "grow: set after a mover", .thread = { { WALK(K(0), 0) }, { START(1), HELP(1), SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "grow: set before a mover", .thread = { { WALK(K(0), 0) }, { SET(0, 1), START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "grow: gone, and back", .thread = { { WALK(K(4), 0) }, { REMOVE(0), START(1), HELP(1), INSERT(0, 1) } }, WITH(.contents = { HAS(0, 0), HAS(4, 2) }), BOUNDED },
	{ .name = "grow: ties change their order", .thread = { { WALK(K(0) | K(1), 0) }, { START(1), HELP(1), SET(1, 2) } }, WITH(.contents = { HAS(2, NONE), HAS(0, 0), HAS(1, 1) }), BOUNDED },
	{ .name = "sweep: set after a mover", .thread = { { WALK(K(2), 0) }, { START(0), HELP(1), SET(2, 1) } }, WITH(.contents = { HAS(0, NONE), HAS(2, 2) }) },
	{ .name = "shrink: mover", .thread = { { WALK(K(0) | K(4), K(1)) }, { START(0), HELP(1) } }, WITH(.bits = 1, .contents = { HAS(0, 0), HAS(4, 1) }) },
	{ .name = "shrink: set after a mover", .thread = { { WALK(K(0) | K(4), 0) }, { START(0), HELP(1), SET(4, 2) } }, WITH(.bits = 1, .contents = { HAS(0, 0), HAS(4, 1) }), BOUNDED },
	{ .name = "two units", .thread = { { WALK(K(0) | K(3) | K(4), 0) }, { START(2), HELP(2) } }, WITH(.bits = 1, .contents = { HAS(0, 0), HAS(3, 2), HAS(4, 1) }), BOUNDED },
	{ .name = "grow and shrink again", .thread = { { WALK(K(0) | K(4), 0) }, { START(1), HELP(1), START(0), HELP(1), SET(4, 2) } }, WITH(.contents = { HAS(0, 0), HAS(4, 1) }), BOUNDED },
	{ .name = "three: set, mover", .thread = { { WALK(K(0), 0) }, { SET(0, 1) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0) }, .lazy = true), BOUNDED },
	{ .name = "ties: a death", .thread = { { WALK(K(0), 0) }, { RELEASE(1) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }) },
	{ .name = "ties: both die", .thread = { { WALK(0, 0) }, { RELEASE(1), RELEASE(0) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }) },
	{ .name = "three: set, death, ties", .thread = { { WALK(K(0), 0) }, { SET(0, 2) }, { RELEASE(1) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }), BOUNDED },
	/* Bugs. */
	{ .name = "planted: the dead are passed over", .thread = { { WALK_BADLY(PASSES_THE_DEAD, K(0)) }, { SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }), .planted = "check failed" },
	{ .name = "planted: looked for once", .thread = { { WALK_BADLY(LOOKS_ONCE, K(0)) }, { SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }), .planted = "check failed" },
	{ .name = "planted: measured with another array", .thread = { { WALK_BADLY(MEASURES_ANOTHER, K(4)) }, { START(0), HELP(1) } }, WITH(.bits = 1, .contents = { HAS(4, 1) }), .planted = "check failed" },
	{ .name = "planted: the position is forgotten", .thread = { { WALK_BADLY(FORGETS_POSITION, K(0) | K(4)) }, { START(0), HELP(1) } }, WITH(.bits = 1, .contents = { HAS(0, 0), HAS(4, 1) }), .planted = "check failed" },
	{ .name = "planted: ties twice", .thread = { { WALK_BADLY(TIES_TWICE, K(0) | K(2)) }, { REMOVE(1), INSERT(3, 3), INSERT(1, 2) } }, WITH(.contents = { HAS(1, 1), HAS(2, 2), HAS(0, 0) }), .planted = "check failed" },
	{ .name = "planted: holds unseen", .thread = { { WALK_BADLY(HOLDS_UNSEEN, K(0)) }, { RELEASE(1) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }), .planted = "freed memory" },
	{ .name = "planted: ties by entry", .thread = { { WALK_BADLY(TIES_BY_ENTRY, K(0) | K(1)) }, { SET(0, 2) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }), .planted = "check failed" },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
