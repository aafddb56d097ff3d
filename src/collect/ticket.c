/*
 * collect/ticket.c - tickets: one for each object that was asked for one
 *
 * An object's ticket is the one watch of its kind on the object's list. It is found by a walk, and made by a push
 * that fails if the list has a new beginning, so that two threads never make two.
 *
 * Layer: collect. Never: a lock.
 */
#include "weakref/ticket.h"

#include "base/check.h"
#include "collect/ticket.h"
#include "core/control.h"
#include "reclaim/cache.h"
#include "reclaim/limbo.h"
#include "reclaim/service.h"
#include "sync/rcu.h"
#include "weakref/weak.h"

static struct wki_ticket *ticket_of_watch(struct wki_watch *watch)
{
	return (struct wki_ticket *)(void *)watch;
}

static struct wki_ticket *ticket_of_link(struct wki_link *link)
{
	return (struct wki_ticket *)(void *)((char *)link - offsetof(struct wki_ticket, link));
}

/* Nobody can find it any more; who has found it may still be looking. */
static void ticket_retire(struct wki_ticket *ticket)
{
	wki_ticket_leave(ticket);
	wki_limbo_retire(wki_tag(&ticket->link, WKI_KIND_TICKET), sizeof(*ticket));
}

void wki_ticket_fired(struct wki_watch *watch)
{
	ticket_retire(ticket_of_watch(watch));
}

void wki_ticket_free(struct wki_link *link)
{
	struct wki_ticket *ticket = ticket_of_link(link);

	wki_ticket_give_back(ticket);
	wki_cache_free(ticket, sizeof(*ticket));
}

/* Making one. */

static struct wki_ticket *ticket_make_rcu(struct wki_control *control)
{
	struct wki_ticket *ticket = wki_cache_allocate(sizeof(*ticket));

	if (ticket == NULL)
		return NULL;
	if (!wki_ticket_take_rcu(ticket)) {
		wki_cache_free(ticket, sizeof(*ticket));
		return NULL;
	}
	wki_watch_init(&ticket->watch, WKI_WATCH_TICKET, 1);
	ticket->control = control;
	(void)wki_control_borrow(control);
	wki_ticket_hold(ticket);
	return ticket;
}

/* The object's ticket, if it is between `first` and `last`. */
static struct wki_ticket *ticket_find_rcu(struct wki_watch *first, const struct wki_watch *last)
{
	struct wki_watch *watch;

	for (watch = first; watch != NULL && watch != last; watch = wki_watch_next(watch)) {
		if (watch->kind == WKI_WATCH_TICKET)
			return ticket_of_watch(watch);
	}
	return NULL;
}

/* None from `first` on: put `fresh` on the list, unless somebody is faster. */
static uint64_t ticket_share_rcu(struct wki_control *control, struct wki_watch *first, struct wki_ticket *fresh)
{
	const struct wki_watch *seen = first;
	struct wki_ticket *theirs;

	while (!wki_watch_try_push(&control->watches, &first, &fresh->watch)) {
		theirs = ticket_find_rcu(first, seen);
		if (theirs != NULL) {
			ticket_retire(fresh);
			return theirs->value;
		}
		seen = first;
	}
	return fresh->value;
}

static uint64_t ticket_get_or_make_rcu(struct wki_control *control)
{
	struct wki_watch *first = wki_watch_first(&control->watches);
	struct wki_ticket *ticket = ticket_find_rcu(first, NULL);

	if (ticket != NULL)
		return ticket->value;
	ticket = ticket_make_rcu(control);
	return ticket == NULL ? 0 : ticket_share_rcu(control, first, ticket);
}

static wk_ticket ticket_of(const void *object, int *status)
{
	struct wki_control *control = wki_control_of(object);
	wk_ticket ticket;

	*status = wki_control_weakly(control) ? wki_service_need() : WK_ETYPE;
	if (*status < 0)
		return 0;
	wki_read_lock();
	ticket = ticket_get_or_make_rcu(control);
	wki_read_unlock();
	if (ticket == 0)
		*status = WK_ENOMEM;
	return ticket;
}

static wk_ticket ticket_refuse(int *status, int code)
{
	if (status != NULL)
		*status = code;
	return 0;
}

wk_ticket wk_ticket_of(const void *object, int *status)
{
	int unused;

	if (object == NULL)
		return ticket_refuse(status, WK_EINVAL);
	return ticket_of(object, status != NULL ? status : &unused);
}

wk_ticket wk_ticket_of_weak(const wk_weak *weak, int *status)
{
	void *object = wk_upgrade(weak);
	wk_ticket ticket;

	if (object == NULL)
		return ticket_refuse(status, weak == NULL ? WK_EINVAL : WK_EDEAD);
	ticket = wk_ticket_of(object, status);
	wk_release(object);
	return ticket;
}

/* And back. */

static struct wki_control *ticket_control_rcu(wk_ticket value, const wk_type *type)
{
	const struct wki_ticket_slot *slot = wki_ticket_find_slot(value);
	struct wki_ticket *ticket = slot == NULL ? NULL : wki_ticket_look_rcu(slot, value);

	return ticket != NULL && ticket->control->type == type ? ticket->control : NULL;
}

void *wk_ticket_get(wk_ticket ticket, const wk_type *type)
{
	struct wki_control *control;
	void *object = NULL;

	wki_read_lock();
	control = ticket_control_rcu(ticket, type);
	if (control != NULL)
		object = wki_control_upgrade(control);
	wki_read_unlock();
	return object;
}

void *wk_ticket_peek(wk_ticket ticket, const wk_type *type)
{
	struct wki_control *control;

	if (!wki_read_join() && WKI_CHECK_LEVEL >= 1)
		wki_stop("wk_ticket_peek outside a read section");
	control = ticket_control_rcu(ticket, type);
	return control == NULL ? NULL : wki_control_peek(control);
}

wk_weak *wk_ticket_weak(wk_ticket ticket, const wk_type *type)
{
	struct wki_control *control;

	wki_read_lock();
	control = ticket_control_rcu(ticket, type);
	if (control != NULL)
		wki_control_check_units(control, wki_count_add_unit(&control->count));
	wki_read_unlock();
	return (wk_weak *)control;
}
