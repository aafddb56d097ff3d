/*
 * collect/values.h - the inside of a value dictionary, of a weak set and of a key dictionary
 *
 * A weak set is a value dictionary whose keys are its values: the number of an object's control block leads to the
 * object, or (WKI_ENTRY_EQUAL) its hash and its equality do. A key dictionary is a weak set whose entries hold
 * something for their member, in one word: held.h.
 *
 * Layer: collect.
 */
#ifndef WKI_COLLECT_VALUES_H
#define WKI_COLLECT_VALUES_H

#include "collect/entry.h"
#include "collect/hash.h"
#include "collect/held.h"
#include "collect/table.h"

struct wk_value_dict {
	struct wki_table table;
	/* Constant. */
	struct wki_entry_form form;
	const wk_type *value_type; /* NULL: any */
	wk_value_mode values;
	uint8_t hold; /* wk_hold, of a key dictionary */
	bool is_set; /* no key but the value itself: nobody asks for it */
	char name[32];
	union {
		struct wki_entry_listener listener; /* form.listener points here, if there is one */
		struct { /* of a key dictionary: what is held for each member */
			void (*release)(void *value); /* WK_HOLD_PLAIN; or NULL */
			const wk_type *held_type;     /* NULL: any */
		};
	};
	union {
		wki_atomic_u64 popped; /* a hash: up to there wki_value_pop_any has looked; a hint */
		struct wki_table_drain drain; /* the end: the runner's */
	};
	struct wki_deferred ending; /* likewise */
};
_Static_assert(sizeof(struct wk_value_dict) <= WKI_INLINE_MAX, "a dictionary and its control block are one block");

/* A key, hashed for one dictionary. */
struct wki_value_key {
	uint64_t hash;
	struct wki_entry_key entry;
};

__attribute__((noreturn, cold)) void wki_value_stop_key(const wk_value_dict *dict);

static inline struct wki_value_key wki_value_key(const wk_value_dict *dict, wk_key key)
{
	struct wki_value_key hashed = { .entry = { .key = key } };

	if (unlikely((key.data == NULL) != (dict->form.keys == WK_KEYS_U64)))
		wki_value_stop_key(dict);
	if (likely(key.data == NULL)) {
		hashed.hash = wki_hash_u64(key.number, dict->table.seed);
	} else if (dict->form.key_type == NULL) {
		hashed.hash = wki_hash_bytes(key.data, key.number, dict->table.seed);
	} else {
		hashed.entry.type = dict->form.key_type;
		hashed.hash = wki_hash_u64(hashed.entry.type->hash(key.data, dict->table.seed), dict->table.seed);
	}
	return hashed;
}

/* wki_value_compares - can objects of this type be keys by equality? */
bool wki_value_compares(const wk_type *type);
/* wki_value_key_of - of an object that is a key itself; WK_ETYPE: its type has no hash or no equality, and they are asked for */
int wki_value_key_of(const wk_value_dict *dict, const void *object, struct wki_value_key *hashed);
/* wki_value_key_of_control - the same, by somebody who holds the object or has found it live in this section */
int wki_value_key_of_control(const wk_value_dict *dict, const struct wki_control *control, struct wki_value_key *hashed);

/* wki_values_of_table - the dictionary that a table is the beginning of */
static inline wk_value_dict *wki_values_of_table(struct wki_table *table)
{
	return (wk_value_dict *)(void *)table;
}

/* wki_value_get - as wki_slots_get, for the dictionary's kind of keys */
WKI_INLINE void *wki_value_get_rcu(const wk_value_dict *dict, const struct wki_value_key *key,
				   void *(*take)(struct wki_entry *entry, void *context), void *context)
{
	if (likely(key->entry.key.data == NULL))
		return wki_slots_get(&dict->table.root, key->hash, wki_entry_same_number, &key->entry.key.number, take,
				     context);
	return wki_slots_get(&dict->table.root, key->hash, wki_entry_same_key, &key->entry, take, context);
}

/*
 * What nearly every lookup is: a number, of a dictionary of numbers, by a thread that has been
 * here before, and the entry where it is looked for first. Whatever is not so goes the long way.
 */
WKI_INLINE bool wki_value_is_plain(const wk_value_dict *dict, wk_key key)
{
	return likely(((uintptr_t)key.data | (uintptr_t)dict->form.keys) == 0);
}

/*
 * wki_value_glance_rcu - *control: of the key's value; its entry is live, if the object is. false: look properly
 *
 * The line is on its way, to be written if `writes`. Where the value is at home under this key the entry is not touched.
 */
WKI_INLINE bool wki_value_glance_rcu(const wk_value_dict *dict, uint64_t number, uint64_t hash, int writes,
				     struct wki_control **control)
{
	const struct wki_glance glance = wki_slots_glance(&dict->table.root, hash);
	const struct wki_entry *entry = wki_word_named(glance.word);

	if (unlikely(glance.word == 0))
		return false;
	wki_slots_prefetch(glance.hinted, writes);
	if (likely((glance.word & WKI_KEYED) != 0)) {
		*control = glance.hinted;
		return likely(wki_control_is_home_rcu(*control, number));
	}
	if (unlikely(entry->key.number != number || !wki_entry_state_is_live(entry)))
		return false;
	*control = entry->control;
	return true;
}

/* What lookups take: see wki_slots_get. */

static inline void *wki_value_take_strong(struct wki_entry *entry, void *unused)
{
	(void)unused;
	return wki_entry_state_is_live(entry) ? wki_control_upgrade(entry->control) : NULL;
}

static inline void *wki_value_take_borrowed(struct wki_entry *entry, void *unused)
{
	(void)unused;
	return wki_entry_state_is_live(entry) ? wki_control_peek(entry->control) : NULL;
}

static inline void *wki_value_take_live(struct wki_entry *entry, void *unused)
{
	(void)unused;
	return wki_entry_is_live_rcu(entry) ? entry : NULL;
}

/* Storing: one attempt after another until one is decided. */
struct wki_store {
	/* What is wanted. */
	wk_value_dict *dict;
	const struct wki_value_key *key;
	struct wki_control *control; /* of the value, held by the caller; NULL: a flight is stored */
	bool replaces;               /* a live value that is there */
	bool wants;                  /* a strong reference to a live value that is there */
	uintptr_t held;              /* of a key dictionary; 0 once it is stored */
	/* What came of it. */
	struct wki_entry *entry;       /* made when it is first needed; NULL if it was not stored */
	void *found;                   /* with wants: the live value, owned by the caller */
	struct wki_entry *flight;      /* somebody else's, with a hold of the caller's */
	/* The store's own. */
	struct wki_intent *intent;    /* NULL: no entry has been made, or none is to be had */
	struct wki_control *replaced; /* a strong value to be released outside the section; NULL: none */
	bool stored, tend;
};

/*
 * wki_store_run - WK_CREATED: stored where nothing live was
 *		   WK_OK: with replaces, stored in place of a live value; with wants, `found` was there
 *		   WK_EEXISTS: a live value was there
 *		   WK_EBUSY: a flight was to be stored and another one is pending: `flight`
 *		   WK_ENOMEM: nothing has changed
 */
int wki_store_run(struct wki_store *store);

struct wki_intent;
/* wki_store_forked - in the child of a fork: finish what a lost thread was storing */
void wki_store_forked(struct wki_intent *intent);

/* wki_value_check - may this object be stored under this key? */
int wki_value_check(const wk_value_dict *dict, wk_key key, const void *object);
/* wki_value_check_key - may anything be stored under it? */
int wki_value_check_key(const wk_value_dict *dict, wk_key key);

/* Removing. */
struct wki_removal {
	wk_value_dict *dict;
	const struct wki_control *only; /* NULL: whatever is there */
	const void *only_held;          /* likewise */
	wk_removal_cause cause;
	bool wants;                     /* pop: the object, or what is held for it */
	bool wants_key;                 /* with `wants`, of a key dictionary: its key too */
	void *object;                   /* popped */
	void *key;                      /* likewise, a strong reference */
	struct wki_control *owned;      /* a strong value, to be released outside the section */
};

/* wki_value_remove - WK_OK or WK_ENOTFOUND; wki_value_take_out - the same with an entry, inside a section */
int wki_value_remove(struct wki_removal *removal, const struct wki_value_key *key);
void *wki_value_take_out(struct wki_entry *entry, void *removal);
void wki_value_clear(wk_value_dict *dict);

/* wki_value_pop_any - the same with some entry; removal->object stays NULL: there is none */
void wki_value_pop_any(struct wki_removal *removal);

/* wki_values_of - the dictionary that a container is, or NULL: the object is none */
wk_value_dict *wki_values_of(const void *object);

/*
 * wki_value_new - an object of `type`, whose payload begins with a dictionary; NULL and a negative *code
 * wki_value_destroy - the destroy of such a type, which is asynchronous
 */
wk_value_dict *wki_value_new(const wk_type *type, const wk_value_dict_options *options, int *code);
void wki_value_destroy(void *payload);

#endif
