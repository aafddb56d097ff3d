/*
 * weakref/runtime.h: starting and shutting down, counted (promise 22)
 *
 * Most of it happens once in a process: each scenario is a child of its own.
 */
#define _GNU_SOURCE
#include "runtime_fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/child.h"
#include "support/memory.h"
#include "support/threads.h"

struct item {
	long number;
};

static _Atomic unsigned long destroyed;

static void item_destroy(void *payload)
{
	(void)payload;
	atomic_fetch_add(&destroyed, 1);
}

WK_DEFINE_TYPE(item_type, struct item, .destroy = item_destroy);
WK_DEFINE_TYPE(plain_type, struct item, .flags = 0);

static const wk_runtime_options defaults = { .struct_size = sizeof(defaults) };

/* The library's threads, by their names. */

#define LIBRARY "weakref-"

static bool task_line(const char *task, const char *file, const char *key, char *line, size_t size)
{
	char path[300];
	bool found = false;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/self/task/%s/%s", task, file);
	stream = fopen(path, "r");
	while (stream != NULL && !found && fgets(line, (int)size, stream) != NULL)
		found = strncmp(line, key, strlen(key)) == 0;
	if (stream != NULL)
		fclose(stream);
	return found;
}

/* How many there are; `blocked`, unless NULL: the signals that all of them block. */
static unsigned library_threads(uint64_t *blocked)
{
	struct dirent *entry;
	unsigned count = 0;
	char line[128];
	DIR *tasks = opendir("/proc/self/task");

	child_check(tasks != NULL);
	while ((entry = readdir(tasks)) != NULL) {
		if (!task_line(entry->d_name, "comm", LIBRARY, line, sizeof(line)))
			continue;
		count++;
		if (blocked != NULL && task_line(entry->d_name, "status", "SigBlk:", line, sizeof(line)))
			*blocked &= strtoull(line + strlen("SigBlk:"), NULL, 16);
	}
	closedir(tasks);
	return count;
}

/* A joined thread may be seen for a moment more. */
static void wait_for_library_threads(unsigned count)
{
	while (library_threads(NULL) != count)
		sched_yield();
}

/* Scenarios. */

static void before_anything(void)
{
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK);
	child_check(wk_runtime_poll(0) == 0);
	child_check(wk_runtime_shutdown(0, NULL) == WK_ESHUTDOWN);
	child_check(library_threads(NULL) == 0);
}

static void counted_starts(void)
{
	wk_shutdown_report report = { .struct_size = 0 };

	child_check(wk_runtime_start(&defaults) == WK_OK);
	child_check(wk_runtime_start(&defaults) == WK_EEXISTS);
	child_check(wk_runtime_start(NULL) == WK_OK);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_EBUSY);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, &report) == WK_EINVAL); /* not counted */
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_EBUSY);
	child_check(library_threads(NULL) == 2);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_ESHUTDOWN);
	child_check(wk_runtime_start(NULL) == WK_OK);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
}

/* A shutdown that is not the last still runs what is due. */
static void shutdown_that_is_not_the_last(void)
{
	child_check(wk_runtime_start(NULL) == WK_OK && wk_runtime_start(NULL) == WK_OK);
	wk_release(wk_new(&item_type));
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_EBUSY);
	child_check(atomic_load(&destroyed) == 1);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
}

static void impossible_starts(void)
{
	wk_runtime_options options = { .struct_size = 0 };

	child_check(wk_runtime_start(&options) == WK_EINVAL);
	options.struct_size = sizeof(options) - 1;
	child_check(wk_runtime_start(&options) == WK_EINVAL);
	options.struct_size = sizeof(options);
	options.thread = (wk_thread_mode)2;
	child_check(wk_runtime_start(&options) == WK_EINVAL);
	child_check(wk_runtime_shutdown(0, NULL) == WK_ESHUTDOWN);
}

/* The first constructor starts it, uncounted; the threads have names and block all signals. */
static void started_by_a_constructor(void)
{
	const uint64_t wanted = (1ull << (SIGINT - 1)) | (1ull << (SIGTERM - 1)) | (1ull << (SIGHUP - 1)) |
				(1ull << (SIGUSR1 - 1)) | (1ull << (SIGCHLD - 1)) | (1ull << (SIGALRM - 1));
	uint64_t blocked = UINT64_MAX;
	void *item;

	child_check(library_threads(NULL) == 0);
	item = wk_new(&item_type);
	child_check(item != NULL);
	wk_release(item);
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK); /* both threads have named themselves by now */
	child_check(library_threads(&blocked) == 2);
	child_check((blocked & wanted) == wanted);
	child_check(wk_runtime_start(&defaults) == WK_EEXISTS);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	wait_for_library_threads(0);
}

/* After a shutdown: what still works, what does not, and that a release starts no thread. */
static void after_shutdown(void)
{
	struct item *item = wk_new(&item_type), *again;
	wk_queue *queue = wk_queue_new(NULL, NULL);
	wk_weak *weak = wk_downgrade(item);
	int status = WK_OK;

	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(wk_new(&item_type) == NULL && wk_last_status() == WK_ESHUTDOWN);
	child_check(wk_new_with(&item_type, NULL, &status) == NULL && status == WK_ESHUTDOWN);
	child_check(wk_queue_new(NULL, &status) == NULL && status == WK_ESHUTDOWN);
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_ESHUTDOWN);
	again = wk_upgrade(weak);
	child_check(again == item && wk_retain(item) == item && wk_strong_count(item) == 3);
	wk_release_many(item, 3);
	child_check(wk_upgrade(weak) == NULL && wk_weak_expired(weak));
	child_check(atomic_load(&destroyed) == 0); /* nobody is there to do it */
	child_check(wk_runtime_poll(0) == 0);
	child_check(wk_queue_close(queue, WK_QUEUE_RUN) == WK_OK);
	wk_release(queue);
	wait_for_library_threads(0);
	child_check(wk_runtime_start(NULL) == WK_OK);
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK);
	child_check(atomic_load(&destroyed) == 1); /* kept for this start */
	wk_weak_release(weak);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
}

/* Callbacks that a thread of the program drains after the shutdown construct nothing either. */
static void construct(void *argument)
{
	*(int *)argument = wk_new(&item_type) != NULL ? WK_OK : wk_last_status();
}

static void callbacks_after_shutdown(void)
{
	wk_queue *queue = wk_queue_new(NULL, NULL);
	int status = WK_OK;

	child_check(wk_queue_post(queue, construct, &status, NULL) == WK_OK);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(wk_queue_drain(queue, 0) == 1);
	child_check(status == WK_ESHUTDOWN);
	child_check(wk_queue_close(queue, WK_QUEUE_RUN) == WK_OK);
	wk_release(queue);
}

/* An allocator is for good once there are objects. */
static void allocator_too_late(void)
{
	static struct memory memory;
	static const wk_allocator allocator = { memory_allocate, memory_release, &memory };
	const wk_runtime_options options = { .struct_size = sizeof(options), .allocator = &allocator };

	wk_release(wk_new(&item_type));
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(wk_runtime_start(&options) == WK_EINVAL);
	child_check(wk_runtime_start(&defaults) == WK_OK);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(atomic_load(&memory.calls) == 0);
}

/* Again and again, with objects that die before, during and after. */
static void many_lives(void)
{
	unsigned long i, made = 0;

	for (i = 0; i < 200; i++) {
		child_check(wk_runtime_start(i % 3 == 0 ? NULL : &defaults) == WK_OK);
		for (made += i % 7; made < 7 * i; made++)
			wk_release(wk_new(&item_type));
		child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
		child_check(library_threads(NULL) <= 2);
	}
}

/* No thread can be made: a failure that changes nothing, and is over when there is room again. */
static void no_thread_to_be_had(void)
{
	pthread_attr_t usual, huge;

	pthread_getattr_default_np(&usual);
	pthread_attr_init(&huge);
	child_check(pthread_attr_setstacksize(&huge, (size_t)1 << 46) == 0);
	child_check(pthread_setattr_default_np(&huge) == 0);
	child_check(wk_runtime_start(&defaults) == WK_ENOMEM);
	child_check(wk_new(&item_type) == NULL && wk_last_status() == WK_ENOMEM);
	child_check(wk_runtime_shutdown(0, NULL) == WK_ESHUTDOWN);
	child_check(pthread_setattr_default_np(&usual) == 0);
	wk_release(wk_new(&item_type));
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(atomic_load(&destroyed) == 1);
}

/* From the runner: it would wait for itself. */

static int from_destroy[3];

static void asking_destroy(void *payload)
{
	(void)payload;
	from_destroy[0] = wk_runtime_start(NULL);
	from_destroy[1] = wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
	from_destroy[2] = wk_barrier(WK_NO_TIMEOUT);
}

WK_DEFINE_TYPE(asking_type, struct item, .destroy = asking_destroy);

static void calls_from_the_runner(void)
{
	child_check(wk_runtime_start(NULL) == WK_OK);
	wk_release(wk_new(&asking_type));
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK);
	child_check(from_destroy[0] == WK_EDEADLOCK);
	child_check(from_destroy[1] == WK_EDEADLOCK);
	child_check(from_destroy[2] == WK_EDEADLOCK);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK); /* neither was counted */
}

/* Starts with options beside the first constructors: one runtime, two threads, one allocator. */

#define STARTERS 4

static struct memory memory;
static const wk_allocator allocator = { memory_allocate, memory_release, &memory };
static _Atomic unsigned started, existed, refused;

static void start_or_construct(void *context, unsigned index)
{
	const wk_runtime_options options = { .struct_size = sizeof(options), .allocator = &allocator };
	int status;

	(void)context;
	if (index % 2 == 0) {
		wk_release(wk_new(&plain_type));
		return;
	}
	status = wk_runtime_start(&options);
	atomic_fetch_add(status == WK_OK ? &started : status == WK_EEXISTS ? &existed : &refused, 1);
}

static void starts_beside_first_constructors(void)
{
	unsigned counted;

	threads_run(STARTERS, start_or_construct, NULL);
	child_check(atomic_load(&refused) == 0);
	child_check(atomic_load(&started) <= 1);
	child_check(wk_barrier(WK_NO_TIMEOUT) == WK_OK);
	child_check(library_threads(NULL) == 2);
	for (counted = atomic_load(&started) + atomic_load(&existed); counted > 1; counted--)
		child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_EBUSY);
	child_check(wk_runtime_shutdown(WK_NO_TIMEOUT, NULL) == WK_OK);
	child_check(atomic_load(&memory.wrong) == 0);
	wait_for_library_threads(0);
	exit(atomic_load(&started) != 0 ? 0 : 3); /* who was first */
}

static const struct child_case cases[] = {
	{ "before_anything", before_anything },
	{ "counted_starts", counted_starts },
	{ "shutdown_that_is_not_the_last", shutdown_that_is_not_the_last },
	{ "impossible_starts", impossible_starts },
	{ "started_by_a_constructor", started_by_a_constructor },
	{ "after_shutdown", after_shutdown },
	{ "callbacks_after_shutdown", callbacks_after_shutdown },
	{ "allocator_too_late", allocator_too_late },
	{ "many_lives", many_lives },
	{ "no_thread_to_be_had", no_thread_to_be_had },
	{ "calls_from_the_runner", calls_from_the_runner },
	{ "starts_beside_first_constructors", starts_beside_first_constructors },
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static void test_promise_22_starts_and_shutdowns(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < CASES - 1; i++) {
		print_message("%s\n", cases[i].name);
		assert_true(child_passes(cases[i].name));
	}
}

/* Whoever comes first: a start with options, or a constructor with the defaults. */
static void test_promise_22_starts_beside_first_constructors(void **state)
{
	unsigned long by_start = 0, by_constructor = 0, round;
	struct child_end end;
	bool by_constructor_now;

	(void)state;
	for (round = 0; round < 20 || ((by_start == 0 || by_constructor == 0) && round < 1000); round++) {
		end = child_run("starts_beside_first_constructors");
		by_constructor_now = end.status == 3 << 8;
		assert_true(by_constructor_now || child_exited(&end, 0));
		*(by_constructor_now ? &by_constructor : &by_start) += 1;
	}
	print_message("begun by a start %lu times, by a constructor %lu times\n", by_start, by_constructor);
	assert_true(by_start > 0 && by_constructor > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_22_starts_and_shutdowns),
		cmocka_unit_test(test_promise_22_starts_beside_first_constructors),
	};

	if (child_main(argc, argv, cases, CASES))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
