/*
 * notify/registration.c - handing calls over, making them, giving memory back
 *
 * Layer: notify. Never: the program's code on a thread that only releases something.
 */
#include "notify/registration.h"

#include <pthread.h>
#include <string.h>

#include "core/control.h"
#include "notify/member.h"
#include "notify/queue.h"
#include "reclaim/cache.h"
#include "reclaim/limbo.h"
#include "reclaim/runner.h"
#include "reclaim/service.h"
#include "reclaim/thread.h"

static wki_atomic_u64 registrations_run;

uint64_t wki_registrations_run(void)
{
	/* REG-8 relaxed; pairs: none; weaker: not possible; check: api/ref_callback_test (statistics) */
	return atomic_load_relaxed(&registrations_run);
}

struct wki_control *wki_registration_target(const void *object, int *status)
{
	struct wki_control *control;

	if (object == NULL) {
		*status = WK_EINVAL;
		return NULL;
	}
	control = wki_control_of(object);
	*status = wki_control_weakly(control) ? wki_service_need() : WK_ETYPE;
	return *status < 0 ? NULL : control;
}

void *wki_registration_allocate(size_t bytes)
{
	struct wki_registration *registration = bytes <= UINT32_MAX ? wki_cache_allocate(bytes) : NULL;

	if (registration == NULL)
		return NULL;
	memset(registration, 0, bytes);
	registration->bytes = (uint32_t)bytes;
	return registration;
}

wk_owner *wki_registration_owner(const struct wki_control *control, wk_owner *owner)
{
	return owner != NULL ? owner : control->type->owner;
}

void wki_registration_begin(struct wki_registration *registration, uint8_t watch_kind, enum wki_call call,
			    struct wki_control *control)
{
	wki_registration_init(registration, watch_kind, call);
	wki_event_init(&registration->done);
	registration->control = control;
	(void)wki_count_add_unit(&control->count);
	(void)wki_control_borrow(control);
	if (registration->queue == NULL)
		return;
	wk_retain(registration->queue);
	/* Who posts looks at the queue in a read section, and its last reference may go with what he posts. */
	(void)wki_control_borrow(wki_control_of(registration->queue));
}

bool wki_registration_join(struct wki_registration *registration)
{
	return registration->member == NULL || wki_member_join(registration->member, registration);
}

void wki_registration_undo(struct wki_registration *registration)
{
	wk_release(registration->queue);
	wki_registration_free(&registration->link);
}

void wki_registration_post(struct wki_registration *registration)
{
	wki_tagged tagged = wki_tag(&registration->link, WKI_KIND_CALL);
	wk_queue *queue = registration->queue;

	if (queue == NULL || !wki_queue_deliver(queue, tagged))
		wki_runner_now(tagged);
}

void wki_registration_add_call(struct wki_registration *registration)
{
	wk_retain(registration->queue);
	(void)wki_registration_add(registration, WKI_HOLD_CALL);
}

void wki_registration_drop_call(struct wki_registration *registration)
{
	wk_release(registration->queue);
	(void)wki_registration_drop(registration, WKI_HOLD_CALL);
}

void wki_registration_end(struct wki_registration *registration)
{
	if (registration->release != NULL) {
		wki_callback_enter();
		registration->release(registration->argument);
		wki_callback_leave();
	}
	if (registration->kind->over != NULL)
		registration->kind->over(registration);
	if (registration->member != NULL)
		wki_member_leave(registration->member);
	wki_registration_drop_call(registration);
}

/* The call has returned, or has ended its thread. */
static void registration_returned(void *argument)
{
	struct wki_registration *registration = argument;

	wki_callback_leave();
	(void)wki_registration_move(registration, WKI_CALL_RUNNING, WKI_CALL_DONE);
	wki_event_signal(&registration->done);
	wki_registration_end(registration);
}

int wki_registration_run(struct wki_registration *registration, bool report)
{
	int result;

	/* REG-9 relaxed; pairs: none; weaker: not possible; check: api/ref_callback_test (statistics) */
	(void)atomic_fetch_add_relaxed(&registrations_run, 1);
	wki_callback_enter();
	pthread_cleanup_push(registration_returned, registration);
	result = registration->kind->run(registration);
	if (result < 0 && report)
		wki_report_error(result, registration->control->type->name, registration->kind->failure);
	pthread_cleanup_pop(1);
	return result;
}

bool wki_registration_wait(struct wki_registration *registration, uint64_t deadline)
{
	uint32_t seen;

	for (;;) {
		seen = wki_event_value(&registration->done);
		if (wki_registration_call(registration) != WKI_CALL_RUNNING)
			return true;
		if (!wki_event_wait(&registration->done, seen, deadline))
			return wki_registration_call(registration) != WKI_CALL_RUNNING;
	}
}

void wki_registration_retire(struct wki_registration *registration)
{
	wki_tagged tagged = wki_tag(&registration->link, WKI_KIND_REGISTRATION);

	if (registration->control->type->owner == NULL)
		wki_limbo_retire(tagged, registration->bytes);
	else
		wki_runner_after_grace(tagged); /* it keeps a control block whose owner is waited for */
}

void wki_registration_free(struct wki_link *link)
{
	struct wki_registration *registration = wki_registration_of_link(link);

	wki_control_drop_unit(registration->control);
	wki_cache_free(registration, registration->bytes);
}

void wki_registration_stop_misused(const struct wki_registration *registration)
{
	wki_stop_control(registration->control, "a weak reference to it was released more often than owned");
}
