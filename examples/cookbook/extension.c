/* Extension data: a module keeps a record for each object of another module, which knows nothing of it.
 * The record goes with the object. It knows its object by a borrowed handle: to hold it strongly would be a leak.
 * Elsewhere: ConditionalWeakTable, JavaScript's WeakMap. Here: wk_key_dict of plain values, wk_key_borrow. */
#include <stdio.h>
#include <stdlib.h>
#include <weakref.h>

struct connection { /* another module's */
	const char *peer;
};
WK_DEFINE_TYPE(connection_type, struct connection, .flags = 0);

struct statistics {  /* ours */
	wk_weak *of; /* borrowed from the entry: good while the record is in the dictionary, nothing to release */
	unsigned requests;
};

static wk_key_dict *statistics;

static void statistics_release(void *value) /* on the runner, when nobody peeks it any more */
{
	struct statistics *record = value;

	printf("a record of %u requests goes\n", record->requests);
	free(record);
}

static void *statistics_make(const void *connection, void *context, int *status)
{
	struct statistics *record = calloc(1, sizeof *record);

	(void)context, (void)status;
	if (record)
		record->of = wk_key_borrow(connection);
	return record;
}

static int count_request(const struct connection *connection)
{
	int status;
	WK_READ_SECTION(); /* a plain value is borrowed: it stays until the section ends */
	struct statistics *record =
		wk_key_dict_get_or_create(statistics, connection, WK_CREATE_RACE, statistics_make, NULL, &status);

	if (record)
		record->requests++; /* one thread serves a connection; else this wants to be an atomic */
	return status;
}

static void report(const struct statistics *record)
{
	WK_AUTO const struct connection *connection = wk_upgrade(record->of);

	printf("%s: %u requests\n", connection ? connection->peer : "(gone)", record->requests);
}

int main(void)
{
	const wk_key_dict_options of = {
		.struct_size = sizeof of,
		.values = WK_HOLD_PLAIN,
		.release_value = statistics_release,
		.key_type = &connection_type,
	};
	statistics = wk_key_dict_new(&of, NULL);
	struct connection *connection = WK_NEW(struct connection, &connection_type);
	if (!statistics || !connection)
		return 1;
	connection->peer = "192.0.2.7";
	if (count_request(connection) < 0 || count_request(connection) < 0)
		return 1;
	WK_EACH(struct connection, each, statistics) {
		WK_READ_SECTION();
		const struct statistics *record = wk_cursor_value(&each_cursor);
		if (record)
			report(record);
	}
	wk_release(connection);
	printf("%zu records\n", wk_key_dict_len(statistics));
	if (wk_barrier(WK_NO_TIMEOUT) < 0)
		return 1;

	wk_release(statistics);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
