/*
 * core/quarantine.h - the hardened build: memory of objects that are gone is not used again for a while
 *
 * Its payloads are filled with 0xdd, and the word in front of each says of what type the object was. So a use after death
 * stops with the type's name, and so does the release that comes too late because somebody else released what
 * he had only peeked at.
 *
 * Layer: core. Empty in other builds, and where a sanitizer looks on: it does this better.
 */
#ifndef WKI_CORE_QUARANTINE_H
#define WKI_CORE_QUARANTINE_H

#include "core/control.h"

/* The word in front of a payload that is gone: this, and the type. */
#define WKI_BACK_GONE (UINT64_C(0xdead) << 48)

#if WKI_CHECK_LEVEL >= 1
/* wki_quarantine - a block whose payload has ended: it is freed when as many others have come after it */
void wki_quarantine(const wk_type *type, void *block, const struct wki_layout *layout, void *payload, size_t size);
#else
static inline void wki_quarantine(const wk_type *type, void *block, const struct wki_layout *layout, void *payload, size_t size)
{
	(void)payload;
	(void)size;
	wki_block_free(type, block, layout);
}
#endif

#endif
