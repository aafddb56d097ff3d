// ck_ht: many readers beside one writer, so writers share a mutex. An entry holds a std::weak_ptr and is freed after
// an urcu-bp grace period; so are arrays that the table has outgrown. Lookups are a read section around the search and
// lock(). Removal leaves tombstones that stay until the table grows, and an insert has to search past all of them, so
// there is no churn row.
#define URCU_INLINE_SMALL_FUNCTIONS
#include "peer.hpp"

#include <bit>
#include <mutex>
#include <urcu-bp.h>
extern "C" {
#include <ck_ht.h>
}

namespace {

struct deferred_block {
	rcu_head head;
	void *memory;
};

void *block_allocate(size_t size)
{
	return std::malloc(size);
}

void block_free_deferred(rcu_head *head)
{
	auto *block = caa_container_of(head, deferred_block, head);

	std::free(block->memory);
	delete block;
}

void block_free(void *memory, size_t, bool defer)
{
	if (!defer)
		return std::free(memory);
	call_rcu(&(new deferred_block{ {}, memory })->head, block_free_deferred);
}

ck_malloc allocator = { block_allocate, nullptr, block_free };

// The keys are spread already.
void identity(ck_ht_hash_t *hash, const void *key, size_t, uint64_t)
{
	hash->value = *static_cast<const uint64_t *>(key);
}

class table {
public:
	using object_type = object<table>;

	explicit table(size_t n)
	{
		if (!ck_ht_init(&hash_table, CK_HT_MODE_DIRECT, identity, &allocator, 2 * std::bit_ceil(n), 1))
			std::abort();
	}

	table(const table &) = delete;
	table &operator=(const table &) = delete;
	~table() { ck_ht_destroy(&hash_table); }

	std::shared_ptr<object_type> get(uint64_t key)
	{
		std::shared_ptr<object_type> result;
		ck_ht_hash_t hash = { key };
		ck_ht_entry_t found;

		ck_ht_entry_key_set_direct(&found, key);
		rcu_read_lock();
		if (ck_ht_get_spmc(&hash_table, hash, &found))
			result = reinterpret_cast<entry *>(ck_ht_entry_value_direct(&found))->value.lock();
		rcu_read_unlock();
		return result;
	}

	void insert(uint64_t key, const std::shared_ptr<object_type> &added)
	{
		auto *e = new entry{ added, {} };
		ck_ht_hash_t hash = { key };
		ck_ht_entry_t inserted;

		added->link = e;
		ck_ht_entry_set_direct(&inserted, hash, key, reinterpret_cast<uintptr_t>(e));
		std::lock_guard<std::mutex> lock(writer);
		if (!ck_ht_put_spmc(&hash_table, hash, &inserted))
			std::abort();
	}

	void erase(object_type &dying)
	{
		ck_ht_hash_t hash = { dying.id };
		ck_ht_entry_t removed;

		ck_ht_entry_key_set_direct(&removed, dying.id);
		{
			std::lock_guard<std::mutex> lock(writer);
			ck_ht_remove_spmc(&hash_table, hash, &removed);
		}
		call_rcu(&static_cast<entry *>(dying.link)->head, free_entry);
	}

	void settle() { rcu_barrier(); }

private:
	struct entry {
		std::weak_ptr<object_type> value;
		rcu_head head;
	};

	static void free_entry(rcu_head *head)
	{
		delete caa_container_of(head, entry, head);
	}

	std::mutex writer;
	ck_ht_t hash_table;
};

implementation lookups_only(implementation i)
{
	i.run[BENCH_CHURN] = i.run[BENCH_CHURN_SAME] = nullptr;
	return i;
}

}

extern "C" const implementation ck_table = lookups_only(table_implementation<table>("ck_ht"));
