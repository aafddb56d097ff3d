/*
 * Requests and replies byte for byte, errors included: what Redis says, said by the broker.
 *
 * With a port as argument it talks to the server there instead: against redis-server it shows that the table is right
 * (but for the few dialogues marked OURS).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "process.h"

struct bytes {
	const char *bytes;
	size_t length;
};
#define B(text) { text, sizeof text - 1 }

/* A dialogue is one connection. Each request is sent when the reply before it has come. */
struct dialogue {
	const char *name;
	struct bytes request[4], reply[4];
	enum { STAYS, CLOSES } end;
	enum { REDIS, OURS } whose;
};

#define LENGTH_BAD "-ERR Protocol error: invalid bulk length\r\n"
#define COUNT_BAD "-ERR Protocol error: invalid multibulk length\r\n"
#define QUOTES_BAD "-ERR Protocol error: unbalanced quotes in request\r\n"
#define ARITY_BAD(name) "-ERR wrong number of arguments for '" name "' command\r\n"
#define FOO_BAD "-ERR unknown command 'FOO', with args beginning with: \r\n"
#define SUB_BAD(container) "-ERR unknown subcommand 'FOO'. Try " container " HELP.\r\n"
#define ID_BAD "-ERR client-id should be greater than 0\r\n"
#define ENTERED(topic, count) "*3\r\n$9\r\nsubscribe\r\n" topic "\r\n:" #count "\r\n"
#define LEFT(topic, count) "*3\r\n$11\r\nunsubscribe\r\n" topic "\r\n:" #count "\r\n"
#define NOT_NOW(name)                                                                                      \
	"-ERR Can't execute '" name "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are " \
	"allowed in this context\r\n"
#define X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X32 X32 X32 X32
#define Y32 "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"

static const struct dialogue dialogues[] = {
	{ "ping", .request = { B("*1\r\n$4\r\nPING\r\n") }, .reply = { B("+PONG\r\n") } },
	{ "ping in any case", .request = { B("*1\r\n$4\r\npInG\r\n") }, .reply = { B("+PONG\r\n") } },
	{ "ping with text", .request = { B("*2\r\n$4\r\nPING\r\n$2\r\nhi\r\n") }, .reply = { B("$2\r\nhi\r\n") } },
	{ "ping inline", .request = { B("PING\r\n"), B("ping\n") }, .reply = { B("+PONG\r\n"), B("+PONG\r\n") } },
	{ "empty lines", .request = { B("\r\n\r\nPING\r\n") }, .reply = { B("+PONG\r\n") } },
	{ "ping too long", .request = { B("PING a b\r\n") }, .reply = { B(ARITY_BAD("ping")) } },
	{ "echo", .request = { B("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"), B("ECHO \"\\x00\\n\"\r\n") },
		.reply = { B("$0\r\n\r\n"), B("$2\r\n\0\n\r\n") } },
	{ "echo's arity", .request = { B("ECHO\r\n"), B("ECHO a b\r\n") },
		.reply = { B(ARITY_BAD("echo")), B(ARITY_BAD("echo")) } },
	{ "set and get", .request = { B("SET k v\r\n"), B("GET k\r\n"), B("SET k w\r\n"), B("GET k\r\n") },
		.reply = { B("+OK\r\n"), B("$1\r\nv\r\n"), B("+OK\r\n"), B("$1\r\nw\r\n") } },
	{ "get nothing", .request = { B("GET nothing\r\n") }, .reply = { B("$-1\r\n") } },
	{ "an empty value", .request = { B("SET k ''\r\nGET k\r\n") }, .reply = { B("+OK\r\n$0\r\n\r\n") } },
	{ "an empty key", .request = { B("SET '' v\r\nGET ''\r\nDEL ''\r\n") },
		.reply = { B("+OK\r\n$1\r\nv\r\n:1\r\n") } },
	{ "binary keys",
		.request = { B("*3\r\n$3\r\nSET\r\n$4\r\na\0\r\n\r\n$3\r\n\0\1\2\r\n*2\r\n$3\r\nGET\r\n$4\r\na\0\r\n\r\n"),
			B("*2\r\n$3\r\nGET\r\n$4\r\na\0\r\r\r\n"), B("*2\r\n$3\r\nDEL\r\n$4\r\na\0\r\n\r\n") },
		.reply = { B("+OK\r\n$3\r\n\0\1\2\r\n"), B("$-1\r\n"), B(":1\r\n") } },
	{ "get's arity", .request = { B("GET\r\n"), B("GET a b\r\n") },
		.reply = { B(ARITY_BAD("get")), B(ARITY_BAD("get")) } },
	{ "set's arity", .request = { B("SET k\r\n") }, .reply = { B(ARITY_BAD("set")) } },
	{ "set's options", .request = { B("SET k v EX\r\n"), B("SET k v nonsense 1\r\n") },
		.reply = { B("-ERR syntax error\r\n"), B("-ERR syntax error\r\n") } },
	{ "set's other options", .request = { B("SET k v NX\r\n") }, .reply = { B("-ERR syntax error\r\n") },
		.whose = OURS },
	{ "many", .request = { B("SET m1 a\r\nSET m2 b\r\n"), B("MGET m1 m2 m3 m1\r\n"), B("DEL m1 m2 m3\r\n") },
		.reply = { B("+OK\r\n+OK\r\n"), B("*4\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n$1\r\na\r\n"), B(":2\r\n") } },
	{ "exists", .request = { B("SET e 1\r\n"), B("EXISTS e e f\r\n"), B("DEL e e\r\n"), B("EXISTS e\r\n") },
		.reply = { B("+OK\r\n"), B(":2\r\n"), B(":1\r\n"), B(":0\r\n") } },
	{ "other arities", .request = { B("MGET\r\nDEL\r\nEXISTS\r\nDBSIZE x\r\n") },
		.reply = { B(ARITY_BAD("mget") ARITY_BAD("del") ARITY_BAD("exists") ARITY_BAD("dbsize")) } },
	{ "flushall",
		.request = { B("SET a 1\r\nFLUSHALL\r\n"), B("DBSIZE\r\n"), B("SET a 1\r\nDBSIZE\r\n"),
			B("FLUSHALL sync\r\nFLUSHALL ASYNC\r\nFLUSHALL x\r\nFLUSHALL async x\r\n") },
		.reply = { B("+OK\r\n+OK\r\n"), B(":0\r\n"), B("+OK\r\n:1\r\n"),
			B("+OK\r\n+OK\r\n-ERR syntax error\r\n-ERR syntax error\r\n") } },
	{ "a pipeline",
		.request = { B("*3\r\n$3\r\nSET\r\n$1\r\np\r\n$2\r\n12\r\n*2\r\n$3\r\nGET\r\n$1\r\np\r\nPING\r\n"
			       "*2\r\n$3\r\nDEL\r\n$1\r\np\r\n*2\r\n$3\r\nGET\r\n$1\r\np\r\n") },
		.reply = { B("+OK\r\n$2\r\n12\r\n+PONG\r\n:1\r\n$-1\r\n") } },
	{ "a request in pieces", .request = { B("*2\r\n$4\r\nEC"), B("HO\r\n$5\r"), B("\nhel"), B("lo\r\n") },
		.reply = { B(""), B(""), B(""), B("$5\r\nhello\r\n") } },
	{ "words in pieces", .request = { B("PI"), B("NG\r"), B("\n*"), B("1\r\n$4\r\nPING\r\n") },
		.reply = { B(""), B(""), B("+PONG\r\n"), B("+PONG\r\n") } },
	{ "no arguments at all", .request = { B("*0\r\n*-1\r\n*-5\r\nPING\r\n") }, .reply = { B("+PONG\r\n") } },
	{ "quit", .request = { B("QUIT\r\nPING\r\n") }, .reply = { B("+OK\r\n") }, .end = CLOSES },
	{ "quit politely", .request = { B("PING\r\nQUIT now\r\n") }, .reply = { B("+PONG\r\n+OK\r\n") },
		.end = CLOSES },
	{ "http", .request = { B("POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a b\r\n") }, .reply = { B("") },
		.end = CLOSES },
	{ "http host", .request = { B("Host: localhost\r\nSET a b\r\n") }, .reply = { B("") }, .end = CLOSES },
	/* what is no command */
	{ "unknown", .request = { B("FOO\r\n"), B("foo a b\r\n"), B("*1\r\n$0\r\n\r\n") },
		.reply = { B("-ERR unknown command 'FOO', with args beginning with: \r\n"),
			B("-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n"),
			B("-ERR unknown command '', with args beginning with: \r\n") } },
	{ "unknown with ends of line", .request = { B("*2\r\n$3\r\nf\ro\r\n$3\r\na\nb\r\n") },
		.reply = { B("-ERR unknown command 'f o', with args beginning with: 'a b' \r\n") } },
	{ "unknown with zeroes", .request = { B("*2\r\n$4\r\nget\0\r\n$3\r\na\0b\r\n") },
		.reply = { B("-ERR unknown command 'get', with args beginning with: 'a' \r\n") } },
	{ "unknown and long",
		.request = { B(X128 "z a\r\n"), B("foo " X128 "z b\r\n"), B("foo " X32 X32 X32 " " Y32 Y32 " c\r\n") },
		.reply = { B("-ERR unknown command '" X128 "', with args beginning with: 'a' \r\n"),
			B("-ERR unknown command 'foo', with args beginning with: '" X128 "' \r\n"),
			B("-ERR unknown command 'foo', with args beginning with: '" X32 X32 X32
			  "' 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyy' \r\n") } },
	{ "config",
		.request = { B("CONFIG\r\n"), B("CONFIG GET\r\n"), B("CONFIG FOO\r\n"),
			B("config get SAVE appendonl?\r\n") },
		.reply = { B(ARITY_BAD("config")), B(ARITY_BAD("config|get")),
			B("-ERR unknown subcommand 'FOO'. Try CONFIG HELP.\r\n"),
			B("*4\r\n$10\r\nappendonly\r\n$2\r\nno\r\n$4\r\nsave\r\n$0\r\n\r\n") },
		.whose = OURS },
	{ "config of one", .request = { B("config get save\r\n"), B("config get nothing\r\n") },
		.reply = { B("*2\r\n$4\r\nsave\r\n$0\r\n\r\n"), B("*0\r\n") } },
	{ "command",
		.request = { B("COMMAND FOO\r\n"), B("COMMAND INFO nothing\r\n"), B("COMMAND DOCS nothing\r\n"),
			B("COMMAND COUNT x\r\n") },
		.reply = { B("-ERR unknown subcommand 'FOO'. Try COMMAND HELP.\r\n"), B("*1\r\n$-1\r\n"), B("*0\r\n"),
			B(ARITY_BAD("command|count")) },
		.whose = OURS },
	/* topics */
	{ "subscribe",
		.request = { B("SUBSCRIBE a\r\n"), B("*4\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n$0\r\n\r\n$1\r\na\r\n"),
			B("PING\r\nping hi\r\nPING a b\r\n"), B("UNSUBSCRIBE a a\r\nUNSUBSCRIBE '' b\r\nPING\r\n") },
		.reply = { B(ENTERED("$1\r\na", 1)),
			B(ENTERED("$1\r\nb", 2) ENTERED("$0\r\n", 3) ENTERED("$1\r\na", 3)),
			B("*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$2\r\nhi\r\n" ARITY_BAD("ping")),
			B(LEFT("$1\r\na", 2) LEFT("$1\r\na", 2) LEFT("$0\r\n", 1) LEFT("$1\r\nb", 0) "+PONG\r\n") } },
	{ "subscribe binary", .request = { B("*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\n\0\r\n*\r\n"), B("UNSUBSCRIBE\r\n") },
		.reply = { B(ENTERED("$4\r\n\0\r\n*", 1)), B(LEFT("$4\r\n\0\r\n*", 0)) } },
	{ "unsubscribe from nothing", .request = { B("UNSUBSCRIBE\r\n"), B("UNSUBSCRIBE x y\r\n") },
		.reply = { B(LEFT("$-1", 0)), B(LEFT("$1\r\nx", 0) LEFT("$1\r\ny", 0)) } },
	{ "unsubscribe from all", .request = { B("SUBSCRIBE all\r\n"), B("UNSUBSCRIBE\r\nUNSUBSCRIBE\r\n") },
		.reply = { B(ENTERED("$3\r\nall", 1)), B(LEFT("$3\r\nall", 0) LEFT("$-1", 0)) } },
	{ "what subscribers must not",
		.request = { B("SUBSCRIBE a\r\nGET k\r\nGET\r\nset k v\r\nFOO\r\n"),
			B("PUBLISH a b\r\nPUBLISH\r\nSUBSCRIBE\r\nINFO\r\nCOMMAND\r\n"),
			B("CONFIG GET save\r\nCONFIG\r\nPUBSUB CHANNELS\r\nPUBSUB FOO\r\nCLIENT ID\r\n"),
			B("UNSUBSCRIBE\r\nGET k\r\n") },
		.reply = { B(ENTERED("$1\r\na", 1) NOT_NOW("get") ARITY_BAD("get") NOT_NOW("set") FOO_BAD),
			B(NOT_NOW("publish") ARITY_BAD("publish") ARITY_BAD("subscribe") NOT_NOW("info")
					NOT_NOW("command")),
			B(NOT_NOW("config|get") ARITY_BAD("config") NOT_NOW("pubsub|channels") SUB_BAD("PUBSUB")
					NOT_NOW("client|id")),
			B(LEFT("$1\r\na", 0) "$-1\r\n") } },
	{ "quit while subscribed", .request = { B("SUBSCRIBE a\r\n"), B("QUIT\r\nPING\r\n") },
		.reply = { B(ENTERED("$1\r\na", 1)), B("+OK\r\n") }, .end = CLOSES },
	{ "publish to nobody", .request = { B("PUBLISH nobody hi\r\n"), B("PUBLISH a\r\nPUBLISH a b c\r\n") },
		.reply = { B(":0\r\n"), B(ARITY_BAD("publish") ARITY_BAD("publish")) } },
	{ "pubsub",
		.request = { B("PUBSUB\r\nPUBSUB FOO\r\n"), B("pubsub channels a b\r\n"),
			B("PUBSUB CHANNELS nothing*\r\nPUBSUB NUMSUB\r\n"), B("PUBSUB NUMSUB x y\r\n") },
		.reply = { B(ARITY_BAD("pubsub") SUB_BAD("PUBSUB")),
			B("-ERR unknown subcommand or wrong number of arguments for 'channels'. Try PUBSUB HELP.\r\n"),
			B("*0\r\n*0\r\n"), B("*4\r\n$1\r\nx\r\n:0\r\n$1\r\ny\r\n:0\r\n") } },
	{ "client",
		.request = { B("CLIENT\r\nCLIENT FOO\r\nCLIENT ID x\r\nCLIENT KILL\r\n"),
			B("CLIENT KILL ID\r\nCLIENT KILL 1.2.3.4:5\r\nCLIENT KILL ID 999999999\r\n"),
			B("CLIENT KILL ID 0\r\nCLIENT KILL ID x\r\nCLIENT KILL ID 01\r\nCLIENT KILL ID -1\r\n"
			  "CLIENT KILL ID 9223372036854775808\r\nCLIENT KILL ID 9223372036854775807\r\n"),
			B("CLIENT KILL ID 1 SKIPME\r\nCLIENT KILL ID 1 SKIPME x\r\nCLIENT KILL FOO 1\r\n"
			  "CLIENT KILL ID 1 ID 999999999\r\nclient kill id 999999999 skipme NO\r\n") },
		.reply = { B(ARITY_BAD("client") SUB_BAD("CLIENT") ARITY_BAD("client|id") ARITY_BAD("client|kill")),
			B("-ERR No such client\r\n-ERR No such client\r\n:0\r\n"),
			B(ID_BAD ID_BAD ID_BAD ID_BAD ID_BAD ":0\r\n"),
			B("-ERR syntax error\r\n-ERR syntax error\r\n-ERR syntax error\r\n:0\r\n:0\r\n") } },
	{ "a subcommand is no command", .request = { B("client|id\r\n") },
		.reply = { B("-ERR unknown command 'client|id', with args beginning with: \r\n") } },
	{ "info of nothing", .request = { B("INFO nothing\r\n") }, .reply = { B("$0\r\n\r\n") } },
	/* what is no request: the error, then the end; what came before counts, what comes after does not */
	{ "count of letters", .request = { B("*abc\r\nPING\r\n") }, .reply = { B(COUNT_BAD) }, .end = CLOSES },
	{ "count of nothing", .request = { B("*\r\n") }, .reply = { B(COUNT_BAD) }, .end = CLOSES },
	{ "count with plus", .request = { B("*+1\r\n") }, .reply = { B(COUNT_BAD) }, .end = CLOSES },
	{ "count with zero", .request = { B("*01\r\n") }, .reply = { B(COUNT_BAD) }, .end = CLOSES },
	{ "count with space", .request = { B("* 1\r\n") }, .reply = { B(COUNT_BAD) }, .end = CLOSES },
	{ "count above 32 bits", .request = { B("*2147483648\r\n") }, .reply = { B(COUNT_BAD) }, .end = CLOSES },
	{ "count above 64 bits", .request = { B("*99999999999999999999\r\n") }, .reply = { B(COUNT_BAD) },
		.end = CLOSES },
	{ "count above the limit", .request = { B("*1048577\r\n") }, .reply = { B(COUNT_BAD) }, .end = CLOSES,
		.whose = OURS },
	{ "length below zero", .request = { B("*1\r\n$-1\r\n") }, .reply = { B(LENGTH_BAD) }, .end = CLOSES },
	{ "length of letters", .request = { B("*1\r\n$x\r\n") }, .reply = { B(LENGTH_BAD) }, .end = CLOSES },
	{ "length above the limit", .request = { B("*1\r\n$536870913\r\n") }, .reply = { B(LENGTH_BAD) },
		.end = CLOSES },
	{ "length above 64 bits", .request = { B("*1\r\n$300000000000000000000\r\n") }, .reply = { B(LENGTH_BAD) },
		.end = CLOSES },
	{ "an integer", .request = { B("*1\r\n:1\r\n") },
		.reply = { B("-ERR Protocol error: expected '$', got ':'\r\n") }, .end = CLOSES },
	{ "an array", .request = { B("*1\r\n*1\r\n$1\r\na\r\n") },
		.reply = { B("-ERR Protocol error: expected '$', got '*'\r\n") }, .end = CLOSES },
	{ "a letter", .request = { B("*1\r\nPING\r\n") },
		.reply = { B("-ERR Protocol error: expected '$', got 'P'\r\n") }, .end = CLOSES },
	{ "an end of line", .request = { B("*1\r\n\r\n") },
		.reply = { B("-ERR Protocol error: expected '$', got ' '\r\n") }, .end = CLOSES },
	{ "a length too small", .request = { B("*2\r\n$4\r\nECHO\r\n$1\r\nabcd\r\n") },
		.reply = { B("$1\r\na\r\n-ERR unknown command 'd', with args beginning with: \r\n") } },
	{ "open quotes", .request = { B("PING \"a\r\nPING\r\n") }, .reply = { B(QUOTES_BAD) }, .end = CLOSES },
	{ "joined quotes", .request = { B("ECHO 'a'b\r\n") }, .reply = { B(QUOTES_BAD) }, .end = CLOSES },
	{ "before and after",
		.request = { B("SET s 1\r\n"), B("PING\r\n*2\r\n$3\r\nDEL\r\n$-1\r\n*2\r\n$3\r\nDEL\r\n$1\r\ns\r\n") },
		.reply = { B("+OK\r\n"), B("+PONG\r\n" LENGTH_BAD) }, .end = CLOSES },
	{ "nothing else was touched", .request = { B("GET s\r\n") }, .reply = { B("$1\r\n1\r\n") } },
};

static int port;
static struct process broker;
static bool foreign; /* another server than ours */

static bool expect_bytes(int s, const struct bytes *expected, const char *name)
{
	char got[1024];
	size_t length = client_receive(s, got, expected->length);

	if (length == expected->length && memcmp(got, expected->bytes, length) == 0)
		return true;
	print_error("%s: got \"%.*s\", not \"%s\"\n", name, (int)length, got, expected->bytes);
	return false;
}

/* As one piece, or a byte at a time. */
static bool send_bytes(int s, const struct bytes *request, bool in_bytes)
{
	for (size_t i = 0; in_bytes && i < request->length; i++)
		if (!client_send(s, request->bytes + i, 1))
			return i > 0; /* a server that closes at the error does not read on */
	return in_bytes || client_send(s, request->bytes, request->length);
}

static bool hold_dialogue(const struct dialogue *d, bool in_bytes)
{
	static const char mark[] = "*2\r\n$4\r\nECHO\r\n$4\r\nmark\r\n";
	int s = client_connect(port);
	bool good = s >= 0;

	for (int i = 0; good && i < 4 && d->request[i].bytes; i++)
		good = send_bytes(s, &d->request[i], in_bytes) && expect_bytes(s, &d->reply[i], d->name);
	if (good && d->end == CLOSES && !client_at_end(s)) {
		print_error("%s: it does not end there\n", d->name);
		good = false;
	}
	if (good && d->end == STAYS && !client_ask(s, mark, "$4\r\nmark\r\n")) {
		print_error("%s: something else follows\n", d->name);
		good = false;
	}
	close(s);
	return good;
}

/* A server that closes with unread bytes before it resets the connection, and the error may be lost with them. */
static bool can_go_in_bytes(const struct dialogue *d)
{
	return d->end == STAYS;
}

static void test_dialogues(void **state)
{
	unsigned failures = 0;

	(void)state;
	for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++) {
		if (foreign && dialogues[i].whose == OURS)
			continue;
		failures += !hold_dialogue(&dialogues[i], false);
		if (can_go_in_bytes(&dialogues[i]))
			failures += !hold_dialogue(&dialogues[i], true);
	}
	assert_int_equal(failures, 0);
}

static void expect_too_long(const char *head, const char *error)
{
	enum { LIMIT = 64 * 1024 };
	char *line = malloc(LIMIT + 64), got[128];
	size_t length = strlen(head);
	int s = client_connect(port);

	assert_non_null(line);
	memcpy(line, head, length);
	memset(line + length, '1', LIMIT + 1);
	assert_true(client_send(s, line, length + LIMIT + 1));
	length = client_receive(s, got, sizeof got);
	assert_int_equal(length, strlen(error));
	assert_memory_equal(got, error, length);
	close(s);
	free(line);
}

static void test_lines_without_end(void **state)
{
	(void)state;
	expect_too_long("*", "-ERR Protocol error: too big mbulk count string\r\n");
	expect_too_long("*1\r\n$", "-ERR Protocol error: too big bulk count string\r\n");
	expect_too_long("x", "-ERR Protocol error: too big inline request\r\n");
}

static int start(void **state)
{
	static const char *const arguments[] = { "--port=0", "--threads=2", NULL };

	(void)state;
	if (foreign)
		return 0;
	if (!process_start(&broker, BROKER_PROGRAM, arguments))
		return -1;
	port = broker.port;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	return foreign ? 0 : process_end(&broker, SIGTERM);
}

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_lines_without_end),
	};

	foreign = count > 1;
	port = foreign ? atoi(arguments[1]) : 0;
	return cmocka_run_group_tests(tests, start, stop);
}
