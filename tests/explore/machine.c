/*
 * machine.c - one run of a scenario under one schedule
 *
 * A step begins when its thread is chosen and ends when the thread arrives at its next one, so
 * that the private work behind an access belongs to it. What an access changed is found by
 * comparing the word around it before and after.
 */
#include "machine.h"

#include "base/generation.h"
#include "base/sched.h"
#include "fiber.h"
#include "heap.h"
#include "step.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint32_t wki_generation; /* the protocols ask for it */

enum phase { SETTING_UP, STARTING, RUNNING, FINISHING };

struct thread {
	struct fiber fiber;
	bool waiting; /* its fiber is at the end of an earlier run, ready for another */
	const char *operation;
	const char *place;
	unsigned sections; /* nested read sections */
};

static struct {
	const struct explore_scenario *scenario;
	struct machine_run *run;
	struct fiber host;              /* who called machine_run */
	struct thread threads[EXPLORE_THREADS + 1]; /* the last one sets up and finishes */
	unsigned current;
	unsigned enabled;
	enum phase phase;
	bool checking; /* inside an invariant */
	unsigned forking; /* whom the fork that comes next loses; EXPLORE_THREADS: none comes */
	bool child;    /* there was a fork */
	enum machine_outcome outcome;
	bool stepping; /* a step is under way */
	struct event event;
	struct step step;
} machine;

unsigned explore_thread(void)
{
	return machine.current;
}

static struct thread *self(void)
{
	return &machine.threads[machine.current];
}

/* Back to the caller of machine_run. Whoever is not waiting for another run is abandoned where he stands. */
static void leave(enum machine_outcome outcome)
{
	machine.outcome = outcome;
	fiber_switch(&self()->fiber, &machine.host);
}

void explore_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(machine.run->message, sizeof(machine.run->message), format, arguments);
	va_end(arguments);
	if (machine.run->print && machine.stepping)
		step_print(&machine.step);
	leave(MACHINE_FAILED);
	__builtin_unreachable();
}

/* Steps */

static void check_alive(const volatile void *address)
{
	const struct block *block = heap_find(address);
	char name[64];

	if (heap_is_wild(address))
		explore_fail("access to a wild address, %p", (const void *)(uintptr_t)address);
	if (block != NULL && block->freed) {
		step_describe(name, sizeof(name), address);
		explore_fail("access to freed memory, %s", name);
	}
}

static void end_step(void)
{
	struct step *step = &machine.step;

	if (!machine.stepping)
		return;
	machine.stepping = false;
	if (step->compare) {
		step->after = step_word(step->address);
		if (step->after != step->before)
			event_use(&machine.event, (uintptr_t)step->address, true);
	}
	if (machine.run->print)
		step_print(step);
	if (machine.run->script == NULL)
		search_step(&machine.event);
	if (machine.scenario->invariant != NULL) {
		machine.checking = true;
		machine.scenario->invariant();
		machine.checking = false;
	}
}

/*
 * Who goes on if it is all the same. In front of a fork it is the thread that will be lost: the search learns from the
 * steps that it has seen where the fork could have been, and would never see those.
 */
static unsigned preferred(void)
{
	unsigned lost = machine.forking;

	if (machine.current == lost || (machine.enabled & 1u << lost) == 0)
		return machine.current;
	return lost;
}

static unsigned choose(bool contended)
{
	struct machine_run *run = machine.run;
	int next;

	if (run->steps == SEARCH_STEPS)
		explore_fail("a run of %d steps has not ended: a livelock", SEARCH_STEPS);
	if (run->script == NULL)
		next = search_choose(machine.enabled, preferred(), contended);
	else if (run->steps < run->script_steps && (machine.enabled & 1u << run->script[run->steps]))
		next = run->script[run->steps];
	else
		next = machine.enabled & 1u << machine.current ? (int)machine.current : __builtin_ctz(machine.enabled);
	if (next < 0)
		leave(MACHINE_REPEATED);
	run->schedule[run->steps++] = (uint8_t)next;
	return (unsigned)next;
}

static void hand_over(unsigned next)
{
	struct thread *from = self();

	machine.current = next;
	if (from != self())
		fiber_switch(&from->fiber, &self()->fiber);
}

/* The running thread arrives at its next step; returns when that one is chosen. */
static void begin_step(const char *what, const volatile void *address, bool contended)
{
	unsigned me = machine.current;

	if (machine.phase == STARTING) {
		fiber_switch(&self()->fiber, &machine.host);
	} else {
		end_step();
		hand_over(choose(contended));
	}
	machine.current = me;
	machine.stepping = true;
	machine.event = (struct event){ 0 };
	machine.step = (struct step){
		.number = machine.run->steps,
		.thread = me,
		.operation = self()->operation,
		.what = what,
		.place = self()->place,
		.address = address,
	};
	self()->place = NULL;
}

/* Set-up, final check and invariants run by themselves. */
static bool alone(void)
{
	return machine.checking || machine.phase == SETTING_UP || machine.phase == FINISHING;
}

static void step_at(const char *what, const volatile void *address)
{
	const struct block *block = heap_find(address);
	bool contended = search_contended((uintptr_t)address) || (block != NULL && search_contended(life_of(block)));

	begin_step(what, address, contended);
	check_alive(address);
	if (block != NULL)
		event_use(&machine.event, life_of(block), false);
}

void wki_explore_access(const volatile void *address)
{
	if (alone()) {
		check_alive(address);
		return;
	}
	step_at("access", address);
	event_use(&machine.event, (uintptr_t)address, false);
	machine.step.compare = true;
	machine.step.before = machine.step.after = step_word(address);
}

void wki_explore_point(const char *place)
{
	self()->place = place;
}

void explore_touch(const volatile void *address)
{
	if (alone())
		check_alive(address);
	else
		step_at("touch", address);
}

/* Memory */

void *explore_alloc(size_t size, const char *name)
{
	return heap_allocate(machine.current, size, name, HEAP_FILL)->base;
}

void *explore_zeroed(size_t size, const char *name)
{
	return heap_allocate(machine.current, size, name, 0)->base;
}

static struct block *block_of(const void *memory, const char *doing)
{
	struct block *block = heap_find(memory);

	if (block == NULL || block->base != (const char *)memory)
		explore_fail("%s of something that is not a block, %p", doing, memory);
	if (block->freed)
		explore_fail("%s of a freed block, %s#%u.%u", doing, block->name, (unsigned)block->arena, (unsigned)block->number);
	return block;
}

void explore_free(void *memory)
{
	struct block *block = heap_find(memory);

	if (block != NULL && !alone()) {
		begin_step("free", memory, search_contended(life_of(block)));
		event_use(&machine.event, life_of(block), true);
	}
	heap_free(block_of(memory, "free"));
}

/* Read sections */

bool explore_reading(void)
{
	return self()->sections != 0;
}

void explore_read_lock(void)
{
	if (self()->sections++ != 0 || alone())
		return;
	self()->sections--; /* not yet: others may go first */
	begin_step("lock", NULL, search_contended(section_of(machine.current)));
	self()->sections++;
	event_use(&machine.event, section_of(machine.current), true);
}

/* The grace period of a block is over for the read section of thread `me`; true: and for the last one */
static bool waited_for(struct block *block, unsigned me)
{
	if ((block->waits_for & 1u << me) == 0)
		return false;
	event_use(&machine.event, pending_of(block), true);
	block->waits_for = (uint8_t)(block->waits_for & ~(1u << me));
	return block->waits_for == 0;
}

/* The outermost read section of thread `me` has ended: what waited for it alone is freed. */
static void section_over(unsigned me)
{
	struct block *ready[64], *block = NULL;
	unsigned count = 0;

	machine.threads[me].sections = 0;
	event_use(&machine.event, section_of(me), true);
	while ((block = heap_each(block)) != NULL) {
		if (!waited_for(block, me))
			continue;
		if (block->then == NULL) {
			event_use(&machine.event, life_of(block), true);
			heap_free(block);
		} else if (count < sizeof(ready) / sizeof(ready[0])) {
			ready[count++] = block;
		} else {
			explore_fail("too many blocks wait for one read section");
		}
	}
	for (unsigned i = 0; i < count; i++)
		ready[i]->then(ready[i]->base);
}

void explore_read_unlock(void)
{
	if (self()->sections == 0)
		explore_fail("the end of a read section that did not begin");
	if (self()->sections > 1 || alone()) {
		self()->sections--;
		return;
	}
	begin_step("unlock", NULL, search_contended(section_of(machine.current)));
	section_over(machine.current);
}

void explore_retire(void *memory, void (*then)(void *block))
{
	struct block *block = heap_find(memory);

	if (block != NULL && !alone()) {
		begin_step("retire", memory, true);
		event_use(&machine.event, pending_of(block), true);
		for (unsigned t = 0; t < EXPLORE_THREADS; t++)
			event_use(&machine.event, section_of(t), false);
	}
	block = block_of(memory, "retirement");
	if (block->retired)
		explore_fail("%s#%u.%u retired twice", block->name, (unsigned)block->arena, (unsigned)block->number);
	block->retired = true;
	block->then = then;
	for (unsigned t = 0; t < EXPLORE_THREADS; t++)
		if (machine.threads[t].sections != 0)
			block->waits_for |= (uint8_t)(1u << t);
	if (block->waits_for != 0)
		return;
	if (then != NULL) {
		then(memory);
		return;
	}
	event_use(&machine.event, life_of(block), true);
	heap_free(block);
}

/* A fork. It conflicts with every step of the lost thread, so that it is tried in front of each of them. */

bool explore_is_child(void)
{
	return machine.child;
}

void explore_fork(unsigned lost)
{
	machine.forking = lost;
	begin_step("fork", NULL, true);
	machine.event.overflow = true;
	wki_generation++;
	machine.child = true;
	if ((machine.enabled & 1u << lost) == 0)
		return;
	machine.enabled &= ~(1u << lost);
	section_over(lost);
}

/* A run */

static void run_operations(void)
{
	const struct explore_operation *operation = machine.scenario->thread[machine.current];
	const struct explore_operation *end = operation + EXPLORE_OPERATIONS;

	for (; operation < end && operation->run != NULL; operation++) {
		self()->operation = operation->name;
		operation->run(operation->argument);
	}
	end_step();
	if (self()->sections != 0)
		explore_fail("a thread ended inside a read section");
	machine.enabled &= ~(1u << machine.current);
}

static void run_thread(void)
{
	for (;;) {
		unsigned next = EXPLORE_THREADS;

		run_operations();
		if (machine.phase == RUNNING && machine.enabled != 0)
			next = choose(false);
		self()->waiting = true;
		if (next == EXPLORE_THREADS)
			leave(MACHINE_ENDED);
		else
			hand_over(next);
	}
}

static void check_leaks(void)
{
	struct block *block = NULL;

	while ((block = heap_each(block)) != NULL)
		if (!block->freed && !machine.child)
			explore_fail("leak: %s#%u.%u", block->name, (unsigned)block->arena, (unsigned)block->number);
}

static void run_keeper(void)
{
	for (;;) {
		if (machine.phase == SETTING_UP) {
			machine.scenario->set_up(machine.scenario->argument);
		} else {
			machine.scenario->finish();
			check_leaks();
		}
		self()->waiting = true;
		leave(MACHINE_ENDED);
	}
}

static enum machine_outcome resume(unsigned who, void (*entry)(void))
{
	struct thread *thread = &machine.threads[who];

	machine.current = who;
	machine.outcome = MACHINE_ENDED;
	if (!thread->waiting)
		fiber_start(&thread->fiber, entry);
	thread->waiting = false;
	fiber_switch(&machine.host, &thread->fiber);
	return machine.outcome;
}

static enum machine_outcome run_alone(enum phase phase)
{
	machine.phase = phase;
	return resume(EXPLORE_THREADS, run_keeper);
}

/* Every thread up to its first step: what is in front of that is private. */
static enum machine_outcome start_threads(void)
{
	machine.phase = STARTING;
	for (unsigned t = 0; t < EXPLORE_THREADS && machine.scenario->thread[t][0].run != NULL; t++) {
		machine.enabled |= 1u << t;
		if (resume(t, run_thread) == MACHINE_FAILED)
			return MACHINE_FAILED;
	}
	return MACHINE_ENDED;
}

static enum machine_outcome run_threads(void)
{
	if (machine.enabled == 0)
		return MACHINE_ENDED;
	machine.phase = RUNNING;
	machine.current = (unsigned)__builtin_ctz(machine.enabled);
	machine.current = choose(true);
	fiber_switch(&machine.host, &self()->fiber);
	return machine.outcome;
}

enum machine_outcome machine_run(const struct explore_scenario *scenario, struct machine_run *run)
{
	machine.scenario = scenario;
	machine.run = run;
	machine.enabled = 0;
	machine.stepping = false;
	machine.checking = false;
	machine.child = false;
	machine.forking = EXPLORE_THREADS;
	wki_generation = 0;
	for (unsigned t = 0; t <= EXPLORE_THREADS; t++) {
		machine.threads[t].operation = NULL;
		machine.threads[t].place = NULL;
		machine.threads[t].sections = 0;
	}
	run->steps = 0;
	step_forget_labels();
	fiber_adopt(&machine.host);
	heap_reset();
	if (run_alone(SETTING_UP) != MACHINE_ENDED || start_threads() != MACHINE_ENDED || run_threads() != MACHINE_ENDED)
		return machine.outcome;
	return run_alone(FINISHING);
}

void machine_free(void)
{
	for (unsigned t = 0; t <= EXPLORE_THREADS; t++)
		fiber_free(&machine.threads[t].fiber);
}
