/*
 * weakref/common.h - what every header of libweakref needs: attributes, status codes, names of types
 *
 * How results come back, everywhere: an object is returned, NULL when there is none; why it is NULL goes
 * through `int *status`, the last parameter, which may be NULL. Calls that return no object return a status.
 *
 * Every function is described once, above its declaration, by the same lines:
 *   Ownership  who owns what before and after
 *   Threads    which calls it may run beside
 *   Context    where it may be called: read sections, callbacks, destructors, signal handlers
 *   Progress   whether it can wait, allocate, or run code of the program
 *   Ordering   what is seen of other threads' work
 *   Errors     each failure; unless said otherwise a call that failed changed nothing
 *   Like       its nearest relatives elsewhere
 * "The runner" is the library's thread that runs destructors and callbacks. "Anywhere" leaves out signal
 * handlers; calls that are fine there say so.
 */
#ifndef WEAKREF_COMMON_H
#define WEAKREF_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if UINTPTR_MAX != UINT64_MAX
#error "libweakref needs 64-bit pointers"
#endif

#ifdef __cplusplus
#define WK_BEGIN extern "C" {
#define WK_END }
#define WK_ALIGNOF(T) alignof(T)
#define WK_STATIC_ASSERT(condition, text) static_assert(condition, text)
/* C++ compilers doubt designated initialisers that leave members out; our macros do so on purpose */
#define WK_QUIET_BEGIN                                                                                    \
	_Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"") \
		_Pragma("GCC diagnostic ignored \"-Wc++20-extensions\"")
#define WK_QUIET_END _Pragma("GCC diagnostic pop")
#else
#define WK_BEGIN
#define WK_END
#define WK_ALIGNOF(T) _Alignof(T)
#define WK_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#define WK_QUIET_BEGIN
#define WK_QUIET_END
#endif

#define WK_API __attribute__((visibility("default")))
#define WK_MUST_USE __attribute__((warn_unused_result))
#define WK_CLEANUP(function) __attribute__((cleanup(function)))

/*
 * Status codes: X(name, value, text). Zero and above mean that the call did what it is for; negative ones that
 * it did not. Values are ABI: append only.
 */
#define WK_STATUS_TABLE(X)                                       \
	X(WK_CREATED, 1, "success, and something new was made")  \
	X(WK_OK, 0, "success")                                   \
	X(WK_EDEAD, -1, "the object is dead")                    \
	X(WK_ENOTFOUND, -2, "no such entry")                     \
	X(WK_EEXISTS, -3, "it exists already")                   \
	X(WK_ETYPE, -4, "the object's type does not allow this") \
	X(WK_ENOMEM, -5, "out of memory")                        \
	X(WK_EINVAL, -6, "invalid argument")                     \
	X(WK_EDEADLOCK, -7, "waiting here would never end")      \
	X(WK_ETIMEDOUT, -8, "timed out")                         \
	X(WK_ESHUTDOWN, -9, "shut down or closed")               \
	X(WK_EBUSY, -10, "somebody else is at it")

#define WK_STATUS_CODE(name, value, text) name = (value),
enum { WK_STATUS_TABLE(WK_STATUS_CODE) };
#undef WK_STATUS_CODE

/* A `timeout_ns` that never ends. Timeouts are nanoseconds of the monotonic clock; 0 tests without waiting. */
#define WK_NO_TIMEOUT UINT64_MAX

WK_BEGIN

typedef struct wk_type wk_type;   /* what kind of object: object.h */
typedef struct wk_weak wk_weak;   /* weak handle, opaque; two handles to one object are the same pointer: weak.h */
typedef struct wk_queue wk_queue; /* an object: wk_retain, wk_release, wk_downgrade: queue.h */
typedef struct wk_owner wk_owner; /* an object: a plug-in, whose registrations can be drained as one: runtime.h */

/**
 * wk_strerror - the text of a status code
 *
 * Ownership: the result is static.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    never NULL; a number that is no status code gives "unknown status".
 * Like:      strerror, uv_strerror.
 */
WK_API const char *wk_strerror(int status);

WK_END

#endif
