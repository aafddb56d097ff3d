/* Intern pool: equal byte strings become one object, so that they share memory and are compared as pointers.
 * A string is made when somebody first asks for it and goes with its last user; any number of threads may ask.
 * Elsewhere: Guava's weak interner, Go's unique.Make. Here: wk_value_dict_get_or_create on bytes, WK_CREATE_RACE. */
#include <pthread.h>
#include <stdio.h>
#include <weakref.h>

struct name {
	size_t length;
	char text[];
};
WK_DEFINE_TYPE(name_type, struct name, .flags = 0);

static wk_value_dict *names;

static void *name_make(wk_key key, void *context, int *status)
{
	struct name *name = WK_NEW_FLEX(struct name, text, key.number + 1, &name_type, status);

	(void)context;
	if (name) {
		name->length = key.number;
		memcpy(name->text, key.data, key.number);
	}
	return name;
}

/* The one object with this text: a strong reference, or NULL without memory. */
static const struct name *intern(const char *text)
{
	return wk_value_dict_get_or_create(names, wk_key_string(text), WK_CREATE_RACE, name_make, NULL, NULL);
}

static void *intern_header(void *unused)
{
	(void)unused;
	return (void *)intern("content-type");
}

int main(void)
{
	const wk_value_dict_options by_text = {
		.struct_size = sizeof by_text,
		.name = "names",
		.keys = WK_KEYS_BYTES,
		.value_type = &name_type,
	};
	pthread_t thread;
	void *theirs = NULL;
	names = wk_value_dict_new(&by_text, NULL);
	if (!names || pthread_create(&thread, NULL, intern_header, NULL) != 0)
		return 1;
	const struct name *ours = intern("content-type");
	const struct name *other = intern("content-length");
	pthread_join(thread, &theirs);

	printf("equal strings, one object: %d\n", ours == theirs);
	printf("other strings, another: %d\n", ours != other);
	printf("%zu in the pool\n", wk_value_dict_len(names));
	wk_release(theirs);
	wk_release(other);
	printf("%zu in the pool: %s\n", wk_value_dict_len(names), ours ? ours->text : "");
	wk_release(ours);
	printf("%zu in the pool\n", wk_value_dict_len(names));

	wk_release(names);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
