#include "topic.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "connection.h"
#include "server.h"

enum {
	HEAD_SIZE = 64, /* of a message: its kind and the length of its channel */
	CREDIT = 64     /* references to a message that are taken at once */
};

struct topic {
	unsigned loops;
	_Atomic(wk_weak_set *) subscribers[]; /* a set for each loop; NULL until the loop's thread makes it */
};

struct message {
	size_t length;
	char bytes[];
};

/* A message in the queue of a loop. */
struct delivery {
	struct loop *loop;
	struct topic *topic;
	struct message *message;
};

static void topic_destroy(void *payload)
{
	struct topic *topic = payload;

	for (unsigned i = 0; i < topic->loops; i++)
		wk_release(atomic_load(&topic->subscribers[i]));
}

WK_DEFINE_TYPE(topic_type, struct topic, .destroy = topic_destroy);
WK_DEFINE_TYPE(message_type, struct message, .flags = WK_TYPE_NO_WEAK);

wk_value_dict *topics_new(int *status)
{
	wk_value_dict_options options = { .struct_size = sizeof options,
		.name = "topics",
		.keys = WK_KEYS_BYTES,
		.values = WK_VALUES_WEAK,
		.value_type = &topic_type };

	return wk_value_dict_new(&options, status);
}

struct topic *topic_find(const struct server *server, struct argument name)
{
	return wk_value_dict_get(server->topics, wk_key_bytes(name.bytes, name.length));
}

static void *make_topic(wk_key name, void *context, int *status)
{
	const struct server *server = context;
	unsigned loops = server->options->threads;
	struct topic *topic = WK_NEW_FLEX(struct topic, subscribers, loops, &topic_type, status);

	(void)name;
	if (topic)
		topic->loops = loops;
	return topic;
}

struct topic *topic_obtain(struct server *server, struct argument name, int *status)
{
	return wk_value_dict_get_or_create(
		server->topics, wk_key_bytes(name.bytes, name.length), WK_CREATE_RACE, make_topic, server, status);
}

/* Of one loop, by its own thread alone; other threads ask for no more than the length. */
static wk_weak_set *obtain_set(struct topic *topic, unsigned loop, int *status)
{
	wk_weak_set_options options = { .struct_size = sizeof options, .name = "subscribers" };
	wk_weak_set *set = atomic_load(&topic->subscribers[loop]);

	if (!set) {
		set = wk_weak_set_new(&options, status);
		atomic_store(&topic->subscribers[loop], set);
	}
	return set;
}

int topic_join(struct topic *topic, struct connection *c)
{
	int status;
	wk_weak_set *set = obtain_set(topic, c->loop->index, &status);

	return set ? wk_weak_set_add(set, c) : status;
}

void topic_part(struct topic *topic, struct connection *c)
{
	wk_weak_set_discard(atomic_load(&topic->subscribers[c->loop->index]), c);
}

static size_t subscribers_on(const struct topic *topic, unsigned loop)
{
	const wk_weak_set *set = atomic_load(&topic->subscribers[loop]);

	return set ? wk_weak_set_len(set) : 0;
}

size_t topic_subscribers(const struct topic *topic)
{
	size_t total = 0;

	for (unsigned i = 0; i < topic->loops; i++)
		total += subscribers_on(topic, i);
	return total;
}

struct message *message_new(struct argument channel, struct argument payload, int *status)
{
	char head[HEAD_SIZE], middle[HEAD_SIZE];
	size_t head_length = (size_t)snprintf(head, sizeof head, "*3\r\n$7\r\nmessage\r\n$%zu\r\n", channel.length);
	size_t middle_length = (size_t)snprintf(middle, sizeof middle, "\r\n$%zu\r\n", payload.length);
	size_t length = head_length + channel.length + middle_length + payload.length + 2;
	struct message *message = WK_NEW_FLEX(struct message, bytes, length, &message_type, status);
	char *at;

	if (!message)
		return NULL;
	message->length = length;
	at = message->bytes;
	at = (char *)mempcpy(at, head, head_length);
	at = (char *)mempcpy(at, channel.bytes, channel.length);
	at = (char *)mempcpy(at, middle, middle_length);
	at = (char *)mempcpy(at, payload.bytes, payload.length);
	memcpy(at, "\r\n", 2);
	return message;
}

struct fan_out {
	struct message *message;
	size_t credit; /* references that nobody has been given yet */
	size_t delivered;
};

/* Inside a read section: the connection is borrowed, and it is a connection of this very thread. */
static bool hand_over(void *object, void *context)
{
	struct fan_out *fan = context;

	if (!connection_listens(object))
		return true;
	if (fan->credit == 0) {
		wk_retain_many(fan->message, CREDIT);
		fan->credit = CREDIT;
	}
	fan->credit--;
	fan->delivered++;
	connection_deliver(object, fan->message, fan->message->bytes, fan->message->length);
	return true;
}

/* On the loop's thread: to all its subscribers. */
static void deliver(const struct topic *topic, struct loop *loop, struct message *message)
{
	struct fan_out fan = { .message = message };

	wk_weak_set_each_peek(atomic_load(&topic->subscribers[loop->index]), hand_over, &fan);
	wk_release_many(message, fan.credit);
	counter_add(&loop->stats.delivered, fan.delivered);
}

static void run_delivery(void *argument)
{
	struct delivery *delivery = argument;

	deliver(delivery->topic, delivery->loop, delivery->message);
}

static void end_delivery(void *argument)
{
	struct delivery *delivery = argument;

	loop_backlog_remove(delivery->loop, delivery->message->length + sizeof *delivery);
	wk_release(delivery->topic);
	wk_release(delivery->message);
	free(delivery);
}

/* False: no memory, or the loop has ended and its clients with it. */
static bool post(struct topic *topic, struct loop *loop, struct message *message, struct connection *publisher)
{
	struct delivery *delivery = malloc(sizeof *delivery);

	if (!delivery)
		return false;
	*delivery = (struct delivery){ loop, wk_retain(topic), wk_retain(message) };
	if (!loop_backlog_add(loop, message->length + sizeof *delivery))
		connection_hold_back(publisher);
	if (wk_queue_post(loop->queue, run_delivery, delivery, end_delivery) >= 0)
		return true;
	end_delivery(delivery);
	return false;
}

size_t topic_publish(struct topic *topic, struct connection *publisher, struct message *message)
{
	struct loop *here = publisher->loop;
	size_t receivers = 0;

	for (unsigned i = 0; i < topic->loops; i++) {
		size_t there = subscribers_on(topic, i);

		if (there == 0)
			continue;
		if (i == here->index)
			deliver(topic, here, message);
		else if (!post(topic, here->server->loops[i], message, publisher))
			continue;
		receivers += there;
	}
	return receivers;
}
