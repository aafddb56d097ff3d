/*
 * construct_explore.c - objects under construction (core/count.h: UNBORN) under every schedule
 *
 * A constructor writes its payload in two steps while others hold handles to the object already, and then succeeds
 * or fails. Blocks are really freed.
 */
#include "core/count.h"
#include "explorer.h"

struct object {
	struct wki_count count;
	wki_atomic_u64 parts; /* 2: the payload is complete */
};

/* What is planted: one step of the protocol done wrong. */
enum bug { NO_BUG, BORN_BY_FLAGS, BORN_BY_ADDING, BORN_EARLY, NOT_MARKED, FAILED_BY_RELEASE };

static enum bug bug;

static struct {
	struct object *object;
	wki_atomic_u64 births, deaths;
} *world;

/* What a thread has learned of the object through its handle: it only goes forward. */
enum stage { UNKNOWN, ALIVE, OVER };

static struct {
	enum stage stage;
	struct object *strong; /* the creator's reference */
} state[EXPLORE_THREADS + 1];

static void learn(enum stage now)
{
	EXPLORE_CHECK(state[explore_thread()].stage <= now);
	state[explore_thread()].stage = now;
}

static void drop_unit(struct object *object)
{
	if (wki_count_drop_unit(&object->count))
		explore_free(object);
}

static void settle(void *memory)
{
	struct object *object = memory;

	if (wki_count_drop_strong_side(&object->count))
		explore_free(object);
}

static void end(struct object *object)
{
	uint64_t deaths = atomic_fetch_add_relaxed(&world->deaths, 1);

	EXPLORE_CHECK(deaths == 0);
	explore_retire(object, settle);
}

static void release_reference(struct object *object)
{
	uint64_t before = wki_count_release(&object->count, 1);

	if (wki_strong_count(before) != 1)
		return;
	if (wki_count_decide(&object->count, before))
		end(object);
	else
		drop_unit(object);
}

/* The constructor's thread. */

static void bear(struct wki_count *count)
{
	atomic_fetch_add_relaxed(&world->births, 1);
	if (bug == BORN_BY_FLAGS) {
		(void)atomic_fetch_add_relaxed(&count->strong, 1);
		(void)atomic_fetch_and_release(&count->strong, ~(WKI_STRONG_DEAD | WKI_STRONG_UNBORN));
	} else if (bug == BORN_BY_ADDING) {
		(void)atomic_fetch_add_relaxed(&count->strong, UINT64_C(1) - (WKI_STRONG_DEAD | WKI_STRONG_UNBORN));
	} else {
		wki_count_bear(count);
	}
}

static void fail(struct object *object)
{
	if (bug == FAILED_BY_RELEASE) {
		wki_count_bear(&object->count);
		release_reference(object);
		return;
	}
	wki_count_end(&object->count);
	end(object);
}

static void construct(intptr_t succeeds)
{
	struct object *object = world->object;

	atomic_store_relaxed(&object->parts, 1);
	if (bug == BORN_EARLY)
		bear(&object->count);
	atomic_store_relaxed(&object->parts, 2);
	if (!succeeds) {
		fail(object);
	} else {
		if (bug != BORN_EARLY)
			bear(&object->count);
		state[explore_thread()].strong = object;
	}
	drop_unit(object); /* the constructor's handle */
}

static void release(intptr_t unused)
{
	(void)unused;
	if (state[explore_thread()].strong != NULL)
		release_reference(state[explore_thread()].strong);
	state[explore_thread()].strong = NULL;
}

/* Who was given a handle by the constructor. */

static void visit(intptr_t unused)
{
	struct object *object = world->object;

	(void)unused;
	if (wki_count_upgrade(&object->count) & WKI_STRONG_DEAD) {
		EXPLORE_CHECK(state[explore_thread()].stage != ALIVE || wki_count_is_dead(&object->count));
		return;
	}
	learn(ALIVE);
	EXPLORE_CHECK(atomic_load_relaxed(&world->births) == 1);
	EXPLORE_CHECK(atomic_load_relaxed(&object->parts) == 2);
	release_reference(object);
}

static void ask(intptr_t unused)
{
	(void)unused;
	if (wki_count_is_dead(&world->object->count))
		learn(OVER);
}

static void look(intptr_t unused)
{
	struct object *object = world->object;

	(void)unused;
	explore_read_lock();
	if ((wki_count_peek(&object->count) & WKI_STRONG_DEAD) == 0) {
		learn(ALIVE);
		EXPLORE_CHECK(atomic_load_relaxed(&object->parts) == 2);
	}
	explore_read_unlock();
}

static void drop_handle(intptr_t unused)
{
	(void)unused;
	drop_unit(world->object);
}

/* Set-up: handles that were given away, beside the constructor's own, as handles + 10 * what is planted. */

static void set_up(intptr_t argument)
{
	bug = (enum bug)(argument / 10);
	for (unsigned i = 0; i <= EXPLORE_THREADS; i++) {
		state[i].stage = UNKNOWN;
		state[i].strong = NULL;
	}
	world = explore_zeroed(sizeof(*world), "world");
	world->object = explore_zeroed(sizeof(*world->object), "object");
	explore_label(&world->object->count.strong, "strong");
	explore_label(&world->object->count.units, "units");
	explore_label(&world->object->parts, "parts");
	wki_count_init(&world->object->count, WKI_STRONG_APART);
	if (bug == NOT_MARKED)
		wki_count_end(&world->object->count);
	else
		wki_count_begin_construction(&world->object->count);
	for (intptr_t i = 0; i <= argument % 10; i++)
		(void)wki_count_add_unit(&world->object->count);
}

/* Every thread gave back what it had: the object has ended once, its block is freed (the explorer looks for leaks). */
static void finish(void)
{
	EXPLORE_CHECK(atomic_load_relaxed(&world->deaths) == 1);
	explore_free(world);
}

/* Before it has ended, the word is unborn, or counts what there is. */
static void invariant(void)
{
	uint64_t strong;

	if (atomic_load_relaxed(&world->deaths) != 0)
		return;
	strong = atomic_load_relaxed(&world->object->count.strong);
	if (strong & WKI_STRONG_UNBORN)
		EXPLORE_CHECK(atomic_load_relaxed(&world->births) == 0 || (strong & WKI_STRONG_DEAD) != 0);
	else
		EXPLORE_CHECK(wki_strong_count(strong) <= 4);
}

#define SUCCEED EXPLORE_DO(construct, 1)
#define FAIL EXPLORE_DO(construct, 0)
#define RELEASE EXPLORE_DO(release, 0)
#define VISIT EXPLORE_DO(visit, 0)
#define ASK EXPLORE_DO(ask, 0)
#define LOOK EXPLORE_DO(look, 0)
#define DROP EXPLORE_DO(drop_handle, 0)
#define WITH(handles) .set_up = set_up, .argument = (handles), .finish = finish, .invariant = invariant
#define PLANTED(how, handles, message) \
	.set_up = set_up, .argument = (handles) + 10 * (how), .finish = finish, .planted = (message)

static const struct explore_scenario scenarios[] = {
	{ .name = "success, upgraded meanwhile", .thread = { { SUCCEED, RELEASE }, { VISIT, VISIT, DROP } }, WITH(1) },
	{ .name = "success, every state", .thread = { { SUCCEED, RELEASE }, { VISIT, DROP } }, WITH(1), .how = EXPLORE_EVERY },
	{ .name = "success, asked", .thread = { { SUCCEED, RELEASE }, { ASK, VISIT, ASK, DROP } }, WITH(1) },
	{ .name = "success, peeked", .thread = { { SUCCEED, RELEASE }, { LOOK, VISIT, LOOK, DROP } }, WITH(1) },
	{ .name = "failure, upgraded meanwhile", .thread = { { FAIL, RELEASE }, { VISIT, VISIT, DROP } }, WITH(1) },
	{ .name = "failure, every state", .thread = { { FAIL, RELEASE }, { VISIT, DROP } }, WITH(1), .how = EXPLORE_EVERY },
	{ .name = "failure, asked and peeked", .thread = { { FAIL, RELEASE }, { ASK, LOOK, ASK, DROP } }, WITH(1) },
	{ .name = "three: success, two upgrade", .thread = { { SUCCEED, RELEASE }, { VISIT, DROP }, { VISIT, DROP } }, WITH(2) },
	{ .name = "three: failure, two upgrade", .thread = { { FAIL, RELEASE }, { VISIT, DROP }, { VISIT, ASK, DROP } }, WITH(2) },
	{ .name = "planted: born by clearing flags", .thread = { { SUCCEED, RELEASE }, { VISIT, DROP } }, PLANTED(BORN_BY_FLAGS, 1, "check failed") },
	{ .name = "planted: born by adding", .thread = { { SUCCEED, RELEASE }, { VISIT, DROP } }, PLANTED(BORN_BY_ADDING, 1, "check failed") },
	{ .name = "planted: born before it is complete", .thread = { { SUCCEED, RELEASE }, { VISIT, DROP } }, PLANTED(BORN_EARLY, 1, "parts") },
	{ .name = "planted: unborn is dead", .thread = { { SUCCEED, RELEASE }, { ASK, VISIT, DROP } }, PLANTED(NOT_MARKED, 1, "stage") },
	{ .name = "planted: failed by a release", .thread = { { FAIL, RELEASE }, { VISIT, DROP } }, PLANTED(FAILED_BY_RELEASE, 1, "births") },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
