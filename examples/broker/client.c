/* CLIENT ID and CLIENT KILL. */

#include "commands.h"
#include "reply.h"
#include "server.h"

/* The filters of CLIENT KILL that there are. */
struct filters {
	wk_ticket id; /* 0: of any id */
	bool skip_me;
};

void client_id_command(struct connection *client, const struct argument *arguments, size_t count)
{
	(void)arguments;
	(void)count;
	reply_integer(&client->output, (int64_t)client->id);
}

/* Above 0, in Redis's only spelling; 0: it is none. */
static uint64_t id_of(struct argument text)
{
	uint64_t id = 0;

	if (text.length == 0 || text.bytes[0] == '0')
		return 0;
	for (size_t i = 0; i < text.length; i++) {
		unsigned digit = (unsigned)(unsigned char)text.bytes[i] - '0';

		if (digit > 9 || id > ((uint64_t)INT64_MAX - digit) / 10)
			return 0;
		id = id * 10 + digit;
	}
	return id;
}

/* NULL, or what is wrong with it. */
static const char *take_filter(struct filters *filters, struct argument name, struct argument value)
{
	if (argument_is(name, "id")) {
		filters->id = id_of(value);
		return filters->id > 0 ? NULL : "client-id should be greater than 0";
	}
	if (!argument_is(name, "skipme") || (!argument_is(value, "yes") && !argument_is(value, "no")))
		return "syntax error";
	filters->skip_me = argument_is(value, "yes");
	return NULL;
}

static const char *take_filters(struct filters *filters, const struct argument *arguments, size_t count)
{
	const char *wrong = NULL;

	if (count % 2 != 0)
		wrong = "syntax error";
	for (size_t i = 0; i < count && !wrong; i += 2)
		wrong = take_filter(filters, arguments[i], arguments[i + 1]);
	return wrong || filters->id > 0 ? wrong : "syntax error";
}

/* The number of clients killed, or why not. */
static int kill_client(struct connection *client, const struct filters *filters)
{
	WK_AUTO struct connection *victim = connection_find(filters->id);
	int status;

	if (!victim || (victim == client && filters->skip_me))
		return 0;
	if (victim == client) {
		connection_finish(client);
		return 1;
	}
	status = connection_kill(victim);
	return status == WK_EEXISTS ? 0 : status == WK_OK ? 1 : status;
}

/* With a single argument it is an address, and no client is found by its address here. */
void client_kill_command(struct connection *client, const struct argument *arguments, size_t count)
{
	struct filters filters = { .skip_me = true };
	const char *wrong = count == 3 ? "No such client" : take_filters(&filters, arguments + 2, count - 2);
	int killed;

	if (wrong) {
		reply_error(&client->output, "ERR %s", wrong);
		return;
	}
	killed = kill_client(client, &filters);
	if (killed >= 0)
		reply_integer(&client->output, killed);
	else
		command_failed(client, killed);
}
