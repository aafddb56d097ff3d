/*
 * cell_explore.c - strong and weak cells (core/cell.h) under every schedule
 *
 * Up to three objects, a strong cell and a weak cell. Threads own strong references and weak handles that the
 * set-up dealt out; readers of cells own nothing. Blocks are really freed: after a grace period where the
 * library waits for one, at once where it does not.
 */
#include "core/cell.h"
#include "explorer.h"

#define OBJECTS 3u

enum bug {
	NO_BUG,
	NO_SECTION,      /* a reader has no read section */
	NOT_BORROWED,    /* the last release does not know of readers: no grace period */
	LOOK_ONCE,       /* a dead object is taken for an empty cell, without another look */
	RELEASED_FIRST,  /* what a store displaces is released before it is out of the cell */
	RETAINED_LATE,   /* a reference is added after the object can be seen */
	REFUSED_KEEPS,   /* a compare-and-exchange that fails keeps its reference */
	STORED_BLINDLY,  /* a compare-and-exchange looks first, then stores */
	NOT_MARKED,      /* the last unit frees the block at once, as if no weak cell had led there */
	UNIT_BLINDLY,    /* a unit is added though there may be none */
	STRONG_SIDE_LOOKS /* the strong side's units are taken for the last ones, though a reader may add one */
};

/* A payload apart goes when its object is destroyed, the block with its last unit. */
struct payload {
	struct object *object;
};

struct object {
	struct wki_count count;
	struct payload *payload;
};

static struct {
	struct wki_cell strong, weak;
	struct object *object[OBJECTS];
	wki_atomic_u64 deaths;
} *world;

static enum bug bug;
static uint64_t deaths_due;

static struct object *object_of(struct wki_count *count)
{
	return (struct object *)(void *)count;
}

static void enter(void)
{
	if (bug != NO_SECTION)
		explore_read_lock();
}

static void leave(void)
{
	if (bug != NO_SECTION)
		explore_read_unlock();
}

/* Ends, as core/control.c has them. */

static void give_back(struct object *object)
{
	if (bug != NOT_MARKED && wki_count_is_celled(&object->count))
		explore_retire(object, NULL);
	else
		explore_free(object);
}

static void drop_unit(struct object *object)
{
	if (wki_count_drop_unit(&object->count))
		give_back(object);
}

static bool drop_strong_side(struct wki_count *count)
{
	if (bug == STRONG_SIDE_LOOKS && atomic_load_acquire(&count->units) == WKI_STRONG_UNITS)
		return true;
	return wki_count_drop_strong_side(count);
}

static void settle(void *memory)
{
	struct object *object = ((struct payload *)memory)->object;

	explore_free(memory);
	if (drop_strong_side(&object->count))
		give_back(object);
}

static void release(struct object *object)
{
	uint64_t before = wki_count_release(&object->count, 1);

	EXPLORE_CHECK(wki_strong_count(before) > 0 && (before & WKI_STRONG_DEAD) == 0);
	if (wki_strong_count(before) != 1)
		return;
	if (!wki_count_decide(&object->count, before)) {
		drop_unit(object);
		return;
	}
	(void)atomic_fetch_add_relaxed(&world->deaths, 1);
	if (bug == NOT_BORROWED)
		settle(object->payload);
	else
		explore_retire(object->payload, settle);
}

static void release_held(struct wki_count *count)
{
	if (count != NULL)
		release(object_of(count));
}

/* By who owns a reference, or is inside the section in which it was peeked. */
static void use(struct object *object)
{
	explore_touch(&object->payload);
	explore_touch(object->payload);
}

/* Strong cell. The thread owns a strong reference to the object that it names, and keeps it. */

static struct wki_count *load_strong(const struct wki_cell *cell)
{
	uint64_t strong;

	if (bug == LOOK_ONCE) {
		struct wki_count *count = wki_cell_look(cell);

		return count == NULL || (wki_count_upgrade(count) & WKI_STRONG_DEAD) != 0 ? NULL : count;
	}
	return wki_cell_load_rcu(cell, &strong);
}

static void swap_in(struct object *object)
{
	struct wki_count *before;

	if (bug == RELEASED_FIRST)
		release_held(wki_cell_look(&world->strong));
	if (object != NULL && bug != RETAINED_LATE)
		(void)wki_count_retain(&object->count, 1);
	before = wki_cell_swap(&world->strong, object == NULL ? NULL : &object->count);
	if (object != NULL && bug == RETAINED_LATE)
		(void)wki_count_retain(&object->count, 1);
	if (bug != RELEASED_FIRST)
		release_held(before);
}

static void store(intptr_t index)
{
	swap_in(world->object[index]);
}

static void clear(intptr_t unused)
{
	(void)unused;
	swap_in(NULL);
}

/* The thread gives the cell its own reference. */
static void give(intptr_t index)
{
	release_held(wki_cell_swap(&world->strong, &world->object[index]->count));
}

/* The argument: what to expect, and ten times what to store. */
static void replace(intptr_t both)
{
	struct object *expected = world->object[both % 10], *desired = world->object[both / 10];
	bool done;

	(void)wki_count_retain(&desired->count, 1);
	if (bug == STORED_BLINDLY) {
		done = wki_cell_look(&world->strong) == &expected->count;
		if (done)
			(void)wki_cell_swap(&world->strong, &desired->count);
	} else {
		done = wki_cell_replace(&world->strong, &expected->count, &desired->count);
	}
	if (done)
		release(expected);
	else if (bug != REFUSED_KEEPS)
		release(desired);
}

static void load_one(const struct wki_cell *cell, bool must)
{
	struct wki_count *count;

	enter();
	count = load_strong(cell);
	leave();
	EXPLORE_CHECK(!must || count != NULL);
	if (count == NULL)
		return;
	use(object_of(count));
	release_held(count);
}

/* The argument: is the cell never empty while this may run? */
static void load(intptr_t must)
{
	load_one(&world->strong, must != 0);
}

static void peek_one(const struct wki_cell *cell, bool must)
{
	struct wki_count *count;
	uint64_t strong;

	enter();
	count = wki_cell_peek_rcu(cell, &strong);
	if (count != NULL)
		use(object_of(count));
	leave();
	EXPLORE_CHECK(!must || count != NULL);
}

static void peek(intptr_t must)
{
	peek_one(&world->strong, must != 0);
}

/* The thread's reference to an object of the set-up goes. */
static void drop(intptr_t index)
{
	release(world->object[index]);
}

/* Weak cell. */

static void weak_swap_in(struct object *object)
{
	struct wki_count *before;

	if (object != NULL) {
		(void)wki_count_add_unit(&object->count);
		wki_cell_mark(&object->count);
	}
	before = wki_cell_swap(&world->weak, object == NULL ? NULL : &object->count);
	if (before != NULL)
		drop_unit(object_of(before));
}

static void weak_store(intptr_t index)
{
	weak_swap_in(world->object[index]);
}

static void weak_clear(intptr_t unused)
{
	(void)unused;
	weak_swap_in(NULL);
}

/* The argument: what is in the cell while this may run is alive or replaced by something alive. */
static void weak_load(intptr_t must)
{
	load_one(&world->weak, must != 0);
}

static void weak_peek(intptr_t must)
{
	peek_one(&world->weak, must != 0);
}

static struct wki_count *load_unit(void)
{
	struct wki_count *count;
	uint32_t units;

	if (bug != UNIT_BLINDLY)
		return wki_cell_load_unit_rcu(&world->weak, &units);
	count = wki_cell_look(&world->weak);
	if (count != NULL)
		(void)wki_count_add_unit(count);
	return count;
}

/* A handle, and an upgrade of it. */
static void weak_load_handle(intptr_t must)
{
	struct wki_count *count;

	enter();
	count = load_unit();
	leave();
	EXPLORE_CHECK(!must || count != NULL);
	if (count == NULL)
		return;
	if ((wki_count_upgrade(count) & WKI_STRONG_DEAD) == 0) {
		use(object_of(count));
		release_held(count);
	}
	drop_unit(object_of(count));
}

/* The set-up: each object has so many references of the threads'; object 0 is in the strong cell (1), the weak one (2). */

#define DEALT(a, b, c, in, planted) ((a) + 10 * (b) + 100 * (c) + 1000 * (in) + 10000 * (planted))

static void make(unsigned index, uint64_t references)
{
	struct object *object = explore_zeroed(sizeof(*object), "block");

	object->payload = explore_zeroed(sizeof(*object->payload), "payload");
	object->payload->object = object;
	world->object[index] = object;
	wki_count_init(&object->count, 0);
	if (references > 1)
		(void)wki_count_retain(&object->count, references - 1);
	deaths_due++;
}

static void set_up(intptr_t argument)
{
	intptr_t in = argument / 1000 % 10, dealt = argument;
	bool owned;

	bug = NO_BUG;
	deaths_due = 0;
	world = explore_zeroed(sizeof(*world), "world");
	explore_label(&world->strong, "strong cell");
	explore_label(&world->weak, "weak cell");
	for (unsigned i = 0; i < OBJECTS; i++, dealt /= 10) {
		owned = i == 0 && in % 2 == 1;
		if (dealt % 10 != 0 || owned)
			make(i, (uint64_t)(dealt % 10 + owned));
	}
	if (in % 2 == 1)
		(void)wki_cell_swap(&world->strong, &world->object[0]->count);
	if (in / 2 == 1)
		weak_store(0);
	bug = (enum bug)(argument / 10000);
}

/* Every thread has given back what it had; the cells are cleared; then everything is dead and gone. */
static void finish(void)
{
	clear(0);
	weak_clear(0);
	EXPLORE_CHECK(atomic_load_relaxed(&world->deaths) == deaths_due);
	explore_free(world);
}

#define STORE(i) EXPLORE_DO(store, i)
#define GIVE(i) EXPLORE_DO(give, i)
#define DROP(i) EXPLORE_DO(drop, i)
#define CLEAR EXPLORE_DO(clear, 0)
#define REPLACE(expected, desired) EXPLORE_DO(replace, (expected) + 10 * (desired))
#define LOAD EXPLORE_DO(load, 0)
#define LOAD_SOMETHING EXPLORE_DO(load, 1)
#define PEEK EXPLORE_DO(peek, 0)
#define PEEK_SOMETHING EXPLORE_DO(peek, 1)
#define WEAK_STORE(i) EXPLORE_DO(weak_store, i)
#define WEAK_CLEAR EXPLORE_DO(weak_clear, 0)
#define WEAK_LOAD EXPLORE_DO(weak_load, 0)
#define WEAK_LOAD_SOMETHING EXPLORE_DO(weak_load, 1)
#define WEAK_PEEK EXPLORE_DO(weak_peek, 0)
#define WEAK_PEEK_SOMETHING EXPLORE_DO(weak_peek, 1)
#define HANDLE EXPLORE_DO(weak_load_handle, 0)
#define HANDLE_OF_SOMETHING EXPLORE_DO(weak_load_handle, 1)
#define IN_STRONG 1
#define IN_WEAK 2
#define IN_BOTH 3
#define WITH(a, b, c, in) .set_up = set_up, .argument = DEALT(a, b, c, in, NO_BUG), .finish = finish
#define PLANTED(how, a, b, c, in, message) \
	.set_up = set_up, .argument = DEALT(a, b, c, in, how), .finish = finish, .planted = (message)

static const struct explore_scenario scenarios[] = {
	{ .name = "load, give", .thread = { { GIVE(1) }, { LOAD_SOMETHING } }, WITH(0, 1, 0, IN_STRONG), .how = EXPLORE_EVERY },
	{ .name = "load, clear", .thread = { { CLEAR }, { LOAD, LOAD } }, WITH(0, 0, 0, IN_STRONG), .how = EXPLORE_EVERY },
	{ .name = "peek, two give", .thread = { { GIVE(1), GIVE(2) }, { PEEK_SOMETHING, PEEK_SOMETHING } }, WITH(0, 1, 1, IN_STRONG) },
	{ .name = "loads, stores there and back", .thread = { { STORE(1), STORE(0), DROP(1), DROP(0) }, { LOAD_SOMETHING, LOAD_SOMETHING } }, WITH(1, 1, 0, IN_STRONG) },
	{ .name = "two store, each loads", .thread = { { GIVE(1), LOAD_SOMETHING }, { GIVE(2), LOAD_SOMETHING } }, WITH(0, 1, 1, IN_STRONG) },
	{ .name = "two replace, one wins", .thread = { { REPLACE(0, 1), DROP(0), DROP(1) }, { REPLACE(0, 2), DROP(0), DROP(2) } }, WITH(2, 1, 1, IN_STRONG) },
	{ .name = "replace, give", .thread = { { REPLACE(0, 1), DROP(0), DROP(1) }, { GIVE(2), LOAD_SOMETHING } }, WITH(1, 1, 1, IN_STRONG) },
	{ .name = "three: two give, one loads", .thread = { { GIVE(1) }, { GIVE(2) }, { LOAD_SOMETHING } }, WITH(0, 1, 1, IN_STRONG) },
	{ .name = "three: give, load, load", .thread = { { GIVE(1) }, { LOAD_SOMETHING }, { LOAD_SOMETHING } }, WITH(0, 1, 0, IN_STRONG), .how = EXPLORE_BOUNDED, .preemptions = 3 },
	{ .name = "weak load, death", .thread = { { DROP(0) }, { WEAK_LOAD, WEAK_LOAD } }, WITH(1, 0, 0, IN_WEAK), .how = EXPLORE_EVERY },
	{ .name = "weak load, store and death", .thread = { { WEAK_STORE(1), DROP(0), DROP(1) }, { WEAK_LOAD_SOMETHING, DROP(1) } }, WITH(1, 2, 0, IN_WEAK) },
	{ .name = "weak peek, store and death", .thread = { { WEAK_STORE(1), DROP(0), DROP(1) }, { WEAK_PEEK_SOMETHING, DROP(1) } }, WITH(1, 2, 0, IN_WEAK) },
	{ .name = "weak load, clear and death", .thread = { { WEAK_CLEAR, DROP(0) }, { WEAK_LOAD, WEAK_PEEK } }, WITH(1, 0, 0, IN_WEAK) },
	{ .name = "handle, death and clear", .thread = { { DROP(0), WEAK_CLEAR }, { HANDLE, WEAK_LOAD } }, WITH(1, 0, 0, IN_WEAK) },
	{ .name = "handle, store and death", .thread = { { WEAK_STORE(1), DROP(0), DROP(1) }, { HANDLE_OF_SOMETHING } }, WITH(1, 1, 0, IN_WEAK) },
	{ .name = "weak stores of both, loads", .thread = { { WEAK_STORE(1), DROP(1) }, { WEAK_STORE(0), WEAK_LOAD, DROP(0) } }, WITH(1, 1, 0, 0) },
	{ .name = "three: death, clear, handle", .thread = { { DROP(0) }, { WEAK_CLEAR }, { HANDLE } }, WITH(1, 0, 0, IN_WEAK) },
	{ .name = "three: death, clear, load", .thread = { { DROP(0) }, { WEAK_CLEAR }, { WEAK_LOAD } }, WITH(1, 0, 0, IN_WEAK) },
	{ .name = "one object in both cells", .thread = { { CLEAR, WEAK_CLEAR }, { WEAK_LOAD, LOAD, HANDLE } }, WITH(0, 0, 0, IN_BOTH) },
	{ .name = "planted: loaded outside of a read section", .thread = { { GIVE(1) }, { LOAD } }, PLANTED(NO_SECTION, 0, 1, 0, IN_STRONG, "freed") },
	{ .name = "planted: not borrowed", .thread = { { GIVE(1) }, { PEEK } }, PLANTED(NOT_BORROWED, 0, 1, 0, IN_STRONG, "freed") },
	{ .name = "planted: one look at a strong cell", .thread = { { GIVE(1) }, { LOAD_SOMETHING } }, PLANTED(LOOK_ONCE, 0, 1, 0, IN_STRONG, "check failed") },
	{ .name = "planted: one look at a weak cell", .thread = { { WEAK_STORE(1), DROP(0), DROP(1) }, { WEAK_LOAD_SOMETHING, DROP(1) } }, PLANTED(LOOK_ONCE, 1, 2, 0, IN_WEAK, "check failed") },
	{ .name = "planted: released before it is out", .thread = { { STORE(1), DROP(1) }, { LOAD_SOMETHING } }, PLANTED(RELEASED_FIRST, 0, 1, 0, IN_STRONG, "freed") },
	{ .name = "planted: retained when it can be seen", .thread = { { STORE(1), DROP(1) }, { CLEAR } }, PLANTED(RETAINED_LATE, 0, 1, 0, IN_STRONG, "freed") },
	{ .name = "planted: refused, and kept", .thread = { { REPLACE(0, 1), DROP(0), DROP(1) }, { CLEAR } }, PLANTED(REFUSED_KEEPS, 1, 1, 0, IN_STRONG, "check failed") },
	{ .name = "planted: looked, then stored", .thread = { { REPLACE(0, 1), DROP(0), DROP(1) }, { GIVE(2) } }, PLANTED(STORED_BLINDLY, 1, 1, 1, IN_STRONG, "freed") },
	{ .name = "planted: not marked", .thread = { { DROP(0), WEAK_CLEAR }, { WEAK_LOAD } }, PLANTED(NOT_MARKED, 1, 0, 0, IN_WEAK, "freed") },
	{ .name = "planted: a unit added blindly", .thread = { { DROP(0), WEAK_CLEAR }, { HANDLE } }, PLANTED(UNIT_BLINDLY, 1, 0, 0, IN_WEAK, "freed") },
	{ .name = "planted: the strong side looks", .thread = { { DROP(0) }, { WEAK_CLEAR }, { HANDLE } }, PLANTED(STRONG_SIDE_LOOKS, 1, 0, 0, IN_WEAK, "freed") },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
