#include "loop.h"

#include "connection.h"

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

/* On the loop's thread, never while the queue is being drained. */
static void end_if_done(struct loop *loop)
{
	if (!loop->stopping || atomic_load(&loop->connections) > 0 || uv_is_closing((uv_handle_t *)&loop->wake))
		return;
	wk_queue_close(loop->queue, WK_QUEUE_RUN);
	uv_close((uv_handle_t *)&loop->wake, NULL);
}

static void on_wake(uv_async_t *wake)
{
	struct loop *loop = wake->data;

	wk_queue_drain(loop->queue, DRAIN_BUDGET); /* what it leaves behind wakes us again */
	if (wk_queue_pending(loop->queue) == 0 && atomic_load(&loop->stop) && !loop->stopping) {
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

static int open_thread(struct loop *loop, const char **reason)
{
	int error = uv_async_init(&loop->uv, &loop->wake, on_wake);

	*reason = "event loop";
	if (error < 0)
		return error;
	loop->wake.data = loop;
	error = open_queue(loop, reason);
	if (error == 0)
		error = uv_thread_create(&loop->thread, run_loop, loop);
	if (error == 0)
		return 0;
	wk_clear(&loop->queue);
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	return error;
}

int loop_open(struct loop *loop, struct server *server, const char **reason)
{
	int error = uv_loop_init(&loop->uv);

	*reason = "event loop";
	if (error < 0)
		return error;
	loop->server = server;
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

void loop_close(struct loop *loop)
{
	uv_thread_join(&loop->thread);
	uv_loop_close(&loop->uv);
	wk_clear(&loop->queue);
}
