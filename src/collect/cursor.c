/*
 * collect/cursor.c - cursors: a walk (walk.h), and what it holds between two steps
 *
 *	the container   a strong reference, until close
 *	the object      a strong reference to the current one, until the next step, park or close
 *	its key         a hold on the entry, as long, so that the key stays; numbers are copied
 *	ties            holds on entries of all keys that share one hash and have not had their turn
 *
 * Layer: collect. Never: allocate, other than for ties; hold a read section open between calls.
 */
#include "weakref/cursor.h"

#include "base/memory.h"
#include "collect/values.h"
#include "sync/rcu.h"

/* Keys of one hash: what is looked up is each entry's key, whatever is stored under it by then. */
struct cursor_ties {
	size_t count, room;
	struct wki_entry *entries[];
};

/* What a wk_cursor is to us: it lives in the program's memory, as an array of pointers. */
struct __attribute__((may_alias)) cursor {
	wk_value_dict *dict; /* NULL: closed, or opened on nothing */
	void *object;        /* NULL: none */
	union {
		uint64_t number;         /* WK_KEYS_U64 */
		struct wki_entry *entry; /* other keys */
	} key;                           /* of the object */
	struct wki_walk walk;
	struct cursor_ties *ties; /* NULL: none; the walk stands at their hash */
	void *value;              /* what a key dictionary holds for the object: a strong reference; NULL: none, or plain */
};
_Static_assert(sizeof(struct cursor) <= sizeof(wk_cursor), "a cursor is eight words");

#define TIES_AT_FIRST 4u

static struct cursor *cursor_of(wk_cursor *cursor)
{
	return (struct cursor *)cursor;
}

static bool cursor_has_numbers(const struct cursor *cursor)
{
	return cursor->dict->form.keys == WK_KEYS_U64 && !cursor->dict->is_set;
}

/* Of key dictionaries. */
static bool cursor_has_values(const struct cursor *cursor)
{
	return (cursor->dict->form.marks & WKI_ENTRY_HELD) != 0;
}

/* A plain value is asked for again each time: it may be gone. */
static bool cursor_owns_values(const struct cursor *cursor)
{
	return cursor_has_values(cursor) && cursor->dict->hold != WK_HOLD_PLAIN;
}

/* Numbers are copied; nobody asks for a set's key. */
static bool cursor_holds_entry(const struct cursor *cursor)
{
	return !cursor_has_numbers(cursor) && (!cursor->dict->is_set || cursor_has_values(cursor));
}

/* Ties. */

static size_t ties_size(size_t room)
{
	return sizeof(struct cursor_ties) + room * sizeof(struct wki_entry *);
}

static struct cursor_ties *ties_new(const wk_allocator *allocator, size_t room)
{
	struct cursor_ties *ties = wki_allocate(allocator, ties_size(room), WKI_ALIGNMENT);

	if (ties != NULL)
		*ties = (struct cursor_ties){ .room = room };
	return ties;
}

static void ties_free(const wk_allocator *allocator, struct cursor_ties *ties)
{
	wki_free(allocator, ties, ties_size(ties->room), WKI_ALIGNMENT);
}

static void cursor_drop_ties(struct cursor *cursor)
{
	struct cursor_ties *ties = cursor->ties;

	if (ties == NULL)
		return;
	while (ties->count > 0)
		wki_entry_drop(ties->entries[--ties->count]);
	ties_free(cursor->dict->table.allocator, ties);
	cursor->ties = NULL;
}

static bool cursor_make_room(struct cursor *cursor)
{
	const wk_allocator *allocator = cursor->dict->table.allocator;
	struct cursor_ties *full = cursor->ties, *ties;

	if (full != NULL && full->count < full->room)
		return true;
	ties = ties_new(allocator, full != NULL ? 2 * full->room : TIES_AT_FIRST);
	if (ties == NULL)
		return false;
	if (full != NULL) {
		memcpy(ties->entries, full->entries, full->count * sizeof(full->entries[0]));
		ties->count = full->count;
		ties_free(allocator, full);
	}
	cursor->ties = ties;
	return true;
}

static void *take_hold(struct wki_entry *entry, void *unused)
{
	(void)unused;
	return wki_entry_state_is_live(entry) && wki_entry_hold(entry) ? entry : NULL;
}

/* One key's entries, of which one has ended before the other came. */
static bool ties_are_same(const struct cursor *cursor, const struct wki_entry *a, const struct wki_entry *b)
{
	if (a->watch.detail & WKI_ENTRY_EQUAL)
		return a->control == b->control;
	return wki_entry_same_entry(a, cursor->walk.from, b);
}

/* A key that has gone and come back in another slot meanwhile is met twice; the entry of its that came last is kept. */
static void cursor_add_tie(struct cursor *cursor, struct wki_entry *held)
{
	struct cursor_ties *ties = cursor->ties;
	size_t i;

	for (i = 0; i < ties->count && !ties_are_same(cursor, ties->entries[i], held); i++)
		;
	if (i < ties->count)
		wki_entry_drop(ties->entries[i]);
	else
		ties->count++;
	ties->entries[i] = held;
}

static bool collect_tie_rcu(struct wki_entry *entry, void *context)
{
	struct cursor *cursor = context;
	struct wki_entry *held;

	if (!cursor_make_room(cursor))
		return false;
	held = take_hold(entry, NULL);
	if (held == NULL) /* it may have been replaced just now */
		held = wki_slots_get(&cursor->dict->table.root, cursor->walk.from, wki_entry_same_entry, entry, take_hold, NULL);
	if (held != NULL)
		cursor_add_tie(cursor, held);
	return true;
}

/* All or nothing: without memory the walk stays where it is. */
static bool cursor_collect_rcu(struct cursor *cursor)
{
	if (wki_table_tied_rcu(&cursor->dict->table, cursor->walk.from, collect_tie_rcu, cursor))
		return true;
	cursor_drop_ties(cursor);
	return false;
}

/* Steps. */

/* The key's object becomes the current one. A take function: see wki_slots_get. */
static void *take_current(struct wki_entry *entry, void *context)
{
	struct cursor *cursor = context;
	bool holds = cursor_holds_entry(cursor);

	if (!wki_entry_is_live_rcu(entry) || (holds && !wki_entry_hold(entry)))
		return NULL;
	cursor->object = wki_control_upgrade(entry->control);
	if (cursor->object == NULL) {
		if (holds)
			wki_entry_drop(entry);
		return NULL;
	}
	if (holds)
		cursor->key.entry = entry;
	else
		cursor->key.number = entry->key.number;
	if (cursor_owns_values(cursor))
		cursor->value = wki_held_of_rcu(cursor->dict, entry, wki_held_own_rcu);
	return entry;
}

/* false: no memory */
static bool cursor_step(struct cursor *cursor)
{
	bool stepped = true;

	wki_read_lock();
	(void)wki_table_step_rcu(&cursor->dict->table, &cursor->walk, take_current, cursor);
	if (cursor->walk.is_tied)
		stepped = cursor_collect_rcu(cursor);
	wki_read_unlock();
	return stepped;
}

static void cursor_step_tied(struct cursor *cursor)
{
	struct cursor_ties *ties = cursor->ties;
	struct wki_entry *entry;

	if (ties->count == 0) {
		cursor_drop_ties(cursor);
		wki_walk_pass(&cursor->walk, cursor->walk.from);
		return;
	}
	entry = ties->entries[--ties->count];
	wki_read_lock();
	(void)wki_slots_get(&cursor->dict->table.root, cursor->walk.from, wki_entry_same_entry, entry, take_current, cursor);
	wki_read_unlock();
	wki_entry_drop(entry);
}

static void cursor_drop_current(struct cursor *cursor)
{
	void *object = cursor->object, *value = cursor->value;

	if (object == NULL)
		return;
	cursor->object = NULL;
	cursor->value = NULL;
	if (cursor_holds_entry(cursor))
		wki_entry_drop(cursor->key.entry);
	wk_release(value);
	wk_release(object);
}

static int cursor_advance(struct cursor *cursor)
{
	while (cursor->object == NULL) {
		if (cursor->ties != NULL)
			cursor_step_tied(cursor);
		else if (cursor->walk.has_ended)
			return WK_ENOTFOUND;
		else if (!cursor_step(cursor))
			return WK_ENOMEM;
		if (cursor_owns_values(cursor) && cursor->value == NULL)
			cursor_drop_current(cursor); /* the entry has ended just now */
	}
	return WK_OK;
}

/* What the program calls. */

wk_cursor wk_cursor_open(const void *container)
{
	wk_cursor opened = { { NULL } };

	if (container == NULL)
		return opened;
	cursor_of(&opened)->dict = wki_values_of(container);
	if (cursor_of(&opened)->dict == NULL)
		wki_stop_control(wki_control_of(container), "a cursor was opened on it, but it is no container");
	(void)wk_retain(container);
	return opened;
}

void *wk_cursor_next(wk_cursor *cursor)
{
	struct cursor *mine = cursor_of(cursor);
	int code = WK_ENOTFOUND;

	wk_cursor_park(cursor);
	if (mine->dict != NULL)
		code = cursor_advance(mine);
	if (code != WK_OK)
		wki_note_status(code);
	return mine->object;
}

const void *wk_cursor_key(const wk_cursor *cursor, size_t *length)
{
	const struct cursor *mine = (const struct cursor *)cursor;
	const void *key = NULL;
	size_t size = 0;

	if (mine->object != NULL && !mine->dict->is_set) {
		if (cursor_has_numbers(mine)) {
			key = &mine->key.number;
			size = sizeof(mine->key.number);
		} else {
			key = wki_entry_key(mine->key.entry, &size);
		}
	}
	if (length != NULL)
		*length = size;
	return key;
}

uint64_t wk_cursor_key_u64(const wk_cursor *cursor)
{
	const struct cursor *mine = (const struct cursor *)cursor;

	if (mine->object == NULL)
		return 0;
	if (!cursor_has_numbers(mine))
		wki_stop_control(wki_control_of(mine->dict), "a cursor was asked for a number, but its keys are none");
	return mine->key.number;
}

void *wk_cursor_value(const wk_cursor *cursor)
{
	const struct cursor *mine = (const struct cursor *)cursor;

	if (mine->object == NULL || !cursor_has_values(mine) || cursor_owns_values(mine))
		return mine->value;
	if (!wki_read_join() && WKI_CHECK_LEVEL >= 1)
		wki_stop_control(wki_control_of(mine->dict), "a cursor was asked for a plain value outside a read section");
	return wki_held_of_rcu(mine->dict, mine->key.entry, wki_held_peek_rcu);
}

void wk_cursor_park(wk_cursor *cursor)
{
	cursor_drop_current(cursor_of(cursor));
}

void wk_cursor_close(wk_cursor *cursor)
{
	struct cursor *mine = cursor_of(cursor);

	cursor_drop_current(mine);
	cursor_drop_ties(mine);
	wk_release(mine->dict);
	*cursor = (wk_cursor){ { NULL } };
}
