/*
 * collect/bulk.h - operations on whole containers
 *
 * Layer: collect.
 */
#ifndef WKI_COLLECT_BULK_H
#define WKI_COLLECT_BULK_H

#include "collect/values.h"
#include "weakref/cursor.h"

/*
 * wki_bulk_each - call `visit` for each element, as a cursor meets them, until one gives a negative code
 *
 * Returns that code, or WK_ENOMEM where the cursor had no memory, or WK_OK.
 */
int wki_bulk_each(const void *container, int (*visit)(wk_cursor *cursor, void *object, void *context), void *context);

/* wki_bulk_refs - weak handles of all living objects, owned; returns how many there are, `capacity` of them stored */
size_t wki_bulk_refs(const wk_value_dict *dict, wk_weak **refs, size_t capacity);

/* wki_bulk_result - `container`, unless the code says that filling it failed: then NULL, and it is released. Tells *status. */
void *wki_bulk_result(void *container, int code, int *status);

#endif
