/*
 * runtime/owner.c - owners: made, drained, ended
 *
 *	OPEN     things are registered under it
 *	CLOSED   from the first drain on: nothing new; who drains waits for what there is
 *	FREE     nothing leads to the plug-in but the list of all types
 *	DRAINED  not even that: a grace period after the types have left the list
 *
 * Layer: runtime.
 */
#include "core/owner.h"

#include <stdio.h>
#include <string.h>

#include "core/census.h"
#include "notify/member.h"
#include "reclaim/grace.h"
#include "reclaim/service.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"

/* Where another thread polls, it may stop at any time: look again now and then. */
#define OWNER_POLL_NS 1000000u

static void owner_destroy(void *payload)
{
	const wk_owner *owner = payload;

	if (wki_owner_holds(owner) != 0 || wki_census_has(owner))
		wki_stop("wk_owner %s: its last reference went before it was drained", owner->name);
}

WK_DEFINE_TYPE(owner_type, wk_owner, .flags = WK_TYPE_PINNED, .destroy = owner_destroy);

wk_owner *wk_owner_new(const char *name, int *status)
{
	wk_owner *owner = wk_new_with(&owner_type, NULL, status);

	if (owner != NULL)
		snprintf(owner->name, sizeof(owner->name), "%s", name != NULL ? name : "");
	return owner;
}

/* The report. */

struct owner_objects {
	const wk_owner *owner;
	uint64_t count;
};

static void owner_count_objects(const wk_type *type, const wk_census *census, void *context)
{
	struct owner_objects *objects = context;

	if (type->owner == objects->owner)
		objects->count += census->created - census->destroyed;
}

static uint64_t owner_less(uint64_t all, uint64_t part)
{
	return all > part ? all - part : 0; /* each is of another moment */
}

static void owner_report(const wk_owner *owner, wk_drain_report *report)
{
	struct owner_objects objects = { .owner = owner };
	struct wki_member_figures members;
	wk_drain_report now;
	uint64_t others;

	if (report == NULL)
		return;
	now = (wk_drain_report){
		.struct_size = report->struct_size,
		.posts = wki_owner_counted(&owner->posts),
		.keys = wki_owner_counted(&owner->keys),
		.remains = wki_owner_holds(owner),
	};
	wki_members_read(owner, &members);
	wk_runtime_each_type(owner_count_objects, &objects);
	now.objects = objects.count;
	now.armed = members.armed;
	now.waiting = members.waiting;
	now.running = members.running;
	others = now.objects + now.armed + now.waiting + now.running + now.posts + now.keys;
	now.remains = owner_less(now.remains, others);
	*report = now;
}

/* Draining. */

static bool owner_is_off(void)
{
	/* OWR-1 acquire; pairs: SVC-2; weaker: not needed for memory; check: api/owner_test */
	return atomic_load_acquire(&wki_service) == WKI_SERVICE_OFF;
}

/* Until it is free. Where the library has no threads this is who does their work. */
static int owner_wait(const wk_owner *owner, uint64_t deadline)
{
	uint64_t until = deadline;
	uint32_t seen;

	for (;;) {
		seen = wki_event_value(&wki_owner_freed);
		if (!wki_service_has_threads()) {
			(void)wk_runtime_poll(0);
			until = wki_deadline_after(OWNER_POLL_NS);
			until = until < deadline ? until : deadline;
		}
		if (wki_owner_is_free(owner))
			return WK_OK;
		if (owner_is_off())
			return WK_ESHUTDOWN;
		if (!wki_event_wait(&wki_owner_freed, seen, until) && wki_now() >= deadline)
			return wki_owner_is_free(owner) ? WK_OK : WK_ETIMEDOUT;
	}
}

/* Who walks the list of types may be looking at one of them. */
static int owner_forget_types(wk_owner *owner, uint64_t deadline)
{
	uint64_t ticket;

	pthread_mutex_lock(&wki_owner_lock);
	if (owner->forgotten == 0) {
		wki_census_unlist_locked(owner);
		owner->forgotten = wki_grace_ticket();
	}
	ticket = owner->forgotten;
	pthread_mutex_unlock(&wki_owner_lock);
	return wki_grace_wait(ticket, deadline) ? WK_OK : WK_ETIMEDOUT;
}

int wk_owner_drain(wk_owner *owner, uint64_t timeout_ns, wk_drain_report *report)
{
	uint64_t deadline = wki_deadline_after(timeout_ns);
	int status;

	if (owner == NULL || (report != NULL && report->struct_size < sizeof(*report)))
		return WK_EINVAL;
	if (wki_thread_in_callback() || wki_read_ongoing())
		return WK_EDEADLOCK;
	status = wki_service_wake();
	if (status < 0)
		return status;
	wki_owner_close(owner);
	wki_members_withdraw(owner);
	status = owner_wait(owner, deadline);
	if (status == WK_OK)
		status = owner_forget_types(owner, deadline);
	owner_report(owner, report);
	return status;
}
