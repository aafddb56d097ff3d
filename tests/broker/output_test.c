/* Replies and the buffers that they are sent from: whatever part was sent, the rest is the rest. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weakref.h>

#include "reply.h"

struct text {
	size_t length;
	char bytes[];
};
WK_DEFINE_TYPE(text_type, struct text, .flags = 0);

static struct text *text_new(const char *bytes)
{
	struct text *text = WK_NEW_FLEX(struct text, bytes, strlen(bytes), &text_type, NULL);

	assert_non_null(text);
	text->length = strlen(bytes);
	memcpy(text->bytes, bytes, text->length);
	return text;
}

/* Every way to send `output` in two parts gives `expected`. */
static void expect_output(struct output *output, const char *expected)
{
	size_t length = strlen(expected);

	assert_int_equal(output_size(output), length);
	for (size_t sent = 0; sent < length; sent++) {
		unsigned count;
		const uv_buf_t *buffers = output_buffers(output, sent, &count);
		size_t at = sent;

		for (unsigned i = 0; i < count; i++) {
			assert_true(buffers[i].len > 0 && at + buffers[i].len <= length);
			assert_memory_equal(buffers[i].base, expected + at, buffers[i].len);
			at += buffers[i].len;
		}
		assert_int_equal(at, length);
	}
}

static void test_replies(void **state)
{
	struct output output = { 0 };

	(void)state;
	reply_simple(&output, "OK");
	reply_integer(&output, 0);
	reply_integer(&output, -12);
	reply_integer(&output, INT64_MAX);
	reply_integer(&output, INT64_MIN);
	reply_bulk(&output, "a\r\nb", 4);
	reply_text(&output, "");
	reply_nil(&output);
	reply_array(&output, 1048576);
	reply_error(&output, "ERR %s\r\n%d", "bad\n", 7);
	expect_output(&output,
		"+OK\r\n:0\r\n:-12\r\n:9223372036854775807\r\n:-9223372036854775808\r\n$4\r\na\r\nb\r\n$0\r\n\r\n$-1\r\n"
		"*1048576\r\n-ERR bad   7\r\n");
	output_release(&output);
}

static void test_pins(void **state)
{
	struct text *one = text_new("one"), *empty = text_new(""), *last = text_new("last");
	struct output output = { 0 };

	(void)state;
	for (int round = 0; round < 3; round++) {
		reply_pinned(&output, wk_retain(one), one->bytes, one->length);
		reply_simple(&output, "OK");
		reply_pinned(&output, wk_retain(empty), empty->bytes, empty->length);
		reply_pinned(&output, wk_retain(last), last->bytes, last->length);
		assert_int_equal(wk_strong_count(last), 2);
		expect_output(&output, "$3\r\none\r\n+OK\r\n$0\r\n\r\n$4\r\nlast\r\n");
		output_clear(&output);
		assert_int_equal(wk_strong_count(last), 1);
		assert_int_equal(output_size(&output), 0);
	}
	output_release(&output);
	wk_release(one);
	wk_release(empty);
	wk_release(last);
}

static void test_many_pins(void **state)
{
	enum { PINS = 100 };
	struct text *text = text_new("0123456789");
	struct output output = { 0 };
	char expected[PINS * 20] = "";

	(void)state;
	for (int i = 0; i < PINS; i++) {
		reply_pinned(&output, wk_retain(text), text->bytes, text->length);
		strcat(expected, "$10\r\n0123456789\r\n");
	}
	assert_int_equal(wk_strong_count(text), PINS + 1);
	expect_output(&output, expected);
	output_release(&output);
	assert_int_equal(wk_strong_count(text), 1);
	wk_release(text);
}

/* No memory for so much: it says so, keeps quiet afterwards, and loses no pinned object. */
static void test_failure(void **state)
{
	struct text *text = text_new("text");
	struct output output = { 0 };

	(void)state;
	reply_simple(&output, "OK");
	assert_null(output_reserve(&output, SIZE_MAX - 64));
	assert_true(output.failed);
	reply_pinned(&output, wk_retain(text), text->bytes, text->length);
	output_release(&output);
	assert_int_equal(wk_strong_count(text), 1);
	wk_release(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_many_pins),
		cmocka_unit_test(test_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
