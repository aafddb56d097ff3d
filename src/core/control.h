/*
 * core/control.h - the control block: the runtime's record of one object
 *
 *	inline   [extra 16] control block 48 | payload          the block's last word is the back word
 *	apart    [extra 16] control block 48                    the block's last word is the payload's address
 *	         allocation or given memory: … back word | payload
 *
 * The back word stands in front of every payload: the control block's address under a check
 * value. A strong reference is a plain pointer to the payload; a weak handle is a pointer to
 * the control block.
 *
 *	state     strong             what may happen                          who leaves it
 *	UNBORN    DEAD|UNBORN        upgrades fail; BORROWED is not set       its constructor: ALIVE or DEAD
 *	ALIVE     count > 0          everything                               its only owner: DEAD; release to zero
 *	UNDECIDED count 0            upgrade revives; deciders decide          the CAS to DEAD, or a reviver
 *	DEAD      DEAD               nothing but failing upgrades             its one owner: watches fired
 *	RETIRED   DEAD               peeks that began before it               the grace period (none if not BORROWED)
 *	DESTROYED DEAD               weak handles ask, in vain                last unit: the memory goes; a grace
 *	                                                                      period later if a weak cell led here
 *
 * Impossible: DEAD to any other; two owners of one end of life; a watch pushed when DEAD or UNBORN.
 *
 * Entries of containers while they are live, watches and peekers own no unit. They find the block through
 * something that stops being live before the end of life retires the block, and look at it
 * only inside the read section in which they found that live: the grace period covers them.
 *
 * HOME. An object that is borrowed for the first time by an entry of a dictionary of numbers has its home there, for good,
 * and the block has that entry's key, in the word that is its link once it is dead. Who is led here by such an entry's
 * slot, and finds the key he looks for, the object alive, and nothing gone from its home (LEFT), need not look at the entry.
 * Objects whose type has an owner have no home: an entry that has ended may keep the block for long (collect/entry.h), and
 * so the owner's code.
 *
 * Layer: core.
 */
#ifndef WKI_CORE_CONTROL_H
#define WKI_CORE_CONTROL_H

#include "base/check.h"
#include "core/count.h"
#include "core/watch.h"
#include "reclaim/link.h"
#include "weakref/object.h"
#include "weakref/weak.h"

/* META flags; bits 0 to 7, and 12 (core/watch.h has the rest of the word). */
#define WKI_LEFT UINT32_C(0x01)      /* sticky, before the object's entry at home, in its slot, ends otherwise than by its death */
#define WKI_EXTRA UINT32_C(0x02)     /* constant: struct wki_extra stands in front */
#define WKI_GIVEN UINT32_C(0x04)     /* constant: the payload's memory is the program's */
#define WKI_DISCARDED UINT32_C(0x08) /* no destroy: the constructor failed, or the payload was taken */
#define WKI_ENDING UINT32_C(0x10)    /* an asynchronous destroy has begun and is not done */
#define WKI_OWED UINT32_C(0x1000)    /* the entry that has left home owns a unit, which nobody is to count as a weak handle */
/* WKI_META_CELLED 0x40: core/count.h; WKI_META_PRUNING 0x80: core/watch.h */

struct wki_control {
	struct wki_count count;  /* strong, units, meta */
	const wk_type *type;     /* constant; outlives the object, weak handles ask for it */
	wki_watch_head watches;  /* pushed by holders, pruned, taken at death */
	struct wki_link link;    /* alive: the key of its home; dead: mailbox, batch, limbo or queue, one at a time */
	union {
		uintptr_t back;  /* inline: the back word */
		void *payload;   /* apart: WKI_STRONG_APART */
	} end;
};
_Static_assert(sizeof(struct wki_control) == 48, "control block and back word are 48 bytes");

/* In front of the control block when the object needs more than its type says. */
struct wki_extra {
	size_t size;         /* bytes of payload */
	wk_queue *destroy_on; /* owned; NULL: the runner */
};

/* Where a control block stands in its memory. */
struct wki_layout {
	size_t front;     /* bytes before the control block: wki_extra, and what alignment needs */
	size_t size;      /* of the whole block */
	size_t alignment; /* of the whole block */
};

/* Payloads above this many bytes are apart, so that weak handles never pin a large dead one. */
#define WKI_INLINE_MAX 256u

#define WKI_BACK_CHECK (UINT64_C(0x5ef7) << 48)
#define WKI_BACK_MASK ((UINT64_C(1) << 48) - 1)

static inline uintptr_t wki_back_word(const struct wki_control *control)
{
	return (uintptr_t)control | WKI_BACK_CHECK;
}

__attribute__((noreturn, cold)) void wki_stop_no_object(const void *payload);
__attribute__((noreturn, cold)) void wki_stop_control(const struct wki_control *control, const char *what);

/* wki_control_of - the control block of a payload; stops the process if it is not one */
static inline struct wki_control *wki_control_of(const void *payload)
{
	uintptr_t control = ((const uintptr_t *)payload)[-1] ^ WKI_BACK_CHECK;

	if (unlikely((control & ~WKI_BACK_MASK) != 0))
		wki_stop_no_object(payload);
	return (struct wki_control *)control;
}

/* wki_payload_of - the payload, `strong` being any value its strong word has had */
static inline void *wki_payload_of(const struct wki_control *control, uint64_t strong)
{
	if (strong & WKI_STRONG_APART)
		return control->end.payload;
	return (void *)(uintptr_t)(control + 1);
}

static inline struct wki_control *wki_control_of_weak(const wk_weak *weak)
{
	return (struct wki_control *)(uintptr_t)weak;
}

static inline struct wki_extra *wki_extra_of(const struct wki_control *control)
{
	return (struct wki_extra *)(uintptr_t)control - 1;
}

/* wki_control_layout - of a block with these flags; `size`: of the payload. wki_payload_layout - of a payload apart. */
struct wki_layout wki_control_layout(const wk_type *type, size_t size, bool extra, bool apart);
struct wki_layout wki_payload_layout(const wk_type *type, size_t size);
/* Blocks of a type: from its allocator, the thread's cache, or the runtime's allocator. */
void *wki_block_allocate(const wk_type *type, const struct wki_layout *layout);
void wki_block_free(const wk_type *type, void *block, const struct wki_layout *layout);

static inline uint32_t wki_control_meta(const struct wki_control *control)
{
	/* CTL-1 relaxed; pairs: none; weaker: not possible; check: unit/core/control_test (constant flags, and what is nobody else's any more) */
	return atomic_load_relaxed((wki_atomic_u32 *)(uintptr_t)&control->count.meta);
}

static inline size_t wki_control_size(const struct wki_control *control)
{
	return wki_control_meta(control) & WKI_EXTRA ? wki_extra_of(control)->size : control->type->size;
}

/* wki_control_is_sole - by an owner of a strong reference: it is the only one, and nobody can make another without him */
static inline bool wki_control_is_sole(const struct wki_control *control)
{
	/* The acquire in peek shows BORROWED if any earlier owner has set it. */
	return wki_count_is_all(wki_count_peek(&control->count), 1) && !wki_count_is_borrowed(&control->count);
}

/* So many handles are a leak; as many more and the units could run into BORROWED. */
#define WKI_UNITS_MAX (UINT32_C(1) << 30)

/* wki_control_check_units - one was added, there were so many before */
static inline void wki_control_check_units(const struct wki_control *control, uint32_t before)
{
	if (unlikely(before >= WKI_UNITS_MAX))
		wki_stop_control(control, "has more than 2^30 weak handles");
}

/* wki_control_add_unit - by an owner of one, or of a strong reference to what has been borrowed */
static inline void wki_control_add_unit(struct wki_control *control)
{
	wki_control_check_units(control, wki_count_add_unit(&control->count));
}

static inline void wki_control_check_born(const struct wki_control *control)
{
	if (unlikely(wki_count_is_unborn(&control->count)))
		wki_stop_control(control, "given away before it is constructed");
}

/*
 * wki_control_borrow - from now on somebody may look at the object without owning a reference
 *
 * By a holder of a strong reference, before what it publishes can be seen: the release of that
 * reference carries the flag to the owner of the end of life. true: the caller is the first one, and may set its home.
 */
static inline bool wki_control_borrow(struct wki_control *control)
{
	if (wki_count_is_borrowed(&control->count))
		return false;
	wki_control_check_born(control);
	return wki_count_borrow(&control->count);
}

/* wki_control_set_home - by who has borrowed it first, before it publishes what leads here */
static inline void wki_control_set_home(struct wki_control *control, uint64_t key)
{
	/* CTL-12 relaxed; pairs: none; weaker: not possible; check: explore/store (published by GLN-4) */
	atomic_store_relaxed(&control->link.next, key);
}

/*
 * wki_control_is_home_rcu - is the object at home under this key, if it is alive?
 *
 * By who was led here by a slot that is KEYED (collect/slots.h), in this section. Whether it is alive is asked after this.
 */
static inline bool wki_control_is_home_rcu(const struct wki_control *control, uint64_t key)
{
	/* CTL-13 acquire; pairs: LNK-2; weaker: who takes a link for the key could still find the object alive; check: explore/store */
	return atomic_load_acquire((wki_atomic_word *)(uintptr_t)&control->link.next) == key &&
	       (wki_control_meta(control) & WKI_LEFT) == 0;
}

/*
 * wki_control_leave_home - by who has found the entry at home live, in this section and in its slot, and is about to end it
 *
 * A unit is his, for the entry, if he is the one who ends it (wki_control_owe_home); else he gives it back.
 */
static inline void wki_control_leave_home(struct wki_control *control)
{
	wki_control_add_unit(control);
	/* CTL-14 relaxed; pairs: none; weaker: not possible; check: explore/store (WCH-7 carries it to whoever finds the entry ended) */
	(void)atomic_fetch_or_relaxed(&control->count.meta, WKI_LEFT);
}

/* wki_control_owe_home - the unit is the entry's */
static inline void wki_control_owe_home(struct wki_control *control)
{
	/* CTL-18 release; pairs: CTL-16; weaker: OWED could be seen without its unit; check: explore/store, unit/collect/home_test */
	(void)atomic_fetch_or_release(&control->count.meta, WKI_OWED);
}

/* wki_control_pay_home - the entry's time has come: its unit is given back */
void wki_control_pay_home(struct wki_control *control);

/* wki_control_weak_handles - a hint; right where nobody is at it, and never too few but for a grant that is late (core/count.h) */
static inline uint32_t wki_control_weak_handles(const struct wki_control *control)
{
	/* CTL-16 acquire; pairs: CTL-18; weaker: a weak handle could be taken for what is OWED; check: explore/store, unit/collect/home_test */
	const uint32_t before = atomic_load_acquire((wki_atomic_u32 *)(uintptr_t)&control->count.meta);
	/* CTL-17 acquire; pairs: CNT-4; weaker: the unit could be gone, and OWED still be seen; check: api/weak_test, unit/collect/home_test */
	const uint32_t units = wki_count_units(atomic_load_acquire((wki_atomic_u32 *)(uintptr_t)&control->count.units));
	/* It was OWED all the while: it is only once. */
	const uint32_t others = WKI_STRONG_UNITS + ((before & wki_control_meta(control) & WKI_OWED) != 0);

	return units <= others ? 0 : units - others;
}

/* wki_control_borrow_unit - the same, and a unit for who borrows */
static inline void wki_control_borrow_unit(struct wki_control *control)
{
	if (wki_count_is_borrowed(&control->count)) {
		wki_control_add_unit(control);
		return;
	}
	wki_control_check_born(control);
	wki_control_check_units(control, wki_count_borrow_unit(&control->count));
}

/*
 * wki_control_upgrade - a strong reference to the payload, or NULL if the object is dead
 *
 * The caller owns a unit, or is in the read section in which it found something live that
 * leads here (see the head of this file).
 */
static inline void *wki_control_upgrade(struct wki_control *control)
{
	uint64_t before = wki_count_upgrade(&control->count);

	return likely(wki_strong_is_above(before, 0)) || (before & WKI_STRONG_DEAD) == 0 ? wki_payload_of(control, before) : NULL;
}

/* wki_control_peek - the payload, borrowed until the read section ends; NULL: dead, or a prompt type */
static inline void *wki_control_peek(const struct wki_control *control)
{
	uint64_t strong = wki_count_peek(&control->count);

	if (likely(strong <= WKI_STRONG_COUNT)) /* as most are: no flag is set */
		return (void *)(uintptr_t)(control + 1);
	return (strong & (WKI_STRONG_DEAD | WKI_STRONG_NOPEEK)) == 0 ? wki_payload_of(control, strong) : NULL;
}

/* wki_control_weakly - may the type be referenced weakly at all? */
static inline bool wki_control_weakly(const struct wki_control *control)
{
	return (control->type->flags & WK_TYPE_NO_WEAK) == 0;
}

/* What a watch is. The handler runs inside the end of life's read section and has won LIVE -> FIRED. */
enum wki_watch_kind { WKI_WATCH_ENTRY, WKI_WATCH_REF, WKI_WATCH_FINALIZER, WKI_WATCH_TICKET, WKI_WATCH_HELD, WKI_WATCH_KINDS };

struct wki_watch_handler {
	void (*fired)(struct wki_watch *watch);  /* the object died */
	void (*leave)(struct wki_watch *watch);  /* off the list: drop the list's hold */
	void (*orphaned)(struct wki_watch *watch); /* fired, but in a child whose parent sees to the rest; no section */
};

/* Filled in by src/runtime/kinds.c, which knows every layer. */
extern const struct wki_watch_handler wki_watch_handlers[WKI_WATCH_KINDS];

/* wki_control_watch - put a watch on the object's list; the caller owns a strong reference */
static inline void wki_control_watch(struct wki_control *control, struct wki_watch *watch)
{
	wki_watch_push(&control->watches, watch);
}

/*
 * wki_control_unwatch_rcu - after LIVE -> REMOVED was won, in the read section in which the
 * watch was found live: counts the litter and prunes when it is due
 */
void wki_control_unwatch_rcu(struct wki_control *control);
/* wki_control_prune_rcu - after that: whether it is due or not, what has been removed leaves, here or with who is pruning */
void wki_control_prune_rcu(struct wki_control *control);

/* wki_control_release - `many` strong references less: what wk_release does */
void wki_control_release(struct wki_control *control, uint64_t many);

struct wki_intent;
/* wki_control_forked - in the child: tell the watches of an object whose life a lost thread was ending */
void wki_control_forked(struct wki_intent *intent);
/* wki_controls_forked - in the child: what the thread that forked was about to destroy is the parent's; returns how many */
uint32_t wki_controls_forked(void);

/*
 * wki_control_end - a strong reference less; true: it was the last one
 *
 * The object is dead then, its watches have fired, and the caller retires it. `borrowed`: somebody may still peek.
 */
bool wki_control_end(struct wki_control *control, bool *borrowed);
/* wki_control_retire - the object is dead, its watches have fired: hand it on. `borrowed`: somebody may still peek */
void wki_control_retire(struct wki_control *control, bool borrowed);
/* wki_control_is_mailed - of a dead object: it is handed to the runner */
bool wki_control_is_mailed(const struct wki_control *control);
/* wki_control_retire_without_destroy - by who has ended it: hand the memory on, after a grace period if `borrowed` */
void wki_control_retire_without_destroy(struct wki_control *control, bool borrowed);

/* wki_control_drop_unit - a weak unit less; the last one frees the block */
void wki_control_drop_unit(struct wki_control *control);

/* wki_control_reclaim - a dead object's time has come: destroy, where there is one to run; then the memory */
void wki_control_reclaim(struct wki_link *link);
/* wki_control_destroy - what a queue does with an object that was delivered to it */
void wki_control_destroy(struct wki_control *control);
/* wki_control_abandon - what a queue does with an object that it drops: no destroy, the memory goes */
void wki_control_abandon(struct wki_control *control);
/* wki_control_finish - the object is destroyed: its payload's memory, and the strong side's unit */
void wki_control_finish(struct wki_control *control);
/* wki_control_free - a block without units, to which a weak cell had led: the grace period is over */
void wki_control_free(struct wki_link *link);

static inline struct wki_control *wki_control_of_link(struct wki_link *link)
{
	return (struct wki_control *)((char *)link - offsetof(struct wki_control, link));
}

/* wki_note_status - what wk_last_status answers on this thread from now on */
void wki_note_status(int code);

/* Destructors that have run or begun, and objects abandoned, since the process began. */
uint64_t wki_control_destroys(void);
uint64_t wki_control_abandoned(void);

/*
 * wki_deliver - give a dead object to its queue; false: the queue is closed, run it here.
 * Filled in by src/runtime/kinds.c.
 */
extern bool (*const wki_deliver)(wk_queue *queue, wki_tagged tagged);

#endif
