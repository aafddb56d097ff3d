/* Registry of connections: found by number from any thread, listed while others come and go, owned by nobody here.
 * The loop that serves a connection has the reference; when it drops it, the connection is gone from the registry.
 * Here: wk_value_dict_insert and _get, wk_queue_post with a weak handle, a cursor that is parked between two turns. */
#include <inttypes.h>
#include <stdio.h>
#include <weakref.h>

struct connection {
	uint64_t number;
	wk_queue *loop; /* where everything that touches it runs */
	bool closing;
};

static void connection_destroy(void *payload)
{
	struct connection *c = payload;

	wk_release(c->loop);
}
WK_DEFINE_TYPE(connection_type, struct connection, .destroy = connection_destroy);

static wk_value_dict *registry;

/* On the loop. The result is the loop's reference. */
static struct connection *connection_new(wk_queue *loop, uint64_t number)
{
	struct connection *c = WK_NEW(struct connection, &connection_type);

	if (!c)
		return NULL;
	c->number = number;
	c->loop = wk_retain(loop);
	if (wk_value_dict_insert(registry, wk_key_u64(number), c) < 0)
		wk_clear(&c); /* refused: the number is taken, or no memory */
	return c;
}

static void close_on_loop(void *weak)
{
	WK_AUTO struct connection *c = wk_upgrade(weak); /* it may have gone while the post waited */

	if (c)
		c->closing = true;
}

static void drop_weak(void *weak)
{
	wk_weak_release(weak);
}

/* Any thread: has the loop close a connection, and does not keep it alive until then. */
static int kill_connection(uint64_t number)
{
	WK_AUTO struct connection *c = wk_value_dict_get(registry, wk_key_u64(number));

	if (!c)
		return WK_ENOTFOUND;
	wk_weak *weak = wk_downgrade(c);
	int status = wk_queue_post(c->loop, close_on_loop, weak, drop_weak);
	if (status < 0)
		wk_weak_release(weak); /* refused: the argument is still ours */
	return status;
}

/* At most `budget` at a time, so that a long list does not hold a loop up; false at the end. */
static bool list_some(wk_cursor *cursor, unsigned budget)
{
	const struct connection *c = NULL;

	while (budget-- > 0 && (c = wk_cursor_next(cursor)))
		printf("connection %" PRIu64 "\n", c->number);
	wk_cursor_park(cursor); /* keeps its place and no connection */
	return c != NULL;
}

static void list(void)
{
	wk_cursor cursor = wk_cursor_open(registry);

	while (list_some(&cursor, 16))
		; /* other work goes here */
	wk_cursor_close(&cursor);
}

int main(void)
{
	const wk_value_dict_options by_number = {
		.struct_size = sizeof by_number,
		.name = "connections",
		.value_type = &connection_type,
	};
	registry = wk_value_dict_new(&by_number, NULL);
	wk_queue *loop = wk_queue_new(NULL, NULL);
	if (!registry || !loop)
		return 1;
	struct connection *c = connection_new(loop, 7);
	if (!c)
		return 1;
	list();
	printf("kill 8: %s\n", wk_strerror(kill_connection(8)));
	printf("kill 7: %s\n", wk_strerror(kill_connection(7)));
	wk_queue_drain(loop, 0); /* a turn of the loop */
	printf("closing: %d\n", c->closing);
	wk_release(c); /* the loop drops it */
	printf("%zu connections\n", wk_value_dict_len(registry));
	printf("kill 7: %s\n", wk_strerror(kill_connection(7)));

	wk_release(registry);
	wk_release(loop);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
