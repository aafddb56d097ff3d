/*
 * weakref/ticket.h, one thread at a time: tickets, stale ones, forged ones, those of another type
 */
#include "runtime_fixture.h"

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct item {
	unsigned number;
};

static wk_ticket dying; /* what a destructor finds by its own object's ticket */
static void *found;

static void item_destroy(void *payload)
{
	(void)payload;
	if (dying != 0)
		found = wk_ticket_weak(dying, wk_type_of(payload));
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);
WK_DEFINE_TYPE(other_type, struct item, .flags = 0);
WK_DEFINE_TYPE(prompt_type, struct item, .flags = WK_TYPE_PROMPT);
WK_DEFINE_TYPE(strong_type, struct item, .flags = WK_TYPE_NO_WEAK);

static void assert_nothing(wk_ticket ticket, const wk_type *type)
{
	assert_null(wk_ticket_get(ticket, type));
	assert_null(wk_ticket_weak(ticket, type));
	WK_READ_SECTION();
	assert_null(wk_ticket_peek(ticket, type));
}

static void test_nothing_before_the_first_ticket(void **state)
{
	(void)state;
	assert_nothing(0, &item_type);
	assert_nothing(1, &item_type);
	assert_nothing(UINT64_MAX, &item_type);
}

static void test_there_and_back(void **state)
{
	struct item *item = wk_new(&item_type), *got;
	int status = WK_EINVAL;
	wk_ticket ticket = wk_ticket_of(item, &status);
	wk_weak *weak;

	(void)state;
	assert_int_equal(status, WK_OK);
	assert_true(ticket > 0 && ticket <= INT64_MAX);
	assert_int_equal(wk_strong_count(item), 1); /* a ticket owns nothing */
	assert_int_equal(wk_weak_count(item), 0);
	got = wk_ticket_get(ticket, &item_type);
	assert_ptr_equal(got, item);
	wk_release(got);
	wk_read_lock();
	assert_ptr_equal(wk_ticket_peek(ticket, &item_type), item);
	wk_read_unlock();
	weak = wk_ticket_weak(ticket, &item_type);
	assert_true(wk_weak_refers_to(weak, item));
	wk_release(item);
	assert_true(wk_weak_expired(weak));
	wk_weak_release(weak);
	assert_nothing(ticket, &item_type);
	settle();
	assert_nothing(ticket, &item_type);
}

static void test_one_ticket_for_each_object(void **state)
{
	struct item *one = wk_new(&item_type), *two = wk_new(&item_type);
	wk_weak *weak = wk_downgrade(one);
	wk_weakref *ref = wk_weakref_new(one, NULL, NULL);
	wk_ticket ticket = wk_ticket_of(one, NULL);
	int status = WK_EINVAL;

	(void)state;
	wk_weakref_release(ref);
	ref = wk_weakref_new(one, NULL, NULL);
	assert_int_equal(wk_ticket_of(one, NULL), ticket);
	assert_int_equal(wk_ticket_of_weak(weak, &status), ticket);
	assert_int_equal(status, WK_OK);
	assert_int_not_equal(wk_ticket_of(two, NULL), ticket);
	wk_weakref_release(ref);
	wk_release(one);
	wk_release(two);
	assert_int_equal(wk_ticket_of_weak(weak, &status), 0);
	assert_int_equal(status, WK_EDEAD);
	wk_weak_release(weak);
}

static void test_the_type_is_checked(void **state)
{
	struct item *item = wk_new(&item_type), *prompt = wk_new(&prompt_type), *got;
	wk_ticket ticket = wk_ticket_of(item, NULL);

	(void)state;
	assert_nothing(ticket, &other_type);
	assert_nothing(ticket, NULL);
	assert_int_equal(wk_strong_count(item), 1);
	wk_release(item);
	ticket = wk_ticket_of(prompt, NULL);
	got = wk_ticket_get(ticket, &prompt_type);
	assert_ptr_equal(got, prompt);
	wk_read_lock();
	assert_null(wk_ticket_peek(ticket, &prompt_type));
	wk_read_unlock();
	wk_release_many(prompt, 2);
}

static void test_refusals(void **state)
{
	struct item *item = wk_new(&strong_type);
	int status = WK_OK;

	(void)state;
	assert_int_equal(wk_ticket_of(item, &status), 0);
	assert_int_equal(status, WK_ETYPE);
	assert_int_equal(wk_ticket_of(item, NULL), 0);
	wk_release(item);
	assert_int_equal(wk_ticket_of(NULL, &status), 0);
	assert_int_equal(status, WK_EINVAL);
	assert_int_equal(wk_ticket_of_weak(NULL, &status), 0);
	assert_int_equal(status, WK_EINVAL);
	assert_int_equal(wk_ticket_of(NULL, NULL), 0);
}

/* Every number one bit away from a ticket, and what a client may try: none leads anywhere. */
static void test_forged_tickets(void **state)
{
	enum { LIVE = 1000 };
	struct item *items[LIVE];
	wk_ticket tickets[LIVE];
	uint64_t dice = 88172645463325252u;

	(void)state;
	for (unsigned i = 0; i < LIVE; i++) {
		items[i] = wk_new(&item_type);
		tickets[i] = wk_ticket_of(items[i], NULL);
	}
	for (unsigned i = 0; i < LIVE; i++) {
		for (unsigned bit = 0; bit < 64; bit++)
			assert_null(wk_ticket_get(tickets[i] ^ UINT64_C(1) << bit, &item_type));
		assert_null(wk_ticket_get(tickets[i] + 1, &item_type));
		assert_null(wk_ticket_get(-tickets[i], &item_type));
		assert_null(wk_ticket_get(~tickets[i], &item_type));
	}
	for (unsigned i = 0; i < 200000; i++) {
		dice ^= dice << 13;
		dice ^= dice >> 7;
		dice ^= dice << 17;
		assert_null(wk_ticket_get(dice, &item_type));
		assert_null(wk_ticket_get(i, &item_type));
		assert_null(wk_ticket_get((uint64_t)i << 32, &item_type));
	}
	for (unsigned i = 0; i < LIVE; i++) {
		WK_AUTO struct item *got = wk_ticket_get(tickets[i], &item_type);

		assert_ptr_equal(got, items[i]);
		wk_release(items[i]);
	}
}

/* Neither numbers of slots nor their order show through. */
static void test_tickets_tell_nothing_about_each_other(void **state)
{
	enum { MANY = 512 };
	unsigned high[2] = { 0 }, low[2] = { 0 };
	struct item *items[MANY];
	wk_ticket last = 0;
	unsigned up = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		wk_ticket ticket;

		items[i] = wk_new(&item_type);
		ticket = wk_ticket_of(items[i], NULL);
		up += ticket > last;
		last = ticket;
		high[ticket >> 62 & 1]++;
		low[ticket & 1]++;
	}
	/* Of 512 fair coins fewer than 154 heads: less than once in 10^18 runs. */
	assert_true(up > 153 && up < MANY - 153);
	assert_true(high[0] > 153 && high[1] > 153);
	assert_true(low[0] > 153 && low[1] > 153);
	for (unsigned i = 0; i < MANY; i++)
		wk_release(items[i]);
}

static void test_a_destructor_finds_nothing(void **state)
{
	struct item *item = wk_new(&item_type);

	(void)state;
	settle(); /* the destructors of earlier tests look at `dying`, too */
	found = item;
	dying = wk_ticket_of(item, NULL);
	wk_release(item);
	settle();
	assert_null(found);
	dying = 0;
}

static void test_an_object_with_a_ticket_is_not_unique(void **state)
{
	struct item *item = wk_new(&item_type);

	(void)state;
	assert_true(wk_is_unique(item));
	assert_true(wk_ticket_of(item, NULL) != 0);
	assert_false(wk_is_unique(item));
	wk_release(item);
}

/* What the kernel keeps for a program: an event may come when its object is gone. */
static void test_tickets_come_back_from_epoll(void **state)
{
	struct item *item = wk_new(&item_type), *got;
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = wk_ticket_of(item, NULL) };
	int poll = epoll_create1(0), descriptor = eventfd(1, 0);

	(void)state;
	assert_int_equal(epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event), 0);
	event = (struct epoll_event){ 0 };
	assert_int_equal(epoll_wait(poll, &event, 1, 0), 1);
	got = wk_ticket_get(event.data.u64, &item_type);
	assert_ptr_equal(got, item);
	wk_release_many(item, 2);
	assert_int_equal(epoll_wait(poll, &event, 1, 0), 1);
	assert_nothing(event.data.u64, &item_type);
	close(descriptor);
	close(poll);
}

/* What was made stays good; nothing new is made. */
static void test_shut_down(void **state)
{
	struct item *item = wk_new(&other_type), *late = wk_new(&other_type), *got;
	wk_ticket ticket = wk_ticket_of(item, NULL);
	int status;

	(void)state;
	assert_int_equal(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL), WK_OK);
	got = wk_ticket_get(ticket, &other_type);
	assert_ptr_equal(got, item);
	wk_release(got);
	assert_int_equal(wk_ticket_of(late, &status), 0);
	assert_int_equal(status, WK_ESHUTDOWN);
	assert_int_equal(wk_runtime_start(NULL), WK_OK);
	wk_release(item);
	wk_release(late);
	assert_nothing(ticket, &other_type);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_before_the_first_ticket),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_one_ticket_for_each_object),
		cmocka_unit_test(test_the_type_is_checked),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_forged_tickets),
		cmocka_unit_test(test_tickets_tell_nothing_about_each_other),
		cmocka_unit_test(test_a_destructor_finds_nothing),
		cmocka_unit_test(test_an_object_with_a_ticket_is_not_unique),
		cmocka_unit_test(test_tickets_come_back_from_epoll),
		cmocka_unit_test(test_shut_down),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/ticket.h", tests, runtime_setup, NULL);
}
