#ifndef BROKER_CONNECTION_H
#define BROKER_CONNECTION_H

/*
 * One client.
 *
 * A connection is an object. The loop that serves it owns one strong reference from connection_start until it drops the
 * client; whoever else finds it in the registry may hold one for a moment. The last release ends it: it is gone from
 * the registry at once. Its destructor runs on its own loop, through the loop's queue, because the socket belongs to
 * that loop; it is asynchronous, because libuv closes in two steps: it starts uv_close, whose callback ends it.
 *
 * Everything but connection_new belongs to the loop's thread.
 */

#include "loop.h"
#include "output.h"
#include "protocol.h"

struct connection {
	uv_tcp_t socket;
	uv_write_t write;
	struct loop *loop;
	uint64_t id;
	int descriptor; /* the accepted socket until libuv takes it over, then -1 */
	bool started;   /* libuv knows the socket */
	bool open;      /* the loop owns its strong reference */
	bool closing;   /* nothing more is read from the client; dropped when its replies are sent */
	bool lost;      /* to be dropped at once */
	bool writing;   /* libuv has `in_flight` */
	struct request_reader requests;
	struct output output;    /* replies that libuv has not seen */
	struct output in_flight; /* replies that did not fit into the socket */
};

/* A strong reference to a connection in the server's registry; it owns `descriptor`. NULL: `descriptor` is the caller's. */
struct connection *connection_new(struct loop *loop, int descriptor, uint64_t id, int *status);

/* Posted to the loop's queue with a connection: begins to serve it. */
void connection_start(void *argument);
void connection_leave(void *argument); /* gives the post's reference back */

/* The loop gives the client up: its strong reference goes, and with it usually the connection. Idempotent. */
void connection_drop(struct connection *connection);

/* Within a long reply: sends what has gathered. False: the client is lost, say no more. */
bool connection_keep_up(struct connection *connection);

/* No more requests from this client; it is dropped when its replies are sent. */
static inline void connection_finish(struct connection *connection)
{
	connection->closing = true;
}

#endif
