/*
 * weakref/object.h: every way in which a constructor can be asked for something impossible
 *
 * Each failure leaves everything as it was: the census has not moved, the queue has not been retained.
 */
#include "runtime_fixture.h"

#include "support/threads.h"

struct item {
	long number;
};

static void destroy(void *payload)
{
	(void)payload;
}

WK_DEFINE_TYPE(plain_type, struct item, .flags = 0);
WK_DEFINE_TYPE(destroyed_type, struct item, .destroy = destroy);
WK_DEFINE_TYPE(prompt_type, struct item, .destroy = destroy, .flags = WK_TYPE_PROMPT);

static void assert_refused(const wk_type *type, const wk_new_options *options, int expected)
{
	int status = WK_OK;

	assert_null(wk_new_with(type, options, &status));
	assert_int_equal(status, expected);
	assert_null(wk_new_with(type, options, NULL));
	assert_int_equal(wk_last_status(), expected);
}

static void assert_malformed(wk_type type)
{
	assert_refused(&type, NULL, WK_EINVAL);
	assert_null(wk_new(&type));
	assert_int_equal(wk_last_status(), WK_EINVAL);
}

static wk_type sound_type(wk_type_state *own_state)
{
	wk_type type = plain_type;

	type.state = own_state;
	return type;
}

static void test_malformed_types(void **state)
{
	static wk_type_state own;
	wk_type type;

	(void)state;
	assert_refused(NULL, NULL, WK_EINVAL);
	type = sound_type(&own);
	type.struct_size = 0;
	assert_malformed(type);
	type = sound_type(&own);
	type.struct_size = sizeof(wk_type) - 1;
	assert_malformed(type);
	type = sound_type(&own);
	type.name = NULL;
	assert_malformed(type);
	assert_malformed(sound_type(NULL));
	type = sound_type(&own);
	type.alignment = 0;
	assert_malformed(type);
	type.alignment = 24;
	assert_malformed(type);
	type.alignment = 2 * (size_t)WK_ALIGNMENT_MAX;
	assert_malformed(type);
	type = sound_type(&own);
	type.flags = WK_TYPE_PROMPT | WK_TYPE_ASYNC_DESTROY;
	assert_malformed(type);
}

/* Two types may not share a state: the census would count both as one. */
static void test_state_of_another_type(void **state)
{
	static wk_type_state own;
	static wk_type first, second;
	void *object;

	(void)state;
	first = sound_type(&own);
	second = sound_type(&own);
	object = wk_new(&first);
	assert_non_null(object);
	assert_refused(&second, NULL, WK_EINVAL);
	wk_release(object);
}

static void test_impossible_options(void **state)
{
	_Alignas(16) static char memory[256];
	wk_header *header = (wk_header *)(void *)(memory + sizeof(wk_header));
	wk_header *misaligned = (wk_header *)(void *)(memory + 1);
	wk_queue *queue = wk_queue_new(NULL, NULL);
	wk_census before = census_of(&destroyed_type);

	(void)state;
	assert_refused(&destroyed_type, &(wk_new_options){ .size = sizeof(struct item) - 1 }, WK_EINVAL);
	assert_refused(&destroyed_type, &(wk_new_options){ .memory = misaligned }, WK_EINVAL);
	assert_refused(&plain_type, &(wk_new_options){ .memory = header }, WK_EINVAL);
	assert_refused(&plain_type, &(wk_new_options){ .destroy_on = queue }, WK_EINVAL);
	assert_refused(&prompt_type, &(wk_new_options){ .destroy_on = queue }, WK_EINVAL);
	assert_int_equal(census_of(&destroyed_type).created, before.created);
	assert_int_equal(wk_strong_count(queue), 1);
	assert_int_equal(wk_queue_close(queue, WK_QUEUE_RUN), WK_OK);
	wk_release(queue);
}

/* Like errno: kept until the next failure, each thread has its own. */
static void look_at_last_status(void *context)
{
	int *seen = context;

	seen[0] = wk_last_status();
	wk_release(wk_new(&plain_type));
	seen[1] = wk_last_status();
	(void)!wk_new_with(&plain_type, &(wk_new_options){ .size = PTRDIFF_MAX }, NULL);
	seen[2] = wk_last_status();
}

static void test_last_status(void **state)
{
	int seen[3];

	(void)state;
	assert_null(wk_new_with(&destroyed_type, &(wk_new_options){ .size = 1 }, NULL));
	assert_int_equal(wk_last_status(), WK_EINVAL);
	wk_release(wk_new(&plain_type));
	assert_int_equal(wk_last_status(), WK_EINVAL);
	threads_alone(look_at_last_status, seen, 0);
	assert_int_equal(seen[0], WK_OK);
	assert_int_equal(seen[1], WK_OK);
	assert_int_equal(seen[2], WK_ENOMEM);
	assert_int_equal(wk_last_status(), WK_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_malformed_types),
		cmocka_unit_test(test_state_of_another_type),
		cmocka_unit_test(test_impossible_options),
		cmocka_unit_test(test_last_status),
		cmocka_unit_test(test_the_accounts_balance),
	};

	wk_release(wk_new(&destroyed_type));
	return cmocka_run_group_tests(tests, runtime_setup, NULL);
}
