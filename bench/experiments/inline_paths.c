/*
 * What the call into the shared library costs on the fast paths, to decide whether they are inline in the headers:
 * upgrade and release, retain and release, a read section, each as exported and as the same code inlined here.
 *
 * Both sides work on one object, which stays alive. The inlined side is the library's own code (core/control.h,
 * sync/rcu.h); the end of life is a branch never taken, as if a header inlined the fast path and called the rest.
 */
#include "../harness.h"

#include "core/control.h"
#include "sync/rcu.h"

#include <weakref.h>

#include <stdio.h>
#include <stdlib.h>

struct payload {
	uint64_t id;
	unsigned char rest[PAYLOAD_SIZE - sizeof(uint64_t)];
};
WK_DEFINE_TYPE(payload_type, struct payload, .destroy = NULL);

static struct payload *shared;
static wk_weak *weak;
static const uint64_t id = 1;

/* The shared library keeps its own to itself. */
void wki_stop_no_object(const void *payload)
{
	(void)payload;
	abort();
}

static unsigned long nobody;
_Thread_local unsigned long *wki_reader_known = &nobody;

void wki_reader_introduce(void)
{
	(void)wki_read_ongoing();
	if (urcu_bp_has_sys_membarrier)
		wki_reader_known = (unsigned long *)(void *)URCU_TLS(urcu_bp_reader);
}

void wki_read_lock_slowly(void)
{
	wki_reader_introduce();
	urcu_bp_read_lock();
}

void wki_read_unlock_slowly(void)
{
	urcu_bp_read_unlock();
}

static uint64_t exported_upgrade(void *state, struct worker *worker, size_t operations)
{
	uint64_t wrong = 0;

	(void)state;
	(void)worker;
	for (size_t i = 0; i < operations; i++) {
		const struct payload *object = wk_upgrade(weak);

		wrong += !object || object->id != id;
		wk_release(object);
	}
	return wrong;
}

static uint64_t exported_retain(void *state, struct worker *worker, size_t operations)
{
	uint64_t wrong = 0;

	(void)state;
	(void)worker;
	for (size_t i = 0; i < operations; i++) {
		const struct payload *object = wk_retain(shared);

		wrong += object->id != id;
		wk_release(object);
	}
	return wrong;
}

static uint64_t exported_section(void *state, struct worker *worker, size_t operations)
{
	(void)state;
	(void)worker;
	for (size_t i = 0; i < operations; i++) {
		wk_read_lock();
		wk_read_unlock();
	}
	return 0;
}

static inline void inlined_release(const void *object)
{
	if (wki_strong_count(wki_count_release(&wki_control_of(object)->count, 1)) == 1)
		abort();
}

static inline const void *inlined_retain(const void *object)
{
	(void)wki_count_retain(&wki_control_of(object)->count, 1);
	return object;
}

static uint64_t inlined_upgrade_release(void *state, struct worker *worker, size_t operations)
{
	uint64_t wrong = 0;

	(void)state;
	(void)worker;
	for (size_t i = 0; i < operations; i++) {
		const struct payload *object = wki_control_upgrade(wki_control_of_weak(weak));

		wrong += !object || object->id != id;
		inlined_release(object);
	}
	return wrong;
}

static uint64_t inlined_retain_release(void *state, struct worker *worker, size_t operations)
{
	uint64_t wrong = 0;

	(void)state;
	(void)worker;
	for (size_t i = 0; i < operations; i++) {
		const struct payload *object = inlined_retain(shared);

		wrong += object->id != id;
		inlined_release(object);
	}
	return wrong;
}

static uint64_t inlined_section(void *state, struct worker *worker, size_t operations)
{
	(void)state;
	(void)worker;
	for (size_t i = 0; i < operations; i++) {
		wki_read_lock();
		wki_read_unlock();
	}
	return 0;
}

static const struct contender contenders[] = {
	{ .name = "upgrade+release, exported", .run = exported_upgrade },
	{ .name = "upgrade+release, inlined", .run = inlined_upgrade_release },
	{ .name = "retain+release, exported", .run = exported_retain },
	{ .name = "retain+release, inlined", .run = inlined_retain_release },
	{ .name = "read section, exported", .run = exported_section },
	{ .name = "read section, inlined", .run = inlined_section }
};
enum { CONTENDERS = sizeof contenders / sizeof *contenders };

int main(void)
{
	struct plan plan = { .rounds = 9, .warm_ns = 5000000, .sample_ns = 40000000 };
	struct measurement measured[CONTENDERS];

	shared = wk_new(&payload_type);
	if (!shared)
		return EXIT_FAILURE;
	shared->id = id;
	weak = wk_downgrade(shared);
	harness_start(2);
	for (plan.threads = 1; plan.threads <= 2; plan.threads++) {
		harness_measure(&plan, 1, contenders, CONTENDERS, measured);
		for (size_t i = 0; i < CONTENDERS; i++)
			printf("%u threads  %-28s %7.1f ns  (%.1f to %.1f)\n", plan.threads, contenders[i].name,
				measured[i].ns.median, measured[i].ns.min, measured[i].ns.max);
	}
	harness_stop();
	wk_weak_release(weak);
	wk_release(shared);
	return EXIT_SUCCESS;
}
