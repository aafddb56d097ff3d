#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "server.h"

enum {
	BACKLOG = 511,
	ACCEPTED_AT_ONCE = 64 /* clients before the signals get their turn */
};

static struct loop *next_loop(struct listener *listener)
{
	struct server *server = listener->server;
	unsigned threads = server->options->threads;
	struct loop *best = NULL;

	listener->last_loop = (listener->last_loop + 1) % threads;
	for (unsigned i = 0; i < threads; i++) {
		struct loop *loop = server->loops[(listener->last_loop + i) % threads];

		if (!best || atomic_load(&loop->connections) < atomic_load(&best->connections))
			best = loop;
	}
	return best;
}

static void refuse(int descriptor, const char *text)
{
	if (send(descriptor, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		errno = 0; /* it hears nothing then: it goes anyway */
	close(descriptor);
}

/* Between the count and the addition nobody else adds a client: this is the only thread that does. */
static void admit(struct listener *listener, int descriptor)
{
	struct server *server = listener->server;
	struct connection *c;
	struct loop *loop;
	int status;

	if (wk_weak_set_len(server->connections) >= server->options->max_clients) {
		counter_add(&server->rejected, 1);
		refuse(descriptor, "-ERR max number of clients reached\r\n");
		return;
	}
	loop = next_loop(listener);
	c = connection_new(loop, descriptor, &status);
	if (!c) {
		refuse(descriptor, "-ERR out of memory\r\n");
		return;
	}
	if (wk_queue_post(loop->queue, connection_start, c, connection_leave) < 0)
		wk_release(c);
}

/* Out of descriptors: the client would stay in the queue and the socket readable for ever. */
static void turn_away(struct listener *listener)
{
	int descriptor;

	close(listener->spare);
	descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_CLOEXEC);
	if (descriptor >= 0)
		close(descriptor);
	listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
		int descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (descriptor >= 0) {
			admit(listener, descriptor);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE)
			turn_away(listener);
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static int bind_address(const struct options *options, struct sockaddr_storage *address)
{
	if (uv_ip4_addr(options->bind, options->port, (struct sockaddr_in *)address) == 0)
		return 0;
	return uv_ip6_addr(options->bind, options->port, (struct sockaddr_in6 *)address);
}

static int port_of(int descriptor)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof address;

	if (getsockname(descriptor, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	if (address.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&address)->sin_port);
	return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
}

/* A listening socket, or a negative errno value. */
static int open_socket(const struct options *options)
{
	struct sockaddr_storage address = { 0 };
	int error = bind_address(options, &address);
	socklen_t size = address.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int descriptor, on = 1;

	if (error < 0)
		return error;
	descriptor = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (descriptor < 0)
		return -errno;
	if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
		bind(descriptor, (struct sockaddr *)&address, size) == 0 && listen(descriptor, BACKLOG) == 0)
		return descriptor;
	error = -errno;
	close(descriptor);
	return error;
}

int listener_open(struct listener *listener, struct server *server, uv_loop_t *uv)
{
	int descriptor = open_socket(server->options);
	int error;

	if (descriptor < 0)
		return descriptor;
	server->port = port_of(descriptor);
	error = server->port < 0 ? server->port : uv_poll_init(uv, &listener->poll, descriptor);
	if (error < 0) {
		close(descriptor);
		return error;
	}
	listener->poll.data = listener;
	listener->server = server;
	listener->descriptor = descriptor;
	listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

static void on_closed(uv_handle_t *handle)
{
	struct listener *listener = handle->data;

	close(listener->descriptor);
	if (listener->spare >= 0)
		close(listener->spare);
}

void listener_close(struct listener *listener)
{
	uv_close((uv_handle_t *)&listener->poll, on_closed);
}
