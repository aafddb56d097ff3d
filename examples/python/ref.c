/* Weak reference objects, as docs/python.md shows them beside Python's: each line of its table stands here.
 * What they give, when callbacks run, how they are compared, hashed, counted, listed and printed.
 * Python: weakref.ref, getweakrefcount, getweakrefs, ReferenceType. Here: weakref/ref.h and weakref/weak.h. */
#include "person.h"

struct note {
	int calls;
};

static bool is_alive(const wk_weakref *ref)
{
	WK_AUTO Person *strong = wk_weakref_get(ref); /* a result that is only tested has to be released, too */

	return strong != NULL;
}

static int on_death(wk_weakref *ref, void *argument)
{
	printf("%s: the object is %s\n", (const char *)argument, is_alive(ref) ? "alive" : "gone");
	return 0;
}

static void *count_calls(wk_weakref *ref, void *object)
{
	struct note *note = wk_weakref_data(ref);

	note->calls++;
	return object;
}

static int fails(wk_weakref *ref, void *argument)
{
	(void)ref, (void)argument;
	return WK_EINVAL; /* goes to the error hook: a line on stderr */
}

static void on_error(void *context, int status, const char *type_name, const char *message)
{
	(void)context, (void)message;
	printf("a callback failed, %s: %s\n", type_name, wk_strerror(status));
}

static int calling(void)
{
	int status;
	Person *o = person("Guido");
	wk_weakref *r = wk_weakref_new(o, NULL, &status);
	if (!r)
		return status;
	Person *strong = wk_weakref_get(r);
	if (strong)
		printf("%s\n", strong->name);
	wk_release(strong);
	wk_weakref *same = wk_weakref_new(o, NULL, &status);
	SHOW(same == r);
	wk_release(o);
	SHOW(is_alive(r));
	wk_weakref_release(same);
	wk_weakref_release(r);
	return WK_OK;
}

static int callbacks(void)
{
	int status;
	Person *o = person("Guido");
	wk_weakref *first = wk_weakref_new(o, &(wk_callback){ .run = on_death, .argument = "first" }, &status);
	wk_weakref *second = wk_weakref_new(o, &(wk_callback){ .run = on_death, .argument = "second" }, &status);
	wk_weakref *failing = wk_weakref_new(o, &(wk_callback){ .run = fails }, &status);
	wk_weakref *dropped = wk_weakref_new(o, &(wk_callback){ .run = on_death, .argument = "dropped" }, &status);
	wk_weakref *cancelled = wk_weakref_new(o, &(wk_callback){ .run = on_death, .argument = "never" }, &status);
	wk_weakref_release(dropped);
	SHOW(wk_weakref_cancel(cancelled) == WK_OK);
	wk_release(o);
	status = wk_barrier(WK_NO_TIMEOUT);
	wk_weakref_release(first);
	wk_weakref_release(second);
	wk_weakref_release(failing);
	wk_weakref_release(cancelled);
	return status;
}

static void hash_and_equality(void)
{
	Person *a = person("Guido"), *b = person("Guido");
	wk_weakref *r = wk_weakref_new(a, NULL, NULL);
	wk_weakref *s = wk_weakref_new(b, NULL, NULL);
	uint64_t hash, again;
	SHOW(wk_weakref_hash(r, &hash) == WK_OK);
	SHOW(wk_weakref_equal(r, s));
	wk_release(a);
	SHOW(wk_weakref_hash(r, &again) == WK_OK && again == hash);
	SHOW(wk_weakref_equal(r, s));
	SHOW(wk_weakref_equal(r, r));
	wk_release(b);
	SHOW(wk_weakref_hash(s, &hash) == WK_EDEAD);
	wk_weakref_release(r);
	wk_weakref_release(s);
}

static void introspection(void)
{
	Person *o = person("Guido");
	wk_weakref *r = wk_weakref_new(o, NULL, NULL);
	wk_weakref *s = wk_weakref_new_sized(o, NULL, sizeof(struct note), NULL);
	wk_weakref *h = wk_weakref_new_hooked(o, NULL, sizeof(struct note), count_calls, NULL);
	wk_weakref *refs[8];
	char text[80];
	SHOW(wk_weakref_count(o));
	size_t count = wk_weakref_list(o, refs, 8);
	for (size_t i = 0; i < count && i < 8; i++)
		wk_weakref_release(refs[i]);
	SHOW(wk_weakref_kind(r) == WK_KIND_REF);
	struct note *note = wk_weakref_data(s);
	note->calls++;
	note = wk_weakref_data(h);
	SHOW(is_alive(h));
	SHOW(note->calls);
	wk_weakref_format(r, text, sizeof text);
	printf("%s\n", text);
	wk_release(o);
	wk_weakref_format(r, text, sizeof text);
	printf("%s\n", text);
	wk_weakref_release(r);
	wk_weakref_release(s);
	wk_weakref_release(h);
}

static void handles(void)
{
	Person *o = person("Guido");
	wk_weak *weak = wk_downgrade(o);
	Person *strong = wk_upgrade(weak);
	SHOW(wk_weak_refers_to(weak, o));
	SHOW(wk_weak_expired(weak));
	wk_release(strong);
	wk_release(o);
	SHOW(wk_weak_expired(weak));
	wk_weak_release(weak);
}

int main(void)
{
	const wk_runtime_options options = { .struct_size = sizeof options, .on_error = on_error };

	if (wk_runtime_start(&options) < 0 || calling() < 0 || callbacks() < 0)
		return 1;
	hash_and_equality();
	introspection();
	handles();
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
