/*
 * collect/hash.h: seeds are unlike each other, and a hash depends on every bit of key and seed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collect/hash.h"

static void test_seeds_differ(void **state)
{
	uint64_t seeds[100];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		seeds[i] = wki_hash_seed();
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(seeds[i], seeds[j]);
	}
}

static void test_every_bit_counts(void **state)
{
	const uint64_t number = UINT64_C(0x0123456789abcdef), seed = wki_hash_seed();
	uint64_t hash = wki_hash_u64(number, seed), changed = 0;

	(void)state;
	assert_int_equal(hash, wki_hash_u64(number, seed));
	for (unsigned bit = 0; bit < 64; bit++) {
		assert_int_not_equal(wki_hash_u64(number ^ UINT64_C(1) << bit, seed), hash);
		assert_int_not_equal(wki_hash_u64(number, seed ^ UINT64_C(1) << bit), hash);
		changed |= wki_hash_u64(number ^ UINT64_C(1) << bit, seed) ^ hash;
	}
	assert_true(changed == UINT64_MAX); /* homes, starts and tags alike */
}

static void test_bytes(void **state)
{
	const char bytes[] = "any bytes at all, zeroes too";
	uint64_t seed = wki_hash_seed();

	(void)state;
	for (size_t length = 1; length < sizeof(bytes); length++) {
		uint64_t hash = wki_hash_bytes(bytes, length, seed);

		assert_int_equal(hash, wki_hash_bytes(bytes, length, seed));
		assert_int_not_equal(hash, wki_hash_bytes(bytes, length - 1, seed));
		assert_int_not_equal(hash, wki_hash_bytes(bytes, length, seed + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeds_differ),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests_name("collect/hash", tests, NULL, NULL);
}
