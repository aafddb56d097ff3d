/* What the programs of docs/python.md have in common: a class Person, equal and hashed by name, and SHOW. */
#ifndef PERSON_H
#define PERSON_H

#include <stdio.h>
#include <weakref.h>

typedef struct Person {
	char name[16];
	int age;
} Person;

static bool person_equal(const void *a, const void *b)
{
	return strcmp(((const Person *)a)->name, ((const Person *)b)->name) == 0;
}

static uint64_t person_hash(const void *payload) /* FNV-1a */
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *c = ((const Person *)payload)->name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	return hash;
}
WK_DEFINE_TYPE(person_type, Person, .equal = person_equal, .hash = person_hash);

static inline Person *person(const char *name)
{
	Person *p = WK_NEW(Person, &person_type);

	if (p)
		snprintf(p->name, sizeof p->name, "%s", name);
	return p;
}

/* Prints an expression and its value, a number. */
#define SHOW(expression) printf("%s: %lld\n", #expression, (long long)(expression))

#endif
