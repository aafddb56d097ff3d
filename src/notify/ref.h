/*
 * notify/ref.h - what proxies and methods share with weak reference objects, which they are
 *
 * Layer: notify.
 */
#ifndef WKI_NOTIFY_REF_H
#define WKI_NOTIFY_REF_H

#include "base/memory.h"
#include "notify/registration.h"
#include "weakref/ref.h"

/* What makes a reference do something else than its kind. */
union wki_ref_extra {
	wk_get_hook *get;      /* WK_KIND_REF; NULL: none */
	wk_function *function; /* WK_KIND_METHOD */
};

struct wk_weakref {
	struct wki_registration registration; /* watch.detail: the kind; flag: `hash` is known */
	int (*run)(wk_weakref *ref, void *argument);
	union wki_ref_extra extra; /* constant */
	wki_atomic_u64 hash;       /* always the same value, whoever stores it */
	_Alignas(WKI_ALIGNMENT) unsigned char data[];
};

/* What is asked for. Without data, extra and callback it is shared by all who ask for that kind. */
struct wki_ref_plan {
	wk_kind kind;
	union wki_ref_extra extra;
	size_t data_size;
	const wk_callback *callback;
};

wk_weakref *wki_weakref_make(const void *object, const struct wki_ref_plan *plan, int *status);

static inline struct wki_control *wki_weakref_control(const wk_weakref *ref)
{
	return ref->registration.control;
}

/* wki_weakref_apply - function(object, argument) if the object lives; WK_EDEAD if not */
int wki_weakref_apply(const wk_weakref *ref, wk_function *function, void *argument, int *result);

#endif
