/* Ours: a value dictionary with weak values, through the public interface of the shared library. */
#include "weakref_payload.h"

struct state {
	wk_value_dict *dictionary;
	struct payload **objects;	/* what keeps the n entries alive */
	size_t n;
};

static void *open_dictionary(size_t n)
{
	const wk_value_dict_options options = {
		.struct_size = sizeof options, .name = "bench", .keys = WK_KEYS_U64,
		.value_type = &payload_type, .expected = n
	};
	struct state *s = calloc(1, sizeof *s);
	uint32_t *order = shuffled(n);
	int status = WK_ENOMEM;

	s->n = n;
	s->objects = calloc(n ? n : 1, sizeof(struct payload *));
	s->dictionary = wk_value_dict_new(&options, &status);
	if (!s->dictionary)
		stop_on(status, "wk_value_dict_new");
	for (size_t i = 0; i < n; i++)
		s->objects[i] = payload_new(key_of(i));
	for (size_t i = 0; i < n; i++) {
		struct payload *object = s->objects[order[i]];

		stop_on(wk_value_dict_insert(s->dictionary, wk_key_u64(object->id), object), "insert");
	}
	free(order);
	return s;
}

static void close_dictionary(void *state)
{
	struct state *s = state;

	if (wk_value_dict_len(s->dictionary) != s->n)
		stop_on(WK_ENOTFOUND, "length");
	for (size_t i = 0; i < s->n; i++) {
		WK_AUTO struct payload *found = wk_value_dict_get(s->dictionary, wk_key_u64(s->objects[i]->id));

		if (found != s->objects[i])
			stop_on(WK_ENOTFOUND, "get");
		wk_release(s->objects[i]);
	}
	wk_release(s->dictionary);
	settle(s);
	free(s->objects);
	free(s);
}

static uint64_t run_get(void *state, struct worker *worker, size_t operations)
{
	const struct state *s = state;
	uint64_t wrong = 0;

	for (size_t i = 0; i < operations; i++) {
		uint64_t key = next_key(worker);
		struct payload *object = wk_value_dict_get(s->dictionary, wk_key_u64(key));

		wrong += !object || object->id != key;
		wk_release(object);
	}
	return wrong;
}

static uint64_t run_peek(void *state, struct worker *worker, size_t operations)
{
	const struct state *s = state;
	uint64_t wrong = 0;

	for (size_t i = 0; i < operations; i++) {
		uint64_t key = next_key(worker);
		const struct payload *object;

		wk_read_lock();
		object = wk_value_dict_peek(s->dictionary, wk_key_u64(key));
		wrong += !object || object->id != key;
		wk_read_unlock();
	}
	return wrong;
}

static uint64_t run_get_many(void *state, struct worker *worker, size_t operations)
{
	const struct state *s = state;
	uint64_t wrong = 0;

	for (size_t i = 0; i < operations; i += BATCH) {
		wk_key keys[BATCH];
		void *objects[BATCH];

		for (size_t j = 0; j < BATCH; j++)
			keys[j] = wk_key_u64(next_key(worker));
		wrong += wk_value_dict_get_many(s->dictionary, keys, BATCH, objects) != BATCH;
		for (size_t j = 0; j < BATCH; j++) {
			const struct payload *object = objects[j];

			wrong += !object || object->id != keys[j].number;
			wk_release(object);
		}
	}
	return wrong;
}

static inline uint64_t churn_one(const struct state *s, uint64_t key)
{
	struct payload *object = payload_new(key);
	int status = wk_value_dict_insert(s->dictionary, wk_key_u64(key), object);

	wk_release(object);
	return status < 0;
}

static uint64_t run_churn(void *state, struct worker *worker, size_t operations)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < operations; i++)
		wrong += churn_one(state, next_fresh_key(worker));
	return wrong;
}

static uint64_t run_churn_same(void *state, struct worker *worker, size_t operations)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < operations; i++)
		wrong += churn_one(state, next_pool_key(worker));
	return wrong;
}

const struct implementation weakref_dictionary = {
	.name = "weakref", .open = open_dictionary, .close = close_dictionary, .settle = settle,
	.run = {
		[BENCH_GET] = run_get, [BENCH_PEEK] = run_peek, [BENCH_GET_MANY] = run_get_many,
		[BENCH_CHURN] = run_churn, [BENCH_CHURN_SAME] = run_churn_same
	}
};
