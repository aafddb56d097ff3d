/*
 * fiber.h - coroutines: the logical threads of an exploration
 *
 * One OS thread, several stacks. A fiber may be abandoned at any place and started again.
 * The sanitizers are told of every switch.
 */
#ifndef EXPLORE_FIBER_H
#define EXPLORE_FIBER_H

#include <stddef.h>
#include <ucontext.h>

struct fiber {
	ucontext_t context;
	void (*entry)(void); /* never returns: it ends by switching away for good */
	char *stack;         /* owned, made at the first start */
	void *sanitizer;     /* AddressSanitizer's fake stack, or ThreadSanitizer's fiber */
};

/* fiber_adopt - the running stack becomes a fiber, to switch back to */
void fiber_adopt(struct fiber *fiber);
/* fiber_start - from the beginning, at the next switch to it, whatever it was doing */
void fiber_start(struct fiber *fiber, void (*entry)(void));
void fiber_switch(struct fiber *from, struct fiber *to);
void fiber_free(struct fiber *fiber);

#endif
