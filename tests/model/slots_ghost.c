/*
 * slots_ghost.c - a ghost's slot is used again in place
 *
 * The key was removed; two threads insert it anew while the bucket moves. Shows: one of them
 * stores, whether the ghost was replaced in its slot or left behind by the mover, and the
 * ghost's memory is freed once.
 */
#include "slots_model.h"

static bool stored[2];

static void *first(void *unused)
{
	stored[0] = put(0, 0, 1, false);
	return unused;
}

static void *second(void *unused)
{
	stored[1] = put(1, 0, 2, false);
	return unused;
}

static void *mover(void *unused)
{
	help(2);
	return unused;
}

int main(void)
{
	table_begin(0);
	(void)put(3, 0, 7, false);
	(void)end_key(3, 0, WKI_WATCH_REMOVED);
	table_start(1);
	model_run(first, second, mover);
	assert(stored[0] != stored[1]);
	assert(length() == 1);
	table_end();
	return 0;
}
