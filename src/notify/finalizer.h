/*
 * notify/finalizer.h - finalizers at the end of the runtime
 *
 * Layer: notify.
 */
#ifndef WKI_NOTIFY_FINALIZER_H
#define WKI_NOTIFY_FINALIZER_H

#include <stdbool.h>

/* wki_finalizers_run - by the last shutdown: run those that are alive and not to be skipped, newest first */
void wki_finalizers_run(void);

/* wki_finalizers_leave_at_exit - whether the end of the process leaves them all alone */
void wki_finalizers_leave_at_exit(bool leave);

/* wki_finalizers_lock, wki_finalizers_unlock - around a fork: the registry */
void wki_finalizers_lock(void);
void wki_finalizers_unlock(void);

#endif
