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

#if WKI_RCU_INLINE && !WKI_TSAN
#define READER_LOOKS 32u

wki_reader *wki_reader_self(void)
{
	(void)wki_read_ongoing();
	return URCU_TLS(urcu_bp_reader);
}

static bool reader_is_inside(wki_reader *reader)
{
	return (CMM_LOAD_SHARED(reader->ctr) & URCU_BP_GP_CTR_NEST_MASK) != 0;
}

bool wki_reader_stays(wki_reader *reader)
{
	unsigned looks;

	for (looks = 0; looks < READER_LOOKS; looks++) {
		if (reader == NULL || !reader_is_inside(reader))
			return false;
		caa_cpu_relax();
	}
	return true;
}
#else
wki_reader *wki_reader_self(void)
{
	return NULL;
}

bool wki_reader_stays(wki_reader *reader)
{
	(void)reader;
	return false;
}
#endif
