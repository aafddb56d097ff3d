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

static size_t count_commands(void)
{
	size_t total, count = 0;
	const struct command *commands = command_table(&total);

	for (size_t i = 0; i < total; i++)
		count += !(commands[i].traits & COMMAND_SUBCOMMAND);
	return count;
}

static void all_commands(
	struct output *output, size_t elements, void (*reply)(struct output *output, const struct command *command))
{
	size_t total;
	const struct command *commands = command_table(&total);

	reply_array(output, count_commands() * elements);
	for (size_t i = 0; i < total; i++)
		if (!(commands[i].traits & COMMAND_SUBCOMMAND))
			reply(output, &commands[i]);
}

void command_command(struct connection *client, const struct argument *arguments, size_t count)
{
	(void)arguments;
	(void)count;
	all_commands(&client->output, 1, reply_command);
}

void command_info_command(struct connection *client, const struct argument *arguments, size_t count)
{
	if (count == 2) {
		all_commands(&client->output, 1, reply_command);
		return;
	}
	reply_array(&client->output, count - 2);
	for (size_t i = 2; i < count; i++) {
		const struct command *command = command_find(arguments[i]);

		if (command)
			reply_command(&client->output, command);
		else
			reply_nil(&client->output);
	}
}

void command_docs_command(struct connection *client, const struct argument *arguments, size_t count)
{
	size_t known = 0;

	if (count == 2) {
		all_commands(&client->output, 2, reply_documentation);
		return;
	}
	for (size_t i = 2; i < count; i++)
		known += command_find(arguments[i]) != NULL;
	reply_array(&client->output, 2 * known);
	for (size_t i = 2; i < count; i++) {
		const struct command *command = command_find(arguments[i]);

		if (command)
			reply_documentation(&client->output, command);
	}
}

void command_count_command(struct connection *client, const struct argument *arguments, size_t count)
{
	(void)arguments;
	(void)count;
	reply_integer(&client->output, (int64_t)count_commands());
}
