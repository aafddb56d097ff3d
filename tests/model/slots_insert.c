/*
 * slots_insert.c - two inserts of one key while its bucket moves
 *
 * Shows: one of them stores, the other finds it; the key has one slot afterwards; with a full
 * bucket (FULL, the default) through an overflow bucket that both append.
 */
#include "slots_model.h"

#ifndef FULL
#define FULL 1
#endif

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
	if (FULL) {
		(void)put(3, 1, 8, false);
		(void)put(3, 2, 9, false);
	}
	table_start(1);
	model_run(first, second, mover);
	assert(stored[0] != stored[1]);
	assert(get(3, 0) == (stored[0] ? 1 : 2));
	assert(length() == 1 + 2 * FULL);
	table_end();
	return 0;
}
