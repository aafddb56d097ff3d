/*
 * weakref/runtime.h - start, shutdown, barrier, statistics
 *
 * Dead objects are ended by two threads of the library: "grace" waits until nobody peeks them any more, the runner
 * runs destructors and callbacks. Both block all signals, have names, and are started by the first constructor or by
 * wk_runtime_start, never by a release. In WK_THREAD_NONE there are none: the program calls wk_runtime_poll.
 *
 * The end of a program that wants its accounts balanced: stop its own threads, close its queues, release its
 * containers and objects, wk_runtime_shutdown. A program that simply exits need not call anything; but LeakSanitizer
 * does not see through the tags in a container's slots, and takes the entries of one that is alive at exit for lost.
 */
#ifndef WEAKREF_RUNTIME_H
#define WEAKREF_RUNTIME_H

#include "weakref/object.h"

WK_BEGIN

/* The version of these headers; wk_version tells the library's. */
#define WK_VERSION_MAJOR 0
#define WK_VERSION_MINOR 1
#define WK_VERSION_PATCH 0
#define WK_VERSION (WK_VERSION_MAJOR * 1000000 + WK_VERSION_MINOR * 1000 + WK_VERSION_PATCH)
#define WK_VERSION_STRING "0.1.0"

/* wk_runtime_options.throttle_ns: wk_new never waits. For event loops. */
#define WK_NO_THROTTLE UINT64_MAX

typedef enum wk_thread_mode {
	WK_THREAD_OWN, /* the library's threads */
	WK_THREAD_NONE /* the program calls wk_runtime_poll */
} wk_thread_mode;

/*
 * Who sees to it that the child of a fork can use the library: see "After fork" below. The library uses liburcu's flavour
 * urcu-bp, whose hooks must be called once around each fork, by whoever does it.
 */
typedef enum wk_fork_mode {
	WK_FORK_AUTOMATIC,   /* fork does it all */
	WK_FORK_RCU_BY_HOST, /* fork does it, but for urcu_bp_before_fork and its like: the program calls them around fork */
	WK_FORK_MANUAL,      /* the program calls wk_fork_before and its like, and none of liburcu's */
	WK_FORK_NONE         /* nobody: a child may only exec or _exit */
} wk_fork_mode;

/* All zeroes but struct_size: the defaults. Marks count objects that are dead and not given back yet, and bytes. */
typedef struct wk_runtime_options {
	size_t struct_size; /* sizeof(wk_runtime_options) */
	wk_thread_mode thread;
	wk_fork_mode fork;
	const wk_allocator *allocator; /* for everything; NULL: malloc. Static */
	uint64_t soft_objects;         /* above it wk_new is throttled; 0: 2^20 */
	uint64_t soft_bytes;           /* likewise; 0: 64 MiB */
	uint64_t hard_objects;         /* above it wk_new fails with WK_ENOMEM; 0: no such mark */
	uint64_t hard_bytes;           /* likewise */
	uint64_t throttle_ns;          /* the longest wait for every 64 objects made; 0: 1 ms; WK_NO_THROTTLE: none */
	/*
	 * Told of what nobody else can be told: a callback or finalizer that failed, one that ended its thread, a
	 * failure on the library's own threads. On the thread where it happened; must not wait. NULL: a line on
	 * stderr. type_name may be NULL.
	 */
	void (*on_error)(void *context, int status, const char *type_name, const char *message);
	void *on_error_context;
	bool leave_finalizers_at_exit; /* the end of the process runs no finalizers; a shutdown still does */
} wk_runtime_options;

typedef struct wk_shutdown_report {
	size_t struct_size;   /* in: sizeof(wk_shutdown_report) */
	uint64_t not_run;     /* destructors and callbacks that were due and have not run, queues included */
	uint64_t still_alive; /* objects with strong references; wk_runtime_each_type tells of which types */
} wk_shutdown_report;

/* Since the process began, the library's own objects (queues, containers) included; (now): at this moment. */
typedef struct wk_stats {
	size_t struct_size; /* in: sizeof(wk_stats) */
	uint64_t objects_created;
	uint64_t objects_destroyed;    /* destroy is over; without destroy: dead */
	uint64_t dead_objects_waiting; /* (now) dead, and neither destroyed nor given back: the backlog */
	uint64_t dead_bytes_waiting;   /* (now) their bytes */
	uint64_t backlog_peak;         /* most objects that ever waited */
	uint64_t callbacks_run;        /* posted work, on queues and the runner */
	uint64_t destroys_run;
	uint64_t grace_periods;
	uint64_t grace_wait_max_ns; /* the longest grace period */
	uint64_t runner_lag_ns;     /* (now) age of the oldest thing that waits in the runner; 0: nothing waits */
	uint64_t threads;           /* (now) threads of the program that the library keeps a record of */
	uint64_t throttled;         /* times that a wk_new waited */
	uint64_t abandoned;         /* objects given up without destroy: by a queue that dropped them, or to a fork's parent */
	uint64_t calls_abandoned;   /* callbacks, finalizers and posts that were pending at a fork: the parent's */
	uint64_t forks;             /* forks between the first process and this one */
} wk_stats;

/**
 * wk_runtime_start - start the runtime, with options
 *
 * Counted: every start that did not fail wants its wk_runtime_shutdown, so a library and the program around it may
 * both start and end it. The first constructor starts it too, with defaults and uncounted, so calling this is
 * optional: for options, and for a shutdown that waits for the last user. After a complete shutdown it starts anew.
 *
 * Ownership: `options` is borrowed, what it points to must stay. NULL: takes whatever runs, or the defaults.
 * Threads:   any.
 * Context:   not in the runner's callbacks and destructors, in finalizers that a shutdown runs, nor in a read section:
 *            WK_EDEADLOCK.
 * Progress:  takes a lock; allocates; starts threads.
 * Ordering:  none.
 * Errors:    WK_OK; WK_EEXISTS: it runs already, `options` is ignored, the start counts all the same. Not counted:
 *            WK_EINVAL: struct_size or thread mode; WK_ENOMEM: no memory or no thread; WK_EBUSY: it is shutting down;
 *            WK_EDEADLOCK.
 * Like:      curl_global_init.
 */
WK_API int wk_runtime_start(const wk_runtime_options *options);

/**
 * wk_runtime_shutdown - end what one wk_runtime_start began; the last one ends the runtime
 *
 * The last one: constructors fail with WK_ESHUTDOWN from now on, finalizers that are alive run here, the newest first
 * (those with skip_at_exit stay), everything that is due is run until the deadline, the library's threads end.
 * Afterwards retain, release, upgrade, get, remove and their like still work; objects that die then are not destroyed
 * unless the runtime is started again. One that is not the last only runs what is due. Without any counted start it
 * ends what the first constructor began.
 *
 * Ownership: fills `report`, as much of it as struct_size says; NULL: no report.
 * Threads:   any.
 * Context:   not in the runner's callbacks and destructors, in finalizers that a shutdown runs, nor in a read section:
 *            WK_EDEADLOCK, not counted.
 * Progress:  runs finalizers; then waits until the deadline at most, plus what a callback takes that runs at that
 *            moment.
 * Ordering:  WK_OK: what the destructors did is seen.
 * Errors:    WK_OK: it is down and all that was due has run. WK_ETIMEDOUT: it is down, report->not_run were not run
 *            and are kept for a later start. WK_EBUSY: other starts remain. WK_ESHUTDOWN: it does not run.
 *            WK_EINVAL: struct_size of the report, not counted. WK_EDEADLOCK.
 * Like:      curl_global_cleanup, uv_loop_close.
 */
WK_API int wk_runtime_shutdown(uint64_t timeout_ns, wk_shutdown_report *report);

/**
 * wk_runtime_poll - in WK_THREAD_NONE, do what the library's threads would do
 *
 * Runs at most `budget` destructors and callbacks that are due; 0: all that are due. It may wait for read sections of
 * other threads to end: a grace period, microseconds as a rule, as long as the longest section at worst.
 *
 * Ownership: none.
 * Threads:   one at a time; a second thread, or a call from inside a callback, does nothing.
 * Context:   not in a read section: the wait could never end, so the process stops with a message.
 * Progress:  waits as said; runs user code.
 * Ordering:  acquire: destructors see what was done before the releases.
 * Errors:    returns how many ran; 0 in WK_THREAD_OWN.
 * Like:      ck_epoch_poll, uv_run(UV_RUN_NOWAIT).
 */
WK_API size_t wk_runtime_poll(size_t budget);

/**
 * wk_barrier - wait until what died before the call is over
 *
 * When it returns WK_OK, for every object that died before the call: its destroy and callbacks have run if they are
 * the runner's, and are posted if they are a queue's. Asynchronous destructors have begun. In WK_THREAD_NONE it does
 * the work itself.
 *
 * Ownership: none.
 * Threads:   any, several at once.
 * Context:   not in the runner's callbacks and destructors, nor in a read section: WK_EDEADLOCK. Callbacks that a
 *            queue's thread drains may.
 * Progress:  waits, without polling. Not a cancellation point.
 * Ordering:  WK_OK: what those destructors and callbacks did is seen.
 * Errors:    WK_ETIMEDOUT; WK_EDEADLOCK; WK_ENOMEM; WK_ESHUTDOWN: the runtime was shut down. Nothing to wait for is
 *            WK_OK.
 * Like:      rcu_barrier, hazard pointers' cleanup.
 */
WK_API WK_MUST_USE int wk_barrier(uint64_t timeout_ns);

/*
 * Owners.
 *
 * A plug-in that is loaded with dlopen leaves its code and data in many places: types, callbacks, finalizers, posts,
 * kinds of keys. It gives each of them its owner; then wk_owner_drain tells when nothing of it is left anywhere in the
 * library, so that dlclose is safe.
 *
 *   types        WK_DEFINE_OWNED_TYPE, with `type.owner` set before its first object
 *   callbacks    wk_callback.owner; NULL: that of the object's type
 *   finalizers   wk_finalizer_options.owner; likewise
 *   posts        wk_queue_post_owned
 *   keys         wk_key_type.owner
 *
 * What the library cannot see is the plug-in's own to end before: its threads; its functions that others call (event
 * loops, who calls wk_destroy_done); queues with a `wake` of its: close them; dictionaries with a release_value or a removal
 * listener of its: clear them, then wk_barrier. The allocator of a type may be its own, that of a container may not: nobody
 * tells when the last block of that has come back.
 */

/* What still leads to an owner. */
typedef struct wk_drain_report {
	size_t struct_size; /* in: sizeof(wk_drain_report) */
	uint64_t objects;   /* of its types: alive, or dead and not destroyed yet; wk_runtime_each_type tells of which types */
	uint64_t remains;   /* of destroyed ones: what weak handles and weak reference objects keep */
	uint64_t armed;     /* callbacks and finalizers that wait for the death of such an object */
	uint64_t waiting;   /* callbacks and finalizers that are due, and arguments to be released, on queues or the runner */
	uint64_t running;   /* callbacks and finalizers that run now */
	uint64_t posts;     /* posted with wk_queue_post_owned, waiting or running */
	uint64_t keys;      /* containers with keys of its kinds, and their entries, removed ones that have not gone yet too */
} wk_drain_report;

/**
 * wk_owner_new - an owner, for what one plug-in or library registers
 *
 * Ownership: the result is an object (wk_retain, wk_release), to be released once, after it was drained: a last release
 *            while something is registered under it stops the process. `name`, for messages, is copied; NULL: none.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  as wk_new.
 * Ordering:  none.
 * Errors:    NULL and *status: WK_ENOMEM, WK_ESHUTDOWN.
 * Like:      Linux struct module, g_type_module_new.
 */
WK_API WK_MUST_USE wk_owner *wk_owner_new(const char *name, int *status);

/**
 * wk_owner_drain - end what was registered under an owner, and wait until nothing leads to it any more
 *
 * From the first call on, whatever the result, nothing new can be registered under it: constructors of its types, of
 * callbacks, finalizers and dictionaries, and posts, fail with WK_ESHUTDOWN. Callbacks and finalizers that watch objects
 * of other owners are taken back: a callback as by wk_weakref_cancel, but without waiting; a finalizer runs, the newest
 * first, unless it has skip_at_exit, as at the end of the process. Those that watch the owner's own objects stay. Then
 * it waits: for these objects to be released by whoever has references to them, weak ones included; for what is posted
 * to be run where it was posted to; for what runs to return. After WK_OK no code and no data of the owner's will be
 * used again, and its types are no longer counted by type.
 *
 * Ownership: borrows `owner`. Fills `report`, as much of it as struct_size says; NULL: no report.
 * Threads:   any; several may drain one owner. Again after WK_ETIMEDOUT, as often as need be.
 * Context:   not in a callback, destructor, factory or read section: WK_EDEADLOCK, nothing has changed. Not on the
 *            thread that is to drain the queue in which something waits.
 * Progress:  runs finalizers; then waits until the deadline at most, without polling. Not a cancellation point.
 * Ordering:  WK_OK: everything that the owner's code did is seen.
 * Errors:    WK_OK; WK_ETIMEDOUT: the report tells what is left; WK_ESHUTDOWN: something is left that will not be run
 *            any more, for the runtime was shut down; WK_EDEADLOCK; WK_EINVAL: `owner` is NULL, or the report's
 *            struct_size; WK_ENOMEM: in the child of a fork, no thread can be made.
 * Like:      Linux rcu_barrier before a module's exit, Java ClassLoader unloading.
 */
WK_API WK_MUST_USE int wk_owner_drain(wk_owner *owner, uint64_t timeout_ns, wk_drain_report *report);

/**
 * wk_runtime_stats - what the runtime has done so far
 *
 * Each figure is right for some moment of the call; together they are exact when nothing is in progress.
 *
 * Ownership: fills `stats`, as much of it as struct_size says; what this library does not know is 0.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  takes a short lock; linear in the threads.
 * Ordering:  none.
 * Errors:    none; with struct_size unset nothing is filled.
 * Like:      mallctl statistics, Linux /proc/slabinfo.
 */
WK_API void wk_runtime_stats(wk_stats *stats);

/**
 * wk_runtime_each_type - visit every type that has had an object
 *
 * With its census, in no order; the library's own types (queues, containers) included; without those of drained owners.
 *
 * Ownership: `census` is borrowed for the visit, and a type that has an owner too.
 * Threads:   any.
 * Context:   anywhere; `visit` may call everything that its surroundings allow, but not wk_owner_drain.
 * Progress:  runs `visit` with no lock held.
 * Ordering:  none.
 * Errors:    none.
 * Like:      GObject's instance count dump, Go's pprof heap profile.
 */
WK_API void wk_runtime_each_type(
	void (*visit)(const wk_type *type, const wk_census *census, void *context), void *context);

/*
 * After fork. The child can use every object, container and queue, whatever other threads were doing with them, and gets
 * threads of the library of its own when a constructor, wk_runtime_start, wk_barrier or wk_runtime_shutdown first needs
 * them. The counted starts of the parent count in the child too.
 *
 *	dead, destroy pending       the parent's: never destroyed in the child, counted in wk_stats.abandoned
 *	callback, finalizer, post,  the parent's, and so is the release of the argument: never run in the child, counted
 *	pending or running          in wk_stats.calls_abandoned; cancelling answers that it never ran, or that it has
 *	finalizer, alive            alive in both: each runs its own
 *	get_or_create in progress   the key is absent; whoever waited is not there
 *	queue                       empty; its descriptor is another one, at the same number: a process must not read what
 *	                            the other one's queue writes. epoll sets are shared with the parent; make a new one
 *	owner                       cannot be drained in the child if something of it was dead, pending or running
 *	references that threads     nobody's, so these objects live on: threads do not survive a fork, what they own is
 *	of the parent owned         lost. So is the memory they kept at hand
 *	a call that a thread was    never returns. It has happened, or not. A container's length may be off by one for
 *	in the middle of            each change that was cut short
 *
 * fork waits for the grace period that runs: as long as the longest read section, at worst. Not in a read section
 * (the process stops with a message), in a signal handler, nor in a callback on the library's own threads that returns in
 * the child: it ends there by exec or _exit. A pthread_atfork handler that is registered after the library was loaded may use
 * the library; signals are blocked from the library's own handler on until fork returns.
 */

/**
 * wk_fork_before - in WK_FORK_MANUAL, make ready for a fork
 *
 * Then call fork, and wk_fork_child in the child; wk_fork_parent in the parent, also if fork has failed.
 *
 * Ownership: none.
 * Threads:   any; of several that fork, one at a time, the others wait.
 * Context:   as fork, see above.
 * Progress:  waits for the grace period that runs; takes short locks, which are held until after the fork, and blocks all
 *            signals as long.
 * Ordering:  none.
 * Errors:    none; the process stops with a message in another mode, and inside a read section.
 * Like:      urcu_bp_before_fork, pthread_atfork's prepare.
 */
WK_API void wk_fork_before(void);

/**
 * wk_fork_parent - in WK_FORK_MANUAL, go on after a fork, in the parent
 *
 * Ownership: none.
 * Threads:   the one that called wk_fork_before.
 * Context:   right after fork.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; the process stops with a message without wk_fork_before.
 * Like:      urcu_bp_after_fork_parent.
 */
WK_API void wk_fork_parent(void);

/**
 * wk_fork_child - in WK_FORK_MANUAL, go on after a fork, in the child
 *
 * Ownership: none.
 * Threads:   the one that called wk_fork_before, which is the only one.
 * Context:   right after fork, before anything else of the library.
 * Progress:  linear in the parent's threads, its queues and the calls that are pending; takes no lock, allocates nothing
 *            and runs none of the program's code (but for the error hook, should a queue's descriptor not be had).
 * Ordering:  none.
 * Errors:    none; the process stops with a message without wk_fork_before.
 * Like:      urcu_bp_after_fork_child, Python's PyOS_AfterFork_Child.
 */
WK_API void wk_fork_child(void);

/**
 * wk_version - the library's WK_VERSION
 *
 * Ownership: none.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none.
 * Like:      uv_version.
 */
WK_API unsigned wk_version(void);

WK_END

#endif
