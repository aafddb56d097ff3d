#ifndef WEAKREF_READ_H
#define WEAKREF_READ_H

#include "weakref/common.h"

WK_BEGIN

WK_API void wk_read_lock(void);
WK_API void wk_read_unlock(void);
WK_API int wk_thread_prepare(void);
WK_API void *wk_weak_peek(const wk_weak *weak);

static inline void wk_auto_read_unlock(const int *section)
{
	(void)section;
	wk_read_unlock();
}

WK_END

#define WK_READ_SECTION() \
	WK_CLEANUP(wk_auto_read_unlock) __attribute__((unused)) const int wk_section = (wk_read_lock(), 0)

#endif
