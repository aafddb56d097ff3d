/* Cache: pages by path, rendered once however many threads ask, found for as long as anybody uses them.
 * The last few are kept alive by a ring of strong cells, so that a page survives until the next request.
 * Elsewhere: Caffeine with weakValues and a maximum size. Here: wk_value_dict_get_or_create, wk_cell_store. */
#include <pthread.h>
#include <stdio.h>
#include <weakref.h>

struct page {
	size_t length;
	char html[];
};
WK_DEFINE_TYPE(page_type, struct page, .flags = 0);

enum {
	RECENT = 2 /* pages that are kept though nobody uses them */
};

struct cache {
	wk_value_dict *pages; /* by path, weak */
	wk_cell recent[RECENT];
	size_t next; /* place in the ring, under the lock */
	pthread_mutex_t lock;
};

/* Slow, and without a lock: it may wait, it may ask the cache for other pages. */
static void *page_render(wk_key path, void *context, int *status)
{
	struct page *page = WK_NEW_FLEX(struct page, html, path.number + 16, &page_type, status);

	(void)context;
	if (page)
		page->length = (size_t)snprintf(
			page->html, path.number + 16, "<h1>%.*s</h1>", (int)path.number, (const char *)path.data);
	printf("rendered %s\n", (const char *)path.data);
	return page;
}

/* A new page puts the oldest out. */
static void cache_keep(struct cache *cache, const struct page *page)
{
	pthread_mutex_lock(&cache->lock);
	size_t place = cache->next++ % RECENT;
	pthread_mutex_unlock(&cache->lock);
	wk_cell_store(&cache->recent[place], page);
}

/* A strong reference, or NULL and *status. */
static const struct page *cache_get(struct cache *cache, const char *path, int *status)
{
	const struct page *page = wk_value_dict_get_or_create(
		cache->pages, wk_key_string(path), WK_CREATE_ONCE, page_render, NULL, status);

	if (page && *status == WK_CREATED)
		cache_keep(cache, page);
	return page;
}

static int cache_init(struct cache *cache)
{
	const wk_value_dict_options by_path = {
		.struct_size = sizeof by_path,
		.name = "pages",
		.keys = WK_KEYS_BYTES,
		.value_type = &page_type,
	};
	int status;

	*cache = (struct cache){ .pages = wk_value_dict_new(&by_path, &status), .lock = PTHREAD_MUTEX_INITIALIZER };
	return cache->pages ? WK_OK : status;
}

static void cache_end(struct cache *cache)
{
	for (size_t i = 0; i < RECENT; i++)
		wk_cell_clear(&cache->recent[i]);
	wk_clear(&cache->pages);
}

static struct cache cache;

static void *request(void *path)
{
	int status;
	WK_AUTO const struct page *page = cache_get(&cache, path, &status);

	return (void *)(page ? "found" : wk_strerror(status));
}

int main(void)
{
	pthread_t other;
	void *result = NULL;
	if (cache_init(&cache) < 0 || pthread_create(&other, NULL, request, "/") != 0)
		return 1;
	request("/"); /* at the same time: one of the two renders it */
	pthread_join(other, &result);
	printf("the other thread: %s\n", (const char *)result);
	request("/a");
	request("/"); /* still in the ring */
	request("/b");
	printf("%zu pages\n", wk_value_dict_len(cache.pages));
	request("/"); /* no longer: nobody used it, and two others came */

	cache_end(&cache);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
