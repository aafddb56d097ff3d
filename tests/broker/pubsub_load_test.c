/*
 * Topics under load. Each publisher numbers its messages: whoever listens must get every number of each publisher, in
 * order and whole, from the first it sees to the last before it leaves. And a hundred redis-cli that are killed amid it
 * all must leave nothing behind.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "process.h"

enum {
	PUBLISHERS = 3,
	STAYING = 6, /* subscribers */
	COMING = 3,  /* subscribers that come and go */
	MESSAGES = 1500,
	AT_ONCE = 25, /* of a publisher, in one pipeline */
	LARGEST = 20000,
	KILLED = 100
};

static struct process broker;
static _Atomic int coming_left; /* of those that come and go */
static _Atomic bool over; /* the publishers are to stop, or have stopped */

/* --- messages ----------------------------------------------------------------------------------------------------- */

/* One in twenty is large. The text is the publisher, the number, and one letter many times over. */
static size_t length_of(unsigned number)
{
	return number % 20 == 7 ? LARGEST : 20 + number % 100;
}

static size_t put_message(char *text, unsigned publisher, unsigned number)
{
	size_t length = length_of(number), size;
	char name[24];

	size = (size_t)sprintf(text, "*3\r\n$7\r\nPUBLISH\r\n$4\r\nload\r\n$%zu\r\n", length);
	memset(text + size, 'a' + (int)(number % 26), length);
	memcpy(text + size, name, (size_t)sprintf(name, "%u %u", publisher, number));
	size += length;
	return size + (size_t)sprintf(text + size, "\r\n");
}

struct publisher {
	pthread_t thread;
	unsigned index;
	unsigned limit;       /* of messages */
	unsigned most, least; /* subscribers that one message reached */
	size_t faults;
};

static void take_reply(struct publisher *p, FILE *replies)
{
	char line[32];
	unsigned reached;

	if (!fgets(line, sizeof line, replies) || sscanf(line, ":%u\r\n", &reached) != 1) {
		p->faults++;
		return;
	}
	p->most = reached > p->most ? reached : p->most;
	p->least = reached < p->least ? reached : p->least;
}

static void *run_publisher(void *argument)
{
	struct publisher *p = argument;
	char *text = malloc(AT_ONCE * (LARGEST + 100));
	int s = client_connect(broker.port);
	FILE *replies = fdopen(s, "r");

	p->least = UINT32_MAX;
	for (unsigned next = 0; text && replies && next < p->limit && !atomic_load(&over) && p->faults == 0;) {
		size_t length = 0;

		for (int i = 0; i < AT_ONCE; i++)
			length += put_message(text + length, p->index, next++);
		p->faults += !client_send(s, text, length);
		for (int i = 0; i < AT_ONCE && p->faults == 0; i++)
			take_reply(p, replies);
	}
	p->faults += !text || !replies;
	free(text);
	if (replies)
		fclose(replies);
	return NULL;
}

/* --- subscribers -------------------------------------------------------------------------------------------------- */

struct subscriber {
	pthread_t thread;
	uint64_t random;
	size_t messages, visits, faults;
	unsigned next[PUBLISHERS]; /* the number that must come */
	bool known[PUBLISHERS];    /* whether one has come */
};

static unsigned draw(struct subscriber *s, unsigned below)
{
	s->random = s->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(s->random >> 33) % below;
}

static bool take_line(FILE *in, const char *expected)
{
	char line[64];

	return fgets(line, sizeof line, in) && strcmp(line, expected) == 0;
}

static bool is_whole(const char *text, size_t length, unsigned number)
{
	size_t at = strspn(text, "0123456789 ");

	while (at < length && text[at] == (char)('a' + number % 26))
		at++;
	return at == length && length == length_of(number) && memcmp(text + length, "\r\n", 2) == 0;
}

/* The next message is the next one of its publisher; nothing is known yet of a publisher's first. */
static bool take_message(struct subscriber *s, FILE *in)
{
	char line[32], text[LARGEST + 3] = "";
	unsigned publisher, number;
	size_t length;

	if (!take_line(in, "*3\r\n") || !take_line(in, "$7\r\n") || !take_line(in, "message\r\n") ||
		!take_line(in, "$4\r\n") || !take_line(in, "load\r\n") || !fgets(line, sizeof line, in))
		return false;
	length = strtoul(line + 1, NULL, 10);
	if (length > LARGEST || fread(text, 1, length + 2, in) != length + 2 ||
		sscanf(text, "%u %u", &publisher, &number) != 2 || publisher >= PUBLISHERS)
		return false;
	if (s->known[publisher] && s->next[publisher] != number)
		return false;
	s->known[publisher] = true;
	s->next[publisher] = number + 1;
	s->messages++;
	return is_whole(text, length, number);
}

static FILE *enter(void)
{
	int s = client_connect(broker.port);
	FILE *in = fdopen(s, "r");

	if (in && client_ask(s, "SUBSCRIBE load\r\n", "*3\r\n$9\r\nsubscribe\r\n$4\r\nload\r\n:1\r\n"))
		return in;
	if (in)
		fclose(in);
	return NULL;
}

static bool has_last_of_all(const struct subscriber *s)
{
	for (int i = 0; i < PUBLISHERS; i++)
		if (s->next[i] != MESSAGES)
			return false;
	return true;
}

/* From the first message to the last one. */
static void *run_staying(void *argument)
{
	struct subscriber *s = argument;
	FILE *in = enter();

	for (int i = 0; i < PUBLISHERS; i++)
		s->known[i] = true; /* as number 0 must be the first */
	while (in && !has_last_of_all(s) && s->faults == 0)
		s->faults += !take_message(s, in);
	s->faults += !in;
	if (in)
		fclose(in);
	return NULL;
}

/* False: that was the last one. */
static bool take_or_end(struct subscriber *s, FILE *in)
{
	if (take_message(s, in))
		return true;
	s->faults += !atomic_load(&over);
	return false;
}

/* Goes after some messages: without a word, or politely, which takes a few messages more. */
static void visit(struct subscriber *s)
{
	FILE *in = enter();
	char line[32];

	memset(s->known, 0, sizeof s->known);
	s->visits++;
	s->faults += !in;
	for (unsigned left = draw(s, 40); in && left > 0 && take_or_end(s, in); left--)
		;
	if (in && draw(s, 2) == 0)
		if (client_send_text(fileno(in), "UNSUBSCRIBE load\r\nQUIT\r\n"))
			while (fgets(line, sizeof line, in) && strcmp(line, "+OK\r\n") != 0)
				;
	if (in)
		fclose(in);
}

static void *run_coming(void *argument)
{
	struct subscriber *s = argument;

	while (!atomic_load(&over) && s->faults == 0)
		visit(s);
	atomic_fetch_sub(&coming_left, 1);
	return NULL;
}

/* Who waits gets this, also who subscribes last of all. */
static void publish_to_the_last(void)
{
	int s = client_connect(broker.port);
	FILE *in = fdopen(s, "r");
	char line[32];

	assert_non_null(in);
	while (atomic_load(&coming_left) > 0) {
		assert_true(client_send_text(s, "PUBLISH load last\r\n"));
		assert_non_null(fgets(line, sizeof line, in));
	}
	fclose(in);
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void start_broker(void)
{
	static const char *const arguments[] = { "--port=0", "--threads=3", NULL };

	assert_true(process_start(&broker, BROKER_PROGRAM, arguments));
	atomic_store(&over, false);
}

static void end_broker(void)
{
	int status = process_end(&broker, SIGTERM);

	if (status != 0 || !strstr(broker.text, "\nbalanced\n"))
		fail_msg("exit status %d: %s", status, broker.text);
	assert_true(process_settled(&broker, "struct topic"));
	assert_true(process_settled(&broker, "struct message"));
	assert_true(process_settled(&broker, "struct connection"));
}

static void start_publishers(struct publisher *publishers, unsigned limit)
{
	for (unsigned i = 0; i < PUBLISHERS; i++) {
		publishers[i] = (struct publisher){ .index = i, .limit = limit };
		assert_int_equal(pthread_create(&publishers[i].thread, NULL, run_publisher, &publishers[i]), 0);
	}
}

static void join_publishers(struct publisher *publishers, unsigned *least, unsigned *most)
{
	*least = UINT32_MAX;
	*most = 0;
	for (int i = 0; i < PUBLISHERS; i++) {
		pthread_join(publishers[i].thread, NULL);
		assert_int_equal(publishers[i].faults, 0);
		*least = publishers[i].least < *least ? publishers[i].least : *least;
		*most = publishers[i].most > *most ? publishers[i].most : *most;
	}
}

static void start_subscribers(struct subscriber *subscribers, unsigned count, void *(*run)(void *))
{
	for (unsigned i = 0; i < count; i++) {
		subscribers[i] = (struct subscriber){ .random = i };
		assert_int_equal(pthread_create(&subscribers[i].thread, NULL, run, &subscribers[i]), 0);
	}
}

static struct subscriber join_subscribers(struct subscriber *subscribers, unsigned count)
{
	struct subscriber sum = { 0 };

	for (unsigned i = 0; i < count; i++) {
		pthread_join(subscribers[i].thread, NULL);
		sum.messages += subscribers[i].messages;
		sum.visits += subscribers[i].visits;
		sum.faults += subscribers[i].faults;
	}
	return sum;
}

static void test_every_message_in_order(void **state)
{
	struct subscriber staying[STAYING], coming[COMING], stayed, came;
	struct publisher publishers[PUBLISHERS];
	unsigned least, most;

	(void)state;
	start_broker();
	start_subscribers(staying, STAYING, run_staying);
	assert_true(client_await(broker.port, "PUBSUB NUMSUB load\r\n", "*2\r\n$4\r\nload\r\n:6\r\n"));
	atomic_store(&coming_left, COMING);
	start_subscribers(coming, COMING, run_coming);
	start_publishers(publishers, MESSAGES);
	join_publishers(publishers, &least, &most);
	stayed = join_subscribers(staying, STAYING);
	atomic_store(&over, true);
	publish_to_the_last();
	came = join_subscribers(coming, COMING);
	print_message("%zu messages to %d that stayed, %zu in %zu visits; one reached %u to %u\n", stayed.messages,
		STAYING, came.messages, came.visits, least, most);
	assert_int_equal(stayed.faults, 0);
	assert_int_equal(stayed.messages, STAYING * PUBLISHERS * MESSAGES);
	assert_true(came.visits > COMING && came.messages > 0);
	assert_true(most > STAYING); /* some came while messages were published */
	assert_true(client_await_figure(broker.port, "topics", 0));
	end_broker();
}

static pid_t start_redis_cli(const char *port, int index)
{
	char topic[16];
	pid_t pid = fork();
	int null;

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	snprintf(topic, sizeof topic, "own%d", index);
	execlp("redis-cli", "redis-cli", "-p", port, "SUBSCRIBE", "load", topic, (char *)NULL);
	perror("redis-cli");
	_exit(127);
}

static void kill_all(const pid_t *pids)
{
	int status;

	for (int i = 0; i < KILLED; i++) {
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* it was there until now */
	}
}

static void test_killed_subscribers(void **state)
{
	struct publisher publishers[PUBLISHERS];
	unsigned least, most;
	pid_t pids[KILLED];
	char port[16];

	(void)state;
	start_broker();
	snprintf(port, sizeof port, "%d", broker.port);
	for (int i = 0; i < KILLED; i++)
		pids[i] = start_redis_cli(port, i);
	assert_true(client_await(broker.port, "PUBSUB NUMSUB load\r\n", "*2\r\n$4\r\nload\r\n:100\r\n"));
	assert_true(client_await_figure(broker.port, "topics", KILLED + 1));
	start_publishers(publishers, UINT32_MAX);
	assert_true(client_await_at_least(broker.port, "messages_delivered", 20 * KILLED));
	kill_all(pids);
	assert_true(client_await(broker.port, "PUBSUB NUMSUB load own0 own99\r\n",
		"*6\r\n$4\r\nload\r\n:0\r\n$4\r\nown0\r\n:0\r\n$5\r\nown99\r\n:0\r\n"));
	assert_true(client_await(broker.port, "PUBSUB CHANNELS\r\n", "*0\r\n"));
	assert_true(client_await_figure(broker.port, "topics", 0));
	assert_true(client_await_figure(broker.port, "connected_clients", PUBLISHERS + 1));
	atomic_store(&over, true);
	join_publishers(publishers, &least, &most);
	assert_int_equal(most, KILLED);
	assert_int_equal(client_figure(broker.port, "client_output_buffer_limit_disconnections"), 0);
	end_broker();
}

/* The end comes while messages are under way between all loops: nobody waits for them to become fewer. */
static void test_end_amid_load(void **state)
{
	struct subscriber staying[STAYING];
	struct publisher publishers[PUBLISHERS];

	(void)state;
	start_broker();
	start_subscribers(staying, STAYING, run_staying);
	assert_true(client_await(broker.port, "PUBSUB NUMSUB load\r\n", "*2\r\n$4\r\nload\r\n:6\r\n"));
	start_publishers(publishers, UINT32_MAX);
	assert_true(client_await_at_least(broker.port, "messages_delivered", 100 * STAYING));
	end_broker();
	for (int i = 0; i < PUBLISHERS; i++)
		pthread_join(publishers[i].thread, NULL);
	assert_true(join_subscribers(staying, STAYING).messages > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message_in_order),
		cmocka_unit_test(test_killed_subscribers),
		cmocka_unit_test(test_end_amid_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
