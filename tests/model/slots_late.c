/*
 * slots_late.c - a mover that comes late changes nothing
 *
 * Two threads move one bucket; the second one then removes a key and stores another in the new
 * array. Shows: the first one, wherever it was stopped, neither brings the removed key back nor
 * loses the new one.
 */
#include "slots_model.h"

static void *late(void *unused)
{
	help(0);
	return unused;
}

static void *early(void *unused)
{
	help(1);
	assert(end_key(1, 0, WKI_WATCH_REMOVED));
	assert(put(1, 1, 5, true));
	return unused;
}

int main(void)
{
	table_begin(0);
	(void)put(3, 0, 1, false);
	(void)put(3, 1, 2, false);
	table_start(1);
	model_run(late, early, NULL);
	assert(get(3, 0) == 0 && get(3, 1) == 5);
	assert(length() == 1);
	table_end();
	return 0;
}
