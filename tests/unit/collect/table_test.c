/*
 * collect/table.h: growth, shrinking, sweeping, memory, and the end, with every invariant checked on the way
 */
#include "dictionary.h"

#include "support/memory.h"
#include "support/threads.h"

#define MANY 6000u

static struct value *values[MANY];

struct scenario {
	unsigned (*run)(void);
	unsigned wrong;
};

static void scenario_body(void *argument)
{
	struct scenario *scenario = argument;

	scenario->wrong = scenario->run();
}

static unsigned scenario_alone(unsigned (*run)(void))
{
	struct scenario scenario = { run, 0 };

	threads_alone(scenario_body, &scenario, 0);
	return scenario.wrong;
}

static void insert_range(wk_value_dict *dict, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		values[i] = value_new(i);
		assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(i), values[i]), WK_CREATED);
	}
}

static void release_range(unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		wk_clear(&values[i]);
}

static void check_range(const wk_value_dict *dict, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		struct value *value = wk_value_dict_get(dict, wk_key_u64(i));

		assert_ptr_equal(value, values[i]);
		wk_release(value);
	}
}

/* Not more buckets than it has grown to when it was due, and no growth is due: from five in two buckets on. */
static void check_growth_was_due(const wk_value_dict *dict)
{
	struct wki_table_figures figures = figures_of(dict);

	assert_in_range(2 * figures.live, 5 * figures.buckets / 2 + 1, 5 * figures.buckets);
}

/* Growth is incremental: at every size everything is there and every invariant holds, in the middle of it too. */
static void test_growth(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	unsigned moving = 0, step = 61;

	(void)state;
	for (unsigned i = 0; i + step <= MANY; i += step) {
		insert_range(dict, i, i + step);
		moving += figures_of(dict).is_moving;
		wki_table_check(&dict->table);
		check_range(dict, 0, i + step);
		assert_int_equal(wk_value_dict_len(dict), i + step);
	}
	assert_true(moving > 0);
	settle_table(dict);
	check_growth_was_due(dict);
	assert_false(figures_of(dict).is_moving);
	release_range(0, MANY / step * step);
	assert_int_equal(wk_value_dict_len(dict), 0);
	wk_release(dict);
	settle();
}

/* When most values die the runner makes the table smaller, without any call on it. */
static void test_shrinking_after_deaths(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	struct wki_table_figures figures;

	(void)state;
	insert_range(dict, 0, MANY);
	settle_table(dict);
	release_range(10, MANY);
	settle_table(dict);
	figures = figures_of(dict);
	assert_int_equal(figures.live, 10);
	assert_true(figures.buckets <= 64);
	assert_int_equal(ended_of(dict), 0);
	check_range(dict, 0, 10);
	release_range(0, 10);
	wk_release(dict);
	settle();
}

/* The same after clear and after removals. */
static void test_shrinking_after_removals(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);

	(void)state;
	insert_range(dict, 0, MANY);
	for (unsigned i = 0; i < MANY / 2; i++)
		assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(i)), WK_OK);
	assert_int_equal(wk_value_dict_len(dict), MANY - MANY / 2);
	wk_value_dict_clear(dict);
	assert_int_equal(wk_value_dict_len(dict), 0);
	settle_table(dict);
	assert_true(figures_of(dict).buckets <= 64);
	release_range(0, MANY);
	wk_release(dict);
	settle();
}

static void test_room_that_was_asked_for_stays(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, MANY, NULL);
	size_t buckets = figures_of(dict).buckets;

	(void)state;
	assert_true(5 * buckets >= 2 * MANY && 5 * buckets / 2 < 2 * MANY);
	insert_range(dict, 0, MANY);
	assert_int_equal(figures_of(dict).buckets, buckets);
	release_range(0, MANY);
	settle_table(dict);
	assert_int_equal(figures_of(dict).buckets, buckets);
	wk_release(dict);
	settle();
}

/* Keys that never come back leave nothing: the table stays as it is. */
static void test_keys_that_pass(void **state)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	const struct wki_array *array = NULL;

	(void)state;
	insert_range(dict, 0, 1000);
	for (unsigned i = 0; i < 20 * MANY; i++) {
		struct value *passing = value_new(i);

		assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(1000000 + i), passing), WK_CREATED);
		wk_release(passing);
		if (i == MANY)
			array = wki_slots_current(&dict->table.root);
	}
	assert_int_equal(ended_of(dict), 0);
	assert_ptr_equal(wki_slots_current(&dict->table.root), array);
	settle_table(dict);
	assert_int_equal(wk_value_dict_len(dict), 1000);
	check_range(dict, 0, 1000);
	release_range(0, 1000);
	wk_release(dict);
	settle();
}

/*
 * Live entries that make way for others fill now this bucket, now that one to overflowing. What has spilled is swept before
 * it is one slot for each bucket.
 */
static void test_sweeping(void **state)
{
	enum { LIVE = 625 }; /* 256 buckets, nearly five in two of them */
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	const struct wki_array *array, *last = NULL;
	struct wki_table_figures figures;
	unsigned sweeps = 0;

	(void)state;
	insert_range(dict, 0, LIVE);
	for (unsigned i = 0; i < 20 * MANY; i++) {
		wk_release(values[i % LIVE]);
		values[i % LIVE] = value_new(i);
		assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(scrambled(1000000 + i)), values[i % LIVE]), WK_CREATED);
		figures = figures_of(dict);
		assert_int_equal(figures.buckets, 256);
		assert_in_range(figures.spilled, 0, 256 + 64); /* while it is swept units that have not moved go on spilling */
		array = wki_slots_current(&dict->table.root);
		sweeps += last != NULL && array != last;
		last = array;
	}
	assert_in_range(sweeps, 2, 20 * MANY / LIVE);
	assert_int_equal(ended_of(dict), 0);
	wki_table_check(&dict->table);
	release_range(0, LIVE);
	wk_release(dict);
	settle();
}

/* Keys of one hash, which no sweep takes out of the overflow. */

static uint64_t one_hash(const void *key, uint64_t seed)
{
	(void)key;
	(void)seed;
	return 42;
}

static bool same_address(const void *a, const void *b)
{
	return a == b;
}

static void *keep_address(const void *key)
{
	return (void *)(uintptr_t)key;
}

/* A sweep is due once more has spilled than the last one left behind: else it would be due again whenever it is over. */
static void test_what_cannot_be_swept_is_left(void **state)
{
	enum { EQUAL = 200 };
	static const wk_key_type key_type = { .hash = one_hash, .equal = same_address, .copy = keep_address };
	const wk_value_dict_options options = { .struct_size = sizeof(options), .keys = WK_KEYS_CUSTOM, .key_type = &key_type };
	wk_value_dict *dict = wk_value_dict_new(&options, NULL);
	static const char keys[EQUAL];

	(void)state;
	for (unsigned i = 0; i < EQUAL; i++) {
		values[i] = value_new(i);
		assert_int_equal(wk_value_dict_insert(dict, wk_key_custom(&keys[i]), values[i]), WK_CREATED);
	}
	for (unsigned polls = 0; polls < 1000; polls++)
		(void)wk_runtime_poll(0);
	assert_false(figures_of(dict).is_moving);
	assert_int_equal(atomic_load_acquire(&dict->table.asked), 0);
	wki_table_check(&dict->table);
	release_range(0, EQUAL);
	wk_release(dict);
	settle();
}

/*
 * A key that comes and goes a million times in a large table leaves lookups as fast as before: no bucket is added,
 * nothing migrates.
 */
static void test_a_key_that_comes_and_goes(void **state)
{
	const unsigned times = THREADS_SANITIZED ? 50000 : 1000000;
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	struct wki_table_figures before, after;
	const struct wki_array *array;
	size_t overflow;

	(void)state;
	insert_range(dict, 0, MANY);
	wk_release(values[17]);
	settle_table(dict);
	before = figures_of(dict);
	overflow = overflow_of(dict);
	array = wki_slots_current(&dict->table.root);
	for (unsigned i = 0; i < times; i++) {
		values[17] = value_new(17);
		assert_int_equal(wk_value_dict_insert(dict, wk_key_u64(17), values[17]), WK_CREATED);
		if (i % 3 == 0)
			assert_int_equal(wk_value_dict_remove(dict, wk_key_u64(17)), WK_OK);
		wk_release(values[17]);
	}
	after = figures_of(dict);
	assert_int_equal(after.spilled, before.spilled);
	assert_int_equal(after.live, before.live);
	assert_int_equal(overflow_of(dict), overflow);
	assert_ptr_equal(wki_slots_current(&dict->table.root), array);
	wki_table_check(&dict->table);
	values[17] = NULL;
	release_range(0, MANY);
	wk_release(dict);
	settle();
}

/*
 * Memory. What a thread has retired waits with it until it retires more, or ends: scenarios that want every block
 * back run on a thread of their own. The allocator is static, since blocks may come back to it late.
 */

static struct memory memory;
static const wk_allocator counting = { .allocate = memory_allocate, .release = memory_release, .context = &memory };

/* Run a scenario; all it has allocated comes back in some grace periods. It records what does not hold. */
static void with_memory(unsigned (*scenario)(void))
{
	unsigned wrong;

	memory = (struct memory){ 0 };
	wrong = scenario_alone(scenario);
	for (unsigned i = 0; i < 1000 && memory.blocks != 0; i++)
		settle();
	assert_int_equal(wrong, 0);
	assert_int_equal(memory.blocks, 0);
	assert_int_equal(memory.bytes, 0);
	assert_int_equal(memory.wrong, 0);
}

static bool is_there(const wk_value_dict *dict, unsigned i)
{
	struct value *value = wk_value_dict_get(dict, wk_key_u64(i));

	wk_release(value);
	return value == values[i];
}

static unsigned count_missing(const wk_value_dict *dict, unsigned first, unsigned end)
{
	unsigned missing = 0;

	for (unsigned i = first; i < end; i++)
		missing += !is_there(dict, i);
	return missing;
}

static unsigned insert_counted(wk_value_dict *dict, unsigned first, unsigned end)
{
	unsigned wrong = 0;

	for (unsigned i = first; i < end; i++) {
		values[i] = value_new(i);
		wrong += wk_value_dict_insert(dict, wk_key_u64(i), values[i]) != WK_CREATED;
	}
	return wrong;
}

/*
 * Every allocation that 400 inserts make fails once, in turn: the insert says so and nothing has changed, the next
 * attempt succeeds, and whatever growth could not begin or go on does so later.
 */
enum { INSERTS = 400 };
static unsigned long refused, quiet;

static unsigned insert_at_second_try(wk_value_dict *dict, unsigned i)
{
	int status;
	unsigned wrong = 0;

	values[i] = value_new(i);
	status = wk_value_dict_insert(dict, wk_key_u64(i), values[i]);
	if (status == WK_ENOMEM) {
		refused++;
		wrong += wk_value_dict_len(dict) != i;
		wrong += wk_value_dict_contains(dict, wk_key_u64(i));
		status = wk_value_dict_insert(dict, wk_key_u64(i), values[i]);
	}
	return wrong + (status != WK_CREATED);
}

static unsigned fail_each_in_turn(void)
{
	unsigned wrong = 0;
	unsigned long fail;

	for (fail = 1;; fail += fail < 40 ? 1 : 7) {
		wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, &counting);

		memory.failed = 0;
		memory_fail_at(&memory, fail);
		for (unsigned i = 0; i < INSERTS; i++)
			wrong += insert_at_second_try(dict, i);
		memory_fail_at(&memory, 0);
		quiet += memory.failed;
		wrong += count_missing(dict, 0, INSERTS);
		wki_table_check(&dict->table);
		release_range(0, INSERTS);
		wk_release(dict);
		if (memory.failed == 0)
			return wrong;
	}
}

static void test_no_memory_at_each_allocation(void **state)
{
	(void)state;
	with_memory(fail_each_in_turn);
	assert_true(refused >= 50);   /* entries, overflow */
	assert_true(quiet > refused); /* growth that has to wait does not fail an insert */
}

/* A dictionary that has no memory for anything any more still answers, removes and ends. */
static unsigned live_without_memory(void)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, &counting);
	struct value *extra = value_new(0);
	unsigned wrong = insert_counted(dict, 0, 300);

	memory.fail_all = 1;
	for (unsigned i = 300; i < 400; i++)
		wrong += wk_value_dict_set(dict, wk_key_u64(i), extra) != WK_ENOMEM;
	wrong += wk_value_dict_insert(dict, wk_key_u64(5), extra) != WK_EEXISTS; /* needs none */
	wrong += count_missing(dict, 0, 300);
	wrong += wk_value_dict_remove(dict, wk_key_u64(7)) != WK_OK;
	wk_value_dict_clear(dict);
	wrong += wk_value_dict_len(dict) != 0;
	wki_table_check(&dict->table);
	release_range(0, 300);
	wk_release(extra);
	wk_release(dict);
	return wrong;
}

/*
 * A mover that a fork leaves behind has published a unit and not said so: its entries are in both arrays, and the end of
 * the dictionary gives each of them back once.
 */
static void publish_and_stop(wk_value_dict *dict)
{
	struct wki_array *array = wki_slots_current(&dict->table.root), *next = wki_slots_next(array);
	size_t last = wki_slots_buckets(array) - 1;

	for (unsigned slot = 0; slot < WKI_BUCKET_SLOTS; slot++) {
		uint64_t word = wki_slots_load(&array->buckets[last].slot[slot]);
		struct wki_entry *entry = wki_word_entry(word);
		uint64_t hash;

		if (entry == NULL)
			continue;
		hash = wki_entry_hash(entry, dict->table.seed);
		atomic_store_relaxed(&wki_slots_home(next, hash)->slot[slot], word);
	}
}

static unsigned end_half_published(void)
{
	wk_value_dict *dict = dictionary_new(WK_VALUES_WEAK, 0, &counting);
	unsigned wrong = 0, count = 0;

	while (!figures_of(dict).is_moving && count < 4000) {
		wrong += insert_counted(dict, count, count + 1);
		count++;
	}
	wrong += !figures_of(dict).is_moving;
	publish_and_stop(dict);
	wk_release(dict);
	wrong += wk_barrier(WK_NO_TIMEOUT) != WK_OK;
	release_range(0, count);
	return wrong;
}

static void test_the_end_of_what_is_half_published(void **state)
{
	(void)state;
	with_memory(end_half_published);
}

static void test_no_memory_at_all(void **state)
{
	(void)state;
	with_memory(live_without_memory);
}

/* The container ends with its objects alive and a migration in the middle. */
static unsigned end_in_the_middle(wk_value_mode mode)
{
	wk_value_dict *dict = dictionary_new(mode, 0, &counting);
	unsigned n = 0, wrong = 0;

	for (; n < 1000 || !figures_of(dict).is_moving; n++)
		wrong += insert_counted(dict, n, n + 1);
	release_range(0, n / 3);
	wrong += wk_value_dict_remove(dict, wk_key_u64(n - 1)) != WK_OK;
	wk_release(dict);
	release_range(n / 3, n);
	return wrong;
}

static unsigned end_weak(void)
{
	return end_in_the_middle(WK_VALUES_WEAK);
}

static unsigned end_strong(void)
{
	return end_in_the_middle(WK_VALUES_STRONG);
}

static void test_the_end_in_the_middle_of_growth(void **state)
{
	(void)state;
	with_memory(end_weak);
	with_memory(end_strong);
}

/* Many threads. */

#define GROWERS_MAX 8u

struct growth {
	wk_value_dict *dict;
	struct value *shared[64];
	unsigned threads, per_thread;
	_Atomic unsigned long inserted, passed, missed, wrong;
};

/*
 * Each thread inserts keys of its own, a part of which it lets die at once or removes, and looks up what it has and
 * what everybody has, while the table grows under them all.
 */
static void growth_body(void *context, unsigned index)
{
	struct growth *growth = context;
	struct value **own = calloc(growth->per_thread, sizeof(struct value *));
	unsigned long wrong = 0, inserted = 0, passed = 0;

	for (unsigned i = 0; i < growth->per_thread; i++) {
		uint64_t key = (uint64_t)index << 32 | i;
		struct value *seen;

		own[i] = value_new(key);
		wrong += wk_value_dict_insert(growth->dict, wk_key_u64(key), own[i]) != WK_CREATED;
		inserted++;
		if (i % 4 == 1) {
			wrong += wk_value_dict_remove(growth->dict, wk_key_u64(key)) != WK_OK;
			wk_clear(&own[i]);
		} else if (i % 4 == 2) {
			wk_clear(&own[i]);
		}
		seen = wk_value_dict_get(growth->dict, wk_key_u64(UINT64_MAX - i % 64));
		wrong += seen != growth->shared[i % 64];
		wk_release(seen);
		seen = wk_value_dict_get(growth->dict, wk_key_u64((uint64_t)index << 32 | i / 2));
		wrong += seen != own[i / 2];
		wk_release(seen);
		passed += figures_of(growth->dict).is_moving;
	}
	for (unsigned i = 0; i < growth->per_thread; i++) {
		struct value *seen = wk_value_dict_get(growth->dict, wk_key_u64((uint64_t)index << 32 | i));

		wrong += seen != own[i];
		wk_release(seen);
		wk_release(own[i]);
	}
	race_add(&growth->inserted, true);
	atomic_fetch_add(&growth->passed, passed);
	atomic_fetch_add(&growth->wrong, wrong);
	free(own);
}

static void grow_with(unsigned threads)
{
	struct growth growth = { .threads = threads, .per_thread = (THREADS_SANITIZED ? 6000 : 40000) / threads * 2 };

	growth.dict = dictionary_new(WK_VALUES_WEAK, 0, NULL);
	for (unsigned i = 0; i < 64; i++) {
		growth.shared[i] = value_new(i);
		assert_int_equal(wk_value_dict_insert(growth.dict, wk_key_u64(UINT64_MAX - i), growth.shared[i]), WK_CREATED);
	}
	threads_run(threads, growth_body, &growth);
	assert_int_equal(growth.wrong, 0);
	assert_true(growth.passed > 0); /* lookups and inserts did meet migrations */
	assert_int_equal(wk_value_dict_len(growth.dict), 64);
	settle_table(growth.dict);
	for (unsigned i = 0; i < 64; i++)
		wk_release(growth.shared[i]);
	assert_int_equal(wk_value_dict_len(growth.dict), 0);
	wk_release(growth.dict);
	settle();
}

static void test_growth_under_load(void **state)
{
	(void)state;
	grow_with(2);
	grow_with(4);
	grow_with(GROWERS_MAX);
}

/* Without threads of the runtime's nothing goes on but what a test does: every step can be looked at. */
static int polled_setup(void **state)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = WK_THREAD_NONE };

	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest alone[] = {
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_shrinking_after_deaths),
		cmocka_unit_test(test_shrinking_after_removals),
		cmocka_unit_test(test_room_that_was_asked_for_stays),
		cmocka_unit_test(test_keys_that_pass),
		cmocka_unit_test(test_sweeping),
		cmocka_unit_test(test_what_cannot_be_swept_is_left),
		cmocka_unit_test(test_a_key_that_comes_and_goes),
		cmocka_unit_test(test_no_memory_at_each_allocation),
		cmocka_unit_test(test_no_memory_at_all),
		cmocka_unit_test(test_the_end_of_what_is_half_published),
		cmocka_unit_test(test_the_end_in_the_middle_of_growth),
		cmocka_unit_test(test_the_accounts_balance),
	};
	const struct CMUnitTest together[] = {
		cmocka_unit_test(test_shrinking_after_deaths),
		cmocka_unit_test(test_growth_under_load),
		cmocka_unit_test(test_the_accounts_balance),
	};
	int failed = cmocka_run_group_tests_name("collect/table", alone, polled_setup, NULL);

	return failed + cmocka_run_group_tests_name("collect/table, threads", together, runtime_setup, NULL);
}
