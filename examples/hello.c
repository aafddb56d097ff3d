/* A registry that does not keep its sessions alive. */
#include <stdio.h>
#include <weakref.h>

struct session {
	unsigned number;
};

static void session_destroy(void *payload) /* on a thread of the library, when nobody can see the session any more */
{
	printf("session %u is closed\n", ((struct session *)payload)->number);
}
WK_DEFINE_TYPE(session_type, struct session, .destroy = session_destroy);

int main(void)
{
	wk_value_dict *sessions = wk_value_dict_new(NULL, NULL); /* numbers to weakly held objects */
	struct session *s = WK_NEW(struct session, &session_type);
	if (!sessions || !s)
		return 1;
	s->number = 7;
	if (wk_value_dict_set(sessions, wk_key_u64(s->number), s) < 0)
		return 1;

	struct session *found = wk_value_dict_get(sessions, wk_key_u64(7)); /* any thread, no lock: strong, or NULL */
	printf("the same session: %d\n", found == s);
	wk_release(found);
	wk_release(s); /* the last reference: the session leaves the registry before this returns */
	printf("%zu sessions left\n", wk_value_dict_len(sessions));

	wk_release(sessions);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL); /* 0: everything that was due has run */
}
