#ifndef BROKER_LOOP_H
#define BROKER_LOOP_H

/*
 * One event loop and its thread.
 *
 * Other threads speak to a loop through its queue alone: what they post and the destructors of its connections run
 * where the loop drains it. The queue wakes the loop with uv_async_send. A wake-up drains a limited number, so that a
 * burst of dying connections does not keep the living ones waiting.
 * A loop ends when it was told to and its last connection has been destroyed; only then its queue is closed.
 *
 * Messages that wait in a loop's queue are its backlog. A client that publishes to a loop above BACKLOG_LIMIT is held
 * back, which means not read from, until no loop is above it; so a fast publisher fills nobody's memory.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>
#include <weakref.h>

#include "counter.h"
#include "ring.h"

enum {
	BACKLOG_LIMIT = 1024 * 1024 /* bytes */
};

struct server;

struct loop_stats {
	counter connections; /* taken over */
	counter commands;
	counter input, output; /* bytes */
	counter dropped;       /* clients over their output-buffer limit */
	counter errors;        /* error replies */
	counter protocol_errors;
	counter published; /* messages that its clients gave */
	counter delivered; /* messages that its clients got, each counted for each */
	counter held_back; /* times that a client published too fast */
};

struct loop {
	struct server *server;
	unsigned index; /* server->loops[index] */
	wk_queue *queue;
	uv_loop_t uv;
	uv_async_t wake;
	uv_prepare_t prepare; /* before the loop sleeps */
	uv_thread_t thread;
	struct ring unsent;         /* connections that got messages since it slept */
	struct ring held_back;      /* connections that published too fast */
	_Atomic size_t backlog;     /* bytes of messages in the queue */
	_Atomic size_t connections; /* made for this loop and not destroyed yet */
	_Atomic bool stop;          /* asked to stop */
	bool stopping;              /* the loop's thread knows */
	struct loop_stats stats;
	char input[64 * 1024]; /* what any connection reads is taken before the next one reads */
};

/* Starts the thread. 0, or a negative libuv code with *reason set to a text; then nothing is left behind. */
int loop_open(struct loop *loop, struct server *server, unsigned index, const char **reason);

/* Any thread, once: the loop drops its connections and ends. */
void loop_stop(struct loop *loop);

/* Waits for the thread. */
void loop_join(struct loop *loop);

/* Gives everything back, when no loop's thread runs any more: they speak to each other. */
void loop_close(struct loop *loop);

/* Any thread: a connection was made for this loop; the destructor of one has run to its end. */
void loop_connection_made(struct loop *loop);
void loop_connection_gone(struct loop *loop);

/* Any thread: a message of so many bytes is about to be posted; false: with it the loop is above the limit. */
bool loop_backlog_add(struct loop *loop, size_t bytes);
void loop_backlog_remove(struct loop *loop, size_t bytes); /* it has been delivered, or never will be */

#endif
