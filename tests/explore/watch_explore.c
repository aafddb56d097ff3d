/*
 * watch_explore.c - the watch list and the end of life (core/watch.h) under every schedule
 *
 * An object with a list of watches, each embedded in an entry that also sits in a slot of a
 * container, as a table has it: two holds, SLOT and WATCH, and no unit of the control block.
 * Whoever looks at the object through an entry does so inside the read section in which it
 * found the entry live. Entries, object and container are really freed.
 */
#include "core/count.h"
#include "core/watch.h"
#include "explorer.h"

#define ENTRIES 4u
#define WATCH_HOLD 1u
#define SLOT_HOLD 1u

enum bug {
	NO_BUG,
	REMOVE_BY_STORE,      /* removing does not compete with death */
	RETIRE_BY_LOOK,       /* REMOVED -> RETIRED is no competition between pruner and walker */
	LIST_NOT_TAKEN,       /* death walks the list where it is */
	RETIRED_BEFORE_FIRED, /* the block is retired before the watches are told */
	LATE_SECTION,         /* the end of life's read section begins behind the decision */
	NO_SECTION,           /* a remover has no read section */
	MANY_PRUNERS,         /* a prune does not exclude another */
	PRUNED_BY_FORCE,      /* the head is stored to, whatever was pushed meanwhile */
	ENTRY_FREED,          /* the last hold frees an entry at once */
	NO_GENERATION,        /* a prune's claim outlives a fork */
	PUSH_LEFT,            /* an insert that a fork cut short is not finished */
};

struct object {
	struct wki_count count;
	wki_watch_head watches;
};

struct container {
	wki_atomic_u64 len;
};

struct entry {
	struct wki_watch watch;
	struct container *container;
	struct object *object; /* no unit, never NULL */
	unsigned index;
};

static struct {
	struct object *object;
	struct container *container;
	WKI_ATOMIC_POINTER(struct entry) slot[ENTRIES];
	wki_atomic_u64 removed[ENTRIES], fired[ENTRIES], left[ENTRIES]; /* how often */
} *world;

static enum bug bug;

static struct entry *entry_of(struct wki_watch *watch)
{
	return (struct entry *)(void *)watch;
}

static void drop_hold(struct entry *entry)
{
	uint32_t holds = atomic_load_relaxed(&entry->watch.holds);

	EXPLORE_CHECK(holds > 0);
	if (!wki_watch_drop_hold(&entry->watch))
		return;
	if (bug == ENTRY_FREED)
		explore_free(entry);
	else
		explore_retire(entry, NULL);
}

/* The watch has left the list. */
static void leave(struct wki_watch *watch)
{
	(void)atomic_fetch_add_relaxed(&world->left[entry_of(watch)->index], 1);
	drop_hold(entry_of(watch));
}

static bool retire_removed(struct wki_watch *watch)
{
	if (bug != RETIRE_BY_LOOK)
		return wki_watch_move(watch, WKI_WATCH_REMOVED, WKI_WATCH_RETIRED);
	return wki_watch_state(watch) == WKI_WATCH_REMOVED;
}

/* The end of life. */

static void fired(struct entry *entry)
{
	(void)atomic_fetch_add_relaxed(&world->fired[entry->index], 1);
	(void)atomic_fetch_sub_relaxed(&entry->container->len, 1);
	leave(&entry->watch);
}

static void fire(struct object *object)
{
	struct wki_watch *watch, *next;

	watch = bug == LIST_NOT_TAKEN ? atomic_load_acquire(&object->watches) : wki_watch_take(&object->watches);
	for (; watch != NULL; watch = next) {
		next = wki_watch_next(watch);
		if (wki_watch_move(watch, WKI_WATCH_LIVE, WKI_WATCH_FIRED))
			fired(entry_of(watch));
		else if (retire_removed(watch))
			leave(watch);
	}
}

static void settle(void *memory)
{
	struct object *object = memory;

	if (wki_count_drop_strong_side(&object->count))
		explore_free(object);
}

/* The last reference goes: release, decision, end of life. */
static void release(intptr_t unused)
{
	struct object *object = world->object;
	uint64_t before = wki_count_release(&object->count, 1);

	(void)unused;
	if (wki_strong_count(before) != 1)
		return;
	if (bug != LATE_SECTION)
		explore_read_lock();
	if (!wki_count_decide(&object->count, before))
		explore_fail("nobody revives, and yet a decider loses");
	if (bug == LATE_SECTION)
		explore_read_lock();
	if (bug == RETIRED_BEFORE_FIRED)
		explore_retire(object, settle);
	fire(object);
	explore_read_unlock();
	if (bug != RETIRED_BEFORE_FIRED)
		explore_retire(object, settle);
}

/* Containers. */

/* By a holder of a strong reference. */
static void insert(intptr_t index)
{
	struct entry *entry = explore_zeroed(sizeof(*entry), "entry");
	struct entry *none = NULL;

	entry->index = (unsigned)index;
	entry->object = world->object;
	entry->container = world->container;
	wki_watch_init(&entry->watch, 0, SLOT_HOLD + WATCH_HOLD);
	(void)atomic_fetch_add_relaxed(&world->container->len, 1);
	EXPLORE_CHECK(atomic_cas_release(&world->slot[index], &none, entry));
	wki_watch_push(&world->object->watches, &entry->watch);
}

static bool object_is_live(const struct entry *entry)
{
	explore_touch(entry);
	return wki_watch_state(&entry->watch) == WKI_WATCH_LIVE && !wki_count_is_dead(&entry->object->count);
}

/* A prune that lacks one of its cares. */
static void prune_badly(wki_watch_head *head)
{
	struct wki_watch *before = NULL, *watch, *next;

	for (watch = atomic_load_acquire(head); watch != NULL; watch = next) {
		next = wki_watch_next(watch);
		if (wki_watch_state(watch) != WKI_WATCH_REMOVED) {
			before = watch;
			continue;
		}
		if (before == NULL && bug == PRUNED_BY_FORCE)
			atomic_store_release(head, next);
		else if (!wki_watch_unlink(head, before, watch, next))
			continue;
		if (retire_removed(watch))
			leave(watch);
	}
}

static void prune(struct object *object)
{
	if (bug == NO_BUG || bug == NO_SECTION || bug == LIST_NOT_TAKEN || bug == LATE_SECTION || bug == RETIRED_BEFORE_FIRED ||
	    bug >= NO_GENERATION)
		wki_watch_prune(&object->watches, &object->count.meta, leave);
	else
		prune_badly(&object->watches);
}

/* remove: found live in this section; the winner counts litter and prunes when it is due. */
static void remove_rcu(struct entry *entry)
{
	bool won = wki_watch_move(&entry->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED);

	if (bug == REMOVE_BY_STORE) {
		won = true;
		atomic_store_release(&entry->watch.state, WKI_WATCH_REMOVED);
	}
	if (!won)
		return;
	(void)atomic_fetch_add_relaxed(&world->removed[entry->index], 1);
	(void)atomic_fetch_sub_relaxed(&entry->container->len, 1);
	if (wki_watch_littered(&entry->object->count.meta))
		prune(entry->object);
}

static void enter(void)
{
	if (bug != NO_SECTION)
		explore_read_lock();
}

static void exit_section(void)
{
	if (bug != NO_SECTION)
		explore_read_unlock();
}

static void remove_key(intptr_t index)
{
	struct entry *entry;

	enter();
	entry = atomic_load_acquire(&world->slot[index]);
	if (entry != NULL && object_is_live(entry))
		remove_rcu(entry);
	exit_section();
}

/* Replacing: the slot first, then the state; who finds it dead leaves the state to its walker. */
static void take_out(intptr_t index)
{
	struct entry *entry;
	bool live;

	enter();
	entry = atomic_load_acquire(&world->slot[index]);
	if (entry != NULL) {
		live = object_is_live(entry);
		if (atomic_cas_acq_rel(&world->slot[index], &entry, NULL)) {
			if (live)
				remove_rcu(entry);
			drop_hold(entry);
		}
	}
	exit_section();
}

/* Destroying the container: every entry that is still found; then its memory after a grace period. */
static void destroy_container(intptr_t unused)
{
	struct entry *entry;

	(void)unused;
	explore_read_lock();
	for (unsigned i = 0; i < ENTRIES; i++) {
		entry = atomic_exchange_acq_rel(&world->slot[i], NULL);
		if (entry == NULL)
			continue;
		if (wki_watch_state(&entry->watch) == WKI_WATCH_LIVE)
			remove_rcu(entry);
		drop_hold(entry);
	}
	explore_read_unlock();
	explore_retire(world->container, NULL);
	world->container = NULL;
}

/* The child of a fork: the other thread is no more, and its reference to the object ours. */

static void fork_off(intptr_t unused)
{
	struct entry *entry;

	(void)unused;
	explore_fork(0);
	if (bug == NO_GENERATION)
		wki_generation = 0;
	for (unsigned i = 0; i < ENTRIES && bug != PUSH_LEFT; i++) {
		entry = atomic_load_acquire(&world->slot[i]);
		if (entry != NULL && wki_watch_state(&entry->watch) == WKI_WATCH_LIVE &&
		    !wki_watch_is_listed(&world->object->watches, &entry->watch))
			wki_watch_push(&world->object->watches, &entry->watch);
	}
}

/* Nobody else is there: whatever litter the lost thread has left, this prune takes. */
static void prune_all(intptr_t unused)
{
	struct wki_watch *watch;

	(void)unused;
	explore_read_lock();
	prune(world->object);
	for (watch = wki_watch_first(&world->object->watches); watch != NULL; watch = wki_watch_next(watch))
		EXPLORE_CHECK(wki_watch_state(watch) != WKI_WATCH_REMOVED);
	explore_read_unlock();
}

/* The set-up: so many entries and strong references; which removal from now on makes a prune due (0: none). */

#define WORLD(entries, strong, due, planted) ((entries) + 10 * (strong) + 100 * (due) + 1000 * (planted))

static void set_up(intptr_t argument)
{
	bug = (enum bug)(argument / 1000);
	world = explore_zeroed(sizeof(*world), "world");
	world->object = explore_zeroed(sizeof(*world->object), "object");
	world->container = explore_zeroed(sizeof(*world->container), "container");
	explore_label(&world->object->count.strong, "strong");
	explore_label(&world->object->count.meta, "meta");
	explore_label(&world->object->watches, "head");
	wki_count_init(&world->object->count, 0);
	(void)wki_count_retain(&world->object->count, (uint64_t)(argument / 10 % 10 - 1));
	if (argument / 100 % 10 != 0)
		atomic_store_relaxed(&world->object->count.meta, (8 - (uint32_t)argument / 100 % 10) << WKI_META_GARBAGE_SHIFT);
	for (intptr_t i = 0; i < argument % 10; i++)
		insert(i);
}

/* Everything is dead: each watch was either removed or fired and left the list once; the slots give up their ghosts. */
static void finish(void)
{
	struct entry *entry;

	for (unsigned i = 0; i < ENTRIES; i++) {
		uint64_t removed = atomic_load_relaxed(&world->removed[i]), fires = atomic_load_relaxed(&world->fired[i]);

		EXPLORE_CHECK(explore_is_child() || removed + fires == atomic_load_relaxed(&world->left[i]));
		EXPLORE_CHECK(removed + fires <= 1);
		entry = atomic_load_relaxed(&world->slot[i]);
		if (entry != NULL)
			drop_hold(entry);
	}
	if (world->container != NULL) {
		EXPLORE_CHECK(explore_is_child() || atomic_load_relaxed(&world->container->len) == 0);
		explore_free(world->container);
	}
	explore_free(world);
}

static void invariant(void)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		EXPLORE_CHECK(atomic_load_relaxed(&world->removed[i]) + atomic_load_relaxed(&world->fired[i]) <= 1);
		EXPLORE_CHECK(atomic_load_relaxed(&world->left[i]) <= 1);
	}
}

#define INSERT(i) EXPLORE_DO(insert, i)
#define REMOVE(i) EXPLORE_DO(remove_key, i)
#define TAKE(i) EXPLORE_DO(take_out, i)
#define RELEASE EXPLORE_DO(release, 0)
#define DESTROY EXPLORE_DO(destroy_container, 0)
#define FORK EXPLORE_DO(fork_off, 0)
#define PRUNE EXPLORE_DO(prune_all, 0)
#define IN(entries, strong, due) .set_up = set_up, .argument = WORLD(entries, strong, due, NO_BUG), .finish = finish, .invariant = invariant
#define PLANTED(how, entries, strong, due, message) \
	.set_up = set_up, .argument = WORLD(entries, strong, due, how), .finish = finish, .planted = (message)

static const struct explore_scenario scenarios[] = {
	{ .name = "death, remove", .thread = { { RELEASE }, { REMOVE(0) } }, IN(1, 1, 0) },
	{ .name = "death, remove and prune", .thread = { { RELEASE }, { REMOVE(0) } }, IN(2, 1, 1) },
	{ .name = "insert and death, remove twice", .thread = { { INSERT(1), RELEASE }, { REMOVE(0), REMOVE(1) } }, IN(1, 1, 1) },
	{ .name = "death, take out and destroy", .thread = { { RELEASE }, { TAKE(0), TAKE(1), DESTROY } }, IN(2, 1, 0) },
	{ .name = "death, prune, take out and destroy", .thread = { { RELEASE }, { REMOVE(0), TAKE(1), DESTROY } }, IN(2, 1, 1) },
	{ .name = "insert, remove, insert, death against removals", .thread = { { INSERT(1), REMOVE(0), INSERT(2), RELEASE }, { REMOVE(1), TAKE(0), TAKE(2) } }, IN(1, 1, 1) },
	{ .name = "two push, both die", .thread = { { INSERT(1), TAKE(1), RELEASE }, { INSERT(2), REMOVE(0), RELEASE } }, IN(1, 2, 1) },
	{ .name = "push against prune", .thread = { { INSERT(2), INSERT(3), RELEASE }, { REMOVE(1), REMOVE(0), TAKE(1), TAKE(0) } }, IN(2, 1, 1) },
	{ .name = "three: two prune, one ends", .thread = { { RELEASE }, { REMOVE(0) }, { REMOVE(1) } }, IN(2, 1, 1) },
	{ .name = "three: death, removal, destruction", .thread = { { RELEASE }, { REMOVE(0) }, { DESTROY } }, IN(1, 1, 1) },
	{ .name = "three: two take out, one pushes and ends", .thread = { { INSERT(2), RELEASE }, { TAKE(0) }, { TAKE(1) } }, IN(2, 1, 1), .deep = true },
	{ .name = "fork: lost in a prune, prune and death", .thread = { { REMOVE(0) }, { FORK, PRUNE, RELEASE } }, IN(2, 1, 1) },
	{ .name = "fork: lost in a prune, insert, prune and death", .thread = { { REMOVE(1), TAKE(0) }, { FORK, INSERT(2), PRUNE, RELEASE } }, IN(2, 1, 1) },
	{ .name = "fork: lost in a prune, removal, destruction, death", .thread = { { REMOVE(0) }, { FORK, REMOVE(1), PRUNE, DESTROY, RELEASE } }, IN(2, 1, 1) },
	{ .name = "fork: lost in an insert, death, look", .thread = { { INSERT(1) }, { FORK, RELEASE, REMOVE(1), REMOVE(0) } }, IN(1, 1, 1) },
	{ .name = "planted: a claim without the generation", .thread = { { REMOVE(0) }, { FORK, PRUNE } }, PLANTED(NO_GENERATION, 2, 1, 1, "WKI_WATCH_REMOVED") },
	{ .name = "planted: an insert that was cut short is left", .thread = { { INSERT(1) }, { FORK, RELEASE, REMOVE(1) } }, PLANTED(PUSH_LEFT, 1, 1, 1, "freed") },
	{ .name = "planted: removed by a store", .thread = { { RELEASE }, { REMOVE(0) } }, PLANTED(REMOVE_BY_STORE, 1, 1, 0, "check failed") },
	{ .name = "planted: retired by a look", .thread = { { RELEASE }, { REMOVE(0) } }, PLANTED(RETIRE_BY_LOOK, 2, 1, 1, "check failed") },
	{ .name = "planted: list not taken", .thread = { { RELEASE }, { TAKE(1), DESTROY } }, PLANTED(LIST_NOT_TAKEN, 2, 1, 2, "freed") },
	{ .name = "planted: block retired before its watches are told", .thread = { { RELEASE }, { REMOVE(0) } }, PLANTED(RETIRED_BEFORE_FIRED, 1, 1, 1, "freed") },
	{ .name = "planted: read section begins behind the decision", .thread = { { RELEASE }, { TAKE(0), DESTROY } }, PLANTED(LATE_SECTION, 1, 1, 0, "freed") },
	{ .name = "planted: removed outside of a read section", .thread = { { RELEASE }, { REMOVE(0) } }, PLANTED(NO_SECTION, 1, 1, 0, "freed") },
	{ .name = "planted: several pruners", .thread = { { TAKE(1), RELEASE }, { TAKE(0) } }, PLANTED(MANY_PRUNERS, 3, 1, 1, "freed") },
	{ .name = "planted: pruned by force", .thread = { { INSERT(1), RELEASE }, { REMOVE(0) } }, PLANTED(PRUNED_BY_FORCE, 1, 1, 1, "check failed") },
	{ .name = "planted: entries freed without a grace period", .thread = { { TAKE(0), RELEASE }, { REMOVE(0) } }, PLANTED(ENTRY_FREED, 1, 1, 0, "freed") },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
