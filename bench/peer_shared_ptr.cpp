// std::make_shared and std::weak_ptr.
#include "harness.h"

#include <memory>

namespace {

struct payload {
	uint64_t id;
	unsigned char rest[PAYLOAD_SIZE - sizeof(uint64_t)] = {};

	explicit payload(uint64_t number) : id(number) {}
};

constexpr unsigned SPREAD = 4;	// neighbours in memory could share a line: of each SPREAD objects one is used

struct objects {
	std::shared_ptr<payload> strong[MAX_THREADS * SPREAD];
	std::weak_ptr<payload> weak[MAX_THREADS];
};

void *open_objects(size_t)
{
	auto *o = new objects;

	for (auto &strong : o->strong)
		strong = std::make_shared<payload>(1);
	for (unsigned i = 0; i < MAX_THREADS; i++)
		o->weak[i] = o->strong[i * SPREAD];
	return o;
}

void close_objects(void *state)
{
	delete static_cast<objects *>(state);
}

uint64_t lock_and_release(const std::weak_ptr<payload> &weak, size_t operations)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < operations; i++) {
		const auto object = weak.lock();

		wrong += !object || object->id != 1;
	}
	return wrong;
}

uint64_t run_upgrade(void *state, worker *, size_t operations)
{
	return lock_and_release(static_cast<objects *>(state)->weak[0], operations);
}

uint64_t run_upgrade_own(void *state, worker *worker, size_t operations)
{
	return lock_and_release(static_cast<objects *>(state)->weak[worker->index], operations);
}

// Keeps the compiler from seeing that nobody uses the object.
void use(const payload *object)
{
	asm volatile("" : : "r"(object) : "memory");
}

uint64_t run_new(void *, worker *, size_t operations)
{
	for (size_t i = 0; i < operations; i++)
		use(std::make_shared<payload>(i).get());
	return 0;
}

uint64_t run_new_weak(void *, worker *, size_t operations)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < operations; i++) {
		auto object = std::make_shared<payload>(i);
		const std::weak_ptr<payload> weak = object;

		use(object.get());
		object.reset();
		wrong += !weak.expired();
	}
	return wrong;
}

implementation make_implementation()
{
	implementation i = {};

	i.name = "make_shared";
	i.open = open_objects;
	i.close = close_objects;
	i.run[BENCH_UPGRADE] = run_upgrade;
	i.run[BENCH_UPGRADE_OWN] = run_upgrade_own;
	i.run[BENCH_NEW] = run_new;
	i.run[BENCH_NEW_WEAK] = run_new_weak;
	return i;
}

}

extern "C" const implementation make_shared_objects = make_implementation();
