/*
 * Promise 21: what was pending or in progress at a fork is the parent's, and never runs twice
 */
#include "fork_fixture.h"

#include <poll.h>
#include <sched.h>

/* The runner is stopped in a destructor: whatever dies behind it is pending. */

static struct steps steps = STEPS_AT_START;
enum { RUNNER_STOPPED = 1, RUNNER_MAY_GO };

static void stopper_destroy(void *payload)
{
	item_destroy(payload);
	steps_reach(&steps, RUNNER_STOPPED);
	steps_wait(&steps, RUNNER_MAY_GO);
}

WK_DEFINE_TYPE(stopper_type, struct item, .destroy = stopper_destroy);

static void stop_runner(void)
{
	wk_release(wk_new(&stopper_type));
	steps_wait(&steps, RUNNER_STOPPED);
}

#define DEAD 100

static void pending_child(void *context)
{
	struct item *item;

	child_check(stats().abandoned == DEAD + 1); /* and the one that is being destroyed */
	child_check(stats().dead_objects_waiting == 0);
	item = wk_new(&item_type);
	wk_release(item);
	child_check(wk_barrier(PATIENCE) == WK_OK);
	child_check(atomic_load(&destroyed) == 2); /* the stopper, in the parent, and this one */
	wk_release(context);
	shut_down(WK_OK, 0);
	child_check(atomic_load(&destroyed) == 3);
}

static void fork_abandons_the_dead(void)
{
	struct item *items[DEAD], *item;
	size_t i;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	stop_runner();
	item = wk_new(&item_type);
	for (i = 0; i < DEAD; i++)
		items[i] = wk_new(&item_type);
	for (i = 0; i < DEAD; i++) {
		if (i % 2 == 0)
			wk_weak_release(wk_downgrade(items[i])); /* waits for a grace period too */
		wk_release(items[i]);
	}
	child_check(forks_run(pending_child, item));
	child_check(stats().abandoned == 0);
	steps_reach(&steps, RUNNER_MAY_GO);
	wk_release(item);
	shut_down(WK_OK, 0);
	child_check(atomic_load(&destroyed) == DEAD + 2);
}

/* Callbacks and finalizers, pending on the runner or alive. */

struct calls {
	wk_weakref *pending, *alive;
	wk_finalizer *pending_finalizer, *alive_finalizer;
	struct item *item;
};

static struct calls calls_make(wk_queue *queue)
{
	const wk_callback callback = { .run = call, .release = count_release, .queue = queue };
	const wk_finalizer_options options = { .run = finalize, .release = count_release, .queue = queue };
	struct item *dies = wk_new(&item_type);
	struct calls calls = { .item = wk_new(&item_type) };

	calls.pending = wk_weakref_new(dies, &callback, NULL);
	calls.pending_finalizer = wk_finalizer_new(dies, &options, NULL);
	calls.alive = wk_weakref_new(calls.item, &callback, NULL);
	calls.alive_finalizer = wk_finalizer_new(calls.item, &options, NULL);
	wk_release(dies);
	return calls;
}

static void calls_release(struct calls *calls)
{
	wk_weakref_release(calls->pending);
	wk_weakref_release(calls->alive);
	wk_finalizer_release(calls->pending_finalizer);
	wk_finalizer_release(calls->alive_finalizer);
	wk_release(calls->item);
}

static void calls_child(void *context)
{
	struct calls *calls = context;

	child_check(stats().calls_abandoned == 2);
	child_check(wk_weakref_get(calls->pending) == NULL);
	child_check(wk_weakref_cancel(calls->pending) == WK_OK);
	child_check(!wk_finalizer_alive(calls->pending_finalizer));
	child_check(wk_finalizer_call(calls->pending_finalizer, NULL) == WK_EDEAD);
	child_check(wk_finalizer_alive(calls->alive_finalizer));
	calls_release(calls);
	child_check(wk_barrier(PATIENCE) == WK_OK);
	/* The handle of `alive` was released before its object: only the finalizer runs. */
	child_check(atomic_load(&called) == 1 && atomic_load(&released) == 2);
	shut_down(WK_OK, 0);
	child_check(atomic_load(&called) == 1);
}

static void fork_abandons_calls(void)
{
	struct calls calls;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	stop_runner();
	calls = calls_make(NULL);
	child_check(forks_run(calls_child, &calls));
	child_check(stats().calls_abandoned == 0);
	steps_reach(&steps, RUNNER_MAY_GO);
	calls_release(&calls);
	child_check(wk_barrier(PATIENCE) == WK_OK);
	child_check(atomic_load(&called) == 3 && atomic_load(&released) == 4);
	shut_down(WK_OK, 0);
}

static void shutting_child(void *unused)
{
	(void)unused;
	shut_down(WK_OK, 1); /* the object that the program still owns */
	child_check(atomic_load(&called) == 1);
}

/* At the child's shutdown the finalizers that are alive run there too. */
static void fork_keeps_finalizers(void)
{
	struct calls calls;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	calls = calls_make(NULL);
	child_check(wk_barrier(PATIENCE) == WK_OK);
	atomic_store(&called, 0);
	child_check(forks_run(shutting_child, NULL));
	calls_release(&calls);
	shut_down(WK_OK, 0);
	child_check(atomic_load(&called) == 1);
}

/* A call that another thread is in the middle of. */

static int call_and_stop(wk_weakref *ref, void *argument)
{
	(void)ref;
	(void)argument;
	steps_reach(&steps, RUNNER_STOPPED);
	steps_wait(&steps, RUNNER_MAY_GO);
	return atomic_fetch_add(&called, 1) & 0;
}

static void running_child(void *context)
{
	child_check(wk_weakref_cancel(context) == WK_EDEAD); /* and does not wait for it */
	child_check(atomic_load(&called) == 0);
	wk_weakref_release(context);
	shut_down(WK_OK, 0);
}

static void fork_beside_a_call(void)
{
	const wk_callback callback = { .run = call_and_stop };
	struct item *item;
	wk_weakref *ref;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	item = wk_new(&item_type);
	ref = wk_weakref_new(item, &callback, NULL);
	wk_release(item);
	steps_wait(&steps, RUNNER_STOPPED);
	child_check(forks_run(running_child, ref));
	steps_reach(&steps, RUNNER_MAY_GO);
	wk_weakref_release(ref);
	shut_down(WK_OK, 0);
	child_check(atomic_load(&called) == 1);
}

/* Queues. */

static bool is_readable(int descriptor)
{
	struct pollfd asked = { .fd = descriptor, .events = POLLIN };

	return poll(&asked, 1, 0) == 1 && (asked.revents & POLLIN) != 0;
}

static void run_post(void *argument)
{
	(void)argument;
	atomic_fetch_add(&called, 1);
}

struct mail {
	wk_queue *queue, *moving, *quiet;
	int descriptor;
};

static void queue_child(void *context)
{
	struct mail *mail = context;

	child_check(stats().calls_abandoned == 3);
	child_check(wk_queue_pending(mail->queue) == 0);
	child_check(wk_queue_descriptor(mail->queue) == mail->descriptor && !is_readable(mail->descriptor));
	child_check(wk_queue_drain(mail->queue, 0) == 0);
	child_check(wk_queue_wait(mail->queue, 0) == WK_ETIMEDOUT);
	child_check(wk_queue_post(mail->queue, run_post, NULL, NULL) == WK_OK);
	child_check(is_readable(mail->descriptor));
	child_check(wk_queue_post(mail->queue, run_post, NULL, NULL) == WK_OK);
	child_check(wk_queue_drain(mail->queue, 0) == 2);
	child_check(!is_readable(mail->descriptor));
	child_check(atomic_load(&called) == 2 && atomic_load(&released) == 0);
	child_check(wk_queue_close(mail->queue, WK_QUEUE_RUN) == WK_OK);
	child_check(wk_queue_post(mail->queue, run_post, NULL, NULL) == WK_ESHUTDOWN);
	child_check(wk_queue_post(mail->quiet, run_post, NULL, NULL) == WK_OK);
	wk_release(mail->queue);
	wk_release(mail->quiet);
	shut_down(WK_OK, 0);
	child_check(atomic_load(&called) == 3); /* what was posted here and not drained has moved to the runner */
}

static void fork_empties_queues(void)
{
	const wk_queue_options quiet = { .struct_size = sizeof(quiet), .no_descriptor = true };
	struct mail mail;
	int i;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	mail.queue = wk_queue_new(NULL, NULL);
	mail.quiet = wk_queue_new(&quiet, NULL);
	mail.descriptor = wk_queue_descriptor(mail.queue);
	for (i = 0; i < 3; i++)
		child_check(wk_queue_post(mail.queue, run_post, NULL, count_release) == WK_OK);
	child_check(is_readable(mail.descriptor));
	child_check(forks_run(queue_child, &mail));
	child_check(is_readable(mail.descriptor)); /* nobody else has read it */
	child_check(wk_queue_drain(mail.queue, 0) == 3);
	child_check(atomic_load(&called) == 3 && atomic_load(&released) == 3);
	child_check(!is_readable(mail.descriptor));
	wk_release(mail.queue);
	wk_release(mail.quiet);
	shut_down(WK_OK, 0);
}

/* Forks inside a drain: what is left of it is the parent's. */

static void fork_in_post(void *argument)
{
	(void)argument;
	forked = forks_fork();
	atomic_fetch_add(&called, 1);
}

static void fork_in_drain(void)
{
	wk_queue *queue;
	size_t ran;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	queue = wk_queue_new(NULL, NULL);
	child_check(wk_queue_post(queue, fork_in_post, NULL, count_release) == WK_OK);
	child_check(wk_queue_post(queue, run_post, NULL, count_release) == WK_OK);
	ran = wk_queue_drain(queue, 0);
	child_check(ran == (forked == 0 ? 1 : 2) && atomic_load(&called) == (int)ran);
	child_check(atomic_load(&released) == (int)ran && wk_queue_pending(queue) == 0);
	child_check(wk_queue_post(queue, run_post, NULL, count_release) == WK_OK);
	child_check(wk_queue_drain(queue, 0) == 1);
	wk_release(queue);
	shut_down(WK_OK, 0);
	end_both();
}

/* A queue that another thread was draining, and one that was being closed. */
static void stop_in_post(void *argument)
{
	(void)argument;
	steps_reach(&steps, RUNNER_STOPPED);
	steps_wait(&steps, RUNNER_MAY_GO);
}

static void *drain_main(void *queue)
{
	(void)wk_queue_drain(queue, 0);
	return NULL;
}

static void *close_main(void *queue)
{
	child_check(wk_queue_close(queue, WK_QUEUE_RUN) == WK_OK);
	return NULL;
}

static void drained_child(void *queue)
{
	child_check(wk_queue_post(queue, run_post, NULL, NULL) == WK_OK);
	child_check(wk_queue_drain(queue, 0) == 1 && atomic_load(&called) == 1);
	wk_release(queue);
	shut_down(WK_OK, 1); /* the queue: who drained it owned a reference */
}

static void closed_child(void *queue)
{
	child_check(wk_queue_post(queue, run_post, NULL, NULL) == WK_ESHUTDOWN);
	child_check(wk_queue_descriptor(queue) == -1 && wk_queue_pending(queue) == 0);
	child_check(wk_queue_close(queue, WK_QUEUE_RUN) == WK_ESHUTDOWN);
	wk_release(queue);
	shut_down(WK_OK, 0);
}

static void fork_beside(void *(*body)(void *queue), void (*child)(void *queue))
{
	wk_queue *queue;
	pthread_t thread;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	queue = wk_queue_new(NULL, NULL);
	child_check(wk_queue_post(queue, stop_in_post, NULL, NULL) == WK_OK);
	child_check(wk_queue_post(queue, run_post, NULL, NULL) == WK_OK);
	child_check(pthread_create(&thread, NULL, body, queue) == 0);
	steps_wait(&steps, RUNNER_STOPPED);
	child_check(forks_run(child, queue));
	steps_reach(&steps, RUNNER_MAY_GO);
	pthread_join(thread, NULL);
	child_check(atomic_load(&called) == 1);
	wk_release(queue);
	shut_down(WK_OK, 0);
}

static void fork_beside_a_drain(void)
{
	fork_beside(drain_main, drained_child);
}

static void fork_beside_a_close(void)
{
	fork_beside(close_main, closed_child);
}

/* get_or_create. */

static struct item *product;

static void *make_slowly(wk_key key, void *context, int *status)
{
	(void)key;
	(void)context;
	(void)status;
	steps_reach(&steps, RUNNER_STOPPED);
	steps_wait(&steps, RUNNER_MAY_GO);
	return wk_new(&item_type);
}

static void *make(wk_key key, void *context, int *status)
{
	(void)key;
	(void)context;
	(void)status;
	atomic_fetch_add(&called, 1);
	return wk_new(&item_type);
}

static void *create_main(void *dict)
{
	int status;

	product = wk_value_dict_get_or_create(dict, wk_key_u64(7), WK_CREATE_ONCE, make_slowly, NULL, &status);
	child_check(status == WK_CREATED);
	return NULL;
}

static void flight_child(void *dict)
{
	int status;

	child_check(wk_value_dict_get(dict, wk_key_u64(7)) == NULL && wk_value_dict_len(dict) == 0);
	product = wk_value_dict_get_or_create(dict, wk_key_u64(7), WK_CREATE_ONCE, make, NULL, &status);
	child_check(product != NULL && status == WK_CREATED && wk_value_dict_len(dict) == 1);
	wk_release(product);
	wk_release(dict);
	shut_down(WK_OK, 0);
}

static void fork_beside_a_flight(void)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options) };
	wk_value_dict *dict;
	pthread_t thread;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	dict = wk_value_dict_new(&options, NULL);
	child_check(pthread_create(&thread, NULL, create_main, dict) == 0);
	steps_wait(&steps, RUNNER_STOPPED);
	child_check(forks_run(flight_child, dict));
	steps_reach(&steps, RUNNER_MAY_GO);
	pthread_join(thread, NULL);
	child_check(wk_value_dict_len(dict) == 1);
	wk_release(product);
	wk_release(dict);
	shut_down(WK_OK, 0);
}

static wk_value_dict *made_in;

static void *make_and_fork(wk_key key, void *context, int *status)
{
	int code;

	(void)context;
	forked = forks_fork();
	/* Still its own flight, in both processes. */
	child_check(wk_value_dict_get_or_create(made_in, key, WK_CREATE_TRY, make, NULL, &code) == NULL);
	child_check(code == WK_EDEADLOCK);
	return make(key, NULL, status);
}

static void fork_in_a_factory(void)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options) };
	int status;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	made_in = wk_value_dict_new(&options, NULL);
	product = wk_value_dict_get_or_create(made_in, wk_key_u64(7), WK_CREATE_ONCE, make_and_fork, NULL, &status);
	child_check(product != NULL && status == WK_CREATED && wk_value_dict_len(made_in) == 1);
	wk_release(product);
	wk_release(made_in);
	shut_down(WK_OK, 0);
	child_check(atomic_load(&called) == 1);
	end_both();
}

/* Shutdowns and barriers that others are in. */

static void *shutdown_main(void *unused)
{
	child_check(wk_runtime_shutdown(PATIENCE, NULL) == WK_OK);
	return unused;
}

static void shutdown_child(void *unused)
{
	struct item *item = wk_new(&item_type);

	(void)unused;
	child_check(item != NULL);
	wk_release(item);
	shut_down(WK_OK, 0);
	child_check(atomic_load(&destroyed) == 2); /* the stopper, in the parent, and this one */
	child_check(wk_runtime_start(NULL) == WK_OK);
	shut_down(WK_OK, 0);
}

static void await_closing(void)
{
	struct item *item;

	while ((item = wk_new(&item_type)) != NULL) {
		wk_discard(item);
		sched_yield();
	}
}

static void fork_beside_a_shutdown(void)
{
	pthread_t thread;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	stop_runner();
	child_check(pthread_create(&thread, NULL, shutdown_main, NULL) == 0);
	await_closing();
	child_check(forks_run(shutdown_child, NULL));
	steps_reach(&steps, RUNNER_MAY_GO);
	pthread_join(thread, NULL);
}

static _Atomic bool barrier_begins; /* its thread has started: one that is starting holds a sanitizer's locks */

static void *barrier_main(void *unused)
{
	atomic_store(&barrier_begins, true);
	child_check(wk_barrier(PATIENCE) == WK_OK);
	return unused;
}

static void barrier_child(void *unused)
{
	(void)unused;
	child_check(wk_barrier(PATIENCE) == WK_OK);
	shut_down(WK_OK, 0);
}

static void fork_beside_a_barrier(void)
{
	pthread_t thread;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	stop_runner();
	child_check(pthread_create(&thread, NULL, barrier_main, NULL) == 0);
	while (!atomic_load(&barrier_begins))
		sched_yield();
	child_check(forks_run(barrier_child, NULL));
	steps_reach(&steps, RUNNER_MAY_GO);
	pthread_join(thread, NULL);
	shut_down(WK_OK, 0);
}

/* A finalizer that a shutdown runs forks: both processes go on shutting down. */

static int fork_in_finalizer(void *argument)
{
	(void)argument;
	forked = forks_fork();
	return 0;
}

static struct item *kept; /* alive to the end */

static void fork_in_a_shutdown(void)
{
	const wk_finalizer_options forking = { .run = fork_in_finalizer }, counting = { .run = finalize };

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	kept = wk_new(&item_type);
	wk_finalizer_release(wk_finalizer_new(kept, &counting, NULL));
	wk_finalizer_release(wk_finalizer_new(kept, &forking, NULL));
	shut_down(WK_OK, 1);
	child_check(atomic_load(&called) == 1);
	end_both();
}

static const struct child_case cases[] = {
	PASSING(fork_abandons_the_dead),
	PASSING(fork_abandons_calls),
	PASSING(fork_keeps_finalizers),
	PASSING(fork_beside_a_call),
	PASSING(fork_empties_queues),
	PASSING(fork_in_drain),
	PASSING(fork_beside_a_drain),
	PASSING(fork_beside_a_close),
	PASSING(fork_beside_a_flight),
	PASSING(fork_in_a_factory),
	PASSING(fork_beside_a_shutdown),
	PASSING(fork_beside_a_barrier),
	PASSING(fork_in_a_shutdown),
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

int main(int argc, char **argv)
{
	return fork_main(argc, argv, cases, CASES, CASES, NULL);
}
