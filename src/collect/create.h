/*
 * collect/create.h - get_or_create of any dictionary: who makes the value, and who waits for it
 *
 * What is made, and how it is stored, is the dictionary's: three functions.
 *
 * Layer: collect.
 */
#ifndef WKI_COLLECT_CREATE_H
#define WKI_COLLECT_CREATE_H

#include "collect/values.h"

/* The factories that a thread is in, innermost first. */
struct wki_create_frame {
	struct wki_create_frame *outer;
	struct wki_entry *flight; /* its own; NULL: RACE makes without one */
};

/* One call of get_or_create. */
struct wki_creation {
	wk_value_dict *dict;
	const struct wki_value_key *key;
	wk_create_mode mode;
	/* Runs the factory: product, or NULL and a status, which begins as WK_ENOMEM. May end its thread. */
	void (*make)(struct wki_creation *creation);
	/* The product goes in, or makes way for what is there by now: status and result. */
	void (*publish)(struct wki_creation *creation);
	/* The product is not the result. */
	void (*discard)(struct wki_creation *creation);
	struct wki_create_frame frame;
	void *product; /* owned */
	void *result;  /* the product, or what was there: the caller's */
	int status;
};

/* wki_create_check - WK_EINVAL: there is no such mode */
int wki_create_check(wk_create_mode mode);

/* wki_create - find the value or make it; the caller has looked for it in vain */
void wki_create(struct wki_creation *creation);

/* wki_creations_forked - in the child of a fork: what the thread that forked is making, it goes on making */
void wki_creations_forked(void);

#endif
