#ifndef BROKER_OUTPUT_H
#define BROKER_OUTPUT_H

/*
 * Replies on their way to one client: bytes, and objects whose bytes are sent from where they are.
 *
 * A small value is copied; a large one is pinned: the output owns a strong reference to it until it has been sent, so a
 * value that is overwritten meanwhile stays whole for this client and costs no copy.
 * One thread at a time. When memory runs out the output turns `failed` and keeps taking calls; its client is lost.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* An object's bytes that belong in front of bytes[offset]. */
struct output_pin {
	size_t offset;
	const void *object;
	const char *bytes;
	size_t length;
};

/* Zero bytes are an empty output. */
struct output {
	char *bytes;
	size_t length, capacity;
	struct output_pin *pins;
	uv_buf_t *buffers; /* room for two a pin and one more */
	uv_buf_t whole;    /* the same without pins */
	size_t pin_count, pin_capacity;
	size_t pinned;   /* bytes of all pins */
	uint64_t errors; /* error replies that nobody has counted yet */
	bool failed;
};

/* Room for `size` more bytes, or NULL. Write there, then output_commit what was written. */
char *output_grow(struct output *output, size_t size);

static inline char *output_reserve(struct output *output, size_t size)
{
	if (output->capacity - output->length >= size)
		return output->bytes + output->length;
	return output_grow(output, size);
}

/* Everything up to `end`, which lies in the reserved room, is part of the output. */
static inline void output_commit(struct output *output, const char *end)
{
	output->length = (size_t)(end - output->bytes);
}

void output_append(struct output *output, const void *bytes, size_t length);

/* Takes over a strong reference to `object`; `bytes` are part of it. */
void output_pin(struct output *output, const void *object, const char *bytes, size_t length);

static inline size_t output_size(const struct output *output)
{
	return output->length + output->pinned;
}

/* Buffers for everything behind the first `sent` bytes, `*count` of them; valid until the output changes. */
const uv_buf_t *output_buffers(struct output *output, size_t sent, unsigned *count);

/* Empties it, releases the pinned objects, keeps a moderate buffer for the next replies. */
void output_clear(struct output *output);

/* Gives all memory back. */
void output_release(struct output *output);

#endif
