/*
 * weakref/cursor.h and weakref/weak_set.h from C++: WK_EACH is left by every way out, an exception too
 */
#include "weakref.h"

#include <cstdio>
#include <stdexcept>

struct thing {
	unsigned met;
};
WK_DEFINE_TYPE(thing_type, thing, .flags = 0);

static bool leave_by_return(const wk_weak_set *set)
{
	WK_EACH(thing, each, set)
		return each->met == 1;
	return false;
}

static unsigned leave_by_exception(const wk_weak_set *set)
{
	try {
		WK_EACH(thing, each, set)
			throw std::runtime_error("on purpose");
	} catch (const std::runtime_error &) {
		return 1;
	}
	return 0;
}

static bool check(bool holds, const char *what)
{
	if (!holds)
		std::fprintf(stderr, "does not hold: %s\n", what);
	return holds;
}

int main()
{
	bool good = check(wk_runtime_start(nullptr) == WK_OK, "started");
	wk_weak_set *set = wk_weak_set_new(nullptr, nullptr);
	thing *things[10];
	unsigned turns = 0;

	for (thing *&each : things) {
		each = static_cast<thing *>(wk_new(&thing_type));
		good &= check(wk_weak_set_add(set, each) == WK_CREATED, "added");
	}
	WK_EACH(thing, each, set) {
		each->met++;
		if (turns++ < 5)
			continue;
	}
	WK_EACH(thing, each, set) {
		if (turns++ == 12)
			break;
	}
	good &= check(turns == 13, "turns");
	good &= check(leave_by_return(set), "return");
	good &= check(leave_by_exception(set) == 1, "exception");
	good &= check(wk_strong_count(set) == 1, "the set is the program's alone");
	for (thing *each : things) {
		good &= check(each->met == 1 && wk_strong_count(each) == 1, "met once, not held");
		wk_release(each);
	}
	good &= check(wk_weak_set_len(set) == 0, "empty");
	wk_release(set);
	good &= check(wk_runtime_shutdown(WK_NO_TIMEOUT, nullptr) == WK_OK, "everything has ended");
	return good ? 0 : 1;
}
