/* Frobnicate: how to use an object through a weak reference: upgrade, test the result, use it, release it.
 * Beside it the mistake, to test first and to upgrade then: between the two another thread drops the object.
 * Python: o = r(); if o is not None: o.frobnicate(). Here: wk_upgrade and wk_weak_expired, on two threads. */
#include <pthread.h>
#include <stdio.h>
#include <weakref.h>

struct widget {
	const char *name;
};
WK_DEFINE_TYPE(widget_type, struct widget, .flags = 0);

static pthread_barrier_t turn; /* each thread waits for the other, so that the race always goes the same way */

static void frobnicate(const struct widget *widget)
{
	printf("frobnicate %s\n", widget->name);
}

/* Right: the reference that is tested is the one that is used. */
static void upgrade_then_test(const wk_weak *weak)
{
	WK_AUTO struct widget *widget = wk_upgrade(weak);

	pthread_barrier_wait(&turn); /* the other thread drops its reference... */
	pthread_barrier_wait(&turn); /* ...and has done so */
	if (widget)
		frobnicate(widget);
	else
		printf("gone\n");
}

/* Wrong: what was true when it was tested need not be true any more. */
static void test_then_upgrade(const wk_weak *weak)
{
	bool alive = !wk_weak_expired(weak);

	pthread_barrier_wait(&turn);
	pthread_barrier_wait(&turn);
	WK_AUTO struct widget *widget = wk_upgrade(weak);
	if (alive && !widget)
		printf("it was alive, and now it is not: without the second test this would be a crash\n");
}

static void *drop(void *widget)
{
	pthread_barrier_wait(&turn);
	wk_release(widget);
	pthread_barrier_wait(&turn);
	return NULL;
}

static int with_other_thread(void (*use)(const wk_weak *))
{
	struct widget *widget = WK_NEW(struct widget, &widget_type);
	pthread_t other;

	if (!widget)
		return 1;
	widget->name = "a widget";
	WK_AUTO_WEAK wk_weak *weak = wk_downgrade(widget);
	if (pthread_create(&other, NULL, drop, widget) != 0)
		return 1;
	use(weak);
	pthread_join(other, NULL);
	return wk_weak_expired(weak) ? 0 : 1;
}

int main(void)
{
	if (pthread_barrier_init(&turn, NULL, 2) != 0)
		return 1;
	printf("upgrade, then test:\n");
	int failed = with_other_thread(upgrade_then_test);
	printf("test, then upgrade:\n");
	failed |= with_other_thread(test_then_upgrade);
	pthread_barrier_destroy(&turn);
	return failed;
}
