/*
 * core/cell.c - strong cells and weak cells
 *
 * Layer: core. Never: release what a cell owned before it is out of the cell.
 */
#include "weakref/cell.h"

#include "core/cell.h"
#include "core/control.h"
#include "sync/rcu.h"
#include "weakref/read.h"

_Static_assert(sizeof(struct wki_cell) == sizeof(wk_cell), "a cell is a word");
_Static_assert(sizeof(struct wki_cell) == sizeof(wk_weak_cell), "a cell is a word");
_Static_assert(offsetof(struct wki_control, count) == 0, "a control block begins with its counts");

static struct wki_cell *cell_of(const wk_cell *cell)
{
	return (struct wki_cell *)(uintptr_t)cell;
}

static struct wki_cell *cell_of_weak(const wk_weak_cell *cell)
{
	return (struct wki_cell *)(uintptr_t)cell;
}

static struct wki_control *cell_control(struct wki_count *held)
{
	return (struct wki_control *)(void *)held;
}

/* What both kinds of cell do alike. */

static void *cell_load(const struct wki_cell *cell)
{
	struct wki_count *held;
	uint64_t strong;

	wki_read_lock();
	held = wki_cell_load_rcu(cell, &strong);
	wki_read_unlock();
	return held == NULL ? NULL : wki_payload_of(cell_control(held), strong);
}

static void *cell_peek(const struct wki_cell *cell, const char *caller)
{
	struct wki_count *held;
	uint64_t strong;

	if (!wki_read_join() && WKI_CHECK_LEVEL >= 1)
		wki_stop("%s outside a read section", caller);
	held = wki_cell_peek_rcu(cell, &strong);
	return held == NULL || (strong & WKI_STRONG_NOPEEK) != 0 ? NULL : wki_payload_of(cell_control(held), strong);
}

/* Strong cells. */

/* The object's counts, before a reference that the caller owns becomes a cell's. */
static struct wki_count *cell_offer(const void *object)
{
	struct wki_control *control;

	if (object == NULL)
		return NULL;
	control = wki_control_of(object);
	if (unlikely(wki_count_is_dead(&control->count)))
		wki_stop_control(control, "put into a cell after its last release");
	(void)wki_control_borrow(control);
	return &control->count;
}

/* What the cell owned goes. */
static void cell_drop(struct wki_count *held)
{
	if (held != NULL)
		wki_control_release(cell_control(held), 1);
}

void *wk_cell_load(const wk_cell *cell)
{
	return cell_load(cell_of(cell));
}

void *wk_cell_peek(const wk_cell *cell)
{
	return cell_peek(cell_of(cell), "wk_cell_peek");
}

void wk_cell_store(wk_cell *cell, const void *object)
{
	wk_cell_give(cell, (wk_retain)(object));
}

void wk_cell_give(wk_cell *cell, void *object)
{
	cell_drop(wki_cell_swap(cell_of(cell), cell_offer(object)));
}

void *wk_cell_exchange(wk_cell *cell, const void *object)
{
	struct wki_count *held = wki_cell_swap(cell_of(cell), cell_offer((wk_retain)(object)));

	return held == NULL ? NULL : wki_payload_of(cell_control(held), wki_count_peek(held));
}

/* `desired`, a reference that the caller owns, becomes the cell's if it succeeds. */
static bool cell_replace(wk_cell *cell, const void *expected, const void *desired)
{
	struct wki_count *old = expected == NULL ? NULL : &wki_control_of(expected)->count;

	if (!wki_cell_replace(cell_of(cell), old, cell_offer(desired)))
		return false;
	cell_drop(old);
	return true;
}

bool wk_cell_compare_exchange(wk_cell *cell, const void *expected, const void *desired)
{
	if (cell_replace(cell, expected, (wk_retain)(desired)))
		return true;
	wk_release(desired);
	return false;
}

int wk_cell_update(wk_cell *cell, wk_cell_updater *update, void *context)
{
	void *current, *next;
	bool done = false;
	int status;

	do {
		status = WK_OK;
		current = wk_cell_load(cell);
		next = update(current, context, &status);
		if (status >= 0)
			done = cell_replace(cell, current, next);
		if (!done)
			wk_release(next);
		wk_release(current);
	} while (!done && status >= 0);
	return done ? WK_OK : status;
}

void wk_cell_clear(wk_cell *cell)
{
	wk_cell_give(cell, NULL);
}

/* Weak cells. */

/* The handle's counts, before a unit that the caller owns becomes a cell's. */
static struct wki_count *weak_cell_offer(const wk_weak *weak)
{
	struct wki_count *count;

	if (weak == NULL)
		return NULL;
	count = &wki_control_of_weak(weak)->count;
	wki_cell_mark(count);
	return count;
}

static wk_weak *weak_cell_handle(struct wki_count *held)
{
	return (wk_weak *)(void *)held;
}

void *wk_weak_cell_load(const wk_weak_cell *cell)
{
	return cell_load(cell_of_weak(cell));
}

wk_weak *wk_weak_cell_load_weak(const wk_weak_cell *cell)
{
	struct wki_count *held;
	uint32_t units = 0;

	wki_read_lock();
	held = wki_cell_load_unit_rcu(cell_of_weak(cell), &units);
	wki_read_unlock();
	if (held != NULL)
		wki_control_check_units(cell_control(held), units);
	return weak_cell_handle(held);
}

void *wk_weak_cell_peek(const wk_weak_cell *cell)
{
	return cell_peek(cell_of_weak(cell), "wk_weak_cell_peek");
}

int wk_weak_cell_store(wk_weak_cell *cell, const void *object)
{
	wk_weak *weak = wk_downgrade(object);

	if (weak == NULL && object != NULL)
		return WK_ETYPE;
	wk_weak_cell_give(cell, weak);
	return WK_OK;
}

void wk_weak_cell_give(wk_weak_cell *cell, wk_weak *weak)
{
	wk_weak_release(weak_cell_handle(wki_cell_swap(cell_of_weak(cell), weak_cell_offer(weak))));
}

wk_weak *wk_weak_cell_exchange(wk_weak_cell *cell, wk_weak *weak)
{
	return weak_cell_handle(wki_cell_swap(cell_of_weak(cell), weak_cell_offer(wk_weak_retain(weak))));
}

/* `desired`, a handle that the caller owns, becomes the cell's if it succeeds. */
static bool weak_cell_replace(wk_weak_cell *cell, wk_weak *expected, wk_weak *desired)
{
	struct wki_count *old = expected == NULL ? NULL : &wki_control_of_weak(expected)->count;

	if (!wki_cell_replace(cell_of_weak(cell), old, weak_cell_offer(desired)))
		return false;
	wk_weak_release(expected); /* the cell's */
	return true;
}

bool wk_weak_cell_compare_exchange(wk_weak_cell *cell, wk_weak *expected, wk_weak *desired)
{
	if (weak_cell_replace(cell, expected, wk_weak_retain(desired)))
		return true;
	wk_weak_release(desired);
	return false;
}

int wk_weak_cell_update(wk_weak_cell *cell, wk_weak_cell_updater *update, void *context)
{
	wk_weak *current, *next;
	bool done = false;
	int status;

	do {
		status = WK_OK;
		current = wk_weak_cell_load_weak(cell);
		next = update(current, context, &status);
		if (status >= 0)
			done = weak_cell_replace(cell, current, next);
		if (!done)
			wk_weak_release(next);
		wk_weak_release(current);
	} while (!done && status >= 0);
	return done ? WK_OK : status;
}

void wk_weak_cell_clear(wk_weak_cell *cell)
{
	wk_weak_cell_give(cell, NULL);
}
