#include "connection.h"

#include <unistd.h>

#include "commands.h"
#include "reply.h"
#include "server.h"

enum {
	FLUSH_SIZE = 256 * 1024 /* bytes of replies after which a long pipeline is sent in between */
};

static void on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	struct loop *loop = c->loop;

	request_reader_release(&c->requests);
	output_release(&c->output);
	output_release(&c->in_flight);
	wk_release(c->topics);
	wk_destroy_done(c);
	loop_connection_gone(loop);
}

static void connection_destroy(void *payload)
{
	struct connection *c = payload;

	if (c->descriptor >= 0)
		close(c->descriptor);
	if (c->started)
		uv_close((uv_handle_t *)&c->socket, on_closed);
	else
		on_closed((uv_handle_t *)&c->socket);
}

WK_DEFINE_TYPE(connection_type, struct connection, .flags = WK_TYPE_ASYNC_DESTROY, .destroy = connection_destroy);

struct connection *connection_find(wk_ticket id)
{
	return wk_ticket_get(id, &connection_type);
}

struct connection *connection_new(struct loop *loop, int descriptor, int *status)
{
	wk_new_options options = { .destroy_on = loop->queue };
	struct connection *c = wk_new_with(&connection_type, &options, status);

	if (!c)
		return NULL;
	c->loop = loop;
	c->descriptor = -1;
	c->socket.data = c;
	loop_connection_made(loop);
	c->id = wk_ticket_of(c, status);
	if (*status >= 0)
		*status = wk_weak_set_add(loop->server->connections, c);
	if (*status < 0) {
		wk_release(c);
		return NULL;
	}
	c->descriptor = descriptor;
	return c;
}

void connection_drop(struct connection *c)
{
	if (!c->open)
		return;
	c->open = false;
	ring_remove(&c->unsent);
	ring_remove(&c->held_back);
	uv_read_stop((uv_stream_t *)&c->socket);
	wk_release(c);
}

static void run_kill(void *argument)
{
	connection_drop(argument);
}

/* It may be a client that its loop has not begun to serve yet: connection_start will see the flag. */
int connection_kill(struct connection *c)
{
	int status;

	if (atomic_exchange(&c->killed, true))
		return WK_EEXISTS;
	status = wk_queue_post(c->loop->queue, run_kill, wk_retain(c), connection_leave);
	if (status >= 0)
		return WK_OK;
	wk_release(c);
	atomic_store(&c->killed, false);
	return status;
}

/* After anything that may have ended the connection. */
static void settle(struct connection *c)
{
	bool sent = !c->writing && output_size(&c->output) == 0;

	if (c->lost || c->output.failed || (c->closing && sent))
		connection_drop(c);
}

static void flush(struct connection *c);

static void on_written(uv_write_t *request, int status)
{
	struct connection *c = request->data;

	c->writing = false;
	output_clear(&c->in_flight);
	if (!c->open)
		return;
	if (status < 0)
		c->lost = true;
	else
		flush(c);
	settle(c);
}

/* Leaves what the socket did not take to libuv, which will; new replies go to the other output meanwhile. */
static void write_later(struct connection *c, size_t sent)
{
	struct output spare = c->in_flight;
	const uv_buf_t *buffers;
	unsigned count;

	c->in_flight = c->output;
	c->output = spare;
	c->write.data = c;
	buffers = output_buffers(&c->in_flight, sent, &count);
	if (uv_write(&c->write, (uv_stream_t *)&c->socket, buffers, count, on_written) < 0)
		c->lost = true;
	else
		c->writing = true;
}

static void flush(struct connection *c)
{
	size_t size = output_size(&c->output);
	const uv_buf_t *buffers;
	unsigned count;
	int sent;

	if (c->writing || size == 0 || c->output.failed)
		return;
	buffers = output_buffers(&c->output, 0, &count);
	sent = uv_try_write((uv_stream_t *)&c->socket, buffers, count);
	if (sent < 0 && sent != UV_EAGAIN) {
		c->lost = true;
		return;
	}
	counter_add(&c->loop->stats.output, size);
	if (sent >= 0 && (size_t)sent == size)
		output_clear(&c->output);
	else
		write_later(c, sent < 0 ? 0 : (size_t)sent);
}

/* A client that asks and does not read must not fill our memory. */
static void limit_output(struct connection *c)
{
	size_t waiting = output_size(&c->output) + uv_stream_get_write_queue_size((uv_stream_t *)&c->socket);

	if (waiting <= c->loop->server->options->output_limit || c->lost)
		return;
	counter_add(&c->loop->stats.dropped, 1);
	c->lost = true;
}

bool connection_keep_up(struct connection *c)
{
	if (output_size(&c->output) > FLUSH_SIZE) {
		flush(c);
		limit_output(c);
	}
	return !c->lost && !c->output.failed;
}

void connection_send(struct connection *c)
{
	ring_remove(&c->unsent);
	flush(c);
	limit_output(c);
	settle(c);
}

void connection_deliver(struct connection *c, const void *message, const char *bytes, size_t length)
{
	output_pin(&c->output, message, bytes, length);
	ring_add(&c->loop->unsent, &c->unsent);
}

void connection_hold_back(struct connection *c)
{
	if (!c->open || c->held_back.next)
		return;
	counter_add(&c->loop->stats.held_back, 1);
	ring_add(&c->loop->held_back, &c->held_back);
	uv_read_stop((uv_stream_t *)&c->socket);
}

static void count_errors(struct connection *c)
{
	if (c->output.errors == 0)
		return;
	counter_add(&c->loop->stats.errors, c->output.errors);
	c->output.errors = 0;
}

static bool on_request(void *context, const struct argument *arguments, size_t count)
{
	struct connection *c = context;

	counter_add(&c->loop->stats.commands, 1);
	command_run(c, arguments, count);
	count_errors(c);
	return connection_keep_up(c) && !c->closing;
}

static void refuse(struct connection *c)
{
	char text[96];

	counter_add(&c->loop->stats.protocol_errors, 1);
	request_error_text(&c->requests, text, sizeof text);
	if (text[0])
		reply_error(&c->output, "ERR %s", text);
	count_errors(c);
	connection_finish(c);
}

static void take_input(struct connection *c, char *bytes, size_t length)
{
	switch (request_reader_feed(&c->requests, bytes, length)) {
	case REQUEST_MORE:
	case REQUEST_STOPPED:
		break;
	case REQUEST_BAD:
		refuse(c);
		break;
	case REQUEST_NO_MEMORY:
		c->lost = true;
		break;
	}
	flush(c);
	limit_output(c);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
	struct connection *c = stream->data;

	if (length < 0) {
		c->lost = true;
	} else {
		counter_add(&c->loop->stats.input, (uint64_t)length);
		if (!c->closing)
			take_input(c, buffer->base, (size_t)length);
	}
	settle(c);
}

static void give_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
	struct connection *c = handle->data;

	(void)wanted;
	*buffer = uv_buf_init(c->loop->input, sizeof c->loop->input);
}

static bool start_reading(struct connection *c)
{
	return uv_read_start((uv_stream_t *)&c->socket, give_buffer, on_read) == 0;
}

void connection_go_on(struct connection *c)
{
	ring_remove(&c->held_back);
	if (!start_reading(c))
		connection_drop(c);
}

static bool open_socket(struct connection *c)
{
	if (uv_tcp_init(&c->loop->uv, &c->socket) < 0)
		return false;
	c->started = true;
	if (uv_tcp_open(&c->socket, c->descriptor) < 0)
		return false;
	c->descriptor = -1;
	uv_tcp_nodelay(&c->socket, 1);
	return start_reading(c);
}

void connection_start(void *argument)
{
	struct connection *c = argument;

	if (atomic_load(&c->killed) || !request_reader_init(&c->requests, on_request, c) || !open_socket(c))
		return;
	c->open = true;
	wk_retain(c);
	counter_add(&c->loop->stats.connections, 1);
}

void connection_leave(void *argument)
{
	wk_release(argument);
}
