/* Finalizer and callback: something is done once an object is gone, without a destructor of its type.
 * The finalizer keeps itself, its handle may be dropped; a callback lives with its weak reference and gets it, dead.
 * Python: finalize(obj, print, 'message') and ref(obj, callback). Here: wk_finalizer_new, wk_weakref_new. */
#include <stdio.h>
#include <weakref.h>

typedef struct game {
	int score;
} Game;
WK_DEFINE_TYPE(game_type, Game, .flags = 0);

static int print_message(void *message)
{
	printf("%s\n", (const char *)message);
	return 0;
}

static int game_over(wk_weakref *ref, void *argument)
{
	char text[80];

	(void)argument;
	wk_weakref_format(ref, text, sizeof text);
	printf("GameOver %s\n", text);
	return 0;
}

int main(void)
{
	Game *game = WK_NEW(Game, &game_type);
	const wk_finalizer_options print = { .run = print_message, .argument = "message" };
	wk_finalizer_release(wk_finalizer_new(game, &print, NULL)); /* stays registered */
	wk_weakref *ref = wk_weakref_new(game, &(wk_callback){ .run = game_over }, NULL);
	char text[80];
	if (!ref)
		return 1;

	wk_weakref_format(ref, text, sizeof text);
	printf("%s\n", text);
	wk_release(game); /* both run now, on a thread of the library, the newest first */
	if (wk_barrier(WK_NO_TIMEOUT) < 0)
		return 1;
	printf("both have run\n");

	wk_weakref_release(ref);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
