/* Patterns as Redis takes them, each byte of pattern and text being any byte. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "glob.h"

static bool matches(const char *pattern, const char *text, bool any_case)
{
	struct argument p = { pattern, strlen(pattern) }, t = { text, strlen(text) };

	return glob_matches(p, t, any_case);
}

static const struct {
	const char *pattern, *text;
	bool matches;
} cases[] = {
	{ "", "", true },
	{ "", "a", false },
	{ "a", "", false },
	{ "abc", "abc", true },
	{ "abc", "abd", false },
	{ "abc", "ab", false },
	{ "ab", "abc", false },
	{ "a?c", "abc", true },
	{ "?", "", false },
	{ "*", "", true },
	{ "**", "abc", true },
	{ "a*", "a", true },
	{ "*c", "abc", true },
	{ "*c", "abcd", false },
	{ "a*c*e", "abcde", true },
	{ "a*c*e", "acbce", true },
	{ "*ab", "aab", true },
	{ "*a*b*c", "xaybzc", true },
	{ "*a*b*c", "xaybz", false },
	{ "h[ae]llo", "hello", true },
	{ "h[ae]llo", "hillo", false },
	{ "h[^e]llo", "hallo", true },
	{ "h[^e]llo", "hello", false },
	{ "h[a-c]llo", "hbllo", true },
	{ "h[c-a]llo", "hbllo", true },
	{ "h[a-c]llo", "hdllo", false },
	{ "[a-]", "-", false }, /* a range up to the bracket, and no end: from ']' to 'a' */
	{ "[a-]", "^", true },
	{ "[\\]]", "]", true },
	{ "[\\a-c]", "b", false },
	{ "[\\a-c]", "-", true },
	{ "[abc", "b", true },
	{ "[", "a", false },
	{ "[^", "a", true },
	{ "[]", "a", false },
	{ "[^]", "a", true },
	{ "\\*", "*", true },
	{ "\\*", "a", false },
	{ "a\\", "a\\", true },
	{ "\\\\", "\\", true },
	{ "*[0-9]", "topic7", true },
	{ "*[0-9]", "topic", false },
};

static void test_patterns(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (matches(cases[i].pattern, cases[i].text, false) != cases[i].matches)
			fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
}

static void test_case(void **state)
{
	(void)state;
	assert_true(matches("SA?E", "save", true));
	assert_false(matches("SA?E", "save", false));
	assert_true(matches("[X-Z]*", "yes", true));
	assert_true(matches("\\Yes", "yES", true));
}

static void test_any_byte(void **state)
{
	struct argument pattern = { "a\0*\n", 4 }, text = { "a\0b\0\n", 5 }, other = { "a\0b\0", 4 };

	(void)state;
	assert_true(glob_matches(pattern, text, false));
	assert_false(glob_matches(pattern, other, false));
}

/* Stars do not make it slow: matchers that try every star again need 2^30 steps here. */
static void test_many_stars(void **state)
{
	enum { STARS = 30, LENGTH = 3000 };
	char pattern[2 * STARS + 2], text[LENGTH + 1];

	(void)state;
	for (int i = 0; i < STARS; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	strcpy(pattern + 2 * STARS, "b");
	memset(text, 'a', LENGTH);
	text[LENGTH] = '\0';
	assert_false(matches(pattern, text, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_case),
		cmocka_unit_test(test_any_byte),
		cmocka_unit_test(test_many_stars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
