/*
 * stress/harness.c - options, threads, the clock, the last line
 */
#define _GNU_SOURCE
#include "harness.h"

#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "reclaim/grace.h"
#include "sync/event.h"

/* How much longer than asked for a run may take before it counts as stuck; sanitizers are slow. */
#define HARNESS_PATIENCE 30u
/* How many times as long as asked for it may last to see both sides of every race win. */
#define HARNESS_EXTENSION 10u
/* Threads for each processor, one of which is drawn when none are asked for. */
static const unsigned harness_crowds[] = { 2, 4, 8 };

struct stress_run stress_run = { .seconds = 5, .broken = -1 };

static const struct stress *harness_stress;
static struct stress_worker harness_workers[STRESS_THREADS_MAX];
static pthread_barrier_t harness_start;
static wki_atomic_u32 harness_stop, harness_complaints;

/* Complaints. */

void stress_complain(const char *format, ...)
{
	char message[256];
	va_list arguments;

	if (atomic_fetch_add_relaxed(&harness_complaints, 1) != 0)
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	fprintf(stderr, "%s: oracle: %s\n", harness_stress->name, message);
	atomic_store_relaxed(&harness_stop, 1);
}

static unsigned harness_count_complaints(void)
{
	return atomic_load_relaxed(&harness_complaints);
}

bool stress_has_complained(void)
{
	return harness_count_complaints() != 0;
}

bool stress_is_over(void)
{
	return atomic_load_relaxed(&harness_stop) != 0;
}

/* From a signal: say it with write, end without cleaning up. */
static void harness_die(const char *message)
{
	ssize_t written = write(STDERR_FILENO, message, strlen(message));

	(void)written;
	_exit(1);
}

static void harness_stuck(int number)
{
	(void)number;
	harness_die("oracle: stuck, somebody waits for what never comes\n");
}

static void harness_crashed(int number)
{
	(void)number;
	harness_die("oracle: crashed, as a planted bug may\n");
}

/* Dice and pauses. */

void stress_hesitate(struct stress_worker *worker)
{
	unsigned chance = stress_below(worker, 16);
	volatile unsigned idle = stress_below(worker, 512);

	if (chance == 0)
		sched_yield();
	while (chance == 1 && idle > 0)
		idle--;
}

void stress_linger(void)
{
	const struct timespec a_while = { .tv_nsec = 3000000 };
	uint64_t ticket = wki_grace_ticket();
	unsigned i;

	wki_grace_want(ticket);
	for (i = 0; i < 30 && (i == 0 || !wki_grace_done(ticket)); i++)
		nanosleep(&a_while, NULL);
}

static uint64_t harness_mix(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

/* Shares. */

#define SHARE_POINTER ((UINT64_C(1) << 48) - 1)

static void *share_pointer(uint64_t word)
{
	return (void *)(uintptr_t)(word & SHARE_POINTER);
}

/* Take out what is there; `offered` goes in with a new number, and NULL under the old one. Returns the word before. */
static uint64_t share_swap(struct stress_share *share, void *offered)
{
	uint64_t word = atomic_load_relaxed(&share->word), next;

	do {
		next = (word & ~SHARE_POINTER) | (uintptr_t)offered;
		if (offered != NULL)
			next += SHARE_POINTER + 1;
	} while (!atomic_cas_acq_rel(&share->word, &word, next));
	return word;
}

void stress_share_offer(struct stress_share *share, void *held)
{
	void *old = share_pointer(share_swap(share, held));

	if (old != NULL)
		share->release(old);
}

void *stress_share_take(struct stress_share *share)
{
	return share_pointer(share_swap(share, NULL));
}

void *stress_share_borrow(struct stress_share *share)
{
	uint64_t word = share_swap(share, NULL), empty = word & ~SHARE_POINTER;
	void *held = share_pointer(word);

	if (held == NULL)
		return NULL;
	share->retain(held);
	if (!atomic_cas_acq_rel(&share->word, &empty, word))
		share->release(held); /* somebody has offered something newer */
	return held;
}

/* Settling. */

void stress_settle_runtime(void)
{
	wk_shutdown_report report = { .struct_size = sizeof(report) };
	wk_stats stats = { .struct_size = sizeof(stats) };
	int status = wk_runtime_shutdown(WK_NO_TIMEOUT, &report);

	wk_runtime_stats(&stats);
	stress_expect(status == WK_OK, "shutdown: %s", wk_strerror(status));
	stress_expect(report.not_run == 0 && report.still_alive == 0, "%llu have not run, %llu are alive",
		(unsigned long long)report.not_run, (unsigned long long)report.still_alive);
	stress_expect(stats.dead_objects_waiting == 0 && stats.dead_bytes_waiting == 0,
		"%llu dead objects with %llu bytes are still waiting", (unsigned long long)stats.dead_objects_waiting,
		(unsigned long long)stats.dead_bytes_waiting);
}

static void harness_census(const wk_type *type, const wk_census *census, void *context)
{
	(void)context;
	stress_expect(census->created == census->destroyed, "%s: %llu created, %llu destroyed", type->name,
		(unsigned long long)census->created, (unsigned long long)census->destroyed);
}

void stress_settle_census(void)
{
	wk_runtime_each_type(harness_census, NULL);
}

uint64_t stress_wins(unsigned race, enum stress_side side)
{
	wki_atomic_u64 *elsewhere = harness_stress->races[race].count[side];
	uint64_t wins = elsewhere != NULL ? atomic_load_relaxed(elsewhere) : 0;
	unsigned index;

	for (index = 0; index < stress_run.threads; index++)
		wins += atomic_load_relaxed(&harness_workers[index].wins[race][side]);
	return wins;
}

/* The side that has not won yet; NULL: all have. */
static const char *harness_starved(void)
{
	const struct stress_race *race;
	unsigned index;

	for (race = harness_stress->races; race->left != NULL; race++) {
		index = (unsigned)(race - harness_stress->races);
		if (stress_wins(index, STRESS_LEFT) == 0)
			return race->left;
		if (stress_wins(index, STRESS_RIGHT) == 0)
			return race->right;
	}
	return NULL;
}

/* Running. */

static void *harness_work(void *argument)
{
	struct stress_worker *worker = argument;

	pthread_barrier_wait(&harness_start);
	while (!stress_is_over())
		harness_stress->step(worker);
	if (harness_stress->leave != NULL)
		harness_stress->leave(worker);
	return NULL;
}

/*
 * Interrupts. Builds without schedule points have windows of a few instructions: the main thread
 * sends signals, so that workers stop for a moment wherever they are. System calls are cut short
 * by it too. With schedule points, where sanitizers deliver signals late, they are not needed.
 */
#define HARNESS_INTERRUPTS (WKI_CHECK_LEVEL < 2)

static void harness_interrupted(int number)
{
	(void)number;
	sched_yield();
}

static void harness_interrupt(struct stress_worker *dice)
{
	if (HARNESS_INTERRUPTS)
		pthread_kill(harness_workers[stress_below(dice, stress_run.threads)].thread, SIGUSR1);
}

/* Is the time over? A planted bug must be caught in the time there is; else a slow machine gets more of it. */
static bool harness_is_due(uint64_t begun)
{
	uint64_t asked = stress_run.seconds * UINT64_C(1000000000), took = wki_now() - begun;

	if (stress_is_over() || took >= HARNESS_EXTENSION * asked)
		return true;
	return took >= asked && (stress_run.broken >= 0 || harness_starved() == NULL);
}

static void harness_sleep(void)
{
	const struct timespec moment = { .tv_nsec = HARNESS_INTERRUPTS ? 20000 : 20000000 };
	struct stress_worker dice = { .dice = harness_mix(stress_run.seed) | 1 };
	uint64_t begun = wki_now();

	while (!harness_is_due(begun)) {
		nanosleep(&moment, NULL);
		harness_interrupt(&dice);
	}
	atomic_store_relaxed(&harness_stop, 1);
}

static void harness_spawn(struct stress_worker *worker)
{
	worker->dice = harness_mix(stress_run.seed + worker->index) | 1;
	if (pthread_create(&worker->thread, NULL, harness_work, worker) == 0)
		return;
	perror("pthread_create");
	exit(2);
}

/* Builds with schedule points: many yields for rare interleavings, or few for much work, as the seed decides. */
static void harness_yield(unsigned one_in)
{
	wki_sched_seed((unsigned)harness_mix(stress_run.seed), one_in);
}

static void harness_play(void)
{
	unsigned index;

	pthread_barrier_init(&harness_start, NULL, stress_run.threads + 1);
	harness_stress->begin();
	for (index = 0; index < stress_run.threads; index++) {
		harness_workers[index].index = index;
		harness_spawn(&harness_workers[index]);
	}
	pthread_barrier_wait(&harness_start);
	harness_sleep();
	for (index = 0; index < stress_run.threads; index++)
		pthread_join(harness_workers[index].thread, NULL);
	harness_yield(0); /* what is left is work, not a race */
	/* After a complaint the books are wrong anyway, and the state may be too bad to walk through. */
	if (harness_count_complaints() == 0)
		harness_stress->settle();
	pthread_barrier_destroy(&harness_start);
}

static void harness_report(void)
{
	const struct stress_race *race;
	const char *starved = harness_starved();
	uint64_t operations = 0;
	unsigned index;

	/* A planted bug must be caught by what it breaks, not by how short its run was. */
	if (stress_run.broken < 0 && harness_count_complaints() == 0)
		stress_expect(starved == NULL, "%s: never", starved);
	for (index = 0; index < stress_run.threads; index++)
		operations += harness_workers[index].operations;
	printf("%s: seed %llu, %u threads, %llu operations", harness_stress->name,
		(unsigned long long)stress_run.seed, stress_run.threads, (unsigned long long)operations);
	for (race = harness_stress->races, index = 0; race->left != NULL; race++, index++)
		printf("; %s %llu : %llu %s", race->left, (unsigned long long)stress_wins(index, STRESS_LEFT),
			(unsigned long long)stress_wins(index, STRESS_RIGHT), race->right);
	printf("; %s\n", harness_count_complaints() == 0 ? "good" : "BAD");
}

/* Options. */

static int harness_usage(const char *program)
{
	const char *const *name;

	fprintf(stderr, "usage: %s [--seconds N] [--seed S] [--threads T] [--broken NAME]\n", program);
	for (name = harness_stress->broken; *name != NULL; name++)
		fprintf(stderr, "  --broken %s\n", *name);
	return 2;
}

static bool harness_find_bug(const char *wanted)
{
	const char *const *name;

	for (name = harness_stress->broken; *name != NULL; name++) {
		if (strcmp(*name, wanted) == 0) {
			stress_run.broken = (int)(name - harness_stress->broken);
			return true;
		}
	}
	return false;
}

static bool harness_number(const char *text, uint64_t limit, uint64_t *number)
{
	char *end;

	*number = strtoull(text, &end, 0);
	return *text != '\0' && *end == '\0' && *number <= limit;
}

static bool harness_option(int option, const char *text)
{
	uint64_t number = 0;
	bool sound;

	switch (option) {
	case 's':
		sound = harness_number(text, UINT32_MAX / 2, &number);
		stress_run.seconds = (unsigned)number;
		return sound;
	case 'S':
		return harness_number(text, UINT64_MAX, &stress_run.seed);
	case 't':
		sound = harness_number(text, STRESS_THREADS_MAX, &number) && number >= 2;
		stress_run.threads = (unsigned)number;
		return sound;
	case 'b':
		return harness_find_bug(text);
	default:
		return false;
	}
}

static bool harness_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },
		{ "threads", required_argument, NULL, 't' },
		{ "broken", required_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	stress_run.seed = wki_now() % 1000000000;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (!harness_option(option, optarg))
			return false;
	}
	return optind == argc;
}

/* How crowded the processors are follows from the seed unless it was asked for. */
static unsigned harness_threads(void)
{
	unsigned crowds = sizeof(harness_crowds) / sizeof(harness_crowds[0]);
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t threads = harness_crowds[harness_mix(~stress_run.seed) % crowds];

	threads *= processors > 0 ? (uint64_t)processors : 1;
	return threads < STRESS_THREADS_MAX ? (unsigned)threads : STRESS_THREADS_MAX;
}

int stress_main(int argc, char **argv, const struct stress *stress)
{
	harness_stress = stress;
	if (!harness_options(argc, argv))
		return harness_usage(argv[0]);
	if (stress_run.threads == 0)
		stress_run.threads = harness_threads();
	harness_yield(stress_run.seed % 2 == 0 ? 4 : 64);
	signal(SIGUSR1, harness_interrupted);
	signal(SIGALRM, harness_stuck);
	if (stress_run.broken >= 0) {
		signal(SIGSEGV, harness_crashed);
		signal(SIGBUS, harness_crashed);
		signal(SIGABRT, harness_crashed); /* malloc's own checks, too */
	}
	alarm(HARNESS_EXTENSION * stress_run.seconds + HARNESS_PATIENCE);
	harness_play();
	harness_report();
	return harness_count_complaints() == 0 ? 0 : 1;
}
