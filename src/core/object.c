/*
 * core/object.c - constructors, strong references, what can be asked of an object
 *
 * Layer: core.
 */
#include "weakref/object.h"

#include <string.h>

#include "base/memory.h"
#include "core/census.h"
#include "core/control.h"
#include "core/owner.h"
#include "reclaim/backlog.h"
#include "reclaim/service.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"

/* Each constructor has its own copy: wk_new's options are constant, and what asks for them folds away. */
#define OBJECT_INLINE static inline __attribute__((always_inline))

static _Thread_local int object_status;

int wk_last_status(void)
{
	return object_status;
}

void wki_note_status(int code)
{
	object_status = code;
}

static void *object_fail(int *status, int code)
{
	object_status = code;
	if (status != NULL)
		*status = code;
	return NULL;
}

/* The brake on garbage: one look at the backlog, and at what the thread itself has retired, for so many objects. */
static bool object_may_be_made(void)
{
	struct wki_thread *thread = wki_thread_self();

	if (thread == NULL || ++thread->debt < WKI_BACKLOG_DEBT)
		return true;
	if (!wki_backlog_brake()) {
		thread->debt = WKI_BACKLOG_DEBT; /* the next one asks again */
		return false;
	}
	thread->debt = 0;
	if (!wki_read_ongoing())
		wki_limbo_help(&thread->limbo);
	return true;
}

OBJECT_INLINE int object_check(const wk_type *type, const wk_new_options *options, size_t size)
{
	int status = wki_service_need();

	if (status >= 0)
		status = wki_type_register(type);
	if (status < 0)
		return status;
	if (size < type->size || size > PTRDIFF_MAX - 2 * WK_ALIGNMENT_MAX)
		return size < type->size ? WK_EINVAL : WK_ENOMEM;
	if (options->memory != NULL && (uintptr_t)(options->memory + 1) % type->alignment != 0)
		return WK_EINVAL;
	if ((options->destroy_on != NULL || options->memory != NULL) && type->destroy == NULL)
		return WK_EINVAL; /* nobody would learn that the memory is free again */
	if (options->destroy_on != NULL && (type->flags & WK_TYPE_PROMPT) != 0)
		return WK_EINVAL;
	return object_may_be_made() ? WK_OK : WK_ENOMEM;
}

/* The payload's memory when it is not behind the control block. */
static void *object_payload_apart(const wk_type *type, const wk_new_options *options, size_t size)
{
	struct wki_layout layout;
	char *block;

	if (options->memory != NULL)
		return options->memory + 1;
	layout = wki_payload_layout(type, size);
	block = wki_block_allocate(type, &layout);
	return block == NULL ? NULL : block + layout.front;
}

/* Most payloads are a few lines at most: a call of memset with a length it does not know costs as much as all the rest. */
static inline void object_clear(void *payload, size_t size)
{
	char *at = payload, *last = at + size - 16;

	if (size < 16 || size > WKI_INLINE_MAX) {
		memset(payload, 0, size);
		return;
	}
	for (; at < last; at += 16) {
		memset(at, 0, 16);
		__asm__("" : "+r"(at)); /* or the loop is made a call of memset again */
	}
	memset(last, 0, 16);
}

OBJECT_INLINE void object_fill(void *payload, const wk_new_options *options, size_t size)
{
	if (options->copy_from != NULL)
		memcpy(payload, options->copy_from, size);
	else
		object_clear(payload, size);
}

OBJECT_INLINE struct wki_control *object_make(const wk_type *type, const wk_new_options *options, size_t size)
{
	bool extra = size != type->size || options->destroy_on != NULL;
	bool apart = options->memory != NULL || size > WKI_INLINE_MAX || type->alignment > 64;
	struct wki_layout layout = wki_control_layout(type, size, extra, apart);
	uint64_t flags = (apart ? WKI_STRONG_APART : 0) | (type->flags & WK_TYPE_PROMPT ? WKI_STRONG_NOPEEK : 0);
	char *block = wki_block_allocate(type, &layout);
	struct wki_control *control;
	void *payload;

	if (block == NULL)
		return NULL;
	control = (struct wki_control *)(void *)(block + layout.front);
	payload = apart ? object_payload_apart(type, options, size) : control + 1;
	if (payload == NULL) {
		wki_block_free(type, block, &layout);
		return NULL;
	}
	wki_count_init(&control->count, flags);
	/* OBJ-1 relaxed; pairs: none; weaker: not possible; check: api/object_test (nobody else's yet) */
	atomic_store_relaxed(&control->count.meta,
			     (extra ? WKI_EXTRA : 0) | (options->memory != NULL ? WKI_GIVEN : 0));
	/* OBJ-2 relaxed; pairs: none; weaker: not possible; check: api/object_test (nobody else's yet) */
	atomic_store_relaxed(&control->watches, NULL);
	control->type = type;
	if (extra)
		*wki_extra_of(control) = (struct wki_extra){ .size = size, .destroy_on = wk_retain(options->destroy_on) };
	if (apart)
		control->end.payload = payload;
	((uintptr_t *)payload)[-1] = wki_back_word(control); /* inline, this is end.back */
	object_fill(payload, options, size);
	return control;
}

/* The type's owner, if it has one, is held; the control block keeps the hold. */
OBJECT_INLINE struct wki_control *object_try(const wk_type *type, const wk_new_options *options, int *code)
{
	size_t size = options->size != 0 ? options->size : type->size;
	struct wki_control *control;

	*code = object_check(type, options, size);
	if (unlikely(*code < 0))
		return NULL;
	control = object_make(type, options, size);
	if (unlikely(control == NULL)) {
		*code = WK_ENOMEM;
		return NULL;
	}
	if (unlikely(((uintptr_t)control & ~WKI_BACK_MASK) != 0))
		wki_stop("objects need addresses below 2^48 without tags, this allocator gives %p", (void *)control);
	wki_census_created(type);
	return control;
}

OBJECT_INLINE void *object_new(const wk_type *type, const wk_new_options *options, int *status)
{
	struct wki_control *control;
	int code;

	if (unlikely(type == NULL))
		return object_fail(status, WK_EINVAL);
	if (unlikely(!wki_owner_hold(type->owner)))
		return object_fail(status, WK_ESHUTDOWN);
	control = object_try(type, options, &code);
	if (unlikely(control == NULL)) {
		wki_owner_drop(type->owner);
		return object_fail(status, code);
	}
	if (status != NULL)
		*status = WK_OK;
	return wki_payload_of(control, wki_count_peek(&control->count));
}

void *wk_new(const wk_type *type)
{
	return object_new(type, &(const wk_new_options){ 0 }, NULL);
}

void *wk_new_with(const wk_type *type, const wk_new_options *options, int *status)
{
	return object_new(type, options != NULL ? options : &(const wk_new_options){ 0 }, status);
}

void wk_discard(void *object)
{
	struct wki_control *control;

	if (object == NULL)
		return;
	control = wki_control_of(object);
	if (!wki_control_is_sole(control))
		wki_stop_control(control, "discarded, but somebody else has seen it");
	wki_count_end(&control->count);
	wki_control_retire_without_destroy(control, false);
}

static inline void *object_retain(const void *object, size_t count)
{
	struct wki_control *control;
	uint64_t before;

	if (object == NULL || count == 0)
		return (void *)(uintptr_t)object;
	control = wki_control_of(object);
	before = wki_count_retain(&control->count, count);
	if (unlikely((before & WKI_STRONG_DEAD) != 0 || wki_strong_count(before) == 0))
		wki_stop_control(control, "retained after its last release");
	return (void *)(uintptr_t)object;
}

void *(wk_retain)(const void *object)
{
	return object_retain(object, 1);
}

void *wk_retain_many(const void *object, size_t count)
{
	return object_retain(object, count);
}

void wk_release(const void *object)
{
	if (object != NULL)
		wki_control_release(wki_control_of(object), 1);
}

void wk_release_many(const void *object, size_t count)
{
	if (object == NULL || count == 0)
		return;
	if (unlikely(count > WKI_STRONG_COUNT)) /* less than none, as a signed number */
		wki_stop_control(wki_control_of(object), "released more often than retained");
	wki_control_release(wki_control_of(object), count);
}

void *wk_try_retain(const void *peeked)
{
	return peeked == NULL ? NULL : wki_control_upgrade(wki_control_of(peeked));
}

size_t wk_strong_count(const void *object)
{
	uint64_t strong;

	if (object == NULL)
		return 0;
	strong = wki_count_peek(&wki_control_of(object)->count);
	return strong & WKI_STRONG_DEAD ? 0 : wki_strong_count(strong);
}

size_t wk_weak_count(const void *object)
{
	return object == NULL ? 0 : wki_control_weak_handles(wki_control_of(object));
}

const wk_type *wk_type_of(const void *object)
{
	return object == NULL ? NULL : wki_control_of(object)->type;
}

size_t wk_size_of(const void *object)
{
	return object == NULL ? 0 : wki_control_size(wki_control_of(object));
}

bool wk_is_type(const void *object, const wk_type *type)
{
	return object != NULL && wki_control_of(object)->type == type;
}

int wk_type_census(const wk_type *type, wk_census *census)
{
	uint64_t created = 0, destroyed = 0;

	if (type == NULL || type->state == NULL || census == NULL || census->struct_size < sizeof(*census))
		return WK_EINVAL;
	wki_census_read(type, &created, &destroyed);
	census->created = created;
	census->destroyed = destroyed;
	return WK_OK;
}
