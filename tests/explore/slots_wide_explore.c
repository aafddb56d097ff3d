/*
 * slots_wide_explore.c - the slot protocol with the library's own buckets of four slots
 *
 * Two movers of one such bucket are beyond all interleavings: where there may be two, at most
 * three preemptions.
 */
#define EXPLORE_HINTS
#include "slots_operations.h"

#define BOUNDED .how = EXPLORE_BOUNDED, .preemptions = 3
#define FULL HAS(0, 0), HAS(1, 1), HAS(6, 0), HAS(4, 2)
_Static_assert(WKI_BUCKET_SLOTS == 4u, "FULL is a full bucket");

static const struct explore_scenario scenarios[] = {
	{ .name = "four and four", .thread = { { SET(0, 1), REMOVE(0), INSERT(0, 1), GET(0) }, { REMOVE(0), INSERT(0, 2), SET(0, 2), REMOVE(0) } }, WITH(.contents = { HAS(0, 0) }) },
	{ .name = "a full bucket: append one key", .thread = { { INSERT(8, 1), GET(8) }, { INSERT(8, 2), REMOVE(8), INSERT(3, 2) } }, WITH(.contents = { FULL }) },
	{ .name = "a full bucket: death and reuse", .thread = { { RELEASE(0), INSERT(6, 1) }, { INSERT(5, 2), GET(0), GET(6) } }, WITH(.contents = { FULL }) },
	{ .name = "a full bucket: glance against set and death", .thread = { { GLANCE(1), GLANCE(0) }, { SET(1, 2), RELEASE(0), INSERT(0, 1) } }, WITH(.contents = { FULL }) },
	{ .name = "a full bucket: two claims of one key", .thread = { { INSERT(8, 1), GET(8) }, { REMOVE(1), INSERT(8, 2), REMOVE(8) } }, WITH(.contents = { FULL }) },
	{ .name = "a full bucket: two claims beside others", .thread = { { INSERT(8, 1), GET(6) }, { REMOVE(0), RELEASE(2), INSERT(8, 3) } }, WITH(.contents = { FULL }) },
	{ .name = "a full bucket: of what has ended", .thread = { { INSERT(8, 1), GET(8) }, { REMOVE(1), INSERT(8, 2), INSERT(1, 2) } }, WITH(.contents = { FULL }, .stays = true) },
	{ .name = "grow: get, set after a mover", .thread = { { GET(0), GET(0) }, { START(1), HELP(1), SET(0, 1) } }, WITH(.contents = { FULL }) },
	{ .name = "grow: remove, set after a mover", .thread = { { REMOVE(0), GET(0) }, { START(1), HELP(1), SET(0, 1), GET(0) } }, WITH(.contents = { FULL, HAS(8, 2) }) },
	{ .name = "grow: death, mover", .thread = { { RELEASE(0), GET(1) }, { START(1), HELP(1), GET(0) } }, WITH(.contents = { FULL, HAS(8, 2) }), BOUNDED },
	{ .name = "grow and shrink again", .thread = { { GET(0), REMOVE(6) }, { START(1), HELP(1), START(0), HELP(1), SET(0, 1) } }, WITH(.contents = { FULL, HAS(8, 2) }) },
	{ .name = "destroy in mid-migration, death", .thread = { { START(1), INSERT(0, 1), DESTROY }, { RELEASE(0) } }, WITH(.contents = { FULL }), BOUNDED, .deep = true },
	{ .name = "grow: insert, mover", .thread = { { INSERT(0, 0) }, { START(1), HELP(1), GET(0) } }, WITH(.contents = { HAS(2, 2) }, .lazy = true), BOUNDED },
	{ .name = "grow: append, mover", .thread = { { INSERT(8, 1) }, { START(1), HELP(1), GET(8) } }, WITH(.contents = { FULL }, .lazy = true), BOUNDED },
	{ .name = "grow: two movers", .thread = { { HELP(1), REMOVE(0) }, { HELP(1), SET(1, 1) } }, WITH(.contents = { FULL, HAS(8, 2) }, .migration = 2), BOUNDED },
	{ .name = "sweep: set, mover", .thread = { { SET(0, 1) }, { START(0), HELP(1), GET(0) } }, WITH(.contents = { HAS(0, NONE), HAS(1, NONE), HAS(2, 2), HAS(7, 1) }, .lazy = true, .stays = true), BOUNDED },
	{ .name = "shrink: insert, mover", .thread = { { INSERT(4, 1) }, { START(0), HELP(1), GET(4) } }, WITH(.bits = 1, .contents = { HAS(0, 0), HAS(1, 1), HAS(8, 2), HAS(5, 0) }, .lazy = true), BOUNDED },
	{ .name = "two units: set, mover", .thread = { { SET(4, 1), REMOVE(0) }, { START(2), HELP(2), REMOVE(4) } }, WITH(.bits = 1, .contents = { HAS(4, 0), HAS(0, 0) }, .lazy = true), BOUNDED, .deep = true },
	{ .name = "three: insert, remove, mover", .thread = { { INSERT(0, 1) }, { REMOVE(0) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, NONE) }, .lazy = true), BOUNDED, .deep = true },
	{ .name = "three: death, insert, mover", .thread = { { RELEASE(0) }, { INSERT(0, 1) }, { START(1), HELP(1) } }, WITH(.contents = { HAS(0, 0) }, .lazy = true), BOUNDED, .deep = true },
	{ .name = "glance at what is put into a slot", .thread = { { INSERT(0, 0), SET(0, 1) }, { GLANCE(0), GLANCE(0) } }, WITH(.contents = { HAS(2, 2) }) },
	{ .name = "glance after a late mover: set", .thread = { { HELP(1) }, { HELP(1), SET(0, 1), GLANCE(0) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2), BOUNDED },
	{ .name = "glance after a late mover: death, reuse", .thread = { { HELP(1) }, { HELP(1), RELEASE(1), INSERT(3, 2), GLANCE(3) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1), HAS(2, 0), HAS(6, 0) }, .migration = 2), BOUNDED },
	{ .name = "planted: a slot is keyed again", .thread = { { HELP(1) }, { HELP(1), SET(0, 1), GLANCE(0) } }, WITH(.contents = { HAS(0, 0) }, .migration = 2, .bug = KEYS_AGAIN), BOUNDED, .planted = "check failed" },
	{ .name = "planted: NEXT is not frozen", .thread = { { INSERT(8, 1) }, { START(1), HELP(1) } }, WITH(.contents = { FULL }, .lazy = true, .bug = FORGETS_NEXT), BOUNDED, .planted = "check failed" },
	{ .name = "planted: a stale word is laid out", .thread = { { SET(0, 1) }, { START(1), HELP(1) } }, WITH(.contents = { FULL }, .lazy = true, .bug = STALE_WORD), BOUNDED, .planted = "check failed" },
	{ .name = "planted: the state is looked at again", .thread = { { HELP(1) }, { REMOVE(0), HELP(1), REMOVE(1) } }, WITH(.contents = { HAS(0, 0), HAS(1, 1), HAS(4, 2), HAS(5, 0) }, .migration = 2, .bug = LOOKS_AT_STATE), BOUNDED, .planted = "no order" },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
