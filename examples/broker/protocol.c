#include "protocol.h"

#include <hiredis/read.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARGUMENTS_KEPT = 1024,    /* room for arguments that a connection keeps between requests */
	READER_KEPT = 1024 * 1024 /* bytes of a request after which the reader's buffer is given back */
};

/* hiredis found an argument. Any result but NULL does: it is only ever handed back to us. */
static void *found_argument(const redisReadTask *task, char *bytes, size_t length)
{
	struct request_reader *requests = task->privdata;

	requests->arguments[requests->count++] = (struct argument){ bytes, length };
	if (requests->count == requests->frame.arguments)
		requests->stopped = !requests->handle(requests->context, requests->arguments, requests->count);
	return requests;
}

static redisReplyObjectFunctions reader_functions = { .createString = found_argument };

static bool open_reader(struct request_reader *requests)
{
	requests->reader = redisReaderCreateWithFunctions(&reader_functions);
	if (!requests->reader)
		return false;
	requests->reader->privdata = requests;
	return true;
}

bool request_reader_init(struct request_reader *requests, request_handler *handle, void *context)
{
	*requests = (struct request_reader){ .handle = handle, .context = context };
	return open_reader(requests);
}

void request_reader_release(struct request_reader *requests)
{
	if (requests->reader)
		redisReaderFree(requests->reader);
	free(requests->arguments);
	free(requests->held);
	*requests = (struct request_reader){ 0 };
}

static bool reserve_arguments(struct request_reader *requests, size_t count)
{
	struct argument *more;

	requests->count = 0;
	if (count <= requests->capacity)
		return true;
	more = realloc(requests->arguments, count * sizeof *more);
	if (!more)
		return false;
	requests->arguments = more;
	requests->capacity = count;
	return true;
}

static void trim_arguments(struct request_reader *requests)
{
	if (requests->capacity <= ARGUMENTS_KEPT)
		return;
	free(requests->arguments);
	requests->arguments = NULL;
	requests->capacity = 0;
}

static bool hold(struct request_reader *requests, const char *bytes, size_t length)
{
	char *more = realloc(requests->held, requests->held_length + length);

	if (!more)
		return false;
	memcpy(more + requests->held_length, bytes, length);
	requests->held = more;
	requests->held_length += length;
	return true;
}

static void let_go(struct request_reader *requests)
{
	free(requests->held);
	requests->held = NULL;
	requests->held_length = 0;
}

/* To hiredis: what was held, then these. */
static bool pass(struct request_reader *requests, const char *bytes, size_t length)
{
	if (requests->held) {
		if (redisReaderFeed(requests->reader, requests->held, requests->held_length) != REDIS_OK)
			return false;
		let_go(requests);
	}
	return redisReaderFeed(requests->reader, bytes, length) == REDIS_OK;
}

static enum request_status take_frame(struct request_reader *requests, const char *bytes, size_t length)
{
	void *ignored;

	if (!reserve_arguments(requests, requests->frame.arguments) || !pass(requests, bytes, length) ||
		redisReaderGetReply(requests->reader, &ignored) != REDIS_OK)
		return REQUEST_NO_MEMORY;
	trim_arguments(requests);
	if (requests->frame.size > READER_KEPT) {
		redisReaderFree(requests->reader);
		if (!open_reader(requests))
			return REQUEST_NO_MEMORY;
	}
	return requests->stopped ? REQUEST_STOPPED : REQUEST_MORE;
}

static enum request_status split_line(struct request_reader *requests, char *line, size_t length)
{
	if (!reserve_arguments(requests, inline_capacity(length)))
		return REQUEST_NO_MEMORY;
	if (!inline_split(line, length, requests->arguments, &requests->count)) {
		requests->unbalanced = true;
		return REQUEST_BAD;
	}
	if (requests->count > 0)
		requests->stopped = !requests->handle(requests->context, requests->arguments, requests->count);
	trim_arguments(requests);
	return requests->stopped ? REQUEST_STOPPED : REQUEST_MORE;
}

static enum request_status take_line(struct request_reader *requests, char *bytes, size_t length)
{
	enum request_status status;

	if (!requests->held)
		return split_line(requests, bytes, length);
	if (!hold(requests, bytes, length))
		return REQUEST_NO_MEMORY;
	status = split_line(requests, requests->held, requests->held_length);
	let_go(requests);
	return status;
}

static enum request_status take_part(struct request_reader *requests, const char *bytes, size_t length)
{
	bool taken =
		frame_in_first_line(&requests->frame) ? hold(requests, bytes, length) : pass(requests, bytes, length);

	return taken ? REQUEST_MORE : REQUEST_NO_MEMORY;
}

enum request_status request_reader_feed(struct request_reader *requests, char *bytes, size_t length)
{
	enum request_status status = REQUEST_MORE;
	size_t used;

	for (; length > 0 && status == REQUEST_MORE; bytes += used, length -= used) {
		switch (frame_scan(&requests->frame, bytes, length, &used)) {
		case FRAME_MORE:
			status = take_part(requests, bytes, used);
			break;
		case FRAME_COMPLETE:
			status = take_frame(requests, bytes, used);
			break;
		case FRAME_EMPTY:
			let_go(requests);
			break;
		case FRAME_INLINE:
			status = take_line(requests, bytes, used);
			break;
		case FRAME_BAD:
			status = REQUEST_BAD;
			break;
		}
	}
	return status;
}

void request_error_text(const struct request_reader *requests, char *text, size_t size)
{
	char reason[64];

	if (requests->unbalanced)
		snprintf(reason, sizeof reason, "unbalanced quotes in request");
	else
		frame_error_text(&requests->frame, reason, sizeof reason);
	snprintf(text, size, "%s%s", reason[0] ? "Protocol error: " : "", reason);
}
