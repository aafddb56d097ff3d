/*
 * reclaim/mailbox.h, reclaim/link.h, reclaim/lanes.h: handing links over
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sched.h>
#include <stdlib.h>

#include <cmocka.h>

#include "reclaim/lanes.h"
#include "reclaim/mailbox.h"
#include "support/threads.h"

struct letter {
	struct wki_link link;
	unsigned producer, number;
};

static wki_tagged tag(struct letter *letter)
{
	return wki_tag(&letter->link, WKI_KIND_DEFERRED);
}

static struct letter *letter_of(wki_tagged tagged)
{
	return (struct letter *)(void *)wki_tag_link(tagged);
}

static void test_tags(void **state)
{
	struct letter letter;
	enum wki_kind kind;

	(void)state;
	for (kind = WKI_KIND_OBJECT; kind < WKI_KINDS; kind++) {
		assert_ptr_equal(wki_tag_link(wki_tag(&letter.link, kind)), &letter.link);
		assert_int_equal(wki_tag_kind(wki_tag(&letter.link, kind)), kind);
	}
	assert_true(WKI_KINDS <= WKI_TAG_MASK); /* the closed mailbox's mark is no kind */
}

static void test_chain_keeps_its_order(void **state)
{
	struct letter letters[5];
	struct wki_chain chain = { 0 };
	unsigned i;

	(void)state;
	assert_int_equal(wki_chain_pop(&chain), 0);
	for (i = 0; i < 5; i++)
		wki_chain_append(&chain, tag(&letters[i]), 10);
	assert_int_equal(chain.count, 5);
	assert_int_equal(chain.bytes, 50);
	for (i = 0; i < 5; i++)
		assert_ptr_equal(letter_of(wki_chain_pop(&chain)), &letters[i]);
	assert_int_equal(wki_chain_pop(&chain), 0);
	assert_int_equal(chain.count, 0);
	wki_chain_append(&chain, tag(&letters[3]), 1); /* emptied chains are as good as new */
	assert_ptr_equal(letter_of(wki_chain_pop(&chain)), &letters[3]);
}

/* Lanes lose nothing and invent nothing, whatever is popped between. */
static void test_lanes_give_back_what_they_got(void **state)
{
	static struct letter letters[100];
	struct wki_lanes lanes = { 0 }, more = { 0 };
	unsigned i, given = 0, back[100] = { 0 };
	wki_tagged tagged;

	(void)state;
	for (i = 0; i < 100; i++) {
		letters[i].number = i;
		wki_lanes_append(i % 3 == 0 ? &more : &lanes, tag(&letters[i]), 10);
		if (i % 5 == 0 && (tagged = wki_lanes_pop(&lanes)) != 0)
			back[letter_of(tagged)->number]++, given++;
		if (i % 20 == 0)
			wki_lanes_splice(&lanes, &more);
	}
	wki_lanes_splice(&lanes, &more);
	assert_int_equal(more.count, 0);
	assert_int_equal(wki_lanes_pop(&more), 0);
	assert_int_equal(lanes.count, 100 - given);
	assert_int_equal(lanes.bytes, 1000); /* who pops accounts for the bytes */
	while ((tagged = wki_lanes_pop(&lanes)) != 0)
		back[letter_of(tagged)->number]++;
	for (i = 0; i < 100; i++)
		assert_int_equal(back[i], 1);
	assert_int_equal(lanes.count, 0);
}

static void test_mailbox_keeps_its_order(void **state)
{
	struct letter letters[4];
	struct wki_mailbox box = { 0 };
	wki_tagged tagged;
	unsigned i;

	(void)state;
	assert_true(wki_mailbox_is_empty(&box));
	assert_int_equal(wki_mailbox_take(&box), 0);
	assert_int_equal(wki_mailbox_push(&box, tag(&letters[0])), WKI_MAILED_FIRST);
	for (i = 1; i < 4; i++)
		assert_int_equal(wki_mailbox_push(&box, tag(&letters[i])), WKI_MAILED);
	assert_false(wki_mailbox_is_empty(&box));
	tagged = wki_mailbox_take(&box);
	for (i = 0; i < 4; i++, tagged = wki_tag_link(tagged)->next)
		assert_ptr_equal(letter_of(tagged), &letters[i]);
	assert_int_equal(tagged, 0);
	assert_true(wki_mailbox_is_empty(&box));
	assert_int_equal(wki_mailbox_push(&box, tag(&letters[0])), WKI_MAILED_FIRST);
	wki_mailbox_take(&box);
}

static void test_closed_mailbox(void **state)
{
	struct letter letters[2];
	struct wki_mailbox box = { 0 };

	(void)state;
	assert_int_equal(wki_mailbox_push(&box, tag(&letters[0])), WKI_MAILED_FIRST);
	assert_ptr_equal(letter_of(wki_mailbox_close(&box)), &letters[0]);
	assert_int_equal(wki_mailbox_push(&box, tag(&letters[1])), WKI_MAIL_REFUSED);
	assert_int_equal(wki_mailbox_take(&box), 0);
	assert_true(wki_mailbox_is_empty(&box));
	assert_int_equal(wki_mailbox_close(&box), 0);
}

/*
 * Producers against the consumer, who closes in the end: every letter is taken once, in its producer's order,
 * or refused; and whoever finds the box empty is told so, once for each time that it was.
 */

#define PRODUCERS 4
#define LETTERS (THREADS_SANITIZED ? 10000u : 50000u)

struct post_office {
	struct wki_mailbox box;
	_Atomic unsigned long pushed, refused, firsts, wrong;
	_Atomic bool closed;
	unsigned next[PRODUCERS];
	unsigned long taken, takes;
};

static struct letter *letters;

static void produce(struct post_office *office, unsigned producer)
{
	struct letter *letter = letters + producer * LETTERS;
	enum wki_mailed mailed;
	unsigned i;

	for (i = 0; i < LETTERS; i++, letter++) {
		letter->producer = producer;
		letter->number = i;
		while (i == LETTERS - 1 && !atomic_load(&office->closed))
			sched_yield(); /* everybody's last letter is late */
		mailed = wki_mailbox_push(&office->box, tag(letter));
		race_add(mailed == WKI_MAIL_REFUSED ? &office->refused : &office->pushed, true);
		race_add(&office->firsts, mailed == WKI_MAILED_FIRST);
		if (i % 64 == 0)
			sched_yield();
	}
}

static void consume(struct post_office *office, wki_tagged tagged)
{
	struct letter *letter;

	office->takes += tagged != 0;
	for (; tagged != 0; tagged = wki_tag_link(tagged)->next) {
		letter = letter_of(tagged);
		race_add(&office->wrong, letter->number != office->next[letter->producer]);
		office->next[letter->producer] = letter->number + 1;
		office->taken++;
	}
}

static void post_office_body(void *context, unsigned index)
{
	struct post_office *office = context;

	if (index < PRODUCERS) {
		produce(office, index);
		return;
	}
	while (office->taken < PRODUCERS * LETTERS / 2) {
		consume(office, wki_mailbox_take(&office->box));
		sched_yield();
	}
	consume(office, wki_mailbox_close(&office->box));
	atomic_store(&office->closed, true);
}

static void test_producers_against_consumer(void **state)
{
	static struct post_office office;

	(void)state;
	letters = calloc(PRODUCERS * LETTERS, sizeof(*letters));
	assert_non_null(letters);
	threads_run(PRODUCERS + 1, post_office_body, &office);
	print_message("%lu taken in %lu turns, %lu refused\n", office.taken, office.takes, atomic_load(&office.refused));
	assert_int_equal(atomic_load(&office.wrong), 0);
	assert_int_equal(office.taken, atomic_load(&office.pushed));
	assert_int_equal(office.taken + atomic_load(&office.refused), PRODUCERS * LETTERS);
	assert_int_equal(atomic_load(&office.firsts), office.takes);
	assert_true(atomic_load(&office.refused) >= PRODUCERS);
	free(letters);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_chain_keeps_its_order),
		cmocka_unit_test(test_lanes_give_back_what_they_got),
		cmocka_unit_test(test_mailbox_keeps_its_order),
		cmocka_unit_test(test_closed_mailbox),
		cmocka_unit_test(test_producers_against_consumer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
