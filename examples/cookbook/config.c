/* Hot swap of a configuration: readers take the present one without a lock, a reload puts the next in its place.
 * Who still works with the old one keeps it; it goes with its last user. A failed reload changes nothing.
 * Elsewhere: arc-swap, atomic<shared_ptr<const config>>. Here: wk_cell_peek, wk_cell_load, _give and _update. */
#include <pthread.h>
#include <stdio.h>
#include <weakref.h>

struct config { /* never changed once it is in the cell */
	unsigned version;
	unsigned limit;
};

WK_DEFINE_TYPE(config_type, struct config, .flags = 0);

static wk_cell current = WK_CELL_INIT;

/* For a moment: nothing is counted, nothing shared is written. */
static bool is_allowed(unsigned size)
{
	WK_READ_SECTION();
	const struct config *config = wk_cell_peek(&current);

	return config && size <= config->limit;
}

/* A whole new configuration. */
static int reload(unsigned version, unsigned limit)
{
	struct config *next = WK_NEW(struct config, &config_type);

	if (!next)
		return wk_last_status();
	next->version = version;
	next->limit = limit;
	wk_cell_give(&current, next); /* our reference becomes the cell's */
	return WK_OK;
}

/* A change of the present one: others may change it at the same time, and no change is lost. */
static void *with_double_limit(void *old, void *context, int *status)
{
	const struct config *config = old;
	struct config *next = WK_NEW(struct config, &config_type);

	(void)context;
	if (!next || !config) {
		*status = config ? wk_last_status() : WK_ENOTFOUND;
		wk_release(next);
		return NULL;
	}
	next->version = config->version + 1;
	next->limit = config->limit * 2;
	return next; /* if another thread was faster, it is released and we are asked again */
}

static void *double_limit(void *unused)
{
	(void)unused;
	wk_cell_update(&current, with_double_limit, NULL);
	return NULL;
}

int main(void)
{
	pthread_t a, b;
	if (reload(1, 100) < 0)
		return 1;
	printf("150 allowed: %d\n", is_allowed(150));
	const struct config *mine = wk_cell_load(&current); /* for longer: a reference of our own */
	if (pthread_create(&a, NULL, double_limit, NULL) != 0 || pthread_create(&b, NULL, double_limit, NULL) != 0)
		return 1;
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	WK_AUTO_WEAK wk_weak *old = wk_downgrade(mine);
	printf("350 allowed: %d, version %u is still ours\n", is_allowed(350), mine->version);
	wk_release(mine); /* its last user */
	printf("it is gone: %d\n", wk_weak_expired(old));

	wk_cell_clear(&current);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
