/*
 * weakref_bench: measures the library beside its peers. --help says how.
 *
 * Benchmarks come in groups that share what has been opened: all implementations of a group are open at the same time,
 * at one n, and every bench of the group runs on them with every number of threads.
 */
#include "harness.h"
#include "report.h"

#include <weakref.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct implementation *const implementations[] = {
	&weakref_dictionary, &weakref_objects,
	&map_with_mutex, &map_with_shared_mutex, &flat_map, &tbb_map, &lfht, &ck_table, &make_shared_objects
};
enum { IMPLEMENTATIONS = sizeof implementations / sizeof *implementations };

enum { MAX_SIZES = 3, MAX_BENCHES = 4 };

static const struct group {
	const enum bench_id benches[MAX_BENCHES];
	size_t bench_count;
	size_t sizes[MAX_SIZES];
	size_t size_count;
} groups[] = {
	{ { BENCH_GET, BENCH_PEEK, BENCH_GET_MANY }, 3, { 1000, 100000, 2000000 }, 3 },
	{ { BENCH_CHURN, BENCH_CHURN_SAME }, 2, { 1000, 100000 }, 2 },
	{ { BENCH_UPGRADE, BENCH_UPGRADE_OWN, BENCH_NEW, BENCH_NEW_WEAK }, 4, { 1 }, 1 }
};

static struct options {
	struct plan plan;
	const char *benches, *implementations, *sizes, *threads;	/* lists with commas; NULL: all */
	const char *json;
	bool check;
} options = {
	.plan = { .rounds = 7, .warm_ns = 15000000, .sample_ns = 75000000 },
	.threads = "1,2"
};

static const char help[] =
	"weakref_bench [options]: nanoseconds per operation beside other implementations\n"
	"  --quick            3 rounds of 20 ms samples instead of 7 of 75 ms\n"
	"  --rounds N         so many samples of each\n"
	"  --filter LIST      only these benches: get peek get_many churn churn_same upgrade upgrade_own new new_weak\n"
	"  --impl LIST        only these implementations\n"
	"  --sizes LIST       only these n\n"
	"  --threads LIST     these numbers of threads (1,2)\n"
	"  --json FILE        write the results there as well\n"
	"  --check            exit with 1 if a required ratio is missed\n"
	"Lists are separated by commas.\n";

static void usage_error(const char *what)
{
	fprintf(stderr, "weakref_bench: %s (try --help)\n", what);
	exit(2);
}

/* Whether `word` is an item of the list; everything is in no list. */
static bool listed(const char *list, const char *word)
{
	size_t length = strlen(word);

	if (!list)
		return true;
	while (*list) {
		size_t item = strcspn(list, ",");

		if (item == length && strncmp(list, word, length) == 0)
			return true;
		list += item + (list[item] == ',');
	}
	return false;
}

static bool listed_number(const char *list, size_t number)
{
	char word[24];

	snprintf(word, sizeof word, "%zu", number);
	return listed(list, word);
}

static void read_value(const char *name, const char *value)
{
	if (!value)
		usage_error("an option lacks its value");
	if (strcmp(name, "--filter") == 0)
		options.benches = value;
	else if (strcmp(name, "--impl") == 0)
		options.implementations = value;
	else if (strcmp(name, "--sizes") == 0)
		options.sizes = value;
	else if (strcmp(name, "--threads") == 0)
		options.threads = value;
	else if (strcmp(name, "--json") == 0)
		options.json = value;
	else if (strcmp(name, "--rounds") == 0)
		options.plan.rounds = (unsigned)strtoul(value, NULL, 10);
	else
		usage_error("unknown option");
}

static void read_options(char **arguments)
{
	for (char **a = arguments + 1; *a; a++) {
		if (strcmp(*a, "--help") == 0) {
			fputs(help, stdout);
			exit(EXIT_SUCCESS);
		} else if (strcmp(*a, "--quick") == 0) {
			options.plan = (struct plan){ .rounds = 3, .warm_ns = 5000000, .sample_ns = 20000000 };
		} else if (strcmp(*a, "--check") == 0) {
			options.check = true;
		} else {
			read_value(a[0], a[1]);
			a++;
		}
	}
	if (options.plan.rounds < 1 || options.plan.rounds > MAX_ROUNDS)
		usage_error("--rounds is out of range");
}

/* An implementation and what its open() made. */
struct opened {
	const struct implementation *implementation;
	void *state;
};

static struct contender contender_of(const struct opened *opened, enum bench_id bench)
{
	const struct implementation *one = opened->implementation;

	return (struct contender){ one->name, one->run[bench], one->settle, opened->state };
}

static void measure_cell(enum bench_id bench, size_t n, unsigned threads, const struct opened *opened, size_t count)
{
	const struct implementation *running[IMPLEMENTATIONS];
	struct contender contenders[IMPLEMENTATIONS];
	struct measurement measured[IMPLEMENTATIONS];
	size_t first = report_count(), offered = 0;

	for (size_t i = 0; i < count; i++) {
		if (!opened[i].implementation->run[bench])
			continue;
		running[offered] = opened[i].implementation;
		contenders[offered++] = contender_of(&opened[i], bench);
	}
	options.plan.threads = threads;
	harness_measure(&options.plan, n, contenders, offered, measured);
	for (size_t i = 0; i < offered; i++) {
		const struct row row = { bench, running[i], threads, n, measured[i] };

		report_add(&row);
	}
	report_print(first);
}

static bool wanted(const struct implementation *one, const struct group *group)
{
	if (!listed(options.implementations, one->name))
		return false;
	for (size_t b = 0; b < group->bench_count; b++)
		if (one->run[group->benches[b]] && listed(options.benches, bench_name(group->benches[b])))
			return true;
	return false;
}

/* Opens what offers a wanted bench of the group, at n, and touches all of it. */
static size_t open_group(const struct group *group, size_t n, struct opened *opened)
{
	size_t count = 0;

	for (size_t i = 0; i < IMPLEMENTATIONS; i++)
		if (wanted(implementations[i], group))
			opened[count++] = (struct opened){ implementations[i], implementations[i]->open(n) };
	for (size_t i = 0; i < count; i++) {
		const struct contender contender = contender_of(&opened[i], BENCH_GET);

		if (contender.run)
			harness_warm(&contender, n);
	}
	return count;
}

static void run_group(const struct group *group, size_t n)
{
	struct opened opened[IMPLEMENTATIONS];
	size_t count = open_group(group, n, opened);

	for (size_t b = 0; count && b < group->bench_count; b++) {
		if (!listed(options.benches, bench_name(group->benches[b])))
			continue;
		for (unsigned threads = 1; threads <= MAX_THREADS; threads++)
			if (listed_number(options.threads, threads))
				measure_cell(group->benches[b], n, threads, opened, count);
	}
	while (count--)
		opened[count].implementation->close(opened[count].state);
}

static unsigned most_threads(void)
{
	unsigned threads = MAX_THREADS;

	while (threads > 0 && !listed_number(options.threads, threads))
		threads--;
	if (threads == 0)
		usage_error("--threads lists nothing that can be run");
	return threads;
}

static void stop_runtime(void)
{
	wk_shutdown_report report = { .struct_size = sizeof report };
	int status = wk_runtime_shutdown(10000000000u, &report);

	if (status < 0 || report.still_alive != 0) {
		fprintf(stderr, "shutdown: %s, %llu objects still alive\n", wk_strerror(status),
			(unsigned long long)report.still_alive);
		exit(EXIT_FAILURE);
	}
}

int main(int argc, char **argv)
{
	unsigned missed;

	(void)argc;
	read_options(argv);
	if (wk_runtime_start(NULL) < 0) {
		fputs("the runtime did not start\n", stderr);
		return EXIT_FAILURE;
	}
	harness_start(most_threads());
	for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
		for (size_t s = 0; s < groups[g].size_count; s++)
			if (listed_number(options.sizes, groups[g].sizes[s]))
				run_group(&groups[g], groups[g].sizes[s]);
	harness_stop();
	stop_runtime();
	missed = report_check();
	if (options.json && !report_write_json(options.json)) {
		perror(options.json);
		return EXIT_FAILURE;
	}
	return options.check && missed ? EXIT_FAILURE : EXIT_SUCCESS;
}
