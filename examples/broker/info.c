/* INFO: figures about the server, in Redis's sections and one of our own. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "reply.h"
#include "server.h"

/* The reply; what does not fit is left out. */
struct text {
	char bytes[8192];
	size_t length;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
	size_t room = sizeof text->bytes - text->length;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text->bytes + text->length, room, format, arguments);
	va_end(arguments);
	if (length > 0 && (size_t)length < room)
		text->length += (size_t)length;
}

/* One of a loop's counters, summed over the loops. */
static uint64_t sum(const struct server *server, size_t offset)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < server->options->threads; i++)
		total += counter_read((const counter *)((const char *)&server->loops[i]->stats + offset));
	return total;
}
#define SUM(server, field) sum(server, offsetof(struct loop_stats, field))

static void server_section(const struct server *server, struct text *text)
{
	add(text, "libweakref_version:%s\r\n", WK_VERSION_STRING);
	add(text, "redis_mode:standalone\r\n");
	add(text, "multiplexing_api:libuv %s\r\n", uv_version_string());
	add(text, "process_id:%ld\r\n", (long)getpid());
	add(text, "tcp_port:%d\r\n", server->port);
	add(text, "uptime_in_seconds:%" PRIu64 "\r\n", (uv_hrtime() - server->started_ns) / 1000000000);
	add(text, "io_threads:%u\r\n", server->options->threads);
}

static void clients_section(const struct server *server, struct text *text)
{
	add(text, "connected_clients:%zu\r\n", wk_weak_set_len(server->connections));
	add(text, "maxclients:%zu\r\n", server->options->max_clients);
	for (unsigned i = 0; i < server->options->threads; i++)
		add(text, "io_thread_%u_clients:%zu\r\n", i, atomic_load(&server->loops[i]->connections));
}

static void stats_section(const struct server *server, struct text *text)
{
	add(text, "total_connections_received:%" PRIu64 "\r\n", SUM(server, connections));
	add(text, "total_commands_processed:%" PRIu64 "\r\n", SUM(server, commands));
	add(text, "total_net_input_bytes:%" PRIu64 "\r\n", SUM(server, input));
	add(text, "total_net_output_bytes:%" PRIu64 "\r\n", SUM(server, output));
	add(text, "rejected_connections:%" PRIu64 "\r\n", counter_read(&server->rejected));
	add(text, "client_output_buffer_limit_disconnections:%" PRIu64 "\r\n", SUM(server, dropped));
	add(text, "total_error_replies:%" PRIu64 "\r\n", SUM(server, errors));
	add(text, "protocol_errors:%" PRIu64 "\r\n", SUM(server, protocol_errors));
	add(text, "pubsub_channels:%zu\r\n", wk_value_dict_len(server->topics));
	add(text, "messages_published:%" PRIu64 "\r\n", SUM(server, published));
	add(text, "messages_delivered:%" PRIu64 "\r\n", SUM(server, delivered));
	add(text, "publishers_held_back:%" PRIu64 "\r\n", SUM(server, held_back));
}

static void type_figures(const wk_type *type, const wk_census *census, void *context)
{
	add(context, "type_%s:created=%" PRIu64 ",destroyed=%" PRIu64 "\r\n", type->name, census->created,
		census->destroyed);
}

static void weakref_section(const struct server *server, struct text *text)
{
	wk_stats stats = { .struct_size = sizeof stats };

	wk_runtime_stats(&stats);
	add(text, "objects_created:%" PRIu64 "\r\n", stats.objects_created);
	add(text, "objects_destroyed:%" PRIu64 "\r\n", stats.objects_destroyed);
	add(text, "objects_left:%" PRIu64 "\r\n", stats.objects_created - stats.objects_destroyed);
	add(text, "dead_objects_waiting:%" PRIu64 "\r\n", stats.dead_objects_waiting);
	add(text, "dead_bytes_waiting:%" PRIu64 "\r\n", stats.dead_bytes_waiting);
	add(text, "backlog_peak:%" PRIu64 "\r\n", stats.backlog_peak);
	add(text, "callbacks_run:%" PRIu64 "\r\n", stats.callbacks_run);
	add(text, "destroys_run:%" PRIu64 "\r\n", stats.destroys_run);
	add(text, "grace_periods:%" PRIu64 "\r\n", stats.grace_periods);
	add(text, "grace_wait_max_us:%" PRIu64 "\r\n", stats.grace_wait_max_ns / 1000);
	add(text, "runner_lag_us:%" PRIu64 "\r\n", stats.runner_lag_ns / 1000);
	add(text, "threads:%" PRIu64 "\r\n", stats.threads);
	add(text, "throttled:%" PRIu64 "\r\n", stats.throttled);
	add(text, "abandoned:%" PRIu64 "\r\n", stats.abandoned);
	add(text, "connections:%zu\r\n", wk_weak_set_len(server->connections));
	add(text, "topics:%zu\r\n", wk_value_dict_len(server->topics));
	add(text, "keys:%zu\r\n", store_keys(&server->store));
	add(text, "different_values:%zu\r\n", store_blobs(&server->store));
	wk_runtime_each_type(type_figures, text);
}

static void keyspace_section(const struct server *server, struct text *text)
{
	size_t keys = store_keys(&server->store);

	if (keys > 0)
		add(text, "db0:keys=%zu,expires=0,avg_ttl=0\r\n", keys);
}

static const struct section {
	const char *name, *title;
	void (*fill)(const struct server *server, struct text *text);
} sections[] = {
	{ "server", "Server", server_section },
	{ "clients", "Clients", clients_section },
	{ "stats", "Stats", stats_section },
	{ "weakref", "Weakref", weakref_section },
	{ "keyspace", "Keyspace", keyspace_section },
};

static bool wanted(const char *name, const struct argument *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (argument_is(names[i], name) || argument_is(names[i], "all") ||
			argument_is(names[i], "everything") || argument_is(names[i], "default"))
			return true;
	return count == 0;
}

void info_command(struct connection *client, const struct argument *arguments, size_t count)
{
	struct text text;

	text.length = 0;
	for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
		if (!wanted(sections[i].name, arguments + 1, count - 1))
			continue;
		add(&text, "%s# %s\r\n", text.length > 0 ? "\r\n" : "", sections[i].title);
		sections[i].fill(client->loop->server, &text);
	}
	reply_bulk(&client->output, text.bytes, text.length);
}
