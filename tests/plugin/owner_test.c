/*
 * wk_owner_drain for a plug-in that is really unloaded (promise 23): its memory is gone after dlclose, so that whatever
 * comes too late crashes
 *
 * Threads of the program make objects of the plug-in's types, hold them, put them in containers of the program and of
 * the plug-in, have it register callbacks and finalizers with objects of the program and post to the program's queue,
 * release, look up, walk, and read statistics. Again and again the plug-in is drained and unloaded in the middle of
 * that; they go on without it, with what they still hold of it, until it is there again.
 */
#include "api/runtime_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "plugin.h"
#include "support/threads.h"

#define WORKERS 4u
#define ROUNDS (THREADS_SANITIZED ? 15u : 60u)
#define STEPS 400ul /* of all workers together, with the plug-in and without it */
#define HAND 16u
#define NUMBERS 64u

struct host_thing {
	unsigned number;
};
WK_DEFINE_TYPE(host_type, struct host_thing, .flags = 0);

static struct {
	pthread_rwlock_t lock; /* read: code of the plug-in may be called from here */
	const struct plugin *_Atomic plugin; /* NULL: it is not there */
	struct plugin_counts counts;
	wk_queue *queue;
	wk_value_dict *values; /* the program's, with objects of the plug-in's in it */
	wk_weak_set *set;
	_Atomic unsigned long steps;
	_Atomic unsigned long late;    /* times that something of it was given up after it could not be called any more */
	_Atomic unsigned long without; /* steps while it was not there */
	_Atomic bool over;
} host;

struct hand {
	uint64_t dice;
	void *theirs[HAND];        /* objects of the plug-in's */
	wk_weak *weak[HAND];       /* handles to some */
	wk_weakref *refs[HAND];    /* with callbacks of the plug-in's, to objects of the program */
	struct host_thing *ours[HAND];
};

static unsigned roll(struct hand *hand, unsigned limit)
{
	hand->dice = hand->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(hand->dice >> 33) % limit;
}

/* With the plug-in, which stays meanwhile. */
static void use(struct hand *hand, const struct plugin *plugin)
{
	struct host_thing *ours = hand->ours[roll(hand, HAND)];
	wk_queue *queue = roll(hand, 2) == 0 ? host.queue : NULL;
	void *object = plugin->make((enum plugin_make)roll(hand, PLUGIN_MAKES)), *found;
	unsigned place = roll(hand, HAND);

	if (object != NULL && wk_value_dict_set(host.values, wk_key_u64(roll(hand, NUMBERS)), object) >= 0 &&
	    wk_weak_set_add(host.set, object) >= 0)
		plugin->store(roll(hand, NUMBERS), object);
	if (object != NULL && roll(hand, 2) == 0)
		wk_weakref_release(plugin->watch(object, queue)); /* given up at once */
	found = plugin->look(roll(hand, NUMBERS));
	wk_release(found);
	wk_weakref_release(hand->refs[place]);
	hand->refs[place] = plugin->watch(ours, queue);
	if (roll(hand, 4) == 0)
		wk_finalizer_release(plugin->finalize(roll(hand, 2) == 0 || object == NULL ? ours : object, queue, roll(hand, 4) == 0));
	if (roll(hand, 4) == 0)
		(void)plugin->post(host.queue);
	wk_release(hand->theirs[place]);
	hand->theirs[place] = object;
	wk_weak_release(hand->weak[place]);
	hand->weak[place] = wk_downgrade(object);
}

static void visit(const wk_type *type, const wk_census *census, void *context)
{
	*(size_t *)context += strlen(type->name) + (size_t)(census->created - census->destroyed);
}

static void go_through(void)
{
	size_t sum = 0;

	WK_EACH(void, each, host.set)
		sum += wk_size_of(each);
	WK_EACH(void, each, host.values)
		sum += wk_type_of(each)->alignment;
	wk_runtime_each_type(visit, &sum);
}

/* What needs no plug-in, though it may be the last that is done with something of it. */
static void give_up(struct hand *hand)
{
	unsigned place = roll(hand, HAND);
	void *object;

	if (host.plugin == NULL && (hand->theirs[place] != NULL || hand->weak[place] != NULL))
		race_add(&host.late, true);
	object = wk_upgrade(hand->weak[roll(hand, HAND)]);
	wk_release(hand->theirs[place]);
	hand->theirs[place] = NULL;
	wk_release(object);
	wk_weak_release(hand->weak[place]);
	hand->weak[place] = NULL;
	place = roll(hand, HAND);
	wk_release(hand->ours[place]); /* the plug-in's callbacks of it are due */
	hand->ours[place] = wk_new(&host_type);
	object = wk_value_dict_get(host.values, wk_key_u64(roll(hand, NUMBERS)));
	wk_release(object);
	(void)wk_queue_drain(host.queue, 8);
	if (roll(hand, 16) == 0)
		go_through();
}

static void step(struct hand *hand)
{
	pthread_rwlock_rdlock(&host.lock);
	if (host.plugin != NULL)
		use(hand, host.plugin);
	else
		race_add(&host.without, true);
	give_up(hand);
	pthread_rwlock_unlock(&host.lock);
	give_up(hand); /* while it is being drained, or unloaded */
	atomic_fetch_add(&host.steps, 1);
}

static void hand_empty(struct hand *hand)
{
	for (unsigned i = 0; i < HAND; i++) {
		wk_release(hand->theirs[i]);
		wk_weak_release(hand->weak[i]);
		wk_weakref_release(hand->refs[i]);
		wk_release(hand->ours[i]);
	}
}

static void work(unsigned index)
{
	struct hand hand = { .dice = index + 1 };

	for (unsigned i = 0; i < HAND; i++)
		hand.ours[i] = wk_new(&host_type);
	while (!atomic_load(&host.over))
		step(&hand);
	hand_empty(&hand);
}

/* The main thread's part: recorded here, asserted when all have ended. */
static struct {
	unsigned rounds, in_time, timed_out, unmapped;
	unsigned long wrong, lost;
} seen;

static void await_steps(void)
{
	unsigned long end = atomic_load(&host.steps) + STEPS;

	while (atomic_load(&host.steps) < end)
		sched_yield();
}

static const struct plugin *load(void **library, wk_owner **owner)
{
	const struct plugin *plugin;

	*library = dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
	*owner = wk_owner_new("the plug-in", NULL);
	if (*library == NULL || *owner == NULL)
		return NULL;
	plugin = dlsym(*library, PLUGIN_SYMBOL);
	memset(&host.counts, 0, sizeof(host.counts));
	plugin->start(*owner, &host.counts);
	return plugin;
}

static void publish(const struct plugin *plugin)
{
	pthread_rwlock_wrlock(&host.lock);
	host.plugin = plugin;
	pthread_rwlock_unlock(&host.lock);
}

/* Half the time its functions are still called while the drain begins: they are refused. */
static void end(const struct plugin *plugin, wk_owner *owner, bool early)
{
	wk_drain_report report = { .struct_size = sizeof(report) };
	int status = WK_ETIMEDOUT;

	if (early)
		status = wk_owner_drain(owner, 0, NULL);
	seen.timed_out += status == WK_ETIMEDOUT && early;
	if (early)
		await_steps();
	publish(NULL);
	plugin->stop();
	seen.in_time += wk_owner_drain(owner, UINT64_C(60000000000), &report) == WK_OK;
}

static bool is_mapped(const void *address)
{
	long page = sysconf(_SC_PAGESIZE);
	unsigned char resident;

	return mincore((void *)((uintptr_t)address / (uintptr_t)page * (uintptr_t)page), 1, &resident) == 0 || errno != ENOMEM;
}

static void check_counts(void)
{
	const struct plugin_counts *counts = &host.counts;

	seen.wrong += counts->wrong;
	seen.lost += counts->made != counts->destroyed || counts->registered != counts->released ||
		     counts->keys_copied != counts->keys_released;
}

static void rounds(struct plugin_counts *sums)
{
	const struct plugin *plugin;
	wk_owner *owner;
	void *library;

	for (unsigned round = 0; round < ROUNDS; round++) {
		plugin = load(&library, &owner);
		if (plugin == NULL)
			break;
		publish(plugin);
		await_steps();
		end(plugin, owner, round % 2 == 0);
		check_counts();
		sums->called += host.counts.called;
		sums->finalized += host.counts.finalized;
		sums->posted += host.counts.posted;
		sums->refused += host.counts.refused;
		wk_release(owner);
		dlclose(library);
		seen.unmapped += !is_mapped(plugin);
		seen.rounds++;
		await_steps();
	}
	atomic_store(&host.over, true);
}

static struct plugin_counts sums;

static void body(void *unused, unsigned thread)
{
	(void)unused;
	if (thread == 0)
		rounds(&sums);
	else
		work(thread);
}

static void test_promise_23_unloaded_in_the_middle_of_load(void **state)
{
	(void)state;
	pthread_rwlock_init(&host.lock, NULL);
	host.queue = wk_queue_new(NULL, NULL);
	host.values = wk_value_dict_new(NULL, NULL);
	host.set = wk_weak_set_new(NULL, NULL);
	threads_run(WORKERS + 1, body, NULL);
	assert_int_equal(seen.rounds, ROUNDS);
	assert_int_equal(seen.in_time, ROUNDS);
	assert_int_equal(seen.unmapped, ROUNDS);
	assert_int_equal(seen.wrong, 0);
	assert_int_equal(seen.lost, 0);
	assert_true(sums.called > 0 && sums.finalized > 0 && sums.posted > 0 && sums.refused > 0);
	assert_true(seen.timed_out > 0 && host.late > 0 && host.without > 0);
	assert_int_equal(wk_queue_close(host.queue, WK_QUEUE_RUN), WK_OK);
	wk_release(host.queue);
	wk_release(host.values);
	wk_release(host.set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_23_unloaded_in_the_middle_of_load),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("owners, with a plug-in", tests, runtime_setup, NULL);
}
