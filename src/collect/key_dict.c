/*
 * collect/key_dict.c - key dictionaries: lookups, stores, removals
 *
 * Layer: collect.
 */
#include "collect/key_dict.h"

#include "sync/rcu.h"

WK_DEFINE_TYPE(key_dict_type, wk_key_dict, .flags = WK_TYPE_ASYNC_DESTROY | WK_TYPE_PINNED, .destroy = wki_value_destroy);

/* Looking up. */

/* What the key's entry holds, if `take` can make something of it. */
struct key_lookup {
	const wk_value_dict *dict;
	void *(*take)(const wk_value_dict *dict, uintptr_t held);
};

static void *key_take(struct wki_entry *entry, void *context)
{
	const struct key_lookup *lookup = context;

	return wki_entry_is_live_rcu(entry) ? wki_held_of_rcu(lookup->dict, entry, lookup->take) : NULL;
}

static void *key_look_rcu(const wk_key_dict *dict, const struct wki_value_key *key,
			  void *(*take)(const wk_value_dict *, uintptr_t))
{
	struct key_lookup lookup = { .dict = &dict->keys, .take = take };

	return wki_value_get_rcu(&dict->keys, key, key_take, &lookup);
}

void *wki_key_own(const wk_key_dict *dict, const void *key)
{
	struct wki_value_key hashed;
	void *value;

	if (key == NULL || wki_value_key_of(&dict->keys, key, &hashed) < 0)
		return NULL;
	wki_read_lock();
	value = key_look_rcu(dict, &hashed, wki_held_own_rcu);
	wki_read_unlock();
	return value;
}

void *wk_key_dict_get(const wk_key_dict *dict, const void *key)
{
	if (dict->keys.hold == WK_HOLD_PLAIN)
		wki_stop("key dictionary \"%s\": its values are plain, there is nothing to own", dict->keys.name);
	return wki_key_own(dict, key);
}

void *wk_key_dict_peek(const wk_key_dict *dict, const void *key)
{
	struct wki_value_key hashed;

	if (!wki_read_join() && WKI_CHECK_LEVEL >= 1)
		wki_stop("key dictionary \"%s\": peeked outside a read section", dict->keys.name);
	if (key == NULL || wki_value_key_of(&dict->keys, key, &hashed) < 0)
		return NULL;
	return key_look_rcu(dict, &hashed, wki_held_peek_rcu);
}

bool wk_key_dict_contains(const wk_key_dict *dict, const void *key)
{
	struct wki_value_key hashed;
	bool is_there;

	if (key == NULL || wki_value_key_of(&dict->keys, key, &hashed) < 0)
		return false;
	wki_read_lock();
	is_there = key_look_rcu(dict, &hashed, wki_held_living_rcu) != NULL;
	wki_read_unlock();
	return is_there;
}

size_t wk_key_dict_len(const wk_key_dict *dict)
{
	return wki_table_len(&dict->keys.table);
}

/* Storing. */

int wki_key_check_value(const wk_key_dict *dict, const void *value)
{
	const wk_type *type;

	if (value == NULL)
		return WK_EINVAL;
	if (dict->keys.hold == WK_HOLD_PLAIN)
		return WK_OK;
	type = wki_control_of(value)->type;
	if (dict->keys.held_type != NULL && dict->keys.held_type != type)
		return WK_ETYPE;
	return dict->keys.hold == WK_HOLD_WEAK && (type->flags & WK_TYPE_NO_WEAK) != 0 ? WK_ETYPE : WK_OK;
}

int wki_key_check(const wk_key_dict *dict, const void *key, struct wki_value_key *hashed)
{
	int code = wki_value_check(&dict->keys, wk_key_u64(0), key);

	return code < 0 ? code : wki_value_key_of(&dict->keys, key, hashed);
}

int wki_key_store(struct wki_store *store, uintptr_t word, void *value)
{
	int code;

	store->held = wki_held_fill(store->dict, word, value);
	code = wki_store_run(store);
	if (store->held != 0)
		wki_held_empty(store->dict, store->held);
	return code;
}

static int key_store(struct wki_store *store, const void *key, void *value)
{
	const wk_key_dict *dict = wki_key_dict_of(store->dict);
	struct wki_value_key hashed;
	uintptr_t word;
	int code = wki_key_check_value(dict, value);

	if (code >= 0)
		code = wki_key_check(dict, key, &hashed);
	if (code < 0)
		return code;
	if (!wki_held_new(store->dict, &word))
		return WK_ENOMEM;
	store->key = &hashed;
	store->control = wki_control_of(key);
	return wki_key_store(store, word, value);
}

int wk_key_dict_set(wk_key_dict *dict, const void *key, void *value)
{
	struct wki_store store = { .dict = &dict->keys, .replaces = true };

	return key_store(&store, key, value);
}

int wk_key_dict_insert(wk_key_dict *dict, const void *key, void *value)
{
	struct wki_store store = { .dict = &dict->keys };

	if (key != NULL && value != NULL && wk_key_dict_contains(dict, key))
		return WK_EEXISTS;
	return key_store(&store, key, value);
}

void *wk_key_dict_get_or_insert(wk_key_dict *dict, const void *key, void *value, int *status)
{
	struct wki_store store = { .dict = &dict->keys, .wants = true };
	void *found = key != NULL && value != NULL ? wki_key_own(dict, key) : NULL;
	int code = WK_OK;

	if (found == NULL) {
		code = key_store(&store, key, value);
		found = store.found;
	}
	if (status != NULL)
		*status = code;
	if (code != WK_CREATED)
		return found;
	return dict->keys.hold == WK_HOLD_PLAIN ? value : wk_retain(value);
}

/* Removing. */

static int key_remove(struct wki_removal *removal, const void *key)
{
	struct wki_value_key hashed;

	if (key == NULL || wki_value_key_of(removal->dict, key, &hashed) < 0)
		return WK_ENOTFOUND;
	return wki_value_remove(removal, &hashed);
}

int wk_key_dict_remove(wk_key_dict *dict, const void *key)
{
	struct wki_removal removal = { .dict = &dict->keys };

	return key_remove(&removal, key);
}

int wk_key_dict_remove_if(wk_key_dict *dict, const void *key, const void *value)
{
	struct wki_removal removal = { .dict = &dict->keys, .only_held = value };

	return value == NULL ? WK_ENOTFOUND : key_remove(&removal, key);
}

void *wk_key_dict_pop(wk_key_dict *dict, const void *key)
{
	struct wki_removal removal = { .dict = &dict->keys, .wants = true };

	(void)key_remove(&removal, key);
	return removal.object;
}

wk_pair wk_key_dict_pop_any(wk_key_dict *dict)
{
	struct wki_removal removal = { .dict = &dict->keys, .wants = true, .wants_key = true };

	wki_value_pop_any(&removal);
	return (wk_pair){ .key = removal.key, .value = removal.object };
}

void wk_key_dict_clear(wk_key_dict *dict)
{
	wki_value_clear(&dict->keys);
}

wk_weak *wk_key_borrow(const void *key)
{
	struct wki_control *control;

	if (key == NULL)
		return NULL;
	control = wki_control_of(key);
	if (!wki_control_weakly(control))
		return NULL;
	(void)wki_control_borrow(control);
	return (wk_weak *)control;
}

/* Beginnings. */

static int key_options_check(const wk_key_dict_options *options)
{
	const wk_type *key_type = options->key_type, *value_type = options->value_type;
	bool plain = options->values == WK_HOLD_PLAIN;

	if (options->compare != WK_BY_IDENTITY && options->compare != WK_BY_EQUALITY)
		return WK_EINVAL;
	if (!plain && options->values != WK_HOLD_STRONG && options->values != WK_HOLD_WEAK)
		return WK_EINVAL;
	if (plain ? value_type != NULL : options->release_value != NULL)
		return WK_EINVAL;
	if (options->compare == WK_BY_EQUALITY && key_type != NULL && !wki_value_compares(key_type))
		return WK_ETYPE;
	if (options->values == WK_HOLD_WEAK && value_type != NULL && (value_type->flags & WK_TYPE_NO_WEAK) != 0)
		return WK_ETYPE;
	return WK_OK;
}

static wk_key_dict *key_new(const wk_key_dict_options *options, int *code)
{
	const wk_value_dict_options inner = { .struct_size = sizeof(inner),
					      .name = options->name,
					      .value_type = options->key_type,
					      .expected = options->expected,
					      .allocator = options->allocator };
	wk_value_dict *keys;

	*code = key_options_check(options);
	if (*code < 0)
		return NULL;
	keys = wki_value_new(&key_dict_type, &inner, code);
	if (keys == NULL)
		return NULL;
	keys->is_set = true;
	keys->form.marks = WKI_ENTRY_HELD | (options->compare == WK_BY_EQUALITY ? WKI_ENTRY_EQUAL : 0);
	keys->hold = (uint8_t)options->values;
	keys->release = options->release_value;
	keys->held_type = options->value_type;
	return wki_key_dict_of(keys);
}

wk_key_dict *wk_key_dict_new(const wk_key_dict_options *options, int *status)
{
	static const wk_key_dict_options defaults = { .struct_size = sizeof(defaults) };
	int code = WK_EINVAL;
	wk_key_dict *dict = NULL;

	if (options == NULL)
		options = &defaults;
	if (options->struct_size >= sizeof(*options))
		dict = key_new(options, &code);
	if (status != NULL)
		*status = code;
	return dict;
}
