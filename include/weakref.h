/*
 * weakref.h - all of libweakref: weak references for multithreaded C
 *
 * Each header also stands alone. The promises that the contracts below rely on are numbered in
 * docs/contracts.md; the life of an object is told in docs/lifecycle.md.
 */
#ifndef WEAKREF_H
#define WEAKREF_H

#include "weakref/common.h"     /* status codes and their texts, attributes */
#include "weakref/object.h"     /* types; make, retain and release objects */
#include "weakref/weak.h"       /* weak handles: downgrade, upgrade */
#include "weakref/read.h"       /* read sections: borrow an object without counting */
#include "weakref/cell.h"       /* one place that holds an object strongly or weakly, shared by threads */
#include "weakref/queue.h"      /* have destructors and posted work run on a thread of your choice */
#include "weakref/ref.h"        /* weak reference objects, with callbacks; proxies, weak methods */
#include "weakref/finalizer.h"  /* something to be done once: at death, on call, at exit */
#include "weakref/value_dict.h" /* dictionary whose values leave it when they die */
#include "weakref/weak_set.h"   /* set whose members leave it when they die */
#include "weakref/key_dict.h"   /* dictionary whose entries leave it when their keys die */
#include "weakref/cursor.h"     /* go through a container while it changes */
#include "weakref/ticket.h"     /* a number that stands for an object: for the kernel, for the network */
#include "weakref/runtime.h"    /* start, shutdown, barrier, statistics */

#endif
