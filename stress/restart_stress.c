/*
 * stress/restart_stress.c - starts, shutdowns and deadlines against threads that come and go
 *
 * One worker, the host, starts the runtime and shuts it down over and over, with and without the
 * library's threads, with and without the time to finish. All others have short-lived threads make
 * objects, hand them on, let go of what others made, and end with their limbo full; some objects
 * are let go while a thread ends, before and after the library has parted from it.
 *
 * Oracles: constructors fail only because the runtime is down, and do so while the host knows that
 * it is; everything else works meanwhile; a barrier that came back well has seen every destructor
 * of what died before; what is due when the time is over runs after a later start: in the end all
 * is destroyed, once.
 */
#include "harness.h"

#include <stdlib.h>

enum { RACE_MAKE, RACE_SHUTDOWN, RACE_BARRIER, RACE_DOWN, RACE_REVIVE };
static const struct stress_race races[] = {
	[RACE_MAKE] = { .left = "made", .right = "refused" },
	[RACE_SHUTDOWN] = { .left = "shut down", .right = "out of time" },
	[RACE_BARRIER] = { .left = "barrier", .right = "no barrier" },
	[RACE_DOWN] = { .left = "nothing left", .right = "left for later" },
	[RACE_REVIVE] = { .left = "upgraded while down", .right = "dead while down" },
	{ .left = NULL },
};

enum { BROKEN_BARRIER, BROKEN_LEAK };
static const char *const broken[] = {
	[BROKEN_BARRIER] = "ignore_timeout",
	[BROKEN_LEAK] = "forget_release",
	NULL,
};

#define MILLISECOND UINT64_C(1000000)

/* Objects of four kinds: destroyed or not, apart from their control block or not. */
struct item {
	struct stress_canary canary;
};
struct large_item {
	struct item item;
	unsigned char filler[2000];
};

static wki_atomic_u64 destroyed;

static void item_destroy(void *payload)
{
	struct item *item = payload;

	stress_expect(stress_canary_is_whole(&item->canary), "destroyed twice, or overwritten");
	if (item->canary.number % 64 == 0)
		stress_expect(wk_barrier(0) == WK_EDEADLOCK && wk_runtime_shutdown(0, NULL) == WK_EDEADLOCK,
			"a destructor was allowed to wait for itself");
	stress_canary_break(&item->canary);
	stress_count(&destroyed);
}

WK_DEFINE_TYPE(small_type, struct item, .destroy = item_destroy);
WK_DEFINE_TYPE(large_type, struct large_item, .destroy = item_destroy);
WK_DEFINE_TYPE(bare_type, struct item, .flags = 0);
WK_DEFINE_TYPE(large_bare_type, struct large_item, .flags = 0);
static const wk_type *const item_types[] = { &small_type, &large_type, &bare_type, &large_bare_type };
#define TYPES (sizeof(item_types) / sizeof(item_types[0]))

/* Probes: each worker's die in order, and its barriers know how many must be destroyed. */
struct probe {
	struct stress_canary canary;
	unsigned owner;
};
static wki_atomic_u64 probes_destroyed[STRESS_THREADS_MAX];
static uint64_t probes_made[STRESS_THREADS_MAX];

static void probe_destroy(void *payload)
{
	struct probe *probe = payload;

	stress_expect(stress_canary_is_whole(&probe->canary), "a probe was destroyed twice");
	stress_canary_break(&probe->canary);
	(void)atomic_fetch_add_relaxed(&probes_destroyed[probe->owner], 1);
}

WK_DEFINE_TYPE(probe_type, struct probe, .destroy = probe_destroy);

#define PLACES 8
static struct stress_share places[PLACES]; /* strong references */

static void item_retain(void *held)
{
	(void)(wk_retain)(held);
}

static void item_release(void *held)
{
	wk_release(held);
}

/* Let go of by the thread's end: the first key is older than the library's own, the second younger. */
static pthread_key_t early_key, late_key;

static struct item *item_new(struct stress_worker *worker)
{
	struct item *item = wk_new(item_types[stress_below(worker, TYPES)]);

	stress_win(worker, RACE_MAKE, item != NULL ? STRESS_LEFT : STRESS_RIGHT);
	if (item == NULL)
		stress_expect(wk_last_status() == WK_ESHUTDOWN, "no object: %s", wk_strerror(wk_last_status()));
	else
		stress_canary_set(&item->canary, stress_roll(worker));
	return item;
}

static void hand_on(struct stress_worker *worker, struct item *item)
{
	if (stress_is_broken(BROKEN_LEAK) && stress_one_in(worker, 1000))
		(void)wk_retain(item);
	stress_share_offer(&places[stress_below(worker, PLACES)], item);
}

static void use_other(struct stress_worker *worker)
{
	struct item *item = stress_share_borrow(&places[stress_below(worker, PLACES)]);
	wk_weak *weak = wk_downgrade(item);
	struct item *peeked, *again;

	if (item == NULL)
		return;
	stress_expect(stress_canary_is_whole(&item->canary), "found a broken object");
	wk_read_lock();
	wk_release(item);
	peeked = wk_weak_peek(weak);
	stress_hesitate(worker);
	if (peeked != NULL)
		stress_expect(stress_canary_is_whole(&peeked->canary), "broken while it was peeked");
	wk_read_unlock();
	again = wk_upgrade(weak);
	wk_weak_release(weak);
	wk_release(again);
}

/* A thread's life. It plays with its worker's dice; the worker waits for its end. */
static void *visit(void *argument)
{
	struct stress_worker *worker = argument;
	unsigned turns = stress_below(worker, 300);
	struct item *item;

	(void)pthread_setspecific(early_key, item_new(worker));
	(void)pthread_setspecific(late_key, item_new(worker));
	while (turns-- > 0) {
		worker->operations++;
		item = item_new(worker);
		if (stress_one_in(worker, 2))
			wk_weak_release(wk_downgrade(item));
		if (item != NULL && stress_one_in(worker, 4))
			hand_on(worker, item);
		else
			wk_release(item);
		if (stress_one_in(worker, 4))
			use_other(worker);
	}
	return NULL;
}

static void probe(struct stress_worker *worker)
{
	static const uint64_t patience[] = { 0, 5 * MILLISECOND, WK_NO_TIMEOUT };
	struct probe *probe = wk_new(&probe_type);
	uint64_t seen;
	int status;

	if (probe != NULL) {
		stress_canary_set(&probe->canary, ++probes_made[worker->index]);
		probe->owner = worker->index;
		if (stress_one_in(worker, 2))
			wk_weak_release(wk_downgrade(probe));
		wk_release(probe);
	}
	status = wk_barrier(patience[stress_below(worker, 3)]);
	stress_expect(status == WK_OK || status == WK_ETIMEDOUT || status == WK_ESHUTDOWN, "barrier: %s",
		wk_strerror(status));
	stress_win(worker, RACE_BARRIER, status == WK_OK ? STRESS_LEFT : STRESS_RIGHT);
	seen = atomic_load_relaxed(&probes_destroyed[worker->index]);
	if (status == WK_OK || stress_is_broken(BROKEN_BARRIER))
		stress_expect(seen == probes_made[worker->index], "a barrier has seen %llu destructors of %llu",
			(unsigned long long)seen, (unsigned long long)probes_made[worker->index]);
}

static void play(struct stress_worker *worker)
{
	pthread_t visitor;

	if (stress_one_in(worker, 8))
		probe(worker);
	if (stress_one_in(worker, 8))
		(void)wk_runtime_poll(1 + stress_below(worker, 64));
	if (pthread_create(&visitor, NULL, visit, worker) == 0)
		pthread_join(visitor, NULL);
}

/* The host. */

static void on_error(void *context, int status, const char *type_name, const char *message)
{
	(void)context;
	stress_complain("%s: %s: %s", type_name != NULL ? type_name : "?", message, wk_strerror(status));
}

static void host_start(struct stress_worker *worker)
{
	const wk_runtime_options options = {
		.struct_size = sizeof(options),
		.thread = stress_one_in(worker, 4) ? WK_THREAD_NONE : WK_THREAD_OWN,
		.on_error = on_error,
	};
	int status = wk_runtime_start(&options);

	/* Before the first shutdown a constructor may have been first. */
	stress_expect(status == WK_OK || status == WK_EEXISTS, "start: %s", wk_strerror(status));
}

static void host_wait(struct stress_worker *worker)
{
	uint64_t turns = stress_below(worker, 50);

	while (turns-- > 0) {
		(void)wk_runtime_poll(0);
		use_other(worker);
		stress_hesitate(worker);
	}
	if (stress_one_in(worker, 2))
		probe(worker);
	for (turns = 0; turns < 2 * PLACES; turns++) /* something to be found while it is down */
		hand_on(worker, item_new(worker));
}

static void host_shutdown(struct stress_worker *worker)
{
	static const uint64_t patience[] = { 0, MILLISECOND, WK_NO_TIMEOUT };
	uint64_t timeout = patience[stress_below(worker, 3)];
	wk_shutdown_report report = { .struct_size = sizeof(report) };
	int status = wk_runtime_shutdown(timeout, &report);

	stress_expect(status == WK_OK || (status == WK_ETIMEDOUT && timeout != WK_NO_TIMEOUT), "shutdown: %s",
		wk_strerror(status));
	stress_win(worker, RACE_SHUTDOWN, status == WK_OK ? STRESS_LEFT : STRESS_RIGHT);
	stress_win(worker, RACE_DOWN, report.not_run == 0 ? STRESS_LEFT : STRESS_RIGHT);
}

/* What works without the runtime. */
static void use_down(struct stress_worker *worker)
{
	struct stress_share *place = &places[stress_below(worker, PLACES)];
	struct item *item = stress_share_borrow(place), *again;
	wk_weak *weak = wk_downgrade(item);

	if (item == NULL)
		return;
	if (stress_one_in(worker, 2))
		stress_share_offer(place, NULL);
	wk_release(item);
	again = wk_upgrade(weak);
	stress_win(worker, RACE_REVIVE, again != NULL ? STRESS_LEFT : STRESS_RIGHT);
	if (again != NULL)
		stress_expect(stress_canary_is_whole(&again->canary), "broken while it was down");
	wk_release(again);
	wk_weak_release(weak);
}

/* The runtime is down, and nobody but the host can start it. */
static void host_check_down(struct stress_worker *worker)
{
	unsigned turns = 32;

	stress_expect(wk_new(&small_type) == NULL && wk_last_status() == WK_ESHUTDOWN, "made while it was down");
	stress_expect(wk_barrier(0) == WK_ESHUTDOWN, "a barrier while it was down");
	while (turns-- > 0)
		use_down(worker);
}

static void host(struct stress_worker *worker)
{
	bool twice = stress_one_in(worker, 4);

	host_start(worker);
	if (twice)
		stress_expect(wk_runtime_start(NULL) == WK_OK, "no second start");
	host_wait(worker);
	if (twice)
		stress_expect(wk_runtime_shutdown(0, NULL) == WK_EBUSY, "the first shutdown of two was the last");
	host_shutdown(worker);
	host_check_down(worker);
	worker->operations++;
}

static void step(struct stress_worker *worker)
{
	if (worker->index == 0)
		host(worker);
	else
		play(worker);
}

static void end_item(void *item)
{
	wk_release(item);
}

static void begin(void)
{
	unsigned index;

	for (index = 0; index < PLACES; index++)
		places[index] = (struct stress_share){ .retain = item_retain, .release = item_release };
	(void)pthread_key_create(&early_key, end_item);
	(void)wk_thread_prepare();
	(void)pthread_key_create(&late_key, end_item);
}

static void settle(void)
{
	wk_census census = { .struct_size = sizeof(census) };
	uint64_t made = 0;
	unsigned index;

	stress_expect(wk_runtime_start(NULL) == WK_OK, "no last start");
	for (index = 0; index < PLACES; index++)
		stress_share_offer(&places[index], NULL);
	stress_settle_runtime();
	stress_settle_census();
	for (index = 0; index < TYPES; index++) {
		wk_type_census(item_types[index], &census);
		made += item_types[index]->destroy != NULL ? census.created : 0;
	}
	stress_expect(made == atomic_load_relaxed(&destroyed), "%llu made, destroy ran %llu times",
		(unsigned long long)made, (unsigned long long)atomic_load_relaxed(&destroyed));
}

static const struct stress restart_stress = {
	.name = "restart",
	.races = races,
	.broken = broken,
	.begin = begin,
	.step = step,
	.settle = settle,
};

int main(int argc, char **argv)
{
	return stress_main(argc, argv, &restart_stress);
}
