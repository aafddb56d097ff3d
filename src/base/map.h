/*
 * base/map.h - memory straight from the system, zeroed
 *
 * Layer: base. Never: remember anything about a mapping.
 */
#ifndef WKI_BASE_MAP_H
#define WKI_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#define WKI_HUGE_PAGE ((size_t)2 << 20)

/* wki_map - `size` zeroed bytes (whole pages), aligned to `alignment` (a power of two); huge pages if they may be had; NULL: no memory */
void *wki_map(size_t size, size_t alignment, bool huge);
void wki_unmap(void *memory, size_t size);

#endif
