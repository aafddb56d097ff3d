/*
 * weakref/runtime.h, owners by several threads: the drain against whatever it is to end, with both sides winning
 *
 * What the owner's code does is noted in plain memory, and read by who has drained: nothing else orders the two, so
 * ThreadSanitizer sees a drain that returns too early.
 */
#include "runtime_fixture.h"

#include "support/threads.h"

#define ROUNDS (THREADS_SANITIZED ? 500u : 3000u)

struct thing {
	unsigned number;
};

/* Written by the owner's code. */
static struct {
	unsigned destroyed, called, released, finalized, worked;
} done;

static void thing_destroy(void *payload)
{
	(void)payload;
	done.destroyed++;
}

WK_DEFINE_OWNED_TYPE(thing_type, struct thing, .destroy = thing_destroy);
WK_DEFINE_TYPE(host_type, struct thing, .flags = 0);

static int run(wk_weakref *ref, void *argument)
{
	(void)ref;
	(void)argument;
	done.called++;
	return 0;
}

static int finalize(void *argument)
{
	(void)argument;
	done.finalized++;
	return 0;
}

static void work(void *argument)
{
	(void)argument;
	done.worked++;
}

static void release(void *argument)
{
	(void)argument;
	done.released++;
}

/* One race: thread 0 drains, the others do what `other` says. */
struct scene {
	void (*prepare)(struct scene *scene);
	void (*other)(struct scene *scene, unsigned thread);
	/* Of the round. */
	wk_owner *owner;
	struct thing *host, *own;
	wk_weakref *ref;
	wk_queue *queue;
	_Atomic unsigned expected; /* what must have been done when the drain is over, by the scene's own count */
	unsigned (*count)(void);
	unsigned counted;
	/* Of all rounds. */
	_Atomic unsigned long left, right, wrong;
};

static void scene_prepare(void *context)
{
	struct scene *scene = context;
	int status;

	scene->owner = wk_owner_new("raced", &status);
	race_add(&scene->wrong, scene->owner == NULL);
	thing_type.owner = scene->owner;
	scene->expected = 0;
	memset(&done, 0, sizeof(done));
	if (scene->prepare != NULL)
		scene->prepare(scene);
}

static void scene_act(void *context, unsigned thread)
{
	struct scene *scene = context;

	if (thread != 0) {
		scene->other(scene, thread);
		return;
	}
	race_add(&scene->wrong, wk_owner_drain(scene->owner, WK_NO_TIMEOUT, NULL) != WK_OK);
	scene->counted = scene->count != NULL ? scene->count() : 0;
}

static void scene_settle(void *context)
{
	struct scene *scene = context;

	race_add(&scene->wrong, scene->counted != scene->expected);
	wk_weakref_release(scene->ref);
	wk_release(scene->host);
	wk_release(scene->owner);
	scene->ref = NULL;
	scene->host = NULL;
}

static bool scene_decided(void *context)
{
	const struct scene *scene = context;

	return scene->left > 0 && scene->right > 0;
}

static void scene_run(struct scene *scene, unsigned threads)
{
	const struct race race = { threads, ROUNDS, scene_prepare, scene_act, scene_settle, scene_decided };

	race_run(&race, scene);
	assert_int_equal(scene->wrong, 0);
	assert_true(scene->left > 0 && scene->right > 0);
}

/* What was allowed (left), and what was refused (right). */
static bool scene_note(struct scene *scene, int status)
{
	race_add(&scene->left, status >= 0);
	race_add(&scene->right, status == WK_ESHUTDOWN);
	race_add(&scene->wrong, status < 0 && status != WK_ESHUTDOWN);
	if (status >= 0)
		atomic_fetch_add(&scene->expected, 1);
	return status >= 0;
}

/* Constructors. */

static unsigned count_destroyed(void)
{
	return done.destroyed;
}

static void other_makes(struct scene *scene, unsigned thread)
{
	struct thing *thing = wk_new(&thing_type);

	if (!scene_note(scene, thing != NULL ? WK_OK : wk_last_status()))
		return;
	if (thread % 2 == 0)
		wk_weak_release(wk_downgrade(thing));
	wk_release(thing);
}

static void test_drain_against_constructors(void **state)
{
	struct scene scene = { .other = other_makes, .count = count_destroyed };

	(void)state;
	scene_run(&scene, 3);
}

/* Registrations. */

static void prepare_host(struct scene *scene)
{
	scene->host = wk_new(&host_type);
}

static unsigned count_released(void)
{
	return done.called == 0 ? done.released : 99;
}

static void other_watches(struct scene *scene, unsigned thread)
{
	const wk_callback callback = { run, NULL, release, NULL, scene->owner };
	int status;

	(void)thread;
	scene->ref = wk_weakref_new(scene->host, &callback, &status);
	(void)scene_note(scene, status);
}

static void test_drain_against_callbacks(void **state)
{
	struct scene scene = { .prepare = prepare_host, .other = other_watches, .count = count_released };

	(void)state;
	scene_run(&scene, 2);
}

static unsigned count_finalized(void)
{
	return done.finalized == done.released ? done.finalized : 99;
}

static void other_finalizes(struct scene *scene, unsigned thread)
{
	const wk_finalizer_options options = { finalize, NULL, release, NULL, scene->owner, false };
	int status;

	(void)thread;
	wk_finalizer_release(wk_finalizer_new(scene->host, &options, &status));
	(void)scene_note(scene, status);
}

static void test_drain_against_finalizers(void **state)
{
	struct scene scene = { .prepare = prepare_host, .other = other_finalizes, .count = count_finalized };

	(void)state;
	scene_run(&scene, 2);
}

/* Posts: who posts also drains. */

static unsigned count_worked(void)
{
	return done.worked == done.released ? done.worked : 99;
}

static void other_posts(struct scene *scene, unsigned thread)
{
	(void)thread;
	(void)scene_note(scene, wk_queue_post_owned(scene->queue, scene->owner, work, NULL, release));
	(void)wk_queue_drain(scene->queue, 0);
}

static void test_drain_against_posts(void **state)
{
	struct scene scene = { .other = other_posts, .count = count_worked, .queue = wk_queue_new(NULL, NULL) };

	(void)state;
	scene_run(&scene, 2);
	wk_release(scene.queue);
}

/* Deaths: of the program's object, whose callback runs or is taken back; the argument is released all the same. */

static void prepare_watched(struct scene *scene)
{
	const wk_callback callback = { run, NULL, release, NULL, scene->owner };

	prepare_host(scene);
	scene->ref = wk_weakref_new(scene->host, &callback, NULL);
	race_add(&scene->wrong, scene->ref == NULL);
	scene->expected = 1;
}

static unsigned count_released_whatever(void)
{
	return done.called <= 1 ? done.released : 99;
}

static void other_kills(struct scene *scene, unsigned thread)
{
	(void)thread;
	wk_clear(&scene->host);
}

static void settle_watched(void *context)
{
	struct scene *scene = context;

	race_add(&scene->left, done.called == 1);
	race_add(&scene->right, done.called == 0);
	scene_settle(context);
}

static void test_drain_against_death(void **state)
{
	struct scene scene = { .prepare = prepare_watched, .other = other_kills, .count = count_released_whatever };
	const struct race race = { 2, ROUNDS, scene_prepare, scene_act, settle_watched, scene_decided };

	(void)state;
	race_run(&race, &scene);
	assert_int_equal(scene.wrong, 0);
	assert_true(scene.left > 0 && scene.right > 0);
}

/* Of its own object, with a callback, a weak handle and an entry: the drain waits for all of it. */

static void prepare_own(struct scene *scene)
{
	scene->own = wk_new(&thing_type);
	scene->expected = 3;
}

static unsigned count_end(void)
{
	return done.destroyed + done.called + done.released;
}

static void other_ends(struct scene *scene, unsigned thread)
{
	const wk_callback callback = { run, NULL, release, NULL, NULL };
	wk_weak *weak = wk_downgrade(scene->own);
	int status;
	wk_weakref *ref = wk_weakref_new(scene->own, &callback, &status);

	(void)thread;
	race_add(&scene->left, ref != NULL);
	race_add(&scene->right, status == WK_ESHUTDOWN);
	if (ref == NULL)
		scene->expected = 1;
	wk_weakref_release(wk_weakref_retain(ref));
	wk_clear(&scene->own);
	wk_weakref_release(ref);
	wk_weak_release(weak);
}

static void test_drain_against_its_own_objects(void **state)
{
	struct scene scene = { .prepare = prepare_own, .other = other_ends, .count = count_end };

	(void)state;
	scene_run(&scene, 2);
}

/* Who walks the types: one that has left is not met, and one that is met stays for the visit. */

static void prepare_listed(struct scene *scene)
{
	wk_release(wk_new(&thing_type));
	(void)scene;
}

static void visit(const wk_type *type, const wk_census *census, void *context)
{
	if (type == &thing_type && census->created > 0)
		*(unsigned *)context += 1;
}

static void other_walks(struct scene *scene, unsigned thread)
{
	unsigned met = 0;

	(void)thread;
	wk_runtime_each_type(visit, &met);
	race_add(met != 0 ? &scene->left : &scene->right, true);
	race_add(&scene->wrong, met > 1);
}

static void test_drain_against_who_walks_the_types(void **state)
{
	struct scene scene = { .prepare = prepare_listed, .other = other_walks };

	(void)state;
	scene_run(&scene, 3);
}

/* Several who drain: all are told that it is over, when it is. */

static void other_drains(struct scene *scene, unsigned thread)
{
	int status = wk_owner_drain(scene->owner, thread == 1 ? WK_NO_TIMEOUT : 0, NULL);

	race_add(&scene->left, status == WK_OK);
	race_add(&scene->right, status == WK_ETIMEDOUT);
	race_add(&scene->wrong, status == WK_OK ? done.destroyed != 1 : thread == 1);
}

static void test_drains_against_each_other(void **state)
{
	struct scene scene = { .prepare = prepare_listed, .other = other_drains };

	(void)state;
	scene_run(&scene, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drain_against_constructors),
		cmocka_unit_test(test_drain_against_callbacks),
		cmocka_unit_test(test_drain_against_finalizers),
		cmocka_unit_test(test_drain_against_posts),
		cmocka_unit_test(test_drain_against_death),
		cmocka_unit_test(test_drain_against_its_own_objects),
		cmocka_unit_test(test_drain_against_who_walks_the_types),
		cmocka_unit_test(test_drains_against_each_other),
		cmocka_unit_test(test_the_accounts_balance),
	};

	return cmocka_run_group_tests_name("weakref/runtime.h, owners, threads", tests, runtime_setup, NULL);
}
