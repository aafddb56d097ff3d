/*
 * base/generation.c - the present generation
 *
 * Layer: base.
 */
#include "base/generation.h"

uint32_t wki_generation;
