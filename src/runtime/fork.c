/*
 * runtime/fork.c - fork, with the library in the middle of everything
 *
 * The child has one thread. It finds the memory as it was at one instant, and every other thread
 * of the parent stopped for ever between two instructions. Nobody is waited for and no gate is
 * closed: the protocols promise that a thread stopped anywhere stops nobody (promise 12), so most
 * of what the lost threads were at is merely left: an operation that never returns, counts that
 * they owned and nobody gives back. What that is not enough for:
 *
 *	a claim ("I am at it")        carries the generation, and is void in the child (base/generation.h)
 *	what must not stay half done  a thread's intent: the child finishes it (reclaim/thread.h)
 *	what waits to be run          the parent's: mailboxes, batches, queues and limbos are emptied
 *	                              without looking, and counted (wk_stats)
 *	plain data under a lock       options, finalizers, queues, owners, slabs: the lock is taken across
 *	                              the fork
 *	other locks                   of start and shutdown: made anew, what they guard is one word
 *	our threads                   not there; the first need starts them (WKI_SERVICE_FORKED)
 *	liburcu                       its own hooks, if they are ours to call
 *
 *	before   stop inside a read section; liburcu's lock (waits for the grace period that runs, and
 *	         blocks signals); our five locks, under which nobody waits for liburcu
 *	parent   the locks, liburcu
 *	child    the generation; then layer by layer from below, in the order of fork_child_reset; the
 *	         locks, liburcu
 *
 * The child's handler takes no other lock, enters no read section, calls no allocator and no code of
 * the program: a child that only execs is safe whatever else the program has in it.
 *
 * docs/decisions/0006-fork.md has the argument, step by step.
 *
 * Layer: runtime.
 */
#include "runtime/fork.h"

#include <pthread.h>

#include "base/atomic.h"
#include "base/check.h"
#include "base/generation.h"
#include "collect/create.h"
#include "collect/values.h"
#include "core/control.h"
#include "core/owner.h"
#include "notify/finalizer.h"
#include "notify/queue.h"
#include "reclaim/backlog.h"
#include "reclaim/grace.h"
#include "reclaim/runner.h"
#include "reclaim/service.h"
#include "reclaim/slab.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"

static wki_atomic_u32 fork_mode; /* enum wk_fork_mode */

static struct wki_fork_figures fork_figures; /* written in a child while it has one thread */

/* Between before and after, on the thread that forks. */
enum fork_progress { FORK_NONE, FORK_WITHOUT_RCU, FORK_WITH_RCU, FORK_BY_HAND };
static _Thread_local enum fork_progress fork_progress;

void wki_fork_use(wk_fork_mode mode)
{
	/* FRK-1 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
	atomic_store_relaxed(&fork_mode, (uint32_t)mode);
}

static wk_fork_mode fork_mode_now(void)
{
	/* FRK-2 relaxed; pairs: none; weaker: not possible; check: api/fork_test */
	return (wk_fork_mode)atomic_load_relaxed(&fork_mode);
}

void wki_fork_read(struct wki_fork_figures *figures)
{
	*figures = fork_figures;
}

static void fork_before(enum fork_progress progress)
{
	if (wki_read_ongoing())
		wki_stop("fork inside a read section: it would wait for itself");
	if (progress != FORK_WITHOUT_RCU)
		wki_rcu_before_fork();
	wki_runtime_lock_options();
	wki_finalizers_lock();
	wki_queues_lock();
	pthread_mutex_lock(&wki_owner_lock);
	wki_slab_lock(); /* last: whoever has one of the others may allocate */
	fork_progress = progress;
}

static void fork_unlock(void)
{
	wki_slab_unlock();
	pthread_mutex_unlock(&wki_owner_lock);
	wki_queues_unlock();
	wki_finalizers_unlock();
	wki_runtime_unlock_options();
}

static void fork_parent(void)
{
	bool with_rcu = fork_progress != FORK_WITHOUT_RCU;

	fork_progress = FORK_NONE;
	fork_unlock();
	if (with_rcu)
		wki_rcu_after_fork_parent();
}

static void fork_finish_intent(struct wki_intent *intent)
{
	wki_store_forked(intent);
	wki_control_forked(intent);
}

/*
 * Intents come when there is a runner's mailbox and a limbo to give to, which they do without reclaiming; the
 * queues before them, so that nothing is told of twice.
 */
static void fork_child_reset(void)
{
	struct wki_thread *thread;

	wki_generation++;
	wki_grace_forked();
	fork_figures.calls += wki_runner_forked();
	wki_threads_forked();
	fork_figures.objects += wki_backlog_forked() + wki_controls_forked();
	fork_figures.calls += wki_queues_forked();
	wki_creations_forked();
	thread = wki_thread_if_any();
	if (thread != NULL)
		thread->limbo.busy = true;
	wki_intents_forked(fork_finish_intent);
	if (thread != NULL)
		thread->limbo.busy = false;
	wki_runtime_forked();
}

static void fork_child(void)
{
	bool with_rcu = fork_progress != FORK_WITHOUT_RCU;

	fork_progress = FORK_NONE;
	fork_child_reset();
	fork_unlock();
	if (with_rcu)
		wki_rcu_after_fork_child();
}

/* What fork calls. Before the first start liburcu's hooks are the host's, whatever mode it is going to choose. */

static void fork_handle_before(void)
{
	wk_fork_mode mode = fork_mode_now();

	if (mode == WK_FORK_AUTOMATIC && wki_service_has_begun())
		fork_before(FORK_WITH_RCU);
	else if (mode == WK_FORK_AUTOMATIC || mode == WK_FORK_RCU_BY_HOST)
		fork_before(FORK_WITHOUT_RCU);
}

static bool fork_is_handled(void)
{
	return fork_progress == FORK_WITHOUT_RCU || fork_progress == FORK_WITH_RCU;
}

static void fork_handle_parent(void)
{
	if (fork_is_handled())
		fork_parent();
}

static void fork_handle_child(void)
{
	if (fork_is_handled())
		fork_child();
}

int wki_fork_register(void)
{
	return pthread_atfork(fork_handle_before, fork_handle_parent, fork_handle_child);
}

/* What the program calls. */

void wk_fork_before(void)
{
	if (fork_mode_now() != WK_FORK_MANUAL)
		wki_stop("wk_fork_before is for WK_FORK_MANUAL, in other modes fork itself sees to it");
	if (fork_progress != FORK_NONE)
		wki_stop("wk_fork_before called twice");
	fork_before(FORK_BY_HAND);
}

static void fork_check_begun(const char *name)
{
	if (fork_progress != FORK_BY_HAND)
		wki_stop("%s without wk_fork_before", name);
}

void wk_fork_parent(void)
{
	fork_check_begun("wk_fork_parent");
	fork_parent();
}

void wk_fork_child(void)
{
	fork_check_begun("wk_fork_child");
	fork_child();
}
