/*
 * store_explore.c - what an insert makes, borrows and gives back (collect/value_store.c), and holds on what it stores
 *
 * Two keys, weak values 0 to 2, and the library's own set, insert, get_or_insert and remove, deaths,
 * a mover, the end, and holds as a cursor takes them. Entries, values, arrays and dictionary are really freed:
 * whatever is given back twice is a failure, and whatever never is a leak.
 */
#define EXPLORE_HINTS
#include "held_library.h"

enum entry_bug {
	ENTRIES_ARE_WELL,
	HOLDS_UNSEEN, /* who takes a hold does not say so to who ends the entry */
	KEPT_AT_HOME,
	KEPT_WITHOUT_UNIT,
};

/* What a scenario starts from. */
struct config {
	bool filled;    /* key 0 has value 0 */
	bool strong;    /* the dictionary keeps its values */
	bool equal;     /* a slot belongs to one entry */
	bool unordered; /* something is done that no map does */
	bool pools_not; /* an entry is made outside of sections */
	enum entry_bug bug;
};

static const struct config *config;
static void *values[VALUES];
static bool released[VALUES]; /* our reference has been given up */

static struct {
	struct wki_control control;
	wk_value_dict dict;
} *holder;
static bool ended;

static const wk_type dictionary_type = { .name = "dictionary", .size = sizeof(wk_value_dict), .destroy = wki_value_destroy };

static unsigned number_of(const void *value)
{
	return value == NULL ? HISTORY_NONE : *(const unsigned *)value;
}

#define KEY(what) ((unsigned)(what) >> 4)
#define VALUE(what) ((unsigned)(what) & 15)

/* Operations. */

static void set(intptr_t what)
{
	history_begin(HISTORY_SET, KEY(what), VALUE(what));
	EXPLORE_CHECK(wk_value_dict_set(&holder->dict, wk_key_u64(KEY(what)), values[VALUE(what)]) >= 0);
	history_end(0);
}

static void insert(intptr_t what)
{
	history_begin(HISTORY_INSERT, KEY(what), VALUE(what));
	history_end(wk_value_dict_insert(&holder->dict, wk_key_u64(KEY(what)), values[VALUE(what)]) == WK_CREATED);
}

static void give_up(void *value)
{
	unsigned number = number_of(value);

	if (value == NULL)
		return;
	history_begin(HISTORY_RELEASE, 0, number);
	wki_control_release(wki_control_of(value), 1);
	history_end(0);
}

static void get_or_insert(intptr_t what)
{
	int status;
	void *value = wk_value_dict_get_or_insert(&holder->dict, wk_key_u64(KEY(what)), values[VALUE(what)], &status);

	EXPLORE_CHECK(value != NULL && status >= 0);
	explore_touch(value);
	wki_control_release(wki_control_of(value), 1);
}

/* As a get_or_insert, which has not made anything yet, but all memory is gone for a moment. */
static void insert_without_memory(intptr_t what)
{
	const intptr_t times = what >> 8;
	int code;

	failures = (unsigned)times;
	code = wk_value_dict_insert(&holder->dict, wk_key_u64(KEY(what & 0xff)), values[VALUE(what)]);
	failures = 0;
	EXPLORE_CHECK(code == WK_ENOMEM || code == WK_EEXISTS || (times == 1 && code == WK_CREATED));
}

static void *look_properly(const struct wki_value_key *hashed)
{
	void *value;

	explore_read_lock();
	value = wki_value_get_rcu(&holder->dict, hashed, wki_value_take_strong, NULL);
	explore_read_unlock();
	return value;
}

static void got(void *value)
{
	if (value != NULL)
		explore_touch(value);
	history_end(number_of(value));
	give_up(value);
}

static void get(intptr_t number)
{
	struct wki_value_key hashed = wki_value_key(&holder->dict, wk_key_u64((uint64_t)number));

	history_begin(HISTORY_GET, (unsigned)number, HISTORY_NONE);
	got(look_properly(&hashed));
}

/* As wk_value_dict_get: the first look, and a proper one in a section of its own. */
static void find(intptr_t number)
{
	struct wki_value_key hashed = wki_value_key(&holder->dict, wk_key_u64((uint64_t)number));
	struct wki_control *control;
	void *value = NULL;

	history_begin(HISTORY_GET, (unsigned)number, HISTORY_NONE);
	explore_read_lock();
	if (wki_value_glance_rcu(&holder->dict, (uint64_t)number, hashed.hash, 1, &control))
		value = wki_control_upgrade(control);
	explore_read_unlock();
	got(value != NULL ? value : look_properly(&hashed));
}

/* A hold, as a cursor takes it: entry and key stay as long as he likes. */
static void *take_hold(struct wki_entry *entry, void *context)
{
	(void)context;
	if (!wki_entry_is_live_rcu(entry))
		return NULL;
	if (config->bug == HOLDS_UNSEEN) {
		(void)atomic_fetch_add_relaxed(&entry->watch.holds, 1);
		return entry;
	}
	return wki_entry_hold(entry) ? entry : NULL;
}

static void hold(intptr_t number)
{
	struct wki_value_key hashed = wki_value_key(&holder->dict, wk_key_u64((uint64_t)number));
	struct wki_entry *entry;

	explore_read_lock();
	entry = wki_value_get_rcu(&holder->dict, &hashed, take_hold, NULL);
	explore_read_unlock();
	if (entry == NULL)
		return;
	explore_touch(&entry->key);
	EXPLORE_CHECK(entry->key.number == (uint64_t)number);
	wki_entry_drop(entry);
}

static void remove_key(intptr_t number)
{
	history_begin(HISTORY_REMOVE, (unsigned)number, HISTORY_NONE);
	{
		struct wki_value_key hashed = wki_value_key(&holder->dict, wk_key_u64((uint64_t)number));
		struct wki_removal removal = { .dict = &holder->dict };

		history_end(wki_value_remove(&removal, &hashed) == WK_OK);
	}
}

static void clear(intptr_t unused)
{
	(void)unused;
	wki_value_clear(&holder->dict);
}

static void release(intptr_t value)
{
	released[value] = true;
	give_up(values[value]);
}

static void move(intptr_t unused)
{
	(void)unused;
	table_move(&holder->dict.table);
}

static void end(intptr_t unused)
{
	(void)unused;
	ended = true;
	wki_value_destroy(&holder->dict);
}

void wk_destroy_done(void *dict)
{
	EXPLORE_CHECK(dict == &holder->dict);
	explore_free(holder);
}

/* Set-up and final check. */

static void set_up_values(void)
{
	for (unsigned i = 0; i < VALUES; i++) {
		released[i] = false;
		values[i] = &object_new("value", 1)->number;
		*(unsigned *)values[i] = i;
	}
}

static void set_up(intptr_t with)
{
	config = (const struct config *)with;
	bug = config->bug == KEPT_AT_HOME ? STAYS_AT_HOME : config->bug == KEPT_WITHOUT_UNIT ? OWNS_NOTHING : NO_BUG;
	failures = 0;
	ended = false;
	atomic_store_relaxed(&wki_memory_pooling, config->pools_not ? WKI_POOLED_NEVER : WKI_POOLED);
	intents = explore_zeroed((EXPLORE_THREADS + 1) * sizeof(*intents), "intents");
	mail = explore_zeroed(sizeof(*mail), "mail");
	holder = explore_zeroed(sizeof(*holder), "dictionary");
	holder->control.type = &dictionary_type;
	holder->dict.table.owner = &holder->control;
	holder->dict.form.keys = WK_KEYS_U64;
	holder->dict.values = config->strong ? WK_VALUES_STRONG : WK_VALUES_WEAK;
	wki_slots_init(&holder->dict.table.root, array_new());
	set_up_values();
	set_up_history(config->filled, config->strong);
	if (config->filled)
		EXPLORE_CHECK(wk_value_dict_set(&holder->dict, wk_key_u64(0), values[0]) == WK_CREATED);
}

static void check_contents(void)
{
	struct wki_value_key hashed;
	uint8_t map[HISTORY_KEYS];
	void *value;
	size_t count = 0;

	memset(map, HISTORY_NONE, sizeof(map));
	for (unsigned key = 0; key < 2; key++) {
		hashed = wki_value_key(&holder->dict, wk_key_u64(key));
		value = wki_value_get_rcu(&holder->dict, &hashed, wki_value_take_strong, NULL);
		map[key] = (uint8_t)number_of(value);
		count += value != NULL;
		if (value != NULL)
			wki_control_release(wki_control_of(value), 1);
	}
	if (explore_is_child())
		return;
	EXPLORE_CHECK(wki_table_len(&holder->dict.table) == count);
	if (!config->unordered && !history_explained(map))
		explore_fail("no order of the operations explains what they returned");
}

/* A handle that there is, is counted, whatever is owed. */
static void check_handles(void)
{
	struct wki_control *control;

	for (unsigned i = 0; i < VALUES; i++) {
		if (released[i])
			continue;
		control = wki_control_of(values[i]);
		wki_control_add_unit(control);
		EXPLORE_CHECK(wki_control_weak_handles(control) >= 1);
		wki_control_drop_unit(control);
	}
}

static void finish(void)
{
	run_mail();
	check_handles();
	if (!ended) {
		check_contents();
		end(0);
	}
	for (unsigned i = 0; i < VALUES; i++)
		if (!released[i])
			wki_control_release(wki_control_of(values[i]), 1);
	run_mail();
	explore_free(mail);
	explore_free(intents);
}

#define SET(key, value) EXPLORE_DO(set, (key) << 4 | (value))
#define INSERT(key, value) EXPLORE_DO(insert, (key) << 4 | (value))
#define GET_OR_INSERT(key, value) EXPLORE_DO(get_or_insert, (key) << 4 | (value))
#define INSERT_WITHOUT(times, key, value) EXPLORE_DO(insert_without_memory, (times) << 8 | (key) << 4 | (value))
#define GET(key) EXPLORE_DO(get, key)
#define FIND(key) EXPLORE_DO(find, key)
#define HOLD(key) EXPLORE_DO(hold, key)
#define REMOVE(key) EXPLORE_DO(remove_key, key)
#define CLEAR EXPLORE_DO(clear, 0)
#define RELEASE(value) EXPLORE_DO(release, value)
#define MOVE EXPLORE_DO(move, 0)
#define END EXPLORE_DO(end, 0)
#define FORK EXPLORE_DO(fork_off, 0)
#define WITH(...) .set_up = set_up, .argument = (intptr_t)&(const struct config){ __VA_ARGS__ }, .finish = finish
#define BOUNDED .how = EXPLORE_BOUNDED, .preemptions = 3

static const struct explore_scenario scenarios[] = {
	/* What was made is given back once. */
	{ .name = "insert, insert", .thread = { { INSERT(0, 1), GET(0) }, { INSERT(0, 2), GET(0) } }, WITH(0) },
	{ .name = "insert, death, insert", .thread = { { INSERT(0, 1) }, { RELEASE(0), INSERT(0, 2) } }, WITH(.filled = true) },
	{ .name = "set, insert", .thread = { { SET(0, 1), REMOVE(0) }, { INSERT(0, 2) } }, WITH(.filled = true) },
	{ .name = "set, set", .thread = { { SET(0, 1) }, { SET(0, 2), GET(0) } }, WITH(.filled = true) },
	{ .name = "get_or_insert, insert, death", .thread = { { GET_OR_INSERT(0, 1) }, { RELEASE(0), INSERT(0, 2) } }, WITH(.filled = true, .unordered = true) },
	{ .name = "set, mover", .thread = { { SET(0, 1), GET(0) }, { MOVE } }, WITH(.filled = true), BOUNDED },
	{ .name = "insert, mover, death", .thread = { { INSERT(0, 1) }, { RELEASE(0), MOVE } }, WITH(.filled = true), BOUNDED },
	{ .name = "made outside: insert, set", .thread = { { INSERT(0, 1), REMOVE(0) }, { SET(0, 2) } }, WITH(.pools_not = true) },
	{ .name = "no memory, once", .thread = { { INSERT_WITHOUT(1, 0, 1) }, { REMOVE(0), GET(0) } }, WITH(.filled = true, .unordered = true) },
	{ .name = "no memory, twice", .thread = { { INSERT_WITHOUT(2, 0, 1) }, { RELEASE(0) } }, WITH(.filled = true, .unordered = true) },
	{ .name = "no memory, outside", .thread = { { INSERT_WITHOUT(2, 0, 1) }, { RELEASE(0) } }, WITH(.filled = true, .unordered = true, .pools_not = true) },
	{ .name = "set, clear", .thread = { { SET(0, 1) }, { CLEAR } }, WITH(.filled = true, .unordered = true) },
	/* Deaths, and holds. */
	{ .name = "hold, death", .thread = { { HOLD(0) }, { RELEASE(0) } }, WITH(.filled = true) },
	{ .name = "two holds, death", .thread = { { HOLD(0) }, { RELEASE(0) }, { HOLD(0) } }, WITH(.filled = true), BOUNDED },
	{ .name = "hold, remove, death", .thread = { { HOLD(0) }, { REMOVE(0), RELEASE(0) } }, WITH(.filled = true) },
	{ .name = "hold, remove and death at once", .thread = { { HOLD(0) }, { REMOVE(0) }, { RELEASE(0) } }, WITH(.filled = true), BOUNDED },
	{ .name = "hold, set, both deaths", .thread = { { HOLD(0) }, { SET(0, 1), RELEASE(1) }, { RELEASE(0) } }, WITH(.filled = true), BOUNDED },
	{ .name = "hold, death, insert in its slot", .thread = { { HOLD(0) }, { RELEASE(0) }, { INSERT(0, 1) } }, WITH(.filled = true), BOUNDED },
	{ .name = "hold, death, mover", .thread = { { HOLD(0) }, { RELEASE(0) }, { MOVE } }, WITH(.filled = true), BOUNDED },
	{ .name = "hold, mover, insert after death", .thread = { { HOLD(0), HOLD(0) }, { RELEASE(0), INSERT(0, 1) }, { MOVE } }, WITH(.filled = true), BOUNDED, .deep = true },
	{ .name = "hold, death, clear", .thread = { { HOLD(0) }, { RELEASE(0) }, { CLEAR } }, WITH(.filled = true, .unordered = true), BOUNDED },
	{ .name = "death, end", .thread = { { RELEASE(0) }, { END } }, WITH(.filled = true, .unordered = true) },
	{ .name = "hold, death, end", .thread = { { HOLD(0), END }, { RELEASE(0) } }, WITH(.filled = true, .unordered = true) },
	/* At home: values are found without their entries. */
	{ .name = "find, insert, death", .thread = { { FIND(0), FIND(0) }, { INSERT(0, 1), RELEASE(1) } }, WITH(0) },
	{ .name = "find, insert of another key", .thread = { { FIND(0), FIND(1) }, { INSERT(1, 1), REMOVE(1) } }, WITH(.filled = true) },
	{ .name = "find, set, death", .thread = { { FIND(0), FIND(0) }, { SET(0, 1), RELEASE(0) } }, WITH(.filled = true) },
	{ .name = "find, remove, death", .thread = { { FIND(0), FIND(0) }, { REMOVE(0), RELEASE(0) } }, WITH(.filled = true) },
	{ .name = "find, remove and death at once", .thread = { { FIND(0), FIND(0) }, { REMOVE(0) }, { RELEASE(0) } }, WITH(.filled = true), BOUNDED },
	{ .name = "remove, seen gone", .thread = { { REMOVE(0) }, { GET(0), FIND(0) } }, WITH(.filled = true) },
	{ .name = "two removes, find", .thread = { { REMOVE(0) }, { REMOVE(0), FIND(0) }, { RELEASE(0) } }, WITH(.filled = true), BOUNDED },
	{ .name = "remove, set", .thread = { { REMOVE(0) }, { SET(0, 1) } }, WITH(.filled = true) },
	{ .name = "two removes", .thread = { { REMOVE(0) }, { REMOVE(0) } }, WITH(.filled = true) },
	{ .name = "one value, two keys", .thread = { { INSERT(0, 0), FIND(1) }, { INSERT(1, 0), FIND(0) } }, WITH(0), BOUNDED },
	{ .name = "the same under another key", .thread = { { REMOVE(0), INSERT(1, 0) }, { FIND(0), FIND(1), FIND(0) } }, WITH(.filled = true), BOUNDED },
	{ .name = "late writer, remove, insert", .thread = { { INSERT(0, 0) }, { REMOVE(0), INSERT(0, 1), FIND(0), FIND(1) } }, WITH(0), BOUNDED },
	{ .name = "kept: find, set, release", .thread = { { FIND(0), FIND(0) }, { SET(0, 1), RELEASE(0) } }, WITH(.filled = true, .strong = true) },
	{ .name = "kept: find, remove, mover", .thread = { { FIND(0) }, { RELEASE(0), REMOVE(0) }, { MOVE } }, WITH(.filled = true, .strong = true), BOUNDED, .deep = true },
	{ .name = "removed, inserted again", .thread = { { REMOVE(0), INSERT(0, 0), FIND(0) }, { FIND(0), FIND(0) } }, WITH(.filled = true) },
	{ .name = "find, death, insert in its slot", .thread = { { FIND(0), FIND(0) }, { RELEASE(0), INSERT(0, 1) } }, WITH(.filled = true) },
	{ .name = "find, death, mover", .thread = { { FIND(0) }, { RELEASE(0) }, { MOVE } }, WITH(.filled = true), BOUNDED },
	{ .name = "find, remove, mover, death", .thread = { { FIND(0) }, { REMOVE(0), RELEASE(0) }, { MOVE } }, WITH(.filled = true), BOUNDED, .deep = true },
	{ .name = "two finds, remove, mover, death", .thread = { { FIND(0), FIND(0) }, { REMOVE(0), RELEASE(0) }, { MOVE } }, WITH(.filled = true), BOUNDED, .deep = true },
	{ .name = "find, late mover, set, death", .thread = { { MOVE }, { MOVE, SET(0, 1), RELEASE(0), FIND(0) } }, WITH(.filled = true), BOUNDED },
	{ .name = "late mover, remove, the same again", .thread = { { MOVE }, { MOVE, REMOVE(0), INSERT(0, 0), FIND(0), RELEASE(0), FIND(0) } }, WITH(.filled = true), BOUNDED, .deep = true },
	{ .name = "two movers, remove, find", .thread = { { FIND(0) }, { REMOVE(0), RELEASE(0) }, { MOVE, MOVE } }, WITH(.filled = true), BOUNDED, .deep = true },
	{ .name = "find, clear, deaths", .thread = { { FIND(0) }, { CLEAR }, { RELEASE(0) } }, WITH(.filled = true, .unordered = true), BOUNDED },
	{ .name = "find, end, death", .thread = { { FIND(0), END }, { RELEASE(0) } }, WITH(.filled = true, .unordered = true) },
	/* A fork. */
	{ .name = "lost in a death, find", .thread = { { RELEASE(0) }, { FORK, FIND(0), INSERT(0, 1), FIND(0) } }, WITH(.filled = true, .unordered = true) },
	{ .name = "lost in a remove, find", .thread = { { REMOVE(0) }, { FORK, FIND(0), RELEASE(0), FIND(0) } }, WITH(.filled = true, .unordered = true) },
	{ .name = "lost in a set, find", .thread = { { SET(0, 1) }, { FORK, FIND(0), RELEASE(0), REMOVE(0), RELEASE(1), FIND(0) } }, WITH(.filled = true, .unordered = true) },
	{ .name = "lost in a mover, find", .thread = { { MOVE }, { FORK, FIND(0), RELEASE(0), FIND(0) } }, WITH(.filled = true, .unordered = true) },
	{ .name = "lost in an insert", .thread = { { INSERT(0, 0) }, { FORK, RELEASE(0), GET(0) } }, WITH(0) },
	{ .name = "lost in a set, both deaths", .thread = { { SET(0, 1) }, { FORK, RELEASE(0), RELEASE(1), GET(0) } }, WITH(.filled = true) },
	{ .name = "lost in a set, hold, deaths", .thread = { { SET(0, 1) }, { FORK, HOLD(0), RELEASE(1), INSERT(0, 2) } }, WITH(.filled = true) },
	{ .name = "lost in a hold, death", .thread = { { HOLD(0) }, { FORK, RELEASE(0), INSERT(0, 1) } }, WITH(.filled = true) },
	{ .name = "lost in a hold, end, death", .thread = { { HOLD(0) }, { FORK, END, RELEASE(0) } }, WITH(.filled = true) },
	{ .name = "lost in a get_or_insert, deaths", .thread = { { GET_OR_INSERT(0, 0) }, { FORK, RELEASE(0), INSERT(0, 2) } }, WITH(.unordered = true) },
	/* Planted bugs. */
	{ .name = "planted: removed, and at home", .thread = { { REMOVE(0) }, { GET(0), FIND(0) } }, WITH(.filled = true, .bug = KEPT_AT_HOME), .planted = "no order" },
	{ .name = "planted: removed, without a unit", .thread = { { FIND(0) }, { REMOVE(0) }, { RELEASE(0) } }, WITH(.filled = true, .bug = KEPT_WITHOUT_UNIT), BOUNDED, .planted = "freed memory" },
	{ .name = "planted: holds unseen", .thread = { { HOLD(0) }, { RELEASE(0) } }, WITH(.filled = true, .bug = HOLDS_UNSEEN), .planted = "freed memory" },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
