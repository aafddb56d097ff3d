/*
 * slots_remove.c - remove, set and death of one key while its bucket moves
 *
 * Shows: each value ends once, whoever ends it, and the length is exact afterwards.
 */
#include "slots_model.h"

static bool removed, died;

static void *setter(void *unused)
{
	(void)put(0, 0, 2, true);
	return unused;
}

static void *remover(void *unused)
{
	removed = end_key(1, 0, WKI_WATCH_REMOVED);
	help(1);
	return unused;
}

static void *death(void *unused)
{
	died = end_key(2, 0, WKI_WATCH_FIRED);
	model_reclaim(&limbo);
	return unused;
}

int main(void)
{
	table_begin(0);
	(void)put(3, 0, 1, false);
	table_start(1);
	model_run(setter, remover, death);
	assert(removed || died);
	assert(length() == (get(3, 0) != 0));
	assert(!(removed && died) || get(3, 0) == 0);
	table_end();
	return 0;
}
