/* Dictionaries with weak keys, as docs/python.md shows them beside Python's: each line of its table stands here.
 * Every method of WeakKeyDictionary, from any thread, with no lock around it.
 * Python: weakref.WeakKeyDictionary. Here: weakref/key_dict.h and weakref/cursor.h. */
#include "person.h"

static wk_key_dict *dictionary(void)
{
	int status;
	const wk_key_dict_options by_equality = { .struct_size = sizeof by_equality, .compare = WK_BY_EQUALITY };
	wk_key_dict *d = wk_key_dict_new(&by_equality, &status);

	if (!d)
		printf("%s\n", wk_strerror(status));
	return d;
}

static void *make_friend(const void *key, void *context, int *status)
{
	(void)key, (void)status; /* *status is WK_ENOMEM already */
	return person(context);
}

static int items(wk_key_dict *d, Person *o, Person *value)
{
	int status = wk_key_dict_set(d, o, value);
	if (status < 0)
		return status;
	Person *v = wk_key_dict_get(d, o);
	SHOW(v == value);
	wk_release(v);
	Person *other = wk_key_dict_get(d, value);
	if (!other)
		other = wk_retain(o);
	SHOW(other == o);
	wk_release(other);
	SHOW(wk_key_dict_contains(d, o));
	SHOW(wk_key_dict_len(d));
	Person *w = wk_key_dict_get_or_insert(d, o, value, &status);
	SHOW(w == value && status == WK_OK);
	wk_release(w);
	SHOW(wk_key_dict_remove(d, value) == WK_ENOTFOUND);
	Person *popped = wk_key_dict_pop(d, o);
	SHOW(popped == value);
	wk_release(popped);
	Person *made = wk_key_dict_get_or_create(d, o, WK_CREATE_ONCE, make_friend, "Tim", &status);
	SHOW(status == WK_CREATED);
	wk_release(made);
	return WK_OK;
}

static void iterating(wk_key_dict *d)
{
	WK_EACH(Person, key, d) {
		const Person *value = wk_cursor_value(&key_cursor);
		printf("%s: %s\n", key->name, value->name);
	}

	wk_weak *refs[8];
	size_t count = wk_key_dict_refs(d, refs, 8);
	SHOW(count);
	for (size_t i = 0; i < count && i < 8; i++)
		wk_weak_release(refs[i]);

	wk_pair pair = wk_key_dict_pop_any(d);
	SHOW(pair.key != NULL && pair.value != NULL);
	wk_release(pair.key);
	wk_release(pair.value);
}

static int wholes(wk_key_dict *d, wk_key_dict *e)
{
	int status = wk_key_dict_update(d, e);
	if (status < 0)
		return status;
	wk_key_dict *copy = wk_key_dict_copy(d, &status);
	wk_key_dict *merged = wk_key_dict_merge(d, e, &status);
	SHOW(wk_key_dict_len(copy));
	SHOW(wk_key_dict_len(merged));
	wk_release(copy);
	wk_release(merged);
	wk_key_dict_clear(d);
	SHOW(wk_key_dict_len(d));
	return WK_OK;
}

int main(void)
{
	wk_key_dict *d = dictionary(), *e = dictionary();
	Person *o = person("Guido"), *value = person("Barry");
	if (!d || !e || !o || !value || items(d, o, value) < 0)
		return 1;
	iterating(d);
	if (wk_key_dict_set(e, o, value) < 0 || wholes(d, e) < 0)
		return 1;
	wk_release(o);
	SHOW(wk_key_dict_len(e));
	wk_release(value);
	wk_release(d);
	wk_release(e);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
