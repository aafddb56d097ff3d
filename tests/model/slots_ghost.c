/*
 * slots_ghost.c - an entry that has ended serves its own key in place, or leaves its slot
 *
 * The key was removed, and whoever did that was stopped before he took the entry out. Two threads
 * insert the key anew, the second one having first gone on in his place, while the bucket moves.
 * Shows: one of them stores, whether the ghost was replaced in its slot, taken out of it or left
 * behind by the mover, and the ghost's memory is freed once.
 */
#include "slots_model.h"

static bool stored[2];
static struct wki_entry *ghost; /* it stays for the second thread's first section, which began with the removal */

static void *first(void *unused)
{
	stored[0] = put(0, 0, 1, false);
	return unused;
}

static void *second(void *unused)
{
	vacate_rcu(ghost);
	model_read_unlock(1);
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
	ghost = find_entry(0);
	(void)end_key_only(3, 0, WKI_WATCH_REMOVED);
	table_start(1);
	model_read_lock(1);
	model_run(first, second, mover);
	assert(stored[0] != stored[1]);
	assert(get(3, 0) == (stored[0] ? 1 : 2));
	assert(length() == 1);
	table_end();
	return 0;
}
