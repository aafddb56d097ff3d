#ifndef BROKER_LISTENER_H
#define BROKER_LISTENER_H

/*
 * Accepts clients on the main thread and hands each to the loop that serves the fewest, so that a few clients
 * spread as evenly as many (the kernel's choice among sockets with SO_REUSEPORT is a coin's).
 */

#include <uv.h>

struct server;

struct listener {
	uv_poll_t poll;
	struct server *server;
	unsigned last_loop;
	int descriptor;
	int spare; /* a descriptor to give up when the process has no other left */
};

/* 0, or a negative errno value; then nothing is left behind. Fills in server->port. */
int listener_open(struct listener *listener, struct server *server, uv_loop_t *uv);
void listener_close(struct listener *listener);

#endif
