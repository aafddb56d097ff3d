/*
 * weakref/object.h - types, objects, strong references
 *
 * An object is a payload of the program's own struct type; the runtime keeps a control block for it. A strong
 * reference is an ordinary pointer to the payload that owns one strong count: the word in front of the payload
 * leads to the control block and carries a check value. A small payload (up to about 256 bytes) is allocated
 * together with its control block; a larger one apart, so that no weak reference ever keeps it.
 *
 * An object dies when its last strong reference is released: from that instant every upgrade, lookup and peek
 * misses it. Its destructor runs later, on the runner or on a queue, when nobody peeks it any more; see
 * docs/lifecycle.md for the whole story. Where a contract says that the process stops, a message names the type.
 */
#ifndef WEAKREF_OBJECT_H
#define WEAKREF_OBJECT_H

#include "weakref/common.h"

WK_BEGIN

/*
 * Where memory comes from. Both functions are called on any thread, release often on another one than
 * allocate, and also inside wk_release: they must not wait for other threads of the program nor call the
 * library. `size` (bytes) counts the control block too; `alignment` is a power of two, at most
 * WK_ALIGNMENT_MAX; release is told what allocate was asked for. allocate returns NULL without memory.
 */
typedef struct wk_allocator {
	void *(*allocate)(void *context, size_t size, size_t alignment);
	void (*release)(void *context, void *memory, size_t size, size_t alignment);
	void *context;
} wk_allocator;

/* What the runtime notes about a type. Static, zero at start, never touched by the program. */
typedef struct wk_type_state {
	uintptr_t wk_private[4];
} wk_type_state;

#define WK_ALIGNMENT_MAX 4096

enum {
	/*
	 * destroy runs on the releasing thread, before wk_release returns. Nested releases are worked off in a
	 * loop: a chain of a million objects needs no stack. Such objects cannot be peeked, nor destroyed on a queue.
	 */
	WK_TYPE_PROMPT = 1,
	/* No weak reference of any kind: wk_downgrade gives NULL, containers with weak values give WK_ETYPE. */
	WK_TYPE_NO_WEAK = 2,
	/* destroy only begins the end, as uv_close does; the program calls wk_destroy_done when it is over. */
	WK_TYPE_ASYNC_DESTROY = 4,
	/* Payloads stay where they are: they hold a lock, a list, a uv_handle_t. wk_into_inner and wk_make_unique: WK_ETYPE. */
	WK_TYPE_PINNED = 8
};

/*
 * A kind of object: static, constant, and there for as long as any object or weak reference of the kind.
 * Make it with WK_DEFINE_TYPE. The order of the members is ABI and the order of C++ initialisers: append only.
 */
struct wk_type {
	size_t struct_size;   /* sizeof(wk_type) as the program was compiled */
	const char *name;     /* for messages and reports */
	size_t size;          /* of a payload, bytes; wk_new_with can ask for more */
	size_t alignment;     /* of a payload: a power of two, at most WK_ALIGNMENT_MAX */
	wk_type_state *state; /* never NULL, not shared between types */
	unsigned flags;       /* WK_TYPE_... */
	wk_owner *owner;      /* of a plug-in, see WK_DEFINE_OWNED_TYPE; NULL: the program, which stays */
	/*
	 * Ends a payload: closes what it owns, releases what it refers to; the memory is not its business. Called
	 * once per dead object, on the runner, on the thread that drains the object's queue, or (WK_TYPE_PROMPT) on
	 * the releasing thread; may call everything but what waits for the runner (WK_EDEADLOCK then). It must
	 * accept a payload that is still all zeroes and must not raise, longjmp out, or end its thread.
	 * NULL: nothing to do.
	 */
	void (*destroy)(void *payload);
	/* Equality of payloads, and the hash that goes with it; both run in read sections, on objects that may be
	 * dead but are intact, and must not wait. NULL: objects are compared by identity only. */
	uint64_t (*hash)(const void *payload);
	bool (*equal)(const void *a, const void *b);
	int (*format)(const void *payload, char *buffer, size_t size); /* like snprintf; NULL: name and address */
	int (*call)(void *payload, void *argument);                    /* what wk_proxy_call does; NULL: cannot be called */
	const wk_allocator *allocator;                                 /* NULL: the runtime's */
	/*
	 * Completes a copy, for wk_make_unique: `payload` has the bytes of `from` already, and what they refer to must
	 * be retained, duplicated or opened anew. Below 0: it has failed and undone what it did; no destroy follows.
	 * Must not raise, nor longjmp out. NULL: bytes are enough, or, if there is a destroy, it cannot be copied.
	 */
	int (*copy)(void *payload, const void *from);
};

/*
 * WK_DEFINE_TYPE(session_type, struct session, .destroy = session_destroy);
 * Members that are not named are zero. Strict ISO compilers want at least one: `.flags = 0`. The type's name, for
 * messages, is what T is called here: a typedef gives another.
 */
#define WK_DEFINE_TYPE(variable, T, ...) WK_TYPE_DEFINITION(const wk_type, variable, T, __VA_ARGS__)

/*
 * The same for a plug-in that may be unloaded: `variable` is no constant, so that its owner (runtime.h) can be set,
 * before the first object: variable.owner = owner. Afterwards it must not be changed.
 */
#define WK_DEFINE_OWNED_TYPE(variable, T, ...) WK_TYPE_DEFINITION(wk_type, variable, T, __VA_ARGS__)

#define WK_TYPE_DEFINITION(qualified, variable, T, ...)             \
	static wk_type_state variable##_state;                      \
	WK_QUIET_BEGIN                                              \
	static qualified variable = { .struct_size = sizeof(wk_type), \
		.name = #T,                                         \
		.size = sizeof(T),                                  \
		.alignment = WK_ALIGNOF(T),                         \
		.state = &variable##_state,                         \
		__VA_ARGS__ };                                      \
	WK_QUIET_END                                                \
	WK_STATIC_ASSERT(WK_ALIGNOF(T) <= WK_ALIGNMENT_MAX, "payloads are aligned to 4096 bytes at most")

/* The word in front of a payload, for memory that the program brings: wk_new_options.memory. */
typedef struct wk_header {
	uintptr_t wk_private;
} wk_header;

/* How wk_new_with makes an object. All zeroes: as wk_new does. */
typedef struct wk_new_options {
	size_t size;           /* of this payload, bytes, at least type->size; 0: type->size */
	wk_queue *destroy_on;  /* destroy runs where this queue is drained, and the object retains it; NULL: runner */
	wk_header *memory;     /* the payload begins right behind it, aligned as the type demands; NULL: allocate */
	const void *copy_from; /* `size` bytes that the payload begins with; NULL: zeroes */
} wk_new_options;

/* Objects of one type so far. created - destroyed are alive, or dead and not yet destroyed. */
typedef struct wk_census {
	size_t struct_size; /* in: sizeof(wk_census) */
	uint64_t created;
	uint64_t destroyed; /* destroy is over; without destroy: dead; discarded and abandoned ones count too */
} wk_census;

/**
 * wk_new - make an object
 *
 * The payload is zeroed, its strong count is 1. If construction fails afterwards, wk_discard it, or wk_release
 * it when destroy copes with what is there.
 *
 * Ownership: the result is owned, wk_release it once.
 * Threads:   any. The first constructor in a process starts the runtime with default options.
 * Context:   anywhere.
 * Progress:  allocates. Waits at most throttle_ns for every 64 objects that the thread makes while too many dead
 *            ones wait (runtime.h), but never in a callback, a destructor or a read section. A thread whose dead objects
 *            make half a megabyte sees to a grace period itself: some microseconds, two system calls.
 * Ordering:  none.
 * Errors:    NULL; wk_last_status tells: WK_ENOMEM (no memory, the hard mark is reached, or the library's threads
 *            cannot be started), WK_ESHUTDOWN, WK_EINVAL (the type is malformed).
 * Like:      std::make_shared, Rust Arc::try_new, g_object_new.
 */
WK_API WK_MUST_USE void *wk_new(const wk_type *type);

/**
 * wk_new_with - make an object: flexible size, destructor's queue, given memory, copied payload
 *
 * Given memory: `size` bytes behind `memory` stay the object's until its destroy is called, which may give them
 * back as its last act (WK_TYPE_ASYNC_DESTROY: until wk_destroy_done returns). The control block is allocated.
 *
 * Ownership: the result is owned. `destroy_on` is retained for the object's life; `copy_from` is borrowed.
 *            Given memory is the caller's again at once if the call fails.
 * Threads:   as wk_new.
 * Context:   anywhere.
 * Progress:  as wk_new.
 * Ordering:  none.
 * Errors:    NULL and *status: WK_ENOMEM, WK_ESHUTDOWN as wk_new; WK_EINVAL: the type is malformed, size below
 *            type->size, memory misaligned, destroy_on or memory for a type without destroy, destroy_on for a type
 *            with WK_TYPE_PROMPT. On success *status is WK_OK. `options` NULL: as wk_new.
 * Like:      std::allocate_shared, kref_init on embedded memory.
 */
WK_API WK_MUST_USE void *wk_new_with(const wk_type *type, const wk_new_options *options, int *status);

/* Fills a payload in, which is all zeroes or a copy; `self` is borrowed for the call. Below 0: it has failed. */
typedef int wk_constructor(void *payload, wk_weak *self, void *context);

/**
 * wk_new_cyclic - make an object whose constructor is given a weak handle to it
 *
 * For what an object hands to others to find it again: its children's parent pointer, a timer's argument. The
 * constructor may retain `self` and give it away. Until it has returned, `self` upgrades to NULL, cannot be peeked,
 * and is not expired: this NULL is not final. A constructor that fails leaves nothing behind: `self` is dead for
 * ever, destroy does not run, and what the payload refers to is the constructor's to undo. One that ends its thread
 * has failed.
 *
 * Ownership: the result is owned, wk_release it once. `options` as for wk_new_with; `context` is borrowed.
 * Threads:   as wk_new. The payload is the constructor's alone until it returns.
 * Context:   anywhere that the constructor may run; it runs on the calling thread, with no lock held. It must not
 *            raise nor longjmp out. In it, no other call may be given the payload but wk_type_of and the like:
 *            retaining it, or registering it anywhere, stops the process with a message.
 * Progress:  as wk_new; runs the constructor.
 * Ordering:  release: whoever upgrades `self` afterwards sees what the constructor did.
 * Errors:    NULL and *status: what the constructor returned; WK_ETYPE: of a type with WK_TYPE_NO_WEAK; WK_EINVAL: no
 *            constructor; else as wk_new_with. On success *status is WK_OK.
 * Like:      Rust Arc::new_cyclic, std::enable_shared_from_this.
 */
WK_API WK_MUST_USE void *wk_new_cyclic(
	const wk_type *type, const wk_new_options *options, wk_constructor *constructor, void *context, int *status);

/**
 * wk_last_status - why the last wk_new or wk_cursor_next on this thread that gave NULL did so
 *
 * Ownership: none.
 * Threads:   each thread has its own; a call that gives an object leaves it alone.
 * Context:   anywhere.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; WK_OK if neither has given NULL on this thread.
 * Like:      errno.
 */
WK_API int wk_last_status(void);

/**
 * wk_discard - end an object whose constructor failed, without destroy
 *
 * Only for an object that nobody else has seen: one strong reference and never a weak one of any kind.
 * What the payload refers to is the caller's to undo. The census counts the object as destroyed.
 *
 * Ownership: takes the only strong reference. Given memory is the caller's again when the call returns.
 * Threads:   the only one that knows the object.
 * Context:   anywhere.
 * Progress:  wait-free but for the allocator's own release; never runs destroy.
 * Ordering:  none.
 * Errors:    none; NULL is allowed. An object that somebody else has seen stops the process.
 * Like:      g_object_ref_sink's absent opposite; PyObject_Free after a failed tp_new.
 */
WK_API void wk_discard(void *object);

/**
 * wk_retain - own a strong reference once more
 *
 * Gives back the pointer it was given: in C and C++ with the same type, const included.
 *
 * Ownership: borrows a strong reference; the result, the same pointer, is owned.
 * Threads:   any.
 * Context:   anywhere, signal handlers included; not on the payload that a destructor was given.
 * Progress:  wait-free; never allocates.
 * Ordering:  none: the caller's reference already orders everything.
 * Errors:    none; NULL gives NULL. Something that is no object stops the process.
 * Like:      Py_INCREF, copying a std::shared_ptr, Rust Arc::clone.
 */
WK_API void *(wk_retain)(const void *object);

/**
 * wk_retain_many - own `count` strong references more, with one atomic operation
 *
 * Ownership: borrows a strong reference; `count` more are owned, each to be released.
 * Threads:   any.
 * Context:   as wk_retain.
 * Progress:  wait-free; never allocates.
 * Ordering:  none.
 * Errors:    none; NULL gives NULL, a count of 0 does nothing.
 * Like:      Rust Arc::increment_strong_count in a loop, percpu_ref_get_many.
 */
WK_API void *wk_retain_many(const void *object, size_t count);

/**
 * wk_release - give a strong reference up; the last one ends the object
 *
 * When it returns from the last one, the object is gone from every container and length. Its destroy runs
 * later, elsewhere (WK_TYPE_PROMPT: before the call returns).
 *
 * Ownership: takes one strong reference.
 * Threads:   any.
 * Context:   anywhere. Not a cancellation point.
 * Progress:  wait-free, takes no lock, never allocates, recurses or waits, never runs user code (WK_TYPE_PROMPT
 *            runs destroy). The last one takes time linear in the weak references and entries of the object.
 * Ordering:  release: what this thread did with the object comes before destroy.
 * Errors:    none; NULL is allowed. More releases than references, or no object, stop the process.
 * Like:      Py_DECREF, the std::shared_ptr destructor, g_object_unref.
 */
WK_API void wk_release(const void *object);

/**
 * wk_release_many - give `count` strong references up, with one atomic operation
 *
 * Ownership: takes `count` strong references, all of them the caller's.
 * Threads:   any.
 * Context:   as wk_release.
 * Progress:  as wk_release.
 * Ordering:  as wk_release.
 * Errors:    as wk_release; a count of 0 does nothing.
 * Like:      percpu_ref_put_many.
 */
WK_API void wk_release_many(const void *object, size_t count);

/**
 * wk_try_retain - keep a peeked object, if it lives
 *
 * Ownership: `peeked` is borrowed from the present read section; the result, the same pointer, is owned.
 * Threads:   any.
 * Context:   inside the read section that gave `peeked`; not in signal handlers.
 * Progress:  wait-free; never allocates.
 * Ordering:  success: acquire, as wk_upgrade.
 * Errors:    NULL means dead, for good; NULL gives NULL.
 * Like:      kref_get_unless_zero, CDRC's snapshot to shared conversion.
 */
WK_API WK_MUST_USE void *wk_try_retain(const void *peeked);

/**
 * wk_destroy_done - finish an asynchronous destroy
 *
 * For types with WK_TYPE_ASYNC_DESTROY, exactly once per call of destroy: inside it, or later from any thread,
 * as the callback of uv_close does.
 *
 * Ownership: the payload may not be touched any more. Given memory is the caller's again when the call returns.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free but for the allocator's own release; never allocates or waits.
 * Ordering:  release: what was done with the payload comes before its memory is reused.
 * Errors:    none. A second call, one before destroy, or another kind of type stops the process.
 * Like:      a uv_close_cb that frees the handle.
 */
WK_API void wk_destroy_done(void *payload);

/**
 * wk_strong_count - how many strong references there are
 *
 * A hint: stale the moment it is read. Nothing may be decided by it; wk_is_unique may.
 *
 * Ownership: borrows a strong reference.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; NULL gives 0.
 * Like:      std::shared_ptr::use_count, sys.getrefcount.
 */
WK_API size_t wk_strong_count(const void *object);

/**
 * wk_weak_count - how many weak handles are owned
 *
 * A hint. A weak reference object and a finalizer own a handle each and count; entries of containers own none.
 *
 * Ownership: borrows a strong reference.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; NULL gives 0.
 * Like:      Rust Arc::weak_count.
 */
WK_API size_t wk_weak_count(const void *object);

/**
 * wk_type_of - the object's type
 *
 * Ownership: borrows a strong or peeked reference, or the payload that destroy was given; the result is static.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; NULL gives NULL. Something that is no object stops the process.
 * Like:      Python type(), G_OBJECT_TYPE.
 */
WK_API const wk_type *wk_type_of(const void *object);

/**
 * wk_size_of - the payload's size in bytes
 *
 * What wk_new_with was asked for, or type->size.
 *
 * Ownership: borrows, as wk_type_of.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; NULL gives 0.
 * Like:      malloc_usable_size, Python's object.__sizeof__.
 */
WK_API size_t wk_size_of(const void *object);

/**
 * wk_is_type - whether the object is of that type
 *
 * Ownership: borrows, as wk_type_of.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; NULL is of no type.
 * Like:      Python isinstance, G_TYPE_CHECK_INSTANCE_TYPE.
 */
WK_API bool wk_is_type(const void *object, const wk_type *type);

/**
 * wk_is_unique - whether the caller's is the only reference
 *
 * One strong reference and no weak reference of any kind. Those who peek the object are not counted: true does
 * not mean that it may be changed in place, unless nobody ever could peek it.
 *
 * Ownership: borrows a strong reference.
 * Threads:   any; true stays true until the caller shares the object again.
 * Context:   anywhere.
 * Progress:  wait-free.
 * Ordering:  true: acquire, what others did before they gave their references up is seen.
 * Errors:    none; false for NULL.
 * Like:      Rust Arc::is_unique, std::shared_ptr::unique.
 */
WK_API bool wk_is_unique(const void *object);

/**
 * wk_into_inner - give a strong reference up, and get the payload if it was the last one
 *
 * If all owners of an object give it up by this call, exactly one of them gets the payload. The object is dead then,
 * as after the last wk_release: weak references expire, callbacks are posted, entries go; but destroy does not run:
 * what the payload owns is the caller's now.
 *
 * Ownership: WK_OK: takes the reference; the payload's bytes, wk_size_of them, are in `payload`, and given memory is
 *            the caller's again. WK_EBUSY: takes the reference, somebody else still owns the object. Otherwise the
 *            reference stays the caller's, and `payload` untouched.
 * Threads:   any; the caller of wk_release, too, may be the last one, and then nobody gets the payload.
 * Context:   outside read sections.
 * Progress:  WK_OK waits for a grace period, until nobody peeks the payload, unless nobody ever could. WK_EBUSY is
 *            wait-free. Allocates nothing.
 * Ordering:  WK_OK: acquire, what the other owners did is seen.
 * Errors:    WK_EBUSY as above; WK_EDEADLOCK: in a read section; WK_ETYPE: of a type with WK_TYPE_PINNED; WK_EINVAL: NULL.
 * Like:      Rust Arc::into_inner.
 */
WK_API WK_MUST_USE int wk_into_inner(const void *object, void *payload);

/**
 * wk_make_unique - have an object that may be changed: the same, or a copy
 *
 * Copy on write. The object itself is given back only if the caller's is the only reference and nobody could ever
 * peek it: no weak reference of any kind, container or cell has seen it. Otherwise the result is a new object with a
 * copy of the payload, of the same type, size and destroy_on, and the caller's reference to the old one is released.
 *
 * Ownership: takes the strong reference and gives the result for it; on failure the reference stays the caller's.
 * Threads:   any; nobody may change the payload meanwhile. Of owners who race, the last one may keep the object.
 * Context:   anywhere that the type's copy may run.
 * Progress:  wait-free if there is nothing to copy; else as wk_new, and runs the type's copy.
 * Ordering:  WK_OK: acquire, what earlier owners did is seen.
 * Errors:    *status is WK_OK: the same object, or WK_CREATED: a copy. NULL: what copy returned; WK_ETYPE: the type has
 *            WK_TYPE_PINNED, or a destroy and no copy (told also when there would be nothing to copy); WK_EINVAL for
 *            NULL; else as wk_new_with.
 * Like:      Rust Arc::make_mut.
 */
WK_API WK_MUST_USE void *wk_make_unique(const void *object, int *status);

/**
 * wk_type_census - how many objects of a type were made and destroyed
 *
 * Exact when no constructor, release or destroy of the type is in progress, as after wk_barrier.
 *
 * Ownership: fills `census`, as much of it as struct_size says.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  lock-free.
 * Ordering:  none.
 * Errors:    WK_EINVAL: type or census is NULL, or struct_size was not set.
 * Like:      Python's sys.getobjects, GObject's instance counts.
 */
WK_API int wk_type_census(const wk_type *type, wk_census *census);

/* For WK_NEW_FLEX: `head` bytes and `count` elements; a product that overflows is WK_ENOMEM. */
static inline void *wk_new_flexible(const wk_type *type, size_t head, size_t count, size_t element, int *status)
{
	wk_new_options options = { SIZE_MAX, NULL, NULL, NULL };

	if (element == 0 || count <= (SIZE_MAX - head) / element)
		options.size = head + count * element;
	if (options.size < type->size)
		options.size = type->size;
	return wk_new_with(type, &options, status);
}

static inline void wk_auto_release(const void *slot)
{
	const void *object;

	memcpy(&object, slot, sizeof object);
	wk_release(object);
}

WK_END

/* struct session *s = WK_NEW(struct session, &session_type); */
#define WK_NEW(T, type) ((T *)wk_new(type))

/* struct blob *b = WK_NEW_FLEX(struct blob, bytes, length, &blob_type, &status);  `bytes` ends struct blob. */
#define WK_NEW_FLEX(T, member, count, type, status) \
	((T *)wk_new_flexible((type), offsetof(T, member), (count), sizeof(((T *)0)->member[0]), (status)))

/* WK_AUTO struct session *s = wk_upgrade(weak);  is released at the end of its block. */
#define WK_AUTO WK_CLEANUP(wk_auto_release) __attribute__((unused))

/*
 * Typed: wk_retain(s) has the type of s. wk_clear(&s) sets s to NULL, then releases what it was, so that nobody
 * finds a released pointer. wk_steal(&s) gives s away: the result is what it was, and s is NULL.
 */
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

#define wk_clear(slot)                                  \
	do {                                            \
		__typeof__(slot) wk_slot = (slot);      \
		__typeof__(*wk_slot) wk_old = *wk_slot; \
		*wk_slot = NULL;                        \
		wk_release(wk_old);                     \
	} while (0)

#define wk_steal(slot)                                  \
	__extension__({                                 \
		__typeof__(slot) wk_slot = (slot);      \
		__typeof__(*wk_slot) wk_old = *wk_slot; \
		*wk_slot = NULL;                        \
		wk_old;                                 \
	})

#endif

#endif
