/* Objects by id: numbers stand for objects in logs, timers and other data structures, without keeping them alive.
 * remember() gives an object its number, id2obj() the object of a number if it still lives; numbers are not reused.
 * Python: a WeakValueDictionary by id(). Here: wk_value_dict_insert and _get with wk_key_u64; wk_ticket_of, wk_ticket_get. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <weakref.h>

struct job {
	const char *name;
};
WK_DEFINE_TYPE(job_type, struct job, .flags = 0);

static wk_value_dict *objects;
static pthread_mutex_t last_id_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_id;

static uint64_t next_id(void)
{
	pthread_mutex_lock(&last_id_lock);
	uint64_t id = ++last_id;
	pthread_mutex_unlock(&last_id_lock);
	return id;
}

/* Borrows the object; 0: it could not be remembered. */
static uint64_t remember(const void *object)
{
	uint64_t id = next_id();

	return wk_value_dict_insert(objects, wk_key_u64(id), object) == WK_CREATED ? id : 0;
}

/* A strong reference, or NULL. */
static struct job *id2obj(uint64_t id)
{
	return wk_value_dict_get(objects, wk_key_u64(id));
}

static void show(uint64_t id)
{
	WK_AUTO struct job *job = id2obj(id); /* held until the function returns */

	printf("%" PRIu64 ": %s\n", id, job ? job->name : "gone");
}

/* The same without a dictionary of one's own: tickets are numbers that the library gives out. */
static void show_ticket(wk_ticket ticket)
{
	WK_AUTO struct job *job = wk_ticket_get(ticket, &job_type);

	printf("by ticket: %s\n", job ? job->name : "gone");
}

int main(void)
{
	objects = wk_value_dict_new(NULL, NULL);
	struct job *backup = WK_NEW(struct job, &job_type);
	struct job *report = WK_NEW(struct job, &job_type);
	if (!objects || !backup || !report)
		return 1;
	backup->name = "backup";
	report->name = "report";

	uint64_t ids[] = { remember(backup), remember(report) }; /* keeps neither of them alive */
	show(ids[0]);
	wk_ticket ticket = wk_ticket_of(backup, NULL);
	show(ids[1]);
	show_ticket(ticket);
	wk_release(backup);
	show(ids[0]);
	show(ids[1]);
	show_ticket(ticket);
	printf("%zu remembered\n", wk_value_dict_len(objects));

	wk_release(report);
	wk_release(objects);
	return wk_runtime_shutdown(WK_NO_TIMEOUT, NULL);
}
