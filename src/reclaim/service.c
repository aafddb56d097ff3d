/*
 * reclaim/service.c - the grace thread and the runner as threads
 *
 * Layer: reclaim.
 */
#define _GNU_SOURCE
#include "reclaim/service.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "reclaim/grace.h"
#include "reclaim/limbo.h"
#include "reclaim/runner.h"
#include "reclaim/slab.h"
#include "reclaim/thread.h"
#include "sync/event.h"
#include "sync/rcu.h"
#include "weakref/common.h"

wki_atomic_u32 wki_service;

static pthread_mutex_t service_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t service_grace, service_runner;
static wki_atomic_u32 service_threads; /* 1: both run */
static wki_atomic_u32 service_begun;   /* how, the last time; 0: never */
#define SERVICE_BEGUN_WITH_THREADS 1u
#define SERVICE_BEGUN_POLLED 2u

/*
 * The error hook: two words that belong together. A start sets them while somebody may be reporting; it makes the version
 * odd meanwhile. One start at a time.
 */
typedef void service_on_error(void *context, int status, const char *type_name, const char *message);
static struct {
	wki_atomic_u32 version;
	WKI_ATOMIC_POINTER(service_on_error) on_error;
	WKI_ATOMIC_POINTER(void) context;
} service_hook;

void wki_service_set_error_hook(service_on_error *on_error, void *context)
{
	/* SVC-20 relaxed; pairs: none; weaker: not possible; check: stress/restart_stress (one writer) */
	uint32_t version = atomic_load_relaxed(&service_hook.version);

	/* SVC-21 relaxed; pairs: none; weaker: not possible, SVC-22 and SVC-23 carry it; check: stress/restart_stress */
	atomic_store_relaxed(&service_hook.version, version + 1);
	/* SVC-22 release; pairs: SVC-26; weaker: a new hook could be read under the old version; check: stress/restart_stress */
	atomic_store_release(&service_hook.on_error, on_error);
	/* SVC-23 release; pairs: SVC-27; weaker: as SVC-22; check: stress/restart_stress */
	atomic_store_release(&service_hook.context, context);
	/* SVC-24 release; pairs: SVC-25; weaker: half a hook could be read under the new version; check: stress/restart_stress */
	atomic_store_release(&service_hook.version, version + 2);
}

/* False: it is being set just now. */
static bool service_read_hook(service_on_error **on_error, void **context)
{
	/* SVC-25 acquire; pairs: SVC-24; weaker: as SVC-24; check: stress/restart_stress */
	uint32_t version = atomic_load_acquire(&service_hook.version);

	/* SVC-26 acquire; pairs: SVC-22; weaker: as SVC-22; check: stress/restart_stress */
	*on_error = atomic_load_acquire(&service_hook.on_error);
	/* SVC-27 acquire; pairs: SVC-23; weaker: as SVC-22; check: stress/restart_stress */
	*context = atomic_load_acquire(&service_hook.context);
	/* SVC-28 relaxed; pairs: none; weaker: not possible; check: stress/restart_stress (SVC-26 and SVC-27 come first) */
	return version % 2 == 0 && atomic_load_relaxed(&service_hook.version) == version;
}

void wki_report_error(int status, const char *type_name, const char *message)
{
	service_on_error *on_error;
	void *context;

	if (service_read_hook(&on_error, &context) && on_error != NULL)
		on_error(context, status, type_name, message);
	else
		fprintf(stderr, "weakref: %s: %s\n", type_name, message);
}

static void service_enter(const char *name)
{
	struct wki_thread *thread = wki_thread_self();

	if (thread != NULL) {
		/* SVC-7 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics) */
		atomic_store_relaxed(&thread->use, WKI_THREAD_RECLAIMER);
	}
	wki_read_lock(); /* known from here on: see sync/readers.h */
	wki_read_unlock();
	pthread_setname_np(pthread_self(), name);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
}

static void *service_grace_main(void *unused)
{
	service_enter("weakref-grace");
	wki_grace_loop();
	return unused;
}

static void *service_runner_main(void *unused);

/* A callback has ended the runner's thread: what it had begun is done, the rest goes on in a new one. */
static void service_runner_lost(void *unused)
{
	(void)unused;
	wki_runner_lost();
	wki_report_error(WK_EINVAL, "runner", "a callback or destructor ended the runner's thread");
	pthread_detach(pthread_self());
	if (pthread_create(&service_runner, NULL, service_runner_main, NULL) != 0)
		wki_stop("a callback ended the runner's thread and no other can be made");
}

static void *service_runner_main(void *unused)
{
	service_enter("weakref-runner");
	pthread_cleanup_push(service_runner_lost, NULL);
	wki_runner_loop();
	pthread_cleanup_pop(0);
	return unused;
}

/* Our threads take no signals: they inherit an all-blocked mask. */
static int service_make_threads(void)
{
	sigset_t all, old;
	int status = WK_OK;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&service_grace, NULL, service_grace_main, NULL) != 0) {
		status = WK_ENOMEM;
	} else if (pthread_create(&service_runner, NULL, service_runner_main, NULL) != 0) {
		wki_grace_stop();
		pthread_join(service_grace, NULL);
		status = WK_ENOMEM;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return status;
}

static enum wki_service_state service_state(void)
{
	/* SVC-5 acquire; pairs: SVC-2; weaker: as SVC-1; check: api/runtime_test */
	return (enum wki_service_state)atomic_load_acquire(&wki_service);
}

static void service_set(enum wki_service_state state)
{
	/* SVC-2 release; pairs: SVC-1; weaker: as SVC-1; check: api/runtime_test */
	atomic_store_release(&wki_service, (uint32_t)state);
}

static int service_begin_locked(bool threads)
{
	int status;

	/* SVC-8 relaxed; pairs: none; weaker: not possible; check: api/fork_test (under the lock, or nobody else is there) */
	atomic_store_relaxed(&service_begun, threads ? SERVICE_BEGUN_WITH_THREADS : SERVICE_BEGUN_POLLED);
	wki_runner_begin();
	status = threads ? service_make_threads() : WK_OK;
	if (status < 0)
		return status;
	/* SVC-3 release; pairs: SVC-4; weaker: not needed for memory; check: api/runtime_test */
	atomic_store_release(&service_threads, threads);
	service_set(WKI_SERVICE_RUNNING);
	return WK_OK;
}

int wki_service_begin(bool threads, int (*prepare)(const void *options), const void *options)
{
	int status = WK_EEXISTS;

	pthread_mutex_lock(&service_lock);
	if (service_state() == WKI_SERVICE_FORKED) {
		status = service_begin_locked(true);
		if (status >= 0)
			status = WK_EEXISTS; /* with the options that it had */
	} else if (service_state() != WKI_SERVICE_RUNNING) {
		status = prepare(options);
		if (status >= 0)
			status = service_begin_locked(threads);
	}
	pthread_mutex_unlock(&service_lock);
	return status;
}

/*
 * Neither NEW nor FORKED. No lock: a shutdown waits, with the lock held, for destructors that may come here. What is still run
 * while it waits may construct.
 */
static int service_answer(enum wki_service_state state)
{
	if (state == WKI_SERVICE_RUNNING || (state == WKI_SERVICE_CLOSING && wki_thread_in_callback()))
		return WK_OK;
	return WK_ESHUTDOWN;
}

static bool service_waits_to_begin(enum wki_service_state state)
{
	return state == WKI_SERVICE_NEW || state == WKI_SERVICE_FORKED;
}

int wki_service_need_slow(void)
{
	enum wki_service_state state = service_state();
	int status;

	if (!service_waits_to_begin(state))
		return service_answer(state);
	pthread_mutex_lock(&service_lock);
	state = service_state();
	status = service_waits_to_begin(state) ? service_begin_locked(true) : service_answer(state);
	pthread_mutex_unlock(&service_lock);
	return status;
}

void wki_service_close(void)
{
	service_set(WKI_SERVICE_CLOSING);
}

bool wki_service_has_threads(void)
{
	/* SVC-4 acquire; pairs: SVC-3; weaker: not needed for memory; check: api/runtime_test */
	return atomic_load_acquire(&service_threads) != 0;
}

/*
 * What the caller and our own threads have retired gets its grace period, if there is time for one; and a
 * second one, since a block that was in a weak cell waits once more (core/control.c). The grace
 * thread may be sweeping beside us: what it retires then is sealed before it begins the period that we wait for.
 */
static void service_settle_limbo(uint64_t deadline_ns)
{
	struct wki_thread *thread = wki_thread_if_any();
	unsigned periods;

	for (periods = 0; periods < 2; periods++) {
		if (thread != NULL)
			wki_limbo_seal(thread);
		if (!wki_grace_wait(wki_grace_ticket(), deadline_ns))
			return;
		wki_limbo_sweep();
	}
}

void wki_service_end(uint64_t deadline_ns)
{
	bool threads = wki_service_has_threads();

	pthread_mutex_lock(&service_lock);
	wki_runner_stop();
	if (threads)
		pthread_join(service_runner, NULL);
	else
		wki_runner_rest();
	service_settle_limbo(deadline_ns);
	if (threads) {
		wki_grace_stop();
		pthread_join(service_grace, NULL);
	}
	/* SVC-6 release; pairs: SVC-4; weaker: not needed for memory; check: api/runtime_test */
	atomic_store_release(&service_threads, 0);
	wki_grace_gone();
	service_set(WKI_SERVICE_OFF);
	wki_limbo_sweep(); /* in the grace thread's place: it is gone */
	wki_slab_tidy();
	pthread_mutex_unlock(&service_lock);
}

static uint32_t service_has_begun(void)
{
	/* SVC-9 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
	return atomic_load_relaxed(&service_begun);
}

bool wki_service_has_begun(void)
{
	return service_has_begun() != 0;
}

void wki_service_forked(bool closing)
{
	enum wki_service_state state = service_state();

	service_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	/* SVC-10 relaxed; pairs: none; weaker: not possible; check: api/fork_test (nobody else is there) */
	atomic_store_relaxed(&service_threads, 0);
	if (closing || (state != WKI_SERVICE_RUNNING && state != WKI_SERVICE_CLOSING))
		return;
	service_set(service_has_begun() == SERVICE_BEGUN_POLLED ? WKI_SERVICE_RUNNING : WKI_SERVICE_FORKED);
}
