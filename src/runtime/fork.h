/*
 * runtime/fork.h - what runtime.c and fork.c need of each other
 *
 * Layer: runtime.
 */
#ifndef WKI_RUNTIME_FORK_H
#define WKI_RUNTIME_FORK_H

#include "weakref/runtime.h"

/* wki_fork_register - have fork call us; 0, or an errno code */
int wki_fork_register(void);
/* wki_fork_use - the program's choice, from now on */
void wki_fork_use(wk_fork_mode mode);

/* What forks have left to the parents so far, of this process and those it was forked from. */
struct wki_fork_figures {
	uint64_t objects, calls;
};
void wki_fork_read(struct wki_fork_figures *figures);

/* runtime.c: the options, which are not to be half set; and, in the child, who started, who shuts down. */
void wki_runtime_lock_options(void);
void wki_runtime_unlock_options(void);
void wki_runtime_forked(void);

#endif
