/*
 * What the call into the shared library costs on the fast paths, to decide whether they are inline in the headers:
 * upgrade and release, retain and release, a read section, each as exported and as the same code inlined here.
 *
 * The inlined side runs the library's own protocol code (core/count.h, sync/rcu.h) on an object that stays alive, so the
 * end of life is a branch never taken, as it would be if a header inlined the fast path and called the rest.
 */
#include "../harness.h"

#include "core/count.h"
#include "sync/rcu.h"

#include <weakref.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct payload {
	uint64_t id;
	unsigned char rest[PAYLOAD_SIZE - sizeof(uint64_t)];
};
WK_DEFINE_TYPE(payload_type, struct payload, .destroy = NULL);

static struct payload *exported_object;
static wk_weak *exported_weak;
static _Alignas(128) struct wki_count inlined_count;
static const uint64_t id = 1;

static uint64_t exported_upgrade(void *state, struct worker *worker, size_t operations)
{
	uint64_t wrong = 0;

	(void)state;
	(void)worker;
	for (size_t i = 0; i < operations; i++) {
		const struct payload *object = wk_upgrade(exported_weak);

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
		const struct payload *object = wk_retain(exported_object);

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

static inline void inlined_release(struct wki_count *count)
{
	uint64_t before = wki_count_release(count, 1);

	if (wki_strong_count(before) == 1)
		abort();
}

static uint64_t inlined_upgrade(void *state, struct worker *worker, size_t operations)
{
	uint64_t wrong = 0;

	(void)state;
	(void)worker;
	for (size_t i = 0; i < operations; i++) {
		wrong += (wki_count_upgrade(&inlined_count) & WKI_STRONG_DEAD) != 0;
		inlined_release(&inlined_count);
	}
	return wrong;
}

static uint64_t inlined_retain(void *state, struct worker *worker, size_t operations)
{
	(void)state;
	(void)worker;
	for (size_t i = 0; i < operations; i++) {
		(void)wki_count_retain(&inlined_count, 1);
		inlined_release(&inlined_count);
	}
	return 0;
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
	{ .name = "upgrade+release, inlined", .run = inlined_upgrade },
	{ .name = "retain+release, exported", .run = exported_retain },
	{ .name = "retain+release, inlined", .run = inlined_retain },
	{ .name = "read section, exported", .run = exported_section },
	{ .name = "read section, inlined", .run = inlined_section }
};
enum { CONTENDERS = sizeof contenders / sizeof *contenders };

int main(void)
{
	struct plan plan = { .rounds = 9, .warm_ns = 5000000, .sample_ns = 40000000 };
	struct measurement measured[CONTENDERS];

	exported_object = wk_new(&payload_type);
	if (!exported_object)
		return EXIT_FAILURE;
	exported_object->id = id;
	exported_weak = wk_downgrade(exported_object);
	wki_count_init(&inlined_count, 0);
	harness_start(2);
	for (plan.threads = 1; plan.threads <= 2; plan.threads++) {
		harness_measure(&plan, 1, contenders, CONTENDERS, measured);
		for (size_t i = 0; i < CONTENDERS; i++)
			printf("%u threads  %-28s %7.1f ns  (%.1f to %.1f)\n", plan.threads, contenders[i].name,
				measured[i].median, measured[i].min, measured[i].max);
	}
	harness_stop();
	wk_weak_release(exported_weak);
	wk_release(exported_object);
	return EXIT_SUCCESS;
}
