/*
 * step.c - how a step is printed
 */
#include "step.h"

#include "explorer.h"
#include "heap.h"

#include <stdio.h>
#include <string.h>

static struct {
	const volatile void *address;
	const char *name;
} labels[32];
static unsigned label_count;

void explore_label(const volatile void *address, const char *name)
{
	if (label_count < sizeof(labels) / sizeof(labels[0])) {
		labels[label_count].address = address;
		labels[label_count++].name = name;
	}
}

void step_forget_labels(void)
{
	label_count = 0;
}

static void describe_block(char *text, size_t size, const struct block *block, const volatile void *address)
{
	int length = snprintf(text, size, "%s#%u.%u", block->name, (unsigned)block->arena, (unsigned)block->number);

	if ((const volatile char *)address != block->base)
		snprintf(text + length, size - (size_t)length, "+%td", (const volatile char *)address - block->base);
}

void step_describe(char *text, size_t size, const volatile void *address)
{
	const struct block *block = heap_find(address);

	for (unsigned i = 0; i < label_count; i++) {
		if (labels[i].address == address) {
			snprintf(text, size, "%s", labels[i].name);
			return;
		}
	}
	if (block != NULL)
		describe_block(text, size, block, address);
	else
		snprintf(text, size, "%p", (const void *)(uintptr_t)address);
}

/* A value that leads into a block is shown with it. */
static void describe_value(char *text, size_t size, uint64_t value)
{
	const void *pointer = (const void *)(uintptr_t)(value & 0xfffffffffff0);
	const struct block *block = heap_find(pointer);
	int length = snprintf(text, size, "%#llx", (unsigned long long)value);

	if (block == NULL)
		return;
	text[length] = '=';
	describe_block(text + length + 1, size - (size_t)length - 1, block, pointer);
}

void step_print(const struct step *step)
{
	char where[64] = "", from[96], to[96];

	if (step->address != NULL)
		step_describe(where, sizeof(where), step->address);
	printf("    %4u  T%u  %-28s %-8s %-24s", step->number, step->thread, step->operation == NULL ? "" : step->operation,
		step->what, where);
	if (step->compare) {
		describe_value(from, sizeof(from), step->before);
		describe_value(to, sizeof(to), step->after);
		printf(" %s%s%s", from, step->after == step->before ? "" : " -> ", step->after == step->before ? "" : to);
	}
	printf("%s%s\n", step->place == NULL ? "" : "  at ", step->place == NULL ? "" : step->place);
}

uint64_t step_word(const volatile void *address)
{
	uint64_t word;

	memcpy(&word, (const void *)((uintptr_t)address & ~(uintptr_t)7), sizeof(word));
	return word;
}
