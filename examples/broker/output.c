#include "output.h"

#include <stdlib.h>
#include <string.h>
#include <weakref.h>

enum { FIRST_CAPACITY = 1024, KEPT_CAPACITY = 64 * 1024, FIRST_PINS = 8, KEPT_PINS = 1024 };

char *output_grow(struct output *output, size_t size)
{
	size_t capacity = output->capacity ? output->capacity : FIRST_CAPACITY;
	char *bytes = NULL;

	while (capacity - output->length < size && capacity <= SIZE_MAX / 2)
		capacity *= 2;
	if (!output->failed && capacity - output->length >= size)
		bytes = realloc(output->bytes, capacity);
	if (!bytes) {
		output->failed = true;
		return NULL;
	}
	output->bytes = bytes;
	output->capacity = capacity;
	return bytes + output->length;
}

void output_append(struct output *output, const void *bytes, size_t length)
{
	char *room = length > 0 ? output_reserve(output, length) : NULL;

	if (!room)
		return;
	memcpy(room, bytes, length);
	output->length += length;
}

static bool grow_pins(struct output *output)
{
	size_t capacity = output->pin_capacity ? output->pin_capacity * 2 : FIRST_PINS;
	struct output_pin *pins;
	uv_buf_t *buffers;

	if (output->pin_count < output->pin_capacity)
		return true;
	buffers = realloc(output->buffers, (2 * capacity + 1) * sizeof *buffers);
	if (buffers)
		output->buffers = buffers;
	pins = realloc(output->pins, capacity * sizeof *pins);
	if (pins)
		output->pins = pins;
	if (!buffers || !pins)
		return false;
	output->pin_capacity = capacity;
	return true;
}

void output_pin(struct output *output, const void *object, const char *bytes, size_t length)
{
	if (!grow_pins(output)) {
		output->failed = true;
		wk_release(object);
		return;
	}
	output->pins[output->pin_count++] = (struct output_pin){ output->length, object, bytes, length };
	output->pinned += length;
}

/* Appends a buffer for bytes[0..length) less what of it was `sent` already. */
static unsigned put_buffer(uv_buf_t *buffers, unsigned count, const char *bytes, size_t length, size_t *sent)
{
	size_t skip = *sent < length ? *sent : length;

	*sent -= skip;
	if (skip == length)
		return count;
	buffers[count] = (uv_buf_t){ .base = (char *)bytes + skip, .len = length - skip };
	return count + 1;
}

const uv_buf_t *output_buffers(struct output *output, size_t sent, unsigned *count)
{
	uv_buf_t *buffers = output->pin_count ? output->buffers : &output->whole;
	size_t from = 0;

	*count = 0;
	for (size_t i = 0; i < output->pin_count; i++) {
		const struct output_pin *pin = &output->pins[i];

		*count = put_buffer(buffers, *count, output->bytes + from, pin->offset - from, &sent);
		*count = put_buffer(buffers, *count, pin->bytes, pin->length, &sent);
		from = pin->offset;
	}
	*count = put_buffer(buffers, *count, output->bytes + from, output->length - from, &sent);
	return buffers;
}

static void drop_pins(struct output *output)
{
	free(output->pins);
	free(output->buffers);
	output->pins = NULL;
	output->buffers = NULL;
	output->pin_capacity = 0;
}

void output_clear(struct output *output)
{
	for (size_t i = 0; i < output->pin_count; i++)
		wk_release(output->pins[i].object);
	output->pin_count = 0;
	output->pinned = 0;
	output->length = 0;
	if (output->capacity > KEPT_CAPACITY) {
		free(output->bytes);
		output->bytes = NULL;
		output->capacity = 0;
	}
	if (output->pin_capacity > KEPT_PINS)
		drop_pins(output);
}

void output_release(struct output *output)
{
	output_clear(output);
	free(output->bytes);
	drop_pins(output);
	*output = (struct output){ 0 };
}
