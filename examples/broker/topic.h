#ifndef BROKER_TOPIC_H
#define BROKER_TOPIC_H

/*
 * Topics, their subscribers, and messages on their way.
 *
 * A topic is an object found by its name in a value dictionary with weak values. Each of its subscribers' connections
 * owns a strong reference, so it lives as long as somebody is subscribed. It knows its subscribers by weak sets, one
 * for each loop: it does not keep them, and a connection that ends, however it ends, is in none of them from that
 * instant. Nobody removes a connection from its topics, nor a topic from the dictionary.
 *
 * A message is one immutable object, as it goes over the wire. Who publishes gives it to each loop that has
 * subscribers, through the loop's queue; the loop goes through its own set, borrowing each connection, and pins the
 * message to their outputs. Each output that has not sent it yet owns a strong reference, and so does each post.
 */

#include <stddef.h>
#include <weakref.h>

#include "inline.h"

struct connection;
struct server;
struct topic;
struct message;

/* The dictionary of topics. */
wk_value_dict *topics_new(int *status);

/* A strong reference to the topic of that name; NULL: nobody is subscribed. */
struct topic *topic_find(const struct server *server, struct argument name);

/* The same, made if there is none; NULL: why not is in *status. */
struct topic *topic_obtain(struct server *server, struct argument name, int *status);

/* On the connection's thread, which sees to the strong reference. WK_CREATED or WK_OK: it is subscribed now. */
int topic_join(struct topic *topic, struct connection *connection);
void topic_part(struct topic *topic, struct connection *connection);

size_t topic_subscribers(const struct topic *topic);

/* What subscribers of `channel` are sent; a strong reference, or NULL. */
struct message *message_new(struct argument channel, struct argument payload, int *status);

/* Gives the message to all subscribers; returns how many there are. On the publisher's thread; may hold it back. */
size_t topic_publish(struct topic *topic, struct connection *publisher, struct message *message);

#endif
