/*
 * notify/proxy.c - proxies: objects that are used without being held
 *
 * Layer: notify.
 */
#include "core/control.h"
#include "notify/ref.h"

wk_weakref *wk_proxy_new(const void *object, const wk_callback *callback, int *status)
{
	const struct wki_ref_plan plan = {
		.kind = object != NULL && wk_type_of(object)->call != NULL ? WK_KIND_CALLABLE_PROXY : WK_KIND_PROXY,
		.callback = callback,
	};

	return wki_weakref_make(object, &plan, status);
}

int wk_proxy_use(const wk_weakref *proxy, wk_function *use, void *argument, int *result)
{
	wk_kind kind;

	if (proxy == NULL || use == NULL)
		return WK_EINVAL;
	kind = wk_weakref_kind(proxy);
	if (kind != WK_KIND_PROXY && kind != WK_KIND_CALLABLE_PROXY)
		return WK_ETYPE;
	return wki_weakref_apply(proxy, use, argument, result);
}

int wk_proxy_call(const wk_weakref *proxy, void *argument, int *result)
{
	if (proxy == NULL)
		return WK_EINVAL;
	if (wk_weakref_kind(proxy) != WK_KIND_CALLABLE_PROXY)
		return WK_ETYPE;
	return wki_weakref_apply(proxy, wki_weakref_control(proxy)->type->call, argument, result);
}
