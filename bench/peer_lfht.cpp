// cds_lfht of liburcu, urcu-bp flavour with its read side inlined. An entry holds a std::weak_ptr and is freed after a
// grace period, so a lookup is a read section around the search and lock(). The bucket table has its final size from
// the start, in one piece (that is what the maximum number of buckets chooses). Entries are freed through defer_rcu,
// each by its own thread: two to three times as fast as call_rcu.
#define URCU_INLINE_SMALL_FUNCTIONS
#include "peer.hpp"

#include <bit>
#include <cstddef>
#include <urcu-bp.h>
#include <urcu-defer.h>
#include <urcu/rculfhash.h>

namespace {

struct deferring_thread {
	deferring_thread() { rcu_defer_register_thread(); }
	~deferring_thread() { rcu_defer_unregister_thread(); }
};

void defer(void (*function)(void *), void *argument)
{
	static thread_local deferring_thread registered;

	defer_rcu(function, argument);
}

class table {
public:
	using object_type = object<table>;

	explicit table(size_t n)
	{
		const unsigned long buckets = std::bit_ceil(n + POOL);

		hash_table = cds_lfht_new(buckets, buckets, buckets, 0, nullptr);
		if (!hash_table)
			std::abort();
	}

	table(const table &) = delete;
	table &operator=(const table &) = delete;
	~table() { cds_lfht_destroy(hash_table, nullptr); }

	std::shared_ptr<object_type> get(uint64_t key)
	{
		std::shared_ptr<object_type> result;
		cds_lfht_iter found;

		rcu_read_lock();
		cds_lfht_lookup(hash_table, key, match, &key, &found);
		if (cds_lfht_node *node = cds_lfht_iter_get_node(&found))
			result = entry_of(node)->value.lock();
		rcu_read_unlock();
		return result;
	}

	void insert(uint64_t key, const std::shared_ptr<object_type> &added)
	{
		auto *e = new entry{ {}, key, added };

		added->link = e;
		rcu_read_lock();
		cds_lfht_add_unique(hash_table, key, match, &e->key, &e->node);
		rcu_read_unlock();
	}

	void erase(object_type &dying)
	{
		auto *e = static_cast<entry *>(dying.link);

		rcu_read_lock();
		cds_lfht_del(hash_table, &e->node);
		rcu_read_unlock();
		defer(free_entry, e);
	}

	void settle() { rcu_defer_barrier(); }

private:
	struct entry {
		cds_lfht_node node;
		uint64_t key;
		std::weak_ptr<object_type> value;
	};

	static entry *entry_of(cds_lfht_node *node)
	{
		return caa_container_of(node, entry, node);
	}

	static int match(cds_lfht_node *node, const void *key)
	{
		return entry_of(node)->key == *static_cast<const uint64_t *>(key);
	}

	static void free_entry(void *e) { delete static_cast<entry *>(e); }

	cds_lfht *hash_table;
};

}

extern "C" const implementation lfht = table_implementation<table>("cds_lfht");
