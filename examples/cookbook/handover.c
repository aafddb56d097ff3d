/* Hand-over of cleanup: whichever thread drops the last reference, the object ends on the thread of its event loop.
 * The loop waits for its sockets and for its queue in one epoll; destroy may touch what belongs to the loop.
 * Here: wk_new_options.destroy_on, wk_queue_descriptor, wk_queue_drain, and wk_queue_close when the loop ends. */
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <weakref.h>

struct loop {
	pthread_t thread;
	int epoll;
	wk_queue *queue;
	unsigned open; /* only this loop's thread touches it: no lock, no atomic */
};

struct connection {
	struct loop *loop;
	unsigned number;
};

static void connection_destroy(void *payload) /* where its queue is drained: on the loop */
{
	struct connection *c = payload;

	c->loop->open--;
	printf("connection %u ends on its loop: %d\n", c->number, pthread_equal(pthread_self(), c->loop->thread) != 0);
}
WK_DEFINE_TYPE(connection_type, struct connection, .destroy = connection_destroy);

static struct connection *connection_new(struct loop *loop, unsigned number)
{
	const wk_new_options on_loop = { .destroy_on = loop->queue };
	struct connection *c = wk_new_with(&connection_type, &on_loop, NULL);

	if (c) {
		c->loop = loop;
		c->number = number;
		loop->open++;
	}
	return c;
}

/* Somebody else, who happens to be the last one. */
static void *worker_main(void *connection)
{
	wk_release(connection); /* takes no lock, waits for nobody, runs no destructor */
	return NULL;
}

static int loop_init(struct loop *loop)
{
	struct epoll_event event = { .events = EPOLLIN };

	loop->thread = pthread_self();
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->queue = wk_queue_new(NULL, NULL);
	if (loop->epoll < 0 || !loop->queue)
		return -1;
	event.data.ptr = loop->queue;
	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, wk_queue_descriptor(loop->queue), &event);
}

static void loop_run(struct loop *loop)
{
	struct epoll_event events[16];

	while (loop->open > 0) {
		int count = epoll_wait(loop->epoll, events, 16, -1);

		for (int i = 0; i < count; i++)
			if (events[i].data.ptr == loop->queue)
				wk_queue_drain(loop->queue, 64); /* what is left keeps the descriptor readable */
	}
}

/* When the loop ends: what is still due runs here, what comes later on the runner. */
static int loop_end(struct loop *loop)
{
	int status = wk_queue_close(loop->queue, WK_QUEUE_RUN);

	wk_release(loop->queue);
	close(loop->epoll);
	return status;
}

int main(void)
{
	struct loop loop = { .open = 0 };
	pthread_t worker;
	if (loop_init(&loop) < 0)
		return 1;
	struct connection *c = connection_new(&loop, 1);
	if (!c || pthread_create(&worker, NULL, worker_main, c) != 0)
		return 1;
	loop_run(&loop);
	pthread_join(worker, NULL);
	printf("%u open\n", loop.open);
	return loop_end(&loop) < 0 || wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) < 0;
}
