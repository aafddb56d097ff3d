/* Requests out of bytes: every input whole, cut in two at every place, and byte by byte must read the same. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol.h"

/* What came out: "[argument|argument]" for each request, then "!error" if there was one. */
struct transcript {
	char text[8192];
	size_t length;
	unsigned stop_at, requests;
};

static void put(struct transcript *t, const char *bytes, size_t length)
{
	assert_true(t->length + length < sizeof t->text);
	memcpy(t->text + t->length, bytes, length);
	t->length += length;
	t->text[t->length] = '\0';
}

static bool note_request(void *context, const struct argument *arguments, size_t count)
{
	struct transcript *t = context;

	for (size_t i = 0; i < count; i++) {
		put(t, i == 0 ? "[" : "|", 1);
		put(t, arguments[i].bytes, arguments[i].length);
	}
	put(t, "]", 1);
	return ++t->requests != t->stop_at;
}

static enum request_status feed_copy(struct request_reader *requests, const char *bytes, size_t length)
{
	char *copy = malloc(length + 1); /* exactly as long as what may be touched: AddressSanitizer sees the rest */
	enum request_status status;

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	status = length > 0 ? request_reader_feed(requests, copy, length) : REQUEST_MORE;
	free(copy);
	return status;
}

/* Feeds in pieces of `piece` bytes, the first one of `first`. */
static void read_in_pieces(struct transcript *t, const char *bytes, size_t length, size_t first, size_t piece)
{
	enum request_status status = REQUEST_MORE;
	struct request_reader requests;
	size_t taken = 0;

	assert_true(request_reader_init(&requests, note_request, t));
	while (taken < length && status == REQUEST_MORE) {
		size_t wanted = taken == 0 ? first : piece;
		size_t next = wanted < length - taken ? wanted : length - taken;

		status = feed_copy(&requests, bytes + taken, next);
		taken += next;
	}
	if (status == REQUEST_BAD) {
		char error[96];

		request_error_text(&requests, error, sizeof error);
		put(t, "!", 1);
		put(t, error, strlen(error));
	}
	assert_int_not_equal(status, REQUEST_NO_MEMORY);
	request_reader_release(&requests);
}

static void expect(const char *bytes, size_t length, const char *expected, size_t first, size_t piece)
{
	struct transcript t = { .length = 0 };

	read_in_pieces(&t, bytes, length, first, piece);
	if (t.length != strlen(expected) || memcmp(t.text, expected, t.length) != 0)
		fail_msg("%.60s cut at %zu, then every %zu: got %s, not %s", bytes, first, piece, t.text, expected);
}

struct reading {
	const char *bytes;
	size_t length;
	const char *expected;
};
#define READING(bytes, expected) { bytes, sizeof bytes - 1, expected }

static const struct reading readings[] = {
	READING("*1\r\n$4\r\nPING\r\n", "[PING]"),
	READING("*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n", "[ECHO|hello]"),
	READING("*1\r\n$0\r\n\r\n", "[]"),
	READING("*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n*1\r\n$1\r\nc\r\n", "[a][b][c]"),
	READING("*0\r\n*1\r\n$1\r\na\r\n", "[a]"),
	READING("*-1\r\n*-7\r\n*1\r\n$1\r\na\r\n", "[a]"),
	READING("*1\r\n$2\r\n\r\n\r\n", "[\r\n]"),
	READING("*1\r\n$4\r\n$1\r\n\r\n", "[$1\r\n]"),
	READING("*1\r\n$3\r\nabcxx*1\r\n$1\r\nd\r\n", "[abc][d]"),
	READING("*12\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n"
		"$2\r\n10\r\n$2\r\n11\r\n$2\r\n12\r\n",
		"[1|2|3|4|5|6|7|8|9|10|11|12]"),
	/* unfinished */
	READING("*", ""),
	READING("*1\r", ""),
	READING("*1\r\n$4\r\nPING\r", ""),
	READING("*1\r\n$1\r\na\r\n*2\r\n$4\r\nECHO\r\n$536870912\r\nab", "[a]"),
	READING("PING", ""),
	/* lines of words */
	READING("PING\r\n", "[PING]"),
	READING("PING\n", "[PING]"),
	READING("\r\n\r\n  \r\nPING\r\n", "[PING]"),
	READING("  set\ta  b \r\nget a\r\n", "[set|a|b][get|a]"),
	READING("ECHO \"a b\\x41\\n\\\"\\q\" 'c\\'d\\n'\r\n", "[ECHO|a bA\n\"q|c'd\\n]"),
	READING("ECHO \"\" ''\r\n", "[ECHO||]"),
	READING("ECHO a\"b c\"\r\n", "[ECHO|ab c]"),
	READING("ECHO \"\\x4\" \"\\xg1\"\r\n", "[ECHO|x4|xg1]"),
	READING("$4\r\nPING\r\n", "[$4][PING]"),
	READING("PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n", "[PING][PING][PING]"),
	READING("ECHO \"a\r\n", "!Protocol error: unbalanced quotes in request"),
	READING("ECHO 'a\r\n", "!Protocol error: unbalanced quotes in request"),
	READING("ECHO \"a\\\r\n", "!Protocol error: unbalanced quotes in request"),
	READING("ECHO \"a\"b\r\n", "!Protocol error: unbalanced quotes in request"),
	/* the count of arguments */
	READING("*\r\n", "!Protocol error: invalid multibulk length"),
	READING("*-\r\n", "!Protocol error: invalid multibulk length"),
	READING("*a\r\n", "!Protocol error: invalid multibulk length"),
	READING("*1a\r\n", "!Protocol error: invalid multibulk length"),
	READING("*+1\r\n", "!Protocol error: invalid multibulk length"),
	READING("*01\r\n", "!Protocol error: invalid multibulk length"),
	READING("*-0\r\n", "!Protocol error: invalid multibulk length"),
	READING("* 1\r\n", "!Protocol error: invalid multibulk length"),
	READING("*1048576\r\n", ""),
	READING("*1048577\r\n", "!Protocol error: invalid multibulk length"),
	READING("*9223372036854775807\r\n", "!Protocol error: invalid multibulk length"),
	READING("*9223372036854775808\r\n", "!Protocol error: invalid multibulk length"),
	READING("*18446744073709551617\r\n", "!Protocol error: invalid multibulk length"),
	READING("*-99999999999999999999\r\n", "!Protocol error: invalid multibulk length"),
	READING("*1\rx$4\r\nPING\r\n", "!Protocol error: invalid multibulk length"),
	/* the length of an argument */
	READING("*1\r\n$\r\n", "!Protocol error: invalid bulk length"),
	READING("*1\r\n$-1\r\n", "!Protocol error: invalid bulk length"),
	READING("*1\r\n$x\r\n", "!Protocol error: invalid bulk length"),
	READING("*1\r\n$536870913\r\n", "!Protocol error: invalid bulk length"),
	READING("*1\r\n$300000000000000000000\r\n", "!Protocol error: invalid bulk length"),
	READING("*2\r\n$4\r\nECHO\r\n$-5\r\n", "!Protocol error: invalid bulk length"),
	/* what is not a string */
	READING("*1\r\n:1\r\n", "!Protocol error: expected '$', got ':'"),
	READING("*1\r\n*1\r\n$1\r\na\r\n", "!Protocol error: expected '$', got '*'"),
	READING("*2\r\n$1\r\na\r\n+b\r\n", "!Protocol error: expected '$', got '+'"),
	READING("*1\r\n4\r\nPING\r\n", "!Protocol error: expected '$', got '4'"),
	READING("*1\r\n\r\n", "!Protocol error: expected '$', got '\r'"),
	READING("*1\r\n$3\r\nlonger\r\n*1\r\n$1\r\na\r\n", "[lon][r][a]"),
};

static void test_readings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof readings / sizeof readings[0]; i++) {
		const struct reading *r = &readings[i];

		expect(r->bytes, r->length, r->expected, r->length, r->length);
		expect(r->bytes, r->length, r->expected, 1, 1);
		for (size_t cut = 1; cut < r->length; cut++)
			expect(r->bytes, r->length, r->expected, cut, r->length);
	}
}

/* Bytes of every value go through, and a request that lies across the reader's own compaction stays whole. */
static void test_binary_arguments(void **state)
{
	struct transcript t = { .length = 0 };
	char bytes[2200];
	size_t head = (size_t)sprintf(bytes, "*2\r\n$4\r\nECHO\r\n$2048\r\n");
	size_t length = head;

	(void)state;
	for (int i = 0; i < 2048; i++)
		bytes[length++] = (char)i;
	length += (size_t)sprintf(bytes + length, "\r\n");
	for (size_t piece = 1; piece < 2200; piece += 37) {
		t.length = 0;
		read_in_pieces(&t, bytes, length, 700, piece);
		assert_int_equal(t.length, 6 + 2048 + 1);
		assert_memory_equal(t.text + 6, bytes + head, 2048);
	}
}

/* A line without an end: taken up to 64 KiB, refused with one byte more, however it arrives. */
static void expect_line_limit(const char *head, const char *error)
{
	size_t before = strlen(head), length = before + FRAME_LINE_LIMIT;
	const char *line = strrchr(head, '\n');
	char *bytes = malloc(length + 1);

	assert_non_null(bytes);
	memcpy(bytes, head, before);
	memset(bytes + before, '1', FRAME_LINE_LIMIT + 1);
	length -= line ? strlen(line + 1) : before; /* what of the line stands in the head */
	for (size_t piece = 999; piece <= 70000; piece += 69001) {
		expect(bytes, length, "", piece, piece);
		expect(bytes, length + 1, error, piece, piece);
	}
	free(bytes);
}

static void test_line_limits(void **state)
{
	(void)state;
	expect_line_limit("*", "!Protocol error: too big mbulk count string");
	expect_line_limit("*1\r\n$", "!Protocol error: too big bulk count string");
	expect_line_limit("*1\r\nx", "!Protocol error: too big bulk count string");
	expect_line_limit("x", "!Protocol error: too big inline request");
}

static void test_many_arguments(void **state)
{
	enum { COUNT = 5000 };
	struct transcript t = { .length = 0 };
	char *bytes = malloc(COUNT * 8 + 32);
	size_t length;

	(void)state;
	assert_non_null(bytes);
	length = (size_t)sprintf(bytes, "*%d\r\n", COUNT);
	for (int i = 0; i < COUNT; i++)
		length += (size_t)sprintf(bytes + length, "$0\r\n\r\n");
	length += (size_t)sprintf(bytes + length, "*1\r\n$1\r\na\r\n");
	read_in_pieces(&t, bytes, length, 100, 4096);
	assert_int_equal(t.requests, 2);
	assert_int_equal(t.length, COUNT + 1 + 3);
	free(bytes);
}

/* After the handler says stop nothing more is handed over. */
static void test_stop(void **state)
{
	static const char bytes[] = "*1\r\n$1\r\na\r\nb\r\n*1\r\n$1\r\nc\r\n";
	struct transcript t = { .stop_at = 1 };

	(void)state;
	read_in_pieces(&t, bytes, sizeof bytes - 1, sizeof bytes, 1);
	assert_string_equal(t.text, "[a]");
	t = (struct transcript){ .stop_at = 2 };
	read_in_pieces(&t, bytes, sizeof bytes - 1, sizeof bytes, 1);
	assert_string_equal(t.text, "[a][b]");
}

/* The scanner alone: a request above the limit of all requests is refused without a word. */
static void test_request_limit(void **state)
{
	struct frame frame = { 0 };
	char body[4096] = { 0 };
	char text[64];
	size_t used;

	(void)state;
	assert_int_equal(frame_scan(&frame, "*3\r\n", 4, &used), FRAME_MORE);
	for (int argument = 0; argument < 2; argument++) {
		assert_int_equal(frame_scan(&frame, "$536870912\r\n", 12, &used), FRAME_MORE);
		for (int i = 0; i < 131072 && frame.size + sizeof body <= FRAME_REQUEST_LIMIT; i++)
			assert_int_equal(frame_scan(&frame, body, sizeof body, &used), FRAME_MORE);
		if (argument == 0)
			assert_int_equal(frame_scan(&frame, "\r\n", 2, &used), FRAME_MORE);
	}
	assert_int_equal(frame_scan(&frame, body, sizeof body, &used), FRAME_BAD);
	frame_error_text(&frame, text, sizeof text);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readings),
		cmocka_unit_test(test_binary_arguments),
		cmocka_unit_test(test_line_limits),
		cmocka_unit_test(test_many_arguments),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_request_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
