#ifndef BROKER_FRAME_H
#define BROKER_FRAME_H

/*
 * Where one request ends on the wire, and whether Redis would take it.
 *
 * hiredis parses requests, but it was made for replies: it takes types and sizes that no request may have, and its
 * errors are worded for clients. So every byte passes a frame scanner before hiredis sees it. The scanner looks at
 * the lines that announce sizes, skips over the bytes of arguments, and keeps its place when the bytes run out
 * anywhere. It never allocates and never looks at a byte twice.
 *
 * It is stricter than Redis in one point: a size line ends with CR LF, where Redis takes CR and any byte.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_LINE_LIMIT = 64 * 1024,            /* bytes of a line before its end */
	FRAME_ARGUMENTS_LIMIT = 1024 * 1024,     /* arguments of a request */
	FRAME_ARGUMENT_LIMIT = 512 * 1024 * 1024 /* bytes of an argument */
};
#define FRAME_REQUEST_LIMIT ((uint64_t)1 << 30) /* bytes of a request */

enum frame_result {
	FRAME_MORE,     /* the request goes on behind these bytes */
	FRAME_COMPLETE, /* a request with at least one argument ends here */
	FRAME_EMPTY,    /* a request without arguments ends here: nothing to do, nothing to say */
	FRAME_INLINE,   /* a line of words ends here */
	FRAME_BAD       /* see frame_error; the scanner must not be used again */
};

enum frame_error {
	FRAME_OK,
	FRAME_COUNT_TOO_LONG,
	FRAME_COUNT_INVALID,
	FRAME_LENGTH_TOO_LONG,
	FRAME_LENGTH_INVALID,
	FRAME_NOT_A_STRING,
	FRAME_INLINE_TOO_LONG,
	FRAME_REQUEST_TOO_LARGE
};

enum frame_step { FRAME_AT_START, FRAME_AT_WORDS, FRAME_AT_COUNT, FRAME_AT_LENGTH, FRAME_AT_ARGUMENT };

/* A size line as far as it has come: a kind ('*', '$'), a decimal number, CR LF. */
struct frame_line {
	uint64_t number;
	size_t length; /* bytes so far, without CR LF */
	char kind;
	bool negative, invalid, ending;
};

/* Zero bytes are a scanner at the start of a request. */
struct frame {
	enum frame_step step;
	enum frame_error error;
	struct frame_line line;
	size_t arguments; /* of this request */
	size_t remaining; /* arguments still to come */
	size_t body;      /* bytes of the current argument still to come, its CR LF included */
	uint64_t size;    /* bytes of this request so far */
};

/**
 * frame_scan - take the next bytes of a connection
 *
 * Looks at `length` > 0 bytes up to the end of the current request; `*used` says how many belong to it (all of them
 * for FRAME_MORE). After FRAME_COMPLETE, FRAME_EMPTY and FRAME_INLINE the next call begins a new request, and
 * frame->arguments and frame->size still describe the old one until then.
 */
enum frame_result frame_scan(struct frame *frame, const char *bytes, size_t length, size_t *used);

/* True between requests and while the first line has not ended: its bytes decide who parses the request. */
bool frame_in_first_line(const struct frame *frame);

/* What Redis says about frame->error, without "-ERR Protocol error: "; empty: Redis hangs up without a word. */
void frame_error_text(const struct frame *frame, char *text, size_t size);

#endif
