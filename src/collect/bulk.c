/*
 * collect/bulk.c - going through whole containers
 *
 * Layer: collect.
 */
#include "collect/bulk.h"

#include "sync/rcu.h"

int wki_bulk_each(const void *container, int (*visit)(wk_cursor *cursor, void *object, void *context), void *context)
{
	wk_cursor cursor = wk_cursor_open(container);
	void *object;
	int code = WK_OK;

	while (code >= 0 && (object = wk_cursor_next(&cursor)) != NULL)
		code = visit(&cursor, object, context);
	if (code >= 0)
		code = wk_last_status() == WK_ENOMEM ? WK_ENOMEM : WK_OK;
	wk_cursor_close(&cursor);
	return code;
}

void *wki_bulk_result(void *container, int code, int *status)
{
	if (code < 0) {
		wk_release(container);
		container = NULL;
	}
	if (status != NULL)
		*status = code;
	return container;
}

/* References. */

struct bulk_refs {
	wk_weak **refs;
	size_t capacity, count;
};

static void refs_visit_rcu(struct wki_entry *entry, void *context)
{
	struct bulk_refs *refs = context;

	if (!wki_entry_is_live_rcu(entry) || !wki_control_weakly(entry->control))
		return;
	if (refs->count < refs->capacity)
		refs->refs[refs->count] = wk_weak_retain((wk_weak *)entry->control);
	refs->count++;
}

size_t wki_bulk_refs(const wk_value_dict *dict, wk_weak **refs, size_t capacity)
{
	struct bulk_refs found = { .refs = refs, .capacity = capacity };
	struct wki_table *table = (struct wki_table *)(uintptr_t)&dict->table;
	uint64_t from = 0;
	bool more;

	do {
		wki_read_lock();
		more = wki_table_each_rcu(table, &from, refs_visit_rcu, &found);
		wki_read_unlock();
	} while (more);
	return found.count;
}
