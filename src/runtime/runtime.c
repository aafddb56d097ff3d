/*
 * runtime/runtime.c - start and shutdown, counted; barrier; statistics
 *
 * Layer: runtime.
 */
#include "weakref/runtime.h"

#include <pthread.h>
#include <string.h>

#include "base/generation.h"
#include "base/memory.h"
#include "core/census.h"
#include "core/control.h"
#include "core/owner.h"
#include "notify/finalizer.h"
#include "notify/queue.h"
#include "notify/registration.h"
#include "reclaim/backlog.h"
#include "reclaim/grace.h"
#include "reclaim/runner.h"
#include "reclaim/service.h"
#include "reclaim/thread.h"
#include "runtime/fork.h"
#include "sync/event.h"
#include "sync/rcu.h"

static pthread_mutex_t runtime_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned runtime_starts; /* under the lock */
static pthread_mutex_t runtime_options_lock = PTHREAD_MUTEX_INITIALIZER;

void wki_runtime_lock_options(void)
{
	pthread_mutex_lock(&runtime_options_lock);
}

void wki_runtime_unlock_options(void)
{
	pthread_mutex_unlock(&runtime_options_lock);
}

static enum wki_service_state runtime_state(void)
{
	/* RTM-1 acquire; pairs: SVC-2; weaker: as SVC-1; check: api/runtime_test */
	return (enum wki_service_state)atomic_load_acquire(&wki_service);
}

/* Waiting for the runner from where it, or a grace period, would wait for us. */
static bool runtime_would_deadlock(void)
{
	return wki_runner_is_self() || wki_read_ongoing();
}

static _Thread_local bool runtime_ending; /* this thread, which holds the lock, runs finalizers */

/* Likewise, and what takes the lock as well. */
static bool runtime_would_deadlock_locking(void)
{
	return runtime_ending || runtime_would_deadlock();
}

static uint64_t runtime_or(uint64_t value, uint64_t otherwise)
{
	return value != 0 ? value : otherwise;
}

static void runtime_use(const wk_runtime_options *options)
{
	const struct wki_backlog_marks marks = {
		.soft_objects = runtime_or(options->soft_objects, UINT64_C(1) << 20),
		.soft_bytes = runtime_or(options->soft_bytes, UINT64_C(64) << 20),
		.hard_objects = runtime_or(options->hard_objects, UINT64_MAX),
		.hard_bytes = runtime_or(options->hard_bytes, UINT64_MAX),
		.throttle_ns = options->throttle_ns == WK_NO_THROTTLE ? 0 : runtime_or(options->throttle_ns, 1000000),
	};

	wki_runtime_lock_options();
	wki_fork_use(options->fork);
	wki_backlog_set_marks(&marks);
	wki_service_set_error_hook(options->on_error, options->on_error_context);
	wki_finalizers_leave_at_exit(options->leave_finalizers_at_exit);
	if (wki_census_is_empty())
		wki_memory_use(options->allocator);
	wki_runtime_unlock_options();
}

static int runtime_check(const wk_runtime_options *options)
{
	if (options->struct_size < sizeof(*options) || (unsigned)options->thread > WK_THREAD_NONE ||
	    (unsigned)options->fork > WK_FORK_NONE)
		return WK_EINVAL;
	/* Blocks go back to where they came from: the allocator is for good once there is an object. */
	if (options->allocator != NULL && !wki_census_is_empty() && !wki_memory_is(options->allocator))
		return WK_EINVAL;
	return WK_OK;
}

/* Under the service's lock: no constructor starts the runtime meanwhile. */
static int runtime_prepare(const void *argument)
{
	const wk_runtime_options *options = argument;
	int status = runtime_check(options);

	if (status >= 0)
		runtime_use(options);
	return status;
}

static int runtime_start_locked(const wk_runtime_options *options)
{
	static const wk_runtime_options defaults = { .struct_size = sizeof(defaults) };
	const wk_runtime_options *used = options != NULL ? options : &defaults;
	int status = wki_service_begin(used->thread == WK_THREAD_OWN, runtime_prepare, used);

	return status == WK_EEXISTS && options == NULL ? WK_OK : status;
}

int wk_runtime_start(const wk_runtime_options *options)
{
	int status;

	if (runtime_would_deadlock_locking())
		return WK_EDEADLOCK;
	if (options != NULL && options->struct_size < sizeof(*options))
		return WK_EINVAL;
	if (runtime_state() == WKI_SERVICE_CLOSING)
		return WK_EBUSY; /* who shuts down holds the lock until it is down */
	pthread_mutex_lock(&runtime_lock);
	status = runtime_start_locked(options);
	if (status == WK_OK || status == WK_EEXISTS)
		runtime_starts++;
	pthread_mutex_unlock(&runtime_lock);
	return status;
}

/* A barrier's mark: travels through the runner behind everything that was mailed before it. */
struct runtime_mark {
	struct wki_deferred deferred;
	wki_atomic_u32 passed;
	wki_atomic_u32 holds; /* the waiter's and the runner's */
};

static struct wki_event runtime_passed; /* signalled when a mark has passed, and when the runtime is down */
static wki_atomic_u64 runtime_marks;    /* on their way */

/* A shutdown's: it needs no memory. On its way for as long as it has not passed; under the lock. */
static struct runtime_mark runtime_shutdown_mark = { .passed = 1 };

static void runtime_mark_drop(struct runtime_mark *mark)
{
	/* RTM-2 acq_rel; pairs: RTM-2; weaker: the memory could go before the other's last access; check: api/runtime_test */
	if (atomic_fetch_sub_acq_rel(&mark->holds, 1) == 1)
		wki_cache_free(mark, sizeof(*mark));
}

static void runtime_mark_pass(struct wki_deferred *deferred)
{
	struct runtime_mark *mark = (struct runtime_mark *)(void *)deferred;
	bool allocated = mark != &runtime_shutdown_mark; /* that one may be on its way again at once */

	/* RTM-7 relaxed; pairs: none; weaker: not possible; check: api/runtime_shutdown_test (a shutdown's report leaves them out) */
	(void)atomic_fetch_sub_relaxed(&runtime_marks, 1);
	/* RTM-3 release; pairs: RTM-4; weaker: the waiter could miss what the destructors did; check: api/runtime_test under TSan */
	atomic_store_release(&mark->passed, 1);
	wki_event_signal(&runtime_passed);
	if (allocated)
		runtime_mark_drop(mark);
}

static void runtime_mark_send(struct runtime_mark *mark)
{
	mark->deferred.run = runtime_mark_pass;
	/* RTM-6 relaxed; pairs: none; weaker: not possible; check: api/runtime_shutdown_test (nobody else's yet) */
	atomic_store_relaxed(&mark->passed, 0);
	/* RTM-8 relaxed; pairs: none; weaker: not possible; check: as RTM-7 */
	(void)atomic_fetch_add_relaxed(&runtime_marks, 1);
	wki_runner_after_grace(wki_tag(&mark->deferred.link, WKI_KIND_DEFERRED));
}

static bool runtime_mark_has_passed(const struct runtime_mark *mark)
{
	/* RTM-4 acquire; pairs: RTM-3; weaker: as RTM-3; check: api/runtime_test under TSan */
	return atomic_load_acquire((wki_atomic_u32 *)(uintptr_t)&mark->passed) != 0;
}

/* Where another thread polls, it may stop at any time: look again now and then. */
#define RUNTIME_POLL_NS 1000000u

static size_t runtime_poll(size_t budget)
{
	bool polls = !wki_service_has_threads() &&
		     (runtime_state() == WKI_SERVICE_RUNNING || runtime_state() == WKI_SERVICE_CLOSING);

	return polls ? wki_runner_poll(budget) : 0;
}

static bool runtime_mark_wait(const struct runtime_mark *mark, uint64_t deadline)
{
	uint64_t until = deadline;
	uint32_t seen;

	for (;;) {
		seen = wki_event_value(&runtime_passed);
		if (!wki_service_has_threads()) {
			(void)runtime_poll(SIZE_MAX);
			until = wki_deadline_after(RUNTIME_POLL_NS);
			until = until < deadline ? until : deadline;
		}
		if (runtime_mark_has_passed(mark))
			return true;
		if (runtime_state() == WKI_SERVICE_OFF)
			return false;
		if (!wki_event_wait(&runtime_passed, seen, until) && wki_now() >= deadline)
			return runtime_mark_has_passed(mark);
	}
}

static int runtime_barrier(uint64_t deadline)
{
	struct runtime_mark *mark;
	bool passed;

	/* Whoever is between a death and its mail is in a section. */
	if (!wki_grace_wait(wki_grace_ticket(), deadline))
		return runtime_state() == WKI_SERVICE_OFF ? WK_ESHUTDOWN : WK_ETIMEDOUT;
	mark = wki_cache_allocate(sizeof(*mark));
	if (mark == NULL)
		return WK_ENOMEM;
	/* RTM-5 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (nobody else's yet) */
	atomic_store_relaxed(&mark->holds, 2);
	runtime_mark_send(mark);
	passed = runtime_mark_wait(mark, deadline);
	runtime_mark_drop(mark);
	if (passed)
		return WK_OK;
	return runtime_state() == WKI_SERVICE_OFF ? WK_ESHUTDOWN : WK_ETIMEDOUT;
}

int wk_barrier(uint64_t timeout_ns)
{
	int status;

	if (runtime_would_deadlock())
		return WK_EDEADLOCK;
	switch (runtime_state()) {
	case WKI_SERVICE_NEW:
		return WK_OK;
	case WKI_SERVICE_OFF:
		return WK_ESHUTDOWN;
	default:
		status = wki_service_wake();
		return status < 0 ? status : runtime_barrier(wki_deadline_after(timeout_ns));
	}
}

size_t wk_runtime_poll(size_t budget)
{
	if (wki_read_ongoing())
		wki_stop("wk_runtime_poll inside a read section would wait for itself");
	return runtime_poll(budget == 0 ? SIZE_MAX : budget);
}

/* A barrier by who holds the lock. The mark may be on its way since a shutdown that ran out of time. */
static bool runtime_round(uint64_t deadline)
{
	struct runtime_mark *mark = &runtime_shutdown_mark;

	if (!runtime_mark_has_passed(mark) && !runtime_mark_wait(mark, deadline))
		return false;
	runtime_mark_send(mark);
	return runtime_mark_wait(mark, deadline);
}

/* Run what is due, and what that makes due, until nothing was at work at a round's begin or run in it but its own mark. */
static int runtime_quiesce(uint64_t deadline)
{
	struct wki_runner_figures before, after;

	do {
		wki_runner_read(&before);
		if (!runtime_round(deadline))
			return WK_ETIMEDOUT;
		wki_runner_read(&after);
	} while (after.begun > before.run + 1);
	return WK_OK;
}

/* Sums over all types, those included that left with their owner. */
struct runtime_sums {
	uint64_t created, destroyed;
};

static void runtime_sum_type(const wk_type *type, const wk_census *census, void *context)
{
	struct runtime_sums *sums = context;

	(void)type;
	sums->created += census->created;
	sums->destroyed += census->destroyed;
}

static struct runtime_sums runtime_sum(void)
{
	uint64_t departed = wki_census_departed();
	struct runtime_sums sums = { departed, departed };

	wk_runtime_each_type(runtime_sum_type, &sums);
	return sums;
}

static void runtime_report(wk_shutdown_report *report)
{
	struct wki_backlog_figures backlog;
	struct runtime_sums sums;
	struct wki_fork_figures forks;
	size_t size;

	if (report == NULL)
		return;
	size = report->struct_size;
	sums = runtime_sum();
	wki_backlog_read(&backlog);
	wki_fork_read(&forks);
	*report = (wk_shutdown_report){
		.struct_size = size,
		/* RTM-9 relaxed; pairs: none; weaker: not possible; check: as RTM-7 */
		.not_run = wki_runner_pending() - atomic_load_relaxed(&runtime_marks) + wki_queue_all_pending(),
		.still_alive = sums.created - sums.destroyed - backlog.dying - forks.objects,
	};
}

static int runtime_shutdown_locked(uint64_t deadline, wk_shutdown_report *report)
{
	int status;

	(void)wki_service_wake(); /* what has died since the fork is run where it always is; without memory for threads, here */
	if (runtime_state() != WKI_SERVICE_RUNNING && runtime_state() != WKI_SERVICE_FORKED)
		return WK_ESHUTDOWN;
	if (runtime_starts > 1) {
		runtime_starts--;
		(void)runtime_round(deadline);
		return WK_EBUSY;
	}
	runtime_starts = 0;
	wki_service_close();
	runtime_ending = true;
	wki_finalizers_run();
	runtime_ending = false;
	status = runtime_quiesce(deadline);
	wki_service_end(deadline);
	wki_event_signal(&runtime_passed); /* whoever waits in a barrier waits in vain */
	wki_event_signal(&wki_owner_freed); /* and who drains an owner */
	runtime_report(report);
	return status;
}

int wk_runtime_shutdown(uint64_t timeout_ns, wk_shutdown_report *report)
{
	uint64_t deadline = wki_deadline_after(timeout_ns);
	int status;

	if (runtime_would_deadlock_locking())
		return WK_EDEADLOCK;
	if (report != NULL && report->struct_size < sizeof(*report))
		return WK_EINVAL;
	pthread_mutex_lock(&runtime_lock);
	status = runtime_shutdown_locked(deadline, report);
	pthread_mutex_unlock(&runtime_lock);
	return status;
}

/*
 * In the child. Who held the lock is lost, unless it is the caller, in a finalizer that its shutdown runs. Every counted
 * start is still wanted here too; a shutdown that is lost had ended them all.
 */
void wki_runtime_forked(void)
{
	if (!runtime_ending)
		runtime_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	/* RTM-10 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
	atomic_store_relaxed(&runtime_marks, 0);
	/* RTM-11 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
	atomic_store_relaxed(&runtime_shutdown_mark.passed, 1);
	wki_service_forked(runtime_ending);
}

void wk_runtime_each_type(void (*visit)(const wk_type *type, const wk_census *census, void *context), void *context)
{
	const wk_type *type;
	wk_census census;

	for (type = wki_census_first(); type != NULL; type = wki_census_next(type)) {
		census = (wk_census){ .struct_size = sizeof(census) };
		wki_census_read(type, &census.created, &census.destroyed);
		visit(type, &census, context);
	}
}

static uint64_t runtime_threads(void)
{
	const struct wki_thread *thread;
	uint64_t count = 0;

	for (thread = wki_thread_all(); thread != NULL; thread = thread->next) {
		if (wki_thread_use(thread) == WKI_THREAD_PROGRAM)
			count++;
	}
	return count;
}

void wk_runtime_stats(wk_stats *stats)
{
	struct wki_backlog_figures backlog;
	struct wki_runner_figures runner;
	struct runtime_sums sums;
	struct wki_fork_figures forks;
	wk_stats now;

	if (stats == NULL || stats->struct_size == 0)
		return;
	sums = runtime_sum();
	wki_backlog_read(&backlog);
	wki_runner_read(&runner);
	wki_fork_read(&forks);
	now = (wk_stats){
		.struct_size = stats->struct_size,
		.objects_created = sums.created,
		.objects_destroyed = sums.destroyed,
		.dead_objects_waiting = backlog.objects,
		.dead_bytes_waiting = backlog.bytes,
		.backlog_peak = backlog.peak_objects,
		.callbacks_run = wki_queue_all_run() + wki_registrations_run(),
		.destroys_run = wki_control_destroys(),
		.grace_periods = wki_grace_number(),
		.grace_wait_max_ns = wki_grace_longest_ns(),
		.runner_lag_ns = runner.lag_ns,
		.threads = runtime_threads(),
		.throttled = backlog.throttled,
		.abandoned = wki_control_abandoned() + forks.objects,
		.calls_abandoned = forks.calls,
		.forks = wki_generation,
	};
	memcpy(stats, &now, stats->struct_size < sizeof(now) ? stats->struct_size : sizeof(now));
}

unsigned wk_version(void)
{
	return WK_VERSION;
}

const char *wk_strerror(int status)
{
	switch (status) {
#define RUNTIME_TEXT(name, value, text) \
	case name:                      \
		return text;
		WK_STATUS_TABLE(RUNTIME_TEXT)
#undef RUNTIME_TEXT
	default:
		return "unknown status";
	}
}
