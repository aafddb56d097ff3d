/* A timer that does not keep its target alive: an idle timeout must not be what holds a session in memory.
 * When it is due it asks whether the target still lives; a dead target's timer just ends.
 * Elsewhere: a lambda that captures weak_from_this(). Here: wk_downgrade when it is set, wk_upgrade when it is due. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <weakref.h>

struct timer {
	unsigned due;
	wk_weak *target;
	void (*fire)(void *target); /* is given the target, held */
	struct timer *next;
};

static struct timer *timers;
static pthread_mutex_t timers_lock = PTHREAD_MUTEX_INITIALIZER;

static int timer_set(unsigned due, const void *target, void (*fire)(void *target))
{
	struct timer *timer = malloc(sizeof *timer);

	if (!timer)
		return WK_ENOMEM;
	*timer = (struct timer){ .due = due, .target = wk_downgrade(target), .fire = fire };
	pthread_mutex_lock(&timers_lock);
	timer->next = timers;
	timers = timer;
	pthread_mutex_unlock(&timers_lock);
	return WK_OK;
}

/* Takes one that is due off the list; NULL: none is. */
static struct timer *timer_take(unsigned now)
{
	struct timer *found = NULL;

	pthread_mutex_lock(&timers_lock);
	for (struct timer **place = &timers; *place && !found; place = found ? place : &(*place)->next) {
		if ((*place)->due <= now) {
			found = *place;
			*place = found->next;
		}
	}
	pthread_mutex_unlock(&timers_lock);
	return found;
}

static void timers_run(unsigned now)
{
	struct timer *timer;

	while ((timer = timer_take(now))) {
		void *target = wk_upgrade(timer->target);

		if (target)
			timer->fire(target);
		else
			printf("%u: nobody to tell\n", now);
		wk_release(target);
		wk_weak_release(timer->target);
		free(timer);
	}
}

struct session {
	const char *user;
};
WK_DEFINE_TYPE(session_type, struct session, .flags = 0);

static void session_idle(void *target)
{
	printf("%s has been idle\n", ((const struct session *)target)->user);
}

int main(void)
{
	struct session *session = WK_NEW(struct session, &session_type);
	if (!session)
		return 1;
	session->user = "anna";
	if (timer_set(1, session, session_idle) < 0 || timer_set(2, session, session_idle) < 0)
		return 1;
	timers_run(1);
	wk_release(session); /* before its second timer: nothing has to be taken off the list */
	timers_run(2);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
