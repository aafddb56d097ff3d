/*
 * reclaim/mailbox.h - many producers hand links over to one consumer
 *
 * A stack that is taken whole and turned round: what one producer pushes arrives in its order,
 * and a producer that is stopped in the middle of a push stops nobody. A closed mailbox takes
 * nothing any more.
 *
 * Layer: reclaim, header only. Never: libc, liburcu, allocation.
 */
#ifndef WKI_RECLAIM_MAILBOX_H
#define WKI_RECLAIM_MAILBOX_H

#include "base/atomic.h"
#include "reclaim/link.h"

#define WKI_MAILBOX_CLOSED WKI_TAG_MASK /* no link has this tag and no address */

struct wki_mailbox {
	wki_atomic_word top; /* a tagged link, 0 or CLOSED */
};

enum wki_mailed { WKI_MAILED, WKI_MAILED_FIRST, WKI_MAIL_REFUSED };

/* wki_mailbox_push - FIRST: it was empty, the caller wakes the consumer; REFUSED: it is closed */
static inline enum wki_mailed wki_mailbox_push(struct wki_mailbox *box, wki_tagged tagged)
{
	/* BOX-1 relaxed; pairs: none; weaker: not possible; check: explore/mailbox */
	uintptr_t top = atomic_load_relaxed(&box->top);

	do {
		if (top == WKI_MAILBOX_CLOSED)
			return WKI_MAIL_REFUSED;
		wki_link_set(tagged, top);
		/* BOX-2 release; pairs: BOX-3; weaker: the consumer could meet a half-made link; check: explore/mailbox, model/mailbox */
	} while (!atomic_cas_release(&box->top, &top, tagged));
	return top == 0 ? WKI_MAILED_FIRST : WKI_MAILED;
}

/* wki_mailbox_turn - a taken stack, oldest first */
static inline wki_tagged wki_mailbox_turn(wki_tagged top)
{
	wki_tagged turned = 0, next;

	for (; top != 0; top = next) {
		next = wki_link_next(top);
		wki_link_set(top, turned);
		turned = top;
	}
	return turned;
}

/* wki_mailbox_take - everything there is, oldest first, chained by `next`; only the consumer */
static inline wki_tagged wki_mailbox_take(struct wki_mailbox *box)
{
	/* BOX-4 relaxed; pairs: none; weaker: not possible; check: explore/mailbox (only looks whether the exchange is worth it) */
	uintptr_t top = atomic_load_relaxed(&box->top);

	if (top == 0 || top == WKI_MAILBOX_CLOSED)
		return 0;
	/* BOX-3 acquire; pairs: BOX-2; weaker: it could meet a half-made link; check: explore/mailbox, model/mailbox */
	return wki_mailbox_turn(atomic_exchange_acquire(&box->top, 0));
}

/* wki_mailbox_close - take everything and refuse the rest; only the consumer, once */
static inline wki_tagged wki_mailbox_close(struct wki_mailbox *box)
{
	/* BOX-5 acquire; pairs: BOX-2; weaker: as BOX-3; check: explore/mailbox, model/mailbox */
	uintptr_t top = atomic_exchange_acquire(&box->top, WKI_MAILBOX_CLOSED);

	return top == WKI_MAILBOX_CLOSED ? 0 : wki_mailbox_turn(top);
}

/* wki_mailbox_leave - in the child of a fork: what is in it is the parent's, newest first */
static inline wki_tagged wki_mailbox_leave(struct wki_mailbox *box)
{
	/* BOX-7 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
	uintptr_t top = atomic_load_relaxed(&box->top);

	if (top == WKI_MAILBOX_CLOSED)
		return 0;
	/* BOX-8 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
	atomic_store_relaxed(&box->top, 0);
	return top;
}

static inline bool wki_mailbox_is_closed(const struct wki_mailbox *box)
{
	/* BOX-9 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
	return atomic_load_relaxed((wki_atomic_word *)(uintptr_t)&box->top) == WKI_MAILBOX_CLOSED;
}

static inline bool wki_mailbox_is_empty(const struct wki_mailbox *box)
{
	/* BOX-6 acquire; pairs: BOX-2; weaker: a waiter could read the event count before it looks here; check: api/queue_test */
	uintptr_t top = atomic_load_acquire((wki_atomic_word *)(uintptr_t)&box->top);

	return top == 0 || top == WKI_MAILBOX_CLOSED;
}

#endif
