/*
 * reclaim/lanes.h - a bag of links that is emptied without waiting for memory
 *
 * What comes back from limbo was last touched a grace period ago and is in no near cache. A chain
 * would be walked one miss after the other. Here links are dealt to several chains in turn and
 * taken from them in turn: when a link is popped, the next one of its chain is asked for, and it
 * arrives while the other chains are served. No memory is needed beyond the link itself.
 *
 * Layer: reclaim, header only. Not in order: for what needs none.
 */
#ifndef WKI_RECLAIM_LANES_H
#define WKI_RECLAIM_LANES_H

#include "reclaim/link.h"

#define WKI_LANES 8u

struct wki_lanes {
	wki_tagged first[WKI_LANES], last[WKI_LANES];
	uint32_t count;
	uint32_t turn; /* the chain that is served next */
	size_t bytes;
};

static inline void wki_lanes_append(struct wki_lanes *lanes, wki_tagged tagged, size_t bytes)
{
	uint32_t lane = lanes->count++ % WKI_LANES;

	wki_link_set(tagged, 0);
	if (lanes->first[lane] == 0)
		lanes->first[lane] = tagged;
	else
		wki_link_set(lanes->last[lane], tagged);
	lanes->last[lane] = tagged;
	lanes->bytes += bytes;
}

/* wki_lanes_splice - everything that is in `more`, which is empty afterwards */
static inline void wki_lanes_splice(struct wki_lanes *lanes, struct wki_lanes *more)
{
	uint32_t lane;

	for (lane = 0; lane < WKI_LANES; lane++) {
		if (more->first[lane] == 0)
			continue;
		if (lanes->first[lane] == 0)
			lanes->first[lane] = more->first[lane];
		else
			wki_link_set(lanes->last[lane], more->first[lane]);
		lanes->last[lane] = more->last[lane];
	}
	lanes->count += more->count;
	lanes->bytes += more->bytes;
	*more = (struct wki_lanes){ 0 };
}

/* wki_lanes_pop - any link, 0: empty */
static inline wki_tagged wki_lanes_pop(struct wki_lanes *lanes)
{
	wki_tagged tagged;
	uint32_t lane;

	if (lanes->count == 0)
		return 0;
	do {
		lane = lanes->turn++ % WKI_LANES;
	} while (lanes->first[lane] == 0);
	tagged = lanes->first[lane];
	lanes->first[lane] = wki_link_next(tagged);
	__builtin_prefetch(wki_tag_link(lanes->first[lane]), 1);
	lanes->count--;
	return tagged;
}

#endif
