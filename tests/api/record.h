/*
 * tests/api/record.h - what happened, in order, and where: for callbacks, finalizers and destructors that note a number
 *
 * Written by one thread at a time, read after settle.
 */
#ifndef TESTS_API_RECORD_H
#define TESTS_API_RECORD_H

#include "runtime_fixture.h"

#include <pthread.h>

static struct {
	int what[64];
	pthread_t where[64];
	unsigned count;
} record;

static inline void note(int what)
{
	record.what[record.count % 64] = what;
	record.where[record.count++ % 64] = pthread_self();
}

/* assert_recorded - these numbers, each noted on this thread (`here`) or on another, and nothing else; then all is forgotten */
static inline void assert_recorded(bool here, const int *expected, unsigned count)
{
	unsigned i;

	assert_int_equal(record.count, count);
	for (i = 0; i < count; i++) {
		assert_int_equal(record.what[i], expected[i]);
		assert_int_equal(pthread_equal(record.where[i], pthread_self()) != 0, here);
	}
	record.count = 0;
}

#define ASSERT_HAPPENED(here, ...) \
	assert_recorded((here), (const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))
#define ASSERT_NOTHING_HAPPENED() assert_int_equal(record.count, 0)

#endif
