/*
 * base/line.h - looking at a whole cache line at once
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
 * wki_line_find - which of the line's eight words is the first with these top 16 bits; 8: none
 *
 * Ordered with nothing: what it says is where to look.
 */
static inline __attribute__((always_inline)) unsigned wki_line_find(const void *line, uint64_t tag)
{
	const __m128i *pair = line;
	const __m128i tags = _mm_set1_epi16((short)(tag >> 48));
	const __m128i low = _mm_packs_epi16(wki_line_compare(pair, tags), wki_line_compare(pair + 1, tags));
	const __m128i high = _mm_packs_epi16(wki_line_compare(pair + 2, tags), wki_line_compare(pair + 3, tags));
	unsigned equal = (unsigned)_mm_movemask_epi8(low) | (unsigned)_mm_movemask_epi8(high) << 16;

	equal &= 0x88888888u; /* four bits a word, the top 16 bits are the last of them */
	return equal == 0 ? 8 : (unsigned)__builtin_ctz(equal) / 4;
}
#else
#define WKI_HAS_LINE 0
#endif

#endif
