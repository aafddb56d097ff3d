/*
 * search.h - depth-first search over schedules
 *
 * The program under test is run again and again; search says at each step which thread goes
 * on. It remembers the path of the current run only.
 */
#ifndef EXPLORE_SEARCH_H
#define EXPLORE_SEARCH_H

#include "event.h"

#define SEARCH_THREADS 4
#define SEARCH_STEPS 3000 /* a longer run is a livelock */

enum search_mode {
	SEARCH_TRACES,  /* one run for each class of interleavings that differ only in steps that commute */
	SEARCH_EVERY,   /* every interleaving, one by one */
	SEARCH_BOUNDED, /* every interleaving with at most so many preemptions */
};

/* search_begin - forget everything, for `threads` threads */
void search_begin(enum search_mode mode, unsigned threads, unsigned preemptions);

/*
 * search_choose - who runs the next step; -1: this run would repeat what another one did
 *
 * `enabled`: a bit for each thread that has a step left; `current`: who ran the last one;
 * `contended`: could the step that `current` is about to do conflict with anybody's?
 */
int search_choose(unsigned enabled, unsigned current, bool contended);

/* search_step - what the chosen step turned out to touch */
void search_step(const struct event *event);

/* search_next - the run is over: prepare the next one; false: there is none */
bool search_next(void);

/* search_contended - has anybody been seen to use `object` in conflict with another thread? (SEARCH_BOUNDED) */
bool search_contended(event_object object);

/* The schedule of the current run. */
unsigned search_depth(void);
unsigned search_thread(unsigned depth);

#endif
