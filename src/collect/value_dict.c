/*
 * collect/value_dict.c - value dictionaries: lookups, removals
 *
 * Layer: collect.
 */
#include "collect/values.h"

#include "sync/rcu.h"

WK_DEFINE_TYPE(value_dict_type, wk_value_dict, .flags = WK_TYPE_ASYNC_DESTROY | WK_TYPE_PINNED, .destroy = wki_value_destroy);

void wki_value_stop_key(const wk_value_dict *dict)
{
	static const char *const kinds[] = { "numbers", "bytes", "of the program's own type" };

	wki_stop("value dictionary \"%s\": its keys are %s, this one is not", dict->name, kinds[dict->form.keys]);
}

/* Looking up. */

static __attribute__((noinline, cold)) void *value_get(const wk_value_dict *dict, wk_key key)
{
	struct wki_value_key hashed = wki_value_key(dict, key);
	void *object;

	wki_read_lock();
	object = wki_value_get_rcu(dict, &hashed, wki_value_take_strong, NULL);
	wki_read_unlock();
	return object;
}

void *wk_value_dict_get(const wk_value_dict *dict, wk_key key)
{
	struct wki_section section;
	struct wki_control *control;
	void *object = NULL;

	if (!wki_value_is_plain(dict, key) || unlikely(!wki_read_is_known()))
		return value_get(dict, key);
	section = wki_section_begin();
	if (likely(wki_value_glance_rcu(dict, key.number, wki_hash_u64(key.number, dict->table.seed), 1, &control)))
		object = wki_control_upgrade(control);
	wki_section_end(section);
	return likely(object != NULL) ? object : value_get(dict, key);
}

static __attribute__((noinline, cold)) void *value_peek(const wk_value_dict *dict, wk_key key)
{
	struct wki_value_key hashed = wki_value_key(dict, key);

	if (!wki_read_join() && WKI_CHECK_LEVEL >= 1)
		wki_stop("value dictionary \"%s\": peeked outside a read section", dict->name);
	return wki_value_get_rcu(dict, &hashed, wki_value_take_borrowed, NULL);
}

void *wk_value_dict_peek(const wk_value_dict *dict, wk_key key)
{
	struct wki_control *control;
	void *object = NULL;

	if (WKI_CHECK_LEVEL >= 1 || !wki_value_is_plain(dict, key) || unlikely(!wki_read_is_known()))
		return value_peek(dict, key);
	if (likely(wki_value_glance_rcu(dict, key.number, wki_hash_u64(key.number, dict->table.seed), 0, &control)))
		object = wki_control_peek(control);
	return likely(object != NULL) ? object : value_peek(dict, key);
}

bool wk_value_dict_contains(const wk_value_dict *dict, wk_key key)
{
	struct wki_value_key hashed = wki_value_key(dict, key);
	bool is_there;

	wki_read_lock();
	is_there = wki_value_get_rcu(dict, &hashed, wki_value_take_live, NULL) != NULL;
	wki_read_unlock();
	return is_there;
}

size_t wk_value_dict_len(const wk_value_dict *dict)
{
	return wki_table_len(&dict->table);
}

/* Removing. */

int wk_value_dict_remove(wk_value_dict *dict, wk_key key)
{
	const struct wki_value_key hashed = wki_value_key(dict, key);
	struct wki_removal removal = { .dict = dict };

	return wki_value_remove(&removal, &hashed);
}

int wk_value_dict_remove_if(wk_value_dict *dict, wk_key key, const void *object)
{
	const struct wki_value_key hashed = wki_value_key(dict, key);
	struct wki_removal removal = { .dict = dict };

	if (object == NULL)
		return WK_ENOTFOUND;
	removal.only = wki_control_of(object);
	return wki_value_remove(&removal, &hashed);
}

void *wk_value_dict_pop(wk_value_dict *dict, wk_key key)
{
	const struct wki_value_key hashed = wki_value_key(dict, key);
	struct wki_removal removal = { .dict = dict, .wants = true };

	(void)wki_value_remove(&removal, &hashed);
	return removal.object;
}

void *wk_value_dict_pop_any(wk_value_dict *dict)
{
	struct wki_removal removal = { .dict = dict, .wants = true };

	wki_value_pop_any(&removal);
	return removal.object;
}

void wk_value_dict_clear(wk_value_dict *dict)
{
	wki_value_clear(dict);
}

wk_value_dict *wk_value_dict_new(const wk_value_dict_options *options, int *status)
{
	static const wk_value_dict_options defaults = { .struct_size = sizeof(defaults) };
	int code = WK_EINVAL;
	wk_value_dict *dict = NULL;

	if (options == NULL)
		options = &defaults;
	if (options->struct_size >= sizeof(*options))
		dict = wki_value_new(&value_dict_type, options, &code);
	if (status != NULL)
		*status = code;
	return dict;
}
