/* The int bypass: a type may forbid weak references to its objects; a small object around one allows them again.
 * The refusal comes back as a status, never as a reference that would not work.
 * Python: ref(42) raises TypeError, a subclass of int can be referenced. Here: WK_TYPE_NO_WEAK, WK_ETYPE. */
#include <stdio.h>
#include <weakref.h>

typedef struct Integer {
	int value;
} Integer;
WK_DEFINE_TYPE(integer_type, Integer, .flags = WK_TYPE_NO_WEAK);

typedef struct MyInteger {
	Integer integer;
} MyInteger;
WK_DEFINE_TYPE(my_integer_type, MyInteger, .flags = 0);

static void try_ref(const void *object)
{
	int status;
	WK_AUTO_WEAKREF wk_weakref *ref = wk_weakref_new(object, NULL, &status);
	char text[80];

	if (!ref) {
		printf("'%s' object: %s\n", wk_type_of(object)->name, wk_strerror(status));
		return;
	}
	wk_weakref_format(ref, text, sizeof text);
	printf("%s\n", text);
}

static int compare(void)
{
	WK_AUTO Integer *plain = WK_NEW(Integer, &integer_type);
	WK_AUTO MyInteger *wrapped = WK_NEW(MyInteger, &my_integer_type);
	if (!plain || !wrapped)
		return 1;
	plain->value = wrapped->integer.value = 42;

	try_ref(plain);
	try_ref(wrapped);
	printf("%d == %d\n", plain->value, wrapped->integer.value);
	return 0;
}

int main(void)
{
	return compare() || wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
