/*
 * notify/method.c - weak methods: a function, and an object that it does not hold
 *
 * Layer: notify.
 */
#include "notify/ref.h"

wk_weakref *wk_method_new(const void *object, wk_function *function, const wk_callback *callback, int *status)
{
	const struct wki_ref_plan plan = {
		.kind = WK_KIND_METHOD,
		.extra.function = function,
		.callback = callback,
	};

	if (function != NULL)
		return wki_weakref_make(object, &plan, status);
	if (status != NULL)
		*status = WK_EINVAL;
	return NULL;
}

wk_function *wk_method_function(const wk_weakref *method)
{
	return method != NULL && wk_weakref_kind(method) == WK_KIND_METHOD ? method->extra.function : NULL;
}

int wk_method_call(const wk_weakref *method, void *argument, int *result)
{
	if (method == NULL)
		return WK_EINVAL;
	if (wk_weakref_kind(method) != WK_KIND_METHOD)
		return WK_ETYPE;
	return wki_weakref_apply(method, method->extra.function, argument, result);
}
