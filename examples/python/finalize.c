/* Finalizers, as docs/python.md shows them beside Python's: each line of its table stands here.
 * They run once: when the object dies, when they are called, or at the end, the newest first.
 * Python: weakref.finalize. Here: weakref/finalizer.h. */
#include "person.h"

static int say(void *argument)
{
	printf("%s\n", (const char *)argument);
	return 6;
}

static int calling(void)
{
	int status, result = 0;
	Person *o = person("Guido");
	wk_finalizer *f = wk_finalizer_new(o, &(wk_finalizer_options){ .run = say, .argument = "called" }, &status);
	if (!f)
		return status;
	SHOW(wk_finalizer_alive(f));
	wk_finalizer_options options;
	Person *peeked = wk_finalizer_peek(f, &options);
	SHOW(peeked == o && options.run == say && !options.skip_at_exit);
	wk_release(peeked);
	SHOW(wk_finalizer_call(f, &result) == WK_OK);
	SHOW(result);
	SHOW(wk_finalizer_alive(f));
	SHOW(wk_finalizer_call(f, &result) == WK_EDEAD);
	wk_finalizer_release(f);
	wk_release(o);
	return WK_OK;
}

static int dying(void)
{
	Person *o = person("Guido");
	wk_finalizer *f = wk_finalizer_new(o, &(wk_finalizer_options){ .run = say, .argument = "detached" }, NULL);
	if (!f)
		return WK_ENOMEM;
	SHOW(wk_finalizer_detach(f) == WK_OK);
	wk_finalizer_release(f);
	f = wk_finalizer_new(o, &(wk_finalizer_options){ .run = say, .argument = "died" }, NULL);
	wk_finalizer_release(f); /* it stays registered */
	wk_release(o);
	return wk_barrier(WK_NO_TIMEOUT);
}

int main(void)
{
	if (calling() < 0 || dying() < 0)
		return 1;
	Person *o = person("Guido");
	wk_finalizer *f = wk_finalizer_new(o, &(wk_finalizer_options){ .run = say, .argument = "first" }, NULL);
	wk_finalizer *g = wk_finalizer_new(o, &(wk_finalizer_options){ .run = say, .argument = "second" }, NULL);
	wk_finalizer *h = wk_finalizer_new(o, &(wk_finalizer_options){ .run = say, .argument = "not at exit" }, NULL);
	wk_finalizer_set_at_exit(h, false);
	int status = wk_runtime_shutdown(WK_NO_TIMEOUT, NULL); /* as the end of the process: runs g, then f */
	SHOW(wk_finalizer_alive(h));
	status |= wk_finalizer_detach(h); /* else the death of the object would run it */
	wk_finalizer_release(f);
	wk_finalizer_release(g);
	wk_finalizer_release(h);
	wk_release(o);
	return status;
}
