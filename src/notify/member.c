/*
 * notify/member.c - the lists of what was registered under each owner
 *
 * Layer: notify. Never: the program's code under the lock.
 */
#include "notify/member.h"

#include "core/control.h"
#include "notify/registration.h"
#include "reclaim/cache.h"

int wki_member_new(wk_owner *owner, struct wki_member **member)
{
	*member = NULL;
	if (owner == NULL)
		return WK_OK;
	if (!wki_owner_hold(owner))
		return WK_ESHUTDOWN;
	*member = wki_cache_allocate(sizeof(**member));
	if (*member == NULL) {
		wki_owner_drop(owner);
		return WK_ENOMEM;
	}
	**member = (struct wki_member){ .owner = owner };
	return WK_OK;
}

void wki_member_discard(struct wki_member *member)
{
	wk_owner *owner;

	if (member == NULL)
		return;
	owner = member->owner;
	wki_cache_free(member, sizeof(*member));
	wki_owner_drop(owner);
}

bool wki_member_join(struct wki_member *member, struct wki_registration *registration)
{
	wk_owner *owner = member->owner;
	bool joins;

	member->registration = registration;
	pthread_mutex_lock(&wki_owner_lock);
	joins = !wki_owner_is_closed(owner); /* else nobody would withdraw it: that begins with this lock, after the closing */
	if (joins) {
		member->older = owner->newest;
		if (member->older != NULL)
			member->older->newer = member;
		owner->newest = member;
	}
	pthread_mutex_unlock(&wki_owner_lock);
	return joins;
}

void wki_member_leave(struct wki_member *member)
{
	wk_owner *owner = member->owner;

	pthread_mutex_lock(&wki_owner_lock);
	if (owner->cursor == member)
		owner->cursor = member->older;
	if (member->older != NULL)
		member->older->newer = member->newer;
	if (member->newer != NULL)
		member->newer->older = member->older;
	else
		owner->newest = member->older;
	pthread_mutex_unlock(&wki_owner_lock);
	wki_member_discard(member);
}

static bool member_is_at_home(const struct wki_member *member)
{
	return member->registration->control->type->owner == member->owner;
}

/* The next registration to withdraw, a user more: what is on the list has its CALL still. NULL: there is none. */
static struct wki_registration *members_next(wk_owner *owner)
{
	struct wki_registration *registration = NULL;
	struct wki_member *member;

	pthread_mutex_lock(&wki_owner_lock);
	do {
		member = owner->cursor;
		if (member != NULL)
			owner->cursor = member->older;
	} while (member != NULL && member_is_at_home(member));
	if (member != NULL) {
		registration = member->registration; /* the member is gone as soon as the lock is */
		(void)wki_registration_add(registration, WKI_HOLD_USER);
	}
	pthread_mutex_unlock(&wki_owner_lock);
	return registration;
}

void wki_members_withdraw(wk_owner *owner)
{
	struct wki_registration *registration;

	pthread_mutex_lock(&wki_owner_lock);
	owner->cursor = owner->newest;
	pthread_mutex_unlock(&wki_owner_lock);
	while ((registration = members_next(owner)) != NULL)
		registration->kind->withdraw(registration);
}

void wki_members_read(const wk_owner *owner, struct wki_member_figures *figures)
{
	const struct wki_member *member;

	*figures = (struct wki_member_figures){ 0 };
	pthread_mutex_lock(&wki_owner_lock);
	for (member = owner->newest; member != NULL; member = member->older) {
		switch (wki_registration_call(member->registration)) {
		case WKI_CALL_ARMED:
			figures->armed++;
			break;
		case WKI_CALL_POSTED:
		case WKI_CALL_CANCELLED:
			figures->waiting++;
			break;
		default:
			figures->running++;
		}
	}
	pthread_mutex_unlock(&wki_owner_lock);
}
