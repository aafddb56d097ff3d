/*
 * weakref/ref.h: what a weak reference object is: identity, data, hash, equality, text, count and list
 */
#include "runtime_fixture.h"

#include <stdio.h>

typedef struct person {
	unsigned name;
	unsigned hashed; /* how often */
} Person; /* so the type is called that */

static uint64_t person_hash(const void *payload)
{
	struct person *person = (struct person *)(uintptr_t)payload;

	person->hashed++;
	return UINT64_C(0x1000000) + person->name;
}

static bool person_equal(const void *a, const void *b)
{
	return ((const struct person *)a)->name == ((const struct person *)b)->name;
}

static void destroy_nothing(void *payload)
{
	(void)payload;
}

WK_DEFINE_TYPE(person_type, Person, .hash = person_hash, .equal = person_equal);
WK_DEFINE_TYPE(unhashable_type, struct person, .equal = person_equal);
WK_DEFINE_TYPE(plain_type, struct person, .flags = 0);
WK_DEFINE_TYPE(hidden_type, struct person, .flags = WK_TYPE_NO_WEAK);
WK_DEFINE_TYPE(prompt_type, struct person, .destroy = destroy_nothing, .flags = WK_TYPE_PROMPT);

static struct person *person_new(const wk_type *type, unsigned name)
{
	struct person *person = wk_new(type);

	assert_non_null(person);
	person->name = name;
	return person;
}

static wk_weakref *ref_to(const void *object, const wk_callback *callback)
{
	int status = WK_EBUSY;
	wk_weakref *ref = wk_weakref_new(object, callback, &status);

	assert_non_null(ref);
	assert_int_equal(status, WK_OK);
	return ref;
}

static int do_nothing(wk_weakref *ref, void *argument)
{
	(void)ref;
	(void)argument;
	return 0;
}

static const wk_callback callback = { .run = do_nothing };

/* Getting the object, and NULL once it is dead. */

static void test_get(void **state)
{
	struct person *person = person_new(&person_type, 1), *got;
	wk_weakref *ref = ref_to(person, NULL);

	(void)state;
	got = wk_weakref_get(ref);
	assert_ptr_equal(got, person);
	assert_int_equal(wk_strong_count(person), 2);
	wk_release(got);
	wk_release(person);
	assert_null(wk_weakref_get(ref));
	assert_null(wk_weakref_get(ref));
	wk_weakref_release(ref);
}

/* What can be asked of it without holding the object. */
static void test_weak_handle(void **state)
{
	struct person *person = person_new(&person_type, 1), *other = person_new(&person_type, 1);
	wk_weakref *ref = ref_to(person, NULL);
	wk_weak *weak = wk_weakref_weak(ref), *kept;

	(void)state;
	assert_false(wk_weak_expired(weak));
	assert_true(wk_weak_refers_to(weak, person));
	assert_false(wk_weak_refers_to(weak, other));
	assert_ptr_equal(wk_weak_type(weak), &person_type);
	assert_int_equal(wk_strong_count(person), 1);
	wk_release(person);
	assert_true(wk_weak_expired(weak));
	kept = wk_weak_retain(weak);
	wk_weakref_release(ref);
	assert_true(wk_weak_expired(kept));
	wk_weak_release(kept);
	assert_null(wk_weakref_weak(NULL));
	wk_release(other);
}

static void test_prompt_types_too(void **state)
{
	struct person *person = person_new(&prompt_type, 1), *got;
	wk_weakref *ref = ref_to(person, NULL);
	uint64_t hash;

	(void)state;
	got = wk_weakref_get(ref);
	assert_ptr_equal(got, person);
	assert_int_equal(wk_weakref_hash(ref, &hash), WK_OK);
	wk_release(got);
	wk_release(person);
	assert_null(wk_weakref_get(ref));
	wk_weakref_release(ref);
}

/* Without a callback everybody gets the same one, as long as somebody owns it. */
static void test_shared_reference(void **state)
{
	struct person *person = person_new(&person_type, 1), *other = person_new(&person_type, 1);
	wk_weakref *first = ref_to(person, NULL), *second = ref_to(person, NULL), *others = ref_to(other, NULL);
	wk_weakref *with_callback = ref_to(person, &callback), *again = ref_to(person, &callback);

	(void)state;
	assert_ptr_equal(first, second);
	assert_ptr_not_equal(first, others);
	assert_ptr_not_equal(first, with_callback);
	assert_ptr_not_equal(again, with_callback);
	assert_ptr_equal(wk_weakref_retain(first), first);
	wk_weakref_release(first);
	wk_weakref_release(first);
	assert_int_equal(wk_weakref_count(person), 3);
	wk_weakref_release(second);
	assert_int_equal(wk_weakref_count(person), 2);
	first = ref_to(person, NULL);
	assert_int_equal(wk_weakref_count(person), 3);
	wk_weakref_release(first);
	wk_weakref_release(with_callback);
	wk_weakref_release(again);
	wk_weakref_release(others);
	assert_int_equal(wk_weakref_count(person), 0);
	wk_release(person);
	wk_release(other);
}

static void test_data(void **state)
{
	struct person *person = person_new(&person_type, 1);
	int status = WK_EBUSY;
	wk_weakref *plain = wk_weakref_new_sized(person, NULL, 0, &status);
	wk_weakref *shared = ref_to(person, NULL), *sized = wk_weakref_new_sized(person, NULL, 1000, &status);
	wk_weakref *both = wk_weakref_new_sized(person, &callback, 1, NULL);
	unsigned char *data = wk_weakref_data(sized);
	unsigned i;

	(void)state;
	assert_int_equal(status, WK_OK);
	assert_ptr_equal(plain, shared);
	assert_null(wk_weakref_data(shared));
	assert_ptr_not_equal(sized, shared);
	assert_non_null(data);
	assert_int_equal((uintptr_t)data % 16, 0);
	for (i = 0; i < 1000; i++)
		assert_int_equal(data[i], 0);
	memset(data, 0xff, 1000);
	assert_int_equal(*(unsigned char *)wk_weakref_data(both), 0);
	assert_null(wk_weakref_new_sized(person, NULL, SIZE_MAX, &status));
	assert_int_equal(status, WK_ENOMEM);
	assert_null(wk_weakref_new_sized(person, NULL, (size_t)UINT32_MAX, &status));
	assert_int_equal(status, WK_ENOMEM);
	wk_release(person);
	assert_int_equal(data[999], 0xff);
	wk_weakref_release(plain);
	wk_weakref_release(shared);
	wk_weakref_release(sized);
	wk_weakref_release(both);
}

static void test_what_cannot_be_referred_to(void **state)
{
	struct person *hidden = person_new(&hidden_type, 1), *person = person_new(&person_type, 1);
	int status = WK_OK;

	(void)state;
	assert_null(wk_weakref_new(hidden, NULL, &status));
	assert_int_equal(status, WK_ETYPE);
	assert_null(wk_weakref_new(hidden, &callback, &status));
	assert_int_equal(status, WK_ETYPE);
	assert_null(wk_weakref_new(NULL, NULL, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_weakref_new(person, &(wk_callback){ .argument = &status }, &status));
	assert_int_equal(status, WK_EINVAL);
	assert_null(wk_weakref_new(NULL, NULL, NULL));
	assert_int_equal(wk_weakref_count(person), 0);
	wk_release(hidden);
	wk_release(person);
}

static void test_null_is_allowed(void **state)
{
	char text[32];
	uint64_t hash;

	(void)state;
	assert_null(wk_weakref_get(NULL));
	assert_null(wk_weakref_data(NULL));
	assert_null(wk_weakref_retain(NULL));
	wk_weakref_release(NULL);
	assert_int_equal(wk_weakref_cancel(NULL), WK_EINVAL);
	assert_int_equal(wk_weakref_hash(NULL, &hash), WK_EINVAL);
	assert_true(wk_weakref_equal(NULL, NULL));
	assert_int_equal(wk_weakref_count(NULL), 0);
	assert_int_equal(wk_weakref_list(NULL, NULL, 0), 0);
	assert_int_equal(wk_weakref_format(NULL, text, sizeof(text)), 15);
	assert_string_equal(text, "<weakref; NULL>");
}

/* The hash is the object's, is asked for once, and is kept. */

static void test_hash(void **state)
{
	struct person *person = person_new(&person_type, 7);
	wk_weakref *ref = ref_to(person, NULL), *late = ref_to(person, &callback);
	uint64_t hash = 0;

	(void)state;
	assert_int_equal(wk_weakref_hash(ref, NULL), WK_EINVAL);
	assert_int_equal(wk_weakref_hash(ref, &hash), WK_OK);
	assert_int_equal(hash, 0x1000007);
	assert_int_equal(wk_weakref_hash(ref, &hash), WK_OK);
	assert_int_equal(person->hashed, 1);
	assert_int_equal(wk_strong_count(person), 1);
	wk_release(person);
	hash = 0;
	assert_int_equal(wk_weakref_hash(ref, &hash), WK_OK);
	assert_int_equal(hash, 0x1000007);
	hash = 5;
	assert_int_equal(wk_weakref_hash(late, &hash), WK_EDEAD);
	assert_int_equal(hash, 5);
	wk_weakref_release(ref);
	wk_weakref_release(late);
}

static void test_hash_of_other_types(void **state)
{
	struct person *unhashable = person_new(&unhashable_type, 1), *plain = person_new(&plain_type, 1);
	wk_weakref *ref = ref_to(unhashable, NULL), *identity = ref_to(plain, NULL);
	wk_weak *weak = wk_downgrade(plain);
	uint64_t hash;

	(void)state;
	assert_int_equal(wk_weakref_hash(ref, &hash), WK_ETYPE);
	assert_int_equal(wk_weakref_hash(identity, &hash), WK_OK);
	assert_true(hash == wk_weak_hash(weak));
	wk_weak_release(weak);
	wk_release(unhashable);
	wk_release(plain);
	assert_int_equal(wk_weakref_hash(identity, &hash), WK_OK);
	wk_weakref_release(ref);
	wk_weakref_release(identity);
}

/* Equality: of the objects while both live, of the references afterwards. */

static void test_equality(void **state)
{
	struct person *guido = person_new(&person_type, 1), *same = person_new(&person_type, 1);
	struct person *other = person_new(&person_type, 2), *unlike = person_new(&unhashable_type, 1);
	wk_weakref *a = ref_to(guido, NULL), *a2 = ref_to(guido, &callback), *b = ref_to(same, NULL);
	wk_weakref *c = ref_to(other, NULL), *d = ref_to(unlike, NULL);

	(void)state;
	assert_true(wk_weakref_equal(a, a));
	assert_true(wk_weakref_equal(a, a2));
	assert_true(wk_weakref_equal(a, b));
	assert_false(wk_weakref_equal(a, c));
	assert_false(wk_weakref_equal(a, d)); /* of another type */
	assert_false(wk_weakref_equal(a, NULL));
	wk_release(guido);
	assert_true(wk_weakref_equal(a, a));
	assert_false(wk_weakref_equal(a, a2));
	assert_false(wk_weakref_equal(a, b));
	assert_false(wk_weakref_equal(b, a));
	wk_release(same);
	assert_false(wk_weakref_equal(a, b));
	wk_release(other);
	wk_release(unlike);
	wk_weakref_release(a);
	wk_weakref_release(a2);
	wk_weakref_release(b);
	wk_weakref_release(c);
	wk_weakref_release(d);
}

static void test_equality_of_identity(void **state)
{
	struct person *one = person_new(&plain_type, 1), *two = person_new(&plain_type, 1);
	wk_weakref *a = ref_to(one, NULL), *a2 = ref_to(one, &callback), *b = ref_to(two, NULL);

	(void)state;
	assert_true(wk_weakref_equal(a, a2));
	assert_false(wk_weakref_equal(a, b));
	assert_int_equal(wk_strong_count(one), 1);
	wk_release(one);
	wk_release(two);
	wk_weakref_release(a);
	wk_weakref_release(a2);
	wk_weakref_release(b);
}

static void test_format(void **state)
{
	struct person *person = person_new(&person_type, 1);
	wk_weakref *ref = ref_to(person, NULL);
	char expected[128], text[128], start[10];
	int length;

	(void)state;
	length = snprintf(expected, sizeof(expected), "<weakref at %p; to 'Person' at %p>", (void *)ref, (void *)person);
	assert_int_equal(wk_weakref_format(ref, text, sizeof(text)), length);
	assert_string_equal(text, expected);
	assert_memory_equal(text, "<weakref at 0x", 14);
	assert_int_equal(wk_weakref_format(ref, NULL, 0), length);
	assert_int_equal(wk_weakref_format(ref, start, sizeof(start)), length);
	assert_string_equal(start, "<weakref ");
	wk_release(person);
	length = snprintf(expected, sizeof(expected), "<weakref at %p; dead>", (void *)ref);
	assert_int_equal(wk_weakref_format(ref, text, sizeof(text)), length);
	assert_string_equal(text, expected);
	assert_int_equal(wk_weakref_kind(ref), WK_KIND_REF);
	wk_weakref_release(ref);
}

/* What is registered with an object. */

static void test_count(void **state)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options) };
	wk_value_dict *one = wk_value_dict_new(&options, NULL), *two = wk_value_dict_new(&options, NULL);
	struct person *person = person_new(&person_type, 1);
	wk_weakref *ref = ref_to(person, NULL), *same = ref_to(person, NULL), *own = ref_to(person, &callback);
	wk_weak *weak = wk_downgrade(person);

	(void)state;
	assert_int_equal(wk_weakref_count(person), 2);
	assert_int_equal(wk_value_dict_set(one, wk_key_u64(1), person), WK_CREATED);
	assert_int_equal(wk_value_dict_set(two, wk_key_u64(1), person), WK_CREATED);
	assert_int_equal(wk_weakref_count(person), 4); /* an object in two dictionaries counts 2 */
	assert_int_equal(wk_value_dict_remove(one, wk_key_u64(1)), WK_OK);
	assert_int_equal(wk_weakref_count(person), 3);
	assert_int_equal(wk_strong_count(person), 1);
	assert_int_equal(wk_weakref_list(person, NULL, 0), 2);
	wk_weakref_release(same);
	wk_weakref_release(ref);
	wk_weakref_release(own);
	assert_int_equal(wk_weakref_count(person), 1);
	wk_weak_release(weak);
	wk_release(person);
	wk_release(one);
	wk_release(two);
}

static void test_list(void **state)
{
	struct person *person = person_new(&person_type, 1);
	wk_weakref *oldest = ref_to(person, NULL), *middle = ref_to(person, &callback);
	wk_weakref *newest = wk_weakref_new_sized(person, NULL, 8, NULL);
	wk_weakref *list[4] = { NULL };

	(void)state;
	assert_int_equal(wk_weakref_list(person, list, 4), 3);
	assert_ptr_equal(list[0], newest);
	assert_ptr_equal(list[1], middle);
	assert_ptr_equal(list[2], oldest);
	assert_null(list[3]);
	wk_weakref_release(newest);
	wk_weakref_release(middle);
	wk_weakref_release(oldest);
	assert_int_equal(wk_weakref_count(person), 3); /* the list owns them */
	wk_weakref_release(list[0]);
	wk_weakref_release(list[1]);
	assert_int_equal(wk_weakref_list(person, list, 1), 1);
	assert_ptr_equal(list[0], oldest);
	wk_weakref_release(list[0]);
	wk_weakref_release(oldest);
	assert_int_equal(wk_weakref_list(person, list, 4), 0);
	wk_release(person);
}

static void test_list_with_little_room(void **state)
{
	struct person *person = person_new(&person_type, 1);
	wk_weakref *old = ref_to(person, &callback), *young = ref_to(person, &callback), *listed = NULL;

	(void)state;
	assert_int_equal(wk_weakref_list(person, &listed, 1), 2);
	assert_ptr_equal(listed, young);
	wk_weakref_release(listed);
	wk_weakref_release(old);
	wk_weakref_release(young);
	assert_int_equal(wk_weakref_count(person), 0);
	wk_release(person);
}

/* References that come and go leave no trace on a long-lived object. */
static void test_many_come_and_go(void **state)
{
	struct person *person = person_new(&person_type, 1);
	wk_weakref *keep = ref_to(person, &callback), *refs[100];
	unsigned round, i;

	(void)state;
	for (round = 0; round < 100; round++) {
		for (i = 0; i < 100; i++)
			refs[i] = ref_to(person, i % 3 == 0 ? NULL : &callback);
		for (i = 0; i < 100; i++)
			wk_weakref_release(refs[(i * 37 + round) % 100]);
		assert_int_equal(wk_weakref_count(person), 1);
	}
	wk_weakref_release(keep);
	wk_release(person);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_weak_handle),
		cmocka_unit_test(test_prompt_types_too),
		cmocka_unit_test(test_shared_reference),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_what_cannot_be_referred_to),
		cmocka_unit_test(test_null_is_allowed),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_hash_of_other_types),
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_equality_of_identity),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_list_with_little_room),
		cmocka_unit_test(test_many_come_and_go),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
