/*
 * collect/values.c - what value dictionaries and weak sets share: beginning and end, removals
 *
 * Layer: collect.
 */
#include "collect/values.h"

#include <stdio.h>

#include "core/owner.h"
#include "reclaim/limbo.h"
#include "reclaim/runner.h"
#include "sync/rcu.h"

/* Removing. */

/* What an entry owes when the caller has won its end. */
static void value_ended_rcu(struct wki_removal *removal, struct wki_entry *entry)
{
	struct wki_control *control = entry->control;

	bool vacated = wki_table_lost_rcu(&removal->dict->table, entry);

	wki_entry_tell(entry, removal->cause);
	if (removal->dict->values == WK_VALUES_WEAK) {
		if (removal->wants)
			removal->object = wki_control_upgrade(control);
		wki_entry_unwatch_rcu(entry);
	} else if (removal->wants) {
		removal->object = wki_payload_of(control, wki_count_peek(&control->count));
	} else {
		removal->owned = control;
	}
	if (vacated)
		wki_entry_drop(entry);
}

/* The same for a key dictionary: who takes the word has removed the entry, whoever ends its state. */
static bool value_take_held_rcu(struct wki_removal *removal, struct wki_entry *entry)
{
	const wk_value_dict *dict = removal->dict;
	uintptr_t held;

	do {
		held = (uintptr_t)wki_held_of_rcu(dict, entry, wki_held_living_rcu);
		if (held == 0) {
			wki_held_taken_rcu(&removal->dict->table, entry);
			return false;
		}
		if (removal->only_held != NULL && !wki_held_is_rcu(dict, held, removal->only_held))
			return false;
	} while (!wki_held_swap(entry, &held, 0));
	wki_held_over_rcu(&removal->dict->table, entry);
	if (removal->wants)
		removal->object = wki_held_hand_rcu(dict, held);
	else
		removal->owned = wki_held_drop_rcu(dict, held);
	return true;
}

/*
 * A key that is wanted must be held before its entry is taken; one that then is not goes by `owned`, and the entry is
 * met again. So it is not asked for where nothing is to be had: whoever ends such an entry may be stopped.
 */
static bool value_end_held_rcu(struct wki_removal *removal, struct wki_entry *entry)
{
	bool taken;

	if (removal->wants_key && wki_held_of_rcu(removal->dict, entry, wki_held_living_rcu) == NULL)
		return false;
	if (removal->wants_key)
		removal->key = wki_control_upgrade(entry->control);
	if (removal->wants_key && removal->key == NULL)
		return false;
	taken = value_take_held_rcu(removal, entry);
	if (removal->key != NULL && removal->object == NULL) {
		removal->owned = wki_control_of(removal->key);
		removal->key = NULL;
	}
	return taken;
}

/* true: it was the caller who ended the entry, and has dealt with what it owed */
static bool value_end_rcu(struct wki_removal *removal, struct wki_entry *entry)
{
	if (wki_entry_has_held(entry))
		return value_end_held_rcu(removal, entry);
	if (!wki_entry_remove_rcu(entry))
		return false;
	value_ended_rcu(removal, entry);
	return true;
}

/* A pop may take out an entry whose object dies just then: as if it had died before. */
void *wki_value_take_out(struct wki_entry *entry, void *context)
{
	struct wki_removal *removal = context;

	if (!wki_entry_is_live_rcu(entry))
		return NULL;
	if (removal->only != NULL && removal->only != entry->control)
		return NULL;
	if (!value_end_rcu(removal, entry))
		return NULL;
	return removal->wants && removal->object == NULL ? NULL : entry;
}

int wki_value_remove(struct wki_removal *removal, const struct wki_value_key *key)
{
	bool removed;

	wki_read_lock();
	removed = wki_value_get_rcu(removal->dict, key, wki_value_take_out, removal) != NULL;
	wki_read_unlock();
	if (removal->owned != NULL)
		wki_control_release(removal->owned, 1);
	return removed ? WK_OK : WK_ENOTFOUND;
}

/* Objects that are keys themselves. */

bool wki_value_compares(const wk_type *type)
{
	return type->hash != NULL && type->equal != NULL && (type->flags & WK_TYPE_PROMPT) == 0;
}

int wki_value_key_of(const wk_value_dict *dict, const void *object, struct wki_value_key *hashed)
{
	return wki_value_key_of_control(dict, wki_control_of(object), hashed);
}

int wki_value_key_of_control(const wk_value_dict *dict, const struct wki_control *control, struct wki_value_key *hashed)
{
	const void *object;
	uint64_t hash;

	if ((dict->form.marks & WKI_ENTRY_EQUAL) == 0) {
		*hashed = wki_value_key(dict, wk_key_u64((uintptr_t)control));
		return WK_OK;
	}
	if (!wki_value_compares(control->type))
		return WK_ETYPE;
	object = wki_payload_of(control, wki_count_peek(&control->count));
	wki_read_lock();
	hash = wki_hash_u64(control->type->hash(object), dict->table.seed);
	wki_read_unlock();
	*hashed = (struct wki_value_key){ .hash = hash, .entry = { .key = { object, hash }, .control = control } };
	return WK_OK;
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
	struct wki_removal removal = { .dict = harvest->dict, .cause = WK_CAUSE_CLEARED };

	if (harvest->count == VALUE_HARVEST || !wki_entry_state_is_live(entry) || !value_end_rcu(&removal, entry))
		return;
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

void wki_value_clear(wk_value_dict *dict)
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

/* Removing any. Each search begins where the last one found something, so that emptying a table is one way through it. */

struct value_search {
	struct wki_removal *removal;
	bool found;
};

static void search_rcu(struct wki_entry *entry, void *context)
{
	struct value_search *search = context;

	if (!search->found && search->removal->owned == NULL)
		search->found = wki_value_take_out(entry, search->removal) != NULL;
}

/* true: there was nothing to release, the bucket has been searched to its end */
static bool search_release(struct value_search *search)
{
	struct wki_control *owned = search->removal->owned;

	search->removal->owned = NULL;
	if (owned != NULL)
		wki_control_release(owned, 1);
	return owned == NULL;
}

/* Buckets from `from` on, up to the one that hash `end` is in; *from is set to where it found something. */
static bool value_search(struct value_search *search, uint64_t *from, uint64_t end)
{
	struct wki_table *table = &search->removal->dict->table;
	uint64_t next;
	bool more = true;

	while (more && *from <= end) {
		next = *from;
		wki_read_lock();
		more = wki_table_each_rcu(table, &next, search_rcu, search);
		wki_read_unlock();
		if (search->found)
			return true;
		if (search_release(search))
			*from = next;
		else
			more = true; /* the same bucket again */
	}
	return false;
}

void wki_value_pop_any(struct wki_removal *removal)
{
	struct value_search search = { .removal = removal };
	wk_value_dict *dict = removal->dict;
	/* VAL-1 relaxed; pairs: none; weaker: not possible; check: api/weak_set_test (a hint where to begin) */
	uint64_t begun = atomic_load_relaxed(&dict->popped), from = begun;
	bool found = value_search(&search, &from, UINT64_MAX);

	if (!found) {
		from = 0;
		found = value_search(&search, &from, begun);
	}
	if (!found)
		return;
	/* VAL-2 relaxed; pairs: none; weaker: not possible; check: as VAL-1 */
	atomic_store_relaxed(&dict->popped, from);
}

/*
 * The end, on the runner, a grace period after the last release: nobody is in a call any more. Objects that die
 * meanwhile still find the table through their entries, until one more grace period is over.
 */

static struct wk_value_dict *value_dict_of(struct wki_deferred *ending)
{
	return (struct wk_value_dict *)(void *)((char *)ending - offsetof(struct wk_value_dict, ending));
}

static void value_finish(struct wki_deferred *ending)
{
	struct wk_value_dict *dict = value_dict_of(ending);
	struct wki_thread *thread = wki_thread_self();

	wki_table_destroy(&dict->table);
	if (dict->form.key_type != NULL)
		wki_owner_drop_keys(dict->form.key_type->owner);
	if (thread != NULL)
		wki_limbo_seal(thread); /* its entries: the runner may not retire anything else for long */
	wk_destroy_done(dict);
}

static struct wki_control *value_drop_rcu(struct wki_entry *entry, void *context)
{
	struct wki_removal removal = { .dict = context, .cause = WK_CAUSE_CLEARED };

	if (wki_entry_state_is_live(entry))
		(void)value_end_rcu(&removal, entry);
	return removal.owned;
}

static void value_drain(struct wki_deferred *ending)
{
	struct wk_value_dict *dict = value_dict_of(ending);
	wki_tagged tagged = wki_tag(&ending->link, WKI_KIND_DEFERRED);

	if (wki_table_drain(&dict->table, &dict->drain, value_drop_rcu, dict)) {
		wki_runner_now(tagged);
		return;
	}
	ending->run = value_finish;
	wki_runner_after_grace(tagged);
}

void wki_value_destroy(void *payload)
{
	struct wk_value_dict *dict = payload;

	dict->drain = (struct wki_table_drain){ .array = NULL };
	dict->ending.run = value_drain;
	value_drain(&dict->ending);
}

wk_value_dict *wki_values_of(const void *object)
{
	bool is_ours = wki_control_of(object)->type->destroy == wki_value_destroy;

	return is_ours ? (wk_value_dict *)(uintptr_t)object : NULL;
}

/* The beginning. */

static int value_options_check(const wk_value_dict_options *options)
{
	const wk_key_type *type = options->key_type;

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

static int value_init(struct wk_value_dict *dict, const wk_value_dict_options *options)
{
	struct wki_control *control = wki_control_of(dict);
	wk_owner *owner = options->keys == WK_KEYS_CUSTOM ? options->key_type->owner : NULL;
	int code;

	if (!wki_owner_hold(owner))
		return WK_ESHUTDOWN;
	code = wki_table_init(&dict->table, control, options->allocator, options->expected);
	if (code >= 0)
		wki_owner_add_keys(owner);
	wki_owner_drop(owner);
	if (code < 0)
		return code;
	dict->form.keys = options->keys;
	dict->form.key_type = options->keys == WK_KEYS_CUSTOM ? options->key_type : NULL;
	dict->form.allocator = options->allocator;
	dict->listener = (struct wki_entry_listener){ options->removed, options->removed_context };
	dict->form.listener = options->removed != NULL ? &dict->listener : NULL;
	dict->value_type = options->value_type;
	dict->values = options->values;
	(void)snprintf(dict->name, sizeof(dict->name), "%s", options->name != NULL ? options->name : "");
	(void)wki_control_borrow(control); /* its table finds its way back to it */
	return WK_OK;
}

wk_value_dict *wki_value_new(const wk_type *type, const wk_value_dict_options *options, int *code)
{
	wk_value_dict *dict;

	*code = value_options_check(options);
	if (*code < 0)
		return NULL;
	dict = wk_new_with(type, NULL, code);
	if (dict == NULL)
		return NULL;
	*code = value_init(dict, options);
	if (*code < 0)
		wk_discard(dict);
	return *code < 0 ? NULL : dict;
}
