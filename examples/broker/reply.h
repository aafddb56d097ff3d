#ifndef BROKER_REPLY_H
#define BROKER_REPLY_H

/* Replies in RESP2, appended to a connection's output. */

#include <stdint.h>

#include "output.h"

void reply_simple(struct output *output, const char *text);               /* +text */
void reply_integer(struct output *output, int64_t number);                /* :number */
void reply_bulk(struct output *output, const void *bytes, size_t length); /* $length bytes */
void reply_text(struct output *output, const char *text);                 /* a bulk string */
void reply_nil(struct output *output);                                    /* $-1 */
void reply_array(struct output *output, size_t count);                    /* *count: that many replies follow */

/* -text, where the text begins with its code ("ERR …"). Line ends inside it become spaces. */
void reply_error(struct output *output, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_error_bytes(struct output *output, const char *text, size_t length);

/* As reply_bulk, without a copy: takes over a strong reference to `object`, whose bytes they are. */
void reply_pinned(struct output *output, const void *object, const char *bytes, size_t length);

#endif
