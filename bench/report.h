/* What the benchmark says: a table as it goes, the required ratios at the end, and a JSON file. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "harness.h"

struct row {
	enum bench_id bench;
	const struct implementation *implementation;
	unsigned threads;
	size_t n;
	struct measurement measured;
};

const char *bench_name(enum bench_id bench);

void report_add(const struct row *row);

/* Prints the rows from number `first` on, all of one bench, n and number of threads. */
void report_print(size_t first);
size_t report_count(void);

/* Prints each required ratio beside what was measured; how many were missed. */
unsigned report_check(void);

/* Writes every row; false: the file could not be written. */
bool report_write_json(const char *path);

#endif
