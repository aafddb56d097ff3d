#ifndef BROKER_ACCOUNTING_H
#define BROKER_ACCOUNTING_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Ends the runtime and prints, by type, how many objects were made and destroyed. False: they differ, or something did
 * not end in time.
 */
bool accounting_settle(uint64_t timeout_ns);

#endif
