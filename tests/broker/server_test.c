/* The broker as its clients and its operator see it: limits, sharing, spreading, ending. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "process.h"

static struct process broker;

static void start(const char *first, const char *second)
{
	const char *const arguments[] = { "--port=0", "--threads=2", first, second, NULL };

	assert_true(process_start(&broker, BROKER_PROGRAM, arguments));
}

static void expect_settled(const char *type)
{
	if (!process_settled(&broker, type))
		fail_msg("%s: %s", type, broker.text);
}

static void end(int signal)
{
	int status = process_end(&broker, signal);

	if (status != 0)
		fail_msg("exit status %d: %s", status, broker.text);
	assert_non_null(strstr(broker.text, "\nbalanced\n"));
	expect_settled("connection");
}

/* A test that failed in between: how did the broker fare? */
static int end_failed(void **state)
{
	int status;

	(void)state;
	if (broker.pid <= 0)
		return 0;
	status = process_end(&broker, SIGTERM);
	print_error("the broker ended with status %d:\n%s", status, broker.text);
	return -1;
}

static int connect_client(void)
{
	int s = client_connect(broker.port);

	assert_true(s >= 0);
	return s;
}

static void set_value(int s, const char *key, const char *value, size_t length)
{
	char head[96];
	int size = snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key), key, length);

	assert_true(client_send(s, head, (size_t)size) && client_send(s, value, length));
	assert_true(client_ask(s, "\r\n", "+OK\r\n"));
}

/* The next reply is this value. */
static void expect_bulk(int s, const char *value, size_t length)
{
	char head[32];
	size_t size = (size_t)snprintf(head, sizeof head, "$%zu\r\n", length);
	char *got = malloc(size + length + 2);

	assert_non_null(got);
	assert_int_equal(client_receive(s, got, size + length + 2), size + length + 2);
	assert_memory_equal(got, head, size);
	assert_memory_equal(got + size, value, length);
	assert_memory_equal(got + size + length, "\r\n", 2);
	free(got);
}

static char *make_value(size_t length, char seed)
{
	char *value = malloc(length);

	assert_non_null(value);
	for (size_t i = 0; i < length; i++)
		value[i] = (char)(seed + (char)(i >> 8) + (char)i);
	return value;
}

static void test_values_of_all_sizes(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 255, 4096, 16383, 16384, 16385, 65536, 1 << 20, (5 << 20) + 3 };
	int s;

	(void)state;
	start(NULL, NULL);
	s = connect_client();
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char *value = make_value(sizes[i], (char)i);

		set_value(s, "key", value, sizes[i]);
		assert_true(client_send_text(s, "GET key\r\nMGET key nothing\r\n"));
		expect_bulk(s, value, sizes[i]);
		assert_true(client_ask(s, "", "*2\r\n"));
		expect_bulk(s, value, sizes[i]);
		assert_true(client_ask(s, "PING\r\n", "$-1\r\n+PONG\r\n"));
		free(value);
	}
	close(s);
	end(SIGTERM);
	expect_settled("blob");
}

/* A value that is on its way to one client is overwritten by another: the first gets what it asked for. */
static void test_value_overwritten_under_way(void **state)
{
	enum { LENGTH = 1 << 20, TIMES = 16 };
	char *value = make_value(LENGTH, 1);
	int reader, writer;

	(void)state;
	start(NULL, NULL);
	reader = connect_client();
	writer = connect_client();
	set_value(writer, "key", value, LENGTH);
	for (int i = 0; i < TIMES; i++)
		assert_true(client_send_text(reader, "GET key\r\n"));
	expect_bulk(reader, value, LENGTH);
	set_value(writer, "key", "new", 3);
	assert_true(client_ask(writer, "GET key\r\nDEL key\r\n", "$3\r\nnew\r\n:1\r\n"));
	for (int i = 1; i < TIMES; i++) {
		char head[4];

		assert_int_equal(recv(reader, head, sizeof head, MSG_PEEK | MSG_WAITALL), sizeof head);
		if (memcmp(head, "$104", 4) == 0)
			expect_bulk(reader, value, LENGTH);
		else
			break; /* asked for after the change */
	}
	free(value);
	end(SIGTERM);
	close(reader);
	close(writer);
	expect_settled("blob");
}

static void test_equal_values_are_shared(void **state)
{
	enum { KEYS = 500, LENGTH = 1000 };
	char *value = make_value(LENGTH, 3), key[16];
	int s;

	(void)state;
	start(NULL, NULL);
	s = connect_client();
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "key%d", i);
		set_value(s, key, value, LENGTH);
	}
	assert_int_equal(client_figure(broker.port, "keys"), KEYS);
	assert_int_equal(client_figure(broker.port, "different_values"), 1);
	set_value(s, "key0", "short", 5);
	set_value(s, "key1", "short", 5);
	assert_int_equal(client_figure(broker.port, "different_values"), 2);
	assert_true(client_ask(s, "DEL key0 key1\r\n", ":2\r\n"));
	assert_int_equal(client_figure(broker.port, "different_values"), 1);
	assert_true(client_ask(s, "FLUSHALL\r\nDBSIZE\r\n", "+OK\r\n:0\r\n"));
	assert_int_equal(client_figure(broker.port, "different_values"), 0);
	free(value);
	close(s);
	end(SIGTERM);
}

static void test_many_keys(void **state)
{
	enum { KEYS = 300 };
	char text[KEYS * 12 + 16], key[16];
	size_t used = (size_t)sprintf(text, "MGET");
	int s;

	(void)state;
	start(NULL, NULL);
	s = connect_client();
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "key%d", i);
		if (i % 2 == 0)
			set_value(s, key, key, strlen(key));
		used += (size_t)sprintf(text + used, " %s", key);
	}
	sprintf(text + used, "\r\n");
	assert_true(client_ask(s, text, "*300\r\n"));
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "key%d", i);
		if (i % 2 == 0)
			expect_bulk(s, key, strlen(key));
		else
			assert_true(client_ask(s, "", "$-1\r\n"));
	}
	close(s);
	end(SIGTERM);
}

/* One client asks for ever and never reads. It is dropped; the other one on the same loops never notices. */
static void test_slow_reader(void **state)
{
	enum { LENGTH = 100000, REQUESTS = 20000 };
	char *value = make_value(LENGTH, 7);
	int reader, other;

	(void)state;
	start("--output-limit=1000000", "--threads=1");
	reader = connect_client();
	other = connect_client();
	set_value(other, "key", value, LENGTH);
	for (int i = 0; i < REQUESTS; i++)
		if (!client_send_text(reader, "GET key\r\nPING\r\n"))
			break; /* dropped already */
	assert_true(client_await_figure(broker.port, "client_output_buffer_limit_disconnections", 1));
	assert_true(client_ask(other, "PING\r\n", "+PONG\r\n"));
	assert_true(client_await_figure(broker.port, "connected_clients", 2)); /* the other and the one who asks */
	free(value);
	close(reader);
	close(other);
	end(SIGTERM);
}

/* The same with small replies that are copied, and one request that would make too many of them. */
static void test_slow_reader_of_one_reply(void **state)
{
	enum { LENGTH = 10000, KEYS = 50000, REPLY_KIB = LENGTH / 1024 * KEYS };
	char *value = make_value(LENGTH, 9), *request = malloc(KEYS * 4 + 16);
	size_t used;
	int reader, other;

	(void)state;
	assert_non_null(request);
	start("--output-limit=1000000", "--threads=1");
	reader = connect_client();
	other = connect_client();
	set_value(other, "key", value, LENGTH);
	used = (size_t)sprintf(request, "*%d\r\n$4\r\nMGET\r\n", KEYS + 1);
	assert_true(client_send(reader, request, used));
	for (int i = 0; i < KEYS; i++)
		if (!client_send_text(reader, "$3\r\nkey\r\n"))
			fail_msg("dropped before the request was complete");
	assert_true(client_await_figure(broker.port, "client_output_buffer_limit_disconnections", 1));
	assert_in_range(process_peak_memory(&broker), 1, REPLY_KIB / 2); /* it did not make the whole reply first */
	assert_true(client_ask(other, "PING\r\n", "+PONG\r\n"));
	free(request);
	free(value);
	close(reader);
	close(other);
	end(SIGTERM);
}

static void test_client_limit(void **state)
{
	static const char refusal[] = "-ERR max number of clients reached\r\n";
	char got[sizeof refusal];
	int clients[3], refused;

	(void)state;
	start("--max-clients=3", NULL);
	for (int i = 0; i < 3; i++) {
		clients[i] = connect_client();
		assert_true(client_ask(clients[i], "PING\r\n", "+PONG\r\n"));
	}
	for (int i = 0; i < 2; i++) {
		refused = connect_client();
		assert_int_equal(client_receive(refused, got, sizeof got), sizeof refusal - 1);
		assert_memory_equal(got, refusal, sizeof refusal - 1);
		close(refused);
	}
	close(clients[1]);
	assert_true(client_await_figure(broker.port, "connected_clients", 3));
	assert_true(client_figure(broker.port, "rejected_connections") >= 2);
	assert_true(client_ask(clients[0], "PING\r\n", "+PONG\r\n"));
	close(clients[0]);
	close(clients[2]);
	end(SIGTERM);
}

static void test_clients_spread_evenly(void **state)
{
	enum { CLIENTS = 20 };
	int clients[CLIENTS];

	(void)state;
	start(NULL, NULL);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = connect_client();
		assert_true(client_ask(clients[i], "PING\r\n", "+PONG\r\n"));
	}
	/* The one who asks is on one of them. */
	assert_in_range(client_figure(broker.port, "io_thread_0_clients"), CLIENTS / 2, CLIENTS / 2 + 1);
	assert_in_range(client_figure(broker.port, "io_thread_1_clients"), CLIENTS / 2, CLIENTS / 2 + 1);
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	end(SIGTERM);
}

/* The end comes amid everything: idle clients, half requests, replies that nobody reads, clients just gone. */
static void test_end_amid_work(void **state)
{
	char *value = make_value(1 << 20, 5);
	int idle, half, slow, gone;

	(void)state;
	start(NULL, NULL);
	for (int signal = SIGINT;; signal = SIGTERM) {
		idle = connect_client();
		half = connect_client();
		slow = connect_client();
		gone = connect_client();
		set_value(idle, "key", value, 1 << 20);
		assert_true(client_send_text(half, "*2\r\n$4\r\nECHO\r\n$1000\r\nabc"));
		for (int i = 0; i < 20; i++)
			assert_true(client_send_text(slow, "GET key\r\n"));
		assert_true(client_send_text(gone, "PING\r\n"));
		close(gone);
		end(signal);
		assert_true(client_at_end(idle));
		close(idle);
		close(half);
		close(slow);
		expect_settled("blob");
		if (signal == SIGTERM)
			break;
		start(NULL, NULL);
	}
	free(value);
}

static void test_errors_are_counted(void **state)
{
	int s;

	(void)state;
	start(NULL, NULL);
	s = connect_client();
	assert_true(client_ask(s, "PING a b\r\nPING\r\n", "-ERR wrong number of arguments for 'ping' command\r\n+PONG\r\n"));
	assert_int_equal(client_figure(broker.port, "total_error_replies"), 1);
	assert_true(client_ask(s, "*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"));
	assert_int_equal(client_figure(broker.port, "total_error_replies"), 2);
	assert_int_equal(client_figure(broker.port, "protocol_errors"), 1);
	assert_int_equal(client_figure(broker.port, "total_commands_processed"), 9);
	close(s);
	end(SIGTERM);
}

static int run_briefly(const char *argument)
{
	const char *const arguments[] = { argument, NULL };

	assert_false(process_start(&broker, BROKER_PROGRAM, arguments));
	return process_wait(&broker);
}

static void test_options(void **state)
{
	(void)state;
	assert_int_equal(run_briefly("--help"), 0);
	assert_non_null(strstr(broker.text, "--output-limit"));
	assert_int_equal(run_briefly("--version"), 0);
	assert_non_null(strstr(broker.text, "libweakref"));
	assert_int_not_equal(run_briefly("--threads=none"), 0);
	assert_int_not_equal(run_briefly("--port=70000"), 0);
	assert_int_not_equal(run_briefly("--bind=nowhere"), 0);
	assert_int_not_equal(run_briefly("--no-such-option"), 0);
	assert_int_not_equal(run_briefly("word"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_values_of_all_sizes, end_failed),
		cmocka_unit_test_teardown(test_value_overwritten_under_way, end_failed),
		cmocka_unit_test_teardown(test_equal_values_are_shared, end_failed),
		cmocka_unit_test_teardown(test_many_keys, end_failed),
		cmocka_unit_test_teardown(test_slow_reader, end_failed),
		cmocka_unit_test_teardown(test_slow_reader_of_one_reply, end_failed),
		cmocka_unit_test_teardown(test_client_limit, end_failed),
		cmocka_unit_test_teardown(test_clients_spread_evenly, end_failed),
		cmocka_unit_test_teardown(test_end_amid_work, end_failed),
		cmocka_unit_test_teardown(test_errors_are_counted, end_failed),
		cmocka_unit_test_teardown(test_options, end_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
