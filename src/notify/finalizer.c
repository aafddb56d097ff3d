/*
 * notify/finalizer.c - finalizers
 *
 * Every finalizer is in the registry, newest first, until its argument is released. The lock is
 * taken where finalizers are made and where they run, never by a release: the death of an object
 * only posts them. Who runs at exit goes through the registry with a cursor that
 * follows every change: past a finalizer that leaves, back to one that is made.
 *
 * Layer: notify. Never: the program's code under the lock.
 */
#include "weakref/finalizer.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/control.h"
#include "notify/finalizer.h"
#include "notify/member.h"
#include "notify/registration.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"

/* What a finalizer that runs on another thread gets at exit. */
#define FINALIZER_PATIENCE_NS UINT64_C(1000000000)

struct wk_finalizer {
	struct wki_registration registration; /* flag: to be run at exit */
	int (*run)(void *argument);
	wk_owner *owner; /* as it was asked for */
	struct wk_finalizer *older, *newer; /* under the registry's lock */
};

static struct {
	pthread_mutex_t lock;
	struct wk_finalizer *newest;
	struct wk_finalizer *cursor; /* the next one to look at, while somebody runs them at exit */
	bool handler;                /* the process calls finalizers_at_exit when it ends */
	bool leave;                  /* ... which is to do nothing */
} finalizers = { .lock = PTHREAD_MUTEX_INITIALIZER };

static wk_finalizer *finalizer_of(struct wki_registration *registration)
{
	return (wk_finalizer *)(void *)registration;
}

/* The registry. Whoever forks takes the lock inside liburcu's: nobody registers with liburcu under it. */

void wki_finalizers_lock(void)
{
	pthread_mutex_lock(&finalizers.lock);
}

void wki_finalizers_unlock(void)
{
	pthread_mutex_unlock(&finalizers.lock);
}

static void finalizer_enlist_locked(wk_finalizer *finalizer)
{
	finalizer->older = finalizers.newest;
	if (finalizer->older != NULL)
		finalizer->older->newer = finalizer;
	finalizers.newest = finalizer;
	finalizers.cursor = finalizer;
}

static void finalizer_over(struct wki_registration *registration)
{
	wk_finalizer *finalizer = finalizer_of(registration);

	wki_finalizers_lock();
	if (finalizers.cursor == finalizer)
		finalizers.cursor = finalizer->older;
	if (finalizer->older != NULL)
		finalizer->older->newer = finalizer->newer;
	if (finalizer->newer != NULL)
		finalizer->newer->older = finalizer->older;
	else
		finalizers.newest = finalizer->older;
	wki_finalizers_unlock();
}

static int finalizer_run(struct wki_registration *registration)
{
	return finalizer_of(registration)->run(registration->argument);
}

static void finalizer_withdraw(struct wki_registration *registration);

static const struct wki_registration_kind finalizer_registration = {
	.run = finalizer_run,
	.over = finalizer_over,
	.withdraw = finalizer_withdraw,
	.failure = "a finalizer failed",
};

/* Who wins a finalizer. */

/* From whoever else might want it: the object's death, other callers, exit. */
static bool finalizer_take(wk_finalizer *finalizer)
{
	struct wki_registration *registration = &finalizer->registration;
	bool won;

	wki_read_lock();
	won = wki_watch_move(&registration->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED);
	if (won)
		wki_control_unwatch_rcu(registration->control);
	wki_read_unlock();
	return won;
}

static bool finalizer_take_to_run(wk_finalizer *finalizer)
{
	return finalizer_take(finalizer) &&
	       wki_registration_move(&finalizer->registration, WKI_CALL_ARMED, WKI_CALL_RUNNING);
}

static bool finalizer_is_at_exit(const wk_finalizer *finalizer)
{
	/* FIN-1 relaxed; pairs: none; weaker: not possible; check: api/finalizer_test */
	return atomic_load_relaxed((wki_atomic_u32 *)(uintptr_t)&finalizer->registration.flag) != 0;
}

/* The end of its owner is for it what the end of the process is for others. */
static void finalizer_withdraw(struct wki_registration *registration)
{
	wk_finalizer *finalizer = finalizer_of(registration);

	if (!finalizer_is_at_exit(finalizer))
		(void)wk_finalizer_detach(finalizer);
	else if (finalizer_take_to_run(finalizer))
		(void)wki_registration_run(registration, true);
	wk_finalizer_release(finalizer);
}

/* The end. */

/* The next one that is ours to run, newest first; NULL: none is left. */
static wk_finalizer *finalizers_next(bool posted_too)
{
	wk_finalizer *finalizer;

	wki_finalizers_lock();
	while ((finalizer = finalizers.cursor) != NULL) {
		finalizers.cursor = finalizer->older;
		if (finalizer_is_at_exit(finalizer) && finalizer_take_to_run(finalizer))
			break;
		if (posted_too && wki_registration_take_posted(&finalizer->registration))
			break; /* what is in the registry has its CALL still */
	}
	wki_finalizers_unlock();
	return finalizer;
}

static void finalizers_run(bool posted_too)
{
	wk_finalizer *finalizer;

	(void)wki_read_ongoing(); /* which registers the thread: see the lock */
	wki_finalizers_lock();
	finalizers.cursor = finalizers.newest;
	wki_finalizers_unlock();
	while ((finalizer = finalizers_next(posted_too)) != NULL)
		(void)wki_registration_run(&finalizer->registration, true);
}

void wki_finalizers_run(void)
{
	finalizers_run(false);
}

/* One that runs now, a user more; NULL: none does. */
static wk_finalizer *finalizers_running(void)
{
	wk_finalizer *finalizer;

	wki_finalizers_lock();
	for (finalizer = finalizers.newest; finalizer != NULL; finalizer = finalizer->older) {
		if (wki_registration_call(&finalizer->registration) == WKI_CALL_RUNNING)
			break;
	}
	if (finalizer != NULL)
		(void)wki_registration_add(&finalizer->registration, WKI_HOLD_USER);
	wki_finalizers_unlock();
	return finalizer;
}

/* Others are in the middle of a finalizer: let them finish, unless they may be waiting for us. */
static void finalizers_await(uint64_t deadline)
{
	wk_finalizer *finalizer;
	bool over = true;

	if (wki_thread_in_callback() || wki_read_ongoing())
		return;
	while (over && (finalizer = finalizers_running()) != NULL) {
		over = wki_registration_wait(&finalizer->registration, deadline);
		wk_finalizer_release(finalizer);
	}
}

/* After this the process may still run handlers of the program's own, which may make finalizers. */
static void finalizers_at_exit(void)
{
	bool leave;

	wki_finalizers_lock();
	finalizers.handler = false;
	leave = finalizers.leave;
	wki_finalizers_unlock();
	if (leave)
		return;
	finalizers_run(true);
	finalizers_await(wki_deadline_after(FINALIZER_PATIENCE_NS));
}

void wki_finalizers_leave_at_exit(bool leave)
{
	wki_finalizers_lock();
	finalizers.leave = leave;
	wki_finalizers_unlock();
}

/* The public calls. */

static wk_finalizer *finalizer_make(struct wki_control *control, const wk_finalizer_options *options,
				    struct wki_member *member)
{
	wk_finalizer *finalizer = wki_registration_allocate(sizeof(*finalizer));
	struct wki_registration *registration;

	if (finalizer == NULL)
		return NULL;
	registration = &finalizer->registration;
	registration->kind = &finalizer_registration;
	registration->argument = options->argument;
	registration->release = options->release;
	registration->queue = options->queue;
	registration->member = member;
	finalizer->run = options->run;
	finalizer->owner = options->owner;
	wk_finalizer_set_at_exit(finalizer, !options->skip_at_exit);
	wki_registration_begin(registration, WKI_WATCH_FINALIZER, WKI_CALL_ARMED, control);
	return finalizer;
}

/*
 * Into the registry, having the process call us when it ends (WK_ENOMEM: no memory for that), and into its owner's list
 * (WK_ESHUTDOWN: closed meanwhile). Who withdraws it at once waits for our lock before it is over.
 */
static int finalizer_register(wk_finalizer *finalizer)
{
	int status = WK_OK;

	wki_finalizers_lock();
	if (!finalizers.handler)
		finalizers.handler = atexit(finalizers_at_exit) == 0;
	if (!finalizers.handler)
		status = WK_ENOMEM;
	else if (!wki_registration_join(&finalizer->registration))
		status = WK_ESHUTDOWN;
	else
		finalizer_enlist_locked(finalizer);
	wki_finalizers_unlock();
	return status;
}

static wk_finalizer *finalizer_own(struct wki_control *control, const wk_finalizer_options *options,
				   struct wki_member *member, int *status)
{
	wk_finalizer *finalizer = finalizer_make(control, options, member);

	*status = finalizer == NULL ? WK_ENOMEM : finalizer_register(finalizer);
	if (*status == WK_OK) {
		wki_control_watch(control, &finalizer->registration.watch);
		return finalizer;
	}
	if (finalizer != NULL)
		wki_registration_undo(&finalizer->registration);
	return NULL;
}

static wk_finalizer *finalizer_new(struct wki_control *control, const wk_finalizer_options *options, int *status)
{
	struct wki_member *member;
	wk_finalizer *finalizer;

	*status = wki_member_new(wki_registration_owner(control, options->owner), &member);
	if (*status < 0)
		return NULL;
	finalizer = finalizer_own(control, options, member, status);
	if (finalizer == NULL)
		wki_member_discard(member);
	return finalizer;
}

wk_finalizer *wk_finalizer_new(const void *object, const wk_finalizer_options *options, int *status)
{
	struct wki_control *control;
	int unused;

	if (status == NULL)
		status = &unused;
	control = wki_registration_target(object, status);
	if (control == NULL)
		return NULL;
	if (options == NULL || options->run == NULL) {
		*status = WK_EINVAL;
		return NULL;
	}
	return finalizer_new(control, options, status);
}

int wk_finalizer_call(wk_finalizer *finalizer, int *result)
{
	int returned;

	if (finalizer == NULL)
		return WK_EINVAL;
	if (!finalizer_take_to_run(finalizer))
		return WK_EDEAD;
	returned = wki_registration_run(&finalizer->registration, false);
	if (result != NULL)
		*result = returned;
	return WK_OK;
}

int wk_finalizer_detach(wk_finalizer *finalizer)
{
	if (finalizer == NULL)
		return WK_EINVAL;
	return finalizer_take(finalizer) && wki_registration_disarm(&finalizer->registration) ? WK_OK : WK_EDEAD;
}

bool wk_finalizer_alive(const wk_finalizer *finalizer)
{
	return finalizer != NULL && wki_watch_state(&finalizer->registration.watch) == WKI_WATCH_LIVE;
}

void *wk_finalizer_peek(const wk_finalizer *finalizer, wk_finalizer_options *options)
{
	const struct wki_registration *registration;
	void *object;

	if (finalizer == NULL)
		return NULL;
	registration = &finalizer->registration;
	object = wki_control_upgrade(registration->control);
	if (object == NULL)
		return NULL;
	if (!wk_finalizer_alive(finalizer)) {
		wk_release(object);
		return NULL;
	}
	if (options != NULL) {
		*options = (wk_finalizer_options){
			.run = finalizer->run,
			.argument = registration->argument,
			.release = registration->release,
			.queue = registration->queue,
			.owner = finalizer->owner,
			.skip_at_exit = !finalizer_is_at_exit(finalizer),
		};
	}
	return object;
}

void wk_finalizer_set_at_exit(wk_finalizer *finalizer, bool at_exit)
{
	if (finalizer == NULL)
		return;
	/* FIN-2 relaxed; pairs: none; weaker: not possible; check: api/finalizer_test */
	atomic_store_relaxed(&finalizer->registration.flag, at_exit);
}

void wk_finalizer_release(wk_finalizer *finalizer)
{
	if (finalizer != NULL && wki_registration_drop(&finalizer->registration, WKI_HOLD_USER) < WKI_HOLD_USER)
		wki_registration_stop_misused(&finalizer->registration);
}
