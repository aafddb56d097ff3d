/*
 * Many clients at once, on the same keys, with values of all sizes that are shared, replaced and removed all the time,
 * and connections that end politely or not. Every value must come back whole, and every object must be accounted for.
 */

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
#include <unistd.h>

#include "client.h"
#include "process.h"

enum {
	CLIENTS = 6,
	CONNECTIONS = 30, /* of each, one after the other */
	STEPS = 60,       /* of each connection, in one pipeline */
	KEYS = 20,
	LARGEST = 40000
};

static struct process broker;

struct client {
	pthread_t thread;
	uint64_t random;
	size_t values, nothing, faults; /* replies to GET and MGET: whole, nil, wrong */
	size_t cut;                     /* connections left without reading */
};

static unsigned draw(struct client *c, unsigned below)
{
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(c->random >> 33) % below;
}

/* A value is one letter many times over; its length follows from the letter. */
static size_t length_of(char letter)
{
	return letter == 'z' ? LARGEST : (size_t)(letter - 'a') * 37;
}

static size_t put_step(struct client *c, char *text, char *kind)
{
	char letter = (char)('a' + draw(c, 26));
	size_t head, length = length_of(letter);
	unsigned key = draw(c, KEYS);

	*kind = "SSGGGMD"[draw(c, 7)];
	switch (*kind) {
	case 'S':
		head = (size_t)sprintf(text, "*3\r\n$3\r\nSET\r\n$4\r\nk%03u\r\n$%zu\r\n", key, length);
		memset(text + head, letter, length);
		return head + length + (size_t)sprintf(text + head + length, "\r\n");
	case 'G':
		return (size_t)sprintf(text, "GET k%03u\r\n", key);
	case 'M':
		return (size_t)sprintf(text, "MGET k%03u k%03u\r\n", key, draw(c, KEYS));
	default:
		return (size_t)sprintf(text, "DEL k%03u\r\n", key);
	}
}

static void take_value(struct client *c, FILE *replies)
{
	char line[32], value[LARGEST + 2];
	size_t length, same = 0;

	if (!fgets(line, sizeof line, replies) || line[0] != '$') {
		c->faults++;
		return;
	}
	if (line[1] == '-') {
		c->nothing++;
		return;
	}
	length = strtoul(line + 1, NULL, 10);
	if (length > LARGEST || fread(value, 1, length + 2, replies) != length + 2) {
		c->faults++;
		return;
	}
	while (same < length && value[same] == value[0])
		same++;
	if (same < length || (length > 0 && length_of(value[0]) != length) || value[length] != '\r')
		c->faults++;
	else
		c->values++;
}

static void take_reply(struct client *c, char kind, FILE *replies)
{
	char line[32];

	if (kind == 'G') {
		take_value(c, replies);
		return;
	}
	if (!fgets(line, sizeof line, replies)) {
		c->faults++;
		return;
	}
	if (kind == 'M') {
		take_value(c, replies);
		take_value(c, replies);
	}
	c->faults += line[0] != (kind == 'S' ? '+' : kind == 'D' ? ':' : '*');
}

static void hold_connection(struct client *c, int s, char *text)
{
	FILE *replies = fdopen(s, "r");
	char kinds[STEPS];
	size_t length = 0;

	for (int i = 0; i < STEPS; i++)
		length += put_step(c, text + length, &kinds[i]);
	if (!replies || !client_send(s, text, length))
		c->faults++;
	else if (draw(c, 4) == 0)
		c->cut++;
	else
		for (int i = 0; i < STEPS; i++)
			take_reply(c, kinds[i], replies);
	if (replies)
		fclose(replies);
}

static void *run_client(void *argument)
{
	struct client *c = argument;
	char *text = malloc(STEPS * (LARGEST + 64));

	for (int i = 0; text && i < CONNECTIONS; i++) {
		int s = client_connect(broker.port);

		if (s < 0)
			c->faults++;
		else
			hold_connection(c, s, text);
	}
	c->faults += !text;
	free(text);
	return NULL;
}

static void test_load(void **state)
{
	static const char *const arguments[] = { "--port=0", "--threads=3", NULL };
	struct client clients[CLIENTS] = { 0 }, sum = { .faults = 0 };

	(void)state;
	assert_true(process_start(&broker, BROKER_PROGRAM, arguments));
	for (int i = 0; i < CLIENTS; i++) {
		clients[i].random = (uint64_t)i;
		assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i].thread, NULL);
		sum.values += clients[i].values;
		sum.nothing += clients[i].nothing;
		sum.faults += clients[i].faults;
		sum.cut += clients[i].cut;
	}
	print_message("%zu values, %zu nils, %zu connections cut\n", sum.values, sum.nothing, sum.cut);
	assert_int_equal(sum.faults, 0);
	assert_true(sum.values > 0 && sum.nothing > 0 && sum.cut > 0);
	assert_true(client_figure(broker.port, "different_values") <= 26);
	assert_int_equal(process_end(&broker, SIGTERM), 0);
	assert_non_null(strstr(broker.text, "\nbalanced\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
