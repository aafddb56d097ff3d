/*
 * core/unique.c - what only the last owner of an object may do with it
 *
 * Being the only owner is not enough: a weak handle, an entry or a cell lets others peek the payload without a
 * count. So a payload is changed in place only if nobody ever could (wki_control_is_sole), and taken from an object
 * that others could peek only when it is dead and a grace period has passed.
 *
 * Layer: core.
 */
#include <string.h>

#include "core/control.h"
#include "reclaim/grace.h"
#include "sync/event.h"
#include "sync/rcu.h"

/* Is anything still registered? What was removed may be on the list as garbage. */
static bool object_is_watched_rcu(struct wki_control *control)
{
	struct wki_watch *watch;

	for (watch = wki_watch_first(&control->watches); watch != NULL; watch = wki_watch_next(watch)) {
		if (wki_watch_state(watch) == WKI_WATCH_LIVE)
			return true;
	}
	return false;
}

bool wk_is_unique(const void *object)
{
	struct wki_control *control;
	bool watched;

	if (object == NULL)
		return false;
	control = wki_control_of(object);
	if (wk_strong_count(object) != 1 || wk_weak_count(object) != 0)
		return false;
	wki_read_lock();
	watched = object_is_watched_rcu(control);
	wki_read_unlock();
	return !watched;
}

int wk_into_inner(const void *object, void *payload)
{
	struct wki_control *control;
	bool borrowed;

	if (object == NULL || payload == NULL)
		return WK_EINVAL;
	control = wki_control_of(object);
	if (control->type->flags & WK_TYPE_PINNED)
		return WK_ETYPE;
	if (wki_read_ongoing())
		return WK_EDEADLOCK;
	if (!wki_control_end(control, &borrowed))
		return WK_EBUSY;
	if (borrowed && (control->type->flags & WK_TYPE_PROMPT) == 0)
		(void)wki_grace_wait(wki_grace_ticket(), WKI_NO_DEADLINE);
	memcpy(payload, object, wki_control_size(control));
	wki_control_retire_without_destroy(control, borrowed);
	return WK_OK;
}

static bool unique_can_copy(const wk_type *type)
{
	return (type->flags & WK_TYPE_PINNED) == 0 && (type->copy != NULL || type->destroy == NULL);
}

static void *unique_copy(const struct wki_control *control, const void *object, int *status)
{
	const wk_type *type = control->type;
	const wk_new_options options = {
		.size = wki_control_size(control),
		.destroy_on = wki_control_meta(control) & WKI_EXTRA ? wki_extra_of(control)->destroy_on : NULL,
		.copy_from = object,
	};
	void *copy = wk_new_with(type, &options, status);

	if (copy == NULL || type->copy == NULL)
		return copy;
	*status = type->copy(copy, object);
	if (*status >= 0)
		return copy;
	wk_discard(copy);
	return NULL;
}

void *wk_make_unique(const void *object, int *status)
{
	const struct wki_control *control;
	void *copy;
	int unused;

	if (status == NULL)
		status = &unused;
	*status = object == NULL ? WK_EINVAL : WK_OK;
	if (object == NULL)
		return NULL;
	control = wki_control_of(object);
	if (!unique_can_copy(control->type)) {
		*status = WK_ETYPE;
		return NULL;
	}
	if (wki_control_is_sole(control))
		return (void *)(uintptr_t)object;
	copy = unique_copy(control, object, status);
	if (copy == NULL)
		return NULL;
	wk_release(object);
	*status = WK_CREATED;
	return copy;
}
