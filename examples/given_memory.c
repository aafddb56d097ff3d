/* Given memory: objects that live in memory of the program's own, here in an array; the library allocates no payload.
 * One word stands in front of each payload. The place is free again when destroy says so, as its last act.
 * Elsewhere: placement new, kref in a struct, nginx pools. Here: wk_header, wk_new_options.memory. */
#include <pthread.h>
#include <stdio.h>
#include <weakref.h>

struct session {
	unsigned number;
};

struct slot {
	wk_header header;
	struct session session; /* right behind it */
	bool used;
};

static struct slot slots[2];
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;

static void slot_set_used(struct slot *slot, bool used)
{
	pthread_mutex_lock(&slots_lock);
	slot->used = used;
	pthread_mutex_unlock(&slots_lock);
}

static void session_destroy(void *payload)
{
	struct slot *slot = (struct slot *)((char *)payload - offsetof(struct slot, session));

	printf("session %u ends\n", slot->session.number);
	slot_set_used(slot, false); /* from here on somebody else may have it */
}
WK_DEFINE_TYPE(session_type, struct session, .destroy = session_destroy);

static struct slot *slot_find(void)
{
	struct slot *found = NULL;

	pthread_mutex_lock(&slots_lock);
	for (size_t i = 0; i < 2 && !found; i++)
		if (!slots[i].used)
			found = &slots[i];
	if (found)
		found->used = true;
	pthread_mutex_unlock(&slots_lock);
	return found;
}

static struct session *session_new(unsigned number)
{
	struct slot *slot = slot_find();
	if (!slot)
		return NULL;
	const wk_new_options in_slot = { .memory = &slot->header };
	struct session *session = wk_new_with(&session_type, &in_slot, NULL);

	if (session)
		session->number = number;
	else
		slot_set_used(slot, false);
	return session;
}

int main(void)
{
	struct session *a = session_new(1);
	struct session *b = session_new(2);
	if (!a || !b)
		return 1;
	printf("a third: %s\n", session_new(3) ? "made" : "no room");
	wk_release(a);
	if (wk_barrier(WK_NO_TIMEOUT) < 0)
		return 1;
	struct session *c = session_new(3);
	printf("a third: %s\n", c ? "made" : "no room");
	printf("in the first one's place: %d\n", c == a);
	wk_release(b);
	if (wk_barrier(WK_NO_TIMEOUT) < 0)
		return 1;
	wk_release(c);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
