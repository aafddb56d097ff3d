/*
 * collect/set_algebra.c - weak sets as wholes: copies, combinations, comparisons
 *
 * What makes or changes a set goes by cursor, which holds each member for its step. What only compares looks, in
 * the section in which it finds a member: it touches no count and needs no memory.
 *
 * Layer: collect.
 */
#include "collect/bulk.h"
#include "collect/weak_set.h"
#include "sync/rcu.h"

/* Making and changing. */

/* One pass over one set: what becomes of each member. */
struct set_pass {
	wk_weak_set *target;
	const wk_weak_set *other;
	bool wanted; /* those that `other` has; else those that it has not */
};

static int pass_add(wk_cursor *cursor, void *member, void *context)
{
	(void)cursor;
	return wk_weak_set_add(context, member);
}

static int pass_add_some(wk_cursor *cursor, void *member, void *context)
{
	const struct set_pass *pass = context;

	(void)cursor;
	return wk_weak_set_contains(pass->other, member) == pass->wanted ? wk_weak_set_add(pass->target, member) : WK_OK;
}

static int pass_keep(wk_cursor *cursor, void *member, void *context)
{
	const struct set_pass *pass = context;

	(void)cursor;
	if (!wk_weak_set_contains(pass->other, member))
		(void)wk_weak_set_discard(pass->target, member);
	return WK_OK;
}

static int pass_discard(wk_cursor *cursor, void *member, void *context)
{
	(void)cursor;
	(void)wk_weak_set_discard(context, member);
	return WK_OK;
}

static int pass_toggle(wk_cursor *cursor, void *member, void *context)
{
	(void)cursor;
	return wk_weak_set_discard(context, member) ? WK_OK : wk_weak_set_add(context, member);
}

static int set_fill(wk_weak_set *target, const wk_weak_set *a, const wk_weak_set *b, wk_set_operation operation)
{
	struct set_pass from_a = { .target = target, .other = b, .wanted = operation == WK_SET_INTERSECTION };
	struct set_pass from_b = { .target = target, .other = a };
	int code;

	if (operation == WK_SET_UNION) {
		code = wki_bulk_each(a, pass_add, target);
		return code < 0 ? code : wki_bulk_each(b, pass_add, target);
	}
	code = wki_bulk_each(a, pass_add_some, &from_a);
	if (code < 0 || operation != WK_SET_SYMMETRIC_DIFFERENCE)
		return code;
	return wki_bulk_each(b, pass_add_some, &from_b);
}

/* How many members there may be. */
static size_t set_expected(const wk_weak_set *a, const wk_weak_set *b, wk_set_operation operation)
{
	size_t len_a = wk_weak_set_len(a), len_b = wk_weak_set_len(b);

	switch (operation) {
	case WK_SET_INTERSECTION:
		return len_a < len_b ? len_a : len_b;
	case WK_SET_DIFFERENCE:
		return len_a;
	case WK_SET_UNION:
	case WK_SET_SYMMETRIC_DIFFERENCE:
	default:
		return len_a + len_b;
	}
}

static wk_weak_set *set_new_like(const wk_weak_set *set, size_t expected, int *code)
{
	const wk_value_dict *members = &set->members;
	const wk_weak_set_options options = {
		.struct_size = sizeof(options),
		.name = members->name,
		.compare = members->form.marks & WKI_ENTRY_EQUAL ? WK_BY_EQUALITY : WK_BY_IDENTITY,
		.element_type = members->value_type,
		.expected = expected,
		.allocator = members->form.allocator
	};

	return wk_weak_set_new(&options, code);
}

static bool set_knows(wk_set_operation operation)
{
	return operation == WK_SET_UNION || operation == WK_SET_INTERSECTION || operation == WK_SET_DIFFERENCE ||
	       operation == WK_SET_SYMMETRIC_DIFFERENCE;
}

wk_weak_set *wk_weak_set_combine(const wk_weak_set *a, const wk_weak_set *b, wk_set_operation operation, int *status)
{
	int code = WK_EINVAL;
	wk_weak_set *set = NULL;

	if (set_knows(operation))
		set = set_new_like(a, set_expected(a, b, operation), &code);
	if (set != NULL)
		code = set_fill(set, a, b, operation);
	return wki_bulk_result(set, code, status);
}

int wk_weak_set_update(wk_weak_set *a, const wk_weak_set *b, wk_set_operation operation)
{
	struct set_pass pass = { .target = a, .other = b };

	switch (operation) {
	case WK_SET_UNION:
		return wki_bulk_each(b, pass_add, a);
	case WK_SET_INTERSECTION:
		return wki_bulk_each(a, pass_keep, &pass);
	case WK_SET_DIFFERENCE:
		return wki_bulk_each(b, pass_discard, a);
	case WK_SET_SYMMETRIC_DIFFERENCE:
		return wki_bulk_each(b, pass_toggle, a);
	default:
		return WK_EINVAL;
	}
}

wk_weak_set *wk_weak_set_copy(const wk_weak_set *set, int *status)
{
	int code;
	wk_weak_set *copy = set_new_like(set, wk_weak_set_len(set), &code);

	if (copy != NULL)
		code = wki_bulk_each(set, pass_add, copy);
	return wki_bulk_result(copy, code, status);
}

wk_weak_set *wk_weak_set_of(const wk_weak_set_options *options, void *const *objects, size_t count, int *status)
{
	wk_weak_set_options roomy = { .struct_size = sizeof(roomy) };
	wk_weak_set *set;
	size_t i;
	int code = WK_OK;

	if (options != NULL && options->struct_size < sizeof(roomy))
		return wki_bulk_result(NULL, WK_EINVAL, status);
	if (options != NULL)
		roomy = *options;
	if (roomy.expected < count)
		roomy.expected = count;
	set = wk_weak_set_new(&roomy, &code);
	for (i = 0; i < count && code >= 0; i++)
		code = wk_weak_set_add(set, objects[i]);
	return wki_bulk_result(set, code < 0 ? code : WK_OK, status);
}

/* Comparing. */

struct set_search {
	const wk_value_dict *other;
	bool wanted; /* look for a member that `other` has; else for one that it has not */
	bool found;
};

static bool set_has_rcu(const wk_value_dict *members, const struct wki_control *control)
{
	struct wki_value_key key;

	return wki_value_key_of_control(members, control, &key) >= 0 &&
	       wki_value_get_rcu(members, &key, wki_value_take_live, NULL) != NULL;
}

static void search_rcu(struct wki_entry *entry, void *context)
{
	struct set_search *search = context;

	if (!search->found && wki_entry_is_live_rcu(entry))
		search->found = set_has_rcu(search->other, entry->control) == search->wanted;
}

/* Is there a member of `set` that `other` has, or one that it has not? */
static bool set_search(const wk_weak_set *set, const wk_weak_set *other, bool wanted)
{
	struct set_search search = { .other = &other->members, .wanted = wanted };
	struct wki_table *table = (struct wki_table *)(uintptr_t)&set->members.table;
	uint64_t from = 0;
	bool more = true;

	while (more && !search.found) {
		wki_read_lock();
		more = wki_table_each_rcu(table, &from, search_rcu, &search);
		wki_read_unlock();
	}
	return search.found;
}

bool wk_weak_set_is_subset(const wk_weak_set *a, const wk_weak_set *b)
{
	return wk_weak_set_len(a) <= wk_weak_set_len(b) && !set_search(a, b, false);
}

bool wk_weak_set_equal(const wk_weak_set *a, const wk_weak_set *b)
{
	return wk_weak_set_len(a) == wk_weak_set_len(b) && !set_search(a, b, false);
}

bool wk_weak_set_is_disjoint(const wk_weak_set *a, const wk_weak_set *b)
{
	return wk_weak_set_len(a) <= wk_weak_set_len(b) ? !set_search(a, b, true) : !set_search(b, a, true);
}
