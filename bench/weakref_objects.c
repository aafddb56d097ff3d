/* Ours: objects and weak handles, through the public interface of the shared library. */
#include "weakref_payload.h"

/* Neighbours in memory could share a line: of each SPREAD objects one is used. */
enum { SPREAD = 4 };

struct state {
	struct payload *objects[MAX_THREADS * SPREAD];
	wk_weak *weak[MAX_THREADS];	/* one a thread */
};

static void *open_objects(size_t n)
{
	struct state *s = calloc(1, sizeof *s);

	(void)n;
	for (unsigned i = 0; i < MAX_THREADS * SPREAD; i++)
		s->objects[i] = payload_new(1);
	for (unsigned i = 0; i < MAX_THREADS; i++)
		s->weak[i] = wk_downgrade(s->objects[i * SPREAD]);
	return s;
}

static void close_objects(void *state)
{
	struct state *s = state;

	for (unsigned i = 0; i < MAX_THREADS; i++)
		wk_weak_release(s->weak[i]);
	for (unsigned i = 0; i < MAX_THREADS * SPREAD; i++)
		wk_release(s->objects[i]);
	settle(s);
	free(s);
}

static uint64_t upgrade_and_release(const wk_weak *weak, size_t operations)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < operations; i++) {
		const struct payload *object = wk_upgrade(weak);

		wrong += !object || object->id != 1;
		wk_release(object);
	}
	return wrong;
}

static uint64_t run_upgrade(void *state, struct worker *worker, size_t operations)
{
	(void)worker;
	return upgrade_and_release(((struct state *)state)->weak[0], operations);
}

static uint64_t run_upgrade_own(void *state, struct worker *worker, size_t operations)
{
	return upgrade_and_release(((struct state *)state)->weak[worker->index], operations);
}

static uint64_t run_new(void *state, struct worker *worker, size_t operations)
{
	(void)state;
	(void)worker;
	for (size_t i = 0; i < operations; i++)
		wk_release(payload_new(i));
	return 0;
}

static uint64_t run_new_weak(void *state, struct worker *worker, size_t operations)
{
	uint64_t wrong = 0;

	(void)state;
	(void)worker;
	for (size_t i = 0; i < operations; i++) {
		struct payload *object = payload_new(i);
		wk_weak *weak = wk_downgrade(object);

		wrong += !weak;
		wk_release(object);
		wk_weak_release(weak);
	}
	return wrong;
}

const struct implementation weakref_objects = {
	.name = "weakref", .open = open_objects, .close = close_objects, .settle = settle,
	.run = {
		[BENCH_UPGRADE] = run_upgrade, [BENCH_UPGRADE_OWN] = run_upgrade_own,
		[BENCH_NEW] = run_new, [BENCH_NEW_WEAK] = run_new_weak
	}
};
