/* SUBSCRIBE, UNSUBSCRIBE, PUBLISH, PUBSUB: topics by their names. */

#include "commands.h"
#include "reply.h"
#include "server.h"
#include "topic.h"

static struct server *server_of(const struct connection *client)
{
	return client->loop->server;
}

/* What a client is told of each topic that it enters or leaves: which, and how many it has now. */
static void reply_subscription(struct connection *client, const char *event, struct argument name)
{
	reply_array(&client->output, 3);
	reply_text(&client->output, event);
	reply_bulk(&client->output, name.bytes, name.length);
	reply_integer(&client->output, (int64_t)connection_subscriptions(client));
}

static bool open_topics(struct connection *client, int *status)
{
	wk_value_dict_options options = { .struct_size = sizeof options,
		.name = "subscriptions",
		.keys = WK_KEYS_BYTES,
		.values = WK_VALUES_STRONG };

	if (!client->topics)
		client->topics = wk_value_dict_new(&options, status);
	return client->topics != NULL;
}

/* First the client keeps the topic alive, then the topic knows the client. */
static int enter(struct connection *client, struct argument name)
{
	wk_key key = wk_key_bytes(name.bytes, name.length);
	int status;
	WK_AUTO struct topic *topic = topic_obtain(server_of(client), name, &status);

	if (!topic || !open_topics(client, &status))
		return status;
	status = wk_value_dict_insert(client->topics, key, topic);
	if (status != WK_CREATED)
		return status == WK_EEXISTS ? WK_OK : status;
	status = topic_join(topic, client);
	if (status < 0)
		wk_value_dict_remove(client->topics, key);
	return status;
}

void subscribe_command(struct connection *client, const struct argument *arguments, size_t count)
{
	for (size_t i = 1; i < count && connection_keep_up(client); i++) {
		int status = enter(client, arguments[i]);

		if (status >= 0)
			reply_subscription(client, "subscribe", arguments[i]);
		else
			command_failed(client, status);
	}
}

/* The topic may end here, if it was the last client's last reference. */
static void leave(struct connection *client, struct argument name)
{
	wk_key key = wk_key_bytes(name.bytes, name.length);
	WK_AUTO struct topic *topic = client->topics ? wk_value_dict_pop(client->topics, key) : NULL;

	if (topic)
		topic_part(topic, client);
}

static void leave_all(struct connection *client)
{
	WK_EACH(struct topic, topic, client->topics) {
		struct argument name;

		name.bytes = wk_cursor_key(&topic_cursor, &name.length);
		leave(client, name);
		reply_subscription(client, "unsubscribe", name);
		if (!connection_keep_up(client))
			return;
	}
}

void unsubscribe_command(struct connection *client, const struct argument *arguments, size_t count)
{
	if (count == 1 && connection_subscriptions(client) > 0) {
		leave_all(client);
	} else if (count == 1) {
		reply_array(&client->output, 3);
		reply_text(&client->output, "unsubscribe");
		reply_nil(&client->output);
		reply_integer(&client->output, 0);
	}
	for (size_t i = 1; i < count && connection_keep_up(client); i++) {
		leave(client, arguments[i]);
		reply_subscription(client, "unsubscribe", arguments[i]);
	}
}

void publish_command(struct connection *client, const struct argument *arguments, size_t count)
{
	WK_AUTO struct topic *topic = topic_find(server_of(client), arguments[1]);
	WK_AUTO struct message *message = NULL;
	int status = WK_OK;

	(void)count;
	if (topic && topic_subscribers(topic) > 0)
		message = message_new(arguments[1], arguments[2], &status);
	if (status < 0) {
		command_failed(client, status);
		return;
	}
	counter_add(&client->loop->stats.published, 1);
	reply_integer(&client->output, message ? (int64_t)topic_publish(topic, client, message) : 0);
}

/* A topic without subscribers is one that is about to go: a message under way or a client's end still has it. */
static size_t list_channels(struct connection *client, struct argument pattern, struct output *list)
{
	size_t listed = 0;

	WK_EACH(struct topic, topic, server_of(client)->topics) {
		struct argument name;

		name.bytes = wk_cursor_key(&topic_cursor, &name.length);
		if (topic_subscribers(topic) == 0 || !glob_matches(pattern, name, false))
			continue;
		reply_bulk(list, name.bytes, name.length);
		listed++;
	}
	return listed;
}

void pubsub_channels_command(struct connection *client, const struct argument *arguments, size_t count)
{
	struct argument pattern = { "*", 1 };
	struct output list = { 0 };

	if (count > 3) {
		command_wrong_subcommand(client, arguments[1], "PUBSUB");
		return;
	}
	reply_array(&client->output, list_channels(client, count == 3 ? arguments[2] : pattern, &list));
	output_append(&client->output, list.bytes, list.length);
	client->output.failed |= list.failed;
	output_release(&list);
}

static size_t count_subscribers(struct connection *client, struct argument name)
{
	WK_AUTO struct topic *topic = topic_find(server_of(client), name);

	return topic ? topic_subscribers(topic) : 0;
}

void pubsub_numsub_command(struct connection *client, const struct argument *arguments, size_t count)
{
	reply_array(&client->output, 2 * (count - 2));
	for (size_t i = 2; i < count && connection_keep_up(client); i++) {
		reply_bulk(&client->output, arguments[i].bytes, arguments[i].length);
		reply_integer(&client->output, (int64_t)count_subscribers(client, arguments[i]));
	}
}
