/*
 * mailbox.c - reclaim/mailbox.h: two producers, one consumer who takes once and closes
 *
 * Shows: a letter is seen whole by whoever takes it, taken once or refused, and freed once.
 */
#include "reclaim/mailbox.h"

#include "model.h"

struct letter {
	struct wki_link link;
	int text;
};

static struct wki_mailbox box;
static int taken; /* the consumer's */
static atomic_int sent;

static void send(int text)
{
	struct letter *letter = model_allocate(sizeof(*letter));

	letter->text = text;
	if (wki_mailbox_push(&box, wki_tag(&letter->link, WKI_KIND_DEFERRED)) == WKI_MAIL_REFUSED)
		free(letter);
	else
		atomic_fetch_add_explicit(&sent, 1, memory_order_relaxed);
}

static void read_all(wki_tagged first)
{
	wki_tagged next;

	for (; first != 0; first = next) {
		struct letter *letter = (struct letter *)(void *)wki_tag_link(first);

		next = letter->link.next;
		assert(letter->text != 0);
		free(letter);
		taken++;
	}
}

static void *first_producer(void *unused)
{
	send(1);
	return unused;
}

static void *second_producer(void *unused)
{
	send(2);
	return unused;
}

static void *consumer(void *unused)
{
	read_all(wki_mailbox_take(&box));
	read_all(wki_mailbox_close(&box));
	return unused;
}

int main(void)
{
	model_run(first_producer, second_producer, consumer);
	assert(taken == atomic_load_explicit(&sent, memory_order_relaxed));
	return 0;
}
