/* Extended ref: a weak reference that counts how often it was called, wherever it is called from.
 * A get hook does the counting, in data behind the reference; calling it gives a pair, the object and the count.
 * Python: a subclass of weakref.ref with a counter and its own __call__. Here: wk_weakref_new_hooked. */
#include <stdio.h>
#include <weakref.h>

struct person {
	const char *name;
};
WK_DEFINE_TYPE(person_type, struct person, .flags = 0);

struct counter { /* behind the reference, zeroed; threads that share the reference would want an atomic here */
	unsigned calls;
};

struct pair {
	struct person *object; /* a strong reference, or NULL */
	unsigned calls;
};

/* Is given the object as a plain reference would give it, and gives what this one shall give. */
static void *count_call(wk_weakref *ref, void *object)
{
	struct counter *counter = wk_weakref_data(ref);

	if (object)
		counter->calls++;
	return object;
}

static wk_weakref *extended_ref_new(const void *object, int *status)
{
	return wk_weakref_new_hooked(object, NULL, sizeof(struct counter), count_call, status);
}

static struct pair extended_ref_call(wk_weakref *ref)
{
	const struct counter *counter = wk_weakref_data(ref);
	struct pair result = { wk_weakref_get(ref), 0 };

	if (result.object)
		result.calls = counter->calls;
	return result;
}

static void call(wk_weakref *ref)
{
	struct pair result = extended_ref_call(ref);

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
	wk_release(wk_weakref_get(ref)); /* somebody who does not know that it counts */
	call(ref);
	wk_release(guido);
	call(ref);
	wk_weakref_release(ref);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
