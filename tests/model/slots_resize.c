/*
 * slots_resize.c - smaller again: two buckets into one, with an overflow bucket
 *
 * Two threads move the only unit, two buckets of which one is full; one of them inserts, and
 * finds the bucket full that both come to. Shows: both lay out the same image, the overflow
 * bucket of one of them is published and the other's given back.
 */
#include "slots_model.h"

static void *first(void *unused)
{
	assert(put(0, 0, 3, false));
	return unused;
}

static void *second(void *unused)
{
	help(1);
	return unused;
}

int main(void)
{
	table_begin(1);
	(void)put(3, 1, 1, false);
	(void)put(3, 2, 2, false);
	table_start(0);
	model_run(first, second, NULL);
	assert(get(3, 0) == 3 && get(3, 1) == 1 && get(3, 2) == 2);
	assert(length() == 3);
	table_end();
	return 0;
}
