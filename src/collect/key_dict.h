/*
 * collect/key_dict.h - what the files of key dictionaries share
 *
 * Layer: collect.
 */
#ifndef WKI_COLLECT_KEY_DICT_H
#define WKI_COLLECT_KEY_DICT_H

#include "collect/values.h"

struct wk_key_dict {
	struct wk_value_dict keys;
};

static inline wk_key_dict *wki_key_dict_of(wk_value_dict *keys)
{
	return (wk_key_dict *)(void *)keys;
}

/* wki_key_check - may anything be stored under this key? If so: hashed. wki_key_check_value - under any key, this value? */
int wki_key_check(const wk_key_dict *dict, const void *key, struct wki_value_key *hashed);
int wki_key_check_value(const wk_key_dict *dict, const void *value);

/* wki_key_store - wki_store_run with a value; `word` is wki_held_new's, and is used up */
int wki_key_store(struct wki_store *store, uintptr_t word, void *value);

/* wki_key_own - the value of a key, a strong reference or a plain pointer; NULL: absent */
void *wki_key_own(const wk_key_dict *dict, const void *key);

#endif
