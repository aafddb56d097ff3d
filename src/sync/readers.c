/*
 * sync/readers.c - grace periods by looking at readers
 *
 * Layer: sync. Whoever waits here is registered with liburcu himself, which keeps the places mapped: at the end of a
 * process liburcu gives them back when nobody is.
 */
#define _GNU_SOURCE
/* What the inlined read side is made of: the place of a thread, and how it says that it is inside. */
#define _LGPL_SOURCE
#include <urcu-bp.h>
#undef _LGPL_SOURCE

#include "sync/readers.h"

#include <linux/membarrier.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "sync/event.h"

#define READERS_MAX 1024u          /* threads at one time */
#define READER_LOOKS 64u           /* a reader that runs has left its section by then */
#define READER_PAUSE_NS 20000u     /* one that does not needs its processor back: sleep, a little longer each time */
#define READERS_PATIENCE_NS 20000000u

/* liburcu's places need not be aligned as their type says: only their first word is looked at. */
typedef const unsigned long reader_place;
_Static_assert(offsetof(struct urcu_bp_reader, ctr) == 0, "a reader's place begins with its ctr");

static unsigned long readers_nobody;
_Thread_local unsigned long *wki_reader_known = &readers_nobody;

static WKI_ATOMIC_POINTER(reader_place) readers[READERS_MAX]; /* then NULL */
static wki_atomic_u32 readers_strange; /* 1: somebody found no room */
static wki_atomic_u32 readers_barrier; /* enum barrier */
enum barrier { BARRIER_UNKNOWN, BARRIER_WORKS, BARRIER_FAILS };

static unsigned long *reader_self(void)
{
	if (URCU_TLS(urcu_bp_reader) == NULL)
		urcu_bp_register();
	return (unsigned long *)(void *)URCU_TLS(urcu_bp_reader);
}

bool wki_reader_is_known(void)
{
	return wki_reader_known == (void *)URCU_TLS(urcu_bp_reader);
}

void wki_reader_introduce(void)
{
	unsigned long *self = reader_self();
	reader_place *there;
	unsigned i;

	if (!urcu_bp_has_sys_membarrier)
		return; /* nobody will look at it */
	for (i = 0; i < READERS_MAX; i++) {
		there = NULL;
		/* RDR-1 release; pairs: RDR-2; weaker: not needed, membarrier carries it; check: unit/sync/rcu_test */
		if (atomic_cas_release(&readers[i], &there, self) || there == self)
			break;
	}
	if (i == READERS_MAX) {
		/* RDR-3 relaxed; pairs: none; weaker: not possible; check: unit/sync/rcu_test (membarrier comes before RDR-4) */
		atomic_store_relaxed(&readers_strange, 1);
	}
	wki_reader_known = self;
	cmm_barrier(); /* the caller may be inside already: what he reads, he reads after this */
}

static long readers_membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

/* Does liburcu's read side leave the barriers to us, and can we make them? */
static bool readers_have_barrier(void)
{
	/* RDR-5 relaxed; pairs: none; weaker: not possible; check: unit/sync/rcu_test (everybody finds the same) */
	uint32_t barrier = atomic_load_relaxed(&readers_barrier);

	if (barrier != BARRIER_UNKNOWN)
		return barrier == BARRIER_WORKS;
	barrier = urcu_bp_has_sys_membarrier && readers_membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 ?
		BARRIER_WORKS : BARRIER_FAILS;
	/* RDR-6 relaxed; pairs: none; weaker: not possible; check: as RDR-5 */
	atomic_store_relaxed(&readers_barrier, barrier);
	return barrier == BARRIER_WORKS;
}

static bool reader_is_inside(reader_place *reader)
{
	return (CMM_LOAD_SHARED(*reader) & URCU_BP_GP_CTR_NEST_MASK) != 0;
}

/* It is inside whenever it is looked at. */
static bool reader_stays(reader_place *reader)
{
	unsigned looks;

	for (looks = 0; looks < READER_LOOKS; looks++) {
		if (!reader_is_inside(reader))
			return false;
		caa_cpu_relax();
	}
	return true;
}

static void reader_pause(uint64_t waited)
{
	const struct timespec pause = { .tv_nsec = (long)(READER_PAUSE_NS + waited / 16) };

	(void)nanosleep(&pause, NULL);
}

/* false: somebody has been inside for too long; patience 0: for a moment */
static bool readers_leave(uint64_t patience)
{
	const uint64_t begun = patience != 0 ? wki_now() : 0;
	reader_place *reader;
	uint64_t waited;
	unsigned i;

	for (i = 0; i < READERS_MAX; i++) {
		/* RDR-2 acquire; pairs: RDR-1; weaker: not needed, membarrier carries it; check: unit/sync/rcu_test */
		reader = atomic_load_acquire(&readers[i]);
		if (reader == NULL)
			break;
		while (reader_stays(reader)) {
			waited = patience != 0 ? wki_now() - begun : 0;
			if (waited >= patience)
				return false;
			reader_pause(waited);
		}
	}
	/* RDR-4 relaxed; pairs: none; weaker: not possible; check: as RDR-3 */
	return atomic_load_relaxed(&readers_strange) == 0;
}

static bool readers_outlast(uint64_t patience)
{
	return readers_have_barrier() && readers_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0 && readers_leave(patience) &&
	       readers_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

bool wki_readers_wait(void)
{
	return readers_outlast(READERS_PATIENCE_NS);
}

bool wki_readers_look(void)
{
	return readers_outlast(0);
}
