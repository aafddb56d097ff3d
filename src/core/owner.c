/*
 * core/owner.c - holds on owners
 *
 * Layer: core.
 */
#include "core/owner.h"

pthread_mutex_t wki_owner_lock = PTHREAD_MUTEX_INITIALIZER;
struct wki_event wki_owner_freed;

void wki_owner_drop_slow(wk_owner *owner)
{
	/* OWN-3 release; pairs: OWN-1; weaker: as OWN-1; check: unit/core/owner_test, api/owner_race_test under TSan */
	if (atomic_fetch_sub_release(&owner->holds, 1) == (WKI_OWNER_CLOSED | 1))
		wki_event_signal(&wki_owner_freed);
}

void wki_owner_add_slow(wk_owner *owner)
{
	/* OWN-4 relaxed; pairs: none; weaker: not possible; check: api/owner_test */
	(void)atomic_fetch_add_relaxed(&owner->holds, 1);
}

/* No fetch-and-add that is taken back: FREE is final. */
static bool owner_try(wk_owner *owner, bool closed_too)
{
	uint64_t word = wki_owner_word(owner);

	while (closed_too ? word != WKI_OWNER_CLOSED : (word & WKI_OWNER_CLOSED) == 0) {
		/* OWN-5 relaxed; pairs: none; weaker: not possible, this and OWN-2 are ordered by the word itself; check: api/owner_race_test */
		if (atomic_cas_relaxed(&owner->holds, &word, word + 1))
			return true;
	}
	return false;
}

bool wki_owner_hold_slow(wk_owner *owner)
{
	return owner_try(owner, false);
}

bool wki_owner_visit_slow(wk_owner *owner)
{
	return owner_try(owner, true);
}
