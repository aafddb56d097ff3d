/*
 * collect/value_create.c - get_or_create of value dictionaries
 *
 * Layer: collect.
 */
#include "collect/create.h"

/* `base` comes first. */
struct value_creation {
	struct wki_creation base;
	wk_factory *make;
	void *context;
};

static void value_make(struct wki_creation *creation)
{
	const struct value_creation *value = (struct value_creation *)creation;

	creation->product = value->make(creation->key->entry.key, value->context, &creation->status);
}

static void value_publish(struct wki_creation *creation)
{
	struct wki_store store = { .dict = creation->dict, .key = creation->key, .wants = true };

	creation->status = wki_value_check(creation->dict, creation->key->entry.key, creation->product);
	if (creation->status >= 0) {
		store.control = wki_control_of(creation->product);
		creation->status = wki_store_run(&store);
	}
	creation->result = creation->status == WK_CREATED ? creation->product : store.found;
}

static void value_discard(struct wki_creation *creation)
{
	wk_release(creation->product);
}

void *wk_value_dict_get_or_create(wk_value_dict *dict, wk_key key, wk_create_mode mode, wk_factory *make, void *context,
				  int *status)
{
	struct value_creation creation = {
		.base = { .dict = dict, .mode = mode, .make = value_make, .publish = value_publish, .discard = value_discard },
		.make = make,
		.context = context
	};
	struct wki_value_key hashed;

	creation.base.status = make != NULL ? wki_create_check(mode) : WK_EINVAL;
	if (creation.base.status >= 0)
		creation.base.status = wki_value_check_key(dict, key);
	if (creation.base.status >= 0)
		creation.base.result = wk_value_dict_get(dict, key);
	if (creation.base.status >= 0 && creation.base.result == NULL) {
		hashed = wki_value_key(dict, key);
		creation.base.key = &hashed;
		wki_create(&creation.base);
	}
	if (status != NULL)
		*status = creation.base.status;
	return creation.base.result;
}
