/*
 * await.c - the runner goes to sleep while a grace period ends (reclaim/runner.c)
 *
 * The runner says what it waits for, then looks whether that is over; the grace thread
 * publishes that it is, then looks whether anybody waits. Shows: because both the saying and
 * the looking are read-modify-writes of one word, at least one of the two sees the other.
 */
#include "base/atomic.h"

#include "model.h"

static wki_atomic_u64 awaited, completed;
static bool woken, seen;

static void *runner(void *unused)
{
	(void)atomic_exchange_acq_rel(&awaited, 1);
	seen = atomic_load_acquire(&completed) >= 1;
	return unused;
}

static void *grace_thread(void *unused)
{
	atomic_store_release(&completed, 1);
	woken = atomic_fetch_add_acq_rel(&awaited, 0) == 1;
	return unused;
}

int main(void)
{
	model_run(runner, grace_thread, NULL);
	assert(woken || seen);
	return 0;
}
