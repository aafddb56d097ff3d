/* Sets of weak members, as docs/python.md shows them beside Python's: each line of its tables stands here.
 * Every method and operator of WeakSet, from any thread, with no lock around it.
 * Python: weakref.WeakSet. Here: weakref/weak_set.h and weakref/cursor.h. */
#include "person.h"

static const wk_weak_set_options by_equality = { .struct_size = sizeof by_equality, .compare = WK_BY_EQUALITY };

static int members(Person *o)
{
	int status;
	wk_weak_set *s = wk_weak_set_new(&by_equality, &status);
	if (!s)
		return status;
	SHOW(wk_weak_set_add(s, o) == WK_CREATED);
	SHOW(wk_weak_set_contains(s, o));
	SHOW(wk_weak_set_len(s));
	WK_EACH(Person, p, s)
		printf("%s\n", p->name);
	SHOW(wk_weak_set_discard(s, o));
	SHOW(wk_weak_set_remove(s, o) == WK_ENOTFOUND);
	if (wk_weak_set_add(s, o) < 0)
		return WK_ENOMEM;
	Person *popped = wk_weak_set_pop(s);
	SHOW(popped == o);
	wk_release(popped);
	wk_weak_set_clear(s);
	wk_release(s);
	return WK_OK;
}

static int show_and_release(const char *what, wk_weak_set *set)
{
	if (!set)
		return WK_ENOMEM;
	printf("%s has %zu\n", what, wk_weak_set_len(set));
	wk_release(set);
	return WK_OK;
}

static int new_sets(wk_weak_set *a, wk_weak_set *b)
{
	int status;
	wk_weak_set *both = wk_weak_set_union(a, b, &status);
	wk_weak_set *common = wk_weak_set_intersection(a, b, &status);
	wk_weak_set *rest = wk_weak_set_difference(a, b, &status);
	wk_weak_set *one = wk_weak_set_symmetric_difference(a, b, &status);
	wk_weak_set *copy = wk_weak_set_copy(a, &status);
	return show_and_release("a | b", both) | show_and_release("a & b", common) | show_and_release("a - b", rest) |
		show_and_release("a ^ b", one) | show_and_release("a.copy()", copy);
}

static void comparisons(wk_weak_set *a, wk_weak_set *b)
{
	SHOW(wk_weak_set_is_subset(a, b));
	SHOW(wk_weak_set_is_superset(a, b));
	SHOW(wk_weak_set_is_proper_subset(a, b));
	SHOW(wk_weak_set_equal(a, b));
	SHOW(wk_weak_set_is_disjoint(a, b));
}

static int in_place(wk_weak_set *a, wk_weak_set *b)
{
	int status = wk_weak_set_union_update(a, b);
	if (status == WK_OK)
		status = wk_weak_set_intersection_update(a, b);
	SHOW(wk_weak_set_equal(a, b));
	if (status == WK_OK)
		status = wk_weak_set_symmetric_difference_update(a, b);
	SHOW(wk_weak_set_len(a));
	if (status == WK_OK)
		status = wk_weak_set_difference_update(b, b);
	SHOW(wk_weak_set_len(b));
	return status;
}

int main(void)
{
	int status;
	Person *guido = person("Guido"), *barry = person("Barry"), *tim = person("Tim");
	void *first[] = { guido, barry }, *second[] = { barry, tim };
	wk_weak_set *a = wk_weak_set_of(&by_equality, first, 2, &status);
	wk_weak_set *b = wk_weak_set_of(&by_equality, second, 2, &status);
	if (!a || !b || members(guido) < 0 || new_sets(a, b) < 0)
		return 1;
	comparisons(a, b);
	wk_release(tim); /* a member that dies */
	SHOW(wk_weak_set_len(b));
	comparisons(b, a);
	if (in_place(a, b) < 0)
		return 1;
	wk_release(a);
	wk_release(b);
	wk_release(guido);
	wk_release(barry);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
