/*
 * collect/hash.h - hashes of keys, on xxHash
 *
 * Every container has a seed that nobody outside knows, so that nobody can choose keys that
 * meet in one bucket. A hash of the program's own is mixed with it too: the table looks at
 * all 64 bits and takes no hash on trust.
 *
 * Layer: collect.
 */
#ifndef WKI_COLLECT_HASH_H
#define WKI_COLLECT_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* wki_hash_seed - a new seed, unlike all others */
uint64_t wki_hash_seed(void);

/* wki_hash_bytes - of `size` bytes */
uint64_t wki_hash_bytes(const void *data, size_t size, uint64_t seed);

static inline uint64_t wki_hash_u64(uint64_t number, uint64_t seed)
{
	return XXH3_64bits_withSeed(&number, sizeof(number), seed);
}

#endif
