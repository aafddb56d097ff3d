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

/*
 * wki_hash_u64 - of a number: one multiplication, folded
 *
 * The step that XXH3 is made of, taken once. XXH3 itself takes four times as many instructions for eight bytes, which
 * a lookup that waits for memory pays for by looking less far ahead (docs/decisions/0002-table.md).
 */
static inline uint64_t wki_hash_u64(uint64_t number, uint64_t seed)
{
	__extension__ unsigned __int128 product =
		(__extension__ (unsigned __int128)(number ^ seed)) * UINT64_C(0x9fb21c651e98df25);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
