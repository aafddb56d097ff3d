/*
 * cancel_explore.c - calls at an object's death (notify/registration.h) under every schedule
 *
 * An object with registrations on its list, a mailbox that they are handed over to, and somebody
 * who drains it: whoever cancels, gives up, calls, detaches or runs at exit competes with death
 * and drain. Registrations and object are really freed; each one owns a unit of the object.
 */
#include "core/count.h"
#include "explorer.h"
#include "notify/registration.h"
#include "reclaim/mailbox.h"

#define REGISTRATIONS 3u

enum bug {
	NO_BUG,
	RUNS_BY_LOOK,      /* the drain does not compete with who cancels */
	CANCELS_BY_STORE,  /* cancelling does not compete with the drain */
	GIVES_UP_OUTSIDE,  /* the last user is given up without a read section */
	FREES_AT_ONCE,     /* memory goes without a grace period */
	CALLS_BY_LOOK,     /* calling a finalizer does not compete with the death */
	KEEPS_NO_SECOND,   /* what is run out of turn is not held twice */
	SHARES_BY_PUSH,    /* the shared reference is pushed whatever was pushed meanwhile */
	FINDS_WITHOUT_USER /* a walk adds a user where there is none */
};

struct object {
	struct wki_count count;
	wki_watch_head watches;
};

static struct {
	struct object *object;
	struct wki_mailbox queue, runner;
	WKI_ATOMIC_POINTER(struct wki_registration) registration[REGISTRATIONS];
	WKI_ATOMIC_POINTER(struct wki_registration) shared[EXPLORE_THREADS]; /* what each thread owns */
	wki_atomic_u64 died;
	wki_atomic_u64 ran[REGISTRATIONS], released[REGISTRATIONS], stopped[REGISTRATIONS]; /* how often */
} *world;

static enum bug bug;

static const struct setting {
	unsigned registrations;
	bool releases;  /* there are arguments to release */
	bool finalizers;
	bool retains;   /* callbacks keep their reference for a while */
	enum bug bug;
} *setting;

static wki_atomic_u64 *count_of(wki_atomic_u64 *counts, const struct wki_registration *registration)
{
	return &counts[(uintptr_t)registration->argument];
}

static uint64_t value_of(wki_atomic_u64 *counts, intptr_t index)
{
	return atomic_load_acquire(&counts[index]);
}

/* The ends of the protocol. */

void wki_registration_post(struct wki_registration *registration)
{
	wki_tagged tagged = wki_tag(&registration->link, WKI_KIND_CALL);

	explore_touch(registration);
	if (wki_mailbox_push(&world->queue, tagged) == WKI_MAIL_REFUSED)
		(void)wki_mailbox_push(&world->runner, tagged);
}

void wki_registration_add_call(struct wki_registration *registration)
{
	if (bug != KEEPS_NO_SECOND)
		(void)wki_registration_add(registration, WKI_HOLD_CALL);
}

void wki_registration_drop_call(struct wki_registration *registration)
{
	(void)wki_registration_drop(registration, WKI_HOLD_CALL);
}

void wki_registration_end(struct wki_registration *registration)
{
	(void)atomic_fetch_add_relaxed(count_of(world->released, registration), 1);
	wki_registration_drop_call(registration);
}

static void give_up_registration(struct wki_registration *registration);

int wki_registration_run(struct wki_registration *registration, bool report)
{
	(void)report;
	EXPLORE_CHECK(wki_registration_call(registration) == WKI_CALL_RUNNING || bug != NO_BUG);
	(void)atomic_fetch_add_release(count_of(world->ran, registration), 1);
	if (setting->retains) {
		(void)wki_registration_add(registration, WKI_HOLD_USER);
		give_up_registration(registration);
	}
	(void)wki_registration_move(registration, WKI_CALL_RUNNING, WKI_CALL_DONE);
	wki_event_signal(&registration->done);
	wki_registration_end(registration);
	return 0;
}

static void drop_object(void *memory)
{
	struct object *object = memory;

	if (wki_count_drop_strong_side(&object->count))
		explore_free(object);
}

static void free_registration(void *memory)
{
	struct object *object = world->object;

	explore_free(memory);
	if (wki_count_drop_unit(&object->count))
		explore_free(object);
}

void wki_registration_retire(struct wki_registration *registration)
{
	if (bug == FREES_AT_ONCE)
		free_registration(registration);
	else
		explore_retire(registration, free_registration);
}

void wki_registration_stop_misused(const struct wki_registration *registration)
{
	(void)registration;
	explore_fail("released more often than owned");
}

void wki_event_signal(struct wki_event *event)
{
	explore_touch(event);
}

/* The object. */

static void unwatch_rcu(struct object *object)
{
	if (wki_watch_littered(&object->count.meta))
		wki_watch_prune(&object->watches, &object->count.meta, wki_registration_leave);
}

static void fire_rcu(struct object *object)
{
	struct wki_watch *watch, *next;

	for (watch = wki_watch_take(&object->watches); watch != NULL; watch = next) {
		next = wki_watch_next(watch);
		if (wki_watch_move(watch, WKI_WATCH_LIVE, WKI_WATCH_FIRED))
			wki_registration_fired(watch);
		else if (wki_watch_move(watch, WKI_WATCH_REMOVED, WKI_WATCH_RETIRED))
			wki_registration_leave(watch);
	}
}

/* The only strong reference goes. */
static void die(intptr_t unused)
{
	struct object *object = world->object;
	uint64_t before = wki_count_release(&object->count, 1);

	(void)unused;
	atomic_store_release(&world->died, 1);
	explore_read_lock();
	EXPLORE_CHECK(wki_count_decide(&object->count, before));
	fire_rcu(object);
	explore_read_unlock();
	explore_retire(object, drop_object);
}

static struct wki_registration *make(intptr_t index, enum wki_call call)
{
	struct wki_registration *registration = explore_zeroed(sizeof(*registration), "registration");

	wki_registration_init(registration, 0, call);
	registration->argument = (void *)index;
	registration->release = setting->releases ? explore_free : NULL; /* never called: wki_registration_end counts */
	(void)wki_count_add_unit(&world->object->count);
	return registration;
}

/* Who drains. */

static void due(struct wki_link *link)
{
	struct wki_registration *registration = wki_registration_of_link(link);

	explore_touch(registration);
	if (bug == RUNS_BY_LOOK && wki_registration_call(registration) == WKI_CALL_POSTED) {
		atomic_store_release(&registration->call, WKI_CALL_RUNNING);
		(void)wki_registration_run(registration, true);
	} else {
		wki_registration_due(link);
	}
}

static void each(wki_tagged tagged, void (*deal)(struct wki_link *link))
{
	wki_tagged next;

	for (; tagged != 0; tagged = next) {
		next = wki_tag_link(tagged)->next;
		deal(wki_tag_link(tagged));
	}
}

static void drain(intptr_t unused)
{
	(void)unused;
	each(wki_mailbox_take(&world->queue), due);
}

static void close_queue(intptr_t unused)
{
	(void)unused;
	each(wki_mailbox_close(&world->queue), wki_registration_skip);
}

/* Weak reference objects. */

static void give_up_registration(struct wki_registration *registration)
{
	if (bug != GIVES_UP_OUTSIDE)
		explore_read_lock();
	if (wki_registration_give_up_rcu(registration))
		unwatch_rcu(world->object);
	if (bug != GIVES_UP_OUTSIDE)
		explore_read_unlock();
}

static void give_up(intptr_t index)
{
	struct wki_registration *registration = atomic_exchange_acq_rel(&world->registration[index], NULL);

	if (registration != NULL)
		give_up_registration(registration);
}

static void cancel(intptr_t index)
{
	struct wki_registration *registration = atomic_load_acquire(&world->registration[index]);
	enum wki_call call;

	if (bug == CANCELS_BY_STORE && wki_registration_call(registration) == WKI_CALL_POSTED) {
		atomic_store_release(&registration->call, WKI_CALL_CANCELLED);
		call = WKI_CALL_CANCELLED;
	} else {
		call = wki_registration_cancel(registration);
	}
	EXPLORE_CHECK(call == WKI_CALL_CANCELLED || call == WKI_CALL_RUNNING || call == WKI_CALL_DONE);
	if (call == WKI_CALL_CANCELLED)
		(void)atomic_fetch_add_relaxed(&world->stopped[index], 1);
	if (call == WKI_CALL_DONE)
		EXPLORE_CHECK(value_of(world->ran, index) == 1);
}

/* Finalizers. */

static bool take(struct wki_registration *registration)
{
	bool won;

	explore_read_lock();
	if (bug == CALLS_BY_LOOK)
		won = wki_watch_state(&registration->watch) == WKI_WATCH_LIVE;
	else
		won = wki_watch_move(&registration->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED);
	if (won)
		unwatch_rcu(world->object);
	explore_read_unlock();
	return won;
}

static void call(intptr_t index)
{
	struct wki_registration *registration = atomic_load_acquire(&world->registration[index]);

	if (!take(registration))
		return;
	EXPLORE_CHECK(wki_registration_move(registration, WKI_CALL_ARMED, WKI_CALL_RUNNING));
	(void)wki_registration_run(registration, false);
}

static void detach(intptr_t index)
{
	struct wki_registration *registration = atomic_load_acquire(&world->registration[index]);

	if (!take(registration))
		return;
	EXPLORE_CHECK(wki_registration_disarm(registration));
	(void)atomic_fetch_add_relaxed(&world->stopped[index], 1);
}

static void run_posted(intptr_t index)
{
	struct wki_registration *registration = atomic_load_acquire(&world->registration[index]);

	if (wki_registration_take_posted(registration))
		(void)wki_registration_run(registration, true);
}

static void drop_handle(intptr_t index)
{
	struct wki_registration *registration = atomic_exchange_acq_rel(&world->registration[index], NULL);

	if (registration != NULL)
		(void)wki_registration_drop(registration, WKI_HOLD_USER);
}

/* The shared reference of an object. */

static struct wki_registration *find_rcu(struct wki_watch *first, const struct wki_watch *last)
{
	struct wki_registration *registration;
	struct wki_watch *watch;

	for (watch = first; watch != NULL && watch != last; watch = wki_watch_next(watch)) {
		registration = wki_registration_of_watch(watch);
		explore_touch(registration);
		if (wki_registration_call(registration) != WKI_CALL_NONE)
			continue;
		if (bug == FINDS_WITHOUT_USER)
			(void)wki_registration_add(registration, WKI_HOLD_USER);
		if (bug == FINDS_WITHOUT_USER || wki_registration_add_user_rcu(registration))
			return registration;
	}
	return NULL;
}

static struct wki_registration *share_rcu(struct object *object)
{
	struct wki_watch *first = wki_watch_first(&object->watches), *seen = first;
	struct wki_registration *fresh, *theirs = find_rcu(first, NULL);

	if (theirs != NULL)
		return theirs;
	fresh = make(0, WKI_CALL_NONE);
	if (bug == SHARES_BY_PUSH) {
		wki_watch_push(&object->watches, &fresh->watch);
		return fresh;
	}
	while (!wki_watch_try_push(&object->watches, &first, &fresh->watch)) {
		theirs = find_rcu(first, seen);
		if (theirs != NULL) {
			free_registration(fresh);
			return theirs;
		}
		seen = first;
	}
	return fresh;
}

/* By a holder of a strong reference; whoever owns a shared reference at this moment owns the same one. */
static void share(intptr_t unused)
{
	struct wki_registration *mine, *theirs;

	(void)unused;
	explore_read_lock();
	mine = share_rcu(world->object);
	atomic_store_release(&world->shared[explore_thread()], mine);
	for (unsigned i = 0; i < EXPLORE_THREADS; i++) {
		theirs = atomic_load_acquire(&world->shared[i]);
		EXPLORE_CHECK(theirs == NULL || theirs == mine);
	}
	explore_read_unlock();
}

static void unshare(intptr_t unused)
{
	struct wki_registration *mine = atomic_exchange_acq_rel(&world->shared[explore_thread()], NULL);

	(void)unused;
	give_up_registration(mine);
}

/* Something else comes and goes. */
static void watch(intptr_t index)
{
	struct wki_registration *registration = make(index, WKI_CALL_ARMED);

	atomic_store_release(&world->registration[index], registration);
	wki_watch_push(&world->object->watches, &registration->watch);
}

/* The frame. */

static void set_up(intptr_t argument)
{
	setting = (const struct setting *)argument;
	bug = setting->bug;
	world = explore_zeroed(sizeof(*world), "world");
	world->object = explore_zeroed(sizeof(*world->object), "object");
	explore_label(&world->object->count.strong, "strong");
	explore_label(&world->object->count.meta, "meta");
	explore_label(&world->object->watches, "head");
	explore_label(&world->queue, "queue");
	explore_label(&world->runner, "runner");
	wki_count_init(&world->object->count, 0);
	/* Each removal from now on makes a prune due. */
	atomic_store_relaxed(&world->object->count.meta, UINT32_C(8) << WKI_META_GARBAGE_SHIFT);
	for (unsigned i = 0; i < setting->registrations; i++)
		watch((intptr_t)i);
}

/* The rest of all lives; then: called or stopped once, not both, and the argument released once. */
static void finish(void)
{
	if (atomic_load_acquire(&world->died) == 0)
		die(0);
	for (intptr_t i = 0; i < (intptr_t)REGISTRATIONS; i++) {
		if (setting->finalizers)
			drop_handle(i);
		else
			give_up(i);
	}
	drain(0);
	each(wki_mailbox_take(&world->runner), due);
	for (intptr_t i = 0; i < (intptr_t)setting->registrations; i++) {
		EXPLORE_CHECK(value_of(world->ran, i) + value_of(world->stopped, i) <= 1);
		EXPLORE_CHECK(value_of(world->released, i) == 1);
	}
	explore_free(world);
}

/* As it goes on. */
static void invariant(void)
{
	for (intptr_t i = 0; i < (intptr_t)REGISTRATIONS; i++) {
		EXPLORE_CHECK(value_of(world->ran, i) <= 1);
		EXPLORE_CHECK(value_of(world->released, i) <= 1);
	}
}

#define RELEASE EXPLORE_DO(die, 0)
#define DRAIN EXPLORE_DO(drain, 0)
#define CLOSE EXPLORE_DO(close_queue, 0)
#define GIVE_UP(i) EXPLORE_DO(give_up, i)
#define CANCEL(i) EXPLORE_DO(cancel, i)
#define CALL(i) EXPLORE_DO(call, i)
#define DETACH(i) EXPLORE_DO(detach, i)
#define RUN_POSTED(i) EXPLORE_DO(run_posted, i)
#define DROP_HANDLE(i) EXPLORE_DO(drop_handle, i)
#define WATCH(i) EXPLORE_DO(watch, i)
#define SHARE EXPLORE_DO(share, 0)
#define UNSHARE EXPLORE_DO(unshare, 0)
#define WITH(...) .set_up = set_up, .argument = (intptr_t)&(const struct setting){ __VA_ARGS__ }, .finish = finish, .invariant = invariant
#define ONE .registrations = 1, .releases = true
#define FINALIZER .registrations = 1, .releases = true, .finalizers = true

static const struct explore_scenario scenarios[] = {
	/* Weak reference objects. */
	{ .name = "give up, death, drain", .thread = { { GIVE_UP(0) }, { RELEASE }, { DRAIN } }, WITH(ONE) },
	{ .name = "give up, death, drain, nothing to release", .thread = { { GIVE_UP(0) }, { RELEASE }, { DRAIN } }, WITH(.registrations = 1) },
	{ .name = "give up two, death and drain", .thread = { { GIVE_UP(0), GIVE_UP(1) }, { RELEASE, DRAIN } }, WITH(.registrations = 2, .releases = true) },
	{ .name = "two give up, death", .thread = { { GIVE_UP(0) }, { GIVE_UP(1) }, { RELEASE } }, WITH(.registrations = 2, .releases = true) },
	{ .name = "callback retains, given up", .thread = { { GIVE_UP(0) }, { RELEASE }, { DRAIN } }, WITH(ONE, .retains = true) },
	{ .name = "cancel, death, drain", .thread = { { CANCEL(0) }, { RELEASE }, { DRAIN } }, WITH(ONE) },
	{ .name = "cancel, death, drain, nothing to release", .thread = { { CANCEL(0) }, { RELEASE }, { DRAIN } }, WITH(.registrations = 1) },
	{ .name = "cancel and give up, death and drain", .thread = { { CANCEL(0), GIVE_UP(0) }, { RELEASE, DRAIN } }, WITH(ONE) },
	{ .name = "two cancel, death and drain", .thread = { { CANCEL(0) }, { RELEASE, DRAIN }, { CANCEL(1) } }, WITH(.registrations = 2, .releases = true) },
	{ .name = "give up, death, queue closed", .thread = { { GIVE_UP(0) }, { RELEASE }, { CLOSE } }, WITH(ONE) },
	{ .name = "cancel, death and closed queue", .thread = { { CANCEL(0), GIVE_UP(0) }, { RELEASE, CLOSE } }, WITH(ONE) },
	/* Finalizers. */
	{ .name = "call, death and drain", .thread = { { CALL(0), DROP_HANDLE(0) }, { RELEASE, DRAIN } }, WITH(FINALIZER) },
	{ .name = "call, death, detach", .thread = { { CALL(0) }, { RELEASE }, { DETACH(0) } }, WITH(FINALIZER) },
	{ .name = "call, call, death and drain", .thread = { { CALL(0) }, { RELEASE, DRAIN }, { CALL(0) } }, WITH(FINALIZER) },
	{ .name = "detach, death, drain", .thread = { { DETACH(0), DROP_HANDLE(0) }, { RELEASE }, { DRAIN } }, WITH(FINALIZER) },
	{ .name = "exit, death, drain", .thread = { { CALL(0), RUN_POSTED(0), DROP_HANDLE(0) }, { RELEASE }, { DRAIN } }, WITH(FINALIZER) },
	{ .name = "exit twice, drain", .thread = { { RUN_POSTED(0) }, { RELEASE, RUN_POSTED(0) }, { DRAIN } }, WITH(FINALIZER) },
	/* The shared reference. */
	{ .name = "two share", .thread = { { SHARE, UNSHARE }, { SHARE, UNSHARE } }, WITH(.releases = true) },
	{ .name = "three share", .thread = { { SHARE, UNSHARE }, { SHARE, UNSHARE }, { SHARE, UNSHARE } }, WITH(.releases = true), .how = EXPLORE_BOUNDED, .preemptions = 2 },
	{ .name = "two share, another watch comes", .thread = { { SHARE, UNSHARE }, { SHARE, UNSHARE }, { WATCH(0) } }, WITH(.releases = true), .how = EXPLORE_BOUNDED, .preemptions = 2 },
	{ .name = "two share, another watch goes", .thread = { { SHARE, UNSHARE }, { SHARE, UNSHARE }, { GIVE_UP(0) } }, WITH(ONE), .how = EXPLORE_BOUNDED, .preemptions = 2 },
	{ .name = "share again and again", .thread = { { SHARE, UNSHARE, SHARE, UNSHARE }, { SHARE, UNSHARE, SHARE, UNSHARE } }, WITH(.releases = true), .how = EXPLORE_BOUNDED, .preemptions = 3 },
	{ .name = "three share, deeper", .thread = { { SHARE, UNSHARE }, { SHARE, UNSHARE }, { SHARE, UNSHARE } }, WITH(.releases = true), .how = EXPLORE_BOUNDED, .preemptions = 3, .deep = true },
	{ .name = "share again and again, deeper", .thread = { { SHARE, UNSHARE, SHARE, UNSHARE }, { SHARE, UNSHARE, SHARE, UNSHARE } }, WITH(.releases = true), .how = EXPLORE_BOUNDED, .preemptions = 4, .deep = true },
	/* Planted bugs. */
	{ .name = "planted: run by a look", .thread = { { CANCEL(0) }, { RELEASE, DRAIN } }, WITH(ONE, .bug = RUNS_BY_LOOK), .planted = "check failed" },
	{ .name = "planted: cancelled by a store", .thread = { { CANCEL(0) }, { RELEASE, DRAIN } }, WITH(ONE, .bug = CANCELS_BY_STORE), .planted = "check failed" },
	{ .name = "planted: given up outside of a read section", .thread = { { GIVE_UP(0) }, { RELEASE }, { DRAIN } }, WITH(ONE, .bug = GIVES_UP_OUTSIDE), .planted = "freed" },
	{ .name = "planted: freed without a grace period", .thread = { { GIVE_UP(0) }, { GIVE_UP(1) }, { RELEASE } }, WITH(.registrations = 2, .bug = FREES_AT_ONCE), .planted = "freed" },
	{ .name = "planted: called by a look", .thread = { { CALL(0) }, { RELEASE, DRAIN } }, WITH(FINALIZER, .bug = CALLS_BY_LOOK), .planted = "check failed" },
	{ .name = "planted: run out of turn, held once", .thread = { { RUN_POSTED(0), DROP_HANDLE(0) }, { RELEASE, DRAIN } }, WITH(FINALIZER, .bug = KEEPS_NO_SECOND), .planted = "" },
	{ .name = "planted: shared by a push", .thread = { { SHARE, UNSHARE }, { SHARE, UNSHARE } }, WITH(.bug = SHARES_BY_PUSH), .planted = "check failed" },
	{ .name = "planted: found without a user", .thread = { { SHARE, UNSHARE }, { SHARE, UNSHARE } }, WITH(.bug = FINDS_WITHOUT_USER), .planted = "" },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
