/*
 * sync/rcu.c - the one place that waits for readers
 *
 * Layer: sync.
 */
#include "sync/rcu.h"

#if WKI_TSAN
char wki_rcu_edge;
#endif

static void rcu_tell_edge(void)
{
#if WKI_TSAN
	__tsan_acquire(&wki_rcu_edge);
#endif
}

void wki_read_lock_slowly(void)
{
	wki_reader_introduce();
	urcu_bp_read_lock();
}

void wki_read_unlock_slowly(void)
{
	urcu_bp_read_unlock();
}

void wki_synchronize(void)
{
	if (!wki_readers_wait())
		urcu_bp_synchronize_rcu();
	rcu_tell_edge();
}

bool wki_try_synchronize(void)
{
	bool over = wki_readers_look();

	if (over)
		rcu_tell_edge();
	return over;
}
