/* Proxies and weak methods, as docs/python.md shows them beside Python's: each line of its tables stands here.
 * Something is done with an object that is held only meanwhile, or WK_EDEAD comes back.
 * Python: weakref.proxy, WeakMethod, ProxyType, CallableProxyType. Here: weakref/ref.h. */
#include "person.h"

typedef struct Greeter {
	const char *greeting;
} Greeter;

static int greeter_call(void *payload, void *argument)
{
	printf("%s, %s\n", ((const Greeter *)payload)->greeting, (const char *)argument);
	return 1;
}
WK_DEFINE_TYPE(greeter_type, Greeter, .call = greeter_call);

static int birthday(void *object, void *argument)
{
	(void)argument;
	return ++((Person *)object)->age;
}

static int on_death(wk_weakref *ref, void *argument)
{
	char text[80];

	(void)argument;
	wk_weakref_format(ref, text, sizeof text);
	printf("%s\n", text);
	return 0;
}

static bool is_proxy(const wk_weakref *ref)
{
	wk_kind kind = wk_weakref_kind(ref);

	return kind == WK_KIND_PROXY || kind == WK_KIND_CALLABLE_PROXY;
}

static int proxies(void)
{
	int status, age = 0;
	uint64_t hash;
	char text[80];
	Person *o = person("Guido");
	wk_weakref *p = wk_proxy_new(o, NULL, &status);
	if (!p)
		return status;
	SHOW(wk_proxy_use(p, birthday, NULL, &age) == WK_OK);
	SHOW(age);
	WK_WITH(Person, guido, p)
		guido->age += 2;
	WK_WITH(Person, guido, p)
		printf("%s is %d\n", guido->name, guido->age);
	wk_weakref_format(p, text, sizeof text);
	printf("%s\n", text);
	SHOW(wk_weakref_hash(p, &hash) == WK_ETYPE);
	SHOW(wk_weakref_kind(p) == WK_KIND_PROXY);
	SHOW(is_proxy(p));
	wk_release(o);
	SHOW(wk_proxy_use(p, birthday, NULL, &age) == WK_EDEAD);
	wk_weakref_release(p);
	return WK_OK;
}

static int callable_proxies(void)
{
	int status, result = 0;
	Greeter *greeter = WK_NEW(Greeter, &greeter_type);
	wk_weakref *c = wk_proxy_new(greeter, &(wk_callback){ .run = on_death }, &status);
	if (!c)
		return status;
	greeter->greeting = "Hello";
	SHOW(wk_weakref_kind(c) == WK_KIND_CALLABLE_PROXY);
	SHOW(wk_proxy_call(c, "Guido", &result) == WK_OK);
	wk_release(greeter);
	status = wk_barrier(WK_NO_TIMEOUT); /* the callback has run */
	SHOW(wk_proxy_call(c, "Guido", &result) == WK_EDEAD);
	wk_weakref_release(c);
	return status;
}

static int methods(void)
{
	int status, age = 0;
	Person *o = person("Guido");
	wk_weakref *m = wk_method_new(o, birthday, NULL, &status);
	if (!m)
		return status;
	SHOW(wk_method_call(m, NULL, &age) == WK_OK);
	SHOW(age);
	SHOW(wk_method_function(m) == birthday);
	Person *self = wk_weakref_get(m);
	SHOW(self == o);
	wk_release(self);
	SHOW(wk_weakref_kind(m) == WK_KIND_METHOD);
	wk_weakref *n = wk_method_new(o, birthday, &(wk_callback){ .run = on_death }, &status);
	wk_release(o);
	status = wk_barrier(WK_NO_TIMEOUT);
	SHOW(wk_method_call(m, NULL, &age) == WK_EDEAD);
	wk_weakref_release(m);
	wk_weakref_release(n);
	return status;
}

int main(void)
{
	if (proxies() < 0 || callable_proxies() < 0 || methods() < 0)
		return 1;
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
