/*
 * weakref/common.h: status codes and their texts
 */
#include <setjmp.h>
#include <stdarg.h>
#include <limits.h>

#include "weakref/common.h"

#include <cmocka.h>

static void test_every_status_has_its_text(void **state)
{
	(void)state;
#define CHECK_TEXT(name, value, text) assert_string_equal(wk_strerror(name), text);
	WK_STATUS_TABLE(CHECK_TEXT)
#undef CHECK_TEXT
}

static void test_other_numbers_have_a_text_too(void **state)
{
	const int others[] = { 2, -11, 1000, INT_MAX, INT_MIN };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_string_equal(wk_strerror(others[i]), "unknown status");
}

/* Their values are ABI: programs that were compiled long ago compare with them. */
static void test_status_values_are_abi(void **state)
{
	(void)state;
	assert_int_equal(WK_CREATED, 1);
	assert_int_equal(WK_OK, 0);
	assert_int_equal(WK_EDEAD, -1);
	assert_int_equal(WK_ENOTFOUND, -2);
	assert_int_equal(WK_EEXISTS, -3);
	assert_int_equal(WK_ETYPE, -4);
	assert_int_equal(WK_ENOMEM, -5);
	assert_int_equal(WK_EINVAL, -6);
	assert_int_equal(WK_EDEADLOCK, -7);
	assert_int_equal(WK_ETIMEDOUT, -8);
	assert_int_equal(WK_ESHUTDOWN, -9);
	assert_int_equal(WK_EBUSY, -10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_status_has_its_text),
		cmocka_unit_test(test_other_numbers_have_a_text_too),
		cmocka_unit_test(test_status_values_are_abi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
