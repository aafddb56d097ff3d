/*
 * machine.h - one run of a scenario under one schedule
 */
#ifndef EXPLORE_MACHINE_H
#define EXPLORE_MACHINE_H

#include "explorer.h"
#include "search.h"

enum machine_outcome {
	MACHINE_ENDED,    /* to the end, nothing wrong */
	MACHINE_REPEATED, /* given up: the rest would repeat another run */
	MACHINE_FAILED,
};

/* What to run by, and what came of it. */
struct machine_run {
	const uint8_t *script; /* threads to choose; NULL: ask search.h */
	unsigned script_steps;
	bool print;            /* print every step */
	unsigned steps;        /* result: length of the schedule taken */
	uint8_t schedule[SEARCH_STEPS + 1];
	char message[400];     /* result: what failed */
};

enum machine_outcome machine_run(const struct explore_scenario *scenario, struct machine_run *run);
/* machine_free - give the stacks back */
void machine_free(void);

#endif
