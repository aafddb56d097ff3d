#ifndef WEAKREF_VALUE_DICT_H
#define WEAKREF_VALUE_DICT_H

#include "weakref/object.h"

WK_BEGIN

typedef struct wk_value_dict wk_value_dict;

typedef struct wk_key {
	const void *data;
	uint64_t number;
} wk_key;

typedef enum wk_key_kind {
	WK_KEYS_U64,
	WK_KEYS_BYTES,
	WK_KEYS_CUSTOM
} wk_key_kind;

typedef enum wk_value_mode {
	WK_VALUES_WEAK,
	WK_VALUES_STRONG
} wk_value_mode;

typedef enum wk_create_mode {
	WK_CREATE_ONCE,
	WK_CREATE_RACE,
	WK_CREATE_TRY
} wk_create_mode;

typedef struct wk_key_type {
	uint64_t (*hash)(const void *key, uint64_t seed);
	bool (*equal)(const void *a, const void *b);
	void *(*copy)(const void *key);
	void (*release)(void *key);
} wk_key_type;

typedef struct wk_value_dict_options {
	size_t struct_size;
	const char *name;
	wk_key_kind keys;
	wk_value_mode values;
	const wk_key_type *key_type;
	const wk_type *value_type;
	size_t expected;
	const wk_allocator *allocator;
} wk_value_dict_options;

typedef void *wk_factory(wk_key key, void *context, int *status);

WK_API WK_MUST_USE wk_value_dict *wk_value_dict_new(const wk_value_dict_options *options, int *status);
WK_API WK_MUST_USE void *wk_value_dict_get(const wk_value_dict *dict, wk_key key);
WK_API void *wk_value_dict_peek(const wk_value_dict *dict, wk_key key);
WK_API size_t wk_value_dict_get_many(const wk_value_dict *dict, const wk_key *keys, size_t count, void **objects);
WK_API bool wk_value_dict_contains(const wk_value_dict *dict, wk_key key);
WK_API WK_MUST_USE int wk_value_dict_set(wk_value_dict *dict, wk_key key, const void *object);
WK_API WK_MUST_USE int wk_value_dict_insert(wk_value_dict *dict, wk_key key, const void *object);
WK_API WK_MUST_USE void *wk_value_dict_get_or_insert(wk_value_dict *dict, wk_key key, void *object, int *status);
WK_API WK_MUST_USE void *wk_value_dict_get_or_create(wk_value_dict *dict, wk_key key, wk_create_mode mode,
	wk_factory *make, void *context, int *status);
WK_API int wk_value_dict_remove(wk_value_dict *dict, wk_key key);
WK_API int wk_value_dict_remove_if(wk_value_dict *dict, wk_key key, const void *object);
WK_API WK_MUST_USE void *wk_value_dict_pop(wk_value_dict *dict, wk_key key);
WK_API size_t wk_value_dict_len(const wk_value_dict *dict);
WK_API void wk_value_dict_clear(wk_value_dict *dict);

static inline wk_key wk_key_u64(uint64_t number)
{
	wk_key key = { NULL, number };

	return key;
}

static inline wk_key wk_key_bytes(const void *data, size_t length)
{
	wk_key key = { data ? data : "", length };

	return key;
}

static inline wk_key wk_key_string(const char *text)
{
	return wk_key_bytes(text, strlen(text));
}

static inline wk_key wk_key_custom(const void *custom)
{
	wk_key key = { custom, 0 };

	return key;
}

WK_END

#endif
