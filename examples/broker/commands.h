#ifndef BROKER_COMMANDS_H
#define BROKER_COMMANDS_H

/* What clients can ask for. */

#include "connection.h"

typedef void command_function(struct connection *client, const struct argument *arguments, size_t count);

struct command {
	const char *name; /* in lower case */
	command_function *run;
	int arity;         /* arguments, the name included; negative: at least so many */
	const char *flags; /* what COMMAND says of it, separated by blanks */
	int first_key, last_key, key_step;
	const char *group, *since, *summary;
};

/* Runs a request of at least one argument; its reply, be it an error, is in the client's output. */
void command_run(struct connection *client, const struct argument *arguments, size_t count);

/* The command of that name in any case, or NULL. */
const struct command *command_find(struct argument name);

/* All of them, `*count` many. */
const struct command *command_table(size_t *count);

/* Replies that several commands share. */
void command_wrong_arity(struct connection *client, const char *name);
void command_unknown_subcommand(struct connection *client, struct argument name, const char *container);
bool argument_is(struct argument argument, const char *lower_case);

command_function info_command, config_command, command_command;

#endif
