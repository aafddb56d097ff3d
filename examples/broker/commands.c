#include "commands.h"

#include <ctype.h>
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

static int quoted_length(struct argument argument)
{
	return (int)(argument.length < QUOTED_SIZE ? argument.length : QUOTED_SIZE);
}

void command_wrong_subcommand(struct connection *client, struct argument name, const char *container)
{
	reply_error(&client->output, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
		quoted_length(name), name.bytes, container);
}

void command_failed(struct connection *client, int status)
{
	reply_error(&client->output, "%s %s", status == WK_ENOMEM ? "OOM" : "ERR", wk_strerror(status));
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

/* To a subscriber: in the shape of the messages that it waits for. */
static void reply_pong(struct output *output, struct argument text)
{
	reply_array(output, 2);
	reply_text(output, "pong");
	reply_bulk(output, text.bytes, text.length);
}

static void ping_command(struct connection *client, const struct argument *arguments, size_t count)
{
	if (count > 2)
		command_wrong_arity(client, "ping");
	else if (connection_subscriptions(client) > 0)
		reply_pong(&client->output, count == 2 ? arguments[1] : (struct argument){ "", 0 });
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
		command_failed(client, status);
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
	{ "get", get_command, 2, "readonly fast", 1, 1, 1, "string", "1.0.0", "Get the value of a key", 0 },
	{ "set", set_command, -3, "write denyoom", 1, 1, 1, "string", "1.0.0", "Set the value of a key", 0 },
	{ "publish", publish_command, 3, "pubsub loading stale fast", 0, 0, 0, "pubsub", "2.0.0",
		"Send a message to the subscribers of a channel", 0 },
	{ "mget", mget_command, -2, "readonly fast", 1, -1, 1, "string", "1.0.0", "Get the values of many keys", 0 },
	{ "ping", ping_command, -1, "fast", 0, 0, 0, "connection", "1.0.0", "Answer, so that the client knows",
		COMMAND_SUBSCRIBER },
	{ "del", del_command, -2, "write", 1, -1, 1, "generic", "1.0.0", "Remove keys", 0 },
	{ "exists", exists_command, -2, "readonly fast", 1, -1, 1, "generic", "1.0.0", "Count keys that exist", 0 },
	{ "subscribe", subscribe_command, -2, "pubsub noscript loading stale", 0, 0, 0, "pubsub", "2.0.0",
		"Listen to channels", COMMAND_SUBSCRIBER },
	{ "unsubscribe", unsubscribe_command, -1, "pubsub noscript loading stale", 0, 0, 0, "pubsub", "2.0.0",
		"Stop listening to channels, or to all", COMMAND_SUBSCRIBER },
	{ "echo", echo_command, 2, "fast", 0, 0, 0, "connection", "1.0.0", "Send a string back", 0 },
	{ "dbsize", dbsize_command, 1, "readonly fast", 0, 0, 0, "server", "1.0.0", "Count all keys", 0 },
	{ "flushall", flushall_command, -1, "write", 0, 0, 0, "server", "1.0.0", "Remove all keys", 0 },
	{ "info", info_command, -1, "loading stale", 0, 0, 0, "server", "1.0.0", "Figures about the server", 0 },
	{ "quit", quit_command, -1, "fast", 0, 0, 0, "connection", "1.0.0", "Close the connection",
		COMMAND_SUBSCRIBER },
	{ "post", http_command, -1, "", 0, 0, 0, "connection", "1.0.0", "Close the connection of a browser",
		COMMAND_SUBSCRIBER },
	{ "host:", http_command, -1, "", 0, 0, 0, "connection", "1.0.0", "Close the connection of a browser",
		COMMAND_SUBSCRIBER },
	{ "pubsub", NULL, -2, "", 0, 0, 0, "pubsub", "2.8.0", "Ask about channels", COMMAND_CONTAINER },
	{ "pubsub|channels", pubsub_channels_command, -2, "pubsub loading stale", 0, 0, 0, "pubsub", "2.8.0",
		"Channels that have subscribers", COMMAND_SUBCOMMAND },
	{ "pubsub|numsub", pubsub_numsub_command, -2, "pubsub loading stale", 0, 0, 0, "pubsub", "2.8.0",
		"Count the subscribers of channels", COMMAND_SUBCOMMAND },
	{ "client", NULL, -2, "", 0, 0, 0, "connection", "2.4.0", "Ask about clients", COMMAND_CONTAINER },
	{ "client|id", client_id_command, 2, "noscript loading stale fast", 0, 0, 0, "connection", "5.0.0",
		"The client's own id", COMMAND_SUBCOMMAND },
	{ "client|kill", client_kill_command, -3, "admin noscript loading stale", 0, 0, 0, "connection", "2.4.0",
		"Close the connection of a client by its id", COMMAND_SUBCOMMAND },
	{ "config", NULL, -2, "", 0, 0, 0, "server", "2.0.0", "Ask for settings", COMMAND_CONTAINER },
	{ "config|get", config_get_command, -3, "admin noscript loading stale", 0, 0, 0, "server", "2.0.0",
		"Settings by patterns of their names", COMMAND_SUBCOMMAND },
	{ "command", command_command, -1, "loading stale", 0, 0, 0, "server", "2.8.13", "Describe commands",
		COMMAND_CONTAINER },
	{ "command|count", command_count_command, 2, "loading stale", 0, 0, 0, "server", "2.8.13", "Count all commands",
		COMMAND_SUBCOMMAND },
	{ "command|info", command_info_command, -2, "loading stale", 0, 0, 0, "server", "2.8.13",
		"Describe commands to programs", COMMAND_SUBCOMMAND },
	{ "command|docs", command_docs_command, -2, "loading stale", 0, 0, 0, "server", "7.0.0",
		"Describe commands to people", COMMAND_SUBCOMMAND },
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

const struct command *command_table(size_t *count)
{
	*count = COMMANDS;
	return commands;
}

const struct command *command_find(struct argument name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (argument_is(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static const struct command *find_subcommand(const struct command *container, struct argument name)
{
	size_t length = strlen(container->name);

	for (size_t i = 0; i < COMMANDS; i++)
		if (strncmp(commands[i].name, container->name, length) == 0 && commands[i].name[length] == '|' &&
			argument_is(name, commands[i].name + length + 1))
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
		quoted_length(arguments[0]), arguments[0].bytes, quoted);
}

static void unknown_subcommand(struct connection *client, const struct command *container, struct argument name)
{
	char upper[32];
	size_t length = 0;

	for (; container->name[length]; length++)
		upper[length] = (char)toupper((unsigned char)container->name[length]);
	reply_error(&client->output, "ERR unknown subcommand '%.*s'. Try %.*s HELP.", quoted_length(name), name.bytes,
		(int)length, upper);
}

/* What the request asks for; NULL: there is no such command, and the client has been told. */
static const struct command *requested(struct connection *client, const struct argument *arguments, size_t count)
{
	const struct command *command = command_find(arguments[0]), *subcommand;

	if (!command || (command->traits & COMMAND_SUBCOMMAND)) {
		unknown_command(client, arguments, count);
		return NULL;
	}
	if (!(command->traits & COMMAND_CONTAINER) || count == 1)
		return command;
	subcommand = find_subcommand(command, arguments[1]);
	if (!subcommand)
		unknown_subcommand(client, command, arguments[1]);
	return subcommand;
}

void command_run(struct connection *client, const struct argument *arguments, size_t count)
{
	const struct command *command = requested(client, arguments, count);

	if (!command)
		return;
	if (command->arity > 0 ? count != (size_t)command->arity : count < (size_t)-command->arity)
		command_wrong_arity(client, command->name);
	else if (connection_subscriptions(client) > 0 && !(command->traits & COMMAND_SUBSCRIBER))
		reply_error(&client->output,
			"ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
			"allowed in this context",
			command->name);
	else
		command->run(client, arguments, count);
}
