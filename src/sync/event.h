/*
 * sync/event.h - sleeping until something happened, on ConcurrencyKit's event count
 *
 *	waiter:  seen = wki_event_value(e); if (nothing to do) wki_event_wait(e, seen, deadline);
 *	waker:   make something to do; wki_event_signal(e);
 *
 * An event count is for waking only, never for ordering: its assembly is invisible to
 * ThreadSanitizer, so whatever is handed over is handed over by an atomic of its own.
 *
 * Layer: sync. The only user of ConcurrencyKit in the library.
 */
#ifndef WKI_SYNC_EVENT_H
#define WKI_SYNC_EVENT_H

#include <stdbool.h>
#include <stdint.h>

struct wki_event {
	uint32_t count; /* struct ck_ec32: the value, and a flag while somebody sleeps */
};

#define WKI_NO_DEADLINE UINT64_MAX

/* wki_now - CLOCK_MONOTONIC in nanoseconds */
uint64_t wki_now(void);
/* wki_deadline_after - the moment `timeout_ns` from now; WKI_NO_DEADLINE stays itself */
uint64_t wki_deadline_after(uint64_t timeout_ns);

void wki_event_init(struct wki_event *event);
uint32_t wki_event_value(const struct wki_event *event);
/* wki_event_signal - wakes every waiter; a system call only if there is one */
void wki_event_signal(struct wki_event *event);
/* wki_event_wait - returns when the value is no longer `seen` (true) or the deadline has passed (false) */
bool wki_event_wait(struct wki_event *event, uint32_t seen, uint64_t deadline_ns);

#endif
