/*
 * slots_explore.c - the slot protocol (collect/slots.h, collect/move.h): two threads under every schedule
 *
 * Promise 12: each thread goes on wherever the other stops. Promise 16: lengths are counted before a call returns.
 *
 * Buckets of two slots: two movers of one unit have a number of histories that is exponential
 * in its words. slots_wide_explore.c has the library's own four, slots_three_explore.c three
 * threads.
 */
#define WKI_BUCKET_SLOTS 2u
#include "slots_operations.h"

static const struct explore_scenario scenarios[] = {
	/* One array. */
	{ .name = "insert, insert one key", .thread = { { INSERT(0, 0), GET(0) }, { INSERT(0, 1), GET(0) } }, WITH(.bits = 0) },
	{ .name = "one key comes and goes", .thread = { { INSERT(0, 0), REMOVE(0), INSERT(0, 2) }, { INSERT(0, 1), GET(0), REMOVE(0) } }, WITH(.contents = { HAS(0, NONE) }) },
	{ .name = "set, remove, death", .thread = { { SET(0, 1), REMOVE(0) }, { RELEASE(0), GET(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "set, set, death", .thread = { { SET(0, 1), RELEASE(0) }, { SET(0, 2), GET(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "peek against remove and death", .thread = { { PEEK(0), PEEK(0), GET(0) }, { RELEASE(0), INSERT(0, 1), REMOVE(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "four and four", .thread = { { SET(0, 1), REMOVE(0), INSERT(0, 1), GET(0) }, { REMOVE(0), INSERT(0, 2), SET(0, 2), REMOVE(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "two append", .thread = { { INSERT(1, 1), GET(3) }, { INSERT(3, 2), GET(1) } }, WITH(.contents = { HAS(0, 0), HAS(2, 0) }) },
	{ .name = "a chain of three", .thread = { { INSERT(4, 1), INSERT(5, 1), REMOVE(4) }, { INSERT(5, 2), INSERT(4, 2) } }, WITH(.contents = { HAS(0, 0), HAS(1, 0), HAS(2, 0) }) },
	{ .name = "glance against set, remove and death", .thread = { { GLANCE(0), GLANCE(0) }, { SET(0, 1), RELEASE(0), REMOVE(0) } }, WITH(.contents = { HAS(1, 2), HAS(0, 0) }) },
	/* Room: keys 0 and 1 begin their probe order at slot 0, key 2 at slot 1. */
	{ .name = "room: two claim one slot", .thread = { { INSERT(0, 0), GET(0) }, { INSERT(0, 1), REMOVE(0) } }, WITH(.contents = { HAS(1, NONE), HAS(2, NONE) }) },
	{ .name = "room: two claim two slots", .thread = { { INSERT(0, 0), GET(0) }, { REMOVE(1), INSERT(0, 1), GET(0) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }) },
	{ .name = "room: two claim two slots, set and death", .thread = { { SET(0, 0), RELEASE(0), GET(0) }, { REMOVE(1), SET(0, 1), RELEASE(1) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }), .deep = true },
	{ .name = "room: two claim again and again", .thread = { { INSERT(0, 0), REMOVE(0), INSERT(0, 0) }, { REMOVE(1), INSERT(0, 1), REMOVE(0) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }) },
	{ .name = "room: two keys", .thread = { { INSERT(0, 0), GET(2), REMOVE(0) }, { INSERT(2, 1), GET(0), REMOVE(2) } }, WITH(.contents = { HAS(1, NONE), HAS(2, NONE) }) },
	{ .name = "room: of what has ended", .thread = { { INSERT(0, 0), GET(0) }, { INSERT(0, 1), REMOVE(0) } }, WITH(.contents = { HAS(1, NONE), HAS(2, NONE) }, .stays = true) },
	{ .name = "room: of what has ended, its key comes back", .thread = { { INSERT(0, 0), GET(1) }, { INSERT(1, 1), GET(0) } }, WITH(.contents = { HAS(1, NONE), HAS(2, NONE) }, .stays = true) },
	{ .name = "room: of what ends", .thread = { { INSERT(0, 0), GET(0) }, { RELEASE(2), INSERT(0, 1) } }, WITH(.contents = { HAS(1, 2), HAS(2, 3) }) },
	{ .name = "room: behind the home bucket", .thread = { { INSERT(0, 0), GET(0) }, { REMOVE(1), INSERT(0, 1) } }, WITH(.contents = { HAS(1, 2), HAS(2, 3) }) },
	{ .name = "room: behind, and in a bucket of somebody's", .thread = { { INSERT(0, 0), GET(0) }, { INSERT(2, 1), REMOVE(1), INSERT(0, 1) } }, WITH(.contents = { HAS(1, 2), HAS(3, 3) }) },
	{ .name = "room: glance against a claim", .thread = { { GLANCE(0), GLANCE(0) }, { INSERT(0, 1), REMOVE(0) } }, WITH(.contents = { HAS(1, NONE), HAS(2, NONE) }) },
	{ .name = "room: create, create", .thread = { { CREATE(0, 0), GET(0) }, { CREATE(0, 1), GET(0) } }, WITH(.contents = { HAS(1, NONE), HAS(2, NONE) }, .only_creates = true) },
	{ .name = "room: grow, insert, insert", .thread = { { INSERT(0, 0), GET(0) }, { START(1), HELP(1), INSERT(0, 1) } }, WITH(.contents = { HAS(1, NONE), HAS(2, NONE) }, .lazy = true) },
	{ .name = "room: grow, two slots", .thread = { { INSERT(0, 0) }, { REMOVE(1), START(1), HELP(1), INSERT(0, 1) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }, .lazy = true) },
	{ .name = "room: two in mid-migration", .thread = { { INSERT(0, 0), GET(0) }, { INSERT(0, 1), REMOVE(0) } }, WITH(.contents = { HAS(1, NONE), HAS(2, NONE) }, .migration = 2), .deep = true },
	{ .name = "room: no memory behind", .thread = { { INSERT(0, 0), GET(0) }, { REMOVE(1), INSERT(0, 1) } }, WITH(.contents = { HAS(1, 2), HAS(2, 3) }, .no_memory = 1) },
	{ .name = "room: strong", .thread = { { SET(0, 0), REMOVE(0) }, { REMOVE(1), SET(0, 1), RELEASE(1) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }, .strong = true) },
	{ .name = "room: destroy, death", .thread = { { INSERT(0, 1), DESTROY }, { RELEASE(0), RELEASE(2) } }, WITH(.contents = { HAS(1, 0), HAS(2, NONE) }) },
	/* One migration. */
	{ .name = "grow: glance, mover, set", .thread = { { GLANCE(0), GLANCE(0) }, { START(1), HELP(1), SET(0, 1), START(1) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "grow and shrink again: glance", .thread = { { GLANCE(0) }, { START(1), HELP(1), SET(0, 1), START(0), HELP(1), REMOVE(0) } }, WITH(.contents = { HAS(2, 2), HAS(0, 0) }) },
	{ .name = "grow: insert, mover", .thread = { { INSERT(0, 0) }, { START(1), HELP(1) } }, WITH(.lazy = true) },
	{ .name = "grow: insert twice, mover", .thread = { { INSERT(0, 0), GET(0), INSERT(4, 0) }, { START(1), HELP(1), INSERT(0, 1) } }, WITH(.lazy = true) },
	{ .name = "grow: append, mover", .thread = { { INSERT(1, 1) }, { START(1), HELP(1), GET(1) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }, .lazy = true), .deep = true },
	{ .name = "grow: set, mover", .thread = { { SET(0, 1) }, { START(1), HELP(1), GET(0) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }, .lazy = true) },
	{ .name = "grow: get, set after a mover", .thread = { { GET(0), GET(0) }, { START(1), HELP(1), SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "grow: remove, set after a mover", .thread = { { REMOVE(0), GET(0) }, { START(1), HELP(1), SET(0, 1), GET(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "grow: ghost reused", .thread = { { INSERT(0, 0), REMOVE(0) }, { START(1), HELP(1), INSERT(0, 1) } }, WITH(.contents = { HAS(0, NONE) }, .lazy = true, .stays = true) },
	{ .name = "grow: death, mover", .thread = { { RELEASE(0) }, { START(1), HELP(1), GET(0) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }) },
	{ .name = "grow: death and new value", .thread = { { RELEASE(0), GET(0) }, { START(1), INSERT(0, 1), GET(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "grow: two movers", .thread = { { HELP(1), REMOVE(0) }, { HELP(1), SET(1, 1) } }, WITH(.contents = { HAS(0, 0), HAS(1, 2) }, .migration = 2) },
	{ .name = "sweep: set, mover", .thread = { { SET(0, 1) }, { START(0), HELP(1), GET(0) } }, WITH(.contents = { HAS(0, NONE), HAS(1, NONE), HAS(2, 2) }, .lazy = true, .stays = true) },
	{ .name = "shrink: insert, mover", .thread = { { INSERT(4, 1) }, { START(0), HELP(1), GET(4) } }, WITH(.bits = 1, .contents = { HAS(0, 0), HAS(2, 2), HAS(5, 0) }, .lazy = true) },
	/* Whole lives of arrays. */
	{ .name = "both start", .thread = { { START(1), HELP(1), INSERT(0, 0) }, { START(1), GET(0) } }, WITH(.contents = { HAS(0, 2) }) },
	{ .name = "two units: get, set, mover", .thread = { { GET(4), SET(4, 1) }, { START(2), HELP(2), REMOVE(4) } }, WITH(.bits = 1, .contents = { HAS(4, 0), HAS(0, 0) }, .lazy = true), .deep = true },
	{ .name = "two units: insert, insert, mover", .thread = { { INSERT(0, 0), INSERT(4, 0) }, { START(2), HELP(2) } }, WITH(.bits = 1, .lazy = true), .deep = true },
	{ .name = "grow and shrink again: get", .thread = { { GET(0), REMOVE(0) }, { START(1), HELP(1), START(0), HELP(1), SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "grow and shrink again: insert", .thread = { { INSERT(0, 0) }, { START(1), HELP(1), START(0), HELP(1) } }, WITH(.lazy = true), .how = EXPLORE_BOUNDED, .preemptions = 4, .deep = true },
	/* No memory for thread 0, or 1. */
	{ .name = "no memory: append, mover", .thread = { { INSERT(1, 1), GET(0) }, { START(1), HELP(1), INSERT(1, 2) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }, .lazy = true, .no_memory = 1) },
	{ .name = "no memory: mover, set", .thread = { { SET(0, 1) }, { HELP(1), INSERT(1, 2), GET(0) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2), HAS(1, 2) }, .migration = 1, .no_memory = 2) },
	/* Strong values. */
	{ .name = "strong: set, remove, get", .thread = { { SET(0, 1), REMOVE(0) }, { RELEASE(0), GET(0), SET(0, 2) } }, WITH(.contents = { HAS(0, 0) }, .strong = true) },
	{ .name = "strong: remove, mover", .thread = { { REMOVE(0) }, { RELEASE(0), START(1), HELP(1), GET(0) } }, WITH(.contents = { HAS(0, 0) }, .strong = true, .lazy = true) },
	{ .name = "strong: set, remove, mover", .thread = { { SET(0, 1), REMOVE(0) }, { RELEASE(0), START(1), HELP(1), GET(0) } }, WITH(.contents = { HAS(0, 0) }, .strong = true, .lazy = true), .deep = true },
	/* Flights. */
	{ .name = "create, create", .thread = { { CREATE(0, 0), GET(0) }, { CREATE(0, 1), GET(0) } }, WITH(.only_creates = true) },
	{ .name = "create, set", .thread = { { CREATE(0, 0), GET(0) }, { SET(0, 1), REMOVE(0), CREATE(0, 1) } }, WITH(.contents = { HAS(0, NONE) }) },
	{ .name = "create, death, create", .thread = { { CREATE(0, 0), RELEASE(0) }, { CREATE(0, 1), GET(0) } }, WITH(.lazy = true, .only_creates = true) },
	{ .name = "create, mover, create", .thread = { { CREATE(0, 0) }, { START(1), HELP(1), CREATE(0, 1) } }, WITH(.lazy = true, .only_creates = true), .deep = true },
	{ .name = "create, failure, mover", .thread = { { FAIL_TO_CREATE(0), CREATE(0, 0) }, { START(1), HELP(1), CREATE(0, 1) } }, WITH(.contents = { HAS(0, NONE) }, .lazy = true, .only_creates = true), .how = EXPLORE_BOUNDED, .preemptions = 3, .deep = true },
	/* The end of a container. */
	{ .name = "destroy, death", .thread = { { INSERT(0, 1), DESTROY }, { RELEASE(0), RELEASE(2) } }, WITH(.contents = { HAS(0, 0), HAS(1, 2) }) },
	{ .name = "destroy in mid-migration, death", .thread = { { START(1), INSERT(0, 1), DESTROY }, { RELEASE(0), RELEASE(2) } }, WITH(.contents = { HAS(0, 0), HAS(1, 2) }), .deep = true },
	/* The child of a fork: the mover is lost. */
	{ .name = "fork: grow, get and set", .thread = { { START(1), HELP(1) }, { FORK, GET(0), SET(0, 1), INSERT(4, 2), GET(0) } }, WITH(.contents = { HAS(0, 0), HAS(1, NONE) }) },
	{ .name = "fork: grow, set without helping", .thread = { { START(1), HELP(1) }, { FORK, SET(0, 1), REMOVE(0), RELEASE(0) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }, .lazy = true) },
	{ .name = "fork: two units, remove and move on", .thread = { { HELP(2) }, { FORK, REMOVE(0), INSERT(0, 1), HELP(2), GET(4) } }, WITH(.bits = 1, .migration = 3, .contents = { HAS(0, 0), HAS(4, 2) }) },
	{ .name = "fork: grow with an overflow bucket, append", .thread = { { START(1), HELP(1) }, { FORK, INSERT(1, 1), GET(0), GET(2) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2), HAS(6, 2) }) },
	{ .name = "fork: end in mid-migration", .thread = { { START(1), HELP(1) }, { FORK, DESTROY, RELEASE(0) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }) },
	/* Planted bugs. */
	{ .name = "planted: fork, authority has passed too early", .thread = { { HELP(1) }, { FORK, GET(0) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = PASSES_UNMOVED), .planted = "check failed" },
	{ .name = "planted: fork, drained twice", .thread = { { START(1), HELP(1) }, { FORK, DESTROY } }, WITH(.contents = { HAS(0, 0) }, .bug = DRAINS_TWICE), .planted = "freed" },
	{ .name = "planted: a dead entry is absence", .thread = { { REMOVE(0) }, { SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }, .bug = NEVER_LOOKS_AGAIN), .planted = "no order" },
	{ .name = "planted: a dead entry is absence in mid-migration", .thread = { { GET(0) }, { HELP(1), SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = NEVER_LOOKS_AGAIN), .planted = "no order" },
	{ .name = "planted: NEXT is not frozen", .thread = { { INSERT(1, 1) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }, .lazy = true, .bug = FORGETS_NEXT), .planted = "check failed" },
	{ .name = "planted: a stale word is laid out", .thread = { { SET(0, 1) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0) }, .lazy = true, .bug = STALE_WORD), .planted = "check failed" },
	{ .name = "planted: the state is looked at again", .thread = { { HELP(1) }, { REMOVE(0), HELP(1), REMOVE(1) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }, .migration = 2, .bug = LOOKS_AT_STATE), .planted = "no order" },
	{ .name = "planted: published by a store", .thread = { { HELP(1) }, { HELP(1), SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = PUBLISHES_BY_STORE), .planted = "check failed" },
	{ .name = "planted: authority passes too early", .thread = { { HELP(1) }, { HELP(1), GET(0) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = PASSES_UNMOVED), .planted = "no order" },
	{ .name = "planted: routed outside of the section", .thread = { { SET(0, 0) }, { SET(0, 1), HELP(1), SET(0, 2) } }, WITH(.contents = { HAS(0, 3) }, .migration = 2, .bug = PASSES_FROM_OUTSIDE), .planted = "freed" },
	{ .name = "planted: the mover drops what it keeps", .thread = { { HELP(1) }, { GET(0) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = DROPS_KEPT), .planted = "freed" },
	{ .name = "planted: the state is taken from the walker", .thread = { { RELEASE(0) }, { INSERT(0, 1) } }, WITH(.contents = { HAS(0, 0) }, .bug = TAKES_STATE), .planted = "check failed" },
	{ .name = "planted: a migration is begun twice", .thread = { { START(1) }, { START(1) } }, WITH(.contents = { HAS(0, 0) }, .bug = STARTS_BY_STORE), .planted = "leak: array" },
	{ .name = "planted: the array is freed at once", .thread = { { HELP(1) }, { GET(0) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = FREES_ARRAY), .planted = "freed" },
	{ .name = "planted: state before slot", .thread = { { SET(0, 1) }, { GET(0) } }, WITH(.contents = { HAS(0, 0) }, .bug = STATE_FIRST), .planted = "no order" },
	{ .name = "planted: stored without comparing", .thread = { { INSERT(0, 1) }, { INSERT(0, 2) } }, WITH(.bug = REPLACES_ANYTHING), .planted = "check failed" },
	{ .name = "planted: room is not claimed", .thread = { { INSERT(0, 0) }, { REMOVE(1), INSERT(0, 1) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }, .bug = STORES_UNCLAIMED), .planted = "check failed" },
	{ .name = "planted: a claim wins unseen", .thread = { { INSERT(0, 0) }, { REMOVE(1), INSERT(0, 1) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }, .bug = WINS_UNSEEN), .planted = "check failed" },
	{ .name = "planted: a claim wins over what has ended", .thread = { { INSERT(0, 0) }, { REMOVE(1), INSERT(0, 1), REMOVE(0), INSERT(0, 1) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }, .stays = true, .bug = WINS_OVER_ENTRY), .planted = "check failed" },
	{ .name = "planted: an entry that has lost is freed", .thread = { { INSERT(0, 0) }, { REMOVE(1), INSERT(0, 1) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }, .bug = FREES_LOST), .planted = "freed" },
	{ .name = "planted: a lookup takes a claim for an entry", .thread = { { INSERT(0, 1) }, { GET(0), START(1), HELP(1), GET(0) } }, WITH(.contents = { HAS(1, NONE), HAS(2, NONE) }, .lazy = true, .bug = LOOKS_AT_CLAIMS), .planted = "no order" },
	{ .name = "planted: a slot is vacated without comparing", .thread = { { REMOVE(0) }, { INSERT(0, 1) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }, .bug = VACATES_BY_STORE), .planted = "check failed" },
	{ .name = "planted: a pending flight is left behind", .thread = { { CREATE(0, 0) }, { START(1), HELP(1), CREATE(0, 1) } }, WITH(.lazy = true, .only_creates = true, .bug = FLIGHT_LEFT_BEHIND), .planted = "flying" },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
