#ifndef WEAKREF_WEAK_H
#define WEAKREF_WEAK_H

#include "weakref/common.h"

WK_BEGIN

WK_API WK_MUST_USE wk_weak *wk_downgrade(const void *object);
WK_API WK_MUST_USE void *wk_upgrade(const wk_weak *weak);
WK_API WK_MUST_USE void *wk_upgrade_as(const wk_weak *weak, const wk_type *type);
WK_API wk_weak *wk_weak_retain(wk_weak *weak);
WK_API void wk_weak_release(wk_weak *weak);
WK_API bool wk_weak_expired(const wk_weak *weak);
WK_API bool wk_weak_refers_to(const wk_weak *weak, const void *object);
WK_API uint64_t wk_weak_hash(const wk_weak *weak);
WK_API const wk_type *wk_weak_type(const wk_weak *weak);

static inline void wk_auto_weak_release(wk_weak **slot)
{
	wk_weak_release(*slot);
}

WK_END

#define WK_AUTO_WEAK WK_CLEANUP(wk_auto_weak_release) __attribute__((unused))

#endif
