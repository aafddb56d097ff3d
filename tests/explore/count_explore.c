/*
 * count_explore.c - the counts of one object (core/count.h) under every schedule
 *
 * The object has strong references and weak handles, handed out at the set-up, and a door: a
 * way to it without a unit, as an entry of a container is, looked through inside a read
 * section and shut by the end of life before the block is retired. Blocks are really freed.
 */
#include "core/count.h"
#include "explorer.h"

struct object {
	struct wki_count count;
	wki_atomic_u64 destroyed; /* the end of life has destroyed the payload */
};

/* What is planted: one step of the protocol done wrong. */
enum bug {
	NO_BUG, NO_GRANT, NO_DEAD_CHECK, DEAD_BY_STORE, NO_DECISION, NO_ADVANCE, TWO_STEP_DROP,
	END_BY_STORE,   /* who has read that all references are his makes it dead, whatever has come since */
	END_AND_GO_ON,  /* whether he has made it dead or not */
	END_AND_RELEASE, /* and gives the references back as well */
	BORROW_BY_STORE
};

static enum bug bug;

static struct {
	struct object *object;
	wki_atomic_u64 door;   /* 1: an entry that leads to the object is live */
	wki_atomic_u64 deaths; /* ends of life that have begun */
	wki_atomic_u64 borrowed;
} *world;

static struct {
	bool failed_before;     /* an upgrade of this thread has failed */
	struct object *strong;  /* a reference that an operation left for the next one */
} state[EXPLORE_THREADS + 1];

static bool is_last_unit(struct wki_count *count)
{
	if (bug != TWO_STEP_DROP)
		return wki_count_drop_unit(count);
	(void)atomic_fetch_sub_release(&count->units, 1);
	return atomic_load_acquire(&count->units) == 0;
}

static void drop_unit(struct object *object)
{
	if (is_last_unit(&object->count))
		explore_free(object);
}

/* The end of life is over: what the strong side owned goes. */
static void settle(void *memory)
{
	struct object *object = memory;
	uint64_t destroyed = atomic_fetch_add_relaxed(&object->destroyed, 1);

	EXPLORE_CHECK(destroyed == 0);
	if (bug == NO_ADVANCE)
		drop_unit(object);
	else if (wki_count_drop_strong_side(&object->count))
		explore_free(object);
}

static bool decide(struct wki_count *count, uint64_t before)
{
	if (bug == DEAD_BY_STORE) {
		if (wki_strong_count(wki_count_peek(count)) != 0)
			return false;
		atomic_store_release(&count->strong, (before & WKI_STRONG_FLAGS) | WKI_STRONG_DEAD);
		return true;
	}
	if (bug == NO_DECISION) {
		(void)atomic_fetch_or_acquire(&count->strong, WKI_STRONG_DEAD);
		return true;
	}
	return wki_count_decide(count, before);
}

/* Dead from here on; the door is shut before the block is retired. */
static void begin_end(const struct wki_count *count)
{
	uint64_t deaths = atomic_fetch_add_relaxed(&world->deaths, 1);

	EXPLORE_CHECK(deaths == 0);
	EXPLORE_CHECK(wki_count_is_borrowed(count) == (atomic_load_relaxed(&world->borrowed) != 0));
	atomic_store_release(&world->door, 0);
}

static bool try_end(struct wki_count *count, uint64_t word)
{
	bool won = true;

	if (bug == END_BY_STORE)
		atomic_store_release(&count->strong, (word & WKI_STRONG_FLAGS) | WKI_STRONG_DEAD);
	else
		won = wki_count_try_end(count, word);
	return won || bug == END_AND_GO_ON;
}

/* As a decider, if the word has no references, else as the owner of them all. */
static bool end_life(struct object *object, uint64_t word)
{
	bool won;

	explore_read_lock();
	won = wki_strong_count(word) == 0 ? decide(&object->count, word) : try_end(&object->count, word);
	if (won)
		begin_end(&object->count);
	explore_read_unlock();
	if (won)
		explore_retire(object, settle);
	return won;
}

/* Down to zero, and a decision. */
static void release_reference(struct object *object, uint64_t many)
{
	uint64_t before = wki_count_release(&object->count, many);

	if (wki_strong_count(before) == many && !end_life(object, before & WKI_STRONG_FLAGS))
		drop_unit(object);
}

/* As wki_control_release. */
static void let_go_of(struct object *object, uint64_t many)
{
	uint64_t word = wki_count_peek(&object->count);
	bool ended = wki_count_is_all(word, many) && end_life(object, word);

	if (ended && bug != END_AND_RELEASE)
		return;
	release_reference(object, many);
}

/* By somebody to whom the block is sure to stay; returns a reference or NULL. */
static struct object *upgrade(struct object *object)
{
	bool ended = atomic_load_relaxed(&world->deaths) != 0;
	uint64_t before = bug == NO_GRANT ? atomic_fetch_add_acquire(&object->count.strong, 1) : wki_count_upgrade(&object->count);

	if (bug != NO_DEAD_CHECK && (before & WKI_STRONG_DEAD)) {
		state[explore_thread()].failed_before = true;
		return NULL;
	}
	EXPLORE_CHECK(!state[explore_thread()].failed_before);
	EXPLORE_CHECK(!ended);
	return object;
}

static void use(struct object *object)
{
	uint64_t strong = wki_count_peek(&object->count);

	EXPLORE_CHECK(wki_strong_count(strong) > 0 && (strong & WKI_STRONG_DEAD) == 0);
	EXPLORE_CHECK(atomic_load_relaxed(&object->destroyed) == 0);
}

/* Operations of the threads. */

static void release(intptr_t many)
{
	release_reference(world->object, (uint64_t)many);
}

static void let_go(intptr_t many)
{
	let_go_of(world->object, (uint64_t)many);
}

/* A handle made by the owner of a strong reference. */
static void borrow(intptr_t unused)
{
	struct wki_count *count = &world->object->count;
	uint32_t word = atomic_load_relaxed(&count->units);

	(void)unused;
	if (bug == BORROW_BY_STORE)
		atomic_store_relaxed(&count->units, (word | WKI_UNITS_BORROWED) + 1);
	else
		(void)wki_count_borrow_unit(count);
	EXPLORE_CHECK(wki_count_is_borrowed(count));
	atomic_store_relaxed(&world->borrowed, 1);
}

static void retain(intptr_t many)
{
	(void)wki_count_retain(&world->object->count, (uint64_t)many);
	use(world->object);
}

/* Through a weak handle of the thread's own. */
static void upgrade_handle(intptr_t unused)
{
	(void)unused;
	state[explore_thread()].strong = upgrade(world->object);
}

/* Through the door: the block stays because the door was open in this read section. */
static void upgrade_door(intptr_t unused)
{
	struct object *object = NULL;

	(void)unused;
	explore_read_lock();
	if (atomic_load_acquire(&world->door) != 0)
		object = upgrade(world->object);
	explore_read_unlock();
	state[explore_thread()].strong = object;
}

static struct object *take_upgraded(void)
{
	struct object *object = state[explore_thread()].strong;

	state[explore_thread()].strong = NULL;
	if (object != NULL)
		use(object);
	return object;
}

static void release_upgraded(bool deciding)
{
	struct object *object = take_upgraded();

	if (object != NULL && deciding)
		release_reference(object, 1);
	else if (object != NULL)
		let_go_of(object, 1);
}

static void visit_handle(intptr_t deciding)
{
	upgrade_handle(0);
	release_upgraded(deciding != 0);
}

static void visit_door(intptr_t deciding)
{
	upgrade_door(0);
	release_upgraded(deciding != 0);
}

static void drop_handle(intptr_t unused)
{
	(void)unused;
	drop_unit(world->object);
}

/* Set-up: strong references and weak handles, as 10 * strong + weak, and what is planted. */

#define REFERENCES(strong, weak, planted) (10 * (strong) + (weak) + 100 * (planted))

static void set_up(intptr_t argument)
{
	uint32_t weak = (uint32_t)argument % 10, strong = (uint32_t)argument / 10 % 10;

	bug = (enum bug)(argument / 100);
	for (unsigned i = 0; i <= EXPLORE_THREADS; i++) {
		state[i].failed_before = false;
		state[i].strong = NULL;
	}
	world = explore_zeroed(sizeof(*world), "world");
	world->object = explore_zeroed(sizeof(*world->object), "object");
	explore_label(&world->object->count.strong, "strong");
	explore_label(&world->object->count.units, "units");
	explore_label(&world->door, "door");
	atomic_store_relaxed(&world->door, 1);
	wki_count_init(&world->object->count, 0);
	(void)wki_count_retain(&world->object->count, strong - 1);
	for (uint32_t i = 0; i < weak; i++)
		(void)wki_count_add_unit(&world->object->count);
	if (bug == NO_ADVANCE)
		(void)wki_count_drop_unit(&world->object->count);
}

/* Every thread gave back what it had: the object is dead, its block freed (the explorer looks for leaks). */
static void finish(void)
{
	EXPLORE_CHECK(atomic_load_relaxed(&world->deaths) == 1);
	explore_free(world);
}

/* DEAD is final, and nobody's count is below zero. */
static void invariant(void)
{
	if (atomic_load_relaxed(&world->deaths) == 0)
		EXPLORE_CHECK(wki_strong_count(atomic_load_relaxed(&world->object->count.strong)) <= 8);
}

/* Each of them gives its reference up by a decision; LET_GO and what follows it do as the library does. */
#define RELEASE EXPLORE_DO(release, 1)
#define HANDLE EXPLORE_DO(visit_handle, 1)
#define DOOR EXPLORE_DO(visit_door, 1)
#define LET_GO EXPLORE_DO(let_go, 1)
#define HANDLE_GO EXPLORE_DO(visit_handle, 0)
#define DOOR_GO EXPLORE_DO(visit_door, 0)
#define BORROW EXPLORE_DO(borrow, 0)
#define DROP EXPLORE_DO(drop_handle, 0)
#define WITH(strong, weak) .set_up = set_up, .argument = REFERENCES(strong, weak, NO_BUG), .finish = finish
#define PLANTED(how, strong, weak, message) \
	.set_up = set_up, .argument = REFERENCES(strong, weak, how), .finish = finish, .planted = (message)

static const struct explore_scenario scenarios[] = {
	{ .name = "release, handle upgraded", .thread = { { RELEASE }, { HANDLE, DROP } }, WITH(1, 1), .how = EXPLORE_EVERY, .invariant = invariant },
	{ .name = "release, door", .thread = { { RELEASE }, { DOOR } }, WITH(1, 0), .how = EXPLORE_EVERY, .invariant = invariant },
	{ .name = "release, door three times", .thread = { { RELEASE }, { DOOR, DOOR, DOOR } }, WITH(1, 0) },
	{ .name = "release and drop, revived twice", .thread = { { RELEASE, DROP }, { HANDLE, HANDLE, DROP } }, WITH(1, 2) },
	{ .name = "two release, both come back", .thread = { { RELEASE, HANDLE, DROP }, { RELEASE, HANDLE, DROP } }, WITH(2, 2) },
	{ .name = "two release, doors", .thread = { { RELEASE, DOOR, DOOR }, { RELEASE, DOOR, DOOR } }, WITH(2, 0) },
	{ .name = "release_many", .thread = { { EXPLORE_DO(retain, 2), EXPLORE_DO(release, 3), DOOR, DROP }, { HANDLE, DOOR, DROP } }, WITH(1, 2) },
	{ .name = "handles and doors", .thread = { { RELEASE, DOOR, HANDLE, DROP }, { HANDLE, DOOR, DROP } }, WITH(1, 2) },
	{ .name = "three: release, two revivers", .thread = { { RELEASE }, { HANDLE, DROP }, { HANDLE, DROP } }, WITH(1, 2) },
	{ .name = "three: release, two doors", .thread = { { RELEASE }, { DOOR }, { DOOR } }, WITH(1, 0) },
	{ .name = "three: release, handle, doors", .thread = { { RELEASE }, { HANDLE, DROP }, { DOOR, DOOR } }, WITH(1, 1) },
	{ .name = "three: two release, one revives twice", .thread = { { RELEASE }, { RELEASE }, { HANDLE, HANDLE, DROP } }, WITH(2, 1) },
	{ .name = "end, handle upgraded", .thread = { { LET_GO }, { HANDLE_GO, DROP } }, WITH(1, 1), .how = EXPLORE_EVERY, .invariant = invariant },
	{ .name = "end, door", .thread = { { LET_GO }, { DOOR_GO } }, WITH(1, 0), .how = EXPLORE_EVERY, .invariant = invariant },
	{ .name = "end, doors", .thread = { { LET_GO }, { DOOR_GO, DOOR_GO, DOOR_GO } }, WITH(1, 0) },
	{ .name = "end, another releases", .thread = { { LET_GO }, { LET_GO } }, WITH(2, 0), .how = EXPLORE_EVERY, .invariant = invariant },
	{ .name = "two let go, both come back", .thread = { { LET_GO, HANDLE_GO, DROP }, { LET_GO, HANDLE_GO, DROP } }, WITH(2, 2) },
	{ .name = "two let go, doors", .thread = { { LET_GO, DOOR_GO, DOOR_GO }, { LET_GO, DOOR_GO, DOOR_GO } }, WITH(2, 0) },
	{ .name = "end against a late grant", .thread = { { RELEASE }, { DOOR_GO } }, WITH(1, 0), .how = EXPLORE_EVERY, .invariant = invariant },
	{ .name = "end against late grants", .thread = { { RELEASE, DOOR_GO, DOOR_GO }, { DOOR_GO, DOOR, DOOR_GO } }, WITH(1, 0) },
	{ .name = "end of many", .thread = { { EXPLORE_DO(retain, 2), EXPLORE_DO(let_go, 3), DOOR_GO, DROP }, { HANDLE_GO, DOOR_GO, DROP } }, WITH(1, 2) },
	{ .name = "three: end, handle, door", .thread = { { LET_GO }, { HANDLE_GO, DROP }, { DOOR_GO } }, WITH(1, 1) },
	{ .name = "three: two let go, a door", .thread = { { LET_GO }, { LET_GO }, { DOOR_GO } }, WITH(2, 0) },
	{ .name = "three: end, a decider, a late grant", .thread = { { RELEASE }, { DOOR_GO }, { DOOR_GO } }, WITH(1, 0) },
	{ .name = "two borrow", .thread = { { BORROW, LET_GO, DROP }, { BORROW, LET_GO, DROP } }, WITH(2, 0), .how = EXPLORE_EVERY, .invariant = invariant },
	{ .name = "one borrows, who has a handle drops it", .thread = { { BORROW, DROP, LET_GO }, { HANDLE_GO, DROP } }, WITH(1, 1) },
	{ .name = "planted: end by a store", .thread = { { LET_GO }, { HANDLE_GO, DROP } }, PLANTED(END_BY_STORE, 1, 1, "check failed") },
	{ .name = "planted: end that has failed", .thread = { { LET_GO }, { HANDLE_GO, DROP } }, PLANTED(END_AND_GO_ON, 1, 1, "check failed") },
	{ .name = "planted: end, and a release", .thread = { { LET_GO }, { HANDLE_GO, DROP } }, PLANTED(END_AND_RELEASE, 1, 1, "check failed") },
	{ .name = "planted: borrowed by a store", .thread = { { BORROW, LET_GO, DROP }, { BORROW, LET_GO, DROP } }, PLANTED(BORROW_BY_STORE, 2, 0, "leak") },
	{ .name = "planted: no grant, end", .thread = { { RELEASE }, { HANDLE_GO, DROP } }, PLANTED(NO_GRANT, 1, 1, "freed") },
	{ .name = "planted: no grant", .thread = { { RELEASE }, { HANDLE, DROP } }, PLANTED(NO_GRANT, 1, 1, "freed") },
	{ .name = "planted: no dead check", .thread = { { RELEASE }, { HANDLE, DROP } }, PLANTED(NO_DEAD_CHECK, 1, 1, "check failed") },
	{ .name = "planted: DEAD by a store", .thread = { { RELEASE }, { HANDLE, DROP } }, PLANTED(DEAD_BY_STORE, 1, 1, "check failed") },
	{ .name = "planted: no decision", .thread = { { RELEASE }, { HANDLE, DROP } }, PLANTED(NO_DECISION, 1, 1, "check failed") },
	{ .name = "planted: no unit in advance", .thread = { { RELEASE }, { DOOR } }, PLANTED(NO_ADVANCE, 1, 0, "freed") },
	{ .name = "planted: units dropped in two steps", .thread = { { RELEASE }, { HANDLE, DROP } }, PLANTED(TWO_STEP_DROP, 1, 1, "freed") },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
