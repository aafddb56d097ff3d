/*
 * slots_three_explore.c - the slot protocol: three threads, at most three preemptions
 *
 * Where all interleavings are few enough, all of them. Buckets of two slots.
 */
#define WKI_BUCKET_SLOTS 2u
#include "slots_operations.h"

#define BOUNDED .how = EXPLORE_BOUNDED, .preemptions = 3

static const struct explore_scenario scenarios[] = {
	{ .name = "death, remove, set", .thread = { { RELEASE(0) }, { REMOVE(0) }, { SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "get, insert, remove", .thread = { { GET(0), GET(0) }, { INSERT(0, 1) }, { REMOVE(0), GET(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "insert one key", .thread = { { INSERT(0, 0) }, { INSERT(0, 1) }, { INSERT(0, 2), REMOVE(0) } }, WITH(.contents = { HAS(0, NONE) }) },
	{ .name = "destroy, two deaths", .thread = { { DESTROY }, { RELEASE(0) }, { RELEASE(2) } }, WITH(.contents = { HAS(0, 0), HAS(1, 2) }) },
	{ .name = "insert, insert, mover", .thread = { { INSERT(0, 0) }, { INSERT(0, 1) }, { START(1), HELP(1) } }, WITH(.lazy = true), BOUNDED },
	{ .name = "remove, set, mover", .thread = { { REMOVE(0) }, { SET(0, 1) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0) }, .lazy = true), BOUNDED, .deep = true },
	{ .name = "death, insert, mover", .thread = { { RELEASE(0) }, { INSERT(0, 1) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0) }, .lazy = true), BOUNDED, .deep = true },
	{ .name = "ghost, insert, remove, mover", .thread = { { INSERT(0, 0) }, { REMOVE(0) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, NONE) }, .lazy = true), BOUNDED },
	{ .name = "get, set, mover", .thread = { { GET(0) }, { SET(0, 1) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0) }, .lazy = true), BOUNDED, .deep = true },
	{ .name = "two movers, set and remove", .thread = { { HELP(1) }, { HELP(1) }, { SET(0, 1), REMOVE(1) } }, WITH(.contents = { HAS(0, 0), HAS(1, 2) }, .migration = 2, .lazy = true), BOUNDED, .deep = true },
	{ .name = "append, append, mover", .thread = { { INSERT(1, 1) }, { INSERT(1, 0) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }, .lazy = true), BOUNDED, .deep = true },
	{ .name = "shrink: insert, remove, mover", .thread = { { INSERT(4, 1) }, { REMOVE(0) }, { START(0), HELP(1) } }, WITH(.bits = 1, .contents = { HAS(0, 0), HAS(2, 2), HAS(5, 0) }, .lazy = true), BOUNDED, .deep = true },
	{ .name = "room: three inserts of one key", .thread = { { INSERT(0, 0) }, { REMOVE(1), INSERT(0, 1) }, { INSERT(0, 2), GET(0) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }), BOUNDED },
	{ .name = "room: two inserts, and it goes again", .thread = { { INSERT(0, 0), GET(0) }, { REMOVE(1), INSERT(0, 1) }, { REMOVE(0), GET(0) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }), BOUNDED, .deep = true },
	{ .name = "room: two inserts, mover", .thread = { { INSERT(0, 0) }, { REMOVE(1), INSERT(0, 1) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }, .lazy = true), BOUNDED, .deep = true },
	{ .name = "room: of what has ended, three", .thread = { { INSERT(0, 0) }, { INSERT(1, 1) }, { INSERT(0, 2), REMOVE(1) } }, WITH(.contents = { HAS(1, NONE), HAS(2, NONE) }, .stays = true), BOUNDED, .deep = true },
	{ .name = "room: behind the home bucket, three", .thread = { { INSERT(0, 0) }, { REMOVE(1), INSERT(0, 1) }, { INSERT(0, 2) } }, WITH(.contents = { HAS(1, 2), HAS(2, 3) }), BOUNDED },
	{ .name = "planted: a dead entry is absence", .thread = { { REMOVE(0) }, { SET(0, 1) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0) }, .lazy = true, .bug = NEVER_LOOKS_AGAIN), BOUNDED, .planted = "no order" },
	{ .name = "planted: a stale word is laid out", .thread = { { INSERT(0, 0) }, { HELP(1) }, { START(1), HELP(1) } }, WITH(.lazy = true, .bug = STALE_WORD), BOUNDED, .planted = "check failed" },
	{ .name = "planted: published by a store", .thread = { { HELP(1) }, { HELP(1) }, { SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .lazy = true, .bug = PUBLISHES_BY_STORE), BOUNDED, .planted = "check failed" },
	{ .name = "planted: a claim wins unseen", .thread = { { INSERT(0, 0) }, { REMOVE(1), INSERT(0, 1) }, { GET(0) } }, WITH(.contents = { HAS(1, 2), HAS(2, NONE) }, .bug = WINS_UNSEEN), BOUNDED, .planted = "check failed" },
	{ .name = "planted: the state is taken from the walker", .thread = { { RELEASE(0) }, { INSERT(0, 1) }, { GET(0) } }, WITH(.contents = { HAS(0, 0) }, .bug = TAKES_STATE), BOUNDED, .planted = "check failed" },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
