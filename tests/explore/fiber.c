/*
 * fiber.c - coroutines on ucontext
 *
 * AddressSanitizer must know which stack is in use, ThreadSanitizer which logical thread runs;
 * both offer calls for it, and neither is needed for anything else here.
 */
#include "fiber.h"

#include <stdlib.h>

#define STACK_SIZE ((size_t)256 * 1024)

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

static struct fiber *arriving; /* who a switch in progress goes to */

#ifdef WITH_ASAN
static const void *adopted_stack;
static size_t adopted_size;
static struct fiber *adopted;
static struct fiber *leaving;

static void before_switch(struct fiber *from, struct fiber *to)
{
	leaving = from;
	if (to->stack != NULL)
		__sanitizer_start_switch_fiber(&from->sanitizer, to->stack, STACK_SIZE);
	else
		__sanitizer_start_switch_fiber(&from->sanitizer, adopted_stack, adopted_size);
}

static void after_switch(struct fiber *now)
{
	const void *stack;
	size_t size;

	__sanitizer_finish_switch_fiber(now->sanitizer, &stack, &size);
	if (leaving == adopted) {
		adopted_stack = stack;
		adopted_size = size;
	}
}

static void forget_stack(struct fiber *fiber)
{
	__asan_unpoison_memory_region(fiber->stack, STACK_SIZE);
	fiber->sanitizer = NULL;
}
#elif defined(WITH_TSAN)
static void before_switch(struct fiber *from, struct fiber *to)
{
	(void)from;
	__tsan_switch_to_fiber(to->sanitizer, 0);
}

static void after_switch(struct fiber *now)
{
	(void)now;
}

static void forget_stack(struct fiber *fiber)
{
	if (fiber->sanitizer != NULL)
		__tsan_destroy_fiber(fiber->sanitizer);
	fiber->sanitizer = __tsan_create_fiber(0);
}
#else
static void before_switch(struct fiber *from, struct fiber *to)
{
	(void)from;
	(void)to;
}

static void after_switch(struct fiber *now)
{
	(void)now;
}

static void forget_stack(struct fiber *fiber)
{
	(void)fiber;
}
#endif

static void enter(void)
{
	struct fiber *self = arriving;

	after_switch(self);
	self->entry();
	abort(); /* an entry never returns */
}

void fiber_adopt(struct fiber *fiber)
{
	fiber->stack = NULL;
#ifdef WITH_ASAN
	adopted = fiber;
#endif
#ifdef WITH_TSAN
	fiber->sanitizer = __tsan_get_current_fiber();
#endif
}

void fiber_start(struct fiber *fiber, void (*entry)(void))
{
	if (fiber->stack == NULL) {
		fiber->stack = malloc(STACK_SIZE);
		if (fiber->stack == NULL || getcontext(&fiber->context) != 0)
			abort();
	}
	forget_stack(fiber);
	fiber->entry = entry;
	fiber->context.uc_stack.ss_sp = fiber->stack;
	fiber->context.uc_stack.ss_size = STACK_SIZE;
	fiber->context.uc_link = NULL;
	makecontext(&fiber->context, enter, 0);
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	arriving = to;
	before_switch(from, to);
	swapcontext(&from->context, &to->context);
	after_switch(from);
}

void fiber_free(struct fiber *fiber)
{
#ifdef WITH_TSAN
	if (fiber->stack != NULL)
		__tsan_destroy_fiber(fiber->sanitizer);
#endif
	free(fiber->stack);
	fiber->stack = NULL;
}
