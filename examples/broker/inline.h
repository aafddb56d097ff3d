#ifndef BROKER_INLINE_H
#define BROKER_INLINE_H

#include <stdbool.h>
#include <stddef.h>

/* An argument of a request: bytes that somebody else owns, any value, no terminator. */
struct argument {
	const char *bytes;
	size_t length;
};

/* The most words that a line of `length` bytes can hold. */
static inline size_t inline_capacity(size_t length)
{
	return length / 2 + 1;
}

/**
 * inline_split - words of a line as somebody types it into telnet
 *
 * Words are separated by white space. "…" takes \n \r \t \b \a \xHH and \c for any other c; '…' takes \' alone; a
 * closing quote ends the word. Quotes are resolved in place: the words point into `line`, whose end of line may be part
 * of it. `words` has room for inline_capacity(length). False: a quote is left open or something follows a closing one.
 */
bool inline_split(char *line, size_t length, struct argument *words, size_t *count);

#endif
