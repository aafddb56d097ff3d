/*
 * Interning: equal texts share one immutable object, so that comparing them is comparing pointers.
 * Any number of threads intern at once, without a lock; a text is made once and goes with its last user.
 * Guava: Interners.newWeakInterner(). Go: unique.Make. Python: sys.intern, but for strings only.
 */
#include <pthread.h>
#include <stdio.h>
#include <weakref.h>

struct text {
	size_t length;
	char bytes[];
};
WK_DEFINE_TYPE(text_type, struct text, .flags = 0);

static wk_value_dict *texts; /* bytes to the text that has them, held weakly */

static void *text_make(wk_key key, void *context, int *status)
{
	const wk_new_options options = { .size = sizeof(struct text) + key.number + 1 };
	struct text *text = wk_new_with(&text_type, &options, status); /* zeroed, so it ends with a zero byte */

	(void)context;
	if (text != NULL) {
		text->length = key.number;
		memcpy(text->bytes, key.data, key.number);
	}
	return text;
}

/* The text of these bytes: a strong reference. What is there is found without allocating anything. */
static const struct text *intern(const char *bytes, size_t length)
{
	/* Two threads may make the same text; one wins, both get that one, and nobody waits. */
	return wk_value_dict_get_or_create(texts, wk_key_bytes(bytes, length), WK_CREATE_RACE, text_make, NULL, NULL);
}

static void *user(void *unused)
{
	static const char *const words[] = { "weak", "reference", "weak", "", "reference" };
	const struct text *mine[5];
	uintptr_t same = 1;

	(void)unused;
	for (unsigned i = 0; i < 5; i++)
		mine[i] = intern(words[i], strlen(words[i]));
	for (unsigned i = 0; i < 5; i++) {
		for (unsigned k = 0; k < 5; k++)
			same &= (mine[i] == mine[k]) == (strcmp(words[i], words[k]) == 0);
	}
	for (unsigned i = 0; i < 5; i++)
		wk_release(mine[i]);
	return (void *)same;
}

int main(void)
{
	const wk_value_dict_options options = {
		.struct_size = sizeof(options), .name = "texts", .keys = WK_KEYS_BYTES, .value_type = &text_type
	};
	const struct text *kept;
	pthread_t threads[4];
	void *same;
	bool all = true;

	texts = wk_value_dict_new(&options, NULL);
	if (texts == NULL || (kept = intern("weak", 4)) == NULL)
		return 1;
	for (unsigned i = 0; i < 4; i++) {
		if (pthread_create(&threads[i], NULL, user, NULL) != 0)
			return 1;
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], &same);
		all &= same != NULL;
	}
	printf("equal texts are one object, others are not: %d\n", all);
	printf("%zu text left: \"%s\"\n", wk_value_dict_len(texts), kept->bytes);
	wk_release(kept);
	printf("%zu texts left\n", wk_value_dict_len(texts));
	wk_release(texts);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
