/*
 * sync/event.c - ck_ec over futexes
 *
 * Layer: sync.
 */
#define _GNU_SOURCE
#include "sync/event.h"

#include <ck_ec.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct ck_ec32) == sizeof(struct wki_event), "an event is a 32-bit event count");

#define NS_PER_SECOND 1000000000u

static int event_gettime(const struct ck_ec_ops *ops, struct timespec *out)
{
	(void)ops;
	return clock_gettime(CLOCK_MONOTONIC, out);
}

/*
 * Left to itself ck_ec sleeps in steps, of 2 ms at first, and looks at the caller's deadline only
 * between them. The predicate is called before each step: it makes the one step last until the
 * deadline, so that a wait of 200 microseconds takes no two milliseconds, and a long one does
 * not poll.
 */
static int event_whole_wait(const struct ck_ec_wait_state *state, struct timespec *step)
{
	*step = *(const struct timespec *)state->data;
	return 0;
}

static void event_sleep(const struct ck_ec_wait_state *state, const uint32_t *address, uint32_t expected,
			const struct timespec *deadline)
{
	(void)state;
	syscall(SYS_futex, address, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, deadline, NULL,
		FUTEX_BITSET_MATCH_ANY);
}

static void event_wake(const struct ck_ec_ops *ops, const uint32_t *address)
{
	(void)ops;
	syscall(SYS_futex, address, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT32_MAX, NULL, NULL, 0);
}

static const struct ck_ec_ops event_ops = {
	.gettime = event_gettime,
	.wait32 = event_sleep,
	.wake32 = event_wake,
	.busy_loop_iter = 1, /* sleep at once: whoever waits here has looked for work before */
};
static const struct ck_ec_mode event_mode = { .ops = &event_ops, .single_producer = false };

static struct ck_ec32 *event_count(const struct wki_event *event)
{
	return (struct ck_ec32 *)(uintptr_t)event;
}

uint64_t wki_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t wki_deadline_after(uint64_t timeout_ns)
{
	uint64_t now = wki_now();

	return timeout_ns >= WKI_NO_DEADLINE - now ? WKI_NO_DEADLINE : now + timeout_ns;
}

void wki_event_init(struct wki_event *event)
{
	ck_ec32_init(event_count(event), 0);
}

uint32_t wki_event_value(const struct wki_event *event)
{
	return ck_ec32_value(event_count(event));
}

void wki_event_signal(struct wki_event *event)
{
	ck_ec32_inc(event_count(event), &event_mode);
}

bool wki_event_wait(struct wki_event *event, uint32_t seen, uint64_t deadline_ns)
{
	struct timespec deadline = {
		.tv_sec = (time_t)(deadline_ns / NS_PER_SECOND),
		.tv_nsec = (long)(deadline_ns % NS_PER_SECOND),
	};

	/* WKI_NO_DEADLINE is five centuries of uptime: as good as none. */
	return ck_ec32_wait_pred(event_count(event), &event_mode, seen, event_whole_wait, &deadline, &deadline) == 0;
}
