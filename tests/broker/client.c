#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	PATIENCE = 30 /* seconds */
};

int client_connect(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((in_port_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (s < 0)
		return -1;
	if (setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
		connect(s, (struct sockaddr *)&address, sizeof address) == 0)
		return s;
	close(s);
	return -1;
}

bool client_send(int s, const void *bytes, size_t length)
{
	const char *next = bytes;

	while (length > 0) {
		ssize_t sent = send(s, next, length, MSG_NOSIGNAL);

		if (sent < 0)
			return false;
		next += sent;
		length -= (size_t)sent;
	}
	return true;
}

bool client_send_text(int s, const char *text)
{
	return client_send(s, text, strlen(text));
}

size_t client_receive(int s, void *bytes, size_t length)
{
	size_t got = 0;

	while (got < length) {
		ssize_t came = recv(s, (char *)bytes + got, length - got, 0);

		if (came <= 0)
			break;
		got += (size_t)came;
	}
	return got;
}

bool client_ask(int s, const char *request, const char *reply)
{
	size_t length = strlen(reply), came = 0;
	char *got = malloc(length + 1);
	bool same;

	if (got && client_send_text(s, request))
		came = client_receive(s, got, length);
	same = got && came == length && memcmp(got, reply, length) == 0;
	if (!same)
		fprintf(stderr, "asked %s\ngot %.*s\nnot %s\n", request, (int)came, got ? got : "", reply);
	free(got);
	return same;
}

bool client_at_end(int s)
{
	char byte;

	return recv(s, &byte, 1, 0) == 0;
}

/* INFO's reply begins with its length. */
static size_t receive_info(int s, char *text, size_t size)
{
	size_t used = 0;

	if (!client_send_text(s, "INFO\r\nQUIT\r\n"))
		return 0;
	used = client_receive(s, text, size - 1);
	text[used] = '\0';
	return used;
}

long long client_figure(int port, const char *name)
{
	char text[16384], line[64];
	int s = client_connect(port);
	const char *found = NULL;

	if (s < 0)
		return -1;
	snprintf(line, sizeof line, "\n%s:", name);
	if (receive_info(s, text, sizeof text) > 0)
		found = strstr(text, line);
	close(s);
	return found ? strtoll(found + strlen(line), NULL, 10) : -1;
}

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

bool client_await_figure(int port, const char *name, long long wanted)
{
	time_t deadline = now() + PATIENCE;

	while (client_figure(port, name) != wanted)
		if (now() > deadline)
			return false;
	return true;
}

bool client_await_at_least(int port, const char *name, long long wanted)
{
	time_t deadline = now() + PATIENCE;

	while (client_figure(port, name) < wanted)
		if (now() > deadline)
			return false;
	return true;
}

/* What comes before the "+OK" of a QUIT is the reply, however long it is. */
static bool replies(int port, const char *request, const char *reply)
{
	char got[8192];
	int s = client_connect(port);
	size_t came = 0, length = strlen(reply);

	if (s >= 0 && client_send_text(s, request) && client_send_text(s, "QUIT\r\n"))
		came = client_receive(s, got, sizeof got);
	close(s);
	return came == length + 5 && memcmp(got, reply, length) == 0;
}

bool client_await(int port, const char *request, const char *reply)
{
	time_t deadline = now() + PATIENCE;

	while (!replies(port, request, reply))
		if (now() > deadline)
			return false;
	return true;
}
