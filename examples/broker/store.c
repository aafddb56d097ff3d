#include "store.h"

#include <xxhash.h>

WK_DEFINE_TYPE(blob_type, struct blob, .flags = 0);

/* What finds a blob: its bytes if they are shorter than a digest, else the digest. The length tells which. */
static wk_key name_of(struct argument value, XXH128_canonical_t *digest)
{
	if (value.length < sizeof *digest)
		return wk_key_bytes(value.bytes, value.length);
	XXH128_canonicalFromHash(digest, XXH3_128bits(value.bytes, value.length));
	return wk_key_bytes(digest->digest, sizeof digest->digest);
}

static struct blob *make_blob(struct argument value, int *status)
{
	struct blob *blob = WK_NEW_FLEX(struct blob, bytes, value.length, &blob_type, status);

	if (!blob)
		return NULL;
	blob->length = value.length;
	memcpy(blob->bytes, value.bytes, value.length);
	return blob;
}

static void *make_named_blob(wk_key name, void *value, int *status)
{
	(void)name;
	return make_blob(*(const struct argument *)value, status);
}

static bool holds(const struct blob *blob, struct argument value)
{
	return blob->length == value.length && memcmp(blob->bytes, value.bytes, value.length) == 0;
}

static const struct blob *intern(struct store *store, struct argument value, int *status)
{
	XXH128_canonical_t digest;
	const struct blob *blob = wk_value_dict_get_or_create(
		store->blobs, name_of(value, &digest), WK_CREATE_RACE, make_named_blob, &value, status);

	if (!blob || *status == WK_CREATED || holds(blob, value))
		return blob;
	wk_release(blob);
	return make_blob(value, status);
}

int store_open(struct store *store)
{
	wk_value_dict_options keys = { .struct_size = sizeof keys,
		.name = "keys",
		.keys = WK_KEYS_BYTES,
		.values = WK_VALUES_STRONG,
		.value_type = &blob_type };
	wk_value_dict_options blobs = { .struct_size = sizeof blobs,
		.name = "blobs",
		.keys = WK_KEYS_BYTES,
		.values = WK_VALUES_WEAK,
		.value_type = &blob_type };
	int status;

	store->keys = wk_value_dict_new(&keys, &status);
	if (!store->keys)
		return status;
	store->blobs = wk_value_dict_new(&blobs, &status);
	if (!store->blobs)
		wk_clear(&store->keys);
	return status;
}

void store_close(struct store *store)
{
	wk_clear(&store->keys);
	wk_clear(&store->blobs);
}

/* Whether this is the key's value already: then neither a blob nor an entry has to be made to store it once more. */
static bool has_already(const struct store *store, struct argument key, struct argument value)
{
	WK_READ_SECTION();
	const struct blob *blob = store_peek(store, key);

	return blob && holds(blob, value);
}

int store_set(struct store *store, struct argument key, struct argument value)
{
	int status;

	if (has_already(store, key, value))
		return WK_OK;
	WK_AUTO const struct blob *blob = intern(store, value, &status);

	return blob ? wk_value_dict_set(store->keys, store_key(key), blob) : status;
}

const struct blob *store_peek(const struct store *store, struct argument key)
{
	return wk_value_dict_peek(store->keys, store_key(key));
}

const struct blob *store_get(const struct store *store, struct argument key)
{
	return wk_value_dict_get(store->keys, store_key(key));
}

void store_get_many(const struct store *store, const wk_key *keys, size_t count, void **blobs)
{
	wk_value_dict_get_many(store->keys, keys, count, blobs);
}

bool store_remove(struct store *store, struct argument key)
{
	return wk_value_dict_remove(store->keys, store_key(key)) == WK_OK;
}

bool store_contains(const struct store *store, struct argument key)
{
	return wk_value_dict_contains(store->keys, store_key(key));
}

void store_clear(struct store *store)
{
	wk_value_dict_clear(store->keys);
}

size_t store_keys(const struct store *store)
{
	return wk_value_dict_len(store->keys);
}

size_t store_blobs(const struct store *store)
{
	return wk_value_dict_len(store->blobs);
}
