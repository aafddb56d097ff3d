#ifndef BROKER_STORE_H
#define BROKER_STORE_H

/*
 * The keys that SET makes, and their values.
 *
 * Values are blobs: immutable, counted, interned. `keys` is a value dictionary with strong values: a key keeps its blob
 * alive. `blobs` is a value dictionary with weak values: it finds the blob that has these bytes, as long as some key or
 * some client on its way keeps it. So equal values share memory, and the last key that lets go gives it back: no code
 * here removes anything from `blobs`.
 *
 * A blob is found by a digest of its bytes, not by the bytes: a dictionary copies its keys, and a second copy would
 * take back the memory that sharing saves. A digest proves nothing, so the bytes are compared; of two values with one
 * digest the second stays unshared. All functions are safe from any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <weakref.h>

#include "inline.h"

struct blob {
	size_t length;
	char bytes[];
};

struct store {
	wk_value_dict *keys;
	wk_value_dict *blobs;
};

/* WK_OK, or why not; then nothing needs closing. */
int store_open(struct store *store);
void store_close(struct store *store);

/* WK_CREATED, WK_OK: replaced, or a failure that changed nothing. */
int store_set(struct store *store, struct argument key, struct argument value);

/* Borrowed until the end of the caller's read section; NULL: no such key. */
const struct blob *store_peek(const struct store *store, struct argument key);

/* A strong reference, or NULL. */
const struct blob *store_get(const struct store *store, struct argument key);

/* The same for many keys at once: blobs[i] belongs to keys[i]. */
void store_get_many(const struct store *store, const wk_key *keys, size_t count, void **blobs);

static inline wk_key store_key(struct argument key)
{
	return wk_key_bytes(key.bytes, key.length);
}

bool store_remove(struct store *store, struct argument key);
bool store_contains(const struct store *store, struct argument key);
void store_clear(struct store *store);

size_t store_keys(const struct store *store);  /* number of keys */
size_t store_blobs(const struct store *store); /* number of different values alive */

#endif
