/*
 * collect/array.c - arrays and overflow buckets: made and taken apart
 *
 * Layer: collect.
 */
#include "collect/array.h"

#include <string.h>

#include "base/memory.h"
#include "collect/pages.h"
#include "reclaim/cache.h"
#include "reclaim/limbo.h"
#include "reclaim/runner.h"

#define ARRAY_ALIGNMENT 64u
#define ARRAY_STRIDE 1024u /* buckets whose overflow is freed at a time */
#define ARRAY_SMALL 256u   /* so few wait with the thread that retires them, until it retires something else */

/* An array and what it takes to free it. */
struct array_memory {
	struct wki_array array; /* first */
	struct wki_deferred retired;
	const wk_allocator *allocator;
	size_t freed; /* buckets whose overflow has been freed */
};

struct wki_bucket *wki_bucket_new(const wk_allocator *allocator)
{
	struct wki_bucket *bucket;

	if (allocator != NULL)
		return wki_allocate_zeroed(allocator, sizeof(*bucket), ARRAY_ALIGNMENT);
	bucket = wki_cache_allocate(sizeof(*bucket));
	if (bucket != NULL)
		memset(bucket, 0, sizeof(*bucket));
	return bucket;
}

void wki_bucket_free(const wk_allocator *allocator, struct wki_bucket *bucket)
{
	if (allocator != NULL)
		wki_free(allocator, bucket, sizeof(*bucket), ARRAY_ALIGNMENT);
	else
		wki_cache_free(bucket, sizeof(*bucket));
}

static size_t array_size(const struct wki_array *array)
{
	return wki_slots_buckets(array) * sizeof(struct wki_bucket);
}

void wki_array_free(struct wki_array *array)
{
	struct array_memory *memory = (struct array_memory *)array;

	wki_pages_free(memory->allocator, array->buckets, array_size(array));
	wki_free(memory->allocator, memory, sizeof(*memory), ARRAY_ALIGNMENT);
}

static void array_free_overflow(const struct array_memory *memory, size_t home)
{
	struct wki_bucket *bucket = wki_word_bucket(wki_slots_load(&memory->array.buckets[home].next)), *next;

	for (; bucket != NULL; bucket = next) {
		next = wki_word_bucket(wki_slots_load(&bucket->next));
		wki_bucket_free(memory->allocator, bucket);
	}
}

void wki_array_reclaim(struct wki_array *array)
{
	struct array_memory *memory = (struct array_memory *)array;
	size_t buckets = wki_slots_buckets(array), end = memory->freed + ARRAY_STRIDE;

	for (; memory->freed < buckets && memory->freed < end; memory->freed++)
		array_free_overflow(memory, memory->freed);
	if (memory->freed < buckets)
		wki_runner_now(wki_tag(&memory->retired.link, WKI_KIND_DEFERRED));
	else
		wki_array_free(array);
}

static void array_run(struct wki_deferred *retired)
{
	wki_array_reclaim((struct wki_array *)(void *)((char *)retired - offsetof(struct array_memory, retired)));
}

void wki_array_retire(struct wki_array *array)
{
	struct array_memory *memory = (struct array_memory *)array;
	wki_tagged tagged = wki_tag(&memory->retired.link, WKI_KIND_DEFERRED);

	if (wki_slots_buckets(array) <= ARRAY_SMALL)
		wki_limbo_retire(tagged, sizeof(*memory) + array_size(array));
	else
		wki_runner_after_grace(tagged);
}

struct wki_array *wki_array_new(const wk_allocator *allocator, unsigned bits)
{
	struct array_memory *memory = wki_allocate_zeroed(allocator, sizeof(*memory), ARRAY_ALIGNMENT);

	if (memory == NULL)
		return NULL;
	memory->array.buckets = wki_pages_new(allocator, sizeof(struct wki_bucket) << bits);
	if (memory->array.buckets == NULL) {
		wki_free(allocator, memory, sizeof(*memory), ARRAY_ALIGNMENT);
		return NULL;
	}
	memory->array.shift = wki_slots_shift(bits);
	memory->allocator = allocator;
	memory->retired.run = array_run;
	return &memory->array;
}
