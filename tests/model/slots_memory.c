/*
 * slots_memory.c - entries, buckets and arrays are really freed
 *
 * A reader looks the key up twice, one thread replaces it twice, one moves the bucket and
 * retires the old array. Shows: nobody sees freed memory, nothing is freed twice.
 */
#include "slots_model.h"

static void *reader(void *unused)
{
	assert(get(0, 0) != 0);
	assert(get(0, 0) != 0);
	return unused;
}

static void *setter(void *unused)
{
	(void)put(1, 0, 2, true);
	(void)put(1, 0, 3, true);
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
	(void)put(3, 0, 1, false);
	table_start(1);
	model_run(reader, setter, mover);
	assert(get(3, 0) == 3 && length() == 1);
	table_end();
	return 0;
}
