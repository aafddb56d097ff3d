/*
 * core/cyclic.c - objects whose constructor is given a weak handle to them
 *
 * While the constructor runs the object is UNBORN (core/count.h): a handle to it fails, but not for good. Its
 * payload is the constructor's alone. BORROWED is set only when it is over, so that whoever would publish the
 * object before takes the slow path of wki_control_borrow, which stops the process.
 *
 * Layer: core.
 */
#include <pthread.h>

#include "core/control.h"

struct construction {
	struct wki_control *control;
	int code; /* what the constructor returned; below 0: it has failed, or ended its thread */
};

static void construction_fail(struct wki_control *control)
{
	wki_count_end(&control->count);
	wki_control_retire_without_destroy(control, true);
}

/* The constructor has returned, or has ended its thread. */
static void construction_over(void *argument)
{
	const struct construction *construction = argument;
	struct wki_control *control = construction->control;

	(void)wki_count_borrow(&control->count); /* published by CNT-18 */
	if (construction->code >= 0)
		wki_count_bear(&control->count);
	else
		construction_fail(control);
	wki_control_drop_unit(control); /* the handle */
}

static int construct(struct wki_control *control, void *payload, wk_constructor *constructor, void *context)
{
	struct construction construction = { .control = control, .code = WK_EINVAL };

	wki_count_begin_construction(&control->count);
	(void)wki_count_add_unit(&control->count);
	pthread_cleanup_push(construction_over, &construction);
	construction.code = constructor(payload, (wk_weak *)control, context);
	pthread_cleanup_pop(1);
	return construction.code;
}

static void *cyclic_new(const wk_type *type, const wk_new_options *options, wk_constructor *constructor, void *context,
			int *status)
{
	void *payload;
	int code;

	if (type != NULL && (type->flags & WK_TYPE_NO_WEAK) != 0)
		*status = WK_ETYPE;
	else if (constructor == NULL)
		*status = WK_EINVAL;
	if (*status < 0)
		return NULL;
	payload = wk_new_with(type, options, status);
	if (payload == NULL)
		return NULL;
	code = construct(wki_control_of(payload), payload, constructor, context);
	if (code >= 0)
		return payload;
	*status = code;
	return NULL;
}

void *wk_new_cyclic(const wk_type *type, const wk_new_options *options, wk_constructor *constructor, void *context,
		    int *status)
{
	int code = WK_OK;
	void *made = cyclic_new(type, options, constructor, context, &code);

	if (made == NULL)
		wki_note_status(code);
	if (status != NULL)
		*status = code;
	return made;
}
