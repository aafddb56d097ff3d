/*
 * collect/entry.c - entries: made, dropped, taken back
 *
 * Layer: collect. Never: user code where an entry dies; the release of a key waits for the runner.
 */
#include "collect/entry.h"

#include <pthread.h>

#include "base/memory.h"
#include "collect/hash.h"
#include "collect/held.h"
#include "collect/table.h"
#include "core/owner.h"
#include "reclaim/cache.h"
#include "reclaim/limbo.h"
#include "reclaim/runner.h"
#include "reclaim/thread.h"

static wk_key_kind entry_keys(const struct wki_entry *entry)
{
	return (wk_key_kind)((entry->watch.detail & WKI_ENTRY_KEYS) >> WKI_ENTRY_KEYS_SHIFT);
}

static struct wki_entry_extra *entry_extra(const struct wki_entry *entry)
{
	return (struct wki_entry_extra *)(uintptr_t)entry - 1;
}

/* What stands in front of an entry. */
static size_t entry_front(unsigned detail)
{
	return (detail & WKI_ENTRY_EXTRA ? sizeof(struct wki_entry_extra) : 0) +
	       (detail & WKI_ENTRY_HEARD ? sizeof(struct wki_entry_listener) : 0);
}

/* What an entry has besides its kind of key. */
static size_t entry_beside(unsigned detail)
{
	return entry_front(detail) + (detail & WKI_ENTRY_HELD ? sizeof(wki_atomic_word) : 0);
}

static size_t entry_size(wk_key_kind keys, size_t length)
{
	switch (keys) {
	case WK_KEYS_BYTES:
		return offsetof(struct wki_entry, key.text.bytes) + length;
	case WK_KEYS_CUSTOM:
		return sizeof(struct wki_entry);
	case WK_KEYS_U64:
	default:
		return offsetof(struct wki_entry, key.number) + sizeof(uint64_t);
	}
}

static bool entry_has_extra(const struct wki_entry *entry)
{
	return (entry->watch.detail & WKI_ENTRY_EXTRA) != 0;
}

static size_t entry_bytes(const struct wki_entry *entry)
{
	size_t length = entry_keys(entry) == WK_KEYS_BYTES ? entry->key.text.length : 0;

	return entry_size(entry_keys(entry), length) + entry_beside(entry->watch.detail);
}

void *wki_entry_allocate(const wk_allocator *allocator, size_t size)
{
	return allocator != NULL ? wki_allocate(allocator, size, WKI_ALIGNMENT) : wki_cache_allocate(size);
}

void wki_entry_deallocate(const wk_allocator *allocator, void *memory, size_t size)
{
	if (allocator != NULL)
		wki_free(allocator, memory, size, WKI_ALIGNMENT);
	else
		wki_cache_free(memory, size);
}

static const wk_key_type *entry_key_type(const struct wki_entry *entry)
{
	return entry_has_extra(entry) ? entry_extra(entry)->key_type : NULL;
}

static bool entry_owns_unit(const struct wki_entry *entry)
{
	return (wki_watch_marks(&entry->watch) & WKI_ENTRY_OWNS) != 0;
}

static void entry_free(struct wki_entry *entry)
{
	size_t bytes = entry_bytes(entry);
	const wk_allocator *allocator = entry_has_extra(entry) ? entry_extra(entry)->allocator : NULL;
	const wk_key_type *keys = entry_key_type(entry);
	void *memory = (char *)entry - entry_front(entry->watch.detail);

	if (entry_owns_unit(entry))
		wki_control_pay_home(entry->control);
	wki_entry_deallocate(allocator, memory, bytes);
	if (keys != NULL)
		wki_owner_drop_keys(keys->owner);
}

static bool entry_copy_key(struct wki_entry *entry, const struct wki_entry_form *form, wk_key key, uint64_t hash)
{
	switch (form->keys) {
	case WK_KEYS_BYTES:
		entry->key.text.length = (uint32_t)key.number;
		memcpy(entry->key.text.bytes, key.data, key.number);
		return true;
	case WK_KEYS_CUSTOM:
		entry->key.custom.hash = hash;
		entry->key.custom.copy = form->key_type->copy(key.data);
		return entry->key.custom.copy != NULL;
	case WK_KEYS_U64:
	default:
		entry->key.number = key.number;
		return true;
	}
}

static void entry_init(struct wki_entry *entry, enum wki_entry_role role)
{
	uint32_t listeners = entry->watch.detail & WKI_ENTRY_HEARD ? 1 : 0;

	wki_watch_init(&entry->watch, WKI_WATCH_ENTRY, (role == WKI_ENTRY_STRONG ? 1 : 2) + listeners);
	if (role != WKI_ENTRY_FLIGHT)
		return;
	/* ENT-3 relaxed; pairs: none; weaker: not possible; check: api/value_dict_test (nobody else's yet) */
	atomic_store_relaxed(&entry->watch.state, WKI_WATCH_RETIRED);
	wki_flight_begin(entry);
	wki_event_init(&entry->flight.over);
}

static unsigned entry_detail(const struct wki_entry_form *form, enum wki_entry_role role)
{
	bool extra = form->allocator != NULL || form->key_type != NULL;
	bool heard = form->listener != NULL && role != WKI_ENTRY_FLIGHT;

	return (unsigned)role | (unsigned)form->keys << WKI_ENTRY_KEYS_SHIFT | (extra ? WKI_ENTRY_EXTRA : 0) |
	       (heard ? WKI_ENTRY_HEARD : 0) | form->marks;
}

struct wki_entry *wki_entry_new(const struct wki_entry_form *form, enum wki_entry_role role, wk_key key, uint64_t hash)
{
	unsigned detail = entry_detail(form, role);
	char *memory = wki_entry_allocate(form->allocator, entry_size(form->keys, key.number) + entry_beside(detail));
	struct wki_entry *entry = (struct wki_entry *)(void *)(memory + entry_front(detail));

	if (memory == NULL)
		return NULL;
	if (detail & WKI_ENTRY_HEARD)
		*(struct wki_entry_listener *)(void *)memory = *form->listener;
	if (detail & WKI_ENTRY_EXTRA)
		*entry_extra(entry) =
			(struct wki_entry_extra){ .allocator = form->allocator, .key_type = form->key_type };
	entry->watch.detail = (uint8_t)detail;
	entry_init(entry, role);
	if (form->key_type != NULL)
		wki_owner_add_keys(form->key_type->owner); /* the container holds it */
	if (entry_copy_key(entry, form, key, hash))
		return entry;
	entry_free(entry);
	return NULL;
}

uint64_t wki_entry_hash(const struct wki_entry *entry, uint64_t seed)
{
	switch (entry_keys(entry)) {
	case WK_KEYS_BYTES:
		return wki_hash_bytes(entry->key.text.bytes, entry->key.text.length, seed);
	case WK_KEYS_CUSTOM:
		return entry->key.custom.hash;
	case WK_KEYS_U64:
	default:
		if (entry->watch.detail & WKI_ENTRY_EQUAL)
			return entry->key.number;
		return wki_hash_u64(entry->key.number, seed);
	}
}

/* The release of a copied key; NULL: there is nothing of the user's to run. */
static void (*entry_key_release(const struct wki_entry *entry))(void *)
{
	const wk_key_type *keys = entry_key_type(entry);

	return keys != NULL ? keys->release : NULL;
}

/* Limbo runs nothing of the program's, and waits for its thread: who drains the owner of the keys would wait too. */
static bool entry_is_the_runners(const struct wki_entry *entry)
{
	const wk_key_type *keys = entry_key_type(entry);

	return keys != NULL && (keys->release != NULL || keys->owner != NULL);
}

void wki_entry_discard(struct wki_entry *entry)
{
	if (entry_key_release(entry) == NULL) {
		entry_free(entry);
		return;
	}
	/* ENT-10 relaxed; pairs: none; weaker: not possible; check: unit/collect/entry_test (nobody else's yet) */
	atomic_store_relaxed(&entry->watch.holds, 0);
	wki_runner_now(wki_tag(&entry->link, WKI_KIND_ENTRY));
}

/* Nobody has a hold. */
static void entry_retire(struct wki_entry *entry)
{
	if (entry_is_the_runners(entry))
		wki_runner_after_grace(wki_tag(&entry->link, WKI_KIND_ENTRY));
	else
		wki_limbo_retire(wki_tag(&entry->link, WKI_KIND_ENTRY), entry_bytes(entry));
}

void wki_entry_forget(struct wki_entry *entry)
{
	/* ENT-11 relaxed; pairs: none; weaker: not possible; check: api/value_dict_race_test (nobody has a hold) */
	atomic_store_relaxed(&entry->watch.holds, 0);
	entry_retire(entry);
}

void wki_entry_drop_many(struct wki_entry *entry, uint32_t many)
{
	if (wki_watch_drop_holds(&entry->watch, many))
		entry_retire(entry);
}

void wki_entry_drop(struct wki_entry *entry)
{
	wki_entry_drop_many(entry, 1);
}

bool wki_entry_hold(struct wki_entry *entry)
{
	uint32_t holds;

	if (wki_entry_role(entry) != WKI_ENTRY_FLIGHT && !wki_watch_share(&entry->watch))
		return false;
	/* ENT-5 relaxed; pairs: none; weaker: not possible; check: api/value_dict_test */
	holds = atomic_load_relaxed(&entry->watch.holds);
	while (holds != 0) {
		/* ENT-6 relaxed; pairs: none; weaker: not possible; check: api/value_dict_test (the section keeps it until there is a hold) */
		if (atomic_cas_relaxed(&entry->watch.holds, &holds, holds + 1))
			return true;
	}
	return false;
}

/* As litter it would keep the owner of its keys for as long as its object lives. */
static bool entry_must_leave(const struct wki_entry *entry)
{
	const wk_key_type *keys = entry_key_type(entry);

	return keys != NULL && keys->owner != NULL;
}

void wki_entry_set_home(struct wki_entry *entry)
{
	/* ENT-12 relaxed; pairs: none; weaker: not possible; check: explore/store (nobody else's yet) */
	atomic_store_relaxed(&entry->watch.state, WKI_WATCH_LIVE | WKI_ENTRY_HOME);
	wki_control_set_home(entry->control, entry->key.number);
}

bool wki_entry_remove_rcu(struct wki_entry *entry)
{
	if (!wki_entry_is_home(entry))
		return wki_entry_end(entry);
	wki_control_leave_home(entry->control);
	if (!wki_watch_move_marked(&entry->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED, WKI_ENTRY_OWNS)) {
		wki_control_drop_unit(entry->control);
		return false;
	}
	wki_control_owe_home(entry->control);
	return true;
}

/* Its object has died, and it is still in its slot. By the owner of the end of life: there are units. */
static void entry_stay(struct wki_entry *entry)
{
	if (!wki_entry_is_home(entry))
		return;
	wki_control_add_unit(entry->control);
	wki_watch_mark(&entry->watch, WKI_ENTRY_OWNS);
}

/* true: it has left its slot by the caller, who has won its end by its object's death */
static bool entry_lost_rcu(struct wki_entry *entry)
{
	bool vacated = wki_table_lost_rcu(entry->table, entry);

	if (unlikely(!vacated))
		entry_stay(entry);
	return vacated;
}

void wki_entry_watch_rcu(struct wki_entry *entry)
{
	wki_control_watch(entry->control, &entry->watch);
	/* A read-modify-write: either we see that it was removed before it was on the list, or who removes it sees it there. */
	if (entry_must_leave(entry) && !wki_watch_move(&entry->watch, WKI_WATCH_LIVE, WKI_WATCH_LIVE))
		wki_control_prune_rcu(entry->control);
}

void wki_entry_unwatch_rcu(struct wki_entry *entry)
{
	wki_control_unwatch_rcu(entry->control);
	if (entry_must_leave(entry))
		wki_control_prune_rcu(entry->control);
}

bool wki_entry_same_entry(const struct wki_entry *entry, uint64_t hash, const void *other)
{
	const struct wki_entry *wanted = other;
	struct wki_entry_key key = { .type = NULL };

	if (wanted->watch.detail & WKI_ENTRY_EQUAL)
		return entry == wanted;
	switch (entry_keys(wanted)) {
	case WK_KEYS_BYTES:
		key.key = wk_key_bytes(wanted->key.text.bytes, wanted->key.text.length);
		return wki_entry_same_key(entry, hash, &key);
	case WK_KEYS_CUSTOM:
		key.key = wk_key_custom(wanted->key.custom.copy);
		key.type = entry_extra(wanted)->key_type;
		return wki_entry_same_key(entry, hash, &key);
	case WK_KEYS_U64:
	default:
		return wki_entry_same_number(entry, hash, &wanted->key.number);
	}
}

/* A flight's key is held by its maker, and so is intact while the flight is pending. */
static const struct wki_control *entry_object_rcu(const struct wki_entry *entry, bool flights)
{
	if (wki_entry_role(entry) != WKI_ENTRY_FLIGHT)
		return wki_entry_is_live_rcu(entry) ? entry->control : NULL;
	return flights && wki_entry_is_pending_flight(entry) ? (struct wki_control *)wki_entry_held(entry) : NULL;
}

bool wki_entry_same_object(const struct wki_entry *entry, uint64_t hash, const struct wki_entry_key *key)
{
	const struct wki_control *control = entry->key.number == hash ? entry_object_rcu(entry, key->flights) : NULL;

	if (control == NULL || control == key->control)
		return control != NULL;
	return control->type == key->control->type &&
	       control->type->equal(key->key.data, wki_payload_of(control, wki_count_peek(&control->count)));
}

const void *wki_entry_key(const struct wki_entry *entry, size_t *length)
{
	bool has_bytes = entry_keys(entry) == WK_KEYS_BYTES;

	*length = has_bytes ? entry->key.text.length : 0;
	return has_bytes ? entry->key.text.bytes : entry->key.custom.copy;
}

/* The user's release is over, also when it has ended its thread. */
static void entry_key_released(void *entry)
{
	wki_callback_leave();
	entry_free(entry);
}

static void entry_release_key(struct wki_entry *entry)
{
	wki_callback_enter();
	pthread_cleanup_push(entry_key_released, entry);
	entry_key_release(entry)(entry->key.custom.copy);
	pthread_cleanup_pop(1);
}

/* The listener is through, also when it has ended its thread. */
static void entry_told(void *entry)
{
	wki_callback_leave();
	wki_entry_drop(entry);
}

/* As its listener is told it. */
static wk_key entry_told_key(const struct wki_entry *entry)
{
	wk_key key = { NULL, 0 };

	if (entry_keys(entry) == WK_KEYS_U64)
		key.number = entry->key.number;
	else
		key.data = wki_entry_key(entry, &key.number);
	return key;
}

static void entry_tell_listener(struct wki_entry *entry)
{
	const struct wki_entry_listener *listener =
		(const struct wki_entry_listener *)(void *)((char *)entry - entry_front(entry->watch.detail));

	wki_callback_enter();
	pthread_cleanup_push(entry_told, entry);
	listener->removed(entry_told_key(entry), (wk_removal_cause)entry->watch.note, listener->context);
	pthread_cleanup_pop(1);
}

/* It ended, and something of it was left to the runner: a value that the key's death left over, or a listener. */
static void entry_settle(struct wki_entry *entry)
{
	if (wki_entry_has_held(entry))
		wki_held_settle(entry);
	else
		entry_tell_listener(entry);
}

void wki_entry_tell(struct wki_entry *entry, wk_removal_cause cause)
{
	if ((entry->watch.detail & WKI_ENTRY_HEARD) == 0)
		return;
	entry->watch.note = (uint8_t)cause;
	wki_runner_now(wki_tag(&entry->link, WKI_KIND_ENTRY));
}

void wki_entry_reclaim(struct wki_link *link)
{
	struct wki_entry *entry = (struct wki_entry *)(void *)link;

	/* ENT-7 relaxed; pairs: none; weaker: not possible; check: api/key_dict_test (there is a hold of ours, or none of anybody's) */
	if (atomic_load_relaxed(&entry->watch.holds) != 0)
		entry_settle(entry);
	else if (entry_key_release(entry) != NULL)
		entry_release_key(entry);
	else
		entry_free(entry);
}

static struct wki_entry *entry_of_watch(struct wki_watch *watch)
{
	return (struct wki_entry *)((char *)watch - offsetof(struct wki_entry, watch));
}

void wki_entry_fired(struct wki_watch *watch)
{
	struct wki_entry *entry = entry_of_watch(watch);
	const uint32_t holds = entry_lost_rcu(entry) ? 2 : 1; /* the list's, and the slot's */

	if (wki_entry_has_held(entry)) {
		wki_held_key_died_rcu(entry, holds);
		return;
	}
	wki_entry_tell(entry, WK_CAUSE_DIED);
	if (holds == 2 && (entry->watch.detail & WKI_ENTRY_HEARD) == 0 && !wki_watch_is_shared(watch))
		wki_entry_forget(entry); /* there never were any others */
	else
		wki_entry_drop_many(entry, holds);
}

void wki_entry_orphaned(struct wki_watch *watch)
{
	struct wki_entry *entry = entry_of_watch(watch);

	wki_entry_drop_many(entry, entry_lost_rcu(entry) ? 2 : 1);
}

void wki_entry_leave(struct wki_watch *watch)
{
	wki_entry_drop(entry_of_watch(watch));
}

void wki_flight_end(struct wki_entry *flight, enum wki_flight_state state)
{
	uint32_t pending = wki_claim(WKI_FLIGHT_PENDING);

	/* ENT-2 release; pairs: ENT-1; weaker: as ENT-1; check: api/value_dict_test */
	if (atomic_cas_release(&flight->flight.state, &pending, (uint32_t)state))
		wki_event_signal(&flight->flight.over);
}
