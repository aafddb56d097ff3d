/*
 * stress/fork_stress.c - fork against everything
 *
 * Workers store, look up, remove and iterate in containers of every kind, let objects with
 * callbacks and finalizers die, post and drain. One worker forks, over and over. Its child looks at
 * all that there is, then uses it: it stores, replaces and removes every key, ends the containers, lets
 * everything go that it can get hold of, and shuts down.
 *
 * Oracles, in the child: what a lookup returns is whole; a key that nobody else touches leads to
 * where it led; lengths are what can be counted, but for one for each worker; nothing that died in the
 * parent is destroyed or called, what dies here is, once; queues are empty and become so again; a descriptor is readable
 * only for what was posted here; the shutdown leaves nothing that is due. In the parent: every child
 * has ended well, and in the end everything is destroyed and called once.
 *
 * Under sanitizers the runtime allocates under a guard that the forking thread closes, for their
 * allocators do not survive a fork; and under ThreadSanitizer the child makes nothing, for it
 * could not start threads.
 */
#include "harness.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/forks.h"
#include "sync/rcu.h"

enum { RACE_DYING, RACE_PENDING };
static wki_atomic_u64 forks_abandoning, forks_clean, forks_calling, forks_quiet;
static const struct stress_race races[] = {
	[RACE_DYING] = { "left the dead to the parent", "nothing was dead", { &forks_abandoning, &forks_clean } },
	[RACE_PENDING] = { "left calls to the parent", "nothing was pending", { &forks_calling, &forks_quiet } },
	{ .left = NULL },
};

enum { BROKEN_LEAK, BROKEN_HOOKS };
static const char *const broken[] = {
	[BROKEN_LEAK] = "forget_release",
	[BROKEN_HOOKS] = "no_hooks",
	NULL,
};

#define KEYS 512u   /* that all workers store under */
#define OWN_KEYS 16u /* above those: stored before the first fork, and left alone */
#define PATIENCE UINT64_C(60000000000)

/* Objects. */

struct item {
	struct stress_canary canary;
};

static wki_atomic_u64 made, destroyed, armed, called, disarmed;

#define NUMBER_BITS 40u

static void item_destroy(void *payload)
{
	struct item *item = payload;

	stress_expect(stress_canary_is_whole(&item->canary), "destroyed twice, or overwritten");
	stress_canary_break(&item->canary);
	stress_count(&destroyed);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);
WK_DEFINE_TYPE(bare_type, struct item, .flags = 0);

static struct {
	wk_value_dict *weak, *strong, *texts;
	wk_key_dict *by_key, *by_key_weak;
	wk_weak_set *set;
	wk_queue *queue;
	struct item *own[OWN_KEYS]; /* values of the last keys of `weak` and members of `set`; the parent's and the child's */
} world;

static struct item *item_new(uint64_t number)
{
	bool bare = number % 4 == 0;
	struct item *item = wk_new(bare ? &bare_type : &item_type);

	if (item == NULL)
		return NULL;
	stress_canary_set(&item->canary, number);
	if (!bare)
		stress_count(&made);
	return item;
}

static void item_check(const struct item *item)
{
	stress_expect(stress_canary_is_whole(&item->canary), "a lookup found something that is no item");
}

/* Calls: each is armed once, and either called or not, and its argument released. */

static int note_call(wk_weakref *ref, void *argument)
{
	(void)ref;
	stress_expect(argument == &world, "called with somebody else's argument");
	stress_count(&called);
	return 0;
}

static int note_finalizer(void *argument)
{
	return note_call(NULL, argument);
}

static void note_post(void *argument)
{
	(void)note_call(NULL, argument);
}

static void note_release(void *argument)
{
	(void)argument;
	stress_count(&disarmed);
}

static void item_arm(struct stress_worker *worker, struct item *item)
{
	wk_queue *queue = stress_one_in(worker, 2) ? world.queue : NULL;
	const wk_callback callback = { .run = note_call, .argument = &world, .release = note_release, .queue = queue };
	const wk_finalizer_options options = {
		.run = note_finalizer, .argument = &world, .release = note_release, .queue = queue
	};
	wk_weakref *ref = wk_weakref_new(item, &callback, NULL);
	wk_finalizer *finalizer = wk_finalizer_new(item, &options, NULL);

	if (ref != NULL)
		stress_count(&armed);
	if (finalizer != NULL)
		stress_count(&armed);
	wk_finalizer_release(finalizer);
	if (ref != NULL && stress_one_in(worker, 4))
		(void)!wk_weakref_cancel(ref);
	if (stress_one_in(worker, 2)) {
		wk_release(item); /* dies first, if this was all */
		wk_weakref_release(ref);
	} else {
		wk_weakref_release(ref);
		wk_release(item);
	}
}

/* The load. */

static wk_key key_text(char text[16], uint64_t number)
{
	return wk_key_bytes(text, (size_t)snprintf(text, 16, "key %u", (unsigned)number));
}

static void store_step(struct stress_worker *worker, struct item *item, uint64_t key)
{
	char text[16];

	(void)!wk_value_dict_set(world.weak, wk_key_u64(key), item);
	if (stress_one_in(worker, 2))
		(void)!wk_value_dict_set(world.strong, wk_key_u64(key), item);
	if (stress_one_in(worker, 2))
		(void)!wk_value_dict_insert(world.texts, key_text(text, key), item);
	(void)!wk_weak_set_add(world.set, item);
}

/* A key and its value are two objects that come and go. */
static void key_step(struct stress_worker *worker, struct item *item, uint64_t key)
{
	struct item *other = wk_value_dict_get(world.weak, wk_key_u64(key ^ 1));

	if (other == NULL)
		return;
	item_check(other);
	(void)!wk_key_dict_set(world.by_key, other, item);
	(void)!wk_key_dict_set(world.by_key_weak, other, item);
	if (stress_one_in(worker, 3))
		(void)wk_key_dict_remove(world.by_key, other);
	if (stress_one_in(worker, 3))
		(void)wk_key_dict_remove(world.by_key_weak, other);
	wk_release(other);
}

static void remove_step(struct stress_worker *worker, uint64_t key)
{
	struct item *item;

	(void)wk_value_dict_remove(world.strong, wk_key_u64(key));
	if (!stress_one_in(worker, 2))
		return;
	item = wk_value_dict_pop(world.weak, wk_key_u64(key));
	if (item != NULL)
		item_check(item);
	wk_release(item);
}

static void *make_item(wk_key key, void *worker, int *status)
{
	(void)key;
	(void)status;
	sched_yield();
	return item_new(stress_roll(worker) & ((UINT64_C(1) << NUMBER_BITS) - 1));
}

static void create_step(struct stress_worker *worker, uint64_t key)
{
	struct item *item = wk_value_dict_get_or_create(world.weak, wk_key_u64(key), WK_CREATE_ONCE, make_item, worker, NULL);

	if (item != NULL)
		item_check(item);
	wk_release(item);
}

static void look_step(uint64_t key)
{
	struct item *item = wk_value_dict_get(world.weak, wk_key_u64(key));
	unsigned seen = 0;

	if (item != NULL)
		item_check(item);
	wk_release(item);
	WK_EACH(struct item, member, world.set) {
		item_check(member);
		if (++seen == 16)
			break;
	}
}

static void load_step(struct stress_worker *worker)
{
	uint64_t key = stress_below(worker, KEYS);
	struct item *item = item_new(stress_roll(worker) & ((UINT64_C(1) << NUMBER_BITS) - 1));

	if (item == NULL)
		return;
	store_step(worker, item, key);
	key_step(worker, item, key);
	if (stress_one_in(worker, 8))
		create_step(worker, stress_below(worker, KEYS));
	if (stress_one_in(worker, 2))
		remove_step(worker, stress_below(worker, KEYS));
	if (stress_one_in(worker, 64))
		wk_value_dict_clear(world.texts);
	look_step(stress_below(worker, KEYS));
	if (stress_one_in(worker, 4) && wk_queue_post(world.queue, note_post, &world, note_release) == WK_OK)
		stress_count(&armed);
	if (stress_one_in(worker, 4))
		(void)wk_queue_drain(world.queue, stress_below(worker, 8));
	if (stress_is_broken(BROKEN_LEAK) && stress_one_in(worker, 4096))
		(void)wk_retain(item);
	item_arm(worker, item);
}

/* The child. */

static uint64_t count_now(wki_atomic_u64 *count)
{
	return atomic_load_relaxed(count);
}

static bool count_one(void *object, void *count)
{
	item_check(object);
	++*(size_t *)count;
	return true;
}

/* May be off by one for each of the other workers, and is 0 at least. */
static void check_len(size_t len, size_t counted, const char *what)
{
	size_t off = len > counted ? len - counted : counted - len;

	stress_expect(off <= stress_run.threads, "the length of %s is %zu, but there are %zu", what, len, counted);
}

static size_t count_dict(const wk_value_dict *dict)
{
	size_t count = 0;

	WK_EACH(struct item, item, dict) {
		item_check(item);
		count++;
	}
	return count;
}

static void child_looks(void)
{
	struct item *item;
	size_t count = 0;
	unsigned i;

	for (i = 0; i < OWN_KEYS; i++) {
		item = wk_value_dict_get(world.weak, wk_key_u64(KEYS + i));
		stress_expect(item == world.own[i], "a key that nobody touches leads elsewhere");
		stress_expect(wk_weak_set_contains(world.set, item), "a member that nobody touches is gone");
		stress_expect(wk_key_dict_contains(world.by_key, item), "a key that nobody touches is gone");
		wk_release(item);
	}
	(void)wk_weak_set_each_peek(world.set, count_one, &count);
	check_len(wk_weak_set_len(world.set), count, "the set");
	check_len(wk_value_dict_len(world.weak), count_dict(world.weak), "the weak dictionary");
	check_len(wk_value_dict_len(world.strong), count_dict(world.strong), "the strong dictionary");
	check_len(wk_value_dict_len(world.texts), count_dict(world.texts), "the dictionary of texts");
}

static bool is_readable(int descriptor)
{
	struct pollfd asked = { .fd = descriptor, .events = POLLIN };

	return poll(&asked, 1, 0) == 1 && (asked.revents & POLLIN) != 0;
}

static void child_uses_queue(void)
{
	int descriptor = wk_queue_descriptor(world.queue);

	stress_expect(wk_queue_pending(world.queue) == 0, "something is pending in a child's queue");
	stress_expect(!is_readable(descriptor), "a child's descriptor is readable");
	stress_expect(wk_queue_post(world.queue, note_post, &world, note_release) == WK_OK, "no post in a child");
	stress_expect(is_readable(descriptor), "a post does not tell in a child");
	stress_expect(wk_queue_drain(world.queue, 0) == 1, "a post is not there to be drained");
}

/* Every key in every container: stored, found, replaced, removed. */
static void child_uses_dict(wk_value_dict *dict, bool is_text)
{
	struct item *item, *got;
	char text[16];
	wk_key key;
	unsigned i;

	for (i = 0; i < KEYS; i++) {
		key = is_text ? key_text(text, i) : wk_key_u64(i);
		item = item_new(i);
		stress_expect(wk_value_dict_set(dict, key, item) >= 0, "a child cannot store");
		got = wk_value_dict_get(dict, key);
		stress_expect(got == item, "a child does not find what it has stored");
		wk_release(got);
		if (i % 2 == 0)
			stress_expect(wk_value_dict_remove(dict, key) == WK_OK, "a child cannot remove");
		wk_release(item);
	}
}

static void child_uses_keys(wk_key_dict *dict)
{
	struct item *key = item_new(1), *value = item_new(2), *got;

	stress_expect(wk_key_dict_set(dict, key, value) == WK_CREATED, "a child cannot store for a key");
	got = wk_key_dict_get(dict, key);
	stress_expect(got == value, "a child does not find what it has stored for a key");
	wk_release(got);
	wk_release(value);
	wk_release(key);
}

static void child_lets_go(void)
{
	unsigned i;

	wk_value_dict_clear(world.strong);
	while (wk_weak_set_len(world.set) > 0) {
		struct item *item = wk_weak_set_pop(world.set);

		if (item == NULL)
			break; /* the length may be off */
		item_check(item);
		wk_release(item);
	}
	for (i = 0; i < OWN_KEYS; i++)
		wk_release(world.own[i]);
	wk_release(world.weak);
	wk_release(world.strong);
	wk_release(world.texts);
	wk_release(world.by_key); /* and with it what it holds for the own keys: a circle of values */
	wk_release(world.by_key_weak);
	wk_release(world.set);
	(void)wk_queue_close(world.queue, WK_QUEUE_RUN);
	wk_release(world.queue);
}

static void child_main(void)
{
	wk_shutdown_report report = { .struct_size = sizeof(report) };
	uint64_t dead = count_now(&destroyed);

	child_uses_queue(); /* first: what a lost thread was about to let die may die when it is looked at */
	child_looks();
	stress_expect(count_now(&destroyed) == dead, "a child destroys what its parent's threads have let go");
	if (!WKI_TSAN) {
		child_uses_dict(world.weak, false);
		child_uses_dict(world.strong, false);
		child_uses_dict(world.texts, true);
		child_uses_keys(world.by_key);
		child_uses_keys(world.by_key_weak);
	}
	child_lets_go();
	if (WKI_TSAN)
		return;
	stress_expect(wk_runtime_shutdown(PATIENCE, &report) == WK_OK, "a child's shutdown runs out of time");
	stress_expect(report.not_run == 0, "%llu are left after a child's shutdown", (unsigned long long)report.not_run);
	stress_expect(count_now(&destroyed) >= dead + KEYS, "a child does not destroy what it has made");
}

/* What the child tells by its status. */
#define CHILD_COMPLAINED 1
#define CHILD_WELL 16
#define CHILD_ABANDONED 32
#define CHILD_CALLS 64

static void child_run(void)
{
	wk_stats stats = { .struct_size = sizeof(stats) };

	signal(SIGALRM, SIG_DFL); /* the harness's own is for a run that is stuck */
	alarm(stress_is_broken(BROKEN_HOOKS) ? 2 : 100);
	wk_runtime_stats(&stats);
	child_main();
	if (stress_has_complained())
		_exit(CHILD_COMPLAINED);
	_exit(CHILD_WELL | (stats.abandoned > 0 ? CHILD_ABANDONED : 0) | (stats.calls_abandoned > 0 ? CHILD_CALLS : 0));
}

static pid_t fork_guarded(void)
{
	pid_t child;

	forks_guard();
	child = fork();
	forks_unguard(child == 0);
	return child;
}

static pid_t fork_with_hooks(void)
{
	pid_t child;

	wk_fork_before();
	child = fork_guarded();
	if (child == 0)
		wk_fork_child();
	else
		wk_fork_parent();
	return child;
}

static void fork_step(void)
{
	pid_t child = stress_is_broken(BROKEN_HOOKS) ? fork_guarded() : fork_with_hooks();
	int status = 0;

	if (child == 0)
		child_run();
	if (!stress_expect(child > 0 && waitpid(child, &status, 0) == child, "no child"))
		return;
	stress_expect(WIFEXITED(status) && (WEXITSTATUS(status) & CHILD_WELL) != 0, "a child ended with %#x", (unsigned)status);
	stress_count(WEXITSTATUS(status) & CHILD_ABANDONED ? &forks_abandoning : &forks_clean);
	stress_count(WEXITSTATUS(status) & CHILD_CALLS ? &forks_calling : &forks_quiet);
}

/* The parent. */

static void begin(void)
{
	const wk_runtime_options runtime = {
		.struct_size = sizeof(runtime), .fork = WK_FORK_MANUAL, .allocator = forks_allocator()
	};
	const wk_value_dict_options weak = { .struct_size = sizeof(weak) };
	const wk_value_dict_options strong = { .struct_size = sizeof(strong), .values = WK_VALUES_STRONG };
	const wk_value_dict_options texts = { .struct_size = sizeof(texts), .keys = WK_KEYS_BYTES };
	const wk_key_dict_options keys = { .struct_size = sizeof(keys), .values = WK_HOLD_STRONG };
	const wk_key_dict_options weak_keys = { .struct_size = sizeof(weak_keys), .values = WK_HOLD_WEAK };
	unsigned i;

	stress_expect(wk_runtime_start(&runtime) == WK_OK, "no start");
	world.weak = wk_value_dict_new(&weak, NULL);
	world.strong = wk_value_dict_new(&strong, NULL);
	world.texts = wk_value_dict_new(&texts, NULL);
	world.by_key = wk_key_dict_new(&keys, NULL);
	world.by_key_weak = wk_key_dict_new(&weak_keys, NULL);
	world.set = wk_weak_set_new(NULL, NULL);
	world.queue = wk_queue_new(NULL, NULL);
	for (i = 0; i < OWN_KEYS; i++) {
		world.own[i] = item_new(i);
		stress_expect(wk_value_dict_set(world.weak, wk_key_u64(KEYS + i), world.own[i]) == WK_CREATED &&
				      wk_weak_set_add(world.set, world.own[i]) == WK_CREATED &&
				      wk_key_dict_set(world.by_key, world.own[i], world.own[i]) == WK_CREATED,
			"no memory");
	}
	if (!stress_is_broken(BROKEN_HOOKS))
		fork_step(); /* at rest: nothing is left to the parent */
}

static void step(struct stress_worker *worker)
{
	worker->operations++;
	if (worker->index == 0)
		fork_step();
	else
		load_step(worker);
}

static void settle(void)
{
	unsigned i;

	for (i = 0; i < OWN_KEYS; i++)
		(void)wk_key_dict_remove(world.by_key, world.own[i]);
	for (i = 0; i < OWN_KEYS; i++)
		wk_release(world.own[i]);
	wk_release(world.weak);
	wk_release(world.strong);
	wk_release(world.texts);
	wk_release(world.by_key);
	wk_release(world.by_key_weak);
	wk_release(world.set);
	stress_expect(wk_queue_close(world.queue, WK_QUEUE_RUN) == WK_OK, "the queue does not close");
	wk_release(world.queue);
	stress_settle_runtime();
	stress_settle_census();
	stress_expect(count_now(&made) == count_now(&destroyed), "%llu were made, %llu destroyed",
		(unsigned long long)count_now(&made), (unsigned long long)count_now(&destroyed));
	stress_expect(count_now(&armed) == count_now(&disarmed) && count_now(&called) <= count_now(&armed),
		"%llu calls were armed, %llu made, %llu arguments released", (unsigned long long)count_now(&armed),
		(unsigned long long)count_now(&called), (unsigned long long)count_now(&disarmed));
}

int main(int argc, char **argv)
{
	static const struct stress stress = {
		.name = "fork", .races = races, .broken = broken, .begin = begin, .step = step, .settle = settle
	};

	return stress_main(argc, argv, &stress);
}
