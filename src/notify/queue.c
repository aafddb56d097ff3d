/*
 * notify/queue.c - queues of the program
 *
 *	state     who is at it        leaves by
 *	IDLE      nobody              drain, close
 *	DRAINING  one draining thread the end of its drain; closing from inside it
 *	CLOSING   one closing thread  the end of close
 *	CLOSED    nobody, for ever
 *
 * Items come through a mailbox; the drainer keeps what it has taken and not yet run in `left`.
 * Whoever makes the mailbox not empty tells: descriptor, event, wake. A drain that ends with
 * something left tells again. A teller is inside a read section, so that close, one grace period
 * after it has shut the mailbox, knows that nobody tells any more.
 *
 * Layer: notify. Invariants: `pending` is never less than what is in mailbox and `left`.
 */
#define _GNU_SOURCE
#include "notify/queue.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "core/control.h"
#include "core/owner.h"
#include "notify/queue_inside.h"
#include "notify/registration.h"
#include "reclaim/grace.h"
#include "reclaim/runner.h"
#include "reclaim/service.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"

_Thread_local char wki_queue_thread;

struct queue_post {
	struct wki_deferred deferred;
	void (*run)(void *argument);
	void *argument;
	void (*release)(void *argument);
	wk_owner *owner; /* held; NULL: the program */
};

static wki_atomic_u64 queue_pending, queue_run;

uint64_t wki_queue_all_pending(void)
{
	/* QUE-1 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics) */
	return atomic_load_relaxed(&queue_pending);
}

uint64_t wki_queue_all_run(void)
{
	/* QUE-2 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics) */
	return atomic_load_relaxed(&queue_run);
}

void wki_queues_forget_pending(void)
{
	/* QUE-18 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
	atomic_store_relaxed(&queue_pending, 0);
}

static void queue_count(wk_queue *queue, uint32_t more)
{
	/* QUE-3 release; pairs: QUE-4; weaker: not needed for memory, the mailbox carries that; check: api/queue_test */
	(void)atomic_fetch_add_release(&queue->pending, more);
	/* QUE-5 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics) */
	(void)atomic_fetch_add_relaxed(&queue_pending, (uint64_t)(int64_t)(int32_t)more);
}

static uint32_t queue_pending_now(const wk_queue *queue)
{
	/* QUE-4 acquire; pairs: QUE-3; weaker: a waiter could look here before it reads the event; check: api/queue_test */
	return atomic_load_acquire((wki_atomic_u32 *)(uintptr_t)&queue->pending);
}

static enum queue_state queue_state(const wk_queue *queue)
{
	/* QUE-6 acquire; pairs: QUE-7, QUE-8; weaker: the next drainer could see `left` half written; check: api/queue_test under TSan */
	return (enum queue_state)atomic_load_acquire((wki_atomic_u32 *)(uintptr_t)&queue->state);
}

static bool queue_move(wk_queue *queue, enum queue_state from, enum queue_state to)
{
	uint32_t expected = from;

	/* QUE-7 acq_rel; pairs: QUE-6, QUE-7; weaker: as QUE-6; check: api/queue_test under TSan */
	return atomic_cas_acq_rel(&queue->state, &expected, (uint32_t)to);
}

/* Tell that there is something, by every way there is. */
static void queue_tell_rcu(wk_queue *queue)
{
	int descriptor = wki_queue_descriptor(queue);

	if (descriptor >= 0)
		(void)eventfd_write(descriptor, 1); /* full is readable too */
	wki_event_signal(&queue->event);
	if (queue->wake != NULL)
		queue->wake(queue->context);
}

static bool queue_put(wk_queue *queue, wki_tagged tagged)
{
	enum wki_mailed mailed;

	queue_count(queue, 1);
	wki_read_lock();
	mailed = wki_mailbox_push(&queue->box, tagged);
	if (mailed == WKI_MAILED_FIRST)
		queue_tell_rcu(queue);
	wki_read_unlock();
	if (mailed == WKI_MAIL_REFUSED)
		queue_count(queue, UINT32_MAX);
	return mailed != WKI_MAIL_REFUSED;
}

bool wki_queue_deliver(wk_queue *queue, wki_tagged tagged)
{
	return queue_put(queue, tagged);
}

/* Posts. */

static struct queue_post *queue_post_of(struct wki_deferred *deferred)
{
	return (struct queue_post *)(void *)deferred;
}

static void queue_post_free(struct queue_post *post)
{
	wk_owner *owner = post->owner;

	wki_cache_free(post, sizeof(*post));
	if (owner == NULL)
		return;
	wki_owner_count(&owner->posts, (uint64_t)-1);
	wki_owner_drop(owner);
}

/* The post is over, also when its run has ended the thread. */
static void queue_post_over(void *argument)
{
	struct queue_post *post = argument;

	if (post->release != NULL)
		post->release(post->argument);
	wki_callback_leave();
	queue_post_free(post);
}

static void queue_post_run(struct wki_deferred *deferred)
{
	struct queue_post *post = queue_post_of(deferred);

	/* QUE-10 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics) */
	(void)atomic_fetch_add_relaxed(&queue_run, 1);
	wki_callback_enter();
	pthread_cleanup_push(queue_post_over, post);
	post->run(post->argument);
	pthread_cleanup_pop(1);
}

/* The owner is held: the post takes the hold over, also if it fails. */
static int queue_post(wk_queue *queue, const struct queue_post *wanted)
{
	struct queue_post *post = wki_cache_allocate(sizeof(*post));

	if (post == NULL) {
		wki_owner_drop(wanted->owner);
		return WK_ENOMEM;
	}
	*post = *wanted;
	if (post->owner != NULL)
		wki_owner_count(&post->owner->posts, 1);
	if (queue_put(queue, wki_tag(&post->deferred.link, WKI_KIND_DEFERRED)))
		return WK_OK;
	queue_post_free(post);
	return WK_ESHUTDOWN;
}

int wk_queue_post_owned(wk_queue *queue, wk_owner *owner, void (*run)(void *argument), void *argument,
			void (*release)(void *argument))
{
	const struct queue_post post = { { { 0 }, queue_post_run }, run, argument, release, owner };

	if (queue == NULL || run == NULL)
		return WK_EINVAL;
	return wki_owner_hold(owner) ? queue_post(queue, &post) : WK_ESHUTDOWN;
}

int wk_queue_post(wk_queue *queue, void (*run)(void *argument), void *argument, void (*release)(void *argument))
{
	return wk_queue_post_owned(queue, NULL, run, argument, release);
}

/* What happens to an item: run here, handed to the runner, or dropped. */

static void queue_object_run(struct wki_link *link)
{
	wki_control_destroy(wki_control_of_link(link));
}

static void queue_object_drop(struct wki_link *link)
{
	wki_control_abandon(wki_control_of_link(link));
}

static void queue_post_due(struct wki_link *link)
{
	queue_post_run((struct wki_deferred *)(void *)link);
}

static void queue_post_drop(struct wki_link *link)
{
	wki_callback_enter();
	queue_post_over(link);
}

static const struct {
	void (*run)(struct wki_link *link);
	void (*drop)(struct wki_link *link);
} queue_items[WKI_KINDS] = {
	[WKI_KIND_OBJECT] = { queue_object_run, queue_object_drop },
	[WKI_KIND_DEFERRED] = { queue_post_due, queue_post_drop },
	[WKI_KIND_CALL] = { wki_registration_due, wki_registration_skip },
};

static void queue_run_item(wki_tagged tagged)
{
	queue_items[wki_tag_kind(tagged)].run(wki_tag_link(tagged));
}

static void queue_drop_item(wki_tagged tagged)
{
	queue_items[wki_tag_kind(tagged)].drop(wki_tag_link(tagged));
}

static void queue_settle(wk_queue *queue, struct wki_chain *chain, void (*settle)(wki_tagged tagged))
{
	wki_tagged tagged;

	while ((tagged = wki_chain_pop(chain)) != 0) {
		queue_count(queue, UINT32_MAX);
		settle(tagged);
	}
}

/* Draining. */

/* A drain, or a close that runs what is left. */
struct queue_turn {
	wk_queue *queue;
	bool has_returned; /* what it ran */
};

static void queue_report(const struct queue_turn *turn)
{
	if (!turn->has_returned)
		wki_report_error(WK_EINVAL, "queue", "a callback or destructor ended the thread that drained its queue");
}

/* A drain is over, also when a callback has ended its thread or has closed the queue. */
static void queue_drain_end(void *argument)
{
	const struct queue_turn *drain = argument;
	wk_queue *queue = drain->queue;
	bool left = queue->left.first != 0;

	queue_report(drain);
	wki_queue_set_drainer(queue, NULL);
	if (queue_move(queue, QUEUE_DRAINING, QUEUE_IDLE) && left) {
		wki_read_lock();
		queue_tell_rcu(queue);
		wki_read_unlock();
	}
	wk_release(queue);
}

static void queue_clear_descriptor(const wk_queue *queue)
{
	int descriptor = wki_queue_descriptor(queue);
	eventfd_t count;

	if (descriptor >= 0)
		(void)eventfd_read(descriptor, &count); /* not readable is fine */
}

static size_t queue_run_left(wk_queue *queue, size_t budget)
{
	wki_tagged tagged;
	size_t done;

	for (done = 0; done < budget && (tagged = wki_chain_pop(&queue->left)) != 0; done++) {
		queue_count(queue, UINT32_MAX);
		queue_run_item(tagged);
	}
	return done;
}

size_t wk_queue_drain(wk_queue *queue, size_t budget)
{
	struct queue_turn drain = { queue, false };
	volatile size_t done;

	if (queue == NULL || !queue_move(queue, QUEUE_IDLE, QUEUE_DRAINING))
		return 0;
	wki_queue_set_drainer(queue, &wki_queue_thread);
	wk_retain(queue); /* its own callbacks may release it */
	/* First the descriptor, then the mailbox: what comes between makes it readable again. */
	queue_clear_descriptor(queue);
	wki_chain_gather(&queue->left, wki_mailbox_take(&queue->box));
	pthread_cleanup_push(queue_drain_end, &drain);
	done = queue_run_left(queue, budget != 0 ? budget : queue->left.count);
	drain.has_returned = true;
	pthread_cleanup_pop(1);
	return done;
}

size_t wk_queue_pending(const wk_queue *queue)
{
	/* Posts that a closed queue is about to refuse are counted for a moment. */
	return queue == NULL || queue_state(queue) == QUEUE_CLOSED ? 0 : queue_pending_now(queue);
}

int wk_queue_wait(wk_queue *queue, uint64_t timeout_ns)
{
	uint64_t deadline;
	uint32_t seen;

	if (queue == NULL)
		return WK_EINVAL;
	if (wki_read_ongoing() || wki_runner_is_self())
		return WK_EDEADLOCK;
	deadline = wki_deadline_after(timeout_ns);
	for (;;) {
		seen = wki_event_value(&queue->event);
		if (queue_state(queue) >= QUEUE_CLOSING)
			return WK_ESHUTDOWN;
		if (queue_pending_now(queue) != 0)
			return WK_OK;
		if (!wki_event_wait(&queue->event, seen, deadline))
			return queue_pending_now(queue) != 0 ? WK_OK : WK_ETIMEDOUT;
	}
}

int wk_queue_descriptor(const wk_queue *queue)
{
	return queue == NULL ? -1 : wki_queue_descriptor(queue);
}

/* The end. */

void wki_queue_close_descriptor(wk_queue *queue)
{
	int descriptor = wki_queue_descriptor(queue);

	if (descriptor < 0)
		return;
	/* QUE-13 relaxed; pairs: none; weaker: not possible; check: api/queue_test (nobody tells any more) */
	atomic_store_relaxed(&queue->descriptor, -1);
	close(descriptor);
}

/* May it be closed now, and in this mode? The caller owns the state CLOSING afterwards. */
static int queue_begin_close(wk_queue *queue, wk_queue_close_mode mode)
{
	if (queue_move(queue, QUEUE_IDLE, QUEUE_CLOSING))
		return WK_OK;
	switch (queue_state(queue)) {
	case QUEUE_CLOSED:
		return WK_ESHUTDOWN;
	case QUEUE_DRAINING:
		if (!wki_queue_is_drainer(queue))
			return WK_EBUSY;
		if (mode == WK_QUEUE_RUN)
			return WK_EDEADLOCK;
		return queue_move(queue, QUEUE_DRAINING, QUEUE_CLOSING) ? WK_OK : WK_EBUSY;
	default:
		return WK_EBUSY;
	}
}

/* A close is over, also when a callback has ended its thread: the rest is the runner's then. */
static void queue_close_end(void *argument)
{
	const struct queue_turn *close = argument;
	wk_queue *queue = close->queue;

	queue_report(close);
	queue_settle(queue, &queue->left, wki_runner_now);
	/* QUE-8 release; pairs: QUE-6; weaker: as QUE-6; check: api/queue_test under TSan */
	atomic_store_release(&queue->state, QUEUE_CLOSED);
	wki_event_signal(&queue->event);
}

int wk_queue_close(wk_queue *queue, wk_queue_close_mode mode)
{
	static void (*const settle[])(wki_tagged tagged) = {
		[WK_QUEUE_RUN] = queue_run_item,
		[WK_QUEUE_MOVE] = wki_runner_now,
		[WK_QUEUE_DROP] = queue_drop_item,
	};
	struct queue_turn turn = { queue, false };
	int status;

	if (queue == NULL || (unsigned)mode > WK_QUEUE_DROP)
		return WK_EINVAL;
	if (wki_read_ongoing())
		return WK_EDEADLOCK;
	status = queue_begin_close(queue, mode);
	if (status < 0)
		return status;
	wki_queue_set_drainer(queue, &wki_queue_thread);
	wki_chain_gather(&queue->left, wki_mailbox_close(&queue->box));
	(void)wki_grace_wait(wki_grace_ticket(), WKI_NO_DEADLINE);
	wki_queue_close_descriptor(queue);
	pthread_cleanup_push(queue_close_end, &turn);
	queue_settle(queue, &queue->left, settle[mode]);
	turn.has_returned = true;
	pthread_cleanup_pop(1);
	return WK_OK;
}

/* The last reference is gone: what is left moves to the runner, which this is. */
static void queue_destroy(void *payload)
{
	wk_queue *queue = payload;

	wki_queue_delist(queue);
	wki_chain_gather(&queue->left, wki_mailbox_close(&queue->box));
	queue_settle(queue, &queue->left, wki_runner_now);
	wki_queue_close_descriptor(queue);
}

WK_DEFINE_TYPE(queue_type, wk_queue, .flags = WK_TYPE_PINNED, .destroy = queue_destroy);

wk_queue *wk_queue_new(const wk_queue_options *options, int *status)
{
	static const wk_queue_options none = { .struct_size = sizeof(none) };
	int made, descriptor = -1;
	wk_queue *queue;

	if (options == NULL)
		options = &none;
	if (options->struct_size < sizeof(*options)) {
		if (status != NULL)
			*status = WK_EINVAL;
		return NULL;
	}
	queue = wk_new_with(&queue_type, NULL, &made);
	if (queue != NULL && !options->no_descriptor) {
		descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (descriptor < 0) {
			wk_discard(queue);
			queue = NULL;
			made = WK_ENOMEM;
		}
	}
	if (status != NULL)
		*status = made;
	if (queue == NULL)
		return NULL;
	/* QUE-14 relaxed; pairs: none; weaker: not possible; check: api/queue_test (nobody else's yet) */
	atomic_store_relaxed(&queue->descriptor, descriptor);
	wki_event_init(&queue->event);
	queue->wake = options->wake;
	queue->context = options->context;
	wki_queue_enlist(queue);
	snprintf(queue->name, sizeof(queue->name), "%s", options->name != NULL ? options->name : "");
	return queue;
}
