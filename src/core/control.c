/*
 * core/control.c - what becomes of a dead object
 *
 * Whoever has ended its life (core/ending.c) hands it on:
 *
 *	nothing to run, never borrowed    the memory goes at once
 *	nothing to run, borrowed          limbo: the memory goes after a grace period
 *	destroy                           runner: after a grace period, if it was borrowed
 *	destroy of a prompt type          here, before the release returns; the memory as above
 *
 * Layer: core. Never: user code inside a release, but for prompt types; a lock; allocation.
 */
#include "core/control.h"

#include <pthread.h>

#include "base/memory.h"
#include "core/census.h"
#include "core/owner.h"
#include "core/quarantine.h"
#include "reclaim/backlog.h"
#include "reclaim/limbo.h"
#include "reclaim/runner.h"
#include "reclaim/thread.h"

void wki_stop_no_object(const void *payload)
{
	uintptr_t back = ((const uintptr_t *)payload)[-1];

	if ((back & ~WKI_BACK_MASK) == WKI_BACK_GONE)
		wki_stop("%s at %p: used after its end", ((const wk_type *)(back & WKI_BACK_MASK))->name, payload);
	wki_stop("%p is not an object, or is one no more", payload);
}

void wki_stop_control(const struct wki_control *control, const char *what)
{
	wki_stop("%s at %p: %s", control->type->name,
		 wki_payload_of(control, wki_count_peek(&control->count)), what);
}

/* Memory. */

static bool control_is_apart(const struct wki_control *control)
{
	return (wki_count_peek(&control->count) & WKI_STRONG_APART) != 0;
}

/* The last unit is gone: nobody can reach the block any more. */
static void control_free(struct wki_control *control)
{
	bool apart = control_is_apart(control), extra = (wki_control_meta(control) & WKI_EXTRA) != 0;
	struct wki_layout layout = wki_control_layout(control->type, wki_control_size(control), extra, apart);
	const wk_type *type = control->type;
	wk_owner *owner = type->owner;
	char *block = (char *)control - layout.front;

	if (apart) {
		wki_block_free(type, block, &layout);
	} else {
		control->end.back = 0; /* a release too many is seen, as long as the memory is not used again */
		wki_quarantine(type, block, &layout, control + 1, wki_control_size(control));
	}
	wki_owner_drop(owner); /* the type may be gone */
}

void wki_control_free(struct wki_link *link)
{
	control_free(wki_control_of_link(link));
}

/* What is left of a dead object waits for a grace period; its destroy is over, or there is none. */
static void control_await(struct wki_control *control, enum wki_kind kind, size_t bytes)
{
	wki_tagged tagged = wki_tag(&control->link, kind);

	if (control->type->owner == NULL)
		wki_limbo_retire(tagged, bytes);
	else
		wki_runner_after_grace(tagged); /* limbo waits for its thread, and who drains the owner would wait too */
}

/* Nobody owns a unit; who found the block in a weak cell may still be looking. */
static void control_give_back(struct wki_control *control)
{
	if (wki_count_is_celled(&control->count))
		control_await(control, WKI_KIND_BLOCK, sizeof(*control));
	else
		control_free(control);
}

/* The strong side gives its units up last of all, and no grant is late any more then. */
#define CONTROL_UNITS_GONE "weak handle released more often than retained"

void wki_control_drop_unit(struct wki_control *control)
{
	if (!wki_count_drop_unit(&control->count))
		return;
	if (unlikely(!wki_count_is_dead(&control->count)))
		wki_stop_control(control, CONTROL_UNITS_GONE);
	control_give_back(control);
}

void wki_control_pay_home(struct wki_control *control)
{
	/* CTL-15 relaxed; pairs: none; weaker: not possible; check: unit/collect/home_test (CNT-4 carries it) */
	(void)atomic_fetch_and_relaxed(&control->count.meta, ~WKI_OWED);
	wki_control_drop_unit(control);
}

static void control_drop_strong_side(struct wki_control *control)
{
	/* CTL-10 relaxed; pairs: none; weaker: not possible; check: api/misuse_test */
	if (unlikely(wki_count_units(atomic_load_relaxed(&control->count.units)) < WKI_STRONG_UNITS))
		wki_stop_control(control, CONTROL_UNITS_GONE);
	if (wki_count_drop_strong_side(&control->count))
		control_give_back(control);
}

static void control_free_payload(struct wki_control *control)
{
	struct wki_layout layout = wki_payload_layout(control->type, wki_control_size(control));
	char *payload = control->end.payload;

	((uintptr_t *)(void *)payload)[-1] = 0;
	wki_quarantine(control->type, payload - layout.front, &layout, payload, wki_control_size(control));
}

/* After death. */

static bool control_has_destroy(const struct wki_control *control)
{
	return control->type->destroy != NULL && (wki_control_meta(control) & WKI_DISCARDED) == 0;
}

static size_t control_bytes(const struct wki_control *control)
{
	return sizeof(*control) + wki_control_size(control);
}

/* destroy is over, or will never be. */
static void control_drop_queue(struct wki_control *control)
{
	if (wki_control_meta(control) & WKI_EXTRA) {
		wk_release(wki_extra_of(control)->destroy_on);
		wki_extra_of(control)->destroy_on = NULL;
	}
}

void wki_control_finish(struct wki_control *control)
{
	control_drop_queue(control);
	if (control_is_apart(control) && (wki_control_meta(control) & WKI_GIVEN) == 0)
		control_free_payload(control);
	/* Never borrowed: no handle was ever made, the strong side's units are the only ones. */
	if (wki_count_is_borrowed(&control->count))
		control_drop_strong_side(control);
	else
		control_free(control);
}

static wki_atomic_u64 control_destroys, control_abandoned;

/* An object whose end was noted as due: it is over now. */
static void control_settle(struct wki_control *control)
{
	wki_census_destroyed(control->type);
	wki_backlog_note(-1, -(int64_t)control_bytes(control));
	wki_control_finish(control);
}

/* destroy is over, also when it has ended its thread. */
static void control_destroyed(void *control)
{
	wki_callback_leave();
	control_settle(control);
}

void wki_control_destroy(struct wki_control *control)
{
	void *payload = wki_payload_of(control, wki_count_peek(&control->count));
	wk_owner *owner = control->type->owner;

	/* CTL-3 relaxed; pairs: none; weaker: not possible; check: api/runtime_test (statistics) */
	(void)atomic_fetch_add_relaxed(&control_destroys, 1);
	wki_callback_enter();
	if (control->type->flags & WK_TYPE_ASYNC_DESTROY) {
		/* CTL-8 relaxed; pairs: none; weaker: not possible; check: api/object_destroy_test (nobody else's but those who prune) */
		(void)atomic_fetch_or_relaxed(&control->count.meta, WKI_ENDING);
		wki_owner_add(owner);
		control->type->destroy(payload); /* the object may be gone when it returns */
		wki_callback_leave();
		wki_owner_drop(owner);
		return;
	}
	pthread_cleanup_push(control_destroyed, control);
	control->type->destroy(payload);
	pthread_cleanup_pop(1);
}

void wk_destroy_done(void *payload)
{
	struct wki_control *control = wki_control_of(payload);

	/* CTL-9 release; pairs: CNT-5; weaker: not needed, CNT-4 carries the payload's last uses too; check: api/misuse_test */
	if ((atomic_fetch_and_release(&control->count.meta, ~WKI_ENDING) & WKI_ENDING) == 0)
		wki_stop_control(control, "wk_destroy_done without an asynchronous destroy");
	control_settle(control);
}

void wki_control_abandon(struct wki_control *control)
{
	/* CTL-4 relaxed; pairs: none; weaker: not possible; check: api/queue_test (statistics) */
	(void)atomic_fetch_add_relaxed(&control_abandoned, 1);
	control_settle(control);
}

uint64_t wki_control_destroys(void)
{
	/* CTL-5 relaxed; pairs: none; weaker: not possible; check: api/runtime_test */
	return atomic_load_relaxed(&control_destroys);
}

uint64_t wki_control_abandoned(void)
{
	/* CTL-6 relaxed; pairs: none; weaker: not possible; check: api/queue_test */
	return atomic_load_relaxed(&control_abandoned);
}

static bool control_is_prompt(const struct wki_control *control)
{
	return (control->type->flags & WK_TYPE_PROMPT) != 0;
}

bool wki_control_is_mailed(const struct wki_control *control)
{
	return control_has_destroy(control) && !control_is_prompt(control);
}

void wki_control_reclaim(struct wki_link *link)
{
	struct wki_control *control = wki_control_of_link(link);
	wk_queue *queue = wki_control_meta(control) & WKI_EXTRA ? wki_extra_of(control)->destroy_on : NULL;

	if (!wki_control_is_mailed(control))
		wki_control_finish(control);
	else if (queue == NULL || !wki_deliver(queue, wki_tag(link, WKI_KIND_OBJECT)))
		wki_control_destroy(control);
}

/* Nothing is left to run: the memory, after a grace period if somebody may be looking. */
static void control_retire_memory(struct wki_control *control, bool borrowed)
{
	if (borrowed)
		control_await(control, WKI_KIND_OBJECT, control_bytes(control));
	else
		wki_control_finish(control);
}

/*
 * Prompt types: the thread's dead objects in a chain, worked off by the outermost release. A
 * release inside a destroy only adds to it, so a chain of objects takes no stack.
 */
static _Thread_local struct wki_chain prompt_chain;
static _Thread_local bool prompt_draining;

static void control_destroy_prompt(struct wki_control *control)
{
	bool borrowed = wki_count_is_borrowed(&control->count);

	if (control_has_destroy(control)) {
		wki_callback_enter();
		control->type->destroy(wki_payload_of(control, wki_count_peek(&control->count)));
		wki_callback_leave();
	}
	wki_census_destroyed(control->type);
	control_retire_memory(control, borrowed);
}

/* Out of line, or every other death saves the registers for this. */
static __attribute__((noinline)) void control_end_prompt(struct wki_control *control)
{
	wki_tagged tagged;

	wki_chain_append(&prompt_chain, wki_tag(&control->link, WKI_KIND_OBJECT), 0);
	if (prompt_draining)
		return;
	prompt_draining = true;
	while ((tagged = wki_chain_pop(&prompt_chain)) != 0)
		control_destroy_prompt(wki_control_of_link(wki_tag_link(tagged)));
	prompt_draining = false;
}

void wki_control_retire(struct wki_control *control, bool borrowed)
{
	if (control_is_prompt(control)) {
		control_end_prompt(control);
	} else if (!control_has_destroy(control)) {
		wki_census_destroyed(control->type);
		control_retire_memory(control, borrowed);
	} else {
		wki_backlog_note(1, (int64_t)control_bytes(control));
		if (borrowed)
			wki_runner_after_grace(wki_tag(&control->link, WKI_KIND_OBJECT));
		else
			wki_runner_now(wki_tag(&control->link, WKI_KIND_OBJECT));
	}
}

void wki_control_retire_without_destroy(struct wki_control *control, bool borrowed)
{
	/* CTL-11 relaxed; pairs: none; weaker: not possible; check: api/object_cyclic_test, api/object_unique_test (nobody else's but those who prune) */
	(void)atomic_fetch_or_relaxed(&control->count.meta, WKI_DISCARDED);
	control_drop_queue(control); /* now: limbo may take its time */
	wki_control_retire(control, borrowed);
}

uint32_t wki_controls_forked(void)
{
	uint32_t count = prompt_chain.count;

	prompt_chain = (struct wki_chain){ 0 };
	return count;
}
