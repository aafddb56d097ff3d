/*
 * grace.c - numbered grace periods (reclaim/grace.c) on read sections
 *
 * A reader looks at a block; a writer unlinks it and draws a ticket; the grace thread begins
 * the grace period of the next number, waits for the readers and publishes it. Whoever sees
 * its ticket's number published frees the block. Shows: the ticket is drawn by a
 * read-modify-write, so the grace period that covers it begins after the unlinking is seen.
 */
#include "base/atomic.h"

#include "model.h"

static WKI_ATOMIC_POINTER(int) shared;
static wki_atomic_u64 started, completed;

static void *reader(void *unused)
{
	int *block;

	model_read_lock(0);
	block = atomic_load_acquire(&shared);
	if (block != NULL)
		assert(*block == 1);
	model_read_unlock(0);
	return unused;
}

static void *writer(void *unused)
{
	int *block = atomic_exchange_acq_rel(&shared, NULL);
	uint64_t ticket = atomic_fetch_add_acq_rel(&started, 0) + 1;

	if (atomic_load_acquire(&completed) >= ticket)
		free(block);
	else
		atomic_store_release(&shared, block); /* not yet over: main frees it */
	return unused;
}

static void *grace_thread(void *unused)
{
	uint64_t number = atomic_fetch_add_acq_rel(&started, 1) + 1;

	model_synchronize();
	atomic_store_release(&completed, number);
	return unused;
}

int main(void)
{
	int *block = model_allocate(sizeof(*block));

	*block = 1;
	atomic_store_release(&shared, block);
	model_run(reader, writer, grace_thread);
	free(atomic_load_acquire(&shared));
	return 0;
}
