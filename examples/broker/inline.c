#include "inline.h"

#include <ctype.h>

/* Reads from `next`, writes what it reads to `out`, which never overtakes it. */
struct splitter {
	const char *next, *end;
	char *out;
};

static bool at_space(const struct splitter *s)
{
	return s->next < s->end && isspace((unsigned char)*s->next);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_hex(struct splitter *s)
{
	if (s->end - s->next < 4 || s->next[1] != 'x' || hex_digit(s->next[2]) < 0 || hex_digit(s->next[3]) < 0)
		return false;
	*s->out++ = (char)(hex_digit(s->next[2]) * 16 + hex_digit(s->next[3]));
	s->next += 4;
	return true;
}

static char escaped(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'b':
		return '\b';
	case 'a':
		return '\a';
	default:
		return c;
	}
}

/* Behind a backslash inside quotes; false: it stands for itself. */
static bool take_escape(struct splitter *s, char quote)
{
	if (s->end - s->next < 2)
		return false;
	if (quote == '\'' && s->next[1] != '\'')
		return false;
	if (quote == '"' && take_hex(s))
		return true;
	*s->out++ = escaped(s->next[1]);
	s->next += 2;
	return true;
}

/* The rest of a word from its opening quote on. */
static bool take_quoted(struct splitter *s)
{
	char quote = *s->next++;

	while (s->next < s->end && *s->next != quote)
		if (*s->next != '\\' || !take_escape(s, quote))
			*s->out++ = *s->next++;
	if (s->next == s->end)
		return false;
	s->next++;
	return s->next == s->end || at_space(s);
}

static bool take_word(struct splitter *s)
{
	while (s->next < s->end && !at_space(s)) {
		if (*s->next == '"' || *s->next == '\'')
			return take_quoted(s);
		*s->out++ = *s->next++;
	}
	return true;
}

bool inline_split(char *line, size_t length, struct argument *words, size_t *count)
{
	struct splitter s = { .next = line, .end = line + length, .out = line };

	for (*count = 0;; ++*count) {
		struct argument *word = &words[*count];

		while (at_space(&s))
			s.next++;
		if (s.next == s.end)
			return true;
		word->bytes = s.out;
		if (!take_word(&s))
			return false;
		word->length = (size_t)(s.out - word->bytes);
	}
}
