/* Equal keys: two persons named Guido, equal by name, as keys of a weak dictionary.
 * A type with equality and no hash is refused where equality is asked for; with a hash the two are one key.
 * Python: TypeError: unhashable type, and __eq__ with __hash__. Here: WK_BY_EQUALITY, wk_type.equal and .hash. */
#include <stdio.h>
#include <weakref.h>

struct person {
	char name[16];
};

static bool person_equal(const void *a, const void *b)
{
	return strcmp(((const struct person *)a)->name, ((const struct person *)b)->name) == 0;
}

static uint64_t person_hash(const void *payload) /* FNV-1a */
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *c = ((const struct person *)payload)->name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	return hash;
}

typedef struct person Person; /* a type is called what its struct is called */
typedef struct person HashablePerson;
WK_DEFINE_TYPE(unhashable_type, Person, .equal = person_equal);
WK_DEFINE_TYPE(hashable_type, HashablePerson, .equal = person_equal, .hash = person_hash);

static void set(wk_key_dict *jobs, const struct person *key, const char *job)
{
	int status = wk_key_dict_set(jobs, key, (void *)job);

	printf("%s at %s: %s\n", wk_type_of(key)->name, key->name, wk_strerror(status));
}

static void two_guidos(const wk_type *type)
{
	const wk_key_dict_options of = {
		.struct_size = sizeof of,
		.compare = WK_BY_EQUALITY,
		.values = WK_HOLD_PLAIN,
	};
	WK_AUTO wk_key_dict *jobs = wk_key_dict_new(&of, NULL);
	WK_AUTO struct person *p1 = wk_new(type);
	WK_AUTO struct person *p2 = wk_new(type);

	if (!jobs || !p1 || !p2)
		return;
	strcpy(p1->name, "Guido");
	strcpy(p2->name, "Guido");
	set(jobs, p1, "language designer");
	set(jobs, p2, "benevolent dictator"); /* in place of the first, if the two are equal */
	WK_READ_SECTION();                    /* a plain value has no count: it is borrowed */
	const char *job = wk_key_dict_peek(jobs, p1);
	printf("%zu stored: %s\n", wk_key_dict_len(jobs), job ? job : "none");
}

int main(void)
{
	two_guidos(&unhashable_type);
	two_guidos(&hashable_type);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
