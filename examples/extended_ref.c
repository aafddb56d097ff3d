/* Extended ref: a weak reference that carries data: it counts how often it was called.
 * Calling it gives a pair, the object and the count; one whose object is dead gives nothing and does not count.
 * Python: a subclass of weakref.ref with a counter and its own __call__. Here: wk_weakref_new_sized, wk_weakref_data. */
#include <stdio.h>
#include <weakref.h>

struct person {
	const char *name;
};
WK_DEFINE_TYPE(person_type, struct person, .flags = 0);

struct counter { /* behind the reference, zeroed; threads that share the reference would need a lock or an atomic */
	unsigned calls;
};

struct counted {
	struct person *object; /* a strong reference, or NULL */
	unsigned calls;
};

static wk_weakref *extended_ref_new(const void *object, int *status)
{
	return wk_weakref_new_sized(object, NULL, sizeof(struct counter), status);
}

static struct counted extended_ref_call(wk_weakref *ref)
{
	struct counter *counter = wk_weakref_data(ref);
	struct counted result = { wk_weakref_get(ref), 0 };

	if (result.object)
		result.calls = ++counter->calls;
	return result;
}

static void call(wk_weakref *ref)
{
	struct counted result = extended_ref_call(ref);

	if (result.object)
		printf("(%s, %u)\n", result.object->name, result.calls);
	else
		printf("None\n");
	wk_release(result.object);
}

int main(void)
{
	struct person *guido = WK_NEW(struct person, &person_type);
	wk_weakref *ref = extended_ref_new(guido, NULL);
	if (!ref)
		return 1;
	guido->name = "Guido";

	call(ref);
	call(ref);
	call(ref);
	wk_release(guido);
	call(ref);
	wk_weakref_release(ref);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
