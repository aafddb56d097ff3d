/*
 * core/layout.c - how large the blocks of an object are, and where they come from
 *
 * Layer: core.
 */
#include "base/memory.h"
#include "core/control.h"
#include "reclaim/cache.h"

static size_t round_up(size_t size, size_t alignment)
{
	return (size + alignment - 1) & ~(alignment - 1);
}

struct wki_layout wki_control_layout(const wk_type *type, size_t size, bool extra, bool apart)
{
	struct wki_layout layout = {
		.front = extra ? sizeof(struct wki_extra) : 0,
		.alignment = WKI_ALIGNMENT,
	};

	if (!apart && type->alignment > WKI_ALIGNMENT) {
		layout.alignment = type->alignment;
		layout.front = round_up(layout.front + sizeof(struct wki_control), type->alignment) -
			       sizeof(struct wki_control);
	}
	layout.size = layout.front + sizeof(struct wki_control) + (apart ? 0 : size);
	return layout;
}

struct wki_layout wki_payload_layout(const wk_type *type, size_t size)
{
	struct wki_layout layout = { .alignment = type->alignment };

	if (layout.alignment < WKI_ALIGNMENT)
		layout.alignment = WKI_ALIGNMENT;
	layout.front = layout.alignment; /* the back word is the last of it */
	layout.size = layout.front + size;
	return layout;
}

void *wki_block_allocate(const wk_type *type, const struct wki_layout *layout)
{
	if (type->allocator == NULL && layout->alignment <= WKI_ALIGNMENT)
		return wki_cache_allocate(layout->size);
	return wki_allocate(type->allocator, layout->size, layout->alignment);
}

void wki_block_free(const wk_type *type, void *block, const struct wki_layout *layout)
{
	if (type->allocator == NULL && layout->alignment <= WKI_ALIGNMENT)
		wki_cache_free(block, layout->size);
	else
		wki_free(type->allocator, block, layout->size, layout->alignment);
}
