#ifndef BROKER_COUNTER_H
#define BROKER_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

/* A figure that one thread counts up and any thread reads: no locked instruction. */
typedef struct counter {
	_Atomic uint64_t value;
} counter;

static inline uint64_t counter_read(const counter *c)
{
	return atomic_load_explicit(&c->value, memory_order_relaxed);
}

static inline void counter_add(counter *c, uint64_t amount)
{
	atomic_store_explicit(&c->value, counter_read(c) + amount, memory_order_relaxed);
}

#endif
