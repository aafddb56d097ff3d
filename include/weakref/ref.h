/*
 * weakref/ref.h - weak reference objects, with callbacks; proxies; weak methods
 *
 * A weak handle (weak.h) is the cheap way to refer to an object weakly. A weak reference object, wk_weakref, is what
 * Python's weakref.ref is: it has an identity of its own, the hash and the equality of its object, can carry data, is
 * found by wk_weakref_list, and can have a callback that runs once the object is dead. It keeps the object's control
 * block and small payload, never the object.
 *
 * A callback's life; "there" is its queue, or the runner if it has none:
 *
 *   armed      the object dies                  posted: it is going to run, there
 *   armed      the last wk_weakref_release      it never runs; release(argument) runs there
 *   armed      wk_weakref_cancel                the same; the reference itself goes on
 *   posted     its turn comes                   run(ref, argument), then release(argument), there
 *   posted     the last wk_weakref_release      nothing changes: it runs
 *   posted     wk_weakref_cancel                it does not run; release(argument) does, when its turn comes
 *   posted     its queue is closed              WK_QUEUE_RUN: it runs; WK_QUEUE_MOVE: on the runner;
 *                                               WK_QUEUE_DROP: release(argument) only
 *   running    wk_weakref_cancel                waits until it has returned, or WK_EDEADLOCK
 *
 * All calls below are safe beside each other and beside everything else on the object, as long as the caller owns
 * what it gives them. There is no order of references, and dead ones are equal to themselves only.
 */
#ifndef WEAKREF_REF_H
#define WEAKREF_REF_H

#include "weakref/common.h"
#include "weakref/object.h" /* WK_AUTO */

WK_BEGIN

typedef struct wk_weakref wk_weakref; /* counted: wk_weakref_retain, wk_weakref_release */

/* What is to happen once the object is dead. Copied by the constructor. */
typedef struct wk_callback {
	/*
	 * Called once, with the reference, which is dead, and may be retained. The callbacks of one object run from
	 * the newest to the oldest in each place, before its destroy if that is the runner's too. Below 0: it failed,
	 * which is reported through the error hook and stops nothing. It must not raise, nor longjmp out.
	 */
	int (*run)(wk_weakref *ref, void *argument);
	void *argument;
	/* Called once, after run or when run never will be, in the same place; must not raise. NULL: nothing to do. */
	void (*release)(void *argument);
	wk_queue *queue; /* where both run; retained until they have. NULL: on the runner. Closed by then: likewise */
	wk_owner *owner; /* whose `run` and `release` are; NULL: the object's type's. See wk_owner_drain */
} wk_callback;

typedef enum wk_kind {
	WK_KIND_REF,            /* wk_weakref_new and its relatives */
	WK_KIND_PROXY,          /* wk_proxy_new */
	WK_KIND_CALLABLE_PROXY, /* wk_proxy_new, of a type with `call` */
	WK_KIND_METHOD          /* wk_method_new */
} wk_kind;

/*
 * Something that is done with an object while it is held: the object lives until it returns, or ends its thread. It
 * runs on the calling thread with no lock held, and must not raise, nor longjmp out.
 */
typedef int wk_function(void *object, void *argument);

/*
 * What wk_weakref_get gives in place of the object. `object` is owned by the hook, NULL if it is dead; so is the result
 * by the caller: the same, another object, or NULL after `object` was released. Threads may call it at once. Must not
 * raise, nor longjmp out.
 */
typedef void *wk_get_hook(wk_weakref *ref, void *object);

/**
 * wk_weakref_new - make a weak reference object
 *
 * Without a callback it is the object's one shared reference: as long as somebody owns it, everybody gets the same
 * one. With a callback it is a new one each time.
 *
 * Ownership: borrows `object`, a strong reference of the caller's; copies `callback`, takes its argument over on
 *            success only: after a failure the argument is the caller's and release does not run. The result is owned,
 *            wk_weakref_release it once.
 * Threads:   any; threads that race for the shared reference get the same one.
 * Context:   anywhere; `object` must not be one that is only peeked.
 * Progress:  lock-free but for the allocator; allocates. Without a callback: linear in the object's weak references
 *            and entries.
 * Ordering:  release: the callback sees what the caller did before, and what others did before they gave the object up.
 * Errors:    NULL and *status: WK_ETYPE: of a type with WK_TYPE_NO_WEAK; WK_ENOMEM; WK_ESHUTDOWN; WK_EINVAL: `object`
 *            or callback->run is NULL.
 * Like:      Python weakref.ref(object[, callback]), Java new PhantomReference(object, queue).
 */
WK_API WK_MUST_USE wk_weakref *wk_weakref_new(const void *object, const wk_callback *callback, int *status);

/**
 * wk_weakref_new_sized - make a weak reference object that carries data
 *
 * As wk_weakref_new, with `data_size` bytes behind the reference, zeroed. Unless that is 0 it is never shared.
 *
 * Ownership: as wk_weakref_new; the data goes with the reference, nothing is called for it.
 * Threads:   as wk_weakref_new.
 * Context:   as wk_weakref_new.
 * Progress:  as wk_weakref_new.
 * Ordering:  as wk_weakref_new.
 * Errors:    as wk_weakref_new; WK_ENOMEM also above 4 GiB.
 * Like:      a Python subclass of weakref.ref with attributes.
 */
WK_API WK_MUST_USE wk_weakref *wk_weakref_new_sized(
	const void *object, const wk_callback *callback, size_t data_size, int *status);

/**
 * wk_weakref_new_hooked - make a weak reference object that changes what wk_weakref_get gives
 *
 * As wk_weakref_new_sized. The hook is for wk_weakref_get alone: hash, equality and text are the object's. It is not the
 * callback's owner that keeps its code (see wk_owner_drain): it must stay as long as somebody may call wk_weakref_get.
 *
 * Ownership: as wk_weakref_new_sized.
 * Threads:   as wk_weakref_new.
 * Context:   as wk_weakref_new.
 * Progress:  as wk_weakref_new.
 * Ordering:  as wk_weakref_new.
 * Errors:    as wk_weakref_new_sized; `get` NULL: no hook.
 * Like:      a Python subclass of weakref.ref with a __call__ of its own.
 */
WK_API WK_MUST_USE wk_weakref *wk_weakref_new_hooked(
	const void *object, const wk_callback *callback, size_t data_size, wk_get_hook *get, int *status);

/**
 * wk_weakref_data - the data that a reference carries
 *
 * Aligned to 16 bytes. The library never looks at it: threads that share it see to that themselves.
 *
 * Ownership: the reference's, as long as it is owned, or in its callback.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    NULL: made without data; NULL gives NULL.
 * Like:      attributes of a subclassed Python weakref.ref.
 */
WK_API void *wk_weakref_data(wk_weakref *ref);

/**
 * wk_weakref_get - the object, if it lives
 *
 * Of references of every kind, proxies and methods too. If there is a get hook: what that says.
 *
 * Ownership: borrows `ref`; the result is owned, wk_release it once.
 * Threads:   any.
 * Context:   anywhere, signal handlers included; NULL in the reference's own callback.
 * Progress:  wait-free; never allocates; but for the hook.
 * Ordering:  as wk_upgrade.
 * Errors:    NULL means dead, for good; NULL gives NULL.
 * Like:      calling a Python weakref.ref, wk_upgrade.
 */
WK_API WK_MUST_USE void *wk_weakref_get(const wk_weakref *ref);

/**
 * wk_weakref_weak - the weak handle that a reference is made of
 *
 * For wk_weak_expired, wk_weak_refers_to, wk_weak_hash, wk_weak_type and wk_weak_peek: what can be asked without a
 * strong reference. Of references of every kind.
 *
 * Ownership: borrows `ref`; the result is borrowed from it, wk_weak_retain to keep it.
 * Threads:   any.
 * Context:   anywhere; in the reference's own callback too.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    NULL gives NULL.
 * Like:      PyWeakref_IsDead, with wk_weak_expired; Weak::ptr_eq, with wk_weak_refers_to.
 */
WK_API wk_weak *wk_weakref_weak(const wk_weakref *ref);

/**
 * wk_weakref_retain - own a reference once more
 *
 * Ownership: borrows `ref`; the result, the same pointer, is owned.
 * Threads:   any.
 * Context:   anywhere; in the reference's callback also when nobody owns it any more.
 * Progress:  wait-free; never allocates.
 * Ordering:  none.
 * Errors:    none; NULL gives NULL.
 * Like:      Py_INCREF of a weakref.ref.
 */
WK_API wk_weakref *wk_weakref_retain(wk_weakref *ref);

/**
 * wk_weakref_release - give a reference up
 *
 * The last one: if the object lives, the callback never runs. If it is dead, a callback that has not run yet still
 * does, with a reference that nobody owns.
 *
 * Ownership: takes one ownership of `ref`. The argument is released later, there where the callback would have run.
 * Threads:   any. Beside the object's last wk_release: either of the two comes first, and the callback runs or not.
 * Context:   anywhere.
 * Progress:  lock-free; runs no code of the program but a queue's `wake`; never allocates or waits.
 * Ordering:  release: what this thread did with the reference comes before its memory is reused.
 * Errors:    none; NULL is allowed. More releases than ownerships are undefined; many of them stop the process.
 * Like:      dropping a Python weakref.ref before its referent.
 */
WK_API void wk_weakref_release(wk_weakref *ref);

/**
 * wk_weakref_cancel - see to it that the callback does not run, or has run
 *
 * WK_OK:      it never ran and never will. Cancelling again says so again.
 * WK_EDEAD:   it has run and returned.
 * WK_EDEADLOCK: it is running, and waiting could never end: the caller is in a callback, be it this very one, a
 *             destructor or a read section. It will not start again.
 * Otherwise the reference stays what it was: it refers to its object, is counted and listed.
 *
 * Ownership: borrows `ref`. After WK_OK the argument is released where the callback would have run, maybe later.
 * Threads:   any.
 * Context:   anywhere; see WK_EDEADLOCK.
 * Progress:  waits only for a callback that is running on another thread, for its return, not for release(argument).
 * Ordering:  WK_EDEAD: what the callback did is seen.
 * Errors:    as above; WK_OK for a reference without a callback; WK_EINVAL for NULL.
 * Like:      Linux cancel_work_sync, del_timer_sync.
 */
WK_API WK_MUST_USE int wk_weakref_cancel(wk_weakref *ref);

/**
 * wk_weakref_hash - the hash of the object, kept beyond its death
 *
 * What the type's hash says of the payload; identity's hash (wk_weak_hash) if the type has neither hash nor equality.
 * Asked for the first time while the object lives, it stays.
 *
 * Ownership: borrows `ref`; fills `hash`, 64 bits, on success only.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free but for the type's hash, which runs in a read section, once or, in a race, a few times.
 * Ordering:  none.
 * Errors:    WK_EDEAD: it was never asked while the object lived; WK_ETYPE: the type has equality without a hash, or
 *            it is a proxy, which has no hash ever; WK_EINVAL: NULL.
 * Like:      Python hash(ref), whose TypeErrors these are.
 */
WK_API WK_MUST_USE int wk_weakref_hash(wk_weakref *ref, uint64_t *hash);

/**
 * wk_weakref_equal - whether two references are equal
 *
 * While both objects live: one object, or two of one type that its equality calls equal; two methods have one
 * function, too. Afterwards: one reference.
 *
 * Ownership: borrows both.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  wait-free but for the type's equality, which runs in a read section.
 * Ordering:  none.
 * Errors:    none; NULL equals NULL only.
 * Like:      Python ref == ref.
 */
WK_API bool wk_weakref_equal(const wk_weakref *a, const wk_weakref *b);

/**
 * wk_weakref_format - text that shows a reference
 *
 * "<weakref at 0x7f0c58000b60; to 'Person' at 0x7f0c58000c20>" with the type's name, later
 * "<weakref at 0x7f0c58000b60; dead>". A proxy is a "weakproxy".
 *
 * Ownership: borrows `ref`; fills `buffer` of `size` bytes, ends it with 0 unless `size` is 0.
 * Threads:   any.
 * Context:   anywhere; in the callback it says dead.
 * Progress:  as snprintf.
 * Ordering:  none.
 * Errors:    as snprintf: returns the length of the whole text. NULL is shown as "<weakref; NULL>".
 * Like:      Python repr(ref).
 */
WK_API int wk_weakref_format(const wk_weakref *ref, char *buffer, size_t size);

/**
 * wk_weakref_kind - what sort of reference it is
 *
 * Ownership: borrows `ref`.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; `ref` is not NULL.
 * Like:      Python isinstance(ref, weakref.ReferenceType), weakref.ProxyTypes.
 */
WK_API wk_kind wk_weakref_kind(const wk_weakref *ref);

/**
 * wk_weakref_count - how many weak references are registered with an object
 *
 * Weak reference objects of every kind (shared ones once), finalizers and entries of containers; weak handles are not registered.
 * Nothing to do with strong counts. Stale at once.
 *
 * Ownership: borrows `object`, a strong reference of the caller's.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  linear in what it counts; never allocates.
 * Ordering:  none.
 * Errors:    none; 0 for NULL.
 * Like:      Python weakref.getweakrefcount.
 */
WK_API size_t wk_weakref_count(const void *object);

/**
 * wk_weakref_list - the weak reference objects of an object
 *
 * The newest first; no finalizers and entries. Not a snapshot: what is made or released meanwhile may be in or not.
 *
 * Ownership: borrows `object`, a strong reference of the caller's. What is stored in `refs` is owned,
 *            wk_weakref_release each.
 * Threads:   any.
 * Context:   anywhere.
 * Progress:  lock-free; linear in the object's weak references and entries; never allocates.
 * Ordering:  none.
 * Errors:    none; returns how many there are, of which at most `capacity` are stored. 0 for NULL.
 * Like:      Python weakref.getweakrefs.
 */
WK_API size_t wk_weakref_list(const void *object, wk_weakref **refs, size_t capacity);

/**
 * wk_proxy_new - make a proxy: an object to be used without being held
 *
 * Of a type with `call` it is a callable proxy. Without a callback it is the object's one shared proxy, as
 * wk_weakref_new gives the one shared reference. A proxy is a weak reference object: retained, released, cancelled,
 * listed and counted as one. It has no hash.
 *
 * Ownership: as wk_weakref_new.
 * Threads:   as wk_weakref_new.
 * Context:   as wk_weakref_new.
 * Progress:  as wk_weakref_new.
 * Ordering:  as wk_weakref_new.
 * Errors:    as wk_weakref_new.
 * Like:      Python weakref.proxy(object[, callback]).
 */
WK_API WK_MUST_USE wk_weakref *wk_proxy_new(const void *object, const wk_callback *callback, int *status);

/**
 * wk_proxy_use - do something with the object of a proxy, if it lives
 *
 * Calls use(object, argument), and holds the object meanwhile. WK_WITH does the same for a block of code.
 *
 * Ownership: borrows `proxy`; the object is held for the call and released after it.
 * Threads:   any.
 * Context:   anywhere that `use` may run.
 * Progress:  runs `use`; else wait-free, and never allocates.
 * Ordering:  as wk_upgrade.
 * Errors:    WK_OK: *result (may be NULL) is what `use` returned. Otherwise nothing ran and *result is untouched:
 *            WK_EDEAD: the object is dead; WK_ETYPE: not a proxy; WK_EINVAL: NULL.
 * Like:      using a Python proxy, whose ReferenceError is WK_EDEAD.
 */
WK_API WK_MUST_USE int wk_proxy_use(const wk_weakref *proxy, wk_function *use, void *argument, int *result);

/**
 * wk_proxy_call - call the object of a callable proxy, if it lives
 *
 * Calls the type's call(object, argument), and holds the object meanwhile.
 *
 * Ownership: as wk_proxy_use.
 * Threads:   any.
 * Context:   anywhere that the type's `call` may run.
 * Progress:  as wk_proxy_use.
 * Ordering:  as wk_upgrade.
 * Errors:    as wk_proxy_use; WK_ETYPE: not a callable proxy.
 * Like:      calling a Python proxy of CallableProxyType.
 */
WK_API WK_MUST_USE int wk_proxy_call(const wk_weakref *proxy, void *argument, int *result);

/**
 * wk_method_new - make a weak method: a function, and an object that it does not keep alive
 *
 * What a program registers where a function and its context are asked for, without the context living for ever. It is
 * a weak reference object, and a new one each time. The function is code: see wk_weakref_new_hooked for how long it stays.
 *
 * Ownership: as wk_weakref_new.
 * Threads:   as wk_weakref_new.
 * Context:   as wk_weakref_new.
 * Progress:  lock-free but for the allocator; allocates.
 * Ordering:  as wk_weakref_new.
 * Errors:    as wk_weakref_new; WK_EINVAL: `function` is NULL.
 * Like:      Python weakref.WeakMethod(object.method[, callback]).
 */
WK_API WK_MUST_USE wk_weakref *wk_method_new(
	const void *object, wk_function *function, const wk_callback *callback, int *status);

/**
 * wk_method_call - call a weak method, if its object lives
 *
 * Ownership: borrows `method`; the object is held for the call and released after it.
 * Threads:   any.
 * Context:   anywhere that the function may run.
 * Progress:  runs the function; else wait-free, and never allocates.
 * Ordering:  as wk_upgrade.
 * Errors:    as wk_proxy_use; WK_ETYPE: not a method.
 * Like:      Python method()(argument), in one step.
 */
WK_API WK_MUST_USE int wk_method_call(const wk_weakref *method, void *argument, int *result);

/**
 * wk_method_function - the function of a weak method
 *
 * With wk_weakref_get for the object it is what calling a Python WeakMethod gives.
 *
 * Ownership: borrows `method`.
 * Threads:   any.
 * Context:   anywhere, signal handlers included.
 * Progress:  wait-free.
 * Ordering:  none.
 * Errors:    none; NULL if it is not a method.
 * Like:      Python's bound_method.__func__.
 */
WK_API wk_function *wk_method_function(const wk_weakref *method);

static inline void wk_auto_weakref_release(wk_weakref **slot)
{
	wk_weakref_release(*slot);
}

WK_END

/* WK_AUTO_WEAKREF wk_weakref *ref = wk_weakref_new(object, NULL, &status);  is released at the end of its block. */
#define WK_AUTO_WEAKREF WK_CLEANUP(wk_auto_weakref_release) __attribute__((unused))

/*
 * WK_WITH(struct session, s, ref) { … s->fd … }  runs its block once if the object of `ref` lives, and holds it for
 * the block; break, continue, return and goto leave it and leak nothing.
 */
#define WK_WITH(T, name, ref)                                                                          \
	for (WK_AUTO T *name = (T *)wk_weakref_get(ref); (name) != NULL; wk_release(name), (name) = NULL)

#endif
