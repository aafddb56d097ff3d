/*
 * collect/cipher.h - Speck64/128: a permutation of 64-bit numbers that depends on a key
 *
 * Tickets are enciphered with it: who sees one learns nothing of the next one, of slots or of how many
 * there are, and a number made up is one of 2^64. It is small, has no tables, and takes some tens of nanoseconds.
 *
 * Layer: collect, header only.
 */
#ifndef WKI_COLLECT_CIPHER_H
#define WKI_COLLECT_CIPHER_H

#include <stdint.h>

#define WKI_CIPHER_ROUNDS 27u

struct wki_cipher {
	uint32_t key[WKI_CIPHER_ROUNDS];
};

static inline uint32_t wki_cipher_rotate(uint32_t word, unsigned left)
{
	return word << left | word >> (32 - left);
}

static inline void wki_cipher_round(uint32_t *high, uint32_t *low, uint32_t key)
{
	*high = (wki_cipher_rotate(*high, 24) + *low) ^ key;
	*low = wki_cipher_rotate(*low, 3) ^ *high;
}

/* wki_cipher_init - the rounds' keys, made by the same rounds from the key */
static inline void wki_cipher_init(struct wki_cipher *cipher, uint64_t key_low, uint64_t key_high)
{
	uint32_t key = (uint32_t)key_low;
	uint32_t rest[3] = { (uint32_t)(key_low >> 32), (uint32_t)key_high, (uint32_t)(key_high >> 32) };
	uint32_t round;

	for (round = 0; round < WKI_CIPHER_ROUNDS; round++) {
		cipher->key[round] = key;
		wki_cipher_round(&rest[round % 3], &key, round);
	}
}

static inline uint64_t wki_cipher_hide(const struct wki_cipher *cipher, uint64_t plain)
{
	uint32_t high = (uint32_t)(plain >> 32), low = (uint32_t)plain;
	unsigned round;

	for (round = 0; round < WKI_CIPHER_ROUNDS; round++)
		wki_cipher_round(&high, &low, cipher->key[round]);
	return (uint64_t)high << 32 | low;
}

static inline uint64_t wki_cipher_show(const struct wki_cipher *cipher, uint64_t hidden)
{
	uint32_t high = (uint32_t)(hidden >> 32), low = (uint32_t)hidden;
	unsigned round;

	for (round = WKI_CIPHER_ROUNDS; round-- > 0;) {
		low = wki_cipher_rotate(low ^ high, 29);
		high = wki_cipher_rotate((high ^ cipher->key[round]) - low, 8);
	}
	return (uint64_t)high << 32 | low;
}

#endif
