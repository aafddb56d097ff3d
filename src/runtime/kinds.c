/*
 * runtime/kinds.c - where the layers are put together
 *
 * Lower layers chain, fire and hand over things whose kind they know only as a number. Here,
 * in the one layer that may see all others, each number gets its function. The tables are
 * constant: nothing is registered at run time, nothing can be missing.
 *
 * Layer: runtime.
 */
#include "collect/entry.h"
#include "collect/held.h"
#include "collect/ticket.h"
#include "core/census.h"
#include "core/control.h"
#include "notify/queue.h"
#include "notify/registration.h"
#include "reclaim/link.h"
#include "reclaim/thread.h"
#include "runtime/fork.h"

static void kinds_run_deferred(struct wki_link *link)
{
	struct wki_deferred *deferred = (struct wki_deferred *)(void *)link;

	deferred->run(deferred);
}

void (*const wki_reclaimers[WKI_KINDS])(struct wki_link *link) = {
	[WKI_KIND_OBJECT] = wki_control_reclaim,
	[WKI_KIND_BLOCK] = wki_control_free,
	[WKI_KIND_ENTRY] = wki_entry_reclaim,
	[WKI_KIND_DEFERRED] = kinds_run_deferred,
	[WKI_KIND_CALL] = wki_registration_due,
	[WKI_KIND_REGISTRATION] = wki_registration_free,
	[WKI_KIND_TICKET] = wki_ticket_free,
};

const struct wki_watch_handler wki_watch_handlers[WKI_WATCH_KINDS] = {
	[WKI_WATCH_ENTRY] = { wki_entry_fired, wki_entry_leave, wki_entry_orphaned },
	[WKI_WATCH_HELD] = { wki_held_fired, wki_held_leave, wki_held_fired },
	[WKI_WATCH_REF] = { wki_registration_fired, wki_registration_leave, wki_registration_orphaned },
	[WKI_WATCH_FINALIZER] = { wki_registration_fired, wki_registration_leave, wki_registration_orphaned },
	[WKI_WATCH_TICKET] = { .fired = wki_ticket_fired, .orphaned = wki_ticket_fired }, /* never leaves */
};

bool (*const wki_deliver)(wk_queue *queue, wki_tagged tagged) = wki_queue_deliver;

static void kinds_part(struct wki_thread *thread)
{
	wki_census_tell(thread);
	wki_limbo_seal(thread);
	wki_cache_empty(&thread->cache);
	thread->debt = 0;
}

void (*const wki_thread_parting)(struct wki_thread *thread) = kinds_part;

/*
 * Before anything of the program's: so our handlers are the last to run before a fork and the first to run after it,
 * and those of others may use the library. Without memory for three pointers no program begins.
 */
__attribute__((constructor)) static void kinds_handle_forks(void)
{
	if (wki_fork_register() != 0)
		wki_stop("no memory for the handlers of fork");
}
