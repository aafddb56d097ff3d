/*
 * base/line.h - looking at several words at once
 *
 * Layer: base, header only. x86-64 only; WKI_HAS_LINE says whether it is there.
 */
#ifndef WKI_BASE_LINE_H
#define WKI_BASE_LINE_H

#include <stdint.h>

#if defined(__SSE2__)
#define WKI_HAS_LINE 1
#include <emmintrin.h>

static inline __attribute__((always_inline)) __m128i wki_line_compare(const __m128i *pair, __m128i tags)
{
	__m128i words;

	/* Others may be writing: there is no such access in C, so it is an instruction. */
	__asm__ volatile("movdqa %1, %0" : "=x"(words) : "m"(*pair));
	return _mm_cmpeq_epi16(words, tags);
}

/*
 * wki_line_find - which of four words is the first with these top 16 bits; 4: none. `words` are aligned to 16 bytes
 *
 * Ordered with nothing: what it says is where to look.
 */
static inline __attribute__((always_inline)) unsigned wki_line_find(const void *words, uint64_t tag)
{
	const __m128i *pair = words;
	const __m128i tags = _mm_set1_epi16((short)(tag >> 48));
	const __m128 low = _mm_castsi128_ps(wki_line_compare(pair, tags));
	const __m128 high = _mm_castsi128_ps(wki_line_compare(pair + 1, tags));
	/* The upper halves of all words: what was equal there has the top bit. */
	const unsigned equal = (unsigned)_mm_movemask_ps(_mm_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 3, 1)));

	return (unsigned)__builtin_ctz(equal | 16);
}
#else
#define WKI_HAS_LINE 0
#endif

#endif
