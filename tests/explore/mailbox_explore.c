/*
 * mailbox_explore.c - the hand-over list (reclaim/mailbox.h) under every schedule
 *
 * Producers push letters, one consumer takes and at last closes. Each letter is taken once or
 * refused, those of one producer in its order; only who found the box empty is told to wake
 * the consumer, and a consumer that sleeps when it may (empty, and nobody will wake it) misses
 * nothing. The consumer frees what it takes at once.
 */
#include "explorer.h"
#include "reclaim/mailbox.h"

enum bug { NO_BUG, PUSH_BY_STORE, TAKE_BY_STORE, PUSH_WHEN_CLOSED, NOT_TURNED, CLOSE_FORGETS, NOT_LEFT };

struct letter {
	struct wki_link link;
	unsigned producer, number;
};

static struct {
	struct wki_mailbox box;
	wki_atomic_u64 wakes;                  /* how often a producer found the box empty */
	wki_atomic_u64 sent[EXPLORE_THREADS], refused[EXPLORE_THREADS]; /* letters of each producer */
} *world;

static enum bug bug;
static unsigned taken[EXPLORE_THREADS]; /* of each producer; the consumer's, but for the final check */
static uint64_t batches;                /* takes that brought something */

/* The mailbox, or one with a step done wrong. */

static enum wki_mailed push(struct letter *letter)
{
	wki_tagged tagged = wki_tag(&letter->link, WKI_KIND_DEFERRED);
	uintptr_t top;

	if (bug != PUSH_BY_STORE && bug != PUSH_WHEN_CLOSED)
		return wki_mailbox_push(&world->box, tagged);
	top = atomic_load_relaxed(&world->box.top);
	do {
		if (top == WKI_MAILBOX_CLOSED && bug != PUSH_WHEN_CLOSED)
			return WKI_MAIL_REFUSED;
		letter->link.next = top == WKI_MAILBOX_CLOSED ? 0 : top;
		if (bug == PUSH_BY_STORE) {
			atomic_store_release(&world->box.top, tagged);
			break;
		}
	} while (!atomic_cas_release(&world->box.top, &top, tagged));
	return top == 0 ? WKI_MAILED_FIRST : WKI_MAILED;
}

static wki_tagged take_all(bool closing)
{
	uintptr_t top;

	if (closing && bug != CLOSE_FORGETS)
		return wki_mailbox_close(&world->box);
	if (closing) {
		atomic_store_release(&world->box.top, WKI_MAILBOX_CLOSED);
		return 0;
	}
	if (bug != TAKE_BY_STORE && bug != NOT_TURNED)
		return wki_mailbox_take(&world->box);
	top = atomic_load_relaxed(&world->box.top);
	if (bug == NOT_TURNED && top != 0)
		return atomic_exchange_acquire(&world->box.top, 0);
	if (bug == TAKE_BY_STORE)
		atomic_store_release(&world->box.top, 0);
	return wki_mailbox_turn(top);
}

/* Operations. */

static void send(intptr_t number)
{
	struct letter *letter = explore_zeroed(sizeof(*letter), "letter");
	unsigned me = explore_thread();
	enum wki_mailed mailed;

	letter->producer = me;
	letter->number = (unsigned)number;
	mailed = push(letter);
	if (mailed == WKI_MAIL_REFUSED) {
		explore_free(letter);
		(void)atomic_fetch_add_relaxed(&world->refused[me], 1);
		return;
	}
	(void)atomic_fetch_add_relaxed(&world->sent[me], 1);
	if (mailed == WKI_MAILED_FIRST)
		(void)atomic_fetch_add_relaxed(&world->wakes, 1);
}

static void read_letters(wki_tagged first)
{
	wki_tagged next;

	batches += first != 0;
	for (; first != 0; first = next) {
		struct letter *letter = (struct letter *)(void *)wki_tag_link(first);

		explore_touch(letter);
		next = letter->link.next;
		EXPLORE_CHECK(wki_tag_kind(first) == WKI_KIND_DEFERRED);
		EXPLORE_CHECK(letter->number >= taken[letter->producer]);
		taken[letter->producer] = letter->number + 1;
		explore_free(letter);
	}
}

static void take(intptr_t unused)
{
	(void)unused;
	read_letters(take_all(false));
}

static void close_box(intptr_t unused)
{
	(void)unused;
	read_letters(take_all(true));
	EXPLORE_CHECK(wki_mailbox_is_empty(&world->box));
}

/* The child of a fork: what was mailed is the parent's, and so are those who were to be woken for it. */
static void fork_off(intptr_t unused)
{
	(void)unused;
	explore_fork(0);
	if (bug != NOT_LEFT)
		(void)wki_mailbox_leave(&world->box);
	batches = taken[0] = 0;
	atomic_store_relaxed(&world->wakes, 0);
	atomic_store_relaxed(&world->sent[0], 0);
}

static void set_up(intptr_t planted)
{
	bug = (enum bug)planted;
	batches = 0;
	for (unsigned i = 0; i < EXPLORE_THREADS; i++)
		taken[i] = 0;
	world = explore_zeroed(sizeof(*world), "world");
	explore_label(&world->box.top, "top");
}

/* What was sent was taken, or is still there: what was refused came last. Every batch had one waker. */
static void finish(void)
{
	uint64_t sent;

	read_letters(wki_mailbox_close(&world->box));
	EXPLORE_CHECK(batches == atomic_load_relaxed(&world->wakes));
	for (unsigned i = 0; i < EXPLORE_THREADS; i++) {
		sent = atomic_load_relaxed(&world->sent[i]);
		EXPLORE_CHECK(taken[i] == sent);
	}
	explore_free(world);
}

#define SEND(i) EXPLORE_DO(send, i)
#define TAKE EXPLORE_DO(take, 0)
#define CLOSE EXPLORE_DO(close_box, 0)
#define FORK EXPLORE_DO(fork_off, 0)
#define WITH(planted) .set_up = set_up, .argument = (planted), .finish = finish

static const struct explore_scenario scenarios[] = {
	{ .name = "push, take", .thread = { { SEND(0) }, { TAKE, TAKE } }, WITH(NO_BUG), .how = EXPLORE_EVERY },
	{ .name = "four letters, take and close", .thread = { { SEND(0), SEND(1), SEND(2), SEND(3) }, { TAKE, TAKE, TAKE, CLOSE } }, WITH(NO_BUG) },
	{ .name = "two producers", .thread = { { SEND(0), SEND(1), SEND(2), SEND(3) }, { SEND(0), SEND(1), SEND(2), SEND(3) } }, WITH(NO_BUG) },
	{ .name = "three: push, push, take, close", .thread = { { SEND(0), SEND(1) }, { SEND(0), SEND(1) }, { TAKE, CLOSE } }, WITH(NO_BUG) },
	{ .name = "four: three producers, take, close", .thread = { { SEND(0) }, { SEND(0) }, { SEND(0) }, { TAKE, CLOSE } }, WITH(NO_BUG) },
	{ .name = "fork: lost in a push", .thread = { { SEND(0), SEND(1) }, { FORK, SEND(0), TAKE, SEND(1) } }, WITH(NO_BUG) },
	{ .name = "fork: lost in a take", .thread = { { SEND(0), TAKE }, { FORK, SEND(0), TAKE, CLOSE } }, WITH(NO_BUG) },
	{ .name = "planted: the parent's mail is not left", .thread = { { SEND(0) }, { FORK, SEND(0), TAKE } }, WITH(NOT_LEFT), .planted = "check failed" },
	{ .name = "planted: pushed by a store", .thread = { { SEND(0) }, { SEND(0) } }, WITH(PUSH_BY_STORE), .planted = "check failed" },
	{ .name = "planted: taken by a store", .thread = { { SEND(0) }, { TAKE } }, WITH(TAKE_BY_STORE), .planted = "check failed" },
	{ .name = "planted: pushed when closed", .thread = { { SEND(0) }, { CLOSE } }, WITH(PUSH_WHEN_CLOSED), .planted = "check failed" },
	{ .name = "planted: not turned round", .thread = { { SEND(0), SEND(1) }, { TAKE } }, WITH(NOT_TURNED), .planted = "check failed: letter->number" },
	{ .name = "planted: closing forgets", .thread = { { SEND(0) }, { CLOSE } }, WITH(CLOSE_FORGETS), .planted = "check failed" },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
