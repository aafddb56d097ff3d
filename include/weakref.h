#ifndef WEAKREF_H
#define WEAKREF_H

#include "weakref/common.h"
#include "weakref/object.h"
#include "weakref/weak.h"
#include "weakref/read.h"
#include "weakref/queue.h"
#include "weakref/value_dict.h"
#include "weakref/runtime.h"

#endif
