/*
 * search.c - depth-first search over schedules
 *
 * SEARCH_TRACES is source-set dynamic partial order reduction with sleep sets (Abdulla,
 * Aronis, Jonsson, Sagonas: Optimal Dynamic Partial Order Reduction, POPL 2014). Each step
 * gets a vector clock of what happened before it. When a step conflicts with an earlier one
 * of another thread and nothing orders the two otherwise, the reverse order is tried too: a
 * thread that can begin it is noted for later at the node of the earlier one. A sleeping
 * thread is one whose next step was tried from here already, and is worth nothing until a
 * step that conflicts with it wakes it up.
 *
 * Every thread that is not finished can always run: there is nothing to wait for in code
 * without locks, so every such pair of steps can be reversed.
 *
 * SEARCH_BOUNDED prunes nothing by itself, but does not preempt a thread in front of a step
 * that commutes with every step of the others: being preempted after it is the same.
 */
#include "search.h"

#include <stdlib.h>
#include <string.h>

struct node {
	uint8_t thread;    /* who runs here in the current run */
	uint8_t enabled;
	uint8_t candidates; /* who is to be tried here, tried ones included */
	uint8_t asleep;    /* tried here, or before and not woken since */
	uint8_t preemptions;
	struct event event; /* what the thread did */
	uint16_t clock[SEARCH_THREADS]; /* steps of each thread that happened before it; its own included */
	struct event dream[SEARCH_THREADS]; /* what a sleeping thread would do */
};

/* Who used an object, over all runs of a bounded search. */
struct usage {
	event_object object;
	uint8_t users, changers;
};

#define USAGES 16384u

static struct node nodes[SEARCH_STEPS + 1];
static struct usage usages[USAGES];
static struct {
	enum search_mode mode;
	unsigned threads, preemptions;
	unsigned depth;    /* steps done, or begun, in this run */
	unsigned repeated; /* steps at the beginning of this run that are the last run's */
	bool learned;      /* a conflict was found that earlier runs of this pass did not know of */
} search;

static unsigned bit(unsigned thread)
{
	return 1u << thread;
}

static unsigned first_of(unsigned set)
{
	return (unsigned)__builtin_ctz(set);
}

void search_begin(enum search_mode mode, unsigned threads, unsigned preemptions)
{
	memset(&search, 0, sizeof(search));
	memset(usages, 0, sizeof(usages));
	search.mode = mode;
	search.threads = threads;
	search.preemptions = preemptions;
}

static struct usage *usage_of(event_object object)
{
	size_t i = (size_t)((object * UINT64_C(0x9e3779b97f4a7c15)) >> 50);

	for (size_t tries = 0; tries < USAGES; tries++, i = (i + 1) & (USAGES - 1)) {
		if (usages[i].object == object)
			return &usages[i];
		if (usages[i].object == 0) {
			usages[i].object = object;
			return &usages[i];
		}
	}
	abort(); /* more shared words than any scenario has */
}

static bool in_conflict(const struct usage *usage)
{
	return usage->changers != 0 && (usage->users & (usage->users - 1)) != 0;
}

bool search_contended(event_object object)
{
	return in_conflict(usage_of(object & ~EVENT_CHANGED));
}

static void learn(const struct event *event, unsigned thread)
{
	for (unsigned i = 0; i < event->count; i++) {
		struct usage *usage = usage_of(event->uses[i] & ~EVENT_CHANGED);
		bool known = in_conflict(usage);

		usage->users |= (uint8_t)bit(thread);
		if (event->uses[i] & EVENT_CHANGED)
			usage->changers |= (uint8_t)bit(thread);
		if (!known && in_conflict(usage))
			search.learned = true;
	}
}

/* A thread stays asleep past a step that commutes with what it would do. */
static void inherit_sleep(struct node *node, const struct node *parent)
{
	node->asleep = 0;
	for (unsigned set = parent->asleep & ~bit(parent->thread); set != 0; set &= set - 1) {
		unsigned thread = first_of(set);

		if (event_dependent(&parent->dream[thread], &parent->event))
			continue;
		node->asleep |= (uint8_t)bit(thread);
		node->dream[thread] = parent->dream[thread];
	}
}

static int choose_trace(struct node *node, unsigned current)
{
	unsigned awake;

	if (search.depth > 0)
		inherit_sleep(node, node - 1);
	else
		node->asleep = 0;
	awake = node->enabled & ~(unsigned)node->asleep;
	if (awake == 0)
		return -1;
	node->thread = (uint8_t)(awake & bit(current) ? current : first_of(awake));
	node->candidates = (uint8_t)bit(node->thread);
	return node->thread;
}

static int choose_any(struct node *node, unsigned current, bool contended)
{
	bool goes_on = (node->enabled & bit(current)) != 0;
	bool preempt = search.mode == SEARCH_EVERY || (contended && node->preemptions < search.preemptions);

	node->asleep = 0;
	node->thread = (uint8_t)(goes_on ? current : first_of(node->enabled));
	node->candidates = goes_on && !preempt ? (uint8_t)bit(current) : node->enabled;
	return node->thread;
}

int search_choose(unsigned enabled, unsigned current, bool contended)
{
	struct node *node = &nodes[search.depth];

	if (search.depth >= search.repeated) {
		node->enabled = (uint8_t)enabled;
		node->preemptions = 0;
		if (search.depth > 0) {
			const struct node *parent = node - 1;
			const struct node *before = search.depth > 1 ? node - 2 : NULL;
			bool preempted = before != NULL && before->thread != parent->thread && (parent->enabled & bit(before->thread));

			node->preemptions = (uint8_t)(parent->preemptions + preempted);
		}
		if (search.mode == SEARCH_TRACES)
			return choose_trace(node, current);
		return choose_any(node, current, contended);
	}
	if (node->enabled != enabled)
		abort(); /* the scenario is not deterministic */
	return node->thread;
}

static bool happened_before(const struct node *earlier, const struct node *later)
{
	return later->clock[earlier->thread] >= earlier->clock[earlier->thread];
}

/*
 * Steps `from` and `to` conflict and nothing else orders them. Between them, `v` is what did
 * not happen after `from`: it could run first, then `to`. Somebody who can begin with that
 * must be among the candidates where `from` was chosen.
 */
static void try_reversed(unsigned from, unsigned to)
{
	unsigned seen = 0, beginners = 0;
	unsigned first[SEARCH_THREADS];

	for (unsigned k = from + 1; k <= to; k++) {
		unsigned thread = nodes[k].thread;
		bool can_begin = true;

		if ((seen & bit(thread)) || (k != to && happened_before(&nodes[from], &nodes[k])))
			continue;
		for (unsigned set = seen; set != 0; set &= set - 1)
			if (happened_before(&nodes[first[first_of(set)]], &nodes[k]))
				can_begin = false;
		first[thread] = k;
		seen |= bit(thread);
		if (can_begin)
			beginners |= bit(thread);
	}
	if ((beginners & nodes[from].candidates) == 0)
		nodes[from].candidates |= (uint8_t)bit(first_of(beginners & bit(nodes[to].thread) ? bit(nodes[to].thread) : beginners));
}

/*
 * Going back from the newest step, a conflicting one that is not yet known to have happened
 * before is ordered by this conflict alone: whatever stood between would have been met first.
 */
static void order(unsigned depth)
{
	struct node *node = &nodes[depth];
	unsigned races[SEARCH_STEPS], count = 0;
	unsigned previous = depth;

	memset(node->clock, 0, sizeof(node->clock));
	while (previous-- > 0) {
		if (nodes[previous].thread == node->thread) {
			memcpy(node->clock, nodes[previous].clock, sizeof(node->clock));
			break;
		}
	}
	node->clock[node->thread]++;
	for (unsigned k = depth; k-- > 0;) {
		if (happened_before(&nodes[k], node) || !event_dependent(&nodes[k].event, &node->event))
			continue;
		races[count++] = k;
		for (unsigned t = 0; t < search.threads; t++)
			if (nodes[k].clock[t] > node->clock[t])
				node->clock[t] = nodes[k].clock[t];
	}
	while (count > 0)
		try_reversed(races[--count], depth);
}

void search_step(const struct event *event)
{
	unsigned depth = search.depth++;

	if (depth + 1 < search.repeated)
		return; /* known from the last run */
	nodes[depth].event = *event;
	if (search.mode == SEARCH_BOUNDED)
		learn(event, nodes[depth].thread);
	if (search.mode == SEARCH_TRACES)
		order(depth);
}

bool search_next(void)
{
	while (search.depth > 0) {
		struct node *node = &nodes[search.depth - 1];
		unsigned left;

		node->asleep |= (uint8_t)bit(node->thread);
		node->dream[node->thread] = node->event;
		left = node->candidates & ~(unsigned)node->asleep;
		if (left != 0) {
			node->thread = (uint8_t)first_of(left);
			search.repeated = search.depth;
			search.depth = 0;
			return true;
		}
		search.depth--;
	}
	search.repeated = 0;
	if (search.mode == SEARCH_BOUNDED && search.learned) {
		search.learned = false;
		return true; /* once more, with what was learned */
	}
	return false;
}

unsigned search_depth(void)
{
	return search.depth;
}

unsigned search_thread(unsigned depth)
{
	return nodes[depth].thread;
}
