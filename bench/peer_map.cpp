// std::unordered_map<uint64_t, std::weak_ptr> behind one lock: a mutex, or a shared_mutex that lookups share.
// The keys are spread already, so the library's identity hash is the best there is.
#include "peer.hpp"

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace {

template <class Mutex, class ReadLock> class locked_map {
public:
	using object_type = object<locked_map>;

	explicit locked_map(size_t n) { map.reserve(n + POOL); }

	std::shared_ptr<object_type> get(uint64_t key)
	{
		ReadLock lock(mutex);
		const auto found = map.find(key);

		return found == map.end() ? nullptr : found->second.lock();
	}

	void insert(uint64_t key, const std::shared_ptr<object_type> &added)
	{
		std::lock_guard<Mutex> lock(mutex);

		map.emplace(key, added);
	}

	void erase(object_type &dying)
	{
		std::lock_guard<Mutex> lock(mutex);

		map.erase(dying.id);
	}

	void settle() {}

private:
	Mutex mutex;
	std::unordered_map<uint64_t, std::weak_ptr<object_type>> map;
};

using mutex_map = locked_map<std::mutex, std::lock_guard<std::mutex>>;
using shared_mutex_map = locked_map<std::shared_mutex, std::shared_lock<std::shared_mutex>>;

}

extern "C" const implementation map_with_mutex = table_implementation<mutex_map>("mutex+unordered_map");
extern "C" const implementation map_with_shared_mutex =
	table_implementation<shared_mutex_map>("shared_mutex+unordered_map");
