/*
 * step.h - a step, and how it is printed
 */
#ifndef EXPLORE_STEP_H
#define EXPLORE_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct step {
	unsigned number, thread;
	const char *operation;        /* what the thread is at; NULL: nothing */
	const char *what;
	const char *place;            /* a SCHED_POINT in front of it; NULL: none */
	const volatile void *address; /* NULL: none in particular */
	bool compare;                 /* an atomic access: the word around it */
	uint64_t before, after;
};

/* step_word - the word around an address, which steps are compared by */
uint64_t step_word(const volatile void *address);
void step_print(const struct step *step);
/* step_describe - an address, by its label, or by its block and what is in front of it there */
void step_describe(char *text, size_t size, const volatile void *address);
void step_forget_labels(void);

#endif
