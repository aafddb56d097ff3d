/*
 * slots_explore.c - the slot protocol (collect/slots.h, collect/move.h) under every schedule
 *
 * Buckets of two slots: two movers of one unit have a number of histories that is exponential
 * in its words. slots_wide_explore.c has the library's own seven.
 */
#define WKI_BUCKET_SLOTS 2u
#include "slots_operations.h"

#define NONE HISTORY_NONE
#define SET(key, object) EXPLORE_DO(set, (key) * 8 + (object))
#define INSERT(key, object) EXPLORE_DO(insert, (key) * 8 + (object))
#define GET(key) EXPLORE_DO(get, key)
#define PEEK(key) EXPLORE_DO(peek, key)
#define REMOVE(key) EXPLORE_DO(remove_key, key)
#define RELEASE(object) EXPLORE_DO(release, object)
#define START(bits) EXPLORE_DO(start, bits)
#define HELP(units) EXPLORE_DO(help, units)
#define DESTROY EXPLORE_DO(destroy, 0)
#define WITH(...) .set_up = set_up, .argument = (intptr_t)&(const struct config){ __VA_ARGS__ }, .finish = finish
#define HAS(key, object) { 1, key, object }

static const struct explore_scenario scenarios[] = {
	/* One array. */
	{ .name = "insert, insert one key", .thread = { { INSERT(0, 0), GET(0) }, { INSERT(0, 1), GET(0) } }, WITH(.bits = 0) },
	{ .name = "one key comes and goes", .thread = { { INSERT(0, 0), REMOVE(0), INSERT(0, 2) }, { INSERT(0, 1), GET(0), REMOVE(0) } }, WITH(.contents = { HAS(0, NONE) }) },
	{ .name = "set, remove, death", .thread = { { SET(0, 1), REMOVE(0) }, { RELEASE(0), GET(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "set, set, death", .thread = { { SET(0, 1), RELEASE(0) }, { SET(0, 2), GET(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "peek against remove and death", .thread = { { PEEK(0), PEEK(0), GET(0) }, { RELEASE(0), INSERT(0, 1), REMOVE(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "two append", .thread = { { INSERT(1, 1), GET(3) }, { INSERT(3, 2), GET(1) } }, WITH(.contents = { HAS(0, 0), HAS(2, 0) }) },
	{ .name = "a chain of three", .thread = { { INSERT(4, 1), INSERT(5, 1), REMOVE(4) }, { INSERT(5, 2), INSERT(4, 2) } }, WITH(.contents = { HAS(0, 0), HAS(1, 0), HAS(2, 0) }) },
	/* One migration. */
	{ .name = "grow: insert, mover", .thread = { { INSERT(0, 0) }, { START(1), HELP(1) } }, WITH(.lazy = true) },
	{ .name = "grow: insert twice, mover", .thread = { { INSERT(0, 0), GET(0), INSERT(4, 0) }, { START(1), HELP(1), INSERT(0, 1) } }, WITH(.lazy = true) },
	{ .name = "grow: append, mover", .thread = { { INSERT(1, 1) }, { START(1), HELP(1), GET(1) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }, .lazy = true) },
	{ .name = "grow: set, mover", .thread = { { SET(0, 1) }, { START(1), HELP(1), GET(0) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }, .lazy = true) },
	{ .name = "grow: get, set after a mover", .thread = { { GET(0), GET(0) }, { START(1), HELP(1), SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "grow: remove, set after a mover", .thread = { { REMOVE(0), GET(0) }, { START(1), HELP(1), SET(0, 1), GET(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "grow: ghost reused", .thread = { { INSERT(0, 0), REMOVE(0) }, { START(1), HELP(1), INSERT(0, 1) } }, WITH(.contents = { HAS(0, NONE) }, .lazy = true) },
	{ .name = "grow: death, mover", .thread = { { RELEASE(0) }, { START(1), HELP(1), GET(0) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }) },
	{ .name = "grow: death and new value", .thread = { { RELEASE(0), GET(0) }, { START(1), INSERT(0, 1), GET(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "grow: two movers", .thread = { { HELP(1), REMOVE(0) }, { HELP(1), SET(1, 1) } }, WITH(.contents = { HAS(0, 0), HAS(1, 2) }, .migration = 2) },
	{ .name = "grow: three meet at a bucket", .thread = { { INSERT(0, 0) }, { INSERT(0, 1) }, { START(1), HELP(1) } }, WITH(.lazy = true) },
	{ .name = "sweep: set, mover", .thread = { { SET(0, 1) }, { START(0), HELP(1), GET(0) } }, WITH(.contents = { HAS(0, NONE), HAS(1, NONE), HAS(2, 2) }, .lazy = true) },
	{ .name = "shrink: insert, mover", .thread = { { INSERT(4, 1) }, { START(0), HELP(1), GET(4) } }, WITH(.bits = 1, .contents = { HAS(0, 0), HAS(2, 2), HAS(5, 0) }, .lazy = true) },
	/* Whole lives of arrays. */
	{ .name = "both start", .thread = { { START(1), HELP(1), INSERT(0, 0) }, { START(1), GET(0) } }, WITH(.contents = { HAS(0, 2) }) },
	{ .name = "two units", .thread = { { INSERT(0, 0), INSERT(4, 0) }, { START(2), HELP(2) } }, WITH(.bits = 1, .lazy = true) },
	{ .name = "two units, get and set", .thread = { { GET(4), SET(4, 1) }, { START(2), HELP(2), REMOVE(4) } }, WITH(.bits = 1, .contents = { HAS(4, 0), HAS(0, 0) }, .lazy = true) },
	{ .name = "grow and shrink again", .thread = { { INSERT(0, 0) }, { START(1), HELP(1), START(0), HELP(1) } }, WITH(.lazy = true) },
	{ .name = "grow and shrink again, get", .thread = { { GET(0), REMOVE(0) }, { START(1), HELP(1), START(0), HELP(1), SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }) },
	/* No memory. */
	{ .name = "no memory: append, mover", .thread = { { INSERT(1, 1), GET(0) }, { START(1), HELP(1), INSERT(1, 2) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }, .lazy = true, .no_memory = 1) },
	{ .name = "no memory: mover, set", .thread = { { SET(0, 1) }, { HELP(1), INSERT(1, 2), GET(0) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2), HAS(1, 2) }, .migration = 1, .no_memory = 2) },
	/* Strong values. */
	{ .name = "strong: set, remove, get", .thread = { { SET(0, 1), REMOVE(0) }, { RELEASE(0), GET(0), SET(0, 2) } }, WITH(.contents = { HAS(0, 0) }, .strong = true) },
	{ .name = "strong: mover", .thread = { { SET(0, 1), REMOVE(0) }, { RELEASE(0), START(1), HELP(1), GET(0) } }, WITH(.contents = { HAS(0, 0) }, .strong = true, .lazy = true) },
	/* The end of a container. */
	{ .name = "destroy, death", .thread = { { INSERT(0, 1), DESTROY }, { RELEASE(0), RELEASE(2) } }, WITH(.contents = { HAS(0, 0), HAS(1, 2) }) },
	{ .name = "destroy in mid-migration, death", .thread = { { START(1), INSERT(0, 1), DESTROY }, { RELEASE(0), RELEASE(2) } }, WITH(.bits = 0, .contents = { HAS(0, 0), HAS(1, 2) }) },
	/* Planted bugs. */
	{ .name = "planted: a dead entry is absence", .thread = { { REMOVE(0) }, { SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }, .bug = NEVER_LOOKS_AGAIN), .planted = "no order" },
	{ .name = "planted: a dead entry is absence, migration", .thread = { { GET(0) }, { HELP(1), SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = NEVER_LOOKS_AGAIN), .planted = "no order" },
	{ .name = "planted: NEXT is not frozen", .thread = { { INSERT(1, 1) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0), HAS(2, 2) }, .lazy = true, .bug = FORGETS_NEXT), .planted = "" },
	{ .name = "planted: stale word laid out", .thread = { { SET(0, 1) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0) }, .lazy = true, .bug = STALE_WORD), .planted = "" },
	{ .name = "planted: state looked at again", .thread = { { HELP(1) }, { REMOVE(0), HELP(1), REMOVE(1) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1) }, .migration = 2, .bug = LOOKS_AT_STATE), .planted = "" },
	{ .name = "planted: published by a store", .thread = { { HELP(1) }, { HELP(1), SET(0, 1) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = PUBLISHES_BY_STORE), .planted = "" },
	{ .name = "planted: authority passes too early", .thread = { { HELP(1) }, { HELP(1), GET(0) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = PASSES_UNMOVED), .planted = "" },
	{ .name = "planted: routed outside of the section", .thread = { { SET(0, 0) }, { SET(0, 1), HELP(1), SET(0, 2) } }, WITH(.contents = { HAS(0, 3) }, .migration = 2, .bug = PASSES_FROM_OUTSIDE), .planted = "" },
	{ .name = "planted: mover drops what it keeps", .thread = { { HELP(1) }, { GET(0) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = DROPS_KEPT), .planted = "" },
	{ .name = "planted: state taken from the walker", .thread = { { RELEASE(0) }, { INSERT(0, 1) } }, WITH(.contents = { HAS(0, 0) }, .bug = TAKES_STATE), .planted = "" },
	{ .name = "planted: migration begun twice", .thread = { { START(1) }, { START(1) } }, WITH(.contents = { HAS(0, 0) }, .bug = STARTS_BY_STORE), .planted = "" },
	{ .name = "planted: array freed at once", .thread = { { HELP(1) }, { GET(0) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = FREES_ARRAY), .planted = "" },
	{ .name = "planted: state before slot", .thread = { { SET(0, 1) }, { GET(0) } }, WITH(.contents = { HAS(0, 0) }, .bug = STATE_FIRST), .planted = "no order" },
	{ .name = "planted: stored without comparing", .thread = { { INSERT(0, 1) }, { INSERT(0, 2) } }, WITH(.bug = REPLACES_ANYTHING), .planted = "" },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
