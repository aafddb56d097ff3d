/*
 * notify/queue_forked.c - the list of all queues, and what a fork makes of them
 *
 * In the child queues are empty. Who drained or closed one is gone, unless it was the thread that forked; a close
 * that had shut the mailbox counts as done. Descriptors are replaced, at the same number.
 *
 * Layer: notify. Never, in the child: the program's code, a read section, memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/control.h"
#include "notify/queue.h"
#include "notify/queue_inside.h"
#include "reclaim/service.h"

static struct {
	pthread_mutex_t lock;
	wk_queue *newest;
} queues = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The list of all. */

void wki_queues_lock(void)
{
	pthread_mutex_lock(&queues.lock);
}

void wki_queues_unlock(void)
{
	pthread_mutex_unlock(&queues.lock);
}

void wki_queue_enlist(wk_queue *queue)
{
	wki_queues_lock();
	queue->older = queues.newest;
	if (queue->older != NULL)
		queue->older->newer = queue;
	queues.newest = queue;
	wki_queues_unlock();
}

void wki_queue_delist(wk_queue *queue)
{
	wki_queues_lock();
	if (queue->older != NULL)
		queue->older->newer = queue->newer;
	if (queue->newer != NULL)
		queue->newer->older = queue->older;
	else
		queues.newest = queue->older;
	wki_queues_unlock();
}

/* After a fork, in the child. */

static uint64_t queue_calls(wki_tagged tagged)
{
	uint64_t calls = 0;

	for (; tagged != 0; tagged = wki_link_next(tagged))
		calls += wki_tag_kind(tagged) != WKI_KIND_OBJECT;
	return calls;
}

/* The parent reads from and writes to the one that both have. The program knows its number. */
static void queue_replace_descriptor(wk_queue *queue)
{
	int number = wki_queue_descriptor(queue), descriptor;

	if (number < 0)
		return;
	wki_queue_close_descriptor(queue); /* first, so that there is room for another */
	descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (descriptor < 0) {
		wki_report_error(WK_ENOMEM, "wk_queue", "no descriptor after a fork");
		return;
	}
	if (descriptor != number) {
		(void)dup3(descriptor, number, O_CLOEXEC);
		close(descriptor);
	}
	/* QFK-1 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
	atomic_store_relaxed(&queue->descriptor, number);
}

static uint64_t queue_forked(wk_queue *queue)
{
	bool closed = wki_mailbox_is_closed(&queue->box) || wki_count_is_dead(&wki_control_of(queue)->count);
	uint64_t calls = queue_calls(queue->left.first) + queue_calls(wki_mailbox_leave(&queue->box));

	queue->left = (struct wki_chain){ 0 };
	/* QFK-2 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
	atomic_store_relaxed(&queue->pending, 0);
	if (!wki_queue_is_drainer(queue)) {
		wki_queue_set_drainer(queue, NULL);
		/* QFK-3 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
		atomic_store_relaxed(&queue->state, closed ? QUEUE_CLOSED : QUEUE_IDLE);
	}
	if (closed)
		wki_queue_close_descriptor(queue);
	else
		queue_replace_descriptor(queue);
	return calls;
}

uint64_t wki_queues_forked(void)
{
	wk_queue *queue;
	uint64_t calls = 0;

	for (queue = queues.newest; queue != NULL; queue = queue->older)
		calls += queue_forked(queue);
	wki_queues_forget_pending();
	return calls;
}
