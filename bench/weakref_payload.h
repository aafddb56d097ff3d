/* The object of our two rows, and what they do when something fails. */
#ifndef BENCH_WEAKREF_PAYLOAD_H
#define BENCH_WEAKREF_PAYLOAD_H

#include "harness.h"

#include <weakref.h>

#include <stdio.h>
#include <stdlib.h>

struct payload {
	uint64_t id;
	unsigned char rest[PAYLOAD_SIZE - sizeof(uint64_t)];
};
WK_DEFINE_TYPE(payload_type, struct payload, .destroy = NULL);

static inline void stop_on(int status, const char *what)
{
	if (status >= 0)
		return;
	fprintf(stderr, "weakref: %s: %s\n", what, wk_strerror(status));
	exit(EXIT_FAILURE);
}

static inline struct payload *payload_new(uint64_t id)
{
	struct payload *object = wk_new(&payload_type);

	if (!object)
		stop_on(wk_last_status(), "wk_new");
	object->id = id;
	return object;
}

static inline void settle(void *state)
{
	(void)state;
	stop_on(wk_barrier(WK_NO_TIMEOUT), "wk_barrier");
}

#endif
