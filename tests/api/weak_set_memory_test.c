/*
 * weakref/weak_set.h: what happens when there is no memory, and that everything goes back
 *
 * What a thread has retired waits with it for a while: each scenario runs on a thread of its own, and counts what is
 * wrong. The runtime has no threads of its own: nothing is allocated but by what a scenario does.
 */
#include "runtime_fixture.h"

#include "support/memory.h"
#include "support/threads.h"

#define MANY 3000u

struct thing {
	uint64_t id;
};

/* Few hashes: cursors need memory, too. */
static uint64_t thing_hash(const void *payload)
{
	return ((const struct thing *)payload)->id % 16;
}

static bool thing_equal(const void *a, const void *b)
{
	return ((const struct thing *)a)->id == ((const struct thing *)b)->id;
}

WK_DEFINE_TYPE(thing_type, struct thing, .hash = thing_hash, .equal = thing_equal);

static struct memory memory;
static const wk_allocator counting = { memory_allocate, memory_release, &memory };
static struct thing *things[MANY];
static unsigned wrong, first_wrong_line;

static void expect_at(bool holds, unsigned line)
{
	if (!holds && wrong++ == 0)
		first_wrong_line = line;
}

#define expect(condition) expect_at((condition), __LINE__)

static wk_compare compare;

static wk_weak_set *set_new(int *status)
{
	const wk_weak_set_options options = {
		.struct_size = sizeof(options), .compare = compare, .allocator = &counting
	};

	return wk_weak_set_new(&options, status);
}

static void fill(wk_weak_set *set, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		things[i] = wk_new(&thing_type);
		things[i]->id = i;
		expect(wk_weak_set_add(set, things[i]) == WK_CREATED);
	}
}

static void drop(unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		wk_clear(&things[i]);
}

static void run_alone(void (*scenario)(void *))
{
	wrong = 0;
	threads_alone(scenario, NULL, 0);
	do
		settle();
	while (wk_runtime_poll(SIZE_MAX) > 0);
	if (wrong != 0)
		print_error("first in line %u\n", first_wrong_line);
	assert_int_equal(wrong, 0);
	assert_int_equal(memory.blocks, 0);
	assert_int_equal(memory.bytes, 0);
	assert_int_equal(memory.wrong, 0);
}

/* In the middle of a growth too. */
static void add_again(void *unused)
{
	wk_weak_set *set = set_new(NULL);
	unsigned long calls;

	(void)unused;
	for (unsigned i = 0; i < MANY; i += 50) {
		fill(set, i, i + 50);
		calls = memory.calls;
		for (unsigned k = 0; k < i + 50; k++)
			expect(wk_weak_set_add(set, things[k]) == WK_OK);
		expect(memory.calls == calls);
		expect(wk_weak_set_len(set) == i + 50);
	}
	drop(0, MANY);
	wk_release(set);
}

static void test_adding_a_member_allocates_nothing(void **state)
{
	(void)state;
	run_alone(add_again);
}

/* Promise 20: whichever allocation fails, nothing has changed. */
static void add_without_memory(void *unused)
{
	wk_weak_set *set = set_new(NULL);
	unsigned failed = 0;
	int status;

	(void)unused;
	for (unsigned i = 0; i < 500; i++) {
		things[i] = wk_new(&thing_type);
		memory_fail_at(&memory, i % 4 + 1);
		status = wk_weak_set_add(set, things[i]);
		memory_fail_at(&memory, 0);
		expect(status == WK_CREATED || status == WK_ENOMEM);
		expect(wk_weak_set_contains(set, things[i]) == (status == WK_CREATED));
		expect(wk_weak_set_len(set) == i + (status == WK_CREATED));
		if (status != WK_ENOMEM)
			continue;
		failed++;
		expect(wk_weak_set_add(set, things[i]) == WK_CREATED);
	}
	expect(failed >= 125);
	drop(0, 500);
	wk_release(set);
}

static void test_promise_20_no_memory_for_members(void **state)
{
	(void)state;
	run_alone(add_without_memory);
}

static void new_without_memory(void *unused)
{
	unsigned long site = 0;
	wk_weak_set *set;
	int status;

	(void)unused;
	do {
		memory_fail_at(&memory, ++site);
		set = set_new(&status);
		expect(set != NULL || status == WK_ENOMEM);
	} while (set == NULL);
	memory_fail_at(&memory, 0);
	expect(site > 1);
	wk_release(set);
}

static void test_promise_20_no_memory_for_sets(void **state)
{
	(void)state;
	run_alone(new_without_memory);
}

static void copy_without_memory(void *unused)
{
	wk_weak_set *set = set_new(NULL), *copy;
	unsigned long site = 0;
	int status;

	(void)unused;
	fill(set, 0, 100);
	do {
		memory_fail_at(&memory, ++site);
		copy = wk_weak_set_copy(set, &status);
		expect(copy != NULL || status == WK_ENOMEM);
		expect(wk_weak_set_len(set) == 100);
		expect(wk_strong_count(things[0]) == 1);
	} while (copy == NULL);
	memory_fail_at(&memory, 0);
	expect(site > 100);
	expect(wk_weak_set_len(copy) == 100);
	wk_release(copy);
	drop(0, 100);
	wk_release(set);
}

static void test_promise_20_no_memory_for_copies(void **state)
{
	(void)state;
	run_alone(copy_without_memory);
}

/* Two sets of 100 that share 50, in whichever way. */
static wk_set_operation operation;

static void combine_without_memory(void *unused)
{
	static const size_t lengths[] = { 150, 50, 50, 100 };
	wk_weak_set *a = set_new(NULL), *b = set_new(NULL), *made = NULL;
	unsigned long site = 0, failed;
	int status;

	(void)unused;
	fill(a, 0, 100);
	fill(b, 100, 150);
	for (unsigned i = 50; i < 100; i++)
		expect(wk_weak_set_add(b, things[i]) == WK_CREATED);
	do { /* some failures are put up with */
		wk_clear(&made);
		failed = memory.failed;
		memory_fail_at(&memory, ++site);
		made = wk_weak_set_combine(a, b, operation, &status);
		memory_fail_at(&memory, 0);
		expect(made != NULL || status == WK_ENOMEM);
		expect(wk_weak_set_len(a) == 100 && wk_weak_set_len(b) == 100);
	} while (memory.failed != failed);
	expect(site > lengths[operation]);
	expect(wk_weak_set_len(made) == lengths[operation]);
	for (site = 1, failed = 0; memory.failed != failed; site++) {
		wk_weak_set *changed = wk_weak_set_copy(a, NULL);

		failed = memory.failed;
		memory_fail_at(&memory, site);
		status = wk_weak_set_update(changed, b, operation);
		memory_fail_at(&memory, 0);
		expect(status == WK_OK || status == WK_ENOMEM);
		expect(status != WK_OK || wk_weak_set_equal(changed, made));
		wk_release(changed);
	}
	drop(0, 150);
	wk_release(a);
	wk_release(b);
	wk_release(made);
}

static void test_promise_20_no_memory_for_combinations(void **state)
{
	(void)state;
	for (compare = WK_BY_IDENTITY; compare <= WK_BY_EQUALITY; compare++) {
		for (operation = WK_SET_UNION; operation <= WK_SET_SYMMETRIC_DIFFERENCE; operation++)
			run_alone(combine_without_memory);
	}
	compare = WK_BY_IDENTITY;
}

static void of_an_array_without_memory(void *unused)
{
	const wk_weak_set_options options = { .struct_size = sizeof(options), .allocator = &counting };
	unsigned long site = 0, calls;
	wk_weak_set *set;
	void *objects[100];
	int status;

	(void)unused;
	for (unsigned i = 0; i < 100; i++)
		objects[i] = wk_new(&thing_type);
	do {
		calls = memory.calls;
		memory_fail_at(&memory, ++site);
		set = wk_weak_set_of(&options, objects, 100, &status);
		expect(set != NULL || status == WK_ENOMEM);
	} while (set == NULL);
	memory_fail_at(&memory, 0);
	expect(memory.calls - calls <= 100 + 4); /* room is made once, for all */
	for (unsigned i = 0; i < 100; i++)
		wk_release(objects[i]);
	wk_release(set);
}

static void test_promise_20_no_memory_for_arrays(void **state)
{
	(void)state;
	run_alone(of_an_array_without_memory);
}

static int setup(void **state)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = WK_THREAD_NONE };

	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adding_a_member_allocates_nothing),
		cmocka_unit_test(test_promise_20_no_memory_for_members),
		cmocka_unit_test(test_promise_20_no_memory_for_sets),
		cmocka_unit_test(test_promise_20_no_memory_for_copies),
		cmocka_unit_test(test_promise_20_no_memory_for_combinations),
		cmocka_unit_test(test_promise_20_no_memory_for_arrays),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/weak_set.h, memory", tests, setup, NULL);
}
