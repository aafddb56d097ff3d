/*
 * notify/member.h - what was registered under an owner: callbacks and finalizers, newest first
 *
 * A member is made before its registration, joins its owner's list before anybody can meet the
 * registration, and leaves when the registration's argument has been released, that is, when
 * nothing will be called any more. Meanwhile it holds the owner (core/owner.h). Joining and
 * leaving take the lock of all owners: a registration with a member ends where it would have been
 * called, never on a thread that only gives it up.
 *
 * Layer: notify.
 */
#ifndef WKI_NOTIFY_MEMBER_H
#define WKI_NOTIFY_MEMBER_H

#include <stdint.h>

#include "core/owner.h"

struct wki_registration;

struct wki_member {
	wk_owner *owner; /* held */
	struct wki_registration *registration;
	struct wki_member *older, *newer; /* under the lock */
};

/* wki_member_new - *member, or NULL where `owner` is NULL. WK_ESHUTDOWN: the owner is closed; WK_ENOMEM. */
int wki_member_new(wk_owner *owner, struct wki_member **member);
/* wki_member_discard - of one that has not joined; NULL is fine */
void wki_member_discard(struct wki_member *member);

/* wki_member_join - nobody has met the registration yet; false: the owner is closed meanwhile. wki_member_leave - and free it */
bool wki_member_join(struct wki_member *member, struct wki_registration *registration);
void wki_member_leave(struct wki_member *member);

/*
 * wki_members_withdraw - by who has closed the owner: take back what watches other owners' objects
 *
 * Newest first. What watches the owner's own objects stays, for their deaths.
 */
void wki_members_withdraw(wk_owner *owner);

struct wki_member_figures {
	uint64_t armed, waiting, running;
};
void wki_members_read(const wk_owner *owner, struct wki_member_figures *figures);

#endif
