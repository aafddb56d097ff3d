/* Dictionaries with weak values, as docs/python.md shows them beside Python's: each line of its table stands here.
 * Every method of WeakValueDictionary, from any thread, with no lock around it.
 * Python: weakref.WeakValueDictionary. Here: weakref/value_dict.h and weakref/cursor.h. */
#include "person.h"

static wk_value_dict *dictionary(void)
{
	int status;
	const wk_value_dict_options by_name = { .struct_size = sizeof by_name, .keys = WK_KEYS_BYTES };
	wk_value_dict *d = wk_value_dict_new(&by_name, &status);

	if (!d)
		printf("%s\n", wk_strerror(status));
	return d;
}

static void *make_person(wk_key key, void *context, int *status)
{
	Person *p = person("made");

	(void)key, (void)status; /* *status is WK_ENOMEM already */
	if (p)
		p->age = *(const int *)context;
	return p;
}

static int items(wk_value_dict *d, Person *o)
{
	int status = wk_value_dict_set(d, wk_key_string("a"), o);
	if (status < 0)
		return status;
	Person *p = wk_value_dict_get(d, wk_key_string("a"));
	SHOW(p == o);
	wk_release(p);
	Person *other = wk_value_dict_get(d, wk_key_string("x"));
	if (!other)
		other = wk_retain(o);
	SHOW(other == o);
	wk_release(other);
	SHOW(wk_value_dict_contains(d, wk_key_string("a")));
	SHOW(wk_value_dict_len(d));
	Person *q = wk_value_dict_get_or_insert(d, wk_key_string("a"), o, &status);
	SHOW(q == o && status == WK_OK);
	wk_release(q);
	SHOW(wk_value_dict_remove(d, wk_key_string("b")) == WK_ENOTFOUND);
	Person *popped = wk_value_dict_pop(d, wk_key_string("a"));
	SHOW(popped == o);
	wk_release(popped);
	SHOW(wk_value_dict_insert(d, wk_key_string("a"), o) == WK_CREATED);
	return WK_OK;
}

static int creating(wk_value_dict *d)
{
	int status, age = 67;
	Person *p = wk_value_dict_get_or_create(d, wk_key_string("made"), WK_CREATE_ONCE, make_person, &age, &status);
	if (!p)
		return status;
	printf("%s, %d: %s\n", p->name, p->age, wk_strerror(status));
	wk_release(p);
	return WK_OK;
}

static void iterating(wk_value_dict *d)
{
	WK_EACH(Person, p, d) {
		size_t length;
		const char *key = wk_cursor_key(&p_cursor, &length);
		printf("%.*s: %s\n", (int)length, key, p->name);
	}

	wk_weak *refs[8];
	size_t count = wk_value_dict_refs(d, refs, 8);
	SHOW(count);
	for (size_t i = 0; i < count && i < 8; i++)
		wk_weak_release(refs[i]);

	WK_EACH(Person, each, d) { /* popitem() */
		size_t length;
		const void *key = wk_cursor_key(&each_cursor, &length);
		if (wk_value_dict_remove_if(d, wk_key_bytes(key, length), each) == WK_OK)
			break; /* the pair is ours */
	}
	Person *any = wk_value_dict_pop_any(d);
	SHOW(any == NULL);
	wk_release(any);
}

static int wholes(wk_value_dict *d, wk_value_dict *e)
{
	int status = wk_value_dict_update(d, e);
	if (status < 0)
		return status;
	wk_value_dict *copy = wk_value_dict_copy(d, &status);
	wk_value_dict *merged = wk_value_dict_merge(d, e, &status);
	SHOW(wk_value_dict_len(copy));
	SHOW(wk_value_dict_len(merged));
	wk_release(copy);
	wk_release(merged);
	wk_value_dict_clear(d);
	SHOW(wk_value_dict_len(d));
	return WK_OK;
}

int main(void)
{
	wk_value_dict *d = dictionary(), *e = dictionary();
	Person *o = person("Guido");
	if (!d || !e || !o || items(d, o) < 0 || creating(d) < 0)
		return 1;
	iterating(d);
	if (wk_value_dict_set(e, wk_key_string("e"), o) < 0 || wholes(d, e) < 0)
		return 1;
	wk_release(o);
	SHOW(wk_value_dict_len(e));
	wk_release(d);
	wk_release(e);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
