/* Extra data: an attribute for objects that somebody else owns and whose struct cannot be changed.
 * The dictionary has the objects as weak keys: when one dies, its data goes, and nobody has to be told.
 * Python: a descriptor that keeps its values in a WeakKeyDictionary. Here: wk_key_dict_set, get and refs. */
#include <stdio.h>
#include <weakref.h>

struct vertex { /* somebody else's */
	const char *name;
};
WK_DEFINE_TYPE(vertex_type, struct vertex, .flags = 0);

struct number {
	int value;
};
WK_DEFINE_TYPE(number_type, struct number, .flags = WK_TYPE_NO_WEAK);

static wk_key_dict *x_of; /* vertex, weak, to number, strong */

/* vertex.x = value */
static int set_x(const struct vertex *vertex, int value)
{
	WK_AUTO struct number *number = WK_NEW(struct number, &number_type); /* the dictionary retains it for itself */

	if (!number)
		return wk_last_status();
	number->value = value;
	return wk_key_dict_set(x_of, vertex, number);
}

/* vertex.x, or 0 */
static int get_x(const struct vertex *vertex)
{
	WK_AUTO const struct number *number = wk_key_dict_get(x_of, vertex);

	return number ? number->value : 0;
}

/* x_of.keyrefs() */
static void list_keys(void)
{
	wk_weak *refs[8];
	size_t count = wk_key_dict_refs(x_of, refs, 8);

	printf("%zu with an x\n", count);
	for (size_t i = 0; i < count && i < 8; i++) {
		WK_AUTO const struct vertex *vertex = wk_upgrade(refs[i]); /* it may have died since */
		printf("  %s\n", vertex ? vertex->name : "(gone)");
		wk_weak_release(refs[i]);
	}
}

int main(void)
{
	const wk_key_dict_options of = {
		.struct_size = sizeof of,
		.key_type = &vertex_type,
		.value_type = &number_type,
	};
	struct vertex *v1 = WK_NEW(struct vertex, &vertex_type);
	x_of = wk_key_dict_new(&of, NULL);
	if (!v1 || !x_of)
		return 1;
	v1->name = "v1";

	list_keys();
	if (set_x(v1, 10) < 0)
		return 1;
	printf("v1.x = %d\n", get_x(v1));
	list_keys();
	wk_release(v1);
	list_keys();

	wk_release(x_of);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
