/*
 * collect/weak_set.h - what the files of weak sets share
 *
 * Layer: collect.
 */
#ifndef WKI_COLLECT_WEAK_SET_H
#define WKI_COLLECT_WEAK_SET_H

#include "collect/values.h"
#include "weakref/weak_set.h"

struct wk_weak_set {
	struct wk_value_dict members;
};

#endif
