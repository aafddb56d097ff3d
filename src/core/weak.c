/*
 * core/weak.c - weak handles, read sections, peeks
 *
 * Layer: core.
 */
#include "weakref/weak.h"

#include "core/control.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"
#include "weakref/read.h"

wk_weak *wk_downgrade(const void *object)
{
	struct wki_control *control;

	if (object == NULL)
		return NULL;
	control = wki_control_of(object);
	if (!wki_control_weakly(control))
		return NULL;
	wki_control_borrow_unit(control);
	return (wk_weak *)control;
}

void *wk_upgrade(const wk_weak *weak)
{
	return weak == NULL ? NULL : wki_control_upgrade(wki_control_of_weak(weak));
}

void *wk_upgrade_as(const wk_weak *weak, const wk_type *type)
{
	return weak == NULL || wki_control_of_weak(weak)->type != type ? NULL : wk_upgrade(weak);
}

wk_weak *wk_weak_retain(wk_weak *weak)
{
	if (weak != NULL)
		wki_control_add_unit(wki_control_of_weak(weak));
	return weak;
}

void wk_weak_release(wk_weak *weak)
{
	if (weak != NULL)
		wki_control_drop_unit(wki_control_of_weak(weak));
}

bool wk_weak_expired(const wk_weak *weak)
{
	return weak == NULL || wki_count_is_dead(&wki_control_of_weak(weak)->count);
}

bool wk_weak_refers_to(const wk_weak *weak, const void *object)
{
	return weak != NULL && object != NULL && wki_control_of(object) == wki_control_of_weak(weak);
}

uint64_t wk_weak_hash(const wk_weak *weak)
{
	/* A multiplicative mix: addresses differ in their middle bits, tables look at the ends. */
	uint64_t mixed = (uint64_t)(uintptr_t)weak * UINT64_C(0x9e3779b97f4a7c15);

	return mixed ^ mixed >> 32;
}

const wk_type *wk_weak_type(const wk_weak *weak)
{
	return weak == NULL ? NULL : wki_control_of_weak(weak)->type;
}

void *wk_weak_peek(const wk_weak *weak)
{
	if (!wki_read_join() && WKI_CHECK_LEVEL >= 1)
		wki_stop("wk_weak_peek outside a read section");
	return weak == NULL ? NULL : wki_control_peek(wki_control_of_weak(weak));
}

void wk_read_lock(void)
{
	wki_read_lock();
}

void wk_read_unlock(void)
{
	if (WKI_CHECK_LEVEL >= 1 && !wki_read_ongoing())
		wki_stop("wk_read_unlock outside a read section");
	wki_read_unlock();
}

int wk_thread_prepare(void)
{
	wki_read_lock();
	wki_read_unlock();
	return wki_thread_self() == NULL ? WK_ENOMEM : WK_OK;
}
