/*
 * main.c - run scenarios, print what came of them, replay a schedule
 *
 * A schedule is written as runs of steps by one thread: 12a3b is twelve steps of thread 0,
 * three of thread 1, and from there on whoever ran last as long as he can.
 */
#include "explorer.h"
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Under a sanitizer everything takes several times as long, and what it adds (plain accesses
 * outside of blocks) needs no schedule in particular: there a correct scenario is given up
 * after so many executions, and says so.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ENOUGH UINT64_C(5000)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ENOUGH UINT64_C(5000)
#endif
#endif
#ifndef ENOUGH
#define ENOUGH UINT64_MAX
#endif

struct tally {
	uint64_t ended, repeated;
	unsigned longest;
	bool given_up;
};

static unsigned passed, failed;

static void write_schedule(char *text, size_t size, const struct machine_run *run)
{
	size_t length = 0;

	for (unsigned i = 0, count; i < run->steps && length + 8 < size; i += count) {
		for (count = 1; i + count < run->steps && run->schedule[i + count] == run->schedule[i];)
			count++;
		length += (size_t)snprintf(text + length, size - length, "%u%c", count, 'a' + run->schedule[i]);
	}
}

static unsigned read_schedule(uint8_t *steps, const char *text)
{
	unsigned total = 0;
	char *end;

	for (; *text != '\0'; text = end + 1) {
		unsigned long count = strtoul(text, &end, 10);

		if (end == text || *end < 'a' || *end >= 'a' + EXPLORE_THREADS || count > SEARCH_STEPS - total) {
			fprintf(stderr, "not a schedule: %s\n", text);
			exit(2);
		}
		memset(steps + total, *end - 'a', count);
		total += (unsigned)count;
	}
	return total;
}

static enum machine_outcome replay(const struct explore_scenario *scenario, const uint8_t *script, unsigned steps)
{
	static struct machine_run run;
	enum machine_outcome outcome;

	run = (struct machine_run){ .script = script, .script_steps = steps, .print = true };
	outcome = machine_run(scenario, &run);
	printf("    %s\n", outcome == MACHINE_FAILED ? run.message : "nothing wrong");
	return outcome;
}

static unsigned threads_of(const struct explore_scenario *scenario)
{
	unsigned count = 0;

	while (count < EXPLORE_THREADS && scenario->thread[count][0].run != NULL)
		count++;
	return count;
}

static enum machine_outcome explore(const struct explore_scenario *scenario, struct machine_run *run, struct tally *tally)
{
	static const enum search_mode modes[] = {
		[EXPLORE_TRACES] = SEARCH_TRACES,
		[EXPLORE_EVERY] = SEARCH_EVERY,
		[EXPLORE_BOUNDED] = SEARCH_BOUNDED,
	};
	enum machine_outcome outcome;

	search_begin(modes[scenario->how], threads_of(scenario), scenario->preemptions);
	do {
		outcome = machine_run(scenario, run);
		if (outcome == MACHINE_REPEATED)
			tally->repeated++;
		else
			tally->ended++;
		if (run->steps > tally->longest)
			tally->longest = run->steps;
		tally->given_up = scenario->planted == NULL && tally->ended >= ENOUGH;
	} while (outcome != MACHINE_FAILED && !tally->given_up && search_next());
	return outcome;
}

static void print_bound(const struct explore_scenario *scenario)
{
	if (scenario->how == EXPLORE_BOUNDED)
		printf("%u threads, at most %u preemptions: ", threads_of(scenario), scenario->preemptions);
	else
		printf("%u threads, %s: ", threads_of(scenario),
			scenario->how == EXPLORE_EVERY ? "every interleaving" : "all interleavings");
}

static void report_failure(const struct explore_scenario *scenario, const struct machine_run *run)
{
	static char schedule[4096];

	printf("FAILED    %s: %s\n", scenario->name, run->message);
	write_schedule(schedule, sizeof(schedule), run);
	replay(scenario, run->schedule, run->steps);
	printf("    again: --replay '%s' %s\n", scenario->name, schedule);
}

static void run_scenario(const struct explore_scenario *scenario)
{
	static struct machine_run run;
	struct tally tally = { 0 };
	clock_t start = clock();
	bool caught;

	memset(&run, 0, sizeof(run));
	caught = explore(scenario, &run, &tally) == MACHINE_FAILED;
	if (scenario->planted != NULL && caught && strstr(run.message, scenario->planted) != NULL) {
		printf("caught    %s: %s (execution %llu)\n", scenario->name, run.message, (unsigned long long)tally.ended);
		passed++;
	} else if (caught) {
		report_failure(scenario, &run);
		failed++;
	} else {
		printf("%s %s\n          ", scenario->planted == NULL ? "passed   " : "MISSED   ", scenario->name);
		print_bound(scenario);
		printf("%llu executions, %llu cut short as repeats, at most %u steps, %.2f s%s\n",
			(unsigned long long)tally.ended, (unsigned long long)tally.repeated, tally.longest,
			(double)(clock() - start) / CLOCKS_PER_SEC, tally.given_up ? "; GIVEN UP HERE, in a sanitizer build" : "");
		*(scenario->planted == NULL ? &passed : &failed) += 1;
	}
	fflush(stdout);
}

static const struct explore_scenario *find(const struct explore_scenario *scenarios, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	fprintf(stderr, "no scenario is called %s; try --list\n", name);
	exit(2);
}

static int run_all(const struct explore_scenario *scenarios, size_t count, bool deep)
{
	for (size_t i = 0; i < count; i++)
		if (deep || !scenarios[i].deep)
			run_scenario(&scenarios[i]);
	return 0;
}

int explore_main(int argc, char **argv, const struct explore_scenario *scenarios, size_t count)
{
	static uint8_t script[SEARCH_STEPS];

	if (argc == 4 && strcmp(argv[1], "--replay") == 0)
		return replay(find(scenarios, count, argv[2]), script, read_schedule(script, argv[3])) == MACHINE_FAILED;
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < count; i++)
			printf("%s%s\n", scenarios[i].name, scenarios[i].deep ? " (deep)" : "");
		return 0;
	}
	if (argc == 1 || (argc == 2 && strcmp(argv[1], "--deep") == 0))
		run_all(scenarios, count, argc == 2);
	else
		for (int i = 1; i < argc; i++)
			run_scenario(find(scenarios, count, argv[i]));
	machine_free();
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}
