/*
 * The headers from C++17: types, typed references, sections and handles that end with their block
 */
#include <csetjmp>
#include <cstdarg>
#include <stdexcept>
#include <type_traits>

#include "weakref.h"

extern "C" {
#include <cmocka.h>
}

namespace {

struct session {
	int number;
	long *destroyed;
};

void session_destroy(void *payload)
{
	++*static_cast<session *>(payload)->destroyed;
}

WK_DEFINE_TYPE(session_type, session, .destroy = session_destroy);
WK_DEFINE_TYPE(plain_type, session, .flags = 0);

session *session_new(long *destroyed)
{
	session *made = WK_NEW(session, &session_type);

	assert_non_null(made);
	made->destroyed = destroyed;
	return made;
}

void test_typed_references(void **)
{
	long destroyed = 0;
	session *first = session_new(&destroyed), *second = wk_retain(first);
	const session *constant = wk_retain(static_cast<const session *>(first));

	static_assert(std::is_same<decltype(wk_retain(constant)), const session *>::value, "const stays");
	assert_ptr_equal(first, second);
	assert_int_equal(wk_strong_count(first), 3);
	wk_clear(&second);
	assert_null(second);
	wk_release(constant);
	second = wk_steal(&first);
	assert_null(first);
	wk_clear(&second);
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
	assert_int_equal(destroyed, 1);
}

void throw_from_a_block(session *held, wk_weak *weak)
{
	WK_AUTO session *own = wk_retain(held);
	WK_AUTO_WEAK wk_weak *handle = wk_weak_retain(weak);
	WK_READ_SECTION();

	assert_non_null(own);
	assert_non_null(handle);
	throw std::runtime_error("out of the block");
}

/* An exception leaves nothing behind. */
void test_blocks_that_are_left_by_exceptions(void **)
{
	long destroyed = 0;
	session *held = session_new(&destroyed);
	wk_weak *weak = wk_downgrade(held);
	bool caught = false;

	try {
		throw_from_a_block(held, weak);
	} catch (const std::runtime_error &) {
		caught = true;
	}
	assert_true(caught);
	assert_int_equal(wk_strong_count(held), 1);
	assert_int_equal(wk_weak_count(held), 1);
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK); /* not inside a section any more */
	wk_release(held);
	assert_null(wk_upgrade(weak));
	wk_weak_release(weak);
	assert_int_equal(wk_barrier(WK_NO_TIMEOUT), WK_OK);
	assert_int_equal(destroyed, 1);
}

void test_types_are_told_apart(void **)
{
	WK_AUTO session *plain = WK_NEW(session, &plain_type);
	WK_AUTO_WEAK wk_weak *weak = wk_downgrade(plain);

	assert_true(wk_is_type(plain, &plain_type));
	assert_null(wk_upgrade_as(weak, &session_type));
	assert_string_equal(wk_type_of(plain)->name, "session");
}

int session_construct(void *payload, wk_weak *self, void *context)
{
	session *made = static_cast<session *>(payload);

	made->number = wk_weak_expired(self) ? -1 : 7;
	made->destroyed = static_cast<long *>(context);
	return 0;
}

void test_construction_and_uniqueness(void **)
{
	long destroyed = 0;
	int status = WK_EINVAL;
	session *first = static_cast<session *>(
		wk_new_cyclic(&plain_type, nullptr, session_construct, &destroyed, &status));
	const session *shared = wk_retain(first);
	session *mine = static_cast<session *>(wk_make_unique(shared, &status)), inner = {};

	assert_int_equal(status, WK_CREATED);
	assert_int_equal(mine->number, 7);
	assert_int_equal(wk_into_inner(mine, &inner), WK_OK);
	assert_int_equal(inner.number, 7);
	wk_clear(&first);
}

int session_number(void *object, void *)
{
	return static_cast<session *>(object)->number;
}

void test_proxies_and_methods(void **)
{
	session *made = WK_NEW(session, &plain_type);
	WK_AUTO_WEAKREF wk_weakref *proxy = wk_proxy_new(made, nullptr, nullptr);
	WK_AUTO_WEAKREF wk_weakref *method = wk_method_new(made, session_number, nullptr, nullptr);
	int result = 0, rounds = 0;

	made->number = 9;
	assert_int_equal(wk_proxy_use(proxy, session_number, nullptr, &result), WK_OK);
	assert_int_equal(result, 9);
	WK_WITH(session, held, proxy) {
		rounds += held->number;
		assert_int_equal(wk_strong_count(made), 2);
	}
	assert_int_equal(wk_strong_count(made), 1);
	wk_clear(&made);
	assert_int_equal(wk_method_call(method, nullptr, &result), WK_EDEAD);
	WK_WITH(session, held, proxy)
		rounds += held->number;
	assert_int_equal(rounds, 9);
}

} /* namespace */

int main()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typed_references),
		cmocka_unit_test(test_blocks_that_are_left_by_exceptions),
		cmocka_unit_test(test_types_are_told_apart),
		cmocka_unit_test(test_construction_and_uniqueness),
		cmocka_unit_test(test_proxies_and_methods),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
