/*
 * base/generation.h - claims that a fork makes void
 *
 * Some words say "a thread is at it": it prunes this list, makes this value, runs this call. The
 * child of a fork has one thread only, so what the others were at nobody is at any more. Such a
 * word therefore names the generation, how many forks the process is away from the first, in
 * which it was claimed: where that is not the present one, the claim is void. No child has to
 * look for what its parent's threads had claimed.
 *
 *	CLAIM, 32 bits:  generation (24) | state (8)
 *
 * Layer: base, header only but for the one variable.
 */
#ifndef WKI_BASE_GENERATION_H
#define WKI_BASE_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

/* Not atomic: it changes in a child while that has one thread, and is constant otherwise. */
extern uint32_t wki_generation;

#define WKI_CLAIM_STATE UINT32_C(0xff)

static inline uint32_t wki_claim(uint32_t state)
{
	return wki_generation << 8 | state;
}

static inline uint32_t wki_claim_state(uint32_t claim)
{
	return claim & WKI_CLAIM_STATE;
}

static inline bool wki_claim_is_void(uint32_t claim)
{
	return (claim & ~WKI_CLAIM_STATE) != wki_generation << 8;
}

#endif
