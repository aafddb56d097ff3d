#ifndef BROKER_CONNECTION_H
#define BROKER_CONNECTION_H

/*
 * One client.
 *
 * A connection is an object. The loop that serves it owns one strong reference from connection_start until it drops the
 * client; whoever else finds it by its id may hold one for a moment. The last release ends it: its id leads to nothing,
 * and it is gone from the server's connections, and from every topic that it was subscribed to, at once. Its destructor
 * runs on its own loop, through the loop's queue, because the socket belongs to that loop; it is asynchronous, because
 * libuv closes in two steps: it starts uv_close, whose callback ends it.
 *
 * Clients call each other by tickets: a number that one of them sends is an id of the living or it is nothing, however
 * old or made up it is. Here everybody may kill everybody; else the place to ask would be after the lookup.
 *
 * Everything but connection_new, connection_find and connection_kill belongs to the loop's thread.
 */

#include <stdatomic.h>

#include "loop.h"
#include "output.h"
#include "protocol.h"

struct connection {
	uv_tcp_t socket;
	uv_write_t write;
	struct loop *loop;
	wk_ticket id;   /* what clients call it by; constant */
	int descriptor; /* the accepted socket until libuv takes it over, then -1 */
	_Atomic bool killed;
	bool started;                  /* libuv knows the socket */
	bool open;                     /* the loop owns its strong reference */
	bool closing;                  /* nothing more is read from the client; dropped when its replies are sent */
	bool lost;                     /* to be dropped at once */
	bool writing;                  /* libuv has `in_flight` */
	struct ring unsent, held_back; /* links in its loop's rings; in them only while it is open */
	wk_value_dict *topics;         /* what it is subscribed to, by name; keeps them alive; NULL until the first */
	struct request_reader requests;
	struct output output;    /* replies that libuv has not seen */
	struct output in_flight; /* replies that did not fit into the socket */
};

/* A strong reference to one of the server's connections; it owns `descriptor`. NULL: `descriptor` is the caller's. */
struct connection *connection_new(struct loop *loop, int descriptor, int *status);

/* The connection that is called so: a strong reference, or NULL. */
struct connection *connection_find(wk_ticket id);

/* Has its loop drop it. WK_OK; WK_EEXISTS: somebody else did; or WK_ENOMEM. */
int connection_kill(struct connection *connection);

/* Posted to the loop's queue with a connection: begins to serve it. */
void connection_start(void *argument);
void connection_leave(void *argument); /* gives the post's reference back */

/* The loop gives the client up: its strong reference goes, and with it usually the connection. Idempotent. */
void connection_drop(struct connection *connection);

/* Within a long reply: sends what has gathered. False: the client is lost, say no more. */
bool connection_keep_up(struct connection *connection);

/* How many topics it is subscribed to. */
static inline size_t connection_subscriptions(const struct connection *connection)
{
	return connection->topics ? wk_value_dict_len(connection->topics) : 0;
}

/* Whether it still takes messages. */
static inline bool connection_listens(const struct connection *connection)
{
	return connection->open && !connection->closing && !connection->lost;
}

/* Adds a message, to be sent before the loop sleeps. Takes over a strong reference to it; `bytes` are part of it. */
void connection_deliver(struct connection *connection, const void *message, const char *bytes, size_t length);

/* Sends what it can; drops the client if it is too slow, or lost. */
void connection_send(struct connection *connection);

/* Nothing is read from the client until its loop lets it go on. */
void connection_hold_back(struct connection *connection);
void connection_go_on(struct connection *connection);

/* No more requests from this client; it is dropped when its replies are sent. */
static inline void connection_finish(struct connection *connection)
{
	connection->closing = true;
}

#endif
