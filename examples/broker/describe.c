/* COMMAND: what redis-cli and client libraries ask to learn a server's commands. */

#include <string.h>

#include "commands.h"
#include "reply.h"

static void reply_flags(struct output *output, const char *flags)
{
	char word[32];
	size_t count = flags[0] != '\0';

	for (const char *p = flags; *p; p++)
		count += *p == ' ';
	reply_array(output, count);
	while (*flags) {
		size_t length = strcspn(flags, " ");

		memcpy(word, flags, length);
		word[length] = '\0';
		reply_simple(output, word);
		flags += length + (flags[length] == ' ');
	}
}

/* The ten fields of Redis 7; categories, tips, key specifications and subcommands are empty. */
static void reply_command(struct output *output, const struct command *command)
{
	reply_array(output, 10);
	reply_text(output, command->name);
	reply_integer(output, command->arity);
	reply_flags(output, command->flags);
	reply_integer(output, command->first_key);
	reply_integer(output, command->last_key);
	reply_integer(output, command->key_step);
	for (int i = 0; i < 4; i++)
		reply_array(output, 0);
}

static void reply_documentation(struct output *output, const struct command *command)
{
	reply_text(output, command->name);
	reply_array(output, 6);
	reply_text(output, "summary");
	reply_text(output, command->summary);
	reply_text(output, "since");
	reply_text(output, command->since);
	reply_text(output, "group");
	reply_text(output, command->group);
}

static void all_commands(
	struct output *output, size_t elements, void (*reply)(struct output *output, const struct command *command))
{
	size_t total;
	const struct command *commands = command_table(&total);

	reply_array(output, total * elements);
	for (size_t i = 0; i < total; i++)
		reply(output, &commands[i]);
}

static void command_information(struct connection *client, const struct argument *names, size_t count)
{
	if (count == 0) {
		all_commands(&client->output, 1, reply_command);
		return;
	}
	reply_array(&client->output, count);
	for (size_t i = 0; i < count; i++) {
		const struct command *command = command_find(names[i]);

		if (command)
			reply_command(&client->output, command);
		else
			reply_nil(&client->output);
	}
}

static void command_documentation(struct connection *client, const struct argument *names, size_t count)
{
	size_t known = 0;

	if (count == 0) {
		all_commands(&client->output, 2, reply_documentation);
		return;
	}
	for (size_t i = 0; i < count; i++)
		known += command_find(names[i]) != NULL;
	reply_array(&client->output, 2 * known);
	for (size_t i = 0; i < count; i++) {
		const struct command *command = command_find(names[i]);

		if (command)
			reply_documentation(&client->output, command);
	}
}

static void command_count(struct connection *client, size_t count)
{
	size_t total;

	command_table(&total);
	if (count == 0)
		reply_integer(&client->output, (int64_t)total);
	else
		command_wrong_arity(client, "command|count");
}

void command_command(struct connection *client, const struct argument *arguments, size_t count)
{
	if (count == 1)
		all_commands(&client->output, 1, reply_command);
	else if (argument_is(arguments[1], "count"))
		command_count(client, count - 2);
	else if (argument_is(arguments[1], "info"))
		command_information(client, arguments + 2, count - 2);
	else if (argument_is(arguments[1], "docs"))
		command_documentation(client, arguments + 2, count - 2);
	else
		command_unknown_subcommand(client, arguments[1], "COMMAND");
}
