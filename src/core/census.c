/*
 * core/census.c - counting by thread, summing up on demand
 *
 * Layer: core.
 */
#include "core/census.h"

#include "core/owner.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"

static WKI_ATOMIC_POINTER(const wk_type) census_types;
static wki_atomic_u64 census_departed;

static bool census_type_is_sound(const wk_type *type)
{
	return type->struct_size >= sizeof(wk_type) && type->state != NULL && type->name != NULL &&
	       type->alignment != 0 && (type->alignment & (type->alignment - 1)) == 0 &&
	       type->alignment <= WK_ALIGNMENT_MAX &&
	       (type->flags & (WK_TYPE_PROMPT | WK_TYPE_ASYNC_DESTROY)) != (WK_TYPE_PROMPT | WK_TYPE_ASYNC_DESTROY);
}

int wki_type_register_slow(const wk_type *type)
{
	struct wki_type_state *state;
	const wk_type *registered = NULL;

	if (!census_type_is_sound(type))
		return WK_EINVAL;
	state = wki_type_state_of(type);
	/* CEN-2 acq_rel; pairs: CEN-1; weaker: as CEN-1; check: api/object_test */
	if (!atomic_cas_acq_rel(&state->type, &registered, type))
		return registered == type ? WK_OK : WK_EINVAL;
	/* CEN-3 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (CAS again if stale) */
	registered = atomic_load_relaxed(&census_types);
	do {
		/* CEN-18 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (published by CEN-4) */
		atomic_store_relaxed(&state->next, registered);
		/* CEN-4 release; pairs: CEN-5, CEN-19; weaker: a walker could meet a half-made list; check: api/runtime_test */
	} while (!atomic_cas_release(&census_types, &registered, type));
	return WK_OK;
}

/* The list. */

static const wk_type *census_list_rcu(void)
{
	/* CEN-5 acquire; pairs: CEN-4; weaker: as CEN-4; check: api/runtime_test */
	return atomic_load_acquire(&census_types);
}

static const wk_type *census_behind_rcu(const wk_type *type)
{
	/* CEN-19 acquire; pairs: CEN-4, CEN-21; weaker: as CEN-4; check: api/runtime_test */
	return atomic_load_acquire(&wki_type_state_of(type)->next);
}

bool wki_census_is_empty(void)
{
	return census_list_rcu() == NULL;
}

/* This type or the first one behind it that is not about to leave. */
static const wk_type *census_visit_rcu(const wk_type *type)
{
	while (type != NULL && !wki_owner_visit(type->owner))
		type = census_behind_rcu(type);
	return type;
}

const wk_type *wki_census_first(void)
{
	const wk_type *type;

	wki_read_lock();
	type = census_visit_rcu(census_list_rcu());
	wki_read_unlock();
	return type;
}

const wk_type *wki_census_next(const wk_type *type)
{
	wk_owner *owner = type->owner;
	const wk_type *next;

	wki_read_lock();
	next = census_visit_rcu(census_behind_rcu(type));
	wki_read_unlock();
	wki_owner_drop(owner);
	return next;
}

bool wki_census_has(const wk_owner *owner)
{
	const wk_type *type;

	wki_read_lock();
	for (type = census_list_rcu(); type != NULL && type->owner != owner; type = census_behind_rcu(type))
		;
	wki_read_unlock();
	return type != NULL;
}

/* The type, or the one that leads to it, may have come to the list's beginning or left it: the next round sees to that. */
static bool census_unlink_locked(const wk_type *before, const wk_type *type)
{
	const wk_type *next = census_behind_rcu(type);

	if (before == NULL) {
		/* CEN-20 release; pairs: CEN-5; weaker: as CEN-4; check: api/owner_test */
		return atomic_cas_release(&census_types, &type, next);
	}
	/* CEN-21 release; pairs: CEN-19; weaker: as CEN-4; check: api/owner_test */
	atomic_store_release(&wki_type_state_of(before)->next, next);
	return true;
}

/* It may be registered anew, by another owner; its memory may stay. */
static void census_forget(const wk_type *type)
{
	struct wki_type_state *state = wki_type_state_of(type);
	/* CEN-22 relaxed; pairs: none; weaker: not possible; check: api/owner_test (nobody has an object of it) */
	uint64_t destroyed = atomic_exchange_relaxed(&state->destroyed, 0);

	/* CEN-23 relaxed; pairs: none; weaker: not possible; check: api/owner_test (statistics) */
	(void)atomic_fetch_add_relaxed(&census_departed, destroyed);
	/* CEN-24 relaxed; pairs: none; weaker: not possible; check: api/owner_test */
	atomic_store_relaxed(&state->created, 0);
	/* CEN-25 release; pairs: CEN-1, CEN-2; weaker: not needed for memory; check: api/owner_test */
	atomic_store_release(&state->type, NULL);
}

/* One type of the owner's; false: there is none. */
static bool census_unlist_one_locked(const wk_owner *owner)
{
	const wk_type *before = NULL, *type;

	for (type = census_list_rcu(); type != NULL && type->owner != owner; type = census_behind_rcu(type))
		before = type;
	if (type != NULL && census_unlink_locked(before, type))
		census_forget(type);
	return type != NULL;
}

/* Types leave under the lock and come without it, at the list's beginning. */
void wki_census_unlist_locked(const wk_owner *owner)
{
	while (census_unlist_one_locked(owner))
		;
}

uint64_t wki_census_departed(void)
{
	/* CEN-26 relaxed; pairs: none; weaker: not possible; check: api/owner_test (statistics) */
	return atomic_load_relaxed(&census_departed);
}

/* Only the thread itself writes its slots: a load and a store are enough. */
static inline void census_add(wki_atomic_u64 *count, uint64_t more)
{
	/* CEN-6 relaxed; pairs: none; weaker: not possible; check: api/object_test */
	uint64_t now = atomic_load_relaxed(count);

	/* CEN-7 relaxed; pairs: none; weaker: not possible; check: api/object_test */
	atomic_store_relaxed(count, now + more);
}

static uint64_t census_take(wki_atomic_u64 *count)
{
	/* CEN-8 relaxed; pairs: none; weaker: not possible; check: api/object_test */
	uint64_t taken = atomic_load_relaxed(count);

	/* CEN-9 relaxed; pairs: none; weaker: not possible; check: api/object_test */
	atomic_store_relaxed(count, 0);
	return taken;
}

static void census_tell_state(struct wki_type_state *state, uint64_t created, uint64_t destroyed)
{
	/* CEN-10 relaxed; pairs: none; weaker: not possible; check: api/object_test */
	(void)atomic_fetch_add_relaxed(&state->created, created);
	/* CEN-11 relaxed; pairs: none; weaker: not possible; check: api/object_test */
	(void)atomic_fetch_add_relaxed(&state->destroyed, destroyed);
}

static struct wki_type_state *census_slot_state(const struct wki_census_slot *slot)
{
	/* CEN-12 relaxed; pairs: none; weaker: not possible; check: api/object_test */
	return atomic_load_relaxed(&((struct wki_census_slot *)(uintptr_t)slot)->state);
}

static void census_tell_slot(struct wki_census_slot *slot)
{
	struct wki_type_state *state = census_slot_state(slot);

	if (state != NULL)
		census_tell_state(state, census_take(&slot->created), census_take(&slot->destroyed));
}

/* The calling thread's slot for a type; NULL: the thread has no record, or the type may leave before the thread does. */
static inline struct wki_census_slot *census_slot(const wk_type *type)
{
	struct wki_thread *thread = wki_thread_if_any();
	struct wki_type_state *state = wki_type_state_of(type);
	struct wki_census_slot *slot;

	if (unlikely(thread == NULL || type->owner != NULL))
		return NULL;
	slot = &thread->census[((uintptr_t)state >> 5) % WKI_CENSUS_SLOTS];
	if (unlikely(census_slot_state(slot) != state)) {
		census_tell_slot(slot);
		/* CEN-13 relaxed; pairs: none; weaker: not possible; check: api/object_test */
		atomic_store_relaxed(&slot->state, state);
	}
	return slot;
}

void wki_census_created(const wk_type *type)
{
	struct wki_census_slot *slot = census_slot(type);

	if (likely(slot != NULL))
		census_add(&slot->created, 1);
	else
		census_tell_state(wki_type_state_of(type), 1, 0);
}

void wki_census_destroyed(const wk_type *type)
{
	struct wki_census_slot *slot = census_slot(type);

	if (likely(slot != NULL))
		census_add(&slot->destroyed, 1);
	else
		census_tell_state(wki_type_state_of(type), 0, 1);
}

void wki_census_read(const wk_type *type, uint64_t *created, uint64_t *destroyed)
{
	struct wki_type_state *state = wki_type_state_of(type);
	size_t index = ((uintptr_t)state >> 5) % WKI_CENSUS_SLOTS;
	struct wki_thread *thread;
	struct wki_census_slot *slot;

	/* CEN-14 relaxed; pairs: none; weaker: not possible; check: api/object_test */
	*created = atomic_load_relaxed(&state->created);
	/* CEN-15 relaxed; pairs: none; weaker: not possible; check: api/object_test */
	*destroyed = atomic_load_relaxed(&state->destroyed);
	for (thread = wki_thread_all(); thread != NULL; thread = thread->next) {
		slot = &thread->census[index];
		if (census_slot_state(slot) != state)
			continue;
		/* CEN-16 relaxed; pairs: none; weaker: not possible; check: api/object_test */
		*created += atomic_load_relaxed(&slot->created);
		/* CEN-17 relaxed; pairs: none; weaker: not possible; check: api/object_test */
		*destroyed += atomic_load_relaxed(&slot->destroyed);
	}
}

void wki_census_tell(struct wki_thread *thread)
{
	size_t i;

	for (i = 0; i < WKI_CENSUS_SLOTS; i++)
		census_tell_slot(&thread->census[i]);
}
