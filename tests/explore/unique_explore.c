/*
 * unique_explore.c - taking a payload, and changing one in place (core/unique.c), under every schedule
 *
 * Owners race to give the object up and take its payload, or to have it for themselves and change it, while others
 * peek at it through a door, as an entry of a container is. The payload is two words that are always equal,
 * except for who changes it.
 */
#include "core/control.h"
#include "explorer.h"

struct object {
	struct wki_control control;
	wki_atomic_u64 first, second;
};

/* What is planted: one step done wrong. */
enum bug { NO_BUG, UNIQUE_BY_COUNT, TAKEN_BY_COUNT, TAKEN_AT_ONCE };

static enum bug bug;

static struct {
	struct object *object;
	wki_atomic_u64 door;            /* 1: an entry that leads to the object is live */
	wki_atomic_u64 takers, owners;  /* who got the payload; ends of life */
	wki_atomic_u64 kept, copied;    /* what came of making it unique */
} *world;

void wki_stop_no_object(const void *payload)
{
	explore_fail("%p is no object", payload);
}

void wki_stop_control(const struct wki_control *control, const char *what)
{
	explore_fail("%p: %s", (const void *)control, what);
}

static void change(struct object *object, uint64_t value)
{
	atomic_store_relaxed(&object->first, value);
	atomic_store_relaxed(&object->second, value);
}

static bool is_intact(struct object *object)
{
	uint64_t first = atomic_load_relaxed(&object->first);

	return first != 0 && first == atomic_load_relaxed(&object->second);
}

static void settle(void *memory)
{
	struct object *object = memory;

	if (wki_count_drop_strong_side(&object->control.count))
		explore_free(object);
}

/* The taker moves the payload out: it is gone from the object. */
static void take(void *memory)
{
	struct object *object = memory;

	EXPLORE_CHECK(is_intact(object));
	atomic_store_relaxed(&object->first, 0);
	atomic_store_relaxed(&object->second, 0);
	(void)atomic_fetch_add_relaxed(&world->takers, 1);
	if (bug == TAKEN_AT_ONCE)
		explore_retire(object, settle);
	else
		settle(object);
}

static bool try_end(struct object *object, uint64_t word)
{
	struct wki_count *count = &object->control.count;
	bool won;

	explore_read_lock();
	won = wki_strong_count(word) == 0 ? wki_count_decide(count, word) : wki_count_try_end(count, word);
	if (won)
		atomic_store_release(&world->door, 0);
	explore_read_unlock();
	return won;
}

/* As wki_control_end. */
static bool end(struct object *object, bool *borrowed)
{
	struct wki_count *count = &object->control.count;
	uint64_t word = wki_count_peek(count);

	*borrowed = true;
	if (wki_count_is_all(word, 1)) {
		*borrowed = wki_count_is_borrowed(count);
		if (!*borrowed)
			wki_count_end(count);
		if (!*borrowed || try_end(object, word))
			return true;
	}
	word = wki_count_release(count, 1);
	if (wki_strong_count(word) != 1)
		return false;
	if (try_end(object, word & WKI_STRONG_FLAGS))
		return true;
	if (wki_count_drop_unit(count))
		explore_free(object);
	return false;
}

/* Operations of the owners. */

static void release(intptr_t unused)
{
	bool borrowed;

	(void)unused;
	if (!end(world->object, &borrowed))
		return;
	(void)atomic_fetch_add_relaxed(&world->owners, 1);
	explore_retire(world->object, settle);
}

static void into_inner(intptr_t unused)
{
	struct object *object = world->object;
	bool borrowed, takes = bug == TAKEN_BY_COUNT && wki_strong_count(wki_count_peek(&object->control.count)) == 1;

	(void)unused;
	if (!end(object, &borrowed))
		return;
	(void)atomic_fetch_add_relaxed(&world->owners, 1);
	if (bug == TAKEN_BY_COUNT && !takes)
		explore_retire(object, settle);
	else if (borrowed && bug != TAKEN_AT_ONCE)
		explore_retire(object, take);
	else
		take(object);
}

static void make_unique(intptr_t value)
{
	struct object *object = world->object;
	bool sole = bug == UNIQUE_BY_COUNT ? wki_strong_count(wki_count_peek(&object->control.count)) == 1
					   : wki_control_is_sole(&object->control);

	if (sole) {
		change(object, (uint64_t)value);
		(void)atomic_fetch_add_relaxed(&world->kept, 1);
	} else {
		EXPLORE_CHECK(is_intact(object)); /* it is being copied */
		(void)atomic_fetch_add_relaxed(&world->copied, 1);
	}
	release(0);
}

/* The object goes into a container. */
static void lend(intptr_t unused)
{
	(void)unused;
	(void)wki_control_borrow(&world->object->control);
	atomic_store_release(&world->door, 1);
}

/* Everybody else. */

static void peek(intptr_t unused)
{
	struct object *object = world->object;

	(void)unused;
	explore_read_lock();
	if (atomic_load_acquire(&world->door) != 0 && (wki_count_peek(&object->control.count) & WKI_STRONG_DEAD) == 0)
		EXPLORE_CHECK(is_intact(object));
	explore_read_unlock();
}

static void upgrade(intptr_t unused)
{
	struct object *object = world->object;
	bool upgraded = false;

	(void)unused;
	explore_read_lock();
	if (atomic_load_acquire(&world->door) != 0)
		upgraded = (wki_count_upgrade(&object->control.count) & WKI_STRONG_DEAD) == 0;
	explore_read_unlock();
	if (!upgraded)
		return;
	EXPLORE_CHECK(is_intact(object));
	release(0);
}

/* Set-up: so many owners; 10: lent already; 100 times what is planted. */

static void set_up(intptr_t argument)
{
	struct object *object;

	bug = (enum bug)(argument / 100);
	world = explore_zeroed(sizeof(*world), "world");
	world->object = object = explore_zeroed(sizeof(*object), "object");
	explore_label(&object->control.count.strong, "strong");
	explore_label(&object->control.count.meta, "meta");
	explore_label(&world->door, "door");
	wki_count_init(&object->control.count, 0);
	change(object, 1);
	if (argument / 10 % 10 != 0)
		lend(0);
	(void)wki_count_retain(&object->control.count, (uint64_t)argument % 10 - 1);
}

static void finish(void)
{
	EXPLORE_CHECK(atomic_load_relaxed(&world->owners) == 1);
	explore_free(world);
}

/* All owners have tried to take the payload, and nobody has upgraded: one has got it. */
static void finish_taken(void)
{
	EXPLORE_CHECK(atomic_load_relaxed(&world->takers) == 1);
	finish();
}

static void finish_once(void)
{
	EXPLORE_CHECK(atomic_load_relaxed(&world->takers) <= 1);
	finish();
}

#define RELEASE EXPLORE_DO(release, 0)
#define TAKE EXPLORE_DO(into_inner, 0)
#define CHANGE EXPLORE_DO(make_unique, 2)
#define LEND EXPLORE_DO(lend, 0)
#define PEEK EXPLORE_DO(peek, 0)
#define UPGRADE EXPLORE_DO(upgrade, 0)
#define LENT 10
#define WITH(world, finally) .set_up = set_up, .argument = (world), .finish = (finally)
#define PLANTED(how, world, finally, message) WITH((world) + 100 * (how), finally), .planted = (message)

static const struct explore_scenario scenarios[] = {
	{ .name = "two take", .thread = { { TAKE }, { TAKE } }, WITH(2, finish_taken), .how = EXPLORE_EVERY },
	{ .name = "two take, peeked", .thread = { { TAKE }, { TAKE }, { PEEK } }, WITH(LENT + 2, finish_taken) },
	{ .name = "two take, upgraded", .thread = { { TAKE }, { TAKE }, { UPGRADE } }, WITH(LENT + 2, finish_once) },
	{ .name = "one takes, one releases, peeked", .thread = { { TAKE }, { RELEASE }, { PEEK } }, WITH(LENT + 2, finish_once) },
	{ .name = "one lends and takes, peeked", .thread = { { LEND, TAKE }, { PEEK, PEEK } }, WITH(1, finish_taken) },
	{ .name = "two change", .thread = { { CHANGE }, { CHANGE } }, WITH(2, finish), .how = EXPLORE_EVERY },
	{ .name = "one changes, one takes", .thread = { { CHANGE }, { TAKE } }, WITH(2, finish_once) },
	{ .name = "one changes, peeked", .thread = { { CHANGE }, { PEEK, PEEK } }, WITH(LENT + 1, finish) },
	{ .name = "one changes, upgraded", .thread = { { CHANGE }, { UPGRADE }, { PEEK } }, WITH(LENT + 1, finish) },
	{ .name = "one changes, one lends and releases", .thread = { { CHANGE }, { LEND, RELEASE }, { PEEK } }, WITH(2, finish) },
	{ .name = "planted: unique by count", .thread = { { CHANGE }, { LEND, RELEASE }, { PEEK } }, PLANTED(UNIQUE_BY_COUNT, 2, finish, "is_intact") },
	{ .name = "planted: taken by count", .thread = { { TAKE }, { TAKE } }, PLANTED(TAKEN_BY_COUNT, 2, finish_taken, "takers") },
	{ .name = "planted: taken at once", .thread = { { TAKE }, { TAKE }, { PEEK } }, PLANTED(TAKEN_AT_ONCE, LENT + 2, finish_taken, "is_intact") },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
