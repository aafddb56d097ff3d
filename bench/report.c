#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 4096, CHECKED_THREADS = 2 };

static const char ours[] = "weakref";

static struct row rows[MAX_ROWS];
static size_t row_count;

/* Ours may take at most `limit` of the best peer's time. */
static const struct requirement {
	enum bench_id bench;
	double limit;
} requirements[] = {
	{ BENCH_GET, 0.60 },
	{ BENCH_PEEK, 0.50 },
	{ BENCH_UPGRADE, 0.75 },
	{ BENCH_CHURN, 1.00 },
	{ BENCH_CHURN_SAME, 1.00 }
};

const char *bench_name(enum bench_id bench)
{
	static const char *const names[BENCH_COUNT] = {
		[BENCH_GET] = "get", [BENCH_PEEK] = "peek", [BENCH_GET_MANY] = "get_many",
		[BENCH_CHURN] = "churn", [BENCH_CHURN_SAME] = "churn_same",
		[BENCH_UPGRADE] = "upgrade", [BENCH_UPGRADE_OWN] = "upgrade_own",
		[BENCH_NEW] = "new", [BENCH_NEW_WEAK] = "new_weak"
	};

	return names[bench];
}

void report_add(const struct row *row)
{
	if (row_count == MAX_ROWS) {
		fprintf(stderr, "more than %d rows\n", MAX_ROWS);
		exit(EXIT_FAILURE);
	}
	rows[row_count++] = *row;
}

size_t report_count(void)
{
	return row_count;
}

static bool same_cell(const struct row *a, const struct row *b)
{
	return a->bench == b->bench && a->threads == b->threads && a->n == b->n;
}

static bool is_ours(const struct row *row)
{
	return strcmp(row->implementation->name, ours) == 0;
}

/* The fastest peer, or the fastest handmade one, measured beside `row`; NULL: there was none. */
static const struct row *best_beside(const struct row *row, bool handmade)
{
	const struct row *best = NULL;

	for (size_t i = 0; i < row_count; i++) {
		if (!same_cell(&rows[i], row) || is_ours(&rows[i]) || rows[i].implementation->handmade != handmade)
			continue;
		if (!best || rows[i].measured.ns.median < best->measured.ns.median)
			best = &rows[i];
	}
	return best;
}

void report_print(size_t first)
{
	static bool titled;

	if (!titled)
		printf("%-12s %7s %9s  %-24s %9s %9s %9s %9s %7s\n", "bench", "threads", "n", "implementation",
			"ns/op", "min", "max", "cpu ns/op", "ratio");
	titled = true;
	for (size_t i = first; i < row_count; i++) {
		const struct row *row = &rows[i], *best = best_beside(row, false);
		const struct measurement *m = &row->measured;

		printf("%-12s %7u %9zu  %-24s %9.1f %9.1f %9.1f %9.1f", bench_name(row->bench), row->threads, row->n,
			row->implementation->name, m->ns.median, m->ns.min, m->ns.max, m->cpu);
		if (best)
			printf(" %7.2f", measurement_ratio(m, &best->measured).median);
		putchar('\n');
	}
	putchar('\n');
	fflush(stdout);
}

/* Prints one requirement's line for one row of ours; whether it was met. */
static bool check_row(const struct row *row, double limit)
{
	const struct row *best = best_beside(row, false), *handmade = best_beside(row, true);
	struct spread ratio;

	if (!best)
		return true;
	ratio = measurement_ratio(&row->measured, &best->measured);
	printf("%-12s %9zu %9.1f %9.1f  %-24s %7.2f %7.2f %7.2f %7.2f  %-6s", bench_name(row->bench), row->n,
		row->measured.ns.median, best->measured.ns.median, best->implementation->name, ratio.median, ratio.min,
		ratio.max, limit, ratio.median <= limit ? "met" : "missed");
	if (handmade)
		printf("  %7.2f of %s", measurement_ratio(&row->measured, &handmade->measured).median,
			handmade->implementation->name);
	putchar('\n');
	return ratio.median <= limit;
}

unsigned report_check(void)
{
	unsigned missed = 0;

	printf("Required at %d threads: ours in parts of the best peer's time\n", CHECKED_THREADS);
	printf("%-12s %9s %9s %9s  %-24s %7s %7s %7s %7s\n", "bench", "n", "ours", "peer", "best peer", "ratio", "min", "max",
		"limit");
	for (size_t r = 0; r < sizeof requirements / sizeof *requirements; r++) {
		for (size_t i = 0; i < row_count; i++) {
			if (rows[i].bench != requirements[r].bench || rows[i].threads != CHECKED_THREADS ||
			    !is_ours(&rows[i]))
				continue;
			missed += !check_row(&rows[i], requirements[r].limit);
		}
	}
	return missed;
}

bool report_write_json(const char *path)
{
	FILE *file = fopen(path, "w");
	bool written;

	if (!file)
		return false;
	fputs("[\n", file);
	for (size_t i = 0; i < row_count; i++) {
		const struct row *row = &rows[i];

		fprintf(file, "  {\"bench\": \"%s\", \"impl\": \"%s\", \"threads\": %u, \"n\": %zu, "
			"\"ns_per_op\": %.2f, \"ns_min\": %.2f, \"ns_max\": %.2f}%s\n",
			bench_name(row->bench), row->implementation->name, row->threads, row->n, row->measured.ns.median,
			row->measured.ns.min, row->measured.ns.max, i + 1 < row_count ? "," : "");
	}
	fputs("]\n", file);
	written = !ferror(file);
	return fclose(file) == 0 && written;
}
