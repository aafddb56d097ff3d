/*
 * stress/upgrade_stress.c - upgrades, peeks and try_retain against the last release
 *
 * Threads share cards, each with one weak handle, through a few places. Whoever makes an object
 * holds it for a while; all others only have the handle, and play on it until the object is dead:
 * upgrade and release at once, so that the count visits zero often and is revived from there.
 *
 * Oracles: what an upgrade gives is whole, and the object whose handle it is; no upgrade succeeds
 * that began after somebody saw the object dead; NULL and `expired` are final; what was peeked is
 * whole until its section ends; in the end all that was created is destroyed, once.
 */
#include "harness.h"

#include <sched.h>
#include <stdlib.h>

#include "core/control.h"

enum { RACE_UPGRADE, RACE_REVIVAL, RACE_PEEK, RACE_TRY_RETAIN, RACE_OUTLIVED };
static const struct stress_race races[] = {
	[RACE_UPGRADE] = { .left = "upgrade", .right = "release" },
	[RACE_REVIVAL] = { .left = "revival", .right = "death" },       /* a decider lost, a decider won */
	[RACE_PEEK] = { .left = "peek", .right = "found dead" },
	[RACE_TRY_RETAIN] = { .left = "retained", .right = "too late" },  /* of objects peeked in the same section */
	[RACE_OUTLIVED] = { .left = "peeked alive", .right = "peeked past death" },
	{ .left = NULL },
};

enum { BROKEN_RELEASE, BROKEN_PEEK, BROKEN_EXPIRED, BROKEN_LEAK };
static const char *const broken[] = {
	[BROKEN_RELEASE] = "use_after_release",
	[BROKEN_PEEK] = "use_after_section",
	[BROKEN_EXPIRED] = "check_then_use",
	[BROKEN_LEAK] = "forget_release",
	NULL,
};

struct item {
	struct stress_canary first;
	const wk_weak *self; /* the handle that leads here; not owned */
	struct stress_canary last;
};

struct large_item {
	struct item item;
	unsigned char filler[1000]; /* apart from its control block: given back right after destroy */
};

static wki_atomic_u64 destroyed;

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
WK_DEFINE_TYPE(bare_type, struct item, .flags = 0); /* no destroy: only its memory comes back */
static const wk_type *const item_types[] = { &small_type, &large_type, &prompt_type, &bare_type };

/* What threads hand each other: one weak handle, and what is known about its object. */
struct card {
	wk_weak *weak;          /* owned */
	const wk_type *type;    /* of the object */
	struct item *object;    /* not owned: for planted bugs only */
	wki_atomic_u32 holders;
	wki_atomic_u32 dead;    /* somebody saw it dead */
	wki_atomic_u32 players; /* who has come to play on it, but its maker */
};

static void card_retain(void *held)
{
	(void)atomic_fetch_add_relaxed(&((struct card *)held)->holders, 1);
}

static void card_release(void *held)
{
	struct card *card = held;

	if (atomic_fetch_sub_acq_rel(&card->holders, 1) != 1)
		return;
	wk_weak_release(card->weak);
	free(card);
}

static bool card_is_dead(struct card *card)
{
	return atomic_load_acquire(&card->dead) != 0;
}

#define PLACES 2
static struct stress_share places[PLACES];

/* The object that a worker has made last: it holds it for a while. */
static struct item *held[STRESS_THREADS_MAX];

static struct stress_share *some_place(struct stress_worker *worker)
{
	return &places[stress_below(worker, PLACES)];
}

static struct item *item_new(struct stress_worker *worker, const wk_type *type)
{
	struct item *item = wk_new(type);

	if (!stress_expect(item != NULL, "no object: %s", wk_strerror(wk_last_status())))
		return NULL;
	stress_canary_set(&item->first, stress_roll(worker));
	stress_canary_set(&item->last, stress_roll(worker));
	return item;
}

/* Make an object and show its handle to everybody; its maker holds it for a while. Returns the maker's own card. */
static struct card *publish(struct stress_worker *worker)
{
	const wk_type *type = item_types[stress_below(worker, sizeof(item_types) / sizeof(item_types[0]))];
	struct item *item = item_new(worker, type);
	struct card *card = calloc(1, sizeof(*card));

	if (item == NULL || card == NULL)
		abort();
	card->weak = wk_downgrade(item);
	card->type = type;
	card->object = item;
	item->self = card->weak;
	atomic_store_relaxed(&card->holders, 2);
	stress_share_offer(some_place(worker), card);
	held[worker->index] = item;
	return card;
}

static void check_whole(const struct item *item, const struct card *card, const char *where)
{
	stress_expect(stress_canary_is_whole(&item->first) && stress_canary_is_whole(&item->last) &&
			      item->self == card->weak,
		"%s: %s", card->type->name, where);
}

static void check_dead(struct card *card)
{
	const void *object = wk_upgrade(card->weak);

	atomic_store_release(&card->dead, 1);
	stress_expect(object == NULL && wk_weak_expired(card->weak), "%s: NULL was not final", card->type->name);
}

/*
 * wk_upgrade with the word before in sight, as wki_control_upgrade does it: a count of zero that
 * is not dead is a revival, and the decider that had brought it to zero will lose.
 */
static struct item *upgrade(struct stress_worker *worker, const struct card *card)
{
	struct wki_control *control = wki_control_of_weak(card->weak);
	uint64_t before;

	if (stress_one_in(worker, 4))
		return wk_upgrade_as(card->weak, card->type);
	before = wki_count_upgrade(&control->count);
	if (before & WKI_STRONG_DEAD)
		return NULL;
	if (wki_strong_count(before) == 0)
		stress_win(worker, RACE_REVIVAL, STRESS_LEFT);
	return wki_payload_of(control, before);
}

/*
 * wk_release by a decider that is slow: between bringing the count to zero and deciding it gives
 * others the time to revive the object, and revives it itself if nobody does. So it always loses,
 * gives the grant back as ending_decide does, and must not take the block with it.
 */
static void release_slowly(struct stress_worker *worker, const struct card *card)
{
	struct wki_control *control = wki_control_of_weak(card->weak);
	uint64_t before = wki_count_release(&control->count, 1);
	struct item *item;

	if (wki_strong_count(before) != 1)
		return;
	sched_yield();
	item = upgrade(worker, card);
	stress_expect(!wki_count_decide(&control->count, before), "%s: died while it was held", card->type->name);
	wki_control_drop_unit(control);
	wk_release(item);
}

static void use_owned(struct stress_worker *worker, struct item *item, const struct card *card)
{
	unsigned more = stress_below(worker, 3);
	wk_weak *weak;

	check_whole(item, card, "an upgrade gave something else");
	if (stress_one_in(worker, 4)) {
		weak = wk_downgrade(item);
		stress_expect(weak == card->weak, "a second handle differs from the first");
		wk_weak_release(weak);
	}
	wk_retain_many(item, more);
	stress_hesitate(worker);
	wk_release_many(item, more);
	check_whole(item, card, "changed while it was held");
}

/* false: dead, nothing to play on any more */
static bool play_upgrade(struct stress_worker *worker, struct card *card)
{
	bool was_dead = card_is_dead(card);
	struct item *item = upgrade(worker, card);

	if (item == NULL) {
		if (!was_dead)
			stress_win(worker, RACE_UPGRADE, STRESS_RIGHT);
		check_dead(card);
		return false;
	}
	stress_expect(!was_dead, "%s: upgraded after its death", card->type->name);
	stress_win(worker, RACE_UPGRADE, STRESS_LEFT);
	use_owned(worker, item, card);
	if (stress_one_in(worker, 16))
		release_slowly(worker, card);
	else
		wk_release(item);
	if (wk_weak_expired(card->weak))
		stress_win(worker, RACE_REVIVAL, STRESS_RIGHT);
	if (stress_is_broken(BROKEN_RELEASE) && stress_one_in(worker, 64)) {
		stress_linger();
		check_whole(item, card, "used after it was released");
	}
	return true;
}

static void play_try_retain(struct stress_worker *worker, struct item *peeked, struct card *card)
{
	struct item *item;

	stress_hesitate(worker);
	item = wk_try_retain(peeked);
	stress_win(worker, RACE_TRY_RETAIN, item != NULL ? STRESS_LEFT : STRESS_RIGHT);
	if (item == NULL) {
		check_dead(card);
		return;
	}
	stress_expect(item == peeked, "retained something else than was peeked");
	check_whole(item, card, "retained in a section");
	wk_release(item);
}

static bool play_peek(struct stress_worker *worker, struct card *card)
{
	bool was_dead = card_is_dead(card);
	struct item *item;

	wk_read_lock();
	item = wk_weak_peek(card->weak);
	if (item != NULL || card->type != &prompt_type)
		stress_win(worker, RACE_PEEK, item != NULL ? STRESS_LEFT : STRESS_RIGHT);
	if (item != NULL) {
		stress_expect(!was_dead && card->type != &prompt_type, "%s: peeked against the rules", card->type->name);
		check_whole(item, card, "peeked");
		stress_hesitate(worker);
		if (stress_one_in(worker, 4))
			play_try_retain(worker, item, card);
		stress_win(worker, RACE_OUTLIVED, wk_weak_expired(card->weak) ? STRESS_RIGHT : STRESS_LEFT);
		check_whole(item, card, "changed while it was peeked");
	}
	wk_read_unlock();
	if (item != NULL && stress_is_broken(BROKEN_PEEK) && stress_one_in(worker, 64)) {
		stress_linger();
		check_whole(item, card, "used after its section");
	}
	return item != NULL || card->type == &prompt_type;
}

static bool play_expired(struct stress_worker *worker, struct card *card)
{
	bool was_dead = card_is_dead(card), expired = wk_weak_expired(card->weak);

	stress_expect(expired || !was_dead, "%s: came back from the dead", card->type->name);
	if (expired) {
		check_dead(card);
	} else if (stress_is_broken(BROKEN_EXPIRED) && stress_one_in(worker, 64)) {
		stress_linger();
		check_whole(card->object, card, "used because it was not dead a moment ago");
	}
	return !expired;
}

/* One more handle, given up by whoever comes to it: units against the end of life. */
static bool play_handle(struct card *card)
{
	wk_weak_release(wk_weak_retain(card->weak));
	return true;
}

/* Upgrade and release at once, many times: what visits zero most often. */
static bool play_volley(struct stress_worker *worker, struct card *card)
{
	unsigned shots = 16;
	struct item *item;

	while (shots-- > 0 && (item = upgrade(worker, card)) != NULL)
		wk_release(item);
	return play_upgrade(worker, card);
}

/* The maker lets go: from here on the object lives by upgrades. */
static bool play_let_go(struct stress_worker *worker, struct card *card)
{
	struct item *item = wk_steal(&held[worker->index]);

	if (!stress_is_broken(BROKEN_LEAK) || !stress_one_in(worker, 50))
		wk_release(item);
	return play_volley(worker, card);
}

static bool play(struct stress_worker *worker, struct card *card)
{
	switch (stress_below(worker, 12)) {
	case 0:
		return play_peek(worker, card);
	case 1:
		return play_expired(worker, card);
	case 2:
		return play_handle(card);
	case 3:
		return play_let_go(worker, card);
	case 4:
	case 5:
		return play_volley(worker, card);
	default:
		return play_upgrade(worker, card);
	}
}

/* The maker holds its object until somebody else plays on it, or nobody comes: then both race from the same moment. */
static void await_player(struct stress_worker *worker, const struct card *card)
{
	unsigned patience = 1000;

	while (atomic_load_relaxed((wki_atomic_u32 *)(uintptr_t)&card->players) == 0 && --patience > 0)
		stress_hesitate(worker);
}

static void play_until_dead(struct stress_worker *worker, struct card *card)
{
	unsigned turns = 1 + stress_below(worker, 256);

	do
		worker->operations++;
	while (play(worker, card) && --turns > 0 && !stress_is_over());
	card_release(card);
}

static void step(struct stress_worker *worker)
{
	struct card *card = stress_share_borrow(some_place(worker));

	if (card != NULL && !card_is_dead(card) && !stress_one_in(worker, 8)) {
		(void)atomic_fetch_add_relaxed(&card->players, 1);
		play_until_dead(worker, card);
		return;
	}
	if (card != NULL)
		card_release(card);
	wk_clear(&held[worker->index]);
	card = publish(worker);
	await_player(worker, card);
	play_until_dead(worker, card);
}

static void leave(struct stress_worker *worker)
{
	wk_release(held[worker->index]);
}

static void begin(void)
{
	unsigned index;

	for (index = 0; index < PLACES; index++)
		places[index] = (struct stress_share){ .retain = card_retain, .release = card_release };
}

static void settle(void)
{
	wk_census census = { .struct_size = sizeof(census) };
	uint64_t with_destroy = 0;
	unsigned index;

	for (index = 0; index < PLACES; index++)
		stress_share_offer(&places[index], NULL);
	stress_settle_runtime();
	stress_settle_census();
	for (index = 0; index < sizeof(item_types) / sizeof(item_types[0]); index++) {
		wk_type_census(item_types[index], &census);
		with_destroy += item_types[index]->destroy != NULL ? census.created : 0;
	}
	stress_expect(atomic_load_relaxed(&destroyed) == with_destroy, "%llu created, destroy ran %llu times",
		(unsigned long long)with_destroy, (unsigned long long)atomic_load_relaxed(&destroyed));
}

static const struct stress upgrade_stress = {
	.name = "upgrade",
	.races = races,
	.broken = broken,
	.begin = begin,
	.step = step,
	.leave = leave,
	.settle = settle,
};

int main(int argc, char **argv)
{
	return stress_main(argc, argv, &upgrade_stress);
}
