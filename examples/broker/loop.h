#ifndef BROKER_LOOP_H
#define BROKER_LOOP_H

/*
 * One event loop and its thread.
 *
 * Other threads speak to a loop through its queue alone: what they post and the destructors of its connections run
 * where the loop drains it. The queue wakes the loop with uv_async_send. A wake-up drains a limited number, so that a
 * burst of dying connections does not keep the living ones waiting.
 * A loop ends when it was told to and its last connection has been destroyed; only then its queue is closed.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>
#include <weakref.h>

#include "counter.h"

struct server;

struct loop_stats {
	counter connections; /* taken over */
	counter commands;
	counter input, output; /* bytes */
	counter dropped;       /* clients over their output-buffer limit */
	counter errors;        /* error replies */
	counter protocol_errors;
};

struct loop {
	struct server *server;
	wk_queue *queue;
	uv_loop_t uv;
	uv_async_t wake;
	uv_thread_t thread;
	_Atomic size_t connections; /* made for this loop and not destroyed yet */
	_Atomic bool stop;          /* asked to stop */
	bool stopping;              /* the loop's thread knows */
	struct loop_stats stats;
	char input[64 * 1024]; /* what any connection reads is taken before the next one reads */
};

/* Starts the thread. 0, or a negative libuv code with *reason set to a text; then nothing is left behind. */
int loop_open(struct loop *loop, struct server *server, const char **reason);

/* Any thread, once: the loop drops its connections and ends. */
void loop_stop(struct loop *loop);

/* Waits for the thread and gives everything back. */
void loop_close(struct loop *loop);

/* Any thread: a connection was made for this loop; the destructor of one has run to its end. */
void loop_connection_made(struct loop *loop);
void loop_connection_gone(struct loop *loop);

#endif
