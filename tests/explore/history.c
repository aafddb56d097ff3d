/*
 * history.c - depth-first search for an order that explains the results
 */
#include "history.h"

#include "explorer.h"

#include <stdio.h>
#include <string.h>

#define OPERATIONS 16u /* of one thread */
#define VERDICTS 4096u

struct operation {
	uint8_t kind, key, object, result;
	uint16_t begin, end; /* times */
};

/* The map as one thread would see it. */
struct state {
	uint8_t references[HISTORY_OBJECTS];
	uint8_t map[HISTORY_KEYS];
	uint8_t next[EXPLORE_THREADS]; /* of each thread */
};

static struct state start;
static bool keys_own;
static struct operation operations[EXPLORE_THREADS][OPERATIONS];
static uint8_t counts[EXPLORE_THREADS];
static uint16_t now;

void history_reset(const uint8_t references[HISTORY_OBJECTS], const uint8_t map[HISTORY_KEYS], bool strong)
{
	memset(&start, 0, sizeof(start));
	memset(operations, 0, sizeof(operations));
	memset(counts, 0, sizeof(counts));
	memcpy(start.references, references, HISTORY_OBJECTS);
	memcpy(start.map, map, HISTORY_KEYS);
	now = 0;
	keys_own = strong;
	for (unsigned key = 0; key < HISTORY_KEYS; key++)
		if (strong && map[key] != HISTORY_NONE)
			start.references[map[key]]++;
}

void history_begin(enum history_kind kind, unsigned key, unsigned object)
{
	unsigned me = explore_thread();

	if (counts[me] == OPERATIONS)
		explore_fail("too many operations for a history");
	operations[me][counts[me]] = (struct operation){ (uint8_t)kind, (uint8_t)key, (uint8_t)object, 0, ++now, 0 };
}

void history_end(unsigned result)
{
	struct operation *operation = &operations[explore_thread()][counts[explore_thread()]++];

	operation->result = (uint8_t)result;
	operation->end = ++now;
}

static unsigned live_at(const struct state *state, unsigned key)
{
	unsigned object = state->map[key];

	return object != HISTORY_NONE && state->references[object] > 0 ? object : HISTORY_NONE;
}

static void lead_to(struct state *state, unsigned key, unsigned object)
{
	if (keys_own && object != HISTORY_NONE)
		state->references[object]++;
	if (keys_own && state->map[key] != HISTORY_NONE)
		state->references[state->map[key]]--;
	state->map[key] = (uint8_t)object;
}

/* Do it; false: it would have returned something else. */
static bool apply(struct state *state, const struct operation *operation)
{
	unsigned live = operation->kind == HISTORY_RELEASE ? HISTORY_NONE : live_at(state, operation->key);

	switch ((enum history_kind)operation->kind) {
	case HISTORY_SET:
		lead_to(state, operation->key, operation->object);
		return true;
	case HISTORY_INSERT:
		if (operation->result == 2)
			return true;
		if (operation->result != (live == HISTORY_NONE))
			return false;
		if (operation->result)
			lead_to(state, operation->key, operation->object);
		return true;
	case HISTORY_REMOVE:
		if (operation->result != (live != HISTORY_NONE))
			return false;
		lead_to(state, operation->key, HISTORY_NONE);
		return true;
	case HISTORY_GET:
		if (operation->result != live)
			return false;
		if (live != HISTORY_NONE)
			state->references[live]++;
		return true;
	case HISTORY_PEEK:
		return operation->result == live;
	case HISTORY_HAS:
		return operation->result == (live != HISTORY_NONE);
	case HISTORY_RELEASE:
	default:
		if (state->references[operation->object] == 0)
			return false;
		state->references[operation->object]--;
		return true;
	}
}

/* Nobody who is still to come was over before this one began. */
static bool may_be_next(const struct state *state, const struct operation *operation)
{
	for (unsigned t = 0; t < EXPLORE_THREADS; t++)
		if (state->next[t] < counts[t] && operations[t][state->next[t]].end < operation->begin)
			return false;
	return true;
}

static bool same_contents(const struct state *state, const uint8_t map[HISTORY_KEYS])
{
	for (unsigned key = 0; key < HISTORY_KEYS; key++)
		if (live_at(state, key) != map[key])
			return false;
	return true;
}

static bool explain(const struct state *state, const uint8_t map[HISTORY_KEYS])
{
	bool any = false;

	for (unsigned t = 0; t < EXPLORE_THREADS; t++) {
		const struct operation *operation = &operations[t][state->next[t]];
		struct state after = *state;

		if (state->next[t] == counts[t])
			continue;
		any = true;
		after.next[t]++;
		if (may_be_next(state, operation) && apply(&after, operation) && explain(&after, map))
			return true;
	}
	return !any && same_contents(state, map);
}

/* What was explained before needs no second search: most runs tell the same story. */
static bool known(const uint8_t map[HISTORY_KEYS])
{
	static uint64_t verdicts[VERDICTS];
	uint64_t hash = 0xcbf29ce484222325u;
	const uint8_t *bytes = (const uint8_t *)operations;

	for (size_t i = 0; i < sizeof(operations); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	for (size_t i = 0; i < sizeof(start); i++)
		hash = (hash ^ ((const uint8_t *)&start)[i]) * 0x100000001b3u;
	for (size_t i = 0; i < HISTORY_KEYS; i++)
		hash = (hash ^ map[i]) * 0x100000001b3u;
	if (verdicts[hash % VERDICTS] == hash)
		return true;
	if (!explain(&start, map))
		return false;
	verdicts[hash % VERDICTS] = hash;
	return true;
}

bool history_explained(const uint8_t map[HISTORY_KEYS])
{
	return known(map);
}

void history_print(void)
{
	static const char *const names[] = { "set", "insert", "remove", "get", "peek", "has", "release" };

	for (unsigned t = 0; t < EXPLORE_THREADS; t++)
		for (unsigned i = 0; i < counts[t]; i++)
			printf("    T%u [%u, %u] %s(key %u, object %u): %u\n", t, operations[t][i].begin, operations[t][i].end,
				names[operations[t][i].kind], operations[t][i].key, operations[t][i].object, operations[t][i].result);
}
