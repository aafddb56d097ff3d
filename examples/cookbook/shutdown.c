/* Clean shutdown: what a server ends in which order, how long it waits, and how it finds what was forgotten.
 * Objects, threads, queues, runtime; the report counts what did not run and what is still alive.
 * Here: wk_queue_post, wk_queue_close, wk_runtime_shutdown with a deadline, wk_runtime_each_type. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <weakref.h>

struct session {
	unsigned number;
};

static void session_destroy(void *payload)
{
	printf("session %u ends\n", ((const struct session *)payload)->number);
}
WK_DEFINE_TYPE(session_type, struct session, .destroy = session_destroy);

struct server {
	wk_queue *queue;
	wk_value_dict *sessions; /* strong: the server owns them */
	pthread_t loop;
	bool is_stopping; /* the loop's */
};

static void *loop_main(void *argument)
{
	struct server *server = argument;

	while (!server->is_stopping && wk_queue_wait(server->queue, WK_NO_TIMEOUT) == WK_OK)
		wk_queue_drain(server->queue, 0);
	return NULL;
}

static void loop_stop(void *server)
{
	((struct server *)server)->is_stopping = true;
}

static int server_start(struct server *server)
{
	const wk_runtime_options options = { .struct_size = sizeof options };
	const wk_value_dict_options owning = { .struct_size = sizeof owning, .values = WK_VALUES_STRONG };

	if (wk_runtime_start(&options) < 0)
		return -1;
	server->queue = wk_queue_new(NULL, NULL);
	server->sessions = wk_value_dict_new(&owning, NULL);
	if (!server->queue || !server->sessions)
		return -1;
	return pthread_create(&server->loop, NULL, loop_main, server) == 0 ? 0 : -1;
}

static struct session *server_open(struct server *server, unsigned number)
{
	const wk_new_options on_loop = { .destroy_on = server->queue };
	struct session *session = wk_new_with(&session_type, &on_loop, NULL);

	if (!session)
		return NULL;
	session->number = number;
	if (wk_value_dict_set(server->sessions, wk_key_u64(number), session) < 0)
		wk_clear(&session);
	return session;
}

static void print_left(const wk_type *type, const wk_census *census, void *context)
{
	(void)context;
	if (census->created > census->destroyed)
		printf("%s: %" PRIu64 " left\n", type->name, census->created - census->destroyed);
}

static int server_stop(struct server *server)
{
	wk_shutdown_report report = { .struct_size = sizeof report };

	wk_value_dict_clear(server->sessions); /* 1. what the server owns; the sessions' ends are posted to the loop */
	int status = wk_queue_post(server->queue, loop_stop, server, NULL); /* 2. the loop stops when it has run them */
	if (status < 0)
		return status;
	pthread_join(server->loop, NULL);
	wk_queue_close(server->queue, WK_QUEUE_MOVE); /* 3. what comes now is the runner's */
	wk_release(server->queue);
	wk_release(server->sessions);
	status = wk_runtime_shutdown(UINT64_C(5000000000), &report); /* 4. five seconds at most */

	printf("%s, %" PRIu64 " not run, %" PRIu64 " still alive\n", wk_strerror(status), report.not_run,
		report.still_alive);
	if (report.still_alive > 0)
		wk_runtime_each_type(print_left, NULL);
	return status;
}

int main(void)
{
	struct server server = { .queue = NULL };
	if (server_start(&server) < 0)
		return 1;
	struct session *kept = server_open(&server, 1);
	if (!kept)
		return 1;
	wk_release(kept);               /* the server's is the last one */
	kept = server_open(&server, 2); /* and here somebody forgets to release it; it has its queue with it */
	int status = server_stop(&server);
	wk_release(kept); /* too late to be destroyed, but not wrong */
	return status;
}
