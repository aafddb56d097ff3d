/*
 * collect/value_store.c - set, insert, get_or_insert
 *
 * Layer: collect.
 */
#include "collect/values.h"

#include "base/memory.h"
#include "reclaim/service.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"

/* What an attempt says besides the codes of wki_store_run. */
#define STORE_AGAIN 100 /* somebody else came between */
#define STORE_NEEDS 101 /* an entry: the program's allocator and its copy of a key are for outside the section */
#define STORE_NONE 102  /* nothing live is there */

static bool store_is_weak(const struct wki_store *store)
{
	return store->dict->values == WK_VALUES_WEAK;
}

/* A slot belongs to one entry: see entry.h, EQUAL. */
static bool store_owns_slots(const struct wki_store *store)
{
	return (store->dict->form.marks & WKI_ENTRY_EQUAL) != 0;
}

/* Where lookups are of a number that no other container asks for: see core/control.h, HOME. */
static bool store_gives_home(const struct wki_store *store)
{
	const wk_value_dict *dict = store->dict;

	return dict->form.keys == WK_KEYS_U64 && !dict->is_set && store->control->type->owner == NULL;
}

static enum wki_entry_role store_role(const struct wki_store *store)
{
	if (store->control == NULL)
		return WKI_ENTRY_FLIGHT;
	return store_is_weak(store) ? WKI_ENTRY_WEAK : WKI_ENTRY_STRONG;
}

/*
 * What a key dictionary's entry begins with. A flight of equal keys must know whose it is: who meets it compares with
 * a key that its maker may release meanwhile.
 */
static void store_make_held(const struct wki_store *store, struct wki_entry *entry)
{
	const struct wki_control *key = store->key->entry.control;

	wki_entry_set_held(entry, store->control != NULL ? store->held : (uintptr_t)key);
	if (store->control == NULL && key != NULL)
		(void)wki_control_borrow((struct wki_control *)(uintptr_t)key);
}

static bool store_make(struct wki_store *store)
{
	enum wki_entry_role role = store_role(store);
	struct wki_entry *entry = wki_entry_new(&store->dict->form, role, store->key->entry.key, store->key->hash);

	if (entry == NULL)
		return false;
	entry->table = &store->dict->table;
	store->entry = entry;
	if (wki_entry_has_held(entry))
		store_make_held(store, entry);
	if (role == WKI_ENTRY_FLIGHT)
		return true;
	entry->control = store->control;
	if (role == WKI_ENTRY_STRONG)
		(void)wki_count_retain(&store->control->count, 1);
	return true;
}

static void store_discard(struct wki_store *store)
{
	if (store_role(store) == WKI_ENTRY_STRONG)
		wki_control_release(store->control, 1); /* not the last one: the caller has another */
	wki_entry_discard(store->entry);
	store->entry = NULL;
}

/* Others have seen the entry: its memory stays for a grace period, and the next attempt takes another one. */
static void store_forget(struct wki_store *store)
{
	if (store_role(store) == WKI_ENTRY_STRONG)
		wki_control_release(store->control, 1); /* not the last one: the caller has another */
	wki_entry_forget(store->entry);
	store->entry = NULL;
}

static bool store_is_plain(const struct wki_store *store)
{
	return store->key->entry.key.data == NULL;
}

static wki_same_key *store_same(const struct wki_store *store)
{
	return likely(store_is_plain(store)) ? wki_entry_same_number : wki_entry_same_key;
}

/* What store_same compares with. */
static const void *store_key(const struct wki_store *store)
{
	const struct wki_entry_key *key = &store->key->entry;

	return likely(store_is_plain(store)) ? (const void *)&key->key.number : key;
}

/* A block from the thread's cache is at hand, and the place need not be found again. */
static bool store_makes_at_once(const struct wki_store *store)
{
	return store->dict->form.key_type == NULL && store->dict->form.allocator == NULL && wki_memory_is_pooled();
}

/*
 * Nearly always the key is not there, and its bucket's line was written by another processor last: it is asked for, and
 * the entry is made while it is on its way. Who wants what is there finds it, mostly, and writes nothing.
 */
static void store_prepare_rcu(struct wki_store *store)
{
	if (store->wants)
		return;
	wki_slots_ask(&store->dict->table.root, store->key->hash);
	if (store->entry == NULL && store->held == 0 && store_role(store) == WKI_ENTRY_WEAK && store_makes_at_once(store))
		(void)store_make(store); /* no memory: it is tried again where it is needed */
}

static struct wki_place store_find_rcu(const struct wki_store *store)
{
	return wki_table_find_room_rcu(&store->dict->table, store->key->hash, store_same(store), store_key(store));
}

/* The entry that is there was live a moment ago, and is not to be replaced. */
static int store_meet_rcu(struct wki_store *store, struct wki_entry *there)
{
	if (!store->wants)
		return WK_EEXISTS;
	store->found = wki_control_upgrade(there->control);
	return store->found != NULL ? WK_OK : STORE_NONE;
}

/*
 * From here on, until store_conclude, a child of a fork finishes the store, if it has begun: `entry` is on its way into
 * a slot, or a value into what it holds.
 */
static void store_announce(struct wki_store *store, struct wki_entry *entry, struct wki_entry *replaced)
{
	struct wki_intent *intent = store->intent;

	if (intent == NULL) {
		(void)wki_thread_self(); /* spare intents are few */
		intent = store->intent = wki_intent_begin();
	}
	if (unlikely(intent == NULL))
		return;
	wki_intent_note(&intent->table, &store->dict->table);
	wki_intent_note(&intent->replaced, replaced);
	wki_intent_note(&intent->storing, entry);
}

static void store_conclude(struct wki_store *store)
{
	if (store->intent != NULL)
		wki_intent_note(&store->intent->storing, NULL);
}

/* In place of what an entry holds, the new value; the entry stays, and its key. */
static int store_swap_rcu(struct wki_store *store, struct wki_entry *there, uintptr_t seen)
{
	wk_value_dict *dict = store->dict;

	if (!wki_held_aim(dict, store->held, there))
		return STORE_AGAIN; /* it has left its slot */
	store_announce(store, there, NULL);
	if (!wki_held_swap(there, &seen, store->held)) {
		wki_held_miss(dict, there);
		return STORE_AGAIN;
	}
	wki_held_stored(dict, store->held);
	store->held = 0;
	store->replaced = wki_held_drop_rcu(dict, seen);
	return WK_OK;
}

/* The same of a key dictionary: what counts is what the entry holds. */
static int store_meet_held_rcu(struct wki_store *store, struct wki_entry *there)
{
	uintptr_t seen = wki_entry_held(there);

	if (seen == 0) {
		wki_held_taken_rcu(&store->dict->table, there);
		return STORE_NONE;
	}
	if (!wki_held_lives_rcu(store->dict, seen)) {
		wki_held_bury_rcu(store->dict, there, seen);
		return STORE_AGAIN;
	}
	if (store->replaces)
		return store_swap_rcu(store, there, seen);
	if (!store->wants)
		return WK_EEXISTS;
	store->found = wki_held_own_rcu(store->dict, seen);
	return store->found != NULL ? WK_OK : STORE_AGAIN;
}

/* Somebody else makes the value: take a hold on the flight, for the caller to wait with. */
static int store_meet_flight_rcu(struct wki_store *store, struct wki_entry *flight)
{
	if (!wki_entry_hold(flight))
		return STORE_AGAIN; /* it has left its slot */
	store->flight = flight;
	return WK_EBUSY;
}

/* The live entry that was replaced ends, unless somebody else has ended it; true: it was we. */
static bool store_end_rcu(struct wki_store *store, struct wki_entry *there)
{
	if (!wki_entry_end(there))
		return false;
	wki_entry_tell(there, WK_CAUSE_REPLACED);
	if (store_is_weak(store))
		wki_entry_unwatch_rcu(there);
	else
		store->replaced = there->control;
	return true;
}

/* The entry is in its slot, in the place of `there` if that is not NULL. */
static int store_settle_rcu(struct wki_store *store, struct wki_entry *there, bool live)
{
	int code = WK_CREATED;

	store->stored = true;
	if (store_role(store) == WKI_ENTRY_WEAK)
		wki_entry_watch_rcu(store->entry);
	if (store->held != 0)
		wki_held_stored(store->dict, store->held);
	store->held = 0;
	if (live && store_end_rcu(store, there))
		code = WK_OK;
	else if (store->control != NULL)
		wki_table_gained(&store->dict->table);
	if (there != NULL) {
		if (wki_entry_role(there) == WKI_ENTRY_FLIGHT)
			wki_flight_end(there, WKI_FLIGHT_DONE);
		wki_entry_drop(there);
	}
	return code;
}

/* Each attempt aims anew: the one before may have been to swap what another entry holds. */
static enum wki_stored store_entry_rcu(struct wki_store *store, const struct wki_place *place, bool live)
{
	enum wki_stored stored;

	if (store->control != NULL && wki_control_borrow(store->control) && store_gives_home(store))
		wki_entry_set_home(store->entry);
	if (store->held != 0)
		(void)wki_held_aim(store->dict, store->held, store->entry);
	store_announce(store, store->entry, live ? wki_place_entry(place) : NULL);
	stored = wki_table_store_rcu(&store->dict->table, place, store->key->hash, store->entry, store_same(store),
				     store_key(store), &store->tend);
	if (stored != WKI_STORED && store->held != 0)
		wki_held_miss(store->dict, store->entry);
	return stored;
}

static int store_put_rcu(struct wki_store *store, const struct wki_place *place, bool live)
{
	struct wki_table *table = &store->dict->table;

	if (store->entry == NULL && !store_makes_at_once(store))
		return STORE_NEEDS;
	if (store->entry == NULL && !store_make(store))
		return WK_ENOMEM;
	switch (store_entry_rcu(store, place, live)) {
	case WKI_STORED:
		return store_settle_rcu(store, wki_place_entry(place), live);
	case WKI_STORE_FROZEN:
		return wki_table_pass_rcu(table, place->array, store->key->hash) ? STORE_AGAIN : WK_ENOMEM;
	case WKI_STORE_LOST:
		store_forget(store);
		return STORE_AGAIN;
	case WKI_STORE_NO_MEMORY:
		return WK_ENOMEM;
	case WKI_STORE_AGAIN:
	default:
		return STORE_AGAIN;
	}
}

static int store_try_rcu(struct wki_store *store)
{
	struct wki_place place = store_find_rcu(store);
	struct wki_entry *there = wki_place_entry(&place);
	bool live = there != NULL && wki_entry_is_live_rcu(there);
	int code = STORE_NONE;

	if (there != NULL && !live && wki_entry_has_held(there))
		wki_held_taken_rcu(&store->dict->table, there); /* it is about to leave its slot */
	if (live && wki_entry_has_held(there)) {
		code = store_meet_held_rcu(store, there);
		live = false;
	} else if (live && !store->replaces) {
		code = store_meet_rcu(store, there);
		live = false; /* if it is replaced after all, it has just died */
	} else if (there != NULL && store->control == NULL && wki_entry_is_pending_flight(there)) {
		code = store_meet_flight_rcu(store, there);
	}
	if (code == STORE_NONE && there != NULL && store_owns_slots(store))
		return STORE_AGAIN; /* it lived when it was found, and is passed over now */
	return code == STORE_NONE ? store_put_rcu(store, &place, live) : code;
}

int wki_store_run(struct wki_store *store)
{
	int code;

	do {
		wki_read_lock();
		store_prepare_rcu(store);
		code = store_try_rcu(store);
		store_conclude(store);
		wki_read_unlock();
		if (code == STORE_NEEDS)
			code = store_make(store) ? STORE_AGAIN : WK_ENOMEM;
	} while (code == STORE_AGAIN);
	wki_intent_end(store->intent);
	if (!store->stored && store->entry != NULL)
		store_discard(store);
	if (store->tend)
		wki_table_tend(&store->dict->table);
	if (store->replaced != NULL)
		wki_control_release(store->replaced, 1);
	return code;
}

int wki_value_check_key(const wk_value_dict *dict, wk_key key)
{
	if (dict->form.keys == WK_KEYS_BYTES && key.number > UINT32_MAX)
		return WK_EINVAL;
	return wki_service_need();
}

int wki_value_check(const wk_value_dict *dict, wk_key key, const void *object)
{
	const wk_type *type;

	if (unlikely(object == NULL))
		return WK_EINVAL;
	type = wki_control_of(object)->type;
	if (unlikely(dict->value_type != NULL && dict->value_type != type))
		return WK_ETYPE;
	if (unlikely(dict->values == WK_VALUES_WEAK && (type->flags & WK_TYPE_NO_WEAK) != 0))
		return WK_ETYPE;
	return wki_value_check_key(dict, key);
}

static int value_store(wk_value_dict *dict, wk_key key, const void *object, bool replaces)
{
	int code = wki_value_check(dict, key, object);
	struct wki_value_key hashed;
	struct wki_store store;

	if (code < 0)
		return code;
	hashed = wki_value_key(dict, key);
	store = (struct wki_store){
		.dict = dict, .key = &hashed, .control = wki_control_of(object), .replaces = replaces
	};
	return wki_store_run(&store);
}

int wk_value_dict_set(wk_value_dict *dict, wk_key key, const void *object)
{
	return value_store(dict, key, object, true);
}

int wk_value_dict_insert(wk_value_dict *dict, wk_key key, const void *object)
{
	return value_store(dict, key, object, false);
}

void *wk_value_dict_get_or_insert(wk_value_dict *dict, wk_key key, void *object, int *status)
{
	int code = wki_value_check(dict, key, object);
	struct wki_value_key hashed;
	struct wki_store store = { .dict = dict, .key = &hashed, .wants = true };

	if (code >= 0) {
		hashed = wki_value_key(dict, key);
		store.control = wki_control_of(object);
		code = wki_store_run(&store);
	}
	if (status != NULL)
		*status = code;
	return code == WK_CREATED ? wk_retain(object) : store.found;
}

/* After a fork, in the child: nobody else is there, and no grace period has ended since. */

static bool store_is_in_slot(struct wki_table *table, const struct wki_entry *entry)
{
	uint64_t hash = wki_entry_hash(entry, table->seed);
	struct wki_place place = wki_slots_find(wki_slots_route(&table->root, hash), hash, wki_slots_is_entry, entry);

	return wki_place_entry(&place) == entry;
}

/*
 * What must not stay: an entry in its slot that is not watching, since its object would go without telling it (the
 * same of a weak value that an entry holds); and an entry that is live without a slot, since its table would go without ending it. Whether the length has been
 * counted cannot be seen, but where the entry is not watching it has not.
 */
void wki_store_forked(struct wki_intent *intent)
{
	struct wki_table *table = wki_intent_noted(&intent->table);
	struct wki_entry *entry = wki_intent_noted(&intent->storing), *replaced = wki_intent_noted(&intent->replaced);
	bool counts = true;

	if (entry == NULL)
		return;
	wki_table_withdraw(table, entry);
	if (replaced != NULL && wki_entry_state_is_live(replaced) && !store_is_in_slot(table, replaced))
		counts = !wki_entry_end(replaced);
	if (wki_entry_role(entry) != WKI_ENTRY_WEAK || !wki_entry_state_is_live(entry) || !store_is_in_slot(table, entry))
		return;
	if (wki_entry_has_held(entry))
		wki_held_forked(wki_values_of_table(table), entry);
	if (wki_watch_is_listed(&entry->control->watches, &entry->watch))
		return;
	wki_control_watch(entry->control, &entry->watch);
	if (counts)
		wki_table_gained(table);
}
