/* CONFIG GET: settings by name pattern, as redis-benchmark and tools ask for them. */

#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "reply.h"
#include "server.h"

enum { VALUE_SIZE = 96 };

struct setting {
	const char *name;
	void (*format)(const struct server *server, char *value, size_t size);
};

static void format_bind(const struct server *server, char *value, size_t size)
{
	snprintf(value, size, "%s", server->options->bind);
}

static void format_port(const struct server *server, char *value, size_t size)
{
	snprintf(value, size, "%d", server->port);
}

static void format_threads(const struct server *server, char *value, size_t size)
{
	snprintf(value, size, "%u", server->options->threads);
}

static void format_clients(const struct server *server, char *value, size_t size)
{
	snprintf(value, size, "%zu", server->options->max_clients);
}

/* For each class its hard limit, soft limit and seconds, as Redis writes them. */
static void format_output_limit(const struct server *server, char *value, size_t size)
{
	size_t limit = server->options->output_limit;

	snprintf(value, size, "normal %zu 0 0 pubsub %zu 0 0", limit, limit);
}

static void format_nothing(const struct server *server, char *value, size_t size)
{
	(void)server;
	snprintf(value, size, "%s", "");
}

static void format_no(const struct server *server, char *value, size_t size)
{
	(void)server;
	snprintf(value, size, "no");
}

static const struct setting settings[] = {
	{ "appendonly", format_no },
	{ "bind", format_bind },
	{ "client-output-buffer-limit", format_output_limit },
	{ "io-threads", format_threads },
	{ "maxclients", format_clients },
	{ "port", format_port },
	{ "save", format_nothing },
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

static bool matches(struct argument pattern, const char *name)
{
	struct argument text = { name, strlen(name) };

	return glob_matches(pattern, text, true);
}

void config_get_command(struct connection *client, const struct argument *arguments, size_t count)
{
	bool wanted[SETTINGS] = { false };
	char value[VALUE_SIZE];
	size_t total = 0;

	for (size_t i = 0; i < SETTINGS; i++) {
		for (size_t k = 2; k < count && !wanted[i]; k++)
			wanted[i] = matches(arguments[k], settings[i].name);
		total += wanted[i];
	}
	reply_array(&client->output, 2 * total);
	for (size_t i = 0; i < SETTINGS; i++) {
		if (!wanted[i])
			continue;
		settings[i].format(client->loop->server, value, sizeof value);
		reply_text(&client->output, settings[i].name);
		reply_text(&client->output, value);
	}
}
