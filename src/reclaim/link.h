/*
 * reclaim/link.h - one word that chains whatever waits to be dealt with
 *
 * A link is embedded in what waits: a control block, an entry, or the deferred call below. The
 * word holds the next link's address with that one's kind in its low bits, so that what waits
 * needs no second word to say what it is.
 *
 * Layer: reclaim, header only.
 */
#ifndef WKI_RECLAIM_LINK_H
#define WKI_RECLAIM_LINK_H

#include "base/atomic.h"

enum wki_kind {
	WKI_KIND_OBJECT,       /* struct wki_control: the object is dead */
	WKI_KIND_BLOCK,        /* struct wki_control: its memory may go */
	WKI_KIND_ENTRY,        /* struct wki_entry */
	WKI_KIND_DEFERRED,     /* struct wki_deferred */
	WKI_KIND_CALL,         /* struct wki_registration whose call is due */
	WKI_KIND_REGISTRATION, /* struct wki_registration whose memory may go */
	WKI_KIND_TICKET,       /* struct wki_ticket: its slot and its memory may go */
	WKI_KINDS
};

/* Atomic for what is embedded in a control block: until the object is dead the word is core/control.h's, and somebody may still be reading it. */
struct wki_link {
	wki_atomic_word next; /* a tagged link: owner of the chain */
};

/* A link with its kind: 0 is none. */
typedef uintptr_t wki_tagged;

#define WKI_TAG_MASK ((uintptr_t)7)

static inline wki_tagged wki_tag(struct wki_link *link, enum wki_kind kind)
{
	return (uintptr_t)link | (uintptr_t)kind;
}

static inline struct wki_link *wki_tag_link(wki_tagged tagged)
{
	return (struct wki_link *)(tagged & ~WKI_TAG_MASK);
}

static inline enum wki_kind wki_tag_kind(wki_tagged tagged)
{
	return (enum wki_kind)(tagged & WKI_TAG_MASK);
}

static inline wki_tagged wki_link_next(wki_tagged tagged)
{
	/* LNK-1 relaxed; pairs: none; weaker: not possible; check: explore/mailbox (whoever handed the chain over has published it) */
	return atomic_load_relaxed(&wki_tag_link(tagged)->next);
}

static inline void wki_link_set(wki_tagged tagged, wki_tagged next)
{
	/* LNK-2 release; pairs: CTL-13; weaker: who takes a link for a home key could still find the object alive; check: explore/store */
	atomic_store_release(&wki_tag_link(tagged)->next, next);
}

/* A call for later: memory of a container, a barrier's mark, a key's release. */
struct wki_deferred {
	struct wki_link link;
	void (*run)(struct wki_deferred *deferred);
};

/*
 * What to do with a link of each kind when its time has come: filled in by
 * src/runtime/kinds.c, which knows every layer.
 */
extern void (*const wki_reclaimers[WKI_KINDS])(struct wki_link *link);

static inline void wki_reclaim(wki_tagged tagged)
{
	wki_reclaimers[wki_tag_kind(tagged)](wki_tag_link(tagged));
}

/* A chain in order, oldest first. */
struct wki_chain {
	wki_tagged first, last;
	uint32_t count;
	size_t bytes;
};

static inline void wki_chain_append(struct wki_chain *chain, wki_tagged tagged, size_t bytes)
{
	wki_link_set(tagged, 0);
	if (chain->first == 0)
		chain->first = tagged;
	else
		wki_link_set(chain->last, tagged);
	chain->last = tagged;
	chain->count++;
	chain->bytes += bytes;
}

/* wki_chain_gather - append what a mailbox gave, in its order */
static inline void wki_chain_gather(struct wki_chain *chain, wki_tagged tagged)
{
	wki_tagged next;

	for (; tagged != 0; tagged = next) {
		next = wki_link_next(tagged);
		wki_chain_append(chain, tagged, 0);
	}
}

static inline wki_tagged wki_chain_pop(struct wki_chain *chain)
{
	wki_tagged first = chain->first;

	if (first != 0) {
		chain->first = wki_link_next(first);
		chain->count--;
	}
	return first;
}

#endif
