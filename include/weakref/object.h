#ifndef WEAKREF_OBJECT_H
#define WEAKREF_OBJECT_H

#include "weakref/common.h"

WK_BEGIN

typedef struct wk_allocator {
	void *(*allocate)(void *context, size_t size, size_t alignment);
	void (*release)(void *context, void *memory, size_t size, size_t alignment);
	void *context;
} wk_allocator;

typedef struct wk_type_state {
	uintptr_t wk_private[4];
} wk_type_state;

enum {
	WK_TYPE_PROMPT = 1,
	WK_TYPE_NO_WEAK = 2,
	WK_TYPE_ASYNC_DESTROY = 4
};

struct wk_type {
	size_t struct_size;
	const char *name;
	size_t size;
	size_t alignment;
	wk_type_state *state;
	unsigned flags;
	wk_owner *owner;
	void (*destroy)(void *payload);
	uint64_t (*hash)(const void *payload);
	bool (*equal)(const void *a, const void *b);
	int (*format)(const void *payload, char *buffer, size_t size);
	int (*call)(void *payload, void *argument);
	const wk_allocator *allocator;
};

#define WK_DEFINE_TYPE(variable, T, ...) \
	static wk_type_state variable##_state; \
	WK_QUIET_BEGIN \
	static const wk_type variable = { \
		.struct_size = sizeof(wk_type), .name = #T, .size = sizeof(T), \
		.alignment = WK_ALIGNOF(T), .state = &variable##_state, __VA_ARGS__ \
	} \
	WK_QUIET_END

typedef struct wk_header {
	uintptr_t wk_private;
} wk_header;

typedef struct wk_new_options {
	size_t size;
	wk_queue *destroy_on;
	wk_header *memory;
	const void *copy_from;
} wk_new_options;

typedef struct wk_census {
	size_t struct_size;
	uint64_t created;
	uint64_t destroyed;
} wk_census;

WK_API WK_MUST_USE void *wk_new(const wk_type *type);
WK_API WK_MUST_USE void *wk_new_with(const wk_type *type, const wk_new_options *options, int *status);
WK_API int wk_last_status(void);
WK_API void wk_discard(void *object);
WK_API void *(wk_retain)(const void *object);
WK_API void *wk_retain_many(const void *object, size_t count);
WK_API void wk_release(const void *object);
WK_API void wk_release_many(const void *object, size_t count);
WK_API WK_MUST_USE void *wk_try_retain(const void *peeked);
WK_API void wk_destroy_done(void *payload);
WK_API size_t wk_strong_count(const void *object);
WK_API size_t wk_weak_count(const void *object);
WK_API const wk_type *wk_type_of(const void *object);
WK_API size_t wk_size_of(const void *object);
WK_API bool wk_is_type(const void *object, const wk_type *type);
WK_API bool wk_is_unique(const void *object);
WK_API int wk_type_census(const wk_type *type, wk_census *census);

static inline void *wk_new_flexible(const wk_type *type, size_t head, size_t count, size_t element, int *status)
{
	wk_new_options options = { SIZE_MAX, NULL, NULL, NULL };

	if (element == 0 || count <= (SIZE_MAX - head) / element)
		options.size = head + count * element;
	return wk_new_with(type, &options, status);
}

static inline void wk_auto_release(const void *slot)
{
	const void *object;

	memcpy(&object, slot, sizeof object);
	wk_release(object);
}

WK_END

#define WK_NEW(T, type) ((T *)wk_new(type))

#define WK_NEW_FLEX(T, member, count, type, status) \
	((T *)wk_new_flexible((type), offsetof(T, member), (count), sizeof(((T *)0)->member[0]), (status)))

#define WK_AUTO WK_CLEANUP(wk_auto_release) __attribute__((unused))

#ifdef __cplusplus

template <class T> inline T *wk_retain(T *object)
{
	return static_cast<T *>((wk_retain)(static_cast<const void *>(object)));
}

template <class T> inline void wk_clear(T **slot)
{
	T *old = *slot;
	*slot = nullptr;
	wk_release(old);
}

template <class T> inline T *wk_steal(T **slot)
{
	T *old = *slot;
	*slot = nullptr;
	return old;
}

#else

#define wk_retain(object) ((__typeof__(object))(wk_retain)(object))

#define wk_clear(slot) \
	do { \
		__typeof__(slot) wk_slot = (slot); \
		__typeof__(*wk_slot) wk_old = *wk_slot; \
		*wk_slot = NULL; \
		wk_release(wk_old); \
	} while (0)

#define wk_steal(slot) \
	__extension__({ \
		__typeof__(slot) wk_slot = (slot); \
		__typeof__(*wk_slot) wk_old = *wk_slot; \
		*wk_slot = NULL; \
		wk_old; \
	})

#endif

#endif
