// What the C++ peers share: the object, how a table is filled, and the timed loops.
//
// A table of weak references is written here as a C++ programmer writes it: make_shared objects, a std::weak_ptr in
// the table, and an object that takes its own dead entry out in its destructor. A Table offers
//     explicit Table(size_t n);  with room for n entries
//     shared_ptr<object<Table>> get(uint64_t key);
//     void insert(uint64_t key, const shared_ptr<object<Table>> &);  may note in link where the entry is
//     void erase(object<Table> &);  from the destructor of an object that was inserted
//     void settle();  finishes deferred work
// A std::weak_ptr cannot be looked through without taking a count, so peek is get, and there is no get_many but gets.
#ifndef BENCH_PEER_HPP
#define BENCH_PEER_HPP

#include "harness.h"

#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

template <class Table> struct object {
	uint64_t id;
	Table *home = nullptr;		// the table it is in
	void *link = nullptr;		// the table's own: where
	unsigned char rest[PAYLOAD_SIZE - 3 * sizeof(void *)] = {};

	explicit object(uint64_t number) : id(number) {}
	object(const object &) = delete;
	object &operator=(const object &) = delete;
	~object()
	{
		if (home)
			home->erase(*this);
	}
};

template <class Table> struct population {
	Table table;
	std::vector<std::shared_ptr<object<Table>>> objects;	// gone before the table is

	explicit population(size_t n) : table(n) {}

	void add(uint64_t key, const std::shared_ptr<object<Table>> &added)
	{
		added->home = &table;
		table.insert(key, added);
	}
};

template <class Table> void *population_open(size_t n)
{
	auto *p = new population<Table>(n);
	uint32_t *order = shuffled(n);

	p->objects.reserve(n);
	for (size_t i = 0; i < n; i++)
		p->objects.push_back(std::make_shared<object<Table>>(key_of(i)));
	for (size_t i = 0; i < n; i++)
		p->add(p->objects[order[i]]->id, p->objects[order[i]]);
	std::free(order);
	return p;
}

template <class Table> void population_close(void *state)
{
	auto *p = static_cast<population<Table> *>(state);

	for (const auto &live : p->objects)
		if (p->table.get(live->id) != live)
			std::abort();	// churn has lost an entry that it had nothing to do with
	p->objects.clear();
	p->table.settle();
	delete p;
}

template <class Table> void population_settle(void *state)
{
	static_cast<population<Table> *>(state)->table.settle();
}

template <class Table> uint64_t run_get(void *state, worker *worker, size_t operations)
{
	auto &table = static_cast<population<Table> *>(state)->table;
	uint64_t wrong = 0;

	for (size_t i = 0; i < operations; i++) {
		const uint64_t key = next_key(worker);
		const auto found = table.get(key);

		wrong += !found || found->id != key;
	}
	return wrong;
}

template <class Table, uint64_t (*next)(worker *)> uint64_t run_churn(void *state, worker *worker, size_t operations)
{
	auto *p = static_cast<population<Table> *>(state);

	for (size_t i = 0; i < operations; i++) {
		const uint64_t key = next(worker);

		p->add(key, std::make_shared<object<Table>>(key));
	}
	return 0;
}

template <class Table> implementation table_implementation(const char *name)
{
	implementation i = {};

	i.name = name;
	i.open = population_open<Table>;
	i.close = population_close<Table>;
	i.settle = population_settle<Table>;
	i.run[BENCH_GET] = run_get<Table>;
	i.run[BENCH_PEEK] = run_get<Table>;
	i.run[BENCH_GET_MANY] = run_get<Table>;
	i.run[BENCH_CHURN] = run_churn<Table, next_fresh_key>;
	i.run[BENCH_CHURN_SAME] = run_churn<Table, next_pool_key>;
	return i;
}

#endif
