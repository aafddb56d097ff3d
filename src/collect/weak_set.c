/*
 * collect/weak_set.c - weak sets: value dictionaries whose keys are their values
 *
 * By identity a member's key is the number of its control block. Two objects at one address are never
 * members at a time: an entry whose state is LIVE belongs to the object that is there now,
 * since its last owner ends that state before the memory can be given back.
 *
 * Layer: collect.
 */
#include "collect/weak_set.h"

#include "sync/rcu.h"

WK_DEFINE_TYPE(weak_set_type, wk_weak_set, .flags = WK_TYPE_ASYNC_DESTROY | WK_TYPE_PINNED, .destroy = wki_value_destroy);

#define SET_CHUNK 4u /* buckets that each_peek goes through in one read section */

bool wk_weak_set_contains(const wk_weak_set *set, const void *object)
{
	struct wki_value_key key;
	bool is_there;

	if (object == NULL || wki_value_key_of(&set->members, object, &key) < 0)
		return false;
	wki_read_lock();
	is_there = wki_value_get_rcu(&set->members, &key, wki_value_take_live, NULL) != NULL;
	wki_read_unlock();
	return is_there;
}

/* Who is there already is found first: that needs no memory, while an insert may help a migration along. */
int wk_weak_set_add(wk_weak_set *set, const void *object)
{
	struct wki_value_key key;
	struct wki_store store = { .dict = &set->members, .key = &key };
	int code;

	if (wk_weak_set_contains(set, object))
		return WK_OK;
	code = wki_value_check(&set->members, wk_key_u64(0), object);
	if (code >= 0)
		code = wki_value_key_of(&set->members, object, &key);
	if (code >= 0) {
		store.control = wki_control_of(object);
		code = wki_store_run(&store);
	}
	return code == WK_EEXISTS ? WK_OK : code;
}

int wk_weak_set_remove(wk_weak_set *set, const void *object)
{
	struct wki_removal removal = { .dict = &set->members };
	struct wki_value_key key;

	if (object == NULL || wki_value_key_of(&set->members, object, &key) < 0)
		return WK_ENOTFOUND;
	return wki_value_remove(&removal, &key);
}

bool wk_weak_set_discard(wk_weak_set *set, const void *object)
{
	return wk_weak_set_remove(set, object) == WK_OK;
}

size_t wk_weak_set_len(const wk_weak_set *set)
{
	return wki_table_len(&set->members.table);
}

void *wk_weak_set_pop(wk_weak_set *set)
{
	struct wki_removal removal = { .dict = &set->members, .wants = true };

	wki_value_pop_any(&removal);
	return removal.object;
}

void wk_weak_set_clear(wk_weak_set *set)
{
	wki_value_clear(&set->members);
}

/* Going through all. */

#define SET_MET 64u /* members of one bucket that are remembered: a table grows at five in two */

struct set_visit {
	bool (*visit)(void *object, void *context);
	void *context;
	size_t count;
	bool is_over;
	unsigned met;
	const struct wki_control *member[SET_MET]; /* of this bucket */
};

/* A member that is removed and added again meanwhile may come by in another slot. */
static bool set_has_met(struct set_visit *visit, const struct wki_control *member)
{
	unsigned i;

	for (i = 0; i < visit->met; i++) {
		if (visit->member[i] == member)
			return true;
	}
	if (visit->met < SET_MET)
		visit->member[visit->met++] = member;
	return false;
}

static void set_visit_rcu(struct wki_entry *entry, void *context)
{
	struct set_visit *visit = context;
	void *object = visit->is_over ? NULL : wki_value_take_borrowed(entry, NULL);

	if (object == NULL || set_has_met(visit, entry->control))
		return;
	visit->count++;
	visit->is_over = !visit->visit(object, visit->context);
}

size_t wk_weak_set_each_peek(const wk_weak_set *set, bool (*visit)(void *object, void *context), void *context)
{
	struct set_visit visiting;
	struct wki_table *table = (struct wki_table *)(uintptr_t)&set->members.table;
	uint64_t from = 0;
	unsigned buckets;
	bool more = true;

	visiting.visit = visit; /* not all of it: that is half a kilobyte */
	visiting.context = context;
	visiting.count = 0;
	visiting.is_over = false;
	while (more && !visiting.is_over) {
		wki_read_lock();
		for (buckets = SET_CHUNK; buckets > 0 && more && !visiting.is_over; buckets--) {
			visiting.met = 0;
			more = wki_table_each_rcu(table, &from, set_visit_rcu, &visiting);
		}
		wki_read_unlock();
	}
	return visiting.count;
}

/* Beginnings. */

static int set_options_check(const wk_weak_set_options *options)
{
	if (options->compare != WK_BY_IDENTITY && options->compare != WK_BY_EQUALITY)
		return WK_EINVAL;
	if (options->compare == WK_BY_EQUALITY && options->element_type != NULL && !wki_value_compares(options->element_type))
		return WK_ETYPE;
	return WK_OK;
}

static wk_weak_set *set_new(const wk_weak_set_options *options, int *code)
{
	const wk_value_dict_options inner = { .struct_size = sizeof(inner),
					      .name = options->name,
					      .value_type = options->element_type,
					      .expected = options->expected,
					      .allocator = options->allocator };
	wk_value_dict *members;

	*code = set_options_check(options);
	if (*code < 0)
		return NULL;
	members = wki_value_new(&weak_set_type, &inner, code);
	if (members == NULL)
		return NULL;
	members->is_set = true;
	members->form.marks = options->compare == WK_BY_EQUALITY ? WKI_ENTRY_EQUAL : 0;
	return (wk_weak_set *)(void *)members;
}

wk_weak_set *wk_weak_set_new(const wk_weak_set_options *options, int *status)
{
	static const wk_weak_set_options defaults = { .struct_size = sizeof(defaults) };
	int code = WK_EINVAL;
	wk_weak_set *set = NULL;

	if (options == NULL)
		options = &defaults;
	if (options->struct_size >= sizeof(*options))
		set = set_new(options, &code);
	if (status != NULL)
		*status = code;
	return set;
}
