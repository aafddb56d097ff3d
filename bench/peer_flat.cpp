// No library's: how fast a map of std::weak_ptr can get when it is written for this. Open addressing with the weak_ptr
// in the slot, striped spinlocks.
// A lookup costs the stripe's line, the slot and the control block; removal shifts back, so there are no tombstones.
#include "peer.hpp"

#include <atomic>
#include <bit>
#include <sched.h>

namespace {

class spinlock {
public:
	void lock()
	{
		while (held.exchange(true, std::memory_order_acquire))
			wait();
	}

	void unlock() { held.store(false, std::memory_order_release); }

private:
	void wait()
	{
		for (int turns = 0; held.load(std::memory_order_relaxed); turns++)
			if (turns >= 1000)
				sched_yield();
	}

	std::atomic<bool> held = false;
};

class table {
public:
	using object_type = object<table>;

	explicit table(size_t n) : stripes(STRIPES)
	{
		for (auto &s : stripes)
			s.resize(std::bit_ceil(2 * (n + POOL) / STRIPES + 8));
	}

	std::shared_ptr<object_type> get(uint64_t key)
	{
		auto &s = stripe_of(key);
		std::lock_guard<spinlock> lock(s.lock);
		const slot &found = s.slots[s.find(key)];

		return found.key == key ? found.value.lock() : nullptr;
	}

	void insert(uint64_t key, const std::shared_ptr<object_type> &added)
	{
		auto &s = stripe_of(key);
		std::lock_guard<spinlock> lock(s.lock);

		s.put(key, added);
	}

	void erase(object_type &dying)
	{
		auto &s = stripe_of(dying.id);
		std::lock_guard<spinlock> lock(s.lock);

		s.take_out(s.find(dying.id));
	}

	void settle() {}

private:
	enum { STRIPES = 1024 };

	struct slot {
		uint64_t key = 0;	// 0: empty; key_of never gives it for the numbers used here
		std::weak_ptr<object_type> value;
	};

	struct alignas(64) stripe {
		spinlock lock;
		size_t mask = 0, used = 0;
		std::unique_ptr<slot[]> slots;

		void resize(size_t size)
		{
			auto old = std::exchange(slots, std::make_unique<slot[]>(size));
			const size_t old_size = old ? mask + 1 : 0;

			mask = size - 1;
			for (size_t i = 0; i < old_size; i++)
				if (old[i].key)
					slots[find(old[i].key)] = std::move(old[i]);
		}

		// Where the key is, or the empty slot where it would go.
		size_t find(uint64_t key) const
		{
			size_t i = key & mask;

			while (slots[i].key && slots[i].key != key)
				i = (i + 1) & mask;
			return i;
		}

		void put(uint64_t key, const std::weak_ptr<object_type> &value)
		{
			if (4 * (used + 1) > 3 * (mask + 1))
				resize(2 * (mask + 1));
			slot &free_slot = slots[find(key)];
			used += !free_slot.key;
			free_slot.key = key;
			free_slot.value = value;
		}

		// Moves later slots back over the hole as far as their home allows.
		void take_out(size_t hole)
		{
			for (size_t i = (hole + 1) & mask; slots[i].key; i = (i + 1) & mask) {
				if (((i - slots[i].key) & mask) < ((i - hole) & mask))
					continue;
				slots[hole] = std::move(slots[i]);
				hole = i;
			}
			slots[hole].key = 0;
			slots[hole].value.reset();
			used--;
		}
	};

	stripe &stripe_of(uint64_t key) { return stripes[key >> 54]; }

	std::vector<stripe> stripes;
};

implementation by_hand(implementation i)
{
	i.handmade = true;
	return i;
}

}

extern "C" const implementation flat_map = by_hand(table_implementation<table>("striped flat map"));
