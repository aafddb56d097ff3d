#ifndef BROKER_GLOB_H
#define BROKER_GLOB_H

#include "inline.h"

/**
 * glob_matches - Redis's patterns
 *
 * `*` is any bytes, `?` any one; `[abc]`, `[^abc]` and `[a-c]` one of a class or one outside; `\c` is c itself. Any byte
 * may stand in pattern and text, line ends and zeroes too. In one point it is not Redis: `*` matches an empty text.
 * The time is at most the product of the lengths.
 */
bool glob_matches(struct argument pattern, struct argument text, bool any_case);

#endif
