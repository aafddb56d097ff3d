/* Topics, messages and the ends of clients, one thing at a time. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "process.h"

static struct process broker;

static void start(const char *option)
{
	const char *const arguments[] = { "--port=0", "--threads=2", option, NULL };

	assert_true(process_start(&broker, BROKER_PROGRAM, arguments));
}

static void end(void)
{
	int status = process_end(&broker, SIGTERM);

	if (status != 0 || !process_settled(&broker, "struct connection"))
		fail_msg("exit status %d: %s", status, broker.text);
	assert_non_null(strstr(broker.text, "\nbalanced\n"));
}

static int end_failed(void **state)
{
	(void)state;
	if (broker.pid <= 0)
		return 0;
	print_error("the broker ended with status %d:\n%s", process_end(&broker, SIGTERM), broker.text);
	return -1;
}

static int connect_client(void)
{
	int s = client_connect(broker.port);

	assert_true(s >= 0);
	return s;
}

static int subscribe(const char *topic)
{
	char request[64], reply[96];
	int s = connect_client();

	snprintf(request, sizeof request, "SUBSCRIBE %s\r\n", topic);
	snprintf(reply, sizeof reply, "*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%s\r\n:1\r\n", strlen(topic), topic);
	assert_true(client_ask(s, request, reply));
	return s;
}

/* Publishes `length` bytes of `letter` to "topic"; returns how many clients that reached. */
static long long publish(int s, char letter, size_t length)
{
	char head[64], reply[32] = "", *payload = malloc(length);
	size_t size = (size_t)snprintf(head, sizeof head, "*3\r\n$7\r\nPUBLISH\r\n$5\r\ntopic\r\n$%zu\r\n", length);

	assert_non_null(payload);
	memset(payload, letter, length);
	assert_true(client_send(s, head, size) && client_send(s, payload, length) && client_send(s, "\r\n", 2));
	free(payload);
	for (size_t i = 0; i < sizeof reply - 1 && !strchr(reply, '\n'); i++)
		assert_int_equal(client_receive(s, reply + i, 1), 1);
	assert_int_equal(reply[0], ':');
	return strtoll(reply + 1, NULL, 10);
}

/* The next thing that comes is this message. */
static void expect_message(int s, char letter, size_t length)
{
	char head[64];
	size_t size = (size_t)snprintf(head, sizeof head, "*3\r\n$7\r\nmessage\r\n$5\r\ntopic\r\n$%zu\r\n", length);
	char *got = malloc(size + length + 2);

	assert_non_null(got);
	assert_int_equal(client_receive(s, got, size + length + 2), size + length + 2);
	assert_memory_equal(got, head, size);
	for (size_t i = 0; i < length; i++)
		if (got[size + i] != letter)
			fail_msg("byte %zu of %zu is %c, not %c", i, length, got[size + i], letter);
	assert_memory_equal(got + size + length, "\r\n", 2);
	free(got);
}

/* Clients of both loops, whichever of them publishes. */
static void test_messages_of_all_sizes(void **state)
{
	enum { SUBSCRIBERS = 5 };
	static const size_t sizes[] = { 0, 1, 100, 16384, 65536, 1 << 20, (3 << 20) + 1 };
	int subscribers[SUBSCRIBERS], publishers[2];

	(void)state;
	start(NULL);
	for (int i = 0; i < SUBSCRIBERS; i++)
		subscribers[i] = subscribe("topic");
	for (int i = 0; i < 2; i++)
		publishers[i] = connect_client();
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		assert_int_equal(publish(publishers[i % 2], (char)('a' + i), sizes[i]), SUBSCRIBERS);
		for (int k = 0; k < SUBSCRIBERS; k++)
			expect_message(subscribers[k], (char)('a' + i), sizes[i]);
	}
	assert_int_equal(client_figure(broker.port, "messages_published"), sizeof sizes / sizeof sizes[0]);
	assert_int_equal(
		client_figure(broker.port, "messages_delivered"), SUBSCRIBERS * sizeof sizes / sizeof sizes[0]);
	for (int i = 0; i < SUBSCRIBERS; i++)
		close(subscribers[i]);
	close(publishers[0]);
	close(publishers[1]);
	end();
	assert_true(process_settled(&broker, "struct message"));
	assert_true(process_settled(&broker, "struct topic"));
}

/* Who unsubscribes gets nothing more; a topic that the last one leaves is gone at once. */
static void test_leaving(void **state)
{
	int one, two, publisher;

	(void)state;
	start(NULL);
	one = subscribe("topic");
	two = subscribe("topic");
	publisher = connect_client();
	assert_true(client_ask(two, "SUBSCRIBE other\r\n", "*3\r\n$9\r\nsubscribe\r\n$5\r\nother\r\n:2\r\n"));
	assert_true(client_ask(publisher, "PUBSUB NUMSUB topic other none\r\n",
		"*6\r\n$5\r\ntopic\r\n:2\r\n$5\r\nother\r\n:1\r\n$4\r\nnone\r\n:0\r\n"));
	assert_true(client_ask(publisher, "PUBSUB CHANNELS [a-o]*\r\n", "*1\r\n$5\r\nother\r\n"));
	assert_int_equal(client_figure(broker.port, "topics"), 2);
	assert_true(client_ask(one, "UNSUBSCRIBE topic\r\n", "*3\r\n$11\r\nunsubscribe\r\n$5\r\ntopic\r\n:0\r\n"));
	assert_int_equal(publish(publisher, 'x', 10), 1);
	expect_message(two, 'x', 10);
	assert_true(client_ask(one, "PING\r\n", "+PONG\r\n"));
	assert_true(client_ask(two, "UNSUBSCRIBE other\r\n", "*3\r\n$11\r\nunsubscribe\r\n$5\r\nother\r\n:1\r\n"));
	assert_true(client_ask(publisher, "PUBSUB CHANNELS\r\n", "*1\r\n$5\r\ntopic\r\n"));
	assert_true(client_ask(two, "UNSUBSCRIBE\r\n", "*3\r\n$11\r\nunsubscribe\r\n$5\r\ntopic\r\n:0\r\n"));
	assert_true(client_ask(
		publisher, "PUBSUB CHANNELS\r\nPUBSUB NUMSUB topic\r\n", "*0\r\n*2\r\n$5\r\ntopic\r\n:0\r\n"));
	assert_int_equal(publish(publisher, 'y', 10), 0);
	assert_true(client_await_figure(broker.port, "topics", 0));
	close(one);
	close(two);
	close(publisher);
	end();
}

/* A client that goes without a word is gone from all its topics. */
static void test_dropping(void **state)
{
	enum { TOPICS = 300 };
	char request[TOPICS * 12 + 16], line[64];
	size_t used = (size_t)sprintf(request, "SUBSCRIBE");
	int s, left;

	(void)state;
	start(NULL);
	s = connect_client();
	left = subscribe("t007");
	for (int i = 0; i < TOPICS; i++)
		used += (size_t)sprintf(request + used, " t%03d", i);
	sprintf(request + used, "\r\n");
	assert_true(client_send_text(s, request));
	for (int i = 0; i < TOPICS; i++) {
		snprintf(line, sizeof line, "*3\r\n$9\r\nsubscribe\r\n$4\r\nt%03d\r\n:%d\r\n", i, i + 1);
		assert_true(client_ask(s, "", line));
	}
	assert_int_equal(client_figure(broker.port, "topics"), TOPICS);
	close(s);
	assert_true(client_await(broker.port, "PUBSUB NUMSUB t000 t007 t299\r\n",
		"*6\r\n$4\r\nt000\r\n:0\r\n$4\r\nt007\r\n:1\r\n$4\r\nt299\r\n:0\r\n"));
	assert_true(client_await(broker.port, "PUBSUB CHANNELS\r\n", "*1\r\n$4\r\nt007\r\n"));
	assert_true(client_await_figure(broker.port, "topics", 1));
	close(left);
	assert_true(client_await(broker.port, "PUBSUB CHANNELS\r\n", "*0\r\n"));
	assert_true(client_await_figure(broker.port, "topics", 0));
	end();
	assert_true(process_settled(&broker, "struct topic"));
}

/* Asks for the number of subscribers and then for the channels; true if there are none of either. */
static bool nothing_left(int s)
{
	char count[20], channels[4], name[12];

	assert_true(client_send_text(s, "PUBSUB NUMSUB topic\r\nPUBSUB CHANNELS\r\n"));
	assert_int_equal(client_receive(s, count, 19), 19);
	assert_memory_equal(count, "*2\r\n$5\r\ntopic\r\n:", 16);
	assert_int_equal(client_receive(s, channels, 4), 4);
	if (channels[1] == '1')
		assert_int_equal(client_receive(s, name, 11), 11);
	if (count[16] == '0')
		assert_memory_equal(channels, "*0\r\n", 4); /* what has no subscribers is not listed any more */
	return count[16] == '0';
}

static void test_channels_have_subscribers(void **state)
{
	enum { ROUNDS = 200 };
	int asker;

	(void)state;
	start(NULL);
	asker = connect_client();
	for (int i = 0; i < ROUNDS; i++) {
		close(subscribe("topic"));
		while (!nothing_left(asker))
			;
	}
	close(asker);
	end();
}

/* One subscriber never reads. It is dropped at its limit; the other one gets every message. */
static void test_slow_subscriber(void **state)
{
	enum { LENGTH = 100000, MESSAGES = 500 };
	long long reached = 2;
	int slow, other, publisher;

	(void)state;
	start("--output-limit=1000000");
	slow = subscribe("topic");
	other = subscribe("topic");
	publisher = connect_client();
	for (int i = 0; i < MESSAGES && reached == 2; i++) {
		reached = publish(publisher, (char)('a' + i % 26), LENGTH);
		expect_message(other, (char)('a' + i % 26), LENGTH);
	}
	assert_int_equal(reached, 1);
	assert_int_equal(client_figure(broker.port, "client_output_buffer_limit_disconnections"), 1);
	assert_int_equal(publish(publisher, 'z', 5), 1);
	expect_message(other, 'z', 5);
	close(slow);
	close(other);
	close(publisher);
	end();
	assert_true(process_settled(&broker, "struct message"));
}

/* Who publishes faster than a loop delivers is not read from meanwhile, but loses nothing, nor does anybody else. */
static void test_fast_publisher(void **state)
{
	enum { LENGTH = 2 << 20, MESSAGES = 8 };
	int subscribers[2], publisher;

	(void)state;
	start(NULL);
	for (int i = 0; i < 2; i++)
		subscribers[i] = subscribe("topic"); /* one of them is on another loop than the publisher */
	publisher = connect_client();
	for (int i = 0; i < MESSAGES; i++) {
		assert_int_equal(publish(publisher, (char)('a' + i), LENGTH), 2);
		expect_message(subscribers[0], (char)('a' + i), LENGTH);
		expect_message(subscribers[1], (char)('a' + i), LENGTH);
		assert_true(client_ask(publisher, "PING\r\n", "+PONG\r\n"));
	}
	assert_int_equal(client_figure(broker.port, "publishers_held_back"), MESSAGES);
	assert_int_equal(publish(publisher, 'x', 100), 2);
	assert_int_equal(client_figure(broker.port, "publishers_held_back"), MESSAGES);
	assert_true(client_send_text(publisher, "SET key value\r\n"));
	close(publisher); /* a client that goes, perhaps while it is held back */
	close(subscribers[0]);
	close(subscribers[1]);
	end();
}

static long long ask_id(int s)
{
	char reply[24] = "";

	assert_true(client_send_text(s, "CLIENT ID\r\n"));
	for (size_t i = 0; i < sizeof reply - 1 && !strchr(reply, '\n'); i++)
		assert_int_equal(client_receive(s, reply + i, 1), 1);
	assert_int_equal(reply[0], ':');
	return strtoll(reply + 1, NULL, 10);
}

/* Of both loops, listening or not: the first who kills wins, and the client is gone. */
static void test_killing(void **state)
{
	enum { VICTIMS = 6 };
	char request[96];
	int victims[VICTIMS], killer;
	long long ids[VICTIMS];

	(void)state;
	start(NULL);
	killer = connect_client();
	for (int i = 0; i < VICTIMS; i++) {
		victims[i] = connect_client();
		ids[i] = ask_id(victims[i]);
		assert_true(ids[i] > 0 && ids[i] == ask_id(victims[i]));
		for (int k = 0; k < i; k++)
			assert_true(ids[k] != ids[i]);
	}
	assert_true(client_ask(victims[1], "SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"));
	for (int i = 0; i < VICTIMS; i++) {
		snprintf(request, sizeof request, "CLIENT KILL ID %lld\r\nclient kill id %lld\r\n", ids[i], ids[i]);
		assert_true(client_ask(killer, request, ":1\r\n:0\r\n"));
		assert_true(client_at_end(victims[i]));
		close(victims[i]);
	}
	assert_true(client_await(broker.port, "PUBSUB NUMSUB a\r\n", "*2\r\n$1\r\na\r\n:0\r\n"));
	assert_true(client_await_figure(broker.port, "connected_clients", 2)); /* the killer and the one who asks */
	snprintf(request, sizeof request, "CLIENT KILL ID %lld\r\nPING\r\n", ask_id(killer));
	assert_true(client_ask(killer, request, ":0\r\n+PONG\r\n"));
	snprintf(request, sizeof request, "CLIENT KILL SKIPME no ID %lld\r\nPING\r\n", ask_id(killer));
	assert_true(client_ask(killer, request, ":1\r\n"));
	assert_true(client_at_end(killer));
	close(killer);
	end();
}

/* Ids of those who are gone, and others that a client may make up: nobody is killed by them. */
static void test_killing_by_stale_and_forged_ids(void **state)
{
	enum { ROUNDS = 50 };
	char request[96];
	long long id, old = 0;
	int killer, victim;

	(void)state;
	start(NULL);
	killer = connect_client();
	for (int i = 0; i < ROUNDS; i++) {
		victim = connect_client();
		id = ask_id(victim);
		assert_true(id != old);
		snprintf(request, sizeof request, "CLIENT KILL ID %lld\r\nCLIENT KILL ID %lld\r\n", id ^ 1 << i % 31, id / 2 + 1);
		assert_true(client_ask(killer, request, ":0\r\n:0\r\n"));
		snprintf(request, sizeof request, "CLIENT KILL ID %d\r\nCLIENT KILL ID %lld\r\n", i + 1, i > 0 ? old : 1);
		assert_true(client_ask(killer, request, ":0\r\n:0\r\n"));
		assert_true(client_ask(victim, "PING\r\n", "+PONG\r\n"));
		close(victim);
		assert_true(client_await_figure(broker.port, "connected_clients", 2)); /* the killer and the one who asks */
		old = id;
	}
	close(killer);
	end();
}

/* Of two clients of two loops that kill a third at once exactly one did it. */
static void test_two_killers(void **state)
{
	enum { ROUNDS = 200 };
	int killers[2], wins[2] = { 0 };
	char request[64], replies[2][4];

	(void)state;
	start(NULL);
	for (int i = 0; i < 2; i++)
		killers[i] = connect_client();
	for (int i = 0; i < ROUNDS; i++) {
		int victim = connect_client();

		snprintf(request, sizeof request, "CLIENT KILL ID %lld\r\n", ask_id(victim));
		assert_true(client_send_text(killers[i % 2], request) && client_send_text(killers[1 - i % 2], request));
		for (int k = 0; k < 2; k++) {
			assert_int_equal(client_receive(killers[k], replies[k], 4), 4);
			wins[k] += replies[k][1] == '1';
		}
		assert_int_equal(replies[0][1] + replies[1][1], '0' + '1');
		assert_true(client_at_end(victim));
		close(victim);
	}
	assert_true(wins[0] > 0 && wins[1] > 0);
	close(killers[0]);
	close(killers[1]);
	end();
}

static void *read_all(void *argument)
{
	char bytes[65536];

	while (client_receive(*(int *)argument, bytes, sizeof bytes) > 0)
		;
	return NULL;
}

/* Publishes until the broker stops reading, which it does when it holds the client back. */
static void publish_until_stopped(int s, const char *payload, size_t length)
{
	char head[64];
	int size = sprintf(head, "*3\r\n$7\r\nPUBLISH\r\n$5\r\ntopic\r\n$%zu\r\n", length);

	for (;;) {
		if (send(s, head, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) != size)
			return;
		for (size_t sent = 0; sent < length + 2;) {
			ssize_t more = send(s, payload + sent, length + 2 - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

			if (more < 0)
				return;
			sent += (size_t)more;
		}
	}
}

/* Publishers that are killed while they are held back. */
static void test_killing_fast_publishers(void **state)
{
	enum { ROUNDS = 20, LENGTH = 2 << 20 };
	char request[64], *payload = calloc(1, LENGTH + 2);
	int subscribers[2], killer;
	pthread_t readers[2];

	(void)state;
	assert_non_null(payload);
	memcpy(payload + LENGTH, "\r\n", 2);
	start(NULL);
	for (int i = 0; i < 2; i++) {
		subscribers[i] = subscribe("topic");
		assert_int_equal(pthread_create(&readers[i], NULL, read_all, &subscribers[i]), 0);
	}
	killer = connect_client();
	for (int i = 0; i < ROUNDS; i++) {
		int publisher = connect_client();
		long long id = ask_id(publisher);

		publish_until_stopped(publisher, payload, LENGTH);
		snprintf(request, sizeof request, "CLIENT KILL ID %lld\r\n", id);
		assert_true(client_ask(killer, request, ":1\r\n"));
		close(publisher);
	}
	assert_true(client_figure(broker.port, "publishers_held_back") > 0);
	assert_true(client_await_figure(broker.port, "connected_clients", 4)); /* and the one who asks */
	end();
	for (int i = 0; i < 2; i++) {
		pthread_join(readers[i], NULL);
		close(subscribers[i]);
	}
	close(killer);
	free(payload);
	assert_true(process_settled(&broker, "struct message"));
}

static void test_figures(void **state)
{
	static const char *const names[] = { "objects_created", "objects_left", "dead_objects_waiting", "backlog_peak",
		"callbacks_run", "destroys_run", "grace_periods", "threads", "throttled", "abandoned", "connections" };

	(void)state;
	start(NULL);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (client_figure(broker.port, names[i]) < 0)
			fail_msg("INFO has no %s", names[i]);
	assert_true(client_figure(broker.port, "objects_created") > client_figure(broker.port, "objects_left"));
	assert_int_equal(client_figure(broker.port, "connections"), 1);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_messages_of_all_sizes, end_failed),
		cmocka_unit_test_teardown(test_leaving, end_failed),
		cmocka_unit_test_teardown(test_dropping, end_failed),
		cmocka_unit_test_teardown(test_channels_have_subscribers, end_failed),
		cmocka_unit_test_teardown(test_slow_subscriber, end_failed),
		cmocka_unit_test_teardown(test_fast_publisher, end_failed),
		cmocka_unit_test_teardown(test_killing, end_failed),
		cmocka_unit_test_teardown(test_killing_by_stale_and_forged_ids, end_failed),
		cmocka_unit_test_teardown(test_two_killers, end_failed),
		cmocka_unit_test_teardown(test_killing_fast_publishers, end_failed),
		cmocka_unit_test_teardown(test_figures, end_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
