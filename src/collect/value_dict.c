/*
 * collect/value_dict.c - value dictionaries: beginning and end, lookups, removals
 *
 * Layer: collect.
 */
#include "collect/values.h"

#include <stdio.h>

#include "reclaim/limbo.h"
#include "reclaim/runner.h"
#include "sync/rcu.h"

static void value_dict_destroy(void *payload);
WK_DEFINE_TYPE(value_dict_type, wk_value_dict, .flags = WK_TYPE_ASYNC_DESTROY, .destroy = value_dict_destroy);

void wki_value_stop_key(const wk_value_dict *dict)
{
	static const char *const kinds[] = { "numbers", "bytes", "of the program's own type" };

	wki_stop("value dictionary \"%s\": its keys are %s, this one is not", dict->name, kinds[dict->form.keys]);
}

/* Looking up. `take` functions: see wki_slots_get. */

static inline void *take_strong(struct wki_entry *entry, void *unused)
{
	(void)unused;
	return wki_entry_state_is_live(entry) ? wki_control_upgrade(entry->control) : NULL;
}

static inline void *take_borrowed(struct wki_entry *entry, void *unused)
{
	(void)unused;
	return wki_entry_state_is_live(entry) ? wki_control_peek(entry->control) : NULL;
}

static void *take_live(struct wki_entry *entry, void *unused)
{
	(void)unused;
	return wki_entry_is_live_rcu(entry) ? entry : NULL;
}

static __attribute__((noinline, cold)) void *value_get(const wk_value_dict *dict, wk_key key)
{
	struct wki_value_key hashed = wki_value_key(dict, key);
	void *object;

	wki_read_lock();
	object = wki_value_get_rcu(dict, &hashed, take_strong, NULL);
	wki_read_unlock();
	return object;
}

void *wk_value_dict_get(const wk_value_dict *dict, wk_key key)
{
	struct wki_entry *entry;
	void *object = NULL;

	if (!wki_value_is_plain(dict, key) || unlikely(!wki_read_is_known()))
		return value_get(dict, key);
	wki_read_lock();
	entry = wki_value_glance_rcu(dict, key.number, wki_hash_u64(key.number, dict->seed));
	if (likely(entry != NULL))
		object = wki_control_upgrade(entry->control);
	wki_read_unlock();
	return likely(object != NULL) ? object : value_get(dict, key);
}

static __attribute__((noinline, cold)) void *value_peek(const wk_value_dict *dict, wk_key key)
{
	struct wki_value_key hashed = wki_value_key(dict, key);

#if WKI_CHECK_LEVEL >= 1
	if (!wki_read_ongoing())
		wki_stop("value dictionary \"%s\": peeked outside a read section", dict->name);
#endif
	return wki_value_get_rcu(dict, &hashed, take_borrowed, NULL);
}

void *wk_value_dict_peek(const wk_value_dict *dict, wk_key key)
{
	struct wki_entry *entry;
	void *object;

	if (WKI_CHECK_LEVEL >= 1 || !wki_value_is_plain(dict, key))
		return value_peek(dict, key);
	entry = wki_value_glance_rcu(dict, key.number, wki_hash_u64(key.number, dict->seed));
	object = likely(entry != NULL) ? wki_control_peek(entry->control) : NULL;
	return likely(object != NULL) ? object : value_peek(dict, key);
}

bool wk_value_dict_contains(const wk_value_dict *dict, wk_key key)
{
	struct wki_value_key hashed = wki_value_key(dict, key);
	bool is_there;

	wki_read_lock();
	is_there = wki_value_get_rcu(dict, &hashed, take_live, NULL) != NULL;
	wki_read_unlock();
	return is_there;
}

size_t wk_value_dict_len(const wk_value_dict *dict)
{
	return wki_table_len(&dict->table);
}

/* Removing. */

struct value_removal {
	wk_value_dict *dict;
	const struct wki_control *only; /* NULL: whatever is there */
	bool wants;                     /* pop: the object */
	void *object;                   /* popped */
	struct wki_control *owned;      /* a strong value to be released outside the section */
};

/* What an entry owes when the caller has won its end. */
static void value_ended_rcu(struct value_removal *removal, struct wki_entry *entry)
{
	struct wki_control *control = entry->control;

	wki_table_lost_rcu(&removal->dict->table);
	if (removal->dict->values == WK_VALUES_WEAK) {
		if (removal->wants)
			removal->object = wki_control_upgrade(control);
		wki_control_unwatch_rcu(control);
	} else if (removal->wants) {
		removal->object = wki_payload_of(control, wki_count_peek(&control->count));
	} else {
		removal->owned = control;
	}
}

/* A pop may take out an entry whose object dies just then: as if it had died before. */
static void *take_out(struct wki_entry *entry, void *context)
{
	struct value_removal *removal = context;

	if (!wki_entry_is_live_rcu(entry))
		return NULL;
	if (removal->only != NULL && removal->only != entry->control)
		return NULL;
	if (!wki_entry_end(entry))
		return NULL;
	value_ended_rcu(removal, entry);
	return removal->wants && removal->object == NULL ? NULL : entry;
}

static int value_remove(struct value_removal *removal, wk_key key)
{
	struct wki_value_key hashed = wki_value_key(removal->dict, key);
	bool removed;

	wki_read_lock();
	removed = wki_value_get_rcu(removal->dict, &hashed, take_out, removal) != NULL;
	wki_read_unlock();
	if (removal->owned != NULL)
		wki_control_release(removal->owned, 1);
	return removed ? WK_OK : WK_ENOTFOUND;
}

int wk_value_dict_remove(wk_value_dict *dict, wk_key key)
{
	struct value_removal removal = { .dict = dict };

	return value_remove(&removal, key);
}

int wk_value_dict_remove_if(wk_value_dict *dict, wk_key key, const void *object)
{
	struct value_removal removal = { .dict = dict };

	if (object == NULL)
		return WK_ENOTFOUND;
	removal.only = wki_control_of(object);
	return value_remove(&removal, key);
}

void *wk_value_dict_pop(wk_value_dict *dict, wk_key key)
{
	struct value_removal removal = { .dict = dict, .wants = true };

	(void)value_remove(&removal, key);
	return removal.object;
}

/* Removing all. Strong values are released outside the sections, some at a time. */

#define VALUE_HARVEST 32u

struct value_harvest {
	wk_value_dict *dict;
	struct wki_control *owned[VALUE_HARVEST];
	unsigned count;
};

static void harvest_rcu(struct wki_entry *entry, void *context)
{
	struct value_harvest *harvest = context;
	struct value_removal removal = { .dict = harvest->dict };

	if (harvest->count == VALUE_HARVEST || !wki_entry_state_is_live(entry) || !wki_entry_end(entry))
		return;
	value_ended_rcu(&removal, entry);
	if (removal.owned != NULL)
		harvest->owned[harvest->count++] = removal.owned;
}

/* true: there was room for all */
static bool harvest_release(struct value_harvest *harvest)
{
	bool had_room = harvest->count < VALUE_HARVEST;

	while (harvest->count > 0)
		wki_control_release(harvest->owned[--harvest->count], 1);
	return had_room;
}

void wk_value_dict_clear(wk_value_dict *dict)
{
	struct value_harvest harvest = { .dict = dict };
	uint64_t from = 0, next;
	bool more;

	do {
		next = from;
		wki_read_lock();
		more = wki_table_each_rcu(&dict->table, &next, harvest_rcu, &harvest);
		wki_read_unlock();
		if (harvest_release(&harvest))
			from = next;
		else
			more = true; /* the same bucket again */
	} while (more);
	wki_read_lock();
	wki_table_look_rcu(&dict->table);
	wki_read_unlock();
}

/*
 * The end, on the runner, a grace period after the last release: nobody is in a call any more. Objects that die
 * meanwhile still find the table through their entries, until one more grace period is over.
 */

static struct wk_value_dict *value_dict_of(struct wki_deferred *ending)
{
	return (struct wk_value_dict *)(void *)((char *)ending - offsetof(struct wk_value_dict, ending));
}

static void value_dict_finish(struct wki_deferred *ending)
{
	struct wk_value_dict *dict = value_dict_of(ending);
	struct wki_thread *thread = wki_thread_self();

	wki_table_destroy(&dict->table);
	if (thread != NULL)
		wki_limbo_seal(thread); /* its entries: the runner may not retire anything else for long */
	wk_destroy_done(dict);
}

/* No section around it: the value that is released may be destroyed here and now. */
static void value_dict_drop(struct wki_entry *entry, void *context)
{
	struct value_removal removal = { .dict = context };

	wki_read_lock();
	if (wki_entry_state_is_live(entry) && wki_entry_end(entry))
		value_ended_rcu(&removal, entry);
	wki_read_unlock();
	if (removal.owned != NULL)
		wki_control_release(removal.owned, 1);
	wki_entry_drop(entry);
}

static void value_dict_drain(struct wki_deferred *ending)
{
	struct wk_value_dict *dict = value_dict_of(ending);
	wki_tagged tagged = wki_tag(&ending->link, WKI_KIND_DEFERRED);

	if (wki_table_drain(&dict->table, &dict->drain, value_dict_drop, dict)) {
		wki_runner_now(tagged);
		return;
	}
	ending->run = value_dict_finish;
	wki_runner_after_grace(tagged);
}

static void value_dict_destroy(void *payload)
{
	struct wk_value_dict *dict = payload;

	dict->ending.run = value_dict_drain;
	value_dict_drain(&dict->ending);
}

static int value_options_check(const wk_value_dict_options *options)
{
	const wk_key_type *type = options->key_type;

	if (options->struct_size < sizeof(*options))
		return WK_EINVAL;
	if (options->values != WK_VALUES_WEAK && options->values != WK_VALUES_STRONG)
		return WK_EINVAL;
	if (options->keys != WK_KEYS_U64 && options->keys != WK_KEYS_BYTES && options->keys != WK_KEYS_CUSTOM)
		return WK_EINVAL;
	if (options->keys == WK_KEYS_CUSTOM &&
	    (type == NULL || type->hash == NULL || type->equal == NULL || type->copy == NULL))
		return WK_EINVAL;
	if (options->value_type != NULL && options->values == WK_VALUES_WEAK &&
	    (options->value_type->flags & WK_TYPE_NO_WEAK) != 0)
		return WK_ETYPE;
	return WK_OK;
}

static int value_dict_init(struct wk_value_dict *dict, const wk_value_dict_options *options)
{
	struct wki_control *control = wki_control_of(dict);
	int code = wki_table_init(&dict->table, control, options->allocator, options->expected);

	if (code < 0)
		return code;
	dict->seed = wki_hash_seed();
	dict->form.keys = options->keys;
	dict->form.key_type = options->keys == WK_KEYS_CUSTOM ? options->key_type : NULL;
	dict->form.allocator = options->allocator;
	dict->value_type = options->value_type;
	dict->values = options->values;
	(void)snprintf(dict->name, sizeof(dict->name), "%s", options->name != NULL ? options->name : "");
	wki_control_borrow(control); /* its table finds its way back to it */
	return WK_OK;
}

static wk_value_dict *value_dict_new(const wk_value_dict_options *options, int *code)
{
	wk_value_dict *dict;

	*code = value_options_check(options);
	if (*code < 0)
		return NULL;
	dict = wk_new_with(&value_dict_type, NULL, code);
	if (dict == NULL)
		return NULL;
	*code = value_dict_init(dict, options);
	if (*code < 0)
		wk_discard(dict);
	return *code < 0 ? NULL : dict;
}

wk_value_dict *wk_value_dict_new(const wk_value_dict_options *options, int *status)
{
	static const wk_value_dict_options defaults = { .struct_size = sizeof(defaults) };
	int code;
	wk_value_dict *dict = value_dict_new(options != NULL ? options : &defaults, &code);

	if (status != NULL)
		*status = code;
	return dict;
}
