#ifndef BROKER_PROTOCOL_H
#define BROKER_PROTOCOL_H

/*
 * Requests of one connection: bytes in, arguments out.
 *
 * The frame scanner decides what may pass and where it ends; hiredis's reader keeps the bytes of unfinished requests
 * and finds the arguments in finished ones. A request is handed over from inside the reader's callback for its last
 * argument, because the reader moves its buffer before it returns: the arguments are the reader's own bytes, uncopied.
 */

#include "frame.h"
#include "inline.h"

struct redisReader;

/* One request; its arguments are valid until the handler returns. False: take nothing more from this connection. */
typedef bool request_handler(void *context, const struct argument *arguments, size_t count);

enum request_status {
	REQUEST_MORE,     /* every byte was taken */
	REQUEST_STOPPED,  /* the handler said so */
	REQUEST_BAD,      /* the protocol was violated: send request_error_text, close */
	REQUEST_NO_MEMORY /* close */
};

struct request_reader {
	struct frame frame;
	struct redisReader *reader;
	request_handler *handle;
	void *context;
	struct argument *arguments;
	size_t count, capacity;
	char *held; /* the beginning of an unfinished first line: not yet known to be the reader's */
	size_t held_length;
	bool unbalanced, stopped;
};

/* False: no memory, nothing to release. */
bool request_reader_init(struct request_reader *requests, request_handler *handle, void *context);
void request_reader_release(struct request_reader *requests);

/* Takes `length` bytes and hands over the requests that end in them. Words of inline requests are resolved in place. */
enum request_status request_reader_feed(struct request_reader *requests, char *bytes, size_t length);

/* After REQUEST_BAD: what to reply without "-ERR "; empty: nothing. */
void request_error_text(const struct request_reader *requests, char *text, size_t size);

#endif
