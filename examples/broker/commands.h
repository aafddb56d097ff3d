#ifndef BROKER_COMMANDS_H
#define BROKER_COMMANDS_H

/* What clients can ask for. */

#include "connection.h"
#include "glob.h"

typedef void command_function(struct connection *client, const struct argument *arguments, size_t count);

enum {
	COMMAND_CONTAINER = 1, /* its first argument, if any, names a subcommand */
	COMMAND_SUBCOMMAND = 2,
	COMMAND_SUBSCRIBER = 4 /* also for clients that are subscribed */
};

struct command {
	const char *name;      /* in lower case; of a subcommand: container|name */
	command_function *run; /* NULL: a container that does nothing by itself */
	int arity;             /* arguments, the name included; negative: at least so many */
	const char *flags;     /* what COMMAND says of it, separated by blanks */
	int first_key, last_key, key_step;
	const char *group, *since, *summary;
	unsigned traits; /* COMMAND_... */
};

/* Runs a request of at least one argument; its reply, be it an error, is in the client's output. */
void command_run(struct connection *client, const struct argument *arguments, size_t count);

/* The command or subcommand of that name in any case, or NULL. */
const struct command *command_find(struct argument name);

/* All of them, `*count` many, subcommands too. */
const struct command *command_table(size_t *count);

/* Replies that several commands share. */
void command_wrong_arity(struct connection *client, const char *name);
void command_wrong_subcommand(struct connection *client, struct argument name, const char *container);
void command_failed(struct connection *client, int status);
bool argument_is(struct argument argument, const char *lower_case);

command_function info_command, config_get_command;
command_function command_command, command_count_command, command_info_command, command_docs_command;
command_function subscribe_command, unsubscribe_command, publish_command;
command_function pubsub_channels_command, pubsub_numsub_command;
command_function client_id_command, client_kill_command;

#endif
