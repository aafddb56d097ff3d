// tbb::concurrent_hash_map<uint64_t, std::weak_ptr>, with its default hash: the keys are spread already.
#include "peer.hpp"

#include <tbb/concurrent_hash_map.h>

namespace {

class table {
public:
	using object_type = object<table>;
	using map_type = tbb::concurrent_hash_map<uint64_t, std::weak_ptr<object_type>>;

	explicit table(size_t n) : map(n + POOL) {}

	std::shared_ptr<object_type> get(uint64_t key)
	{
		typename map_type::const_accessor found;

		return map.find(found, key) ? found->second.lock() : nullptr;
	}

	void insert(uint64_t key, const std::shared_ptr<object_type> &added)
	{
		map.emplace(key, added);
	}

	void erase(object_type &dying) { map.erase(dying.id); }
	void settle() {}

private:
	map_type map;
};

}

extern "C" const implementation tbb_map = table_implementation<table>("tbb::concurrent_hash_map");
