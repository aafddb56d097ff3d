/*
 * tests/plugin/plugin.h - what the program knows of its plug-in
 */
#ifndef TESTS_PLUGIN_PLUGIN_H
#define TESTS_PLUGIN_PLUGIN_H

#include <stdatomic.h>

#include "weakref.h"

/* What has happened in it; in the program's memory, for when it is gone. */
struct plugin_counts {
	_Atomic unsigned long made, destroyed;       /* objects with a destroy */
	_Atomic unsigned long registered, released;  /* arguments */
	_Atomic unsigned long called, finalized, posted;
	_Atomic unsigned long keys_copied, keys_released;
	_Atomic unsigned long refused; /* by the library, since the drain has begun */
	_Atomic unsigned long wrong;
};

enum plugin_make { PLUGIN_THING, PLUGIN_PLAIN, PLUGIN_PROMPT, PLUGIN_LARGE, PLUGIN_ASYNC, PLUGIN_MAKES };

struct plugin {
	/* With nothing of it in use. */
	void (*start)(wk_owner *owner, struct plugin_counts *counts);
	void (*stop)(void);
	/* By any thread; each fails once the drain has begun. */
	void *(*make)(enum plugin_make make);
	wk_weakref *(*watch)(const void *object, wk_queue *queue);
	wk_finalizer *(*finalize)(const void *object, wk_queue *queue, bool skip_at_exit);
	int (*post)(wk_queue *queue);
	/* Its own dictionary, by keys of its own kind. */
	void (*store)(unsigned number, void *object);
	void *(*look)(unsigned number);
};

/* What dlsym finds. */
#define PLUGIN_SYMBOL "test_plugin"
extern const struct plugin test_plugin;

#endif
