/*
 * tests/plugin/plugin.c - one type of each sort, callbacks, finalizers, posts and keys, all under one owner
 *
 * Whatever is called looks at `magic`, so that it needs the plug-in's data as well as its code.
 */
#include "plugin.h"

#include <stdlib.h>

#define MAGIC 0x5eedu

static volatile unsigned magic = MAGIC;
static struct plugin_counts *counts;
static wk_owner *plugin_owner;
static wk_value_dict *dict;

static void count(_Atomic unsigned long *what)
{
	atomic_fetch_add_explicit(magic == MAGIC ? what : &counts->wrong, 1, memory_order_relaxed);
}

static int count_status(int status)
{
	if (status == WK_ESHUTDOWN)
		count(&counts->refused);
	else if (status < 0)
		count(&counts->wrong);
	return status;
}

/* Objects. */

struct thing {
	unsigned number;
};

static void thing_destroy(void *payload)
{
	(void)payload;
	count(&counts->destroyed);
}

static void async_destroy(void *payload)
{
	count(&counts->destroyed);
	wk_destroy_done(payload);
	count(&counts->destroyed); /* the object may be gone, this code may not */
}

static void *plugin_allocate(void *context, size_t size, size_t alignment)
{
	(void)context;
	return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void plugin_release(void *context, void *memory, size_t size, size_t alignment)
{
	(void)context;
	(void)size;
	(void)alignment;
	if (magic == MAGIC)
		free(memory);
}

static const wk_allocator allocator = { plugin_allocate, plugin_release, NULL };

WK_DEFINE_OWNED_TYPE(thing_type, struct thing, .destroy = thing_destroy);
WK_DEFINE_OWNED_TYPE(plain_type, struct thing, .flags = 0);
WK_DEFINE_OWNED_TYPE(prompt_type, struct thing, .destroy = thing_destroy, .flags = WK_TYPE_PROMPT);
WK_DEFINE_OWNED_TYPE(large_type, char[1000], .allocator = &allocator);
WK_DEFINE_OWNED_TYPE(async_type, struct thing, .destroy = async_destroy, .flags = WK_TYPE_ASYNC_DESTROY);

static wk_type *const types[PLUGIN_MAKES] = {
	[PLUGIN_THING] = &thing_type,
	[PLUGIN_PLAIN] = &plain_type,
	[PLUGIN_PROMPT] = &prompt_type,
	[PLUGIN_LARGE] = &large_type,
	[PLUGIN_ASYNC] = &async_type,
};

static void *make(enum plugin_make what)
{
	void *object = wk_new(types[what]);

	if (object == NULL)
		(void)count_status(wk_last_status());
	else if (what == PLUGIN_ASYNC)
		atomic_fetch_add(&counts->made, 2);
	else if (what == PLUGIN_THING || what == PLUGIN_PROMPT)
		count(&counts->made);
	return object;
}

/* Callbacks, finalizers, posts: the argument is the number of releases. */

static void release(void *argument)
{
	count(argument);
}

static int called(wk_weakref *ref, void *argument)
{
	(void)argument;
	count(wk_weakref_get(ref) == NULL ? &counts->called : &counts->wrong);
	return 0;
}

static wk_weakref *watch(const void *object, wk_queue *queue)
{
	const wk_callback callback = { called, &counts->released, release, queue, plugin_owner };
	int status;
	wk_weakref *ref = wk_weakref_new(object, &callback, &status);

	if (count_status(status) == WK_OK)
		count(&counts->registered);
	return ref;
}

static int finalized(void *argument)
{
	(void)argument;
	count(&counts->finalized);
	return 0;
}

static wk_finalizer *finalize(const void *object, wk_queue *queue, bool skip_at_exit)
{
	const wk_finalizer_options options = { finalized, &counts->released, release, queue, plugin_owner, skip_at_exit };
	int status;
	wk_finalizer *finalizer = wk_finalizer_new(object, &options, &status);

	if (count_status(status) == WK_OK)
		count(&counts->registered);
	return finalizer;
}

static void posted(void *argument)
{
	(void)argument;
	count(&counts->posted);
}

static int post(wk_queue *queue)
{
	int status = wk_queue_post_owned(queue, plugin_owner, posted, &counts->released, release);

	if (count_status(status) == WK_OK)
		count(&counts->registered);
	return status;
}

/* Keys. */

static uint64_t key_hash(const void *key, uint64_t seed)
{
	return *(const unsigned *)key * UINT64_C(0x9e3779b97f4a7c15) ^ seed ^ magic;
}

static bool key_equal(const void *a, const void *b)
{
	return *(const unsigned *)a == *(const unsigned *)b && magic == MAGIC;
}

static void *key_copy(const void *key)
{
	unsigned *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *(const unsigned *)key;
	count(&counts->keys_copied);
	return copy;
}

static void key_release(void *key)
{
	free(key);
	count(&counts->keys_released);
}

static wk_key_type keys = { key_hash, key_equal, key_copy, key_release, NULL };

static void store(unsigned number, void *object)
{
	if (wk_value_dict_set(dict, wk_key_custom(&number), object) < 0)
		count(&counts->wrong);
}

static void *look(unsigned number)
{
	return wk_value_dict_get(dict, wk_key_custom(&number));
}

/* Beginning and end. */

static void start(wk_owner *owner, struct plugin_counts *where)
{
	const wk_value_dict_options options = {
		.struct_size = sizeof(options), .name = "the plug-in's", .keys = WK_KEYS_CUSTOM, .key_type = &keys
	};

	counts = where;
	plugin_owner = owner;
	keys.owner = owner;
	for (unsigned i = 0; i < PLUGIN_MAKES; i++)
		types[i]->owner = owner;
	dict = wk_value_dict_new(&options, NULL);
	if (dict == NULL)
		count(&counts->wrong);
}

static void stop(void)
{
	wk_clear(&dict);
}

__attribute__((visibility("default"))) const struct plugin test_plugin = {
	.start = start,
	.stop = stop,
	.make = make,
	.watch = watch,
	.finalize = finalize,
	.post = post,
	.store = store,
	.look = look,
};
