#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "accounting.h"
#include "topic.h"

enum {
	OTHER_DESCRIPTORS = 64 /* of loops, listener and standard streams */
};
#define SHUTDOWN_TIMEOUT_NS ((uint64_t)10 * 1000 * 1000 * 1000)

static bool failed(const char *what, const char *why)
{
	fprintf(stderr, "broker: %s: %s\n", what, why);
	return false;
}

static void report_error(void *context, int status, const char *type_name, const char *message)
{
	(void)context;
	fprintf(stderr, "broker: %s: %s (%s)\n", type_name ? type_name : "libweakref", message, wk_strerror(status));
}

/* One descriptor a client, as far as we may have them. */
static void raise_descriptor_limit(size_t clients)
{
	struct rlimit limit;
	rlim_t wanted = clients + OTHER_DESCRIPTORS;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		perror("broker: setrlimit");
}

static bool start_runtime(const struct options *options)
{
	wk_runtime_options runtime = { .struct_size = sizeof runtime,
		.soft_objects = options->backlog_soft,
		.hard_objects = options->backlog_hard,
		.on_error = report_error };
	int status = wk_runtime_start(&runtime);

	return status >= 0 || failed("runtime", wk_strerror(status));
}

static bool open_containers(struct server *server)
{
	wk_weak_set_options connections = { .struct_size = sizeof connections, .name = "connections" };
	int status = store_open(&server->store);

	if (status < 0)
		return failed("store", wk_strerror(status));
	server->connections = wk_weak_set_new(&connections, &status);
	if (!server->connections)
		return failed("connections", wk_strerror(status));
	server->topics = topics_new(&status);
	return server->topics || failed("topics", wk_strerror(status));
}

static void close_containers(struct server *server)
{
	wk_clear(&server->topics);
	wk_clear(&server->connections);
	store_close(&server->store);
}

static bool open_loops(struct server *server)
{
	unsigned threads = server->options->threads;
	const char *reason;

	server->loops = calloc(threads, sizeof(struct loop *));
	if (!server->loops)
		return failed("loops", "out of memory");
	for (; server->opened < threads; server->opened++) {
		struct loop *loop = calloc(1, sizeof *loop);
		int error = loop ? loop_open(loop, server, server->opened, &reason) : UV_ENOMEM;

		if (error < 0) {
			free(loop);
			return failed(loop ? reason : "loop", uv_strerror(error));
		}
		server->loops[server->opened] = loop;
	}
	return true;
}

static void close_loops(struct server *server)
{
	for (unsigned i = 0; i < server->opened; i++)
		loop_stop(server->loops[i]);
	for (unsigned i = 0; i < server->opened; i++)
		loop_join(server->loops[i]);
	for (unsigned i = 0; i < server->opened; i++) {
		loop_close(server->loops[i]);
		free(server->loops[i]);
	}
	free(server->loops);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct server *server = signal->data;

	(void)number;
	uv_close((uv_handle_t *)&server->terminate, NULL);
	uv_close((uv_handle_t *)&server->interrupt, NULL);
	listener_close(&server->listener);
}

static bool watch_signal(struct server *server, uv_signal_t *signal, int number)
{
	int error = uv_signal_init(&server->uv, signal);

	signal->data = server;
	if (error == 0)
		error = uv_signal_start(signal, on_signal, number);
	return error == 0 || failed("signal", uv_strerror(error));
}

/* Listens until a signal closes what the main loop waits for. */
static bool serve(struct server *server)
{
	int error = listener_open(&server->listener, server, &server->uv);

	if (error < 0)
		return failed("listen", uv_strerror(error));
	if (!watch_signal(server, &server->terminate, SIGTERM) || !watch_signal(server, &server->interrupt, SIGINT))
		return false;
	printf("listening on %s:%d\n", server->options->bind, server->port);
	fflush(stdout);
	uv_run(&server->uv, UV_RUN_DEFAULT);
	return true;
}

static bool run_parts(struct server *server)
{
	bool served = open_containers(server) && open_loops(server) && serve(server);

	close_loops(server);
	close_containers(server);
	return served;
}

int server_run(const struct options *options)
{
	struct server server = { .options = options, .started_ns = uv_hrtime() };
	bool served;

	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit(options->max_clients);
	if (uv_loop_init(&server.uv) < 0 || !start_runtime(options))
		return EXIT_FAILURE;
	served = run_parts(&server);
	uv_loop_close(&server.uv);
	return accounting_settle(SHUTDOWN_TIMEOUT_NS) && served ? EXIT_SUCCESS : EXIT_FAILURE;
}
