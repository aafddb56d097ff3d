/*
 * collect/hash.c - seeds, and the hash that is too long to be inlined everywhere
 *
 * Layer: collect.
 */
#include "collect/hash.h"

#include <pthread.h>
#include <sys/random.h>

#include "base/atomic.h"
#include "sync/event.h"

static uint64_t hash_secret;
static wki_atomic_u64 hash_seeds;
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;

static void hash_draw_secret(void)
{
	/* Early in boot there may be no randomness yet: then the time and where we were loaded must do. */
	if (getrandom(&hash_secret, sizeof(hash_secret), GRND_NONBLOCK) != (ssize_t)sizeof(hash_secret))
		hash_secret = wki_now() ^ (uint64_t)(uintptr_t)&hash_secret << 20;
}

uint64_t wki_hash_seed(void)
{
	uint64_t number;

	pthread_once(&hash_once, hash_draw_secret);
	/* HSH-1 relaxed; pairs: none; weaker: not possible; check: unit/collect/hash_test (two seeds differ) */
	number = atomic_fetch_add_relaxed(&hash_seeds, 1);
	return wki_hash_bytes(&number, sizeof(number), hash_secret);
}

uint64_t wki_hash_bytes(const void *data, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, size, seed);
}
