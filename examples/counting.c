/* Counting: what makes the strong count go up and down, and what registers with an object weakly.
 * An object in two weak dictionaries counts two weak references; with the last strong one it leaves both.
 * Python: sys.getrefcount (less its own argument) and getweakrefcount. Here: wk_strong_count, wk_weakref_count. */
#include <stdio.h>
#include <weakref.h>

struct person {
	char name[16];
};
WK_DEFINE_TYPE(person_type, struct person, .flags = 0);

static struct person *person_new(const char *name)
{
	struct person *p = WK_NEW(struct person, &person_type);

	if (p)
		snprintf(p->name, sizeof p->name, "%s", name);
	return p;
}

static void count(const char *what, const struct person *p)
{
	printf("%-24s %zu strong, %zu weak\n", what, wk_strong_count(p), wk_weakref_count(p));
}

static void in_two_dictionaries(struct person *p, wk_weakref *weak)
{
	wk_key_dict *ages = wk_key_dict_new(NULL, NULL);
	wk_key_dict *heights = wk_key_dict_new(NULL, NULL);
	WK_AUTO struct person *value = person_new("a value");

	if (!ages || !heights || wk_key_dict_set(ages, p, value) < 0 || wk_key_dict_set(heights, p, value) < 0)
		return;
	count("in two dictionaries", p);
	printf("ages %zu, heights %zu\n", wk_key_dict_len(ages), wk_key_dict_len(heights));
	wk_release(p); /* the last reference */
	printf("ages %zu, heights %zu\n", wk_key_dict_len(ages), wk_key_dict_len(heights));
	WK_AUTO struct person *none = wk_weakref_get(weak);
	printf("weak() is %s\n", none ? none->name : "None");
	wk_release(ages);
	wk_release(heights);
}

int main(void)
{
	struct person *p1 = person_new("Guido");
	count("p1 = Person(\"Guido\")", p1);
	struct person *p2 = wk_retain(p1); /* in C a second owner says so */
	count("p2 = p1", p1);
	wk_weakref *weak = wk_weakref_new(p1, NULL, NULL);
	count("weak = ref(p1)", p1);
	struct person *p3 = wk_weakref_get(weak);
	count("p3 = weak()", p1);
	wk_release(p3);
	count("del p3", p1);
	wk_clear(&p2);
	count("p2 = None", p1);
	wk_weakref_release(weak);
	count("del weak", p1);

	weak = wk_weakref_new(p1, NULL, NULL);
	if (!weak)
		return 1;
	in_two_dictionaries(p1, weak);
	wk_weakref_release(weak);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
