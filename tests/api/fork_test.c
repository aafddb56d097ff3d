/*
 * Promise 21: after fork the child can use everything: modes, starts, callbacks that fork, misuse
 *
 * What was pending at the fork is in fork_pending_test.c, the middle of a load in fork_load_test.c.
 */
#include "fork_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* What holds and what leads to an object of a child's own. */
static void use_cells_and_tickets(struct item *item)
{
	wk_weak_cell weak = WK_WEAK_CELL_INIT;
	wk_cell cell = WK_CELL_INIT;
	wk_ticket ticket = wk_ticket_of(item, NULL);
	struct item *got = wk_ticket_get(ticket, &item_type);

	child_check(ticket != 0 && got == item);
	child_check(wk_weak_cell_store(&weak, item) == WK_OK);
	wk_cell_give(&cell, got);
	got = wk_weak_cell_load(&weak);
	child_check(got == item && wk_cell_compare_exchange(&cell, item, NULL));
	wk_release(got);
	wk_weak_cell_clear(&weak);
}

/* Objects of a child's own are destroyed there, by its own reclaimer, and its books are balanced. */
static void use_everything(wk_value_dict *dict, wk_weak_set *set)
{
	struct item *item = wk_new(&item_type), *got;
	int before = atomic_load(&destroyed);

	child_check(item != NULL);
	child_check(wk_value_dict_set(dict, wk_key_u64(1000), item) >= 0);
	child_check(wk_weak_set_add(set, item) == WK_CREATED && wk_weak_set_contains(set, item));
	use_cells_and_tickets(item);
	got = wk_value_dict_get(dict, wk_key_u64(1000));
	child_check(got == item);
	wk_release(got);
	wk_release(item);
	child_check(wk_value_dict_get(dict, wk_key_u64(1000)) == NULL);
	child_check(wk_barrier(PATIENCE) == WK_OK);
	child_check(atomic_load(&destroyed) == before + 1);
}

/* The modes. */

struct world {
	wk_value_dict *dict;
	wk_weak_set *set;
	struct item *item;
	wk_ticket ticket; /* the item's */
	wk_cell cell;     /* holds it */
	int (*fork)(void);
	unsigned depth;
};

static struct world world_make(wk_fork_mode mode)
{
	const wk_value_dict_options options = { .struct_size = sizeof(options) };
	struct world world = { 0 };

	start(mode, WK_THREAD_OWN);
	world.dict = wk_value_dict_new(&options, NULL);
	world.set = wk_weak_set_new(NULL, NULL);
	world.item = wk_new(&item_type);
	child_check(wk_value_dict_set(world.dict, wk_key_u64(1), world.item) == WK_CREATED);
	child_check(wk_weak_set_add(world.set, world.item) == WK_CREATED);
	world.ticket = wk_ticket_of(world.item, NULL);
	wk_cell_store(&world.cell, world.item);
	child_check(wk_barrier(PATIENCE) == WK_OK);
	return world;
}

static void world_end(struct world *world)
{
	wk_cell_clear(&world->cell);
	wk_release(world->item);
	child_check(wk_ticket_get(world->ticket, &item_type) == NULL);
	wk_release(world->dict);
	wk_release(world->set);
	shut_down(WK_OK, 0);
}

static void world_child(void *context)
{
	struct world *world = context;
	struct item *item = wk_value_dict_get(world->dict, wk_key_u64(1));
	int child;

	child_check(item == world->item);
	child_check(wk_value_dict_len(world->dict) == 1 && wk_weak_set_len(world->set) == 1);
	child_check(wk_weak_set_contains(world->set, item));
	wk_release(item);
	item = wk_ticket_get(world->ticket, &item_type);
	child_check(item == world->item);
	wk_release(item);
	item = wk_cell_load(&world->cell);
	child_check(item == world->item);
	wk_release(item);
	use_everything(world->dict, world->set);
	if (world->depth-- > 0) {
		child = world->fork();
		if (child == 0)
			forks_child(world_child, world);
		child_check(forks_wait(child));
		use_everything(world->dict, world->set);
	}
	world_end(world);
}

static void world_fork(wk_fork_mode mode, int (*fork_by)(void), unsigned depth)
{
	struct world world = world_make(mode);
	int child;

	world.fork = fork_by;
	world.depth = depth;
	child = fork_by();
	if (child == 0)
		forks_child(world_child, &world);
	child_check(forks_wait(child));
	use_everything(world.dict, world.set);
	child_check(stats().forks == 0);
	world_end(&world);
}

static void fork_automatic(void)
{
	world_fork(WK_FORK_AUTOMATIC, forks_fork, 0);
}

static void fork_of_forks(void)
{
	world_fork(WK_FORK_AUTOMATIC, forks_fork, 9); /* more than a prune's claim can tell apart */
}

static int fork_by_hand(void)
{
	int child;

	wk_fork_before();
	child = forks_fork();
	if (child == 0)
		wk_fork_child();
	else
		wk_fork_parent();
	return child;
}

static void fork_manual(void)
{
	world_fork(WK_FORK_MANUAL, fork_by_hand, 2);
}

/* liburcu's hooks, as the program would call them that has liburcu of its own. */
static void call_rcu(const char *name)
{
	void (*hook)(void);
	void *symbol = dlsym(RTLD_DEFAULT, name);

	child_check(symbol != NULL);
	memcpy(&hook, &symbol, sizeof(hook));
	hook();
}

static int fork_with_rcu(void)
{
	int child;

	call_rcu("urcu_bp_before_fork");
	child = forks_fork();
	call_rcu(child == 0 ? "urcu_bp_after_fork_child" : "urcu_bp_after_fork_parent");
	return child;
}

static void fork_rcu_by_host(void)
{
	world_fork(WK_FORK_RCU_BY_HOST, fork_with_rcu, 2);
}

static void do_nothing(void *unused)
{
	(void)unused;
}

static void fork_none(void)
{
	struct world world = world_make(WK_FORK_NONE);

	child_check(forks_run(do_nothing, NULL));
	use_everything(world.dict, world.set);
	world_end(&world);
}

static void check_signals(bool blocked)
{
	sigset_t now;

	child_check(pthread_sigmask(SIG_SETMASK, NULL, &now) == 0);
	child_check(sigismember(&now, SIGUSR1) == (int)blocked);
}

static void signals_child(void *unused)
{
	(void)unused;
	check_signals(false);
}

/* The hooks block all signals: they are as they were afterwards, also where the fork has failed. */
static void fork_leaves_signals(void)
{
	start(WK_FORK_MANUAL, WK_THREAD_OWN);
	wk_fork_before();
	check_signals(true);
	wk_fork_parent();
	check_signals(false);
	if (fork_by_hand() == 0)
		forks_child(signals_child, NULL);
	check_signals(false);
	while (wait(NULL) < 0 && errno == EINTR)
		;
}

/* Before the first start, and after a shutdown. */

static void start_child(void *unused)
{
	struct world world = world_make(WK_FORK_AUTOMATIC);

	(void)unused;
	use_everything(world.dict, world.set);
	world_end(&world);
}

static void fork_before_start(void)
{
	child_check(forks_run(start_child, NULL));
	start_child(NULL);
	child_check(forks_run(start_child, NULL));
	start_child(NULL);
}

static void starts_child(void *unused)
{
	(void)unused;
	shut_down(WK_EBUSY, 0);
	shut_down(WK_OK, 0);
}

/* A child that needs nothing shuts down all the same, as often as the parent has started. */
static void fork_counts_starts(void)
{
	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	child_check(wk_runtime_start(NULL) == WK_OK);
	child_check(forks_run(starts_child, NULL));
	starts_child(NULL);
}

static void restart_child(void *unused)
{
	const wk_runtime_options options = { .struct_size = sizeof(options) };

	(void)unused;
	child_check(wk_runtime_start(&options) == WK_EEXISTS);
	shut_down(WK_EBUSY, 0);
	shut_down(WK_OK, 0);
}

static void fork_then_start(void)
{
	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	child_check(forks_run(restart_child, NULL));
	shut_down(WK_OK, 0);
}

/* Where the program polls it goes on polling. */

static void poll_child(void *context)
{
	int before = atomic_load(&destroyed);

	(void)wk_runtime_poll(0);
	child_check(atomic_load(&destroyed) == before); /* died before the fork */
	wk_release(context);
	while (wk_runtime_poll(0) > 0)
		;
	child_check(atomic_load(&destroyed) == before + 1);
	child_check(stats().abandoned == 1);
	shut_down(WK_OK, 0);
}

static void fork_polled(void)
{
	struct item *item, *dead;
	wk_weak *weak;

	start(WK_FORK_AUTOMATIC, WK_THREAD_NONE);
	item = wk_new(&item_type);
	dead = wk_new(&item_type);
	weak = wk_downgrade(dead);
	wk_release(dead);
	child_check(forks_run(poll_child, item));
	wk_release(item);
	wk_weak_release(weak);
	shut_down(WK_OK, 0);
	child_check(atomic_load(&destroyed) == 2);
}

/* Callbacks of the runner may fork to exec. */

static void destroy_by_exec(void *payload)
{
	(void)payload;
	forked = forks_fork();
	if (forked == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
}

static void destroy_by_fork(void *payload)
{
	(void)payload;
	forked = forks_fork();
}

static void destroy_by_fork_and_use(void *payload)
{
	struct world world = { 0 };

	(void)payload;
	forked = forks_fork();
	if (forked == 0) {
		world.set = wk_weak_set_new(NULL, NULL);
		world.dict = wk_value_dict_new(&(wk_value_dict_options){ .struct_size = sizeof(wk_value_dict_options) }, NULL);
		use_everything(world.dict, world.set);
		_exit(0);
	}
}

WK_DEFINE_TYPE(exec_type, struct item, .destroy = destroy_by_exec);
WK_DEFINE_TYPE(forking_type, struct item, .destroy = destroy_by_fork);
WK_DEFINE_TYPE(using_type, struct item, .destroy = destroy_by_fork_and_use);

static void fork_on_the_runner(void)
{
	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	wk_release(wk_new(&exec_type));
	child_check(wk_barrier(PATIENCE) == WK_OK && forks_wait(forked));
	wk_release(wk_new(&using_type));
	child_check(wk_barrier(PATIENCE) == WK_OK && forks_wait(forked));
	shut_down(WK_OK, 0);
}

static void fork_on_the_runner_and_return(void)
{
	int status;

	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	wk_release(wk_new(&forking_type));
	child_check(wk_barrier(PATIENCE) == WK_OK);
	child_check(waitpid(forked, &status, 0) == forked);
	child_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	shut_down(WK_OK, 0);
}

/* Misuse. */

static void fork_in_a_section(void)
{
	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	wk_read_lock();
	(void)!fork();
}

static void fork_by_hand_in_a_section(void)
{
	start(WK_FORK_MANUAL, WK_THREAD_OWN);
	wk_read_lock();
	wk_fork_before();
}

static void before_in_automatic(void)
{
	start(WK_FORK_AUTOMATIC, WK_THREAD_OWN);
	wk_fork_before();
}

static void before_twice(void)
{
	start(WK_FORK_MANUAL, WK_THREAD_OWN);
	wk_fork_before();
	wk_fork_before();
}

static void child_without_before(void)
{
	start(WK_FORK_MANUAL, WK_THREAD_OWN);
	wk_fork_child();
}

static void parent_without_before(void)
{
	start(WK_FORK_MANUAL, WK_THREAD_OWN);
	wk_fork_parent();
}

static void no_such_mode(void)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .fork = (wk_fork_mode)4 };

	child_check(wk_runtime_start(&options) == WK_EINVAL);
}

static const struct child_case cases[] = {
	PASSING(fork_automatic),
	PASSING(fork_of_forks),
	PASSING(fork_manual),
	PASSING(fork_rcu_by_host),
	PASSING(fork_none),
	PASSING(fork_leaves_signals),
	PASSING(fork_before_start),
	PASSING(fork_counts_starts),
	PASSING(fork_then_start),
	PASSING(fork_polled),
	PASSING(fork_on_the_runner),
	PASSING(fork_on_the_runner_and_return),
	PASSING(no_such_mode),
	/* These stop. */
	PASSING(fork_in_a_section),
	PASSING(fork_by_hand_in_a_section),
	PASSING(before_in_automatic),
	PASSING(before_twice),
	PASSING(child_without_before),
	PASSING(parent_without_before),
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static const char *const messages[] = {
	"fork inside a read section",
	"fork inside a read section",
	"wk_fork_before is for WK_FORK_MANUAL",
	"wk_fork_before called twice",
	"wk_fork_child without wk_fork_before",
	"wk_fork_parent without wk_fork_before",
};
#define STOPPING (sizeof(messages) / sizeof(messages[0]))

static void test_promise_24_stops(void **state)
{
	struct child_end end;
	size_t i;

	(void)state;
	for (i = 0; i < STOPPING; i++) {
		end = child_run(cases[CASES - STOPPING + i].name);
		assert_true(child_aborted(&end));
		assert_true(child_said(&end, messages[i]));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest stops = cmocka_unit_test(test_promise_24_stops);

	return fork_main(argc, argv, cases, CASES, CASES - STOPPING, &stops);
}
