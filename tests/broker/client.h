#ifndef BROKER_TEST_CLIENT_H
#define BROKER_TEST_CLIENT_H

/* A client that sends bytes and reads bytes: no parser that could be wrong in the same way as the server's. */

#include <stdbool.h>
#include <stddef.h>

/* A connected socket, or -1. */
int client_connect(int port);

/* False: the server has hung up. */
bool client_send(int socket, const void *bytes, size_t length);
bool client_send_text(int socket, const char *text);

/* Reads exactly `length` bytes, or as many as come before the end; returns how many. */
size_t client_receive(int socket, void *bytes, size_t length);

/* Sends `request`; true if exactly `reply` comes back. */
bool client_ask(int socket, const char *request, const char *reply);

/* True if nothing but the end of the connection comes. */
bool client_at_end(int socket);

/* Asks on connections of their own until exactly `reply` comes; false: it did not for a generous while. */
bool client_await(int port, const char *request, const char *reply);

/* A line of INFO as a number; -1: there is none. */
long long client_figure(int port, const char *name);

/* Asks until the figure is `wanted`, or at least that much; false: it was not for a generous while. */
bool client_await_figure(int port, const char *name, long long wanted);
bool client_await_at_least(int port, const char *name, long long wanted);

#endif
