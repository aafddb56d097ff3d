/*
 * collect/held.h - what the entry of a key dictionary holds for its key: one word
 *
 *	hold      word                               whoever takes it
 *	STRONG    a control block, with a strong     releases that, outside the section; after the key's
 *	          reference                          death the runner does
 *	WEAK      struct held_weak: a watch on the   takes the watch back
 *	          value
 *	PLAIN     struct held_plain                  gives it to the runner, for the program's destructor
 *	          0: taken                           -
 *
 *	from    to     who
 *	word    word   a set: the entry stays, and its key
 *	word    0      who removes the entry; the death of a weak value; the death of the key
 *	Impossible: 0 to anything. So an entry whose word is 0 is over, whatever its state says yet.
 *
 * Who changes the word has what was there before, alone. Who makes it 0 sees to the entry's state
 * after that: LIVE -> REMOVED, unless the key dies. The state decides who counts, the word who has
 * removed. A set may still find a word after the key has died: then it came before the death.
 *
 * A reader takes the word of an entry that he has found live, and is covered in the same section: a
 * strong value was alive when the word was read, a weak one's watch says so, and boxes are freed after
 * a grace period.
 *
 * Layer: collect. Never: a release of a value inside a section or inside another release.
 */
#ifndef WKI_COLLECT_HELD_H
#define WKI_COLLECT_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/watch.h"
#include "weakref/key_dict.h"

struct wk_value_dict;
struct wki_control;
struct wki_entry;
struct wki_table;

/* All of it by how the dictionary holds. wki_held_new - memory for a word; false: there is none. wki_held_free - of one that was not filled. */
bool wki_held_new(const struct wk_value_dict *dict, uintptr_t *word);
void wki_held_free(const struct wk_value_dict *dict, uintptr_t word);
/* wki_held_fill - the word is now for this value, which the caller holds; returns it */
uintptr_t wki_held_fill(const struct wk_value_dict *dict, uintptr_t word, void *value);
/* wki_held_empty - of a word that was not stored: the value is the caller's again */
void wki_held_empty(const struct wk_value_dict *dict, uintptr_t word);

/* wki_held_aim - the entry that the word is about to be stored in, the caller having a hold on it or being its maker; false: it is gone */
bool wki_held_aim(const struct wk_value_dict *dict, uintptr_t word, struct wki_entry *entry);
/* wki_held_miss - it was not stored there after all */
void wki_held_miss(const struct wk_value_dict *dict, struct wki_entry *entry);
/* wki_held_stored - it was, by a holder of the value */
void wki_held_stored(const struct wk_value_dict *dict, uintptr_t word);
/* wki_held_swap - a word in place of another one; false: *seen is what is there now */
bool wki_held_swap(struct wki_entry *entry, uintptr_t *seen, uintptr_t word);

/* What a word says, inside the section in which it was read. */
bool wki_held_lives_rcu(const struct wk_value_dict *dict, uintptr_t word);
bool wki_held_is_rcu(const struct wk_value_dict *dict, uintptr_t word, const void *value);
/* wki_held_of_rcu - what `take` makes of what the live entry holds: asked again when that was replaced meanwhile */
void *wki_held_of_rcu(const struct wk_value_dict *dict, const struct wki_entry *entry,
		      void *(*take)(const struct wk_value_dict *dict, uintptr_t word));
/* wki_held_living_rcu - the word itself; NULL: the value is dead */
void *wki_held_living_rcu(const struct wk_value_dict *dict, uintptr_t word);
/* wki_held_own_rcu - the value: a strong reference, a plain pointer; NULL: dead, or no longer there */
void *wki_held_own_rcu(const struct wk_value_dict *dict, uintptr_t word);
void *wki_held_peek_rcu(const struct wk_value_dict *dict, uintptr_t word);

/*
 * wki_held_drop_rcu - the caller has taken the word: what it stood for is given up
 * wki_held_hand_rcu - the same, but the value is his: a strong reference, a plain pointer; NULL: it was weak, and is dead
 *
 * wki_held_drop_rcu returns what is to be released outside the section, or NULL.
 */
struct wki_control *wki_held_drop_rcu(const struct wk_value_dict *dict, uintptr_t word);
void *wki_held_hand_rcu(const struct wk_value_dict *dict, uintptr_t word);

/* wki_held_over_rcu - the word of a live entry is 0, by the caller: end the entry */
void wki_held_over_rcu(struct wki_table *table, struct wki_entry *entry);
/*
 * wki_held_taken_rcu - if somebody has taken the word: end the entry in his place, he may never come to that
 *
 * By whoever takes an entry out of its slot: one that is live and has none would outlive its table.
 */
void wki_held_taken_rcu(struct wki_table *table, struct wki_entry *entry);
/* wki_held_bury_rcu - a weak value turned out to be dead: its entry ends, if nobody has ended it */
void wki_held_bury_rcu(const struct wk_value_dict *dict, struct wki_entry *entry, uintptr_t seen);

/* Called by entries: the key died, and the watch list's hold is ours now; and later on the runner. */
void wki_held_key_died_rcu(struct wki_entry *entry, uint32_t holds);
void wki_held_settle(struct wki_entry *entry);

/* wki_held_forked - in the child of a fork: a weak value that a lost thread had stored in a live entry is watched */
void wki_held_forked(const struct wk_value_dict *dict, struct wki_entry *entry);

/* For src/runtime/kinds.c: a weak value's watch. */
void wki_held_fired(struct wki_watch *watch);
void wki_held_leave(struct wki_watch *watch);

#endif
