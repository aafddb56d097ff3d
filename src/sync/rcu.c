/*
 * sync/rcu.c - the one place that waits for readers
 *
 * Layer: sync.
 */
#include "sync/rcu.h"

#if WKI_TSAN
char wki_rcu_edge;
#endif

void wki_synchronize(void)
{
	urcu_bp_synchronize_rcu();
#if WKI_TSAN
	__tsan_acquire(&wki_rcu_edge);
#endif
}
