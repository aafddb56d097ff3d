/*
 * collect/key_create.c - get_or_create of key dictionaries
 *
 * Memory for what the entry will hold is there before the factory runs: once there is a product, a plain one
 * above all, it must be possible to give it up as it is to be given up.
 *
 * Layer: collect.
 */
#include <pthread.h>

#include "collect/create.h"
#include "collect/key_dict.h"
#include "sync/rcu.h"

/* `base` comes first. */
struct key_creation {
	struct wki_creation base;
	const void *key;
	wk_key_factory *make;
	void *context;
	uintptr_t word;
};

static struct key_creation *key_creation(struct wki_creation *creation)
{
	return (struct key_creation *)creation;
}

/* There is no product, also because the factory has ended its thread. */
static void key_unmake(void *argument)
{
	struct key_creation *creation = argument;

	wki_held_free(creation->base.dict, creation->word);
}

static void key_make(struct wki_creation *base)
{
	struct key_creation *creation = key_creation(base);

	if (!wki_held_new(base->dict, &creation->word))
		return;
	pthread_cleanup_push(key_unmake, creation);
	base->product = creation->make(creation->key, creation->context, &base->status);
	pthread_cleanup_pop(base->product == NULL);
}

/* A plain product that is not stored is given up as one that was: a box that others may have seen looks the same. */
static void key_give_up(struct key_creation *creation, uintptr_t held)
{
	wk_value_dict *dict = creation->base.dict;

	if (dict->hold != WK_HOLD_PLAIN) {
		wki_held_empty(dict, held);
		return;
	}
	wki_read_lock();
	(void)wki_held_drop_rcu(dict, held);
	wki_read_unlock();
}

static void key_publish(struct wki_creation *base)
{
	struct key_creation *creation = key_creation(base);
	const wk_key_dict *dict = wki_key_dict_of(base->dict);
	struct wki_value_key hashed = *base->key;
	struct wki_store store = { .dict = base->dict,
				   .key = &hashed,
				   .control = wki_control_of(creation->key),
				   .wants = true };

	hashed.entry.flights = false;
	base->status = wki_key_check_value(dict, base->product);
	if (base->status >= 0)
		base->status = wki_value_check_key(base->dict, wk_key_u64(0)); /* the factory took its time */
	store.held = wki_held_fill(base->dict, creation->word, base->product);
	if (base->status >= 0)
		base->status = wki_store_run(&store);
	base->result = base->status == WK_CREATED ? base->product : store.found;
	if (store.held != 0)
		key_give_up(creation, store.held);
}

static void key_discard(struct wki_creation *base)
{
	if (base->dict->hold != WK_HOLD_PLAIN)
		wk_release(base->product);
}

/* Flights are looked for, and one is stored. */
static void key_create(struct key_creation *creation)
{
	struct wki_value_key hashed;

	creation->base.status = wki_key_check(wki_key_dict_of(creation->base.dict), creation->key, &hashed);
	if (creation->base.status < 0)
		return;
	hashed.entry.flights = true;
	creation->base.key = &hashed;
	wki_create(&creation->base);
}

void *wk_key_dict_get_or_create(wk_key_dict *dict, const void *key, wk_create_mode mode, wk_key_factory *make, void *context,
				int *status)
{
	struct key_creation creation = {
		.base = { .dict = &dict->keys, .mode = mode, .make = key_make, .publish = key_publish, .discard = key_discard },
		.key = key,
		.make = make,
		.context = context
	};

	creation.base.status = make != NULL && key != NULL ? wki_create_check(mode) : WK_EINVAL;
	if (creation.base.status >= 0)
		creation.base.result = wki_key_own(dict, key);
	if (creation.base.status >= 0 && creation.base.result == NULL)
		key_create(&creation);
	if (status != NULL)
		*status = creation.base.status;
	return creation.base.result;
}
