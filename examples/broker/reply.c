#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	HEAD_SIZE = 24, /* a type character, a signed 64-bit number, CR LF */
	ERROR_SIZE = 512
};

static char *put_end(char *at)
{
	at[0] = '\r';
	at[1] = '\n';
	return at + 2;
}

static char *put_number(char *at, uint64_t number)
{
	char digits[20];
	size_t count = 0;

	do
		digits[sizeof digits - ++count] = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	memcpy(at, digits + sizeof digits - count, count);
	return at + count;
}

static char *put_head(char *at, char type, uint64_t number)
{
	*at = type;
	return put_end(put_number(at + 1, number));
}

void reply_simple(struct output *output, const char *text)
{
	size_t length = strlen(text);
	char *at = output_reserve(output, length + 3);

	if (!at)
		return;
	*at = '+';
	memcpy(at + 1, text, length);
	output_commit(output, put_end(at + 1 + length));
}

void reply_integer(struct output *output, int64_t number)
{
	char *at = output_reserve(output, HEAD_SIZE);

	if (!at)
		return;
	*at++ = ':';
	if (number < 0)
		*at++ = '-';
	output_commit(output, put_end(put_number(at, number < 0 ? -(uint64_t)number : (uint64_t)number)));
}

void reply_bulk(struct output *output, const void *bytes, size_t length)
{
	char *at = output_reserve(output, HEAD_SIZE + length + 2);

	if (!at)
		return;
	at = put_head(at, '$', length);
	memcpy(at, bytes, length);
	output_commit(output, put_end(at + length));
}

void reply_text(struct output *output, const char *text)
{
	reply_bulk(output, text, strlen(text));
}

void reply_nil(struct output *output)
{
	output_append(output, "$-1\r\n", 5);
}

void reply_array(struct output *output, size_t count)
{
	char *at = output_reserve(output, HEAD_SIZE);

	if (at)
		output_commit(output, put_head(at, '*', count));
}

void reply_error_bytes(struct output *output, const char *text, size_t length)
{
	char *at = output_reserve(output, length + 3);

	if (!at)
		return;
	*at++ = '-';
	for (size_t i = 0; i < length; i++)
		*at++ = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
	output->errors++;
	output_commit(output, put_end(at));
}

void reply_error(struct output *output, const char *format, ...)
{
	char text[ERROR_SIZE];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (length >= (int)sizeof text)
		length = (int)sizeof text - 1;
	if (length > 0)
		reply_error_bytes(output, text, (size_t)length);
}

void reply_pinned(struct output *output, const void *object, const char *bytes, size_t length)
{
	char *at = output_reserve(output, HEAD_SIZE);

	if (at)
		output_commit(output, put_head(at, '$', length));
	output_pin(output, object, bytes, length);
	output_append(output, "\r\n", 2);
}
