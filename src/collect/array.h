/*
 * collect/array.h - the memory of arrays and of overflow buckets
 *
 * Layer: collect.
 */
#ifndef WKI_COLLECT_ARRAY_H
#define WKI_COLLECT_ARRAY_H

#include "collect/slots.h"
#include "weakref/object.h"

static inline unsigned wki_array_bits(const struct wki_array *array)
{
	return wki_slots_shift(array->shift);
}

/* wki_array_new - 2^bits empty buckets; NULL: no memory */
struct wki_array *wki_array_new(const wk_allocator *allocator, unsigned bits);
/* wki_array_free - of an array that nobody else has seen and that has no overflow buckets */
void wki_array_free(struct wki_array *array);
/* wki_array_retire - nobody can come to it any more; who is in it leaves within a grace period */
void wki_array_retire(struct wki_array *array);
/* wki_array_reclaim - nobody is in it any more; a large one is taken apart by the runner, little by little */
void wki_array_reclaim(struct wki_array *array);

/* wki_bucket_new - zeroed, a cache line of its own; NULL: no memory */
struct wki_bucket *wki_bucket_new(const wk_allocator *allocator);
void wki_bucket_free(const wk_allocator *allocator, struct wki_bucket *bucket);

#endif
