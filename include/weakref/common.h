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
#define WK_QUIET_BEGIN \
	_Pragma("GCC diagnostic push") \
	_Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"") \
	_Pragma("GCC diagnostic ignored \"-Wc++20-extensions\"")
#define WK_QUIET_END _Pragma("GCC diagnostic pop")
#else
#define WK_BEGIN
#define WK_END
#define WK_ALIGNOF(T) _Alignof(T)
#define WK_QUIET_BEGIN
#define WK_QUIET_END
#endif

#define WK_API __attribute__((visibility("default")))
#define WK_MUST_USE __attribute__((warn_unused_result))
#define WK_CLEANUP(function) __attribute__((cleanup(function)))

#define WK_STATUS_TABLE(X) \
	X(WK_CREATED, 1, "created") \
	X(WK_OK, 0, "success") \
	X(WK_EDEAD, -1, "the object is dead") \
	X(WK_ENOTFOUND, -2, "no such entry") \
	X(WK_EEXISTS, -3, "exists already") \
	X(WK_ETYPE, -4, "the type does not allow this") \
	X(WK_ENOMEM, -5, "out of memory") \
	X(WK_EINVAL, -6, "invalid argument") \
	X(WK_EDEADLOCK, -7, "waiting here would never end") \
	X(WK_ETIMEDOUT, -8, "timed out") \
	X(WK_ESHUTDOWN, -9, "shut down or closed") \
	X(WK_EBUSY, -10, "busy")

#define WK_STATUS_CODE(name, value, text) name = (value),
enum { WK_STATUS_TABLE(WK_STATUS_CODE) };
#undef WK_STATUS_CODE

#define WK_NO_TIMEOUT UINT64_MAX

WK_BEGIN

typedef struct wk_type wk_type;
typedef struct wk_weak wk_weak;
typedef struct wk_queue wk_queue;
typedef struct wk_owner wk_owner;

WK_API const char *wk_strerror(int status);

WK_END

#endif
