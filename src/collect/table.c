/*
 * collect/table.c - growing, shrinking, sweeping
 *
 * Layer: collect.
 */
#define _DEFAULT_SOURCE
#include "collect/table.h"

#include <limits.h>
#include <unistd.h>

#include "base/generation.h"
#include "base/memory.h"
#include "collect/array.h"
#include "collect/entry.h"
#include "collect/hash.h"
#include "collect/move.h"
#include "reclaim/runner.h"
#include "sync/rcu.h"

#define TABLE_FULL 5u          /* live entries in two buckets, from which on it grows */
#define TABLE_FLOOR 4u         /* smaller tables are not worth shrinking or sweeping */
#define TABLE_SMALL 7u         /* in tables of less than 2^7 buckets every insert looks whether they are too small */
#define TABLE_STRIPED 16u      /* buckets for each stripe that a table has */
#define TABLE_STRIPES_MAX 64u
#define TABLE_STRIPES_A_PROCESSOR 4u /* records are more than threads that run: ours, and of threads that wait */
#define TABLE_QUOTA 2u         /* units that an insert moves */
#define TABLE_STRIDE 128u      /* units that the runner moves at a time */
#define TABLE_AT_ONCE 5u       /* tables of up to 2^5 buckets are moved as a whole by whoever begins it */
#define TABLE_BITS_MAX 40u     /* beyond it the hash's parts would overlap, and no memory is that large */
#define TABLE_NOT_DUE UINT_MAX

/* Counting. */

static struct wki_stripes *table_stripes(const struct wki_table *table)
{
	/* TBL-5 acquire; pairs: TBL-2; weaker: half-made stripes could be read; check: unit/collect/table_test under TSan */
	return atomic_load_acquire((WKI_ATOMIC_POINTER(struct wki_stripes) *)(uintptr_t)&table->stripes);
}

static unsigned stripes_wanted(void)
{
	static wki_atomic_u32 known;
	/* TBL-6 relaxed; pairs: none; weaker: not possible; check: unit/collect/table_test (everybody computes the same) */
	unsigned wanted = atomic_load_relaxed(&known);
	long processors;

	if (wanted != 0)
		return wanted;
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	for (wanted = TABLE_STRIPES_A_PROCESSOR; wanted < TABLE_STRIPES_MAX && processors > 1; processors /= 2)
		wanted *= 2;
	/* TBL-7 relaxed; pairs: none; weaker: not possible; check: as TBL-6 */
	atomic_store_relaxed(&known, wanted);
	return wanted;
}

static size_t stripes_size(unsigned count)
{
	return sizeof(struct wki_stripes) + count * sizeof(struct wki_stripe);
}

/* A table of 2^bits buckets has stripes if it is large enough. Without memory it goes on without. */
static void table_add_stripes(struct wki_table *table, unsigned bits)
{
	const unsigned count = stripes_wanted();
	struct wki_stripes *none = NULL, *stripes;

	if ((size_t)TABLE_STRIPED * count > (size_t)1 << bits || table_stripes(table) != NULL)
		return;
	stripes = wki_allocate_zeroed(table->allocator, stripes_size(count), 64);
	if (stripes == NULL)
		return;
	stripes->count = count;
	/* TBL-2 release; pairs: TBL-1, TBL-5; weaker: as TBL-1; check: unit/collect/table_test under TSan */
	if (!atomic_cas_release(&table->stripes, &none, stripes))
		wki_free(table->allocator, stripes, stripes_size(count), 64);
}

static uint64_t stripe_live(const struct wki_stripe *stripe)
{
	/* TBL-8 relaxed; pairs: none; weaker: not possible; check: unit/collect/table_test (sums only) */
	return atomic_load_relaxed((wki_atomic_u64 *)(uintptr_t)&stripe->live);
}

static int64_t table_live(const struct wki_table *table)
{
	const struct wki_stripes *stripes = table_stripes(table);
	uint64_t live = stripe_live(&table->own);
	unsigned i;

	for (i = 0; stripes != NULL && i < stripes->count; i++)
		live += stripe_live(&stripes->stripe[i]);
	return (int64_t)live;
}

static int64_t table_spilled(const struct wki_array *array)
{
	/* TBL-9 relaxed; pairs: none; weaker: not possible; check: unit/collect/table_test (a sum only) */
	return (int64_t)atomic_load_relaxed((wki_atomic_u64 *)(uintptr_t)&array->spilled);
}

size_t wki_table_len(const struct wki_table *table)
{
	int64_t live = table_live(table);

	return live > 0 ? (size_t)live : 0;
}

void wki_table_read(const struct wki_table *table, struct wki_table_figures *figures)
{
	const struct wki_array *array;

	figures->live = table_live(table);
	wki_read_lock();
	array = wki_slots_current(&table->root);
	figures->spilled = table_spilled(array);
	figures->buckets = wki_slots_buckets(array);
	figures->is_moving = wki_slots_next(array) != NULL;
	wki_read_unlock();
}

/* What the slot protocol must know. */

static struct wki_bucket *table_bucket_new(void *context)
{
	const struct wki_table *table = context;

	return wki_bucket_new(table->allocator);
}

static void table_bucket_free(void *context, struct wki_bucket *bucket)
{
	const struct wki_table *table = context;

	wki_bucket_free(table->allocator, bucket);
}

static uint64_t table_entry_hash(void *context, const struct wki_entry *entry)
{
	const struct wki_table *table = context;

	return wki_entry_hash(entry, table->seed);
}

/* Whoever finds an entry goes on to its object. A flight has none. */
static uintptr_t table_entry_hint(const struct wki_entry *entry)
{
	return wki_entry_role(entry) == WKI_ENTRY_FLIGHT ? 0 : (uintptr_t)entry->control;
}

/* The state says enough: a dead value that has not been fired yet only moves once more. */
static bool table_entry_is_kept(const struct wki_entry *entry)
{
	return wki_entry_state_is_live(entry) || wki_entry_is_pending_flight(entry);
}

static void table_entry_dropped(void *context, struct wki_entry *entry)
{
	(void)context;
	wki_entry_drop(entry);
}

static const struct wki_slots_ops table_ops = {
	.hash = table_entry_hash,
	.is_kept = table_entry_is_kept,
	.dropped = table_entry_dropped,
	.bucket_new = table_bucket_new,
	.bucket_free = table_bucket_free,
	.hint = table_entry_hint,
	.is_home = wki_entry_is_home,
};

/* Migrations. */

static void table_finish_rcu(struct wki_table *table, struct wki_array *array, struct wki_array *next)
{
	if (wki_slots_finish(&table->root, array, next))
		wki_array_retire(array);
}

enum table_moved { TABLE_MOVED, TABLE_IDLE, TABLE_NO_MEMORY };

/*
 * Moving a unit looks at every entry in it, and perhaps nobody has looked at them for long. Ask for the
 * entries of the unit that is likely to be moved next, and for the bucket after it.
 */
static void table_ask_ahead_rcu(struct wki_array *array, const struct wki_array *next)
{
	const size_t buckets = wki_slots_buckets(array);
	/* TBL-13 relaxed; pairs: none; weaker: not possible; check: by reading (only prefetched) */
	size_t unit = atomic_load_relaxed(&array->claim), i;
	size_t bucket = unit << (wki_unit_shift(array, next) - array->shift);

	if (bucket + 1 >= buckets)
		return;
	__builtin_prefetch(&array->buckets[bucket + 1], 1);
	for (i = 0; i < WKI_BUCKET_SLOTS; i++)
		__builtin_prefetch(wki_word_entry(wki_slots_load(&array->buckets[bucket].slot[i])));
}

/* One unit of the migration that runs, if one does. */
static enum table_moved table_move_rcu(struct wki_table *table)
{
	struct wki_array *array = wki_slots_current(&table->root), *next = wki_slots_next(array);

	if (next == NULL)
		return TABLE_IDLE;
	if (!wki_slots_help(array, next, &table_ops, table))
		return TABLE_NO_MEMORY;
	table_ask_ahead_rcu(array, next);
	table_finish_rcu(table, array, next);
	return TABLE_MOVED;
}

/* A section for each unit: a grace period never waits for more than one. */
static enum table_moved table_move_many(struct wki_table *table, unsigned quota)
{
	enum table_moved moved = TABLE_MOVED;

	while (quota-- > 0 && moved == TABLE_MOVED) {
		wki_read_lock();
		moved = table_move_rcu(table);
		wki_read_unlock();
	}
	return moved;
}

bool wki_table_pass_rcu(struct wki_table *table, struct wki_array *array, uint64_t hash)
{
	bool passed = wki_slots_pass(array, hash, &table_ops, table);

	table_finish_rcu(table, array, wki_slots_next(array));
	return passed;
}

/* How many bits the next array should have, TABLE_NOT_DUE: none is due. */
static unsigned table_due(const struct wki_table *table, const struct wki_array *array)
{
	unsigned bits = wki_array_bits(array);
	int64_t live = table_live(table), spilled = table_spilled(array), buckets = (int64_t)wki_slots_buckets(array);

	if (2 * live > (int64_t)TABLE_FULL * buckets && bits < TABLE_BITS_MAX)
		return bits + 1;
	if (bits > table->floor && 4 * live < buckets)
		return bits - 1;
	if (spilled > buckets && spilled > 1 << (TABLE_FLOOR - 1))
		return bits;
	return TABLE_NOT_DUE;
}

/* As in base/generation.h, but in one byte: of 255 forks in a row one takes an old claim for its own, and does without the runner. */
static uint8_t table_claim(void)
{
	return (uint8_t)(1 + wki_generation % 255);
}

static bool table_claim_maintenance(struct wki_table *table)
{
	uint8_t claim = table_claim();

	/* TBL-11 acq_rel; pairs: TBL-11, TBL-12; weaker: the link could be mailed while the runner still reads it; check: unit/collect/table_test under TSan */
	return atomic_exchange_acq_rel(&table->asked, claim) != claim;
}

/* A read-modify-write as the claim is one: who claims in vain comes before it, and what he has seen is seen after it. */
static void table_give_up_maintenance(struct wki_table *table)
{
	/* TBL-12 acq_rel; pairs: TBL-11; weaker: as TBL-11, or what came while it was claimed could be overlooked; check: unit/collect/table_test under TSan */
	(void)atomic_exchange_acq_rel(&table->asked, 0);
}

/*
 * The runner is to see to it: to what is due, or to the end of what has begun, in case nobody inserts any more. The
 * owner lives after the claim, so its destroy waits for this section, and what ends the table is mailed later.
 */
static void table_ask_rcu(struct wki_table *table, void (*mail)(wki_tagged tagged))
{
	if (!table_claim_maintenance(table))
		return;
	if (!wki_count_is_dead(&table->owner->count))
		mail(wki_tag(&table->maintenance.link, WKI_KIND_DEFERRED));
	else
		table_give_up_maintenance(table);
}

/* What table_due says of the array in authority, unless a migration is running. */
static unsigned table_due_now_rcu(const struct wki_table *table)
{
	struct wki_array *array = wki_slots_current(&table->root);

	return wki_slots_next(array) != NULL ? TABLE_NOT_DUE : table_due(table, array);
}

/*
 * The array was made outside of the section: is it still what is due? It must be so of the very array that it is to
 * follow. Another one may be twice or half as large, and a unit moves to two buckets at most.
 */
static bool table_begin_rcu(struct wki_table *table, struct wki_array *next)
{
	struct wki_array *array = wki_slots_current(&table->root);
	unsigned bits = wki_array_bits(next);

	if (wki_slots_next(array) != NULL || table_due(table, array) != bits)
		return false;
	SCHED_POINT("a migration is due but not begun");
	if (!wki_slots_start(array, next))
		return false;
	if (bits > TABLE_AT_ONCE)
		table_ask_rcu(table, wki_runner_sometime);
	return true;
}

bool wki_table_start(struct wki_table *table)
{
	struct wki_array *next;
	unsigned bits;
	bool begun;

	wki_read_lock();
	bits = table_due_now_rcu(table);
	wki_read_unlock();
	if (bits == TABLE_NOT_DUE)
		return true;
	table_add_stripes(table, bits);
	next = wki_array_new(table->allocator, bits);
	if (next == NULL)
		return false;
	wki_read_lock();
	begun = table_begin_rcu(table, next);
	wki_read_unlock();
	if (!begun)
		wki_array_free(next);
	else if (bits <= TABLE_AT_ONCE)
		(void)table_move_many(table, 1u << TABLE_AT_ONCE);
	return true;
}

void wki_table_tend(struct wki_table *table)
{
	(void)table_move_many(table, TABLE_QUOTA);
	(void)wki_table_start(table);
}

void wki_table_look_rcu(struct wki_table *table)
{
	struct wki_array *array = wki_slots_current(&table->root);

	if (wki_slots_next(array) == NULL && table_due(table, array) != TABLE_NOT_DUE)
		table_ask_rcu(table, wki_runner_after_grace);
}

struct wki_place wki_table_find_room_rcu(const struct wki_table *table, uint64_t hash, wki_same_key *same, const void *key)
{
	struct wki_array *array = wki_slots_route(&table->root, hash);

	if (likely(same == wki_entry_same_number)) /* compiled in */
		return wki_slots_find_room(array, hash, wki_entry_same_number, key, &table_ops);
	return wki_slots_find_room(array, hash, same, key, &table_ops);
}

/*
 * After a store. A migration runs; or the table may be too small: whoever has taken a slot behind the home bucket that was
 * never used, or appended a bucket, looks. Where slots that have been used serve again it stays as full as it was.
 */
static bool table_needs_tending(const struct wki_table *table, const struct wki_place *place)
{
	const bool spills = place->claims && place->seen == 0;

	return spills || wki_array_bits(place->array) < TABLE_SMALL || wki_slots_next(place->array) != NULL ||
	       wki_slots_current(&table->root) != place->array;
}

enum wki_stored wki_table_store_rcu(struct wki_table *table, const struct wki_place *place, uint64_t hash,
				    struct wki_entry *entry, wki_same_key *same, const void *key, bool *tend)
{
	enum wki_stored stored = same == wki_entry_same_number ?
		wki_slots_store(place, hash, entry, wki_entry_same_number, key, &table_ops, table) :
		wki_slots_store(place, hash, entry, same, key, &table_ops, table);
	struct wki_entry *displaced = place->claims && place->word != &place->bucket->next ? wki_word_entry(place->seen) : NULL;

	if (stored != WKI_STORED && stored != WKI_STORE_LOST)
		return stored;
	if (displaced != NULL)
		wki_entry_drop(displaced);
	*tend = table_needs_tending(table, place);
	return stored;
}

bool wki_table_vacate_rcu(const struct wki_table *table, const struct wki_entry *entry)
{
	return wki_slots_vacate(&table->root, wki_entry_hash(entry, table->seed), entry);
}

void wki_table_withdraw(struct wki_table *table, const struct wki_entry *entry)
{
	uint64_t hash = wki_entry_hash(entry, table->seed);

	wki_slots_withdraw(wki_slots_route(&table->root, hash), hash, entry);
}

/* A migration is running, and has moved on since the last look. */
static bool table_gets_on(struct wki_table *table)
{
	const struct wki_array *array;
	uint32_t at;
	bool gets_on;

	wki_read_lock();
	array = wki_slots_current(&table->root);
	at = (uint32_t)((uintptr_t)array / 64 + wki_slots_frontier(array)); /* if two are the same by chance, we only help too early */
	gets_on = wki_slots_next(array) != NULL && at != table->seen;
	wki_read_unlock();
	table->seen = at;
	return gets_on;
}

/*
 * The runner gives up looking after it. Somebody may have begun, or looked, just now and found the runner still at it.
 * false: it looks after it again, sometime. Without memory it waits for somebody to look.
 */
static bool table_has_done(struct wki_table *table, bool has_memory)
{
	bool due;

	wki_read_lock();
	table_give_up_maintenance(table);
	due = has_memory && (wki_slots_next(wki_slots_current(&table->root)) != NULL || table_due_now_rcu(table) != TABLE_NOT_DUE);
	due = due && table_claim_maintenance(table);
	wki_read_unlock();
	return !due;
}

/* The runner's part: a stride of what is due. */
static void table_maintain(struct wki_deferred *maintenance)
{
	struct wki_table *table =
		(struct wki_table *)((char *)maintenance - offsetof(struct wki_table, maintenance));
	enum table_moved moved;
	bool has_memory;

	if (wki_count_is_dead(&table->owner->count))
		return; /* its end may have begun, and goes through what is there as it stands */
	if (table_gets_on(table)) {
		wki_runner_sometime(wki_tag(&maintenance->link, WKI_KIND_DEFERRED));
		return;
	}
	has_memory = wki_table_start(table);
	moved = table_move_many(table, 1);
	if (moved == TABLE_MOVED) {
		(void)table_move_many(table, TABLE_STRIDE - 1);
		wki_runner_now(wki_tag(&maintenance->link, WKI_KIND_DEFERRED)); /* once it is through the next may be due */
		return;
	}
	if (!table_has_done(table, has_memory && moved == TABLE_IDLE))
		wki_runner_sometime(wki_tag(&maintenance->link, WKI_KIND_DEFERRED));
}

/* The container's beginning and end. */

int wki_table_init(struct wki_table *table, struct wki_control *owner, const wk_allocator *allocator, size_t expected)
{
	struct wki_array *array;
	unsigned bits = 0;

	while (bits < TABLE_BITS_MAX && expected > ((size_t)TABLE_FULL << bits) / 2)
		bits++;
	table->seed = wki_hash_seed();
	table->owner = owner;
	table->allocator = allocator;
	table->floor = (uint8_t)(bits > TABLE_FLOOR ? bits : TABLE_FLOOR);
	table->maintenance.run = table_maintain;
	array = wki_array_new(allocator, bits);
	if (array == NULL)
		return WK_ENOMEM;
	table_add_stripes(table, bits);
	wki_slots_init(&table->root, array);
	return WK_OK;
}

void *wki_table_step_rcu(struct wki_table *table, struct wki_walk *walk,
			 void *(*take)(struct wki_entry *entry, void *context), void *context)
{
	const struct wki_walked walked = { &table->root, &table_ops, table };

	return wki_walk_step(walk, &walked, wki_entry_same_entry, take, context);
}

bool wki_table_tied_rcu(struct wki_table *table, uint64_t hash, bool (*visit)(struct wki_entry *entry, void *context),
			void *context)
{
	const struct wki_walked walked = { &table->root, &table_ops, table };

	return wki_walk_tied(hash, &walked, visit, context);
}

void wki_table_destroy(struct wki_table *table)
{
	struct wki_stripes *stripes = table_stripes(table);
	struct wki_array *array = wki_slots_current(&table->root), *next;

	for (; array != NULL; array = next) {
		next = wki_slots_next(array);
		wki_array_reclaim(array);
	}
	if (stripes != NULL)
		wki_free(table->allocator, stripes, stripes_size(stripes->count), 64);
}
