/* Image cache: large images by name, in a dictionary that does not keep them alive.
 * An image is listed for as long as somebody shows it; with the last reference its entry goes, and its memory.
 * Python: a WeakValueDictionary of images. Here: wk_value_dict_set, wk_value_dict_get, WK_EACH, WK_NEW_FLEX. */
#include <inttypes.h>
#include <stdio.h>
#include <weakref.h>

struct image {
	unsigned width;
	unsigned height;
	uint32_t pixels[];
};

static void image_destroy(void *payload)
{
	const struct image *image = payload;

	printf("%ux%u: %zu bytes go back\n", image->width, image->height, wk_size_of(image) - sizeof *image);
}
WK_DEFINE_TYPE(image_type, struct image, .destroy = image_destroy);

static struct image *image_load(unsigned width, unsigned height)
{
	struct image *image = WK_NEW_FLEX(struct image, pixels, (size_t)width * height, &image_type, NULL);

	if (image) {
		image->width = width;
		image->height = height;
	}
	return image;
}

static void list(wk_value_dict *cache)
{
	printf("%zu in the cache\n", wk_value_dict_len(cache));
	WK_EACH(struct image, image, cache) /* holds each image for its turn */
		printf("  %s, %ux%u\n", (const char *)wk_cursor_key(&image_cursor, NULL), image->width, image->height);
}

int main(void)
{
	const wk_value_dict_options of = { .struct_size = sizeof of, .keys = WK_KEYS_BYTES, .value_type = &image_type };
	wk_value_dict *cache = wk_value_dict_new(&of, NULL);
	struct image *kitty = image_load(1200, 600);
	const char name[] = "hello_kitty.png"; /* the key takes its final 0 along, so that a cursor gives a string */

	if (!cache || !kitty || wk_value_dict_set(cache, wk_key_bytes(name, sizeof name), kitty) < 0)
		return 1;
	list(cache);
	struct image *shown =
		wk_value_dict_get(cache, wk_key_bytes(name, sizeof name)); /* the same image, held twice */
	wk_release(kitty);
	list(cache);
	wk_release(shown); /* the last one: the image leaves the cache at once; a thread of the library destroys it */
	if (wk_barrier(WK_NO_TIMEOUT) < 0)
		return 1;
	list(cache);

	wk_release(cache);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
