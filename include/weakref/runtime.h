#ifndef WEAKREF_RUNTIME_H
#define WEAKREF_RUNTIME_H

#include "weakref/object.h"

WK_BEGIN

#define WK_VERSION_MAJOR 0
#define WK_VERSION_MINOR 1
#define WK_VERSION_PATCH 0
#define WK_VERSION (WK_VERSION_MAJOR * 1000000 + WK_VERSION_MINOR * 1000 + WK_VERSION_PATCH)
#define WK_VERSION_STRING "0.1.0"

#define WK_NO_THROTTLE UINT64_MAX

typedef enum wk_thread_mode {
	WK_THREAD_OWN,
	WK_THREAD_NONE
} wk_thread_mode;

typedef struct wk_runtime_options {
	size_t struct_size;
	wk_thread_mode thread;
	const wk_allocator *allocator;
	uint64_t soft_objects;
	uint64_t soft_bytes;
	uint64_t hard_objects;
	uint64_t hard_bytes;
	uint64_t throttle_ns;
	void (*on_error)(void *context, int status, const char *type_name, const char *message);
	void *on_error_context;
} wk_runtime_options;

typedef struct wk_shutdown_report {
	size_t struct_size;
	uint64_t not_run;
	uint64_t still_alive;
} wk_shutdown_report;

typedef struct wk_stats {
	size_t struct_size;
	uint64_t objects_created;
	uint64_t objects_destroyed;
	uint64_t dead_objects_waiting;
	uint64_t dead_bytes_waiting;
	uint64_t backlog_peak;
	uint64_t callbacks_run;
	uint64_t destroys_run;
	uint64_t grace_periods;
	uint64_t grace_wait_max_ns;
	uint64_t runner_lag_ns;
	uint64_t threads;
	uint64_t throttled;
	uint64_t abandoned;
} wk_stats;

WK_API int wk_runtime_start(const wk_runtime_options *options);
WK_API int wk_runtime_shutdown(uint64_t timeout_ns, wk_shutdown_report *report);
WK_API size_t wk_runtime_poll(size_t budget);
WK_API WK_MUST_USE int wk_barrier(uint64_t timeout_ns);
WK_API void wk_runtime_stats(wk_stats *stats);
WK_API void wk_runtime_each_type(void (*visit)(const wk_type *type, const wk_census *census, void *context),
	void *context);
WK_API unsigned wk_version(void);

WK_END

#endif
