/*
 * collect/held.c - values of key dictionaries
 *
 * Layer: collect.
 */
#include "collect/held.h"

#include <pthread.h>

#include "collect/values.h"
#include "reclaim/limbo.h"
#include "reclaim/runner.h"
#include "reclaim/thread.h"

struct held_plain {
	struct wki_deferred deferred;
	void *value;
	void (*release)(void *value);
	const wk_allocator *allocator;
};

/* Two holds: the entry's, while the word leads here, and the watch list's. */
struct held_weak {
	struct wki_deferred deferred;
	struct wki_watch watch;
	struct wki_control *control; /* not to be followed but while the watch is LIVE */
	struct wki_entry *entry;     /* a hold, which goes with the watch's state */
	const wk_allocator *allocator;
};

static struct wki_control *held_control(uintptr_t word)
{
	return (struct wki_control *)word;
}

static struct held_plain *held_plain(uintptr_t word)
{
	return (struct held_plain *)word;
}

static struct held_weak *held_weak(uintptr_t word)
{
	return (struct held_weak *)word;
}

static struct held_weak *held_of_watch(struct wki_watch *watch)
{
	return (struct held_weak *)(void *)((char *)watch - offsetof(struct held_weak, watch));
}

/* Memory. */

static void held_weak_free(struct wki_deferred *deferred)
{
	struct held_weak *weak = (struct held_weak *)deferred;

	wki_entry_deallocate(weak->allocator, weak, sizeof(*weak));
}

static void held_plain_free(struct wki_deferred *deferred)
{
	struct held_plain *plain = (struct held_plain *)deferred;

	wki_entry_deallocate(plain->allocator, plain, sizeof(*plain));
}

/* The program's destructor is over, also when it has ended its thread. */
static void held_plain_released(void *plain)
{
	wki_callback_leave();
	held_plain_free(plain);
}

static void held_plain_run(struct wki_deferred *deferred)
{
	struct held_plain *plain = (struct held_plain *)deferred;

	wki_callback_enter();
	pthread_cleanup_push(held_plain_released, plain);
	plain->release(plain->value);
	pthread_cleanup_pop(1);
}

static bool held_new_weak(const struct wk_value_dict *dict, uintptr_t *word)
{
	struct held_weak *weak = wki_entry_allocate(dict->form.allocator, sizeof(*weak));

	if (weak == NULL)
		return false;
	*weak = (struct held_weak){ .deferred.run = held_weak_free, .allocator = dict->form.allocator };
	wki_watch_init(&weak->watch, WKI_WATCH_HELD, 2);
	*word = (uintptr_t)weak;
	return true;
}

static bool held_new_plain(const struct wk_value_dict *dict, uintptr_t *word)
{
	struct held_plain *plain = wki_entry_allocate(dict->form.allocator, sizeof(*plain));

	if (plain == NULL)
		return false;
	*plain = (struct held_plain){ .deferred.run = held_plain_run, .release = dict->release, .allocator = dict->form.allocator };
	*word = (uintptr_t)plain;
	return true;
}

bool wki_held_new(const struct wk_value_dict *dict, uintptr_t *word)
{
	*word = 0;
	if (dict->hold == WK_HOLD_WEAK)
		return held_new_weak(dict, word);
	return dict->hold == WK_HOLD_STRONG || held_new_plain(dict, word);
}

void wki_held_free(const struct wk_value_dict *dict, uintptr_t word)
{
	if (dict->hold == WK_HOLD_WEAK)
		held_weak_free(&held_weak(word)->deferred);
	else if (dict->hold == WK_HOLD_PLAIN)
		held_plain_free(&held_plain(word)->deferred);
}

uintptr_t wki_held_fill(const struct wk_value_dict *dict, uintptr_t word, void *value)
{
	struct wki_control *control;

	if (dict->hold == WK_HOLD_PLAIN) {
		held_plain(word)->value = value;
		return word;
	}
	control = wki_control_of(value);
	(void)wki_control_borrow(control);
	if (dict->hold == WK_HOLD_WEAK) {
		held_weak(word)->control = control;
		return word;
	}
	(void)wki_count_retain(&control->count, 1);
	return (uintptr_t)control;
}

void wki_held_empty(const struct wk_value_dict *dict, uintptr_t word)
{
	if (dict->hold == WK_HOLD_STRONG)
		wki_control_release(held_control(word), 1); /* not the last one: the caller has another */
	else
		wki_held_free(dict, word);
}

/* Storing. */

bool wki_held_aim(const struct wk_value_dict *dict, uintptr_t word, struct wki_entry *entry)
{
	if (dict->hold != WK_HOLD_WEAK)
		return true;
	held_weak(word)->entry = entry;
	return wki_entry_hold(entry);
}

void wki_held_miss(const struct wk_value_dict *dict, struct wki_entry *entry)
{
	if (dict->hold == WK_HOLD_WEAK)
		wki_entry_drop(entry);
}

void wki_held_stored(const struct wk_value_dict *dict, uintptr_t word)
{
	if (dict->hold == WK_HOLD_WEAK)
		wki_control_watch(held_weak(word)->control, &held_weak(word)->watch);
}

bool wki_held_swap(struct wki_entry *entry, uintptr_t *seen, uintptr_t word)
{
	/* HLD-1 acq_rel; pairs: ENT-8, ENT-9, HLD-1, HLD-2; weaker: a half-made value could be read, or given up before its last user is through; check: explore/held, api/key_dict_race_test */
	return atomic_cas_acq_rel(&entry->key.object.held, seen, word);
}

static uintptr_t held_take(struct wki_entry *entry)
{
	/* HLD-2 acq_rel; pairs: ENT-9, HLD-1; weaker: as HLD-1; check: explore/held, api/key_dict_race_test */
	return atomic_exchange_acq_rel(&entry->key.object.held, 0);
}

/* Looking. */

static bool held_weak_is_live(const struct held_weak *weak)
{
	return wki_watch_state(&weak->watch) == WKI_WATCH_LIVE;
}

bool wki_held_lives_rcu(const struct wk_value_dict *dict, uintptr_t word)
{
	if (dict->hold != WK_HOLD_WEAK)
		return true;
	return held_weak_is_live(held_weak(word)) && !wki_count_is_dead(&held_weak(word)->control->count);
}

void *wki_held_living_rcu(const struct wk_value_dict *dict, uintptr_t word)
{
	return wki_held_lives_rcu(dict, word) ? (void *)word : NULL;
}

bool wki_held_is_rcu(const struct wk_value_dict *dict, uintptr_t word, const void *value)
{
	if (dict->hold == WK_HOLD_PLAIN)
		return held_plain(word)->value == value;
	return (dict->hold == WK_HOLD_WEAK ? held_weak(word)->control : held_control(word)) == wki_control_of(value);
}

/* The control block of a value that was alive when its word was read; NULL: it has been replaced, or died. */
static struct wki_control *held_object_rcu(const struct wk_value_dict *dict, uintptr_t word)
{
	if (dict->hold == WK_HOLD_STRONG)
		return held_control(word);
	return held_weak_is_live(held_weak(word)) ? held_weak(word)->control : NULL;
}

void *wki_held_own_rcu(const struct wk_value_dict *dict, uintptr_t word)
{
	struct wki_control *control;

	if (dict->hold == WK_HOLD_PLAIN)
		return held_plain(word)->value;
	control = held_object_rcu(dict, word);
	return control != NULL ? wki_control_upgrade(control) : NULL;
}

void *wki_held_peek_rcu(const struct wk_value_dict *dict, uintptr_t word)
{
	struct wki_control *control;

	if (dict->hold == WK_HOLD_PLAIN)
		return held_plain(word)->value;
	control = held_object_rcu(dict, word);
	return control != NULL ? wki_control_peek(control) : NULL;
}

void *wki_held_of_rcu(const struct wk_value_dict *dict, const struct wki_entry *entry,
		      void *(*take)(const struct wk_value_dict *dict, uintptr_t word))
{
	uintptr_t word = wki_entry_held(entry), seen;
	void *taken = NULL;

	while (word != 0 && taken == NULL) {
		taken = take(dict, word);
		seen = word;
		word = wki_entry_held(entry);
		if (word == seen)
			break;
	}
	return taken;
}

/* Giving up. */

static void held_weak_drop(struct held_weak *weak)
{
	if (wki_watch_drop_hold(&weak->watch))
		wki_limbo_retire(wki_tag(&weak->deferred.link, WKI_KIND_DEFERRED), sizeof(*weak));
}

static void held_weak_forget_rcu(struct held_weak *weak)
{
	if (wki_watch_move(&weak->watch, WKI_WATCH_LIVE, WKI_WATCH_REMOVED)) {
		wki_control_unwatch_rcu(weak->control);
		wki_entry_drop(weak->entry);
	}
	held_weak_drop(weak);
}

static void held_plain_drop(struct held_plain *plain, bool hand_over)
{
	wki_tagged tagged = wki_tag(&plain->deferred.link, WKI_KIND_DEFERRED);

	if (!hand_over && plain->release != NULL) {
		wki_runner_after_grace(tagged);
		return;
	}
	plain->deferred.run = held_plain_free;
	wki_limbo_retire(tagged, sizeof(*plain));
}

struct wki_control *wki_held_drop_rcu(const struct wk_value_dict *dict, uintptr_t word)
{
	if (dict->hold == WK_HOLD_STRONG)
		return held_control(word);
	if (dict->hold == WK_HOLD_WEAK)
		held_weak_forget_rcu(held_weak(word));
	else
		held_plain_drop(held_plain(word), false);
	return NULL;
}

void *wki_held_hand_rcu(const struct wk_value_dict *dict, uintptr_t word)
{
	void *value;

	if (dict->hold == WK_HOLD_STRONG)
		return wki_payload_of(held_control(word), wki_count_peek(&held_control(word)->count));
	value = wki_held_own_rcu(dict, word);
	if (dict->hold == WK_HOLD_WEAK)
		held_weak_forget_rcu(held_weak(word));
	else
		held_plain_drop(held_plain(word), true);
	return value;
}

/* Ends. */

/* What has ended may leave its slot and its list at once, and be retired: entry->table is not to be asked for. */
void wki_held_over_rcu(struct wki_table *table, struct wki_entry *entry)
{
	if (!wki_entry_end(entry))
		return; /* the key has died: whoever ends it counts */
	if (wki_table_lost_rcu(table, entry))
		wki_entry_drop(entry);
	wki_control_unwatch_rcu(entry->control);
}

void wki_held_taken_rcu(struct wki_table *table, struct wki_entry *entry)
{
	if (wki_entry_held(entry) == 0)
		wki_held_over_rcu(table, entry);
}

void wki_held_bury_rcu(const struct wk_value_dict *dict, struct wki_entry *entry, uintptr_t seen)
{
	if (!wki_held_swap(entry, &seen, 0))
		return;
	wki_held_over_rcu((struct wki_table *)(uintptr_t)&dict->table, entry);
	(void)wki_held_drop_rcu(dict, seen); /* weak: nothing is left to be released */
}

void wki_held_key_died_rcu(struct wki_entry *entry, uint32_t holds)
{
	const wk_value_dict *dict = wki_values_of_table(entry->table);
	uintptr_t word;

	if (dict->hold == WK_HOLD_STRONG) {
		if (holds > 1)
			wki_entry_drop_many(entry, holds - 1);
		wki_runner_now(wki_tag(&entry->link, WKI_KIND_ENTRY)); /* the last one goes with it */
		return;
	}
	word = held_take(entry);
	if (word != 0)
		(void)wki_held_drop_rcu(dict, word);
	wki_entry_drop_many(entry, holds);
}

void wki_held_settle(struct wki_entry *entry)
{
	uintptr_t word = held_take(entry);

	if (word != 0)
		wki_control_release(held_control(word), 1);
	wki_entry_drop(entry);
}

/* The value died. The walk's section began before that, so a table that the entry's state leads to is still there. */
void wki_held_fired(struct wki_watch *watch)
{
	struct held_weak *weak = held_of_watch(watch);
	struct wki_entry *entry = weak->entry;
	uintptr_t word = (uintptr_t)weak;

	if (wki_held_swap(entry, &word, 0)) {
		wki_held_over_rcu(entry->table, entry); /* we have a hold */
		held_weak_drop(weak);
	}
	wki_entry_drop(entry);
	held_weak_drop(weak);
}

void wki_held_leave(struct wki_watch *watch)
{
	held_weak_drop(held_of_watch(watch));
}

void wki_held_forked(const struct wk_value_dict *dict, struct wki_entry *entry)
{
	uintptr_t word = wki_entry_held(entry);

	if (dict->hold == WK_HOLD_WEAK && word != 0 && held_weak_is_live(held_weak(word)) &&
	    !wki_watch_is_listed(&held_weak(word)->control->watches, &held_weak(word)->watch))
		wki_held_stored(dict, word);
}
