#include "loop.h"

#include "connection.h"
#include "server.h"

enum {
	DRAIN_BUDGET = 256 /* deliveries per turn of the loop */
};

static void wake_loop(void *context)
{
	struct loop *loop = context;

	uv_async_send(&loop->wake);
}

static void drop_handle(uv_handle_t *handle, void *unused)
{
	(void)unused;
	if (handle->type == UV_TCP && !uv_is_closing(handle))
		connection_drop(handle->data);
}

/* On the loop's thread, never while the queue is being drained. The wake handle stays: other loops may still use it. */
static void end_if_done(struct loop *loop)
{
	if (!loop->stopping || atomic_load(&loop->connections) > 0)
		return;
	wk_queue_close(loop->queue, WK_QUEUE_RUN);
	uv_stop(&loop->uv);
}

static bool any_backlog(const struct server *server)
{
	for (unsigned i = 0; i < server->options->threads; i++)
		if (atomic_load(&server->loops[i]->backlog) > BACKLOG_LIMIT)
			return true;
	return false;
}

static void let_go_on(struct loop *loop)
{
	struct ring *first;

	if (!ring_first(&loop->held_back) || any_backlog(loop->server))
		return;
	while ((first = ring_first(&loop->held_back)))
		connection_go_on(RING_STRUCT(first, struct connection, held_back));
}

bool loop_backlog_add(struct loop *loop, size_t bytes)
{
	return atomic_fetch_add(&loop->backlog, bytes) + bytes <= BACKLOG_LIMIT;
}

/*
 * Whoever brings a loop down to the limit wakes all. Nobody sleeps through it: a client is held back only after its
 * thread saw the loop above the limit, hence before this, and its loop looks again after it was woken.
 */
void loop_backlog_remove(struct loop *loop, size_t bytes)
{
	const struct server *server = loop->server;
	size_t before = atomic_fetch_sub(&loop->backlog, bytes);

	if (before <= BACKLOG_LIMIT || before - bytes > BACKLOG_LIMIT)
		return;
	for (unsigned i = 0; i < server->options->threads; i++)
		uv_async_send(&server->loops[i]->wake);
}

/* Messages are sent once a turn: a connection that got many of them costs one system call. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *loop = prepare->data;
	struct ring *first;

	while ((first = ring_first(&loop->unsent)))
		connection_send(RING_STRUCT(first, struct connection, unsent));
}

static void on_wake(uv_async_t *wake)
{
	struct loop *loop = wake->data;
	bool stop = atomic_load(&loop->stop) && !loop->stopping;

	/* What it leaves behind wakes us again. To be dropped, connections that came before the stop must be known. */
	wk_queue_drain(loop->queue, stop ? 0 : DRAIN_BUDGET);
	let_go_on(loop);
	if (stop) {
		loop->stopping = true;
		uv_walk(&loop->uv, drop_handle, NULL);
	}
	end_if_done(loop);
}

void loop_connection_made(struct loop *loop)
{
	atomic_fetch_add(&loop->connections, 1);
}

void loop_connection_gone(struct loop *loop)
{
	/* The wake-up is for a loop that waits for its last connection: this may be inside its drain. */
	if (atomic_fetch_sub(&loop->connections, 1) == 1 && atomic_load(&loop->stop))
		uv_async_send(&loop->wake);
}

static void run_loop(void *argument)
{
	struct loop *loop = argument;

	wk_thread_prepare();
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static int open_queue(struct loop *loop, const char **reason)
{
	wk_queue_options options = {
		.struct_size = sizeof options, .name = "loop", .no_descriptor = true, .wake = wake_loop, .context = loop
	};
	int status;

	loop->queue = wk_queue_new(&options, &status);
	if (loop->queue)
		return 0;
	*reason = wk_strerror(status);
	return UV_ENOMEM;
}

static void close_handles(struct loop *loop)
{
	wk_clear(&loop->queue);
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static int open_thread(struct loop *loop, const char **reason)
{
	int error = uv_async_init(&loop->uv, &loop->wake, on_wake);

	*reason = "event loop";
	if (error < 0)
		return error;
	loop->wake.data = loop;
	uv_prepare_init(&loop->uv, &loop->prepare); /* neither of these two can fail */
	loop->prepare.data = loop;
	uv_prepare_start(&loop->prepare, on_prepare);
	error = open_queue(loop, reason);
	if (error == 0)
		error = uv_thread_create(&loop->thread, run_loop, loop);
	if (error < 0)
		close_handles(loop);
	return error;
}

int loop_open(struct loop *loop, struct server *server, unsigned index, const char **reason)
{
	int error = uv_loop_init(&loop->uv);

	*reason = "event loop";
	if (error < 0)
		return error;
	loop->server = server;
	loop->index = index;
	ring_init(&loop->unsent);
	ring_init(&loop->held_back);
	error = open_thread(loop, reason);
	if (error < 0)
		uv_loop_close(&loop->uv);
	return error;
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stop, true);
	uv_async_send(&loop->wake);
}

void loop_join(struct loop *loop)
{
	uv_thread_join(&loop->thread);
}

void loop_close(struct loop *loop)
{
	close_handles(loop);
	uv_loop_close(&loop->uv);
}
