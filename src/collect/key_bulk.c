/*
 * collect/key_bulk.c - key dictionaries as wholes
 *
 * Layer: collect.
 */
#include "collect/bulk.h"
#include "collect/key_dict.h"
#include "sync/rcu.h"

/* Plain values may have no destructor here: a pointer may outlive the section that it was read in. */
static int key_update_one(wk_cursor *cursor, void *key, void *context)
{
	wk_key_dict *dict = context;
	void *value;

	wki_read_lock();
	value = wk_cursor_value(cursor);
	wki_read_unlock();
	return value == NULL ? WK_OK : wk_key_dict_set(dict, key, value);
}

static bool key_can_share(const wk_value_dict *a, const wk_value_dict *b)
{
	return (a->hold == WK_HOLD_PLAIN) == (b->hold == WK_HOLD_PLAIN) && a->release == NULL && b->release == NULL;
}

int wk_key_dict_update(wk_key_dict *dict, const wk_key_dict *from)
{
	if (!key_can_share(&dict->keys, &from->keys))
		return WK_EINVAL;
	return wki_bulk_each(from, key_update_one, dict);
}

static wk_key_dict *key_new_like(const wk_key_dict *dict, size_t expected, int *code)
{
	const wk_value_dict *keys = &dict->keys;
	const wk_key_dict_options options = {
		.struct_size = sizeof(options),
		.name = keys->name,
		.compare = keys->form.marks & WKI_ENTRY_EQUAL ? WK_BY_EQUALITY : WK_BY_IDENTITY,
		.values = (wk_hold)keys->hold,
		.key_type = keys->value_type,
		.value_type = keys->held_type,
		.expected = expected,
		.allocator = keys->form.allocator
	};

	return wk_key_dict_new(&options, code);
}

wk_key_dict *wk_key_dict_copy(const wk_key_dict *dict, int *status)
{
	int code = key_can_share(&dict->keys, &dict->keys) ? WK_OK : WK_EINVAL;
	wk_key_dict *copy = NULL;

	if (code >= 0)
		copy = key_new_like(dict, wk_key_dict_len(dict), &code);
	if (copy != NULL)
		code = wk_key_dict_update(copy, dict);
	return wki_bulk_result(copy, code, status);
}

wk_key_dict *wk_key_dict_merge(const wk_key_dict *a, const wk_key_dict *b, int *status)
{
	int code = key_can_share(&a->keys, &b->keys) ? WK_OK : WK_EINVAL;
	wk_key_dict *merged = NULL;

	if (code >= 0)
		merged = key_new_like(a, wk_key_dict_len(a) + wk_key_dict_len(b), &code);
	if (merged != NULL)
		code = wk_key_dict_update(merged, a);
	if (merged != NULL && code >= 0)
		code = wk_key_dict_update(merged, b);
	return wki_bulk_result(merged, code, status);
}

size_t wk_key_dict_refs(const wk_key_dict *dict, wk_weak **refs, size_t capacity)
{
	return wki_bulk_refs(&dict->keys, refs, capacity);
}
