/*
 * core/control.{h,c}: where control blocks stand, what borrows them, and the end of life with its watches
 *
 * This test puts the layers together itself, in the place of runtime/kinds.c, so that it hears of every call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/census.h"
#include "core/control.h"
#include "reclaim/runner.h"
#include "reclaim/thread.h"
#include "support/threads.h"
#include "sync/rcu.h"
#include "weakref/runtime.h"

/* The layers' tables. */

static wk_queue *delivered_to;
static bool queue_is_closed;

static bool deliver(wk_queue *queue, wki_tagged tagged)
{
	delivered_to = queue;
	if (!queue_is_closed)
		wki_control_abandon(wki_control_of_link(wki_tag_link(tagged)));
	return !queue_is_closed;
}

static void run_deferred(struct wki_link *link)
{
	struct wki_deferred *deferred = (struct wki_deferred *)(void *)link;

	deferred->run(deferred);
}

#define WATCHES 1000u

static struct wki_watch watches[WATCHES];
static struct wki_control *watched;
static unsigned fired[WATCHES], left[WATCHES], fired_count, fired_alive, fired_outside;
static unsigned fired_order[WATCHES];

static void watch_fired(struct wki_watch *watch)
{
	size_t which = (size_t)(watch - watches);

	fired[which]++;
	fired_alive += !wki_count_is_dead(&watched->count);
	fired_outside += !wki_read_ongoing();
	fired_order[fired_count++ % WATCHES] = (unsigned)which;
}

static void watch_left(struct wki_watch *watch)
{
	left[watch - watches]++;
}

static void part(struct wki_thread *thread)
{
	wki_census_tell(thread);
	wki_limbo_seal(thread);
	wki_cache_empty(&thread->cache);
}

void (*const wki_reclaimers[WKI_KINDS])(struct wki_link *link) = {
	[WKI_KIND_OBJECT] = wki_control_reclaim,
	[WKI_KIND_DEFERRED] = run_deferred,
};
const struct wki_watch_handler wki_watch_handlers[WKI_WATCH_KINDS] = {
	[WKI_WATCH_FINALIZER] = { .fired = watch_fired, .leave = watch_left },
};
bool (*const wki_deliver)(wk_queue *queue, wki_tagged tagged) = deliver;
void (*const wki_thread_parting)(struct wki_thread *thread) = part;

/* Layouts. */

static void test_layouts(void **state)
{
	const size_t sizes[] = { 0, 1, 8, 100, 256, 1000 };
	wk_type type = { .alignment = 1 };
	struct wki_layout layout;
	size_t i;

	(void)state;
	for (type.alignment = 1; type.alignment <= WK_ALIGNMENT_MAX; type.alignment *= 2) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			layout = wki_control_layout(&type, sizes[i], false, false);
			assert_int_equal((layout.front + sizeof(struct wki_control)) % type.alignment, 0);
			assert_int_equal(layout.size, layout.front + sizeof(struct wki_control) + sizes[i]);
			assert_true(layout.alignment >= type.alignment && layout.alignment >= 16);
			layout = wki_control_layout(&type, sizes[i], true, false);
			assert_true(layout.front >= sizeof(struct wki_extra));
			assert_int_equal((layout.front + sizeof(struct wki_control)) % type.alignment, 0);
			layout = wki_control_layout(&type, sizes[i], true, true);
			assert_int_equal(layout.front, sizeof(struct wki_extra));
			assert_int_equal(layout.size, sizeof(struct wki_extra) + sizeof(struct wki_control));
			assert_int_equal(layout.alignment, 16);
			layout = wki_payload_layout(&type, sizes[i]);
			assert_true(layout.front >= sizeof(uintptr_t) && layout.front % type.alignment == 0);
			assert_int_equal(layout.size, layout.front + sizes[i]);
			assert_true(layout.alignment >= type.alignment);
		}
	}
}

/* A small object without wishes is its control block and its bytes, and nothing else. */
static void test_no_byte_too_many(void **state)
{
	const wk_type type = { .alignment = 8, .size = 40 };
	struct wki_layout layout = wki_control_layout(&type, 40, false, false);

	(void)state;
	assert_int_equal(layout.front, 0);
	assert_int_equal(layout.size, 48 + 40);
}

/* Objects. */

struct item {
	long number;
};

static unsigned destroyed;

static void count_destroy(void *payload)
{
	(void)payload;
	destroyed++;
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = count_destroy);
WK_DEFINE_TYPE(plain_type, struct item, .flags = 0);
WK_DEFINE_TYPE(large_type, char[300], .flags = 0);
WK_DEFINE_TYPE(prompt_type, struct item, .flags = WK_TYPE_PROMPT);
WK_DEFINE_TYPE(strict_type, struct item, .flags = WK_TYPE_NO_WEAK);

static int setup(void **state)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .thread = WK_THREAD_NONE };

	(void)state;
	return wk_runtime_start(&options) == WK_OK ? 0 : -1;
}

static void test_back_words(void **state)
{
	const wk_type *const types[] = { &plain_type, &large_type };
	struct wki_control *control;
	void *payload;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		payload = wk_new(types[i]);
		control = wki_control_of(payload);
		assert_ptr_equal(control->type, types[i]);
		assert_ptr_equal(wki_payload_of(control, wki_count_peek(&control->count)), payload);
		assert_int_equal(((uintptr_t *)payload)[-1], wki_back_word(control));
		assert_int_equal((wki_count_peek(&control->count) & WKI_STRONG_APART) != 0, types[i] == &large_type);
		assert_ptr_equal(wki_control_of_link(&control->link), control);
		wk_release(payload);
	}
}

/* Sole: one reference, and nobody has ever been able to make another without its owner. */
static void test_sole_and_borrowed(void **state)
{
	struct item *item = wk_new(&plain_type);
	struct wki_control *control = wki_control_of(item);

	(void)state;
	assert_true(wki_control_is_sole(control));
	wk_retain(item);
	assert_false(wki_control_is_sole(control));
	wk_release(item);
	assert_true(wki_control_is_sole(control));
	(void)wki_control_borrow(control);
	assert_false(wki_control_is_sole(control));
	assert_true(wki_count_is_borrowed(&control->count));
	(void)wki_control_borrow(control);
	wk_release(item);
	item = wk_new(&plain_type);
	control = wki_control_of(item);
	wk_retain(item);
	(void)wki_control_borrow(control); /* while others hold it, too */
	wk_release(item);
	assert_false(wki_control_is_sole(control)); /* sticky */
	wk_release(item);
}

static void test_what_types_allow(void **state)
{
	struct item *prompt = wk_new(&prompt_type), *strict = wk_new(&strict_type), *plain = wk_new(&plain_type);

	(void)state;
	assert_null(wki_control_peek(wki_control_of(prompt)));
	assert_ptr_equal(wki_control_upgrade(wki_control_of(prompt)), prompt);
	assert_true(wki_control_weakly(wki_control_of(prompt)));
	assert_false(wki_control_weakly(wki_control_of(strict)));
	assert_ptr_equal(wki_control_peek(wki_control_of(plain)), plain);
	wk_release_many(prompt, 2);
	wk_release(strict);
	wk_release(plain);
}

/* Watches. */

static void watch(struct wki_control *control, unsigned first, unsigned count)
{
	unsigned i;

	(void)wki_control_borrow(control);
	watched = control;
	for (i = first; i < first + count; i++) {
		wki_watch_init(&watches[i], WKI_WATCH_FINALIZER, 1);
		fired[i] = left[i] = 0;
		wki_control_watch(control, &watches[i]);
	}
	fired_count = fired_alive = fired_outside = 0;
}

static void unwatch(struct wki_control *control, unsigned which)
{
	wki_read_lock();
	assert_true(wki_watch_move(&watches[which], WKI_WATCH_LIVE, WKI_WATCH_REMOVED));
	wki_control_unwatch_rcu(control);
	wki_read_unlock();
}

/* Promise 7: dead for everybody first, then the watches, newest to oldest, before the release returns. */
static void test_promise_7_watches_fire_at_death(void **state)
{
	struct item *item = wk_new(&item_type);
	struct wki_control *control = wki_control_of(item);
	unsigned i;

	(void)state;
	watch(control, 0, 10);
	unwatch(control, 3);
	wk_retain(item);
	wk_release(item);
	assert_int_equal(fired_count, 0);
	destroyed = 0;
	wk_release(item);
	assert_int_equal(fired_count, 9);
	assert_int_equal(fired_alive, 0);
	assert_int_equal(fired_outside, 0);
	assert_int_equal(destroyed, 0);
	for (i = 0; i < 9; i++)
		assert_int_equal(fired_order[i], i < 6 ? 9 - i : 8 - i);
	assert_int_equal(fired[3], 0);
	assert_int_equal(left[3], 1);
	wk_runtime_poll(0);
	assert_int_equal(destroyed, 1);
}

/* Watches that come and go on a long-lived object leave the list, without its death. */
static void test_watch_lists_stay_short(void **state)
{
	struct item *item = wk_new(&plain_type);
	struct wki_control *control = wki_control_of(item);
	struct wki_watch *next;
	unsigned i, on_list = 0, gone = 0;

	(void)state;
	watch(control, 0, 4);
	for (i = 4; i < WATCHES; i++) {
		watch(control, i, 1);
		unwatch(control, i);
	}
	for (next = wki_watch_first(&control->watches); next != NULL; next = wki_watch_next(next))
		on_list++;
	for (i = 0; i < WATCHES; i++)
		gone += left[i];
	assert_in_range(on_list, 4, 4 + 8);
	assert_int_equal(gone, WATCHES - on_list);
	assert_false(wk_is_unique(item)); /* four are alive */
	for (i = 0; i < 4; i++)
		unwatch(control, i);
	assert_true(wk_is_unique(item)); /* litter is nobody's reference */
	wk_release(item);
	for (i = 0; i < WATCHES; i++)
		assert_int_equal(fired[i] + left[i], 1);
	wk_runtime_poll(0);
}

/* Queues: a refused delivery is run by who would have delivered. */
static void test_delivery(void **state)
{
	wk_queue *queue = (wk_queue *)wk_new(&plain_type); /* only retained and released here */
	const wk_new_options options = { .destroy_on = queue };
	struct item *item = wk_new_with(&item_type, &options, NULL);

	(void)state;
	destroyed = 0;
	queue_is_closed = false;
	wk_release(item);
	wk_runtime_poll(0);
	assert_ptr_equal(delivered_to, queue);
	assert_int_equal(destroyed, 0);
	item = wk_new_with(&item_type, &options, NULL);
	queue_is_closed = true;
	wk_release(item);
	wk_runtime_poll(0);
	assert_int_equal(destroyed, 1);
	assert_int_equal(wk_strong_count(queue), 1);
	wk_release(queue);
}

/* Threads that share one reference, each of whom borrows: what one of them has put down beside BORROWED stays, and so does BORROWED. */

#define SHARED 64u

struct sharing {
	struct item *item[SHARED];
	_Atomic unsigned long first[2], lost;
};

static void sharing_prepare(void *context)
{
	for (unsigned i = 0; i < SHARED; i++)
		((struct sharing *)context)->item[i] = wk_new(&item_type);
}

/* Side by side through all of them, so that they meet again and again. */
static void sharing_act(void *context, unsigned thread)
{
	struct sharing *sharing = context;

	for (unsigned i = 0; i < SHARED; i++) {
		struct wki_control *control = wki_control_of(sharing->item[i]);

		race_add(&sharing->first[thread], !wki_count_is_borrowed(&control->count));
		if (i % 2 == 0 || thread == 0)
			wki_control_borrow_unit(control);
		else
			(void)wki_control_borrow(control);
	}
}

static void sharing_settle(void *context)
{
	struct sharing *sharing = context;

	for (unsigned i = 0; i < SHARED; i++) {
		struct wki_control *control = wki_control_of(sharing->item[i]);
		size_t handles = i % 2 == 0 ? 2 : 1;

		race_add(&sharing->lost, !wki_count_is_borrowed(&control->count) || wk_weak_count(sharing->item[i]) != handles);
		wk_release(sharing->item[i]);
		while (handles-- > 0)
			wki_control_drop_unit(control);
	}
}

static bool sharing_decided(void *context)
{
	struct sharing *sharing = context;

	return atomic_load(&sharing->first[0]) > 10 && atomic_load(&sharing->first[1]) > 10;
}

static void test_who_borrows_loses_nothing(void **state)
{
	const struct race race = { 2, THREADS_SANITIZED ? 500 : 5000, sharing_prepare, sharing_act, sharing_settle, sharing_decided };
	struct sharing sharing = { .item = { NULL } };

	(void)state;
	wki_sched_seed(0x5eed, 1);
	race_run(&race, &sharing);
	wki_sched_seed(0, 0);
	assert_int_equal(atomic_load(&sharing.lost), 0);
	assert_true(sharing_decided(&sharing));
}

static void test_the_accounts_balance(void **state)
{
	wk_shutdown_report report = { .struct_size = sizeof(report) };

	(void)state;
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, &report), WK_OK);
	assert_int_equal(report.still_alive, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_no_byte_too_many),
		cmocka_unit_test(test_back_words),
		cmocka_unit_test(test_sole_and_borrowed),
		cmocka_unit_test(test_what_types_allow),
		cmocka_unit_test(test_promise_7_watches_fire_at_death),
		cmocka_unit_test(test_watch_lists_stay_short),
		cmocka_unit_test(test_delivery),
		cmocka_unit_test(test_who_borrows_loses_nothing),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
