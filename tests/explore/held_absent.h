/*
 * held_absent.h - what held_library.h refers to and no scenario reaches: other kinds of keys, allocators, constructors
 */
#ifndef EXPLORE_HELD_ABSENT_H
#define EXPLORE_HELD_ABSENT_H

#include "held_world.h"

wki_atomic_u32 wki_service = WKI_SERVICE_RUNNING;

void wki_stop(const char *format, ...)
{
	char message[200];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	explore_fail("stopped: %s", message);
}

void wki_stop_control(const struct wki_control *control, const char *what)
{
	explore_fail("stopped: %s (%p)", what, (const void *)control);
}

void wki_stop_no_object(const void *payload)
{
	explore_fail("stopped: %p is no object", payload);
}

void wki_value_stop_key(const wk_value_dict *dict)
{
	explore_fail("stopped: the wrong kind of key for %s", dict->name);
}

#define ABSENT(result, name, ...)                                                                          \
	result name(__VA_ARGS__)                                                                           \
	{                                                                                                  \
		explore_fail("the explorer has no " #name);                                                \
	}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
ABSENT(int, wki_service_need_slow, void)
ABSENT(void *, wki_allocate, const wk_allocator *allocator, size_t size, size_t alignment)
ABSENT(void, wki_free, const wk_allocator *allocator, void *memory, size_t size, size_t alignment)
ABSENT(uint64_t, wki_hash_bytes, const void *data, size_t size, uint64_t seed)
ABSENT(void, wki_event_init, struct wki_event *event)
ABSENT(void, wki_event_signal, struct wki_event *event)
ABSENT(void, wki_limbo_seal, struct wki_thread *thread)
ABSENT(bool, wki_owner_hold_slow, wk_owner *owner)
ABSENT(void, wki_owner_add_slow, wk_owner *owner)
ABSENT(void, wki_owner_drop_slow, wk_owner *owner)
ABSENT(void *, wk_new_with, const wk_type *type, const wk_new_options *options, int *status)
ABSENT(void, wk_discard, void *payload)
ABSENT(int, wki_table_init, struct wki_table *table, struct wki_control *owner, const wk_allocator *allocator, size_t expected)
#pragma GCC diagnostic pop

#endif
