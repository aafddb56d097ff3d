/*
 * slots_dead.c - a dead entry is no proof of absence
 *
 * One thread replaces the key's value; one removes the key, then looks; one moves the bucket.
 * Shows: the key is absent for the remover only where the removal explains it: whoever finds a
 * dead entry looks at its slot again, and at the next array if that has it by now.
 */
#include "slots_model.h"

static bool removed, present;

static void *setter(void *unused)
{
	(void)put(0, 0, 2, true);
	return unused;
}

static void *remover(void *unused)
{
	present = get(1, 0) != 0;
	removed = end_key(1, 0, WKI_WATCH_REMOVED);
	model_reclaim(&limbo);
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
	model_run(setter, remover, mover);
	assert(present && removed); /* at every moment there was a value */
	assert(get(3, 0) == 2 || get(3, 0) == 0);
	assert(length() == (get(3, 0) == 2));
	table_end();
	return 0;
}
