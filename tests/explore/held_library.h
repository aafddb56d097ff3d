/*
 * held_library.h - the library's files on held_world.h, with a planted bug where one is called for
 */
#ifndef EXPLORE_HELD_LIBRARY_H
#define EXPLORE_HELD_LIBRARY_H

#include "held_absent.h"
#include "history.h"

static bool planted_end(struct wki_entry *entry)
{
	return wki_entry_end(entry) || bug == WORD_ALONE;
}

static bool planted_hold(struct wki_entry *entry)
{
	return bug == ENTRY_NOT_HELD || wki_entry_hold(entry);
}

static bool planted_move(struct wki_watch *watch, enum wki_watch_state from, enum wki_watch_state to)
{
	return wki_watch_move(watch, from, to) || bug == FORGOTTEN_BY_LOOK;
}

#define wki_entry_end planted_end
#define wki_entry_hold planted_hold
#define wki_watch_move planted_move
#include "collect/held.c"
#undef wki_entry_end
#undef wki_entry_hold
#undef wki_watch_move

static void planted_leave_home(struct wki_control *control)
{
	if (bug == STAYS_AT_HOME)
		wki_control_add_unit(control);
	else
		wki_control_leave_home(control);
}

static bool planted_move_marked(struct wki_watch *watch, enum wki_watch_state from, enum wki_watch_state to, unsigned marks)
{
	return wki_watch_move_marked(watch, from, to, bug == OWNS_NOTHING ? 0 : marks);
}

static void planted_owe_home(struct wki_control *control)
{
	if (bug == OWNS_NOTHING)
		wki_control_drop_unit(control);
	else
		wki_control_owe_home(control);
}

#define wki_control_leave_home planted_leave_home
#define wki_watch_move_marked planted_move_marked
#define wki_control_owe_home planted_owe_home
#include "collect/entry.c"
#undef wki_control_leave_home
#undef wki_watch_move_marked
#undef wki_control_owe_home

static bool planted_is_live(const struct wki_entry *entry)
{
	if (bug == STATE_ALONE)
		return wki_entry_state_is_live(entry) && !wki_count_is_dead(&entry->control->count);
	return wki_entry_is_live_rcu(entry);
}

static bool planted_swap(struct wki_entry *entry, uintptr_t *seen, uintptr_t word)
{
	if (bug != TAKEN_BY_LOOK)
		return wki_held_swap(entry, seen, word);
	atomic_store_release(&entry->key.object.held, word);
	return true;
}

static void planted_taken(struct wki_table *table, struct wki_entry *entry)
{
	if (bug != TAKEN_AND_LEFT)
		wki_held_taken_rcu(table, entry);
}

#define wki_held_taken_rcu planted_taken
#define wki_entry_is_live_rcu planted_is_live
#define wki_held_swap planted_swap
#include "collect/key_dict.c"
#include "collect/value_store.c"
#include "collect/values.c"

/* What programs that run it begin with: each value has a reference of theirs; `filled`: key 0 has value 0. */
static void set_up_history(bool filled, bool strong)
{
	uint8_t references[HISTORY_OBJECTS] = { 1, 1, 1 }, map[HISTORY_KEYS];

	memset(map, HISTORY_NONE, sizeof(map));
	if (filled)
		map[0] = 0;
	history_reset(references, map, strong);
}

/* The other thread is no more. What it was storing is finished; what it was removing is left to whoever comes. */
static void fork_off(intptr_t unused)
{
	(void)unused;
	explore_fork(0);
	if (bug != STORE_LEFT)
		wki_store_forked(&intents[0]);
}

#endif
