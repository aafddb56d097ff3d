#include "frame.h"

#include <stdio.h>
#include <string.h>

enum line_result { LINE_MORE, LINE_DONE, LINE_TOO_LONG };

/* One character of the number, in the only spelling Redis takes: no plus, no leading zero, within 64 bits. */
static void line_number(struct frame_line *line, char c)
{
	bool first = line->length == 1 || (line->negative && line->length == 2);

	if (c == '-' && line->length == 1) {
		line->negative = true;
		return;
	}
	if (c < '0' || c > '9' || (!first && line->number == 0) || (c == '0' && line->negative && first)) {
		line->invalid = true;
		return;
	}
	if (line->number > (INT64_MAX - (uint64_t)(c - '0')) / 10)
		line->invalid = true;
	else
		line->number = line->number * 10 + (uint64_t)(c - '0');
}

static bool line_is_number(const struct frame_line *line)
{
	return !line->invalid && line->length > (line->negative ? 2 : 1);
}

static enum line_result line_take(struct frame_line *line, char c)
{
	if (line->ending) {
		line->invalid |= c != '\n';
		return LINE_DONE;
	}
	if (line->length == 0)
		line->kind = c;
	if (c == '\r') {
		line->ending = true;
		return LINE_MORE;
	}
	if (line->length > 0)
		line_number(line, c);
	return ++line->length > FRAME_LINE_LIMIT ? LINE_TOO_LONG : LINE_MORE;
}

/* What nearly every line is: all of it there, a number of a few digits. False: line_take must look at it. */
static bool line_is_plain(struct frame_line *line, const char **next, const char *end)
{
	enum { DIGITS = 9 };
	const char *digits = *next + 1, *p = digits;
	uint64_t number = 0;

	if (line->length > 0 || line->ending || end - digits < DIGITS + 2)
		return false;
	while (p < digits + DIGITS && *p >= '0' && *p <= '9')
		number = number * 10 + (uint64_t)(*p++ - '0');
	if (p == digits || (*digits == '0' && p > digits + 1) || p[0] != '\r' || p[1] != '\n')
		return false;
	line->kind = **next;
	line->number = number;
	line->length = (size_t)(p - *next);
	*next = p + 2;
	return true;
}

static enum line_result line_scan(struct frame_line *line, const char **next, const char *end)
{
	enum line_result result = LINE_MORE;
	struct frame_line taken = *line; /* in registers: `next` might point into *line for all the compiler knows */
	const char *p = *next;

	if (line_is_plain(line, next, end))
		return LINE_DONE;
	while (p < end && result == LINE_MORE)
		result = line_take(&taken, *p++);
	*line = taken;
	*next = p;
	return result;
}

static enum frame_result frame_fail(struct frame *frame, enum frame_error error)
{
	frame->error = error;
	return FRAME_BAD;
}

static enum frame_result frame_next(struct frame *frame, enum frame_step step)
{
	frame->step = step;
	frame->line = (struct frame_line){ 0 };
	return FRAME_MORE;
}

static enum frame_result frame_end(struct frame *frame, enum frame_result result)
{
	frame_next(frame, FRAME_AT_START);
	return result;
}

static enum frame_result scan_words(struct frame *frame, const char **next, const char *end)
{
	const char *newline = memchr(*next, '\n', (size_t)(end - *next));

	frame->line.length += (size_t)((newline ? newline : end) - *next);
	*next = newline ? newline + 1 : end;
	if (frame->line.length > FRAME_LINE_LIMIT)
		return frame_fail(frame, FRAME_INLINE_TOO_LONG);
	return newline ? frame_end(frame, FRAME_INLINE) : FRAME_MORE;
}

static enum frame_result scan_count(struct frame *frame, const char **next, const char *end)
{
	enum line_result result = line_scan(&frame->line, next, end);

	if (result == LINE_MORE)
		return FRAME_MORE;
	if (result == LINE_TOO_LONG)
		return frame_fail(frame, FRAME_COUNT_TOO_LONG);
	if (!line_is_number(&frame->line))
		return frame_fail(frame, FRAME_COUNT_INVALID);
	if (frame->line.negative || frame->line.number == 0)
		return frame_end(frame, FRAME_EMPTY);
	if (frame->line.number > FRAME_ARGUMENTS_LIMIT)
		return frame_fail(frame, FRAME_COUNT_INVALID);
	frame->arguments = frame->remaining = (size_t)frame->line.number;
	return frame_next(frame, FRAME_AT_LENGTH);
}

static enum frame_result scan_length(struct frame *frame, const char **next, const char *end)
{
	enum line_result result = line_scan(&frame->line, next, end);

	if (result == LINE_MORE)
		return FRAME_MORE;
	if (result == LINE_TOO_LONG)
		return frame_fail(frame, FRAME_LENGTH_TOO_LONG);
	if (frame->line.kind != '$')
		return frame_fail(frame, FRAME_NOT_A_STRING);
	if (!line_is_number(&frame->line) || frame->line.negative || frame->line.number > FRAME_ARGUMENT_LIMIT)
		return frame_fail(frame, FRAME_LENGTH_INVALID);
	frame->body = (size_t)frame->line.number + 2;
	return frame_next(frame, FRAME_AT_ARGUMENT);
}

static enum frame_result scan_argument(struct frame *frame, const char **next, const char *end)
{
	size_t there = (size_t)(end - *next);
	size_t taken = there < frame->body ? there : frame->body;

	*next += taken;
	frame->body -= taken;
	if (frame->body > 0)
		return FRAME_MORE;
	if (--frame->remaining == 0)
		return frame_end(frame, FRAME_COMPLETE);
	return frame_next(frame, FRAME_AT_LENGTH);
}

static enum frame_result scan_step(struct frame *frame, const char **next, const char *end)
{
	switch (frame->step) {
	case FRAME_AT_START:
		frame->size = 0;
		return frame_next(frame, **next == '*' ? FRAME_AT_COUNT : FRAME_AT_WORDS);
	case FRAME_AT_WORDS:
		return scan_words(frame, next, end);
	case FRAME_AT_COUNT:
		return scan_count(frame, next, end);
	case FRAME_AT_LENGTH:
		return scan_length(frame, next, end);
	case FRAME_AT_ARGUMENT:
		break;
	}
	return scan_argument(frame, next, end);
}

enum frame_result frame_scan(struct frame *frame, const char *bytes, size_t length, size_t *used)
{
	const char *next = bytes;
	enum frame_result result;

	do
		result = scan_step(frame, &next, bytes + length);
	while (result == FRAME_MORE && next < bytes + length);
	*used = (size_t)(next - bytes);
	frame->size += *used;
	if (result != FRAME_BAD && frame->size > FRAME_REQUEST_LIMIT)
		result = frame_fail(frame, FRAME_REQUEST_TOO_LARGE);
	return result;
}

bool frame_in_first_line(const struct frame *frame)
{
	return frame->step <= FRAME_AT_COUNT;
}

void frame_error_text(const struct frame *frame, char *text, size_t size)
{
	static const char *const texts[] = {
		[FRAME_OK] = "",
		[FRAME_COUNT_TOO_LONG] = "too big mbulk count string",
		[FRAME_COUNT_INVALID] = "invalid multibulk length",
		[FRAME_LENGTH_TOO_LONG] = "too big bulk count string",
		[FRAME_LENGTH_INVALID] = "invalid bulk length",
		[FRAME_INLINE_TOO_LONG] = "too big inline request",
		[FRAME_REQUEST_TOO_LARGE] = "",
	};

	if (frame->error == FRAME_NOT_A_STRING)
		snprintf(text, size, "expected '$', got '%c'", frame->line.kind);
	else
		snprintf(text, size, "%s", texts[frame->error]);
}
