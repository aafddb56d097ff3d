/*
 * notify/ref.c - weak reference objects
 *
 * An object's shared reference is no field of it: it is the one watch on its list that is a
 * reference without call, data and hook and has users. It is found by a walk, and made by a
 * push that fails if the list has a new beginning, so that two threads never make two. Its shared
 * proxy is another one.
 *
 * Layer: notify. Never: wait, but for wk_weakref_cancel.
 */
#include "notify/ref.h"

#include <pthread.h>
#include <stdio.h>

#include "core/control.h"
#include "notify/member.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"

static wk_weakref *ref_of(struct wki_registration *registration)
{
	return (wk_weakref *)(void *)registration;
}

static int ref_run(struct wki_registration *registration)
{
	wk_weakref *ref = ref_of(registration);

	return ref->run(ref, registration->argument);
}

static void ref_withdraw(struct wki_registration *registration)
{
	(void)wki_registration_disarm(registration);
	wk_weakref_release(ref_of(registration));
}

static const struct wki_registration_kind ref_registration = {
	.run = ref_run,
	.withdraw = ref_withdraw,
	.failure = "the callback of a weak reference failed",
};

/* Constructors. */

static wk_weakref *ref_make(struct wki_control *control, const struct wki_ref_plan *plan, struct wki_member *member)
{
	size_t bytes = sizeof(wk_weakref) + plan->data_size;
	wk_weakref *ref = bytes < plan->data_size ? NULL : wki_registration_allocate(bytes);
	struct wki_registration *registration;

	if (ref == NULL)
		return NULL;
	registration = &ref->registration;
	registration->kind = &ref_registration;
	registration->watch.detail = (uint8_t)plan->kind;
	registration->member = member;
	ref->extra = plan->extra;
	if (plan->callback != NULL) {
		registration->argument = plan->callback->argument;
		registration->release = plan->callback->release;
		registration->queue = plan->callback->queue;
		ref->run = plan->callback->run;
	}
	wki_registration_begin(registration, WKI_WATCH_REF, plan->callback != NULL ? WKI_CALL_ARMED : WKI_CALL_NONE,
			       control);
	return ref;
}

static bool ref_is_shared(const wk_weakref *ref, wk_kind kind)
{
	return wk_weakref_kind(ref) == kind && ref->registration.bytes == sizeof(*ref) && ref->extra.get == NULL &&
	       wki_registration_call(&ref->registration) == WKI_CALL_NONE;
}

/* The shared reference of a kind, a user more, if it is between `first` and `last`. */
static wk_weakref *ref_find_shared_rcu(wk_kind kind, struct wki_watch *first, const struct wki_watch *last)
{
	struct wki_registration *registration;
	struct wki_watch *watch;

	for (watch = first; watch != NULL && watch != last; watch = wki_watch_next(watch)) {
		registration = wki_registration_of_watch(watch);
		if (watch->kind == WKI_WATCH_REF && ref_is_shared(ref_of(registration), kind) &&
		    wki_registration_add_user_rcu(registration))
			return ref_of(registration);
	}
	return NULL;
}

/* No shared reference from `first` on: put `fresh` on the list, unless somebody is faster. */
static wk_weakref *ref_share_rcu(struct wki_control *control, struct wki_watch *first, wk_weakref *fresh)
{
	const struct wki_watch *seen = first;
	wk_weakref *theirs;

	while (!wki_watch_try_push(&control->watches, &first, &fresh->registration.watch)) {
		theirs = ref_find_shared_rcu(wk_weakref_kind(fresh), first, seen);
		if (theirs != NULL) {
			wki_registration_free(&fresh->registration.link);
			return theirs;
		}
		seen = first;
	}
	return fresh;
}

static wk_weakref *ref_shared(struct wki_control *control, const struct wki_ref_plan *plan)
{
	struct wki_watch *first;
	wk_weakref *ref;

	wki_read_lock();
	first = wki_watch_first(&control->watches);
	ref = ref_find_shared_rcu(plan->kind, first, NULL);
	if (ref == NULL) {
		ref = ref_make(control, plan, NULL);
		if (ref != NULL)
			ref = ref_share_rcu(control, first, ref);
	}
	wki_read_unlock();
	return ref;
}

/* One that nobody shares. */
static wk_weakref *ref_own(struct wki_control *control, const struct wki_ref_plan *plan, struct wki_member *member,
			   int *status)
{
	wk_weakref *ref = ref_make(control, plan, member);

	if (ref == NULL) {
		*status = WK_ENOMEM;
	} else if (!wki_registration_join(&ref->registration)) {
		*status = WK_ESHUTDOWN;
		wki_registration_undo(&ref->registration);
		ref = NULL;
	} else {
		wki_control_watch(control, &ref->registration.watch);
	}
	return ref;
}

static wk_weakref *ref_with_callback(struct wki_control *control, const struct wki_ref_plan *plan, int *status)
{
	struct wki_member *member;
	wk_weakref *ref;

	if (plan->callback->run == NULL)
		*status = WK_EINVAL;
	else
		*status = wki_member_new(wki_registration_owner(control, plan->callback->owner), &member);
	if (*status < 0)
		return NULL;
	ref = ref_own(control, plan, member, status);
	if (ref == NULL)
		wki_member_discard(member);
	return ref;
}

wk_weakref *wki_weakref_make(const void *object, const struct wki_ref_plan *plan, int *status)
{
	struct wki_control *control;
	wk_weakref *ref;
	int unused;

	if (status == NULL)
		status = &unused;
	control = wki_registration_target(object, status);
	if (control == NULL)
		return NULL;
	if (plan->callback != NULL)
		return ref_with_callback(control, plan, status);
	if (plan->data_size != 0 || plan->extra.get != NULL)
		return ref_own(control, plan, NULL, status);
	ref = ref_shared(control, plan);
	if (ref == NULL)
		*status = WK_ENOMEM;
	return ref;
}

wk_weakref *wk_weakref_new_hooked(const void *object, const wk_callback *callback, size_t data_size, wk_get_hook *get,
				  int *status)
{
	const struct wki_ref_plan plan = {
		.kind = WK_KIND_REF,
		.extra.get = get,
		.data_size = data_size,
		.callback = callback,
	};

	return wki_weakref_make(object, &plan, status);
}

wk_weakref *wk_weakref_new_sized(const void *object, const wk_callback *callback, size_t data_size, int *status)
{
	return wk_weakref_new_hooked(object, callback, data_size, NULL, status);
}

wk_weakref *wk_weakref_new(const void *object, const wk_callback *callback, int *status)
{
	return wk_weakref_new_hooked(object, callback, 0, NULL, status);
}

/* Users. */

wk_weakref *wk_weakref_retain(wk_weakref *ref)
{
	if (ref != NULL)
		(void)wki_registration_add(&ref->registration, WKI_HOLD_USER);
	return ref;
}

void wk_weakref_release(wk_weakref *ref)
{
	if (ref == NULL)
		return;
	wki_read_lock();
	if (wki_registration_give_up_rcu(&ref->registration))
		wki_control_unwatch_rcu(ref->registration.control);
	wki_read_unlock();
}

int wk_weakref_cancel(wk_weakref *ref)
{
	if (ref == NULL)
		return WK_EINVAL;
	switch (wki_registration_cancel(&ref->registration)) {
	case WKI_CALL_RUNNING:
		if (wki_thread_in_callback() || wki_read_ongoing())
			return WK_EDEADLOCK;
		(void)wki_registration_wait(&ref->registration, WKI_NO_DEADLINE);
		return WK_EDEAD;
	case WKI_CALL_DONE:
		return WK_EDEAD;
	default:
		return WK_OK;
	}
}

/* What can be asked of a reference. */

void *wk_weakref_data(wk_weakref *ref)
{
	return ref == NULL || ref->registration.bytes == sizeof(*ref) ? NULL : ref->data;
}

static void *ref_object(const wk_weakref *ref)
{
	return wki_control_upgrade(wki_weakref_control(ref));
}

void *wk_weakref_get(const wk_weakref *ref)
{
	void *object;

	if (ref == NULL)
		return NULL;
	object = ref_object(ref);
	if (likely(wk_weakref_kind(ref) != WK_KIND_REF || ref->extra.get == NULL))
		return object;
	return ref->extra.get((wk_weakref *)(uintptr_t)ref, object);
}

wk_weak *wk_weakref_weak(const wk_weakref *ref)
{
	return ref == NULL ? NULL : (wk_weak *)wki_weakref_control(ref);
}

/* The function has returned, or has ended its thread. */
static void ref_applied(void *object)
{
	wk_release(object);
}

int wki_weakref_apply(const wk_weakref *ref, wk_function *function, void *argument, int *result)
{
	void *object = ref_object(ref);
	int returned;

	if (object == NULL)
		return WK_EDEAD;
	pthread_cleanup_push(ref_applied, object);
	returned = function(object, argument);
	if (result != NULL)
		*result = returned;
	pthread_cleanup_pop(1);
	return WK_OK;
}

wk_kind wk_weakref_kind(const wk_weakref *ref)
{
	return (wk_kind)ref->registration.watch.detail;
}

static bool ref_is_proxy(const wk_weakref *ref)
{
	return wk_weakref_kind(ref) == WK_KIND_PROXY || wk_weakref_kind(ref) == WK_KIND_CALLABLE_PROXY;
}

static uint64_t ref_hash_object_rcu(const struct wki_control *control, const void *object)
{
	return control->type->hash != NULL ? control->type->hash(object) : wk_weak_hash((const wk_weak *)control);
}

/* Asked for the first time. */
static int ref_take_hash(wk_weakref *ref)
{
	struct wki_control *control = ref->registration.control;
	void *object;

	if (control->type->hash == NULL && control->type->equal != NULL)
		return WK_ETYPE;
	wki_read_lock();
	object = wki_control_upgrade(control);
	if (object != NULL) {
		/* REF-1 relaxed; pairs: none; weaker: not possible; check: api/ref_test (published by REF-2) */
		atomic_store_relaxed(&ref->hash, ref_hash_object_rcu(control, object));
		/* REF-2 release; pairs: REF-3; weaker: another thread could read the hash before it is there; check: api/ref_race_test under TSan */
		atomic_store_release(&ref->registration.flag, 1);
	}
	wki_read_unlock();
	wk_release(object);
	return object != NULL ? WK_OK : WK_EDEAD;
}

int wk_weakref_hash(wk_weakref *ref, uint64_t *hash)
{
	int status = WK_OK;

	if (ref == NULL || hash == NULL)
		return WK_EINVAL;
	if (ref_is_proxy(ref))
		return WK_ETYPE;
	/* REF-3 acquire; pairs: REF-2; weaker: as REF-2; check: api/ref_race_test under TSan */
	if (atomic_load_acquire(&ref->registration.flag) == 0)
		status = ref_take_hash(ref);
	if (status == WK_OK) {
		/* REF-4 relaxed; pairs: none; weaker: not possible; check: api/ref_test (after REF-3, or its own) */
		*hash = atomic_load_relaxed(&ref->hash);
	}
	return status;
}

static bool ref_equal_objects(const void *a, const void *b)
{
	const wk_type *type = wk_type_of(a);
	bool equal;

	if (a == b || type != wk_type_of(b) || type->equal == NULL)
		return a == b;
	wki_read_lock();
	equal = type->equal(a, b);
	wki_read_unlock();
	return equal;
}

bool wk_weakref_equal(const wk_weakref *a, const wk_weakref *b)
{
	void *object, *other;
	bool equal;

	if (a == b || a == NULL || b == NULL)
		return a == b;
	if (wk_weakref_kind(a) == WK_KIND_METHOD && wk_weakref_kind(b) == WK_KIND_METHOD &&
	    wk_method_function(a) != wk_method_function(b))
		return false;
	object = ref_object(a);
	other = ref_object(b);
	equal = object != NULL && other != NULL && ref_equal_objects(object, other);
	wk_release(object);
	wk_release(other);
	return equal;
}

int wk_weakref_format(const wk_weakref *ref, char *buffer, size_t size)
{
	const struct wki_control *control;
	const char *what;
	uint64_t strong;

	if (ref == NULL)
		return snprintf(buffer, size, "<weakref; NULL>");
	what = ref_is_proxy(ref) ? "weakproxy" : "weakref";
	control = wki_weakref_control(ref);
	strong = wki_count_peek(&control->count);
	if (strong & WKI_STRONG_DEAD)
		return snprintf(buffer, size, "<%s at %p; dead>", what, (const void *)ref);
	return snprintf(buffer, size, "<%s at %p; to '%s' at %p>", what, (const void *)ref, control->type->name,
			wki_payload_of(control, strong));
}

/* What can be asked of an object. */

size_t wk_weakref_count(const void *object)
{
	const struct wki_watch *watch;
	size_t count = 0;

	if (object == NULL)
		return 0;
	wki_read_lock();
	for (watch = wki_watch_first(&wki_control_of(object)->watches); watch != NULL; watch = wki_watch_next(watch))
		count += wki_watch_state(watch) == WKI_WATCH_LIVE;
	wki_read_unlock();
	return count;
}

size_t wk_weakref_list(const void *object, wk_weakref **refs, size_t capacity)
{
	struct wki_watch *watch;
	size_t count = 0;

	if (object == NULL)
		return 0;
	wki_read_lock();
	for (watch = wki_watch_first(&wki_control_of(object)->watches); watch != NULL; watch = wki_watch_next(watch)) {
		if (watch->kind != WKI_WATCH_REF || wki_watch_state(watch) != WKI_WATCH_LIVE)
			continue;
		if (count < capacity && !wki_registration_add_user_rcu(wki_registration_of_watch(watch)))
			continue;
		if (count < capacity)
			refs[count] = ref_of(wki_registration_of_watch(watch));
		count++;
	}
	wki_read_unlock();
	return count;
}
