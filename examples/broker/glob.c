#include "glob.h"

struct glob {
	const char *pattern, *end; /* what is left of the pattern */
	bool any_case;
};

static unsigned char folded(const struct glob *g, char c)
{
	return (unsigned char)(g->any_case && c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* The next byte of the pattern as itself; a backslash at the very end is a backslash. */
static unsigned char take_literal(struct glob *g)
{
	if (*g->pattern == '\\' && g->end - g->pattern > 1)
		g->pattern++;
	return folded(g, *g->pattern++);
}

/* A member of a class: a byte, or a range in either direction. */
static bool take_member(struct glob *g, unsigned char c)
{
	bool escaped = *g->pattern == '\\';
	unsigned char from = take_literal(g), to = from;

	if (!escaped && g->end - g->pattern >= 2 && *g->pattern == '-') {
		to = folded(g, g->pattern[1]);
		g->pattern += 2;
	}
	return from <= to ? c >= from && c <= to : c >= to && c <= from;
}

/* Behind the opening bracket. A class that does not end takes the rest of the pattern. */
static bool take_class(struct glob *g, unsigned char c)
{
	bool outside = g->pattern < g->end && *g->pattern == '^', found = false;

	g->pattern += outside;
	while (g->pattern < g->end && *g->pattern != ']')
		found |= take_member(g, c);
	g->pattern += g->pattern < g->end;
	return found != outside;
}

/* One element of the pattern, which is no star, against one byte. */
static bool take_one(struct glob *g, char byte)
{
	unsigned char c = folded(g, byte);

	if (*g->pattern == '?') {
		g->pattern++;
		return true;
	}
	if (*g->pattern == '[') {
		g->pattern++;
		return take_class(g, c);
	}
	return take_literal(g) == c;
}

/* Only the last star is ever tried again, one byte later: an earlier one could not do better. */
bool glob_matches(struct argument pattern, struct argument text, bool any_case)
{
	struct glob g = { pattern.bytes, pattern.bytes + pattern.length, any_case };
	const char *next = text.bytes, *end = text.bytes + text.length;
	const char *star = NULL, *from = NULL; /* behind the last star, and what it leaves */

	for (;;) {
		if (g.pattern < g.end && *g.pattern == '*') {
			star = ++g.pattern;
			from = next;
		} else if (next == end) {
			return g.pattern == g.end;
		} else if (g.pattern < g.end && take_one(&g, *next)) {
			next++;
		} else if (star) {
			g.pattern = star;
			next = ++from;
		} else {
			return false;
		}
	}
}
