/*
 * held_explore.c - what the entries of key dictionaries hold (collect/held.h) under every schedule
 *
 * One key, values 0 to 2, and the library's own set, get, remove and pop. A map explains what they
 * return, as long as the key lives. Entries, what they hold, values, key, arrays and dictionary are
 * really freed: whatever is given up twice is a failure, and whatever never is a leak.
 */
#include "held_library.h"

/* What a scenario starts from. */
struct config {
	wk_hold hold;
	bool filled;            /* the key has value 0 */
	bool key_dies;          /* a thread releases the key, or the dictionary */
	enum bug bug;
};

/* A value by number: an object, or for PLAIN a block that the release frees. */
static void *values[VALUES];
static bool released[VALUES]; /* our reference has been given up */

static const struct config *config;
static struct object *key;
static bool key_released;

static struct {
	struct wki_control control;
	wk_key_dict dict;
} *held;
static bool ended;

static bool is_plain(void)
{
	return config->hold == WK_HOLD_PLAIN;
}

static void *payload_of(struct object *object)
{
	return &object->number;
}

/* A plain value is the dictionary's from now on. */
static void give(intptr_t value)
{
	released[value] = released[value] || is_plain();
}

static unsigned number_of(const void *value)
{
	return value == NULL ? HISTORY_NONE : *(const unsigned *)value;
}

static void drop_value(void *value)
{
	if (is_plain())
		explore_free(value);
	else
		wki_control_release(wki_control_of(value), 1);
}

/* Operations. */

static void set(intptr_t value)
{
	history_begin(HISTORY_SET, 0, (unsigned)value);
	give(value);
	EXPLORE_CHECK(wk_key_dict_set(&held->dict, payload_of(key), values[value]) >= 0);
	history_end(0);
}

static void insert(intptr_t value)
{
	history_begin(HISTORY_INSERT, 0, (unsigned)value);
	history_end(wk_key_dict_insert(&held->dict, payload_of(key), values[value]) == WK_CREATED);
}

static void give_up(void *value)
{
	unsigned number = number_of(value);

	if (value == NULL || is_plain())
		return;
	history_begin(HISTORY_RELEASE, 0, number);
	wki_control_release(wki_control_of(value), 1);
	history_end(0);
}

static void get(intptr_t unused)
{
	void *value;

	(void)unused;
	history_begin(HISTORY_GET, 0, HISTORY_NONE);
	explore_read_lock();
	value = wki_key_own(&held->dict, payload_of(key));
	if (value != NULL)
		explore_touch(value);
	history_end(number_of(value));
	explore_read_unlock();
	give_up(value);
}

/* A listing of the keys. */
static void *take_listed(struct wki_entry *entry, void *context)
{
	(void)context;
	return wki_entry_is_live_rcu(entry) ? entry : NULL;
}

static void list(intptr_t unused)
{
	struct wki_value_key hashed;
	bool is_listed;

	(void)unused;
	history_begin(HISTORY_HAS, 0, HISTORY_NONE);
	(void)wki_value_key_of(&held->dict.keys, payload_of(key), &hashed);
	explore_read_lock();
	is_listed = wki_value_get_rcu(&held->dict.keys, &hashed, take_listed, NULL) != NULL;
	explore_read_unlock();
	history_end(is_listed);
}

static void remove_key(intptr_t unused)
{
	(void)unused;
	history_begin(HISTORY_REMOVE, 0, HISTORY_NONE);
	history_end(wk_key_dict_remove(&held->dict, payload_of(key)) == WK_OK);
}

/* Taking whatever is there, without a hold on the key. */
static void pop_any(intptr_t unused)
{
	wk_pair pair = wk_key_dict_pop_any(&held->dict);

	(void)unused;
	if (pair.key == NULL)
		return;
	EXPLORE_CHECK(pair.value != NULL);
	explore_touch(pair.value);
	wki_control_release(wki_control_of(pair.key), 1);
	drop_value(pair.value);
}

static void clear(intptr_t unused)
{
	(void)unused;
	wk_key_dict_clear(&held->dict);
}

static void release(intptr_t value)
{
	released[value] = true;
	give_up(values[value]);
}

static void release_key(intptr_t unused)
{
	(void)unused;
	key_released = true;
	wki_control_release(&key->control, 1);
}

static void move(intptr_t unused)
{
	(void)unused;
	table_move(&held->dict.keys.table);
}

static void run(intptr_t unused)
{
	(void)unused;
	run_mail();
}

/* The end of the container; nobody is in a call on it. */
static void end(intptr_t unused)
{
	(void)unused;
	ended = true;
	wki_value_destroy(&held->dict);
}

void wk_destroy_done(void *dict)
{
	EXPLORE_CHECK(dict == &held->dict);
	explore_free(held);
}

/* Set-up and final check. */

static void plain_release(void *value)
{
	explore_free(value);
}

static void set_up_values(void)
{
	for (unsigned i = 0; i < VALUES; i++) {
		released[i] = false;
		if (is_plain()) {
			values[i] = explore_zeroed(sizeof(unsigned), "plain");
		} else {
			values[i] = payload_of(object_new("value", 1));
			(void)wki_control_borrow(wki_control_of(values[i]));
		}
		*(unsigned *)values[i] = i;
	}
}

static void set_up(intptr_t with)
{
	config = (const struct config *)with;
	bug = config->bug;
	ended = key_released = false;
	intents = explore_zeroed((EXPLORE_THREADS + 1) * sizeof(*intents), "intents");
	mail = explore_zeroed(sizeof(*mail), "mail");
	key = object_new("key", 1);
	set_up_values();
	held = explore_zeroed(sizeof(*held), "dictionary");
	held->dict.keys.table.owner = &held->control;
	held->dict.keys.form.marks = WKI_ENTRY_HELD;
	held->dict.keys.is_set = true;
	held->dict.keys.hold = (uint8_t)config->hold;
	if (is_plain())
		held->dict.keys.release = plain_release;
	wki_slots_init(&held->dict.keys.table.root, array_new());
	if (config->filled) {
		give(0);
		EXPLORE_CHECK(wk_key_dict_set(&held->dict, payload_of(key), values[0]) == WK_CREATED);
	}
	set_up_history(config->filled, config->hold == WK_HOLD_STRONG);
}

static void check_contents(void)
{
	uint8_t map[HISTORY_KEYS];
	void *value = key_released ? NULL : wki_key_own(&held->dict, payload_of(key));

	memset(map, HISTORY_NONE, sizeof(map));
	map[0] = (uint8_t)number_of(value);
	if (!explore_is_child())
		EXPLORE_CHECK(wk_key_dict_len(&held->dict) == (value != NULL));
	if (!config->key_dies && !explore_is_child() && !history_explained(map))
		explore_fail("no order of the operations explains what they returned");
	if (value != NULL && !is_plain())
		wki_control_release(wki_control_of(value), 1);
}

static void finish(void)
{
	run_mail();
	if (!ended) {
		check_contents();
		end(0);
	}
	if (!key_released)
		release_key(0);
	for (unsigned i = 0; i < VALUES; i++)
		if (!released[i])
			drop_value(values[i]);
	run_mail();
	explore_free(mail);
	explore_free(intents);
}

#define SET(value) EXPLORE_DO(set, value)
#define INSERT(value) EXPLORE_DO(insert, value)
#define GET EXPLORE_DO(get, 0)
#define LIST EXPLORE_DO(list, 0)
#define REMOVE EXPLORE_DO(remove_key, 0)
#define POP EXPLORE_DO(pop_any, 0)
#define CLEAR EXPLORE_DO(clear, 0)
#define RELEASE(value) EXPLORE_DO(release, value)
#define RELEASE_KEY EXPLORE_DO(release_key, 0)
#define MOVE EXPLORE_DO(move, 0)
#define RUN EXPLORE_DO(run, 0)
#define END EXPLORE_DO(end, 0)
#define FORK EXPLORE_DO(fork_off, 0)
#define WITH(...) .set_up = set_up, .argument = (intptr_t)&(const struct config){ __VA_ARGS__ }, .finish = finish
#define STRONG .hold = WK_HOLD_STRONG, .filled = true
#define WEAK .hold = WK_HOLD_WEAK, .filled = true
#define PLAIN .hold = WK_HOLD_PLAIN, .filled = true

static const struct explore_scenario scenarios[] = {
	/* The word: who takes it. */
	{ .name = "strong: remove, remove", .thread = { { REMOVE, GET }, { REMOVE, LIST } }, WITH(STRONG) },
	{ .name = "strong: set, remove", .thread = { { SET(1), GET }, { REMOVE, GET } }, WITH(STRONG) },
	{ .name = "strong: insert, remove", .thread = { { INSERT(1), GET }, { REMOVE, LIST } }, WITH(STRONG) },
	{ .name = "weak: set, remove", .thread = { { SET(1) }, { REMOVE, GET } }, WITH(WEAK) },
	{ .name = "weak: remove, listed", .thread = { { REMOVE }, { GET, LIST } }, WITH(WEAK) },
	{ .name = "plain: pop, clear", .thread = { { POP }, { CLEAR } }, WITH(PLAIN, .key_dies = true) },
	/* The death of a value. */
	{ .name = "weak: death, get", .thread = { { RELEASE(0) }, { GET, GET } }, WITH(WEAK) },
	{ .name = "weak: death, remove", .thread = { { RELEASE(0) }, { REMOVE, GET } }, WITH(WEAK) },
	{ .name = "weak: death, set", .thread = { { RELEASE(0) }, { SET(1), GET } }, WITH(WEAK) },
	{ .name = "weak: two deaths, set", .thread = { { RELEASE(0), GET }, { SET(1), RELEASE(1) } }, WITH(WEAK) },
	{ .name = "weak: death, pop", .thread = { { RELEASE(0) }, { POP } }, WITH(WEAK, .key_dies = true) },
	{ .name = "weak: death, mover", .thread = { { RELEASE(0) }, { MOVE } }, WITH(WEAK) },
	{ .name = "weak: death, end", .thread = { { RELEASE(0) }, { END } }, WITH(WEAK, .key_dies = true) },
	/* The death of the key. */
	{ .name = "strong: key's death, pop", .thread = { { RELEASE_KEY }, { POP } }, WITH(STRONG, .key_dies = true) },
	{ .name = "strong: key's death, clear, runner", .thread = { { RELEASE_KEY }, { CLEAR, RUN } }, WITH(STRONG, .key_dies = true) },
	{ .name = "strong: key's death, mover", .thread = { { RELEASE_KEY, RUN }, { MOVE } }, WITH(STRONG, .key_dies = true) },
	{ .name = "strong: key's death, end, runner", .thread = { { RELEASE_KEY }, { END, RUN } }, WITH(STRONG, .key_dies = true) },
	{ .name = "weak: key's death, value's death", .thread = { { RELEASE_KEY }, { RELEASE(0) } }, WITH(WEAK, .key_dies = true) },
	{ .name = "weak: key's death, pop", .thread = { { RELEASE_KEY }, { POP } }, WITH(WEAK, .key_dies = true) },
	{ .name = "weak: key's death, end", .thread = { { RELEASE_KEY }, { END } }, WITH(WEAK, .key_dies = true) },
	{ .name = "plain: key's death, pop", .thread = { { RELEASE_KEY }, { POP } }, WITH(PLAIN, .key_dies = true) },
	{ .name = "plain: key's death, clear", .thread = { { RELEASE_KEY }, { CLEAR } }, WITH(PLAIN, .key_dies = true) },
	/* Ghosts. */
	{ .name = "strong: remove, mover, set", .thread = { { REMOVE, SET(1) }, { MOVE } }, WITH(STRONG) },
	{ .name = "weak: remove, set, mover", .thread = { { REMOVE, SET(1) }, { MOVE, GET } }, WITH(WEAK), .deep = true },
	/* A fork, and the dictionary ends before the key does. */
	{ .name = "strong: lost in a removal, end", .thread = { { REMOVE }, { FORK, GET } }, WITH(STRONG) },
	{ .name = "strong: lost in a removal, set", .thread = { { REMOVE }, { FORK, SET(1), GET } }, WITH(STRONG) },
	{ .name = "strong: lost in a removal, clear, set", .thread = { { REMOVE }, { FORK, CLEAR, SET(1) } }, WITH(STRONG) },
	{ .name = "weak: lost in a removal, set, value's death", .thread = { { REMOVE }, { FORK, SET(1), RELEASE(0) } }, WITH(WEAK) },
	{ .name = "weak: lost in a removal, mover, insert", .thread = { { REMOVE }, { FORK, MOVE, INSERT(1), GET } }, WITH(WEAK) },
	{ .name = "plain: lost in a removal, set", .thread = { { REMOVE }, { FORK, SET(1), GET } }, WITH(PLAIN) },
	{ .name = "strong: lost in a set, get", .thread = { { SET(0) }, { FORK, GET, REMOVE } }, WITH(.hold = WK_HOLD_STRONG) },
	{ .name = "strong: lost in a replacement, set", .thread = { { SET(1) }, { FORK, GET, SET(2) } }, WITH(STRONG) },
	{ .name = "weak: lost in a set, value's death", .thread = { { SET(0) }, { FORK, RELEASE(0), GET } }, WITH(.hold = WK_HOLD_WEAK) },
	{ .name = "weak: lost in a replacement, both deaths", .thread = { { SET(1) }, { FORK, RELEASE(0), RELEASE(1), GET } }, WITH(WEAK) },
	{ .name = "weak: lost in removal and set, value's death", .thread = { { REMOVE, SET(1) }, { FORK, RELEASE(1), SET(2) } }, WITH(WEAK) },
	/* Planted bugs. */
	{ .name = "planted: live by its state alone", .thread = { { REMOVE }, { GET, LIST } }, WITH(STRONG, .bug = STATE_ALONE), .planted = "no order" },
	{ .name = "planted: taken by a look", .thread = { { REMOVE }, { SET(1) } }, WITH(STRONG, .bug = TAKEN_BY_LOOK), .planted = "is no object" },
	{ .name = "planted: who has the word counts", .thread = { { RELEASE_KEY }, { CLEAR } }, WITH(STRONG, .key_dies = true, .bug = WORD_ALONE), .planted = "check failed" },
	{ .name = "planted: an entry is not held for its value", .thread = { { RELEASE_KEY }, { RELEASE(0) } }, WITH(WEAK, .key_dies = true, .bug = ENTRY_NOT_HELD), .planted = "leak: entry" },
	{ .name = "planted: a weak value is forgotten by a look", .thread = { { RELEASE(0) }, { REMOVE } }, WITH(WEAK, .bug = FORGOTTEN_BY_LOOK), .planted = "freed" },
	{ .name = "planted: what a lost thread took is left, set", .thread = { { REMOVE }, { FORK, SET(1) } }, WITH(STRONG, .bug = TAKEN_AND_LEFT), .planted = "freed memory, dictionary" },
	{ .name = "planted: what a lost thread took is left, end", .thread = { { REMOVE }, { FORK } }, WITH(WEAK, .bug = TAKEN_AND_LEFT), .planted = "freed memory, dictionary" },
	{ .name = "planted: what a lost thread stored is left", .thread = { { SET(1) }, { FORK, RELEASE(0), RELEASE(1), GET } }, WITH(WEAK, .bug = STORE_LEFT), .planted = "freed" },
	{ .name = "planted: freed without a grace period", .thread = { { GET }, { REMOVE } }, WITH(PLAIN, .bug = FREED_AT_ONCE), .planted = "freed" },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
