/*
 * collect/create.c - get_or_create: flights and factories
 *
 * A FLIGHT is an entry that stands for a value on its way. It is absent for every lookup and
 * every length, and leaves its slot once it is over.
 *
 *	PENDING  its maker runs the factory; others of mode ONCE wait
 *	DONE     it was taken out of its slot: by the maker with the product, or by a set or an insert
 *	FAILED   the maker gave up, or its thread ended in the factory
 *
 * Where a slot belongs to one entry (entry.h, EQUAL) only the maker takes a flight out: the value goes into another
 * slot, and the flight is over when he is.
 *
 * Who waited starts over: after DONE there is a value to be found, unless it has gone again;
 * after FAILED one of them becomes the maker.
 *
 * Who may wait at all: nobody who is in a factory, a callback, a destructor or a read section.
 * So whoever is waited for does not wait, and there are no circles.
 *
 * Layer: collect.
 */
#include <pthread.h>

#include "collect/create.h"
#include "reclaim/thread.h"
#include "sync/rcu.h"

static _Thread_local struct wki_create_frame *create_frames;

static bool create_is_mine(const struct wki_entry *flight)
{
	const struct wki_create_frame *frame;

	for (frame = create_frames; frame != NULL; frame = frame->outer) {
		if (frame->flight == flight)
			return true;
	}
	return false;
}

static bool create_may_wait(void)
{
	return create_frames == NULL && !wki_thread_in_callback() && !wki_read_ongoing();
}

static void flight_wait(struct wki_entry *flight)
{
	uint32_t seen = wki_event_value(&flight->flight.over);

	while (wki_flight_state(flight) == WKI_FLIGHT_PENDING) {
		(void)wki_event_wait(&flight->flight.over, seen, WKI_NO_DEADLINE);
		seen = wki_event_value(&flight->flight.over);
	}
}

/* A flight of somebody else's is in the way, the caller has a hold on it; WK_OK: it is over. */
static int create_meet(const struct wki_creation *creation, struct wki_entry *flight)
{
	int code = WK_OK;

	if (create_is_mine(flight))
		code = WK_EDEADLOCK;
	else if (creation->mode == WK_CREATE_TRY || !create_may_wait())
		code = WK_EBUSY;
	else
		flight_wait(flight);
	wki_entry_drop(flight);
	return code;
}

/* Find the value, or put a flight in its place: WK_OK and a result, WK_CREATED and the frame's flight, or why not. */
static int create_begin(struct wki_creation *creation)
{
	struct wki_store store;
	int code;

	do {
		store = (struct wki_store){ .dict = creation->dict, .key = creation->key, .wants = true };
		code = wki_store_run(&store);
		if (code != WK_EBUSY)
			break;
		code = create_meet(creation, store.flight);
	} while (code == WK_OK);
	creation->result = store.found;
	creation->frame.flight = code == WK_CREATED ? store.entry : NULL;
	return code;
}

/* The factory is over, for good or ill. If nobody has put a value there, who waits must start over. */
static void create_leave(void *argument)
{
	struct wki_create_frame *frame = argument;
	uint32_t holds = 1;

	create_frames = frame->outer;
	if (frame->flight == NULL)
		return;
	wki_flight_end(frame->flight, WKI_FLIGHT_FAILED);
	wki_read_lock();
	if (wki_table_vacate_rcu(frame->flight->table, frame->flight))
		holds++;
	wki_read_unlock();
	wki_entry_drop_many(frame->flight, holds);
}

/* The frame is left after the product is in: until then the flight holds its place. */
static void create_run(struct wki_creation *creation)
{
	creation->status = WK_ENOMEM;
	creation->frame.outer = create_frames;
	create_frames = &creation->frame;
	pthread_cleanup_push(create_leave, &creation->frame);
	creation->make(creation);
	if (creation->product != NULL)
		creation->publish(creation);
	else if (creation->status >= 0)
		creation->status = WK_ENOMEM;
	pthread_cleanup_pop(1);
	if (creation->product != creation->result)
		creation->discard(creation);
}

void wki_creations_forked(void)
{
	struct wki_create_frame *frame;

	for (frame = create_frames; frame != NULL; frame = frame->outer) {
		/* The frame has not been left: the flight has not failed, its claim is void. */
		if (frame->flight != NULL && wki_flight_state(frame->flight) == WKI_FLIGHT_FAILED)
			wki_flight_begin(frame->flight);
	}
}

int wki_create_check(wk_create_mode mode)
{
	return mode == WK_CREATE_ONCE || mode == WK_CREATE_RACE || mode == WK_CREATE_TRY ? WK_OK : WK_EINVAL;
}

void wki_create(struct wki_creation *creation)
{
	creation->status = creation->mode == WK_CREATE_RACE ? WK_CREATED : create_begin(creation);
	if (creation->status == WK_CREATED)
		create_run(creation);
}
