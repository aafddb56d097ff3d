/*
 * base/line.h - looking at several words at once
 *
 * Layer: base, header only. x86-64 only; WKI_HAS_LINE says whether it is there.
 */
#ifndef WKI_BASE_LINE_H
#define WKI_BASE_LINE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#define WKI_HAS_LINE 1
#include <emmintrin.h>

/*
 * wki_line_find - which of four words is the first whose top 16 bits are the lowest ones of `tag`; 4: none. `words` are
 * aligned to 16 bytes
 *
 * Ordered with nothing: what it says is where to look.
 */
static inline __attribute__((always_inline)) size_t wki_line_find(const void *words, uint64_t tag)
{
	const __m128i *pair = words;
	const __m128i tags = _mm_shuffle_epi32(_mm_shufflelo_epi16(_mm_cvtsi64_si128((int64_t)tag), 0), 0);
	__m128i upper; /* halves of all four */
	unsigned equal; /* a bit for each */

	/* Others may be writing: there is no such access in C, so it is two instructions. */
	__asm__ volatile("movaps %1, %0\n\tshufps $0xdd, %2, %0" : "=&x"(upper) : "m"(pair[0]), "m"(pair[1]));
	equal = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi16(upper, tags)));
	if (equal == 0)
		return 4;
	equal = (unsigned)__builtin_ctz(equal);
	if (equal >= 4)
		__builtin_unreachable();
	return equal;
}
#else
#define WKI_HAS_LINE 0
#endif

#endif
