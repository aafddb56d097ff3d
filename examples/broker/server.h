#ifndef BROKER_SERVER_H
#define BROKER_SERVER_H

/*
 * The server: what its parts share, and the order in which they begin and end.
 *
 * Begin: runtime, containers, loops, listener, signals. End: listener, loops (each drops its clients, waits for their
 * destructors, closes its queue), containers, runtime, and then the accounting: objects made = objects destroyed.
 */

#include "listener.h"
#include "loop.h"
#include "options.h"
#include "store.h"

struct server {
	const struct options *options;
	struct store store;
	wk_weak_set *connections; /* it keeps none alive */
	wk_value_dict *topics;    /* see topic.h; it keeps none alive */
	struct loop **loops;      /* options->threads many */
	unsigned opened;          /* of them running */
	struct listener listener;
	uv_loop_t uv; /* the main thread's: listener and signals */
	uv_signal_t terminate, interrupt;
	uint64_t started_ns;
	counter rejected; /* clients turned away at the limit */
	int port;
};

/* Serves until SIGTERM or SIGINT. The process's exit status. */
int server_run(const struct options *options);

#endif
