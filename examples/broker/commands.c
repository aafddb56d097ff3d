#include "commands.h"

#include <stdio.h>

#include "reply.h"
#include "server.h"

enum {
	PIN_SIZE = 16 * 1024, /* bytes from which a value is sent from where it is */
	MANY = 64,            /* keys of an MGET looked up at once */
	QUOTED_SIZE = 128     /* bytes of a request that an error message repeats */
};

static struct store *store_of(const struct connection *client)
{
	return &client->loop->server->store;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool argument_is(struct argument argument, const char *lower_case)
{
	size_t same = 0;

	while (same < argument.length && lower_case[same] != '\0' && lower(argument.bytes[same]) == lower_case[same])
		same++;
	return same == argument.length && lower_case[same] == '\0';
}

void command_wrong_arity(struct connection *client, const char *name)
{
	reply_error(&client->output, "ERR wrong number of arguments for '%s' command", name);
}

void command_unknown_subcommand(struct connection *client, struct argument name, const char *container)
{
	reply_error(&client->output, "ERR unknown subcommand '%.*s'. Try %s HELP.",
		(int)(name.length < QUOTED_SIZE ? name.length : QUOTED_SIZE), name.bytes, container);
}

/* Takes over a strong reference; NULL is nil. */
static void reply_blob(struct output *output, const struct blob *blob)
{
	if (!blob) {
		reply_nil(output);
		return;
	}
	if (blob->length >= PIN_SIZE) {
		reply_pinned(output, blob, blob->bytes, blob->length);
		return;
	}
	reply_bulk(output, blob->bytes, blob->length);
	wk_release(blob);
}

static void ping_command(struct connection *client, const struct argument *arguments, size_t count)
{
	if (count > 2)
		command_wrong_arity(client, "ping");
	else if (count == 2)
		reply_bulk(&client->output, arguments[1].bytes, arguments[1].length);
	else
		reply_simple(&client->output, "PONG");
}

static void echo_command(struct connection *client, const struct argument *arguments, size_t count)
{
	(void)count;
	reply_bulk(&client->output, arguments[1].bytes, arguments[1].length);
}

static void set_command(struct connection *client, const struct argument *arguments, size_t count)
{
	int status;

	if (count > 3) {
		reply_error(&client->output, "ERR syntax error");
		return;
	}
	status = store_set(store_of(client), arguments[1], arguments[2]);
	if (status >= 0)
		reply_simple(&client->output, "OK");
	else
		reply_error(&client->output, "%s %s", status == WK_ENOMEM ? "OOM" : "ERR", wk_strerror(status));
}

/* A small value is copied while it is peeked, and its counts are not touched. */
static bool get_peeked(struct connection *client, struct argument key)
{
	WK_READ_SECTION();
	const struct blob *blob = store_peek(store_of(client), key);

	if (blob && blob->length >= PIN_SIZE)
		return false;
	if (blob)
		reply_bulk(&client->output, blob->bytes, blob->length);
	else
		reply_nil(&client->output);
	return true;
}

static void get_command(struct connection *client, const struct argument *arguments, size_t count)
{
	(void)count;
	if (!get_peeked(client, arguments[1]))
		reply_blob(&client->output, store_get(store_of(client), arguments[1]));
}

static void mget_command(struct connection *client, const struct argument *arguments, size_t count)
{
	wk_key keys[MANY];
	void *blobs[MANY];

	reply_array(&client->output, count - 1);
	for (size_t next = 1; next < count && connection_keep_up(client);) {
		size_t many = count - next < MANY ? count - next : MANY;

		for (size_t i = 0; i < many; i++)
			keys[i] = store_key(arguments[next + i]);
		store_get_many(store_of(client), keys, many, blobs);
		for (size_t i = 0; i < many; i++)
			reply_blob(&client->output, blobs[i]);
		next += many;
	}
}

static void del_command(struct connection *client, const struct argument *arguments, size_t count)
{
	int64_t removed = 0;

	for (size_t i = 1; i < count; i++)
		removed += store_remove(store_of(client), arguments[i]);
	reply_integer(&client->output, removed);
}

static void exists_command(struct connection *client, const struct argument *arguments, size_t count)
{
	int64_t there = 0;

	for (size_t i = 1; i < count; i++)
		there += store_contains(store_of(client), arguments[i]);
	reply_integer(&client->output, there);
}

static void dbsize_command(struct connection *client, const struct argument *arguments, size_t count)
{
	(void)arguments;
	(void)count;
	reply_integer(&client->output, (int64_t)store_keys(store_of(client)));
}

static void flushall_command(struct connection *client, const struct argument *arguments, size_t count)
{
	if (count > 2 || (count == 2 && !argument_is(arguments[1], "async") && !argument_is(arguments[1], "sync"))) {
		reply_error(&client->output, "ERR syntax error");
		return;
	}
	store_clear(store_of(client));
	reply_simple(&client->output, "OK");
}

static void quit_command(struct connection *client, const struct argument *arguments, size_t count)
{
	(void)arguments;
	(void)count;
	reply_simple(&client->output, "OK");
	connection_finish(client);
}

/* HTTP: somebody's browser was made to talk to us. Whatever follows is not for us to run. */
static void http_command(struct connection *client, const struct argument *arguments, size_t count)
{
	(void)arguments;
	(void)count;
	connection_finish(client);
}

/* In the order in which they are looked for. */
static const struct command commands[] = {
	{ "get", get_command, 2, "readonly fast", 1, 1, 1, "string", "1.0.0", "Get the value of a key" },
	{ "set", set_command, -3, "write denyoom", 1, 1, 1, "string", "1.0.0", "Set the value of a key" },
	{ "mget", mget_command, -2, "readonly fast", 1, -1, 1, "string", "1.0.0", "Get the values of many keys" },
	{ "ping", ping_command, -1, "fast", 0, 0, 0, "connection", "1.0.0", "Answer, so that the client knows" },
	{ "del", del_command, -2, "write", 1, -1, 1, "generic", "1.0.0", "Remove keys" },
	{ "exists", exists_command, -2, "readonly fast", 1, -1, 1, "generic", "1.0.0", "Count keys that exist" },
	{ "echo", echo_command, 2, "fast", 0, 0, 0, "connection", "1.0.0", "Send a string back" },
	{ "dbsize", dbsize_command, 1, "readonly fast", 0, 0, 0, "server", "1.0.0", "Count all keys" },
	{ "flushall", flushall_command, -1, "write", 0, 0, 0, "server", "1.0.0", "Remove all keys" },
	{ "info", info_command, -1, "loading stale", 0, 0, 0, "server", "1.0.0", "Figures about the server" },
	{ "config", config_command, -2, "", 0, 0, 0, "server", "2.0.0", "Ask for settings" },
	{ "command", command_command, -1, "loading stale", 0, 0, 0, "server", "2.8.13", "Describe commands" },
	{ "quit", quit_command, -1, "fast", 0, 0, 0, "connection", "1.0.0", "Close the connection" },
	{ "post", http_command, -1, "", 0, 0, 0, "connection", "1.0.0", "Close the connection of a browser" },
	{ "host:", http_command, -1, "", 0, 0, 0, "connection", "1.0.0", "Close the connection of a browser" },
};

const struct command *command_table(size_t *count)
{
	*count = sizeof commands / sizeof commands[0];
	return commands;
}

const struct command *command_find(struct argument name)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (argument_is(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static void unknown_command(struct connection *client, const struct argument *arguments, size_t count)
{
	char quoted[QUOTED_SIZE + 8] = "";
	size_t used = 0;

	for (size_t i = 1; i < count && used < QUOTED_SIZE; i++) {
		size_t room = QUOTED_SIZE - used;
		size_t length = arguments[i].length < room ? arguments[i].length : room;

		used += (size_t)snprintf(
			quoted + used, sizeof quoted - used, "'%.*s' ", (int)length, arguments[i].bytes);
	}
	reply_error(&client->output, "ERR unknown command '%.*s', with args beginning with: %s",
		(int)(arguments[0].length < QUOTED_SIZE ? arguments[0].length : QUOTED_SIZE), arguments[0].bytes,
		quoted);
}

void command_run(struct connection *client, const struct argument *arguments, size_t count)
{
	const struct command *command = command_find(arguments[0]);

	if (!command)
		unknown_command(client, arguments, count);
	else if (command->arity > 0 ? count != (size_t)command->arity : count < (size_t)-command->arity)
		command_wrong_arity(client, command->name);
	else
		command->run(client, arguments, count);
}
