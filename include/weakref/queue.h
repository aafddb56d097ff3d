#ifndef WEAKREF_QUEUE_H
#define WEAKREF_QUEUE_H

#include "weakref/common.h"

WK_BEGIN

typedef struct wk_queue_options {
	size_t struct_size;
	const char *name;
	bool no_descriptor;
	void (*wake)(void *context);
	void *context;
} wk_queue_options;

typedef enum wk_queue_close_mode {
	WK_QUEUE_RUN,
	WK_QUEUE_MOVE,
	WK_QUEUE_DROP
} wk_queue_close_mode;

WK_API WK_MUST_USE wk_queue *wk_queue_new(const wk_queue_options *options, int *status);
WK_API int wk_queue_descriptor(const wk_queue *queue);
WK_API size_t wk_queue_drain(wk_queue *queue, size_t budget);
WK_API size_t wk_queue_pending(const wk_queue *queue);
WK_API int wk_queue_wait(wk_queue *queue, uint64_t timeout_ns);
WK_API WK_MUST_USE int wk_queue_post(wk_queue *queue, void (*run)(void *argument), void *argument,
	void (*release)(void *argument));
WK_API int wk_queue_close(wk_queue *queue, wk_queue_close_mode mode);

WK_END

#endif
