/*
 * collect/value_bulk.c - value dictionaries as wholes
 *
 * Layer: collect.
 */
#include "collect/bulk.h"

static wk_key bulk_key(const wk_value_dict *dict, const wk_cursor *cursor)
{
	size_t length;
	const void *data;

	if (dict->form.keys == WK_KEYS_U64)
		return wk_key_u64(wk_cursor_key_u64(cursor));
	data = wk_cursor_key(cursor, &length);
	return dict->form.keys == WK_KEYS_BYTES ? wk_key_bytes(data, length) : wk_key_custom(data);
}

static int value_update_one(wk_cursor *cursor, void *object, void *context)
{
	wk_value_dict *dict = context;

	return wk_value_dict_set(dict, bulk_key(dict, cursor), object);
}

static bool value_keys_agree(const wk_value_dict *a, const wk_value_dict *b)
{
	return a->form.keys == b->form.keys && a->form.key_type == b->form.key_type;
}

int wk_value_dict_update(wk_value_dict *dict, const wk_value_dict *from)
{
	return value_keys_agree(dict, from) ? wki_bulk_each(from, value_update_one, dict) : WK_EINVAL;
}

static wk_value_dict *value_new_like(const wk_value_dict *dict, size_t expected, int *code)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options),
						.name = dict->name,
						.keys = dict->form.keys,
						.values = dict->values,
						.key_type = dict->form.key_type,
						.value_type = dict->value_type,
						.expected = expected,
						.allocator = dict->form.allocator,
						.removed = dict->listener.removed,
						.removed_context = dict->listener.context };

	return wk_value_dict_new(&options, code);
}

wk_value_dict *wk_value_dict_copy(const wk_value_dict *dict, int *status)
{
	int code;
	wk_value_dict *copy = value_new_like(dict, wk_value_dict_len(dict), &code);

	if (copy != NULL)
		code = wk_value_dict_update(copy, dict);
	return wki_bulk_result(copy, code, status);
}

wk_value_dict *wk_value_dict_merge(const wk_value_dict *a, const wk_value_dict *b, int *status)
{
	int code = WK_EINVAL;
	wk_value_dict *merged = NULL;

	if (value_keys_agree(a, b))
		merged = value_new_like(a, wk_value_dict_len(a) + wk_value_dict_len(b), &code);
	if (merged != NULL)
		code = wk_value_dict_update(merged, a);
	if (merged != NULL && code >= 0)
		code = wk_value_dict_update(merged, b);
	return wki_bulk_result(merged, code, status);
}

size_t wk_value_dict_refs(const wk_value_dict *dict, wk_weak **refs, size_t capacity)
{
	return wki_bulk_refs(dict, refs, capacity);
}
