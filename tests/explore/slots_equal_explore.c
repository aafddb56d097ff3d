/*
 * slots_equal_explore.c - the slot protocol where keys are the objects themselves, by equality: two and three threads
 *
 * A slot belongs to one entry: what is dead is the same as nothing and is passed over, never replaced (collect/entry.h,
 * EQUAL). Still, of objects that are equal at most one is there. Buckets of two slots, so that ghosts fill them quickly.
 */
#define WKI_BUCKET_SLOTS 2u
#include "slots_operations.h"

#define EQUAL(...) WITH(.equal = true, .lazy = true, __VA_ARGS__)
#define BOUNDED .how = EXPLORE_BOUNDED, .preemptions = 3

static const struct explore_scenario scenarios[] = {
	{ .name = "insert, insert", .thread = { { INSERT(0, 0), GET(0) }, { INSERT(0, 1), GET(0) } }, EQUAL(.bits = 0) },
	{ .name = "insert beside a ghost", .thread = { { INSERT(0, 0), REMOVE(0) }, { INSERT(0, 1), GET(0) } }, EQUAL(.contents = { HAS(0, NONE) }) },
	{ .name = "death, insert", .thread = { { RELEASE(0), GET(0) }, { INSERT(0, 1), GET(0) } }, EQUAL(.contents = { HAS(0, 0) }) },
	{ .name = "death and insert, insert", .thread = { { RELEASE(0), INSERT(0, 1) }, { INSERT(0, 2), GET(0) } }, EQUAL(.contents = { HAS(0, 0) }) },
	{ .name = "remove and insert, insert and remove", .thread = { { REMOVE(0), INSERT(0, 1) }, { INSERT(0, 2), REMOVE(0) } }, EQUAL(.contents = { HAS(0, 0) }) },
	{ .name = "remove, remove", .thread = { { REMOVE(0), INSERT(0, 1) }, { REMOVE(0), GET(0) } }, EQUAL(.contents = { HAS(0, 0) }) },
	{ .name = "get, death and insert", .thread = { { GET(0), GET(0) }, { RELEASE(0), INSERT(0, 1), REMOVE(0) } }, EQUAL(.contents = { HAS(0, 0) }) },
	{ .name = "peek, death and insert", .thread = { { PEEK(0), PEEK(0) }, { RELEASE(0), INSERT(0, 1), RELEASE(1) } }, EQUAL(.contents = { HAS(0, 0) }) },
	{ .name = "two append", .thread = { { INSERT(0, 1), GET(0) }, { INSERT(0, 2), REMOVE(0) } }, EQUAL(.contents = { HAS(0, NONE), HAS(2, 0) }) },
	{ .name = "grow: insert, mover", .thread = { { INSERT(0, 0), GET(0) }, { START(1), HELP(1), INSERT(0, 1) } }, EQUAL(.contents = { HAS(0, NONE) }) },
	{ .name = "grow: death and insert, mover", .thread = { { RELEASE(0), INSERT(0, 1) }, { START(1), HELP(1), GET(0) } }, EQUAL(.contents = { HAS(0, 0) }) },
	{ .name = "grow: insert, death and mover", .thread = { { INSERT(0, 1), GET(0) }, { RELEASE(0), START(1), HELP(1), GET(0) } }, EQUAL(.contents = { HAS(0, 0) }), .deep = true },
	{ .name = "sweep: insert, mover", .thread = { { INSERT(0, 1) }, { START(0), HELP(1), GET(0), REMOVE(0) } }, EQUAL(.contents = { HAS(0, NONE), HAS(1, NONE), HAS(2, 2) }) },
	{ .name = "shrink: insert, mover", .thread = { { INSERT(0, 1), GET(0) }, { REMOVE(0), START(0), HELP(1) } }, EQUAL(.bits = 1, .contents = { HAS(0, 0), HAS(5, 2) }), .deep = true },
	{ .name = "no memory: append, mover", .thread = { { INSERT(0, 1), GET(0) }, { START(1), HELP(1), INSERT(0, 2) } }, EQUAL(.contents = { HAS(0, NONE), HAS(2, 0) }, .no_memory = 1), .deep = true },
	{ .name = "room: two claim two slots", .thread = { { INSERT(0, 0), GET(0) }, { REMOVE(1), INSERT(0, 1), REMOVE(0) } }, EQUAL(.contents = { HAS(1, 2), HAS(2, NONE) }) },
	{ .name = "room: death, insert, insert", .thread = { { RELEASE(0), INSERT(0, 1) }, { INSERT(0, 2), GET(0) } }, EQUAL(.contents = { HAS(0, 0), HAS(2, NONE) }) },
	{ .name = "room: of what has ended", .thread = { { INSERT(0, 0), REMOVE(0) }, { INSERT(0, 1), GET(0) } }, EQUAL(.contents = { HAS(0, NONE), HAS(2, NONE) }, .stays = true) },
	{ .name = "destroy, death", .thread = { { INSERT(0, 1), DESTROY }, { RELEASE(0), RELEASE(2) } }, EQUAL(.contents = { HAS(0, 0), HAS(1, 2) }), .deep = true },
	/* Three threads. */
	{ .name = "three inserts", .thread = { { INSERT(0, 0) }, { INSERT(0, 1) }, { INSERT(0, 2), REMOVE(0) } }, EQUAL(.contents = { HAS(0, NONE) }), BOUNDED },
	{ .name = "death, two inserts", .thread = { { RELEASE(0) }, { INSERT(0, 1) }, { INSERT(0, 2), GET(0) } }, EQUAL(.contents = { HAS(0, 0) }), BOUNDED },
	{ .name = "remove, insert, get", .thread = { { REMOVE(0) }, { INSERT(0, 1) }, { GET(0), GET(0) } }, EQUAL(.contents = { HAS(0, 0) }), BOUNDED },
	{ .name = "death, insert, mover", .thread = { { RELEASE(0) }, { INSERT(0, 1) }, { START(1), HELP(1) } }, EQUAL(.contents = { HAS(0, 0) }), BOUNDED, .deep = true },
	/* Planted bugs. */
	{ .name = "planted: a dead entry's slot is taken", .thread = { { RELEASE(0), INSERT(0, 1) }, { INSERT(0, 2) } }, EQUAL(.contents = { HAS(0, 0) }, .stays = true, .bug = REUSES_DEAD), .planted = "check failed" },
	{ .name = "planted: a dead entry's slot is taken, three", .thread = { { RELEASE(0) }, { INSERT(0, 1) }, { INSERT(0, 2) } }, EQUAL(.contents = { HAS(0, 0) }, .bug = REUSES_DEAD), BOUNDED, .planted = "check failed" },
	{ .name = "planted: a dead entry stands for its key", .thread = { { RELEASE(0), INSERT(0, 1) }, { GET(0) } }, EQUAL(.contents = { HAS(0, 0) }, .bug = SAME_WHEN_DEAD), .planted = "livelock" },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
