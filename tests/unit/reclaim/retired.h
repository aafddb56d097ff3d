/*
 * tests/unit/reclaim/retired.h - something to retire that notes when it comes back
 *
 * Each carries the ticket of the moment in which it was retired: if it comes back before that grace period is
 * over, somebody may still have been looking.
 */
#ifndef TESTS_UNIT_RECLAIM_RETIRED_H
#define TESTS_UNIT_RECLAIM_RETIRED_H

#include <stdatomic.h>

#include "reclaim/grace.h"
#include "reclaim/link.h"

struct retired {
	struct wki_deferred deferred;
	uint64_t ticket;
	unsigned number;
	_Atomic unsigned back;
};

static _Atomic unsigned long retired_back, retired_early, retired_twice;

static inline void retired_come_back(struct wki_deferred *deferred)
{
	struct retired *retired = (struct retired *)(void *)deferred;

	if (!wki_grace_done(retired->ticket))
		atomic_fetch_add(&retired_early, 1);
	if (atomic_fetch_add(&retired->back, 1) != 0)
		atomic_fetch_add(&retired_twice, 1);
	atomic_fetch_add(&retired_back, 1);
}

static inline wki_tagged retired_init(struct retired *retired, unsigned number)
{
	retired->deferred.run = retired_come_back;
	retired->ticket = wki_grace_ticket();
	retired->number = number;
	atomic_store(&retired->back, 0);
	return wki_tag(&retired->deferred.link, WKI_KIND_DEFERRED);
}

#endif
