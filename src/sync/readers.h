/*
 * sync/readers.h - grace periods by looking at readers
 *
 * liburcu waits for readers by turning its phase and looking some hundred times; a reader that is still inside by then, as
 * one is whose processor was taken away in the middle, costs ten milliseconds of sleep, in which everything that is
 * retired piles up and gets cold. Looking is enough: whoever is seen outside of a section once has left every
 * section that the grace period is about.
 *
 *	reader                                  who waits
 *	ctr = inside      (wki_read_lock)       unlink
 *	compiler barrier                        membarrier: a full barrier in every running thread
 *	read what is linked                     look at each ctr until it has been outside once
 *	compiler barrier                        membarrier
 *	ctr = outside     (wki_read_unlock)     free
 *
 * A reader that is seen outside has either ended its section, and what it read there it read before the second membarrier;
 * or has begun none before the first one, and finds nothing in the next that had been unlinked.
 *
 * Readers are liburcu's own places for threads, which never move and go from a thread that has ended to
 * one that begins; they are there as long as anybody is registered, so whoever waits is. Each is introduced here before its thread's first section, so that everybody is looked at. A look
 * that takes too long (somebody stays inside, or is always seen there) is given up, and liburcu waits as it does; so it does where
 * there is no membarrier, and once there were more threads than there is room for.
 *
 * Layer: sync. For rcu.h alone.
 */
#ifndef WKI_SYNC_READERS_H
#define WKI_SYNC_READERS_H

#include <stdbool.h>

/*
 * The calling thread's place in liburcu, as it was when it was introduced: its ctr. Never NULL, and nobody's place
 * while the thread is not introduced; or for good, if liburcu's read side needs barriers of its own here.
 */
extern _Thread_local unsigned long *wki_reader_known __attribute__((tls_model("initial-exec")));

/* wki_reader_is_known - the calling thread is registered with liburcu, and introduced, and needs no barrier */
bool wki_reader_is_known(void);
/* wki_reader_introduce - it is introduced when this returns */
void wki_reader_introduce(void);

/* By a thread that is known. wki_readers_wait - until every section that is open now has ended; false: it cannot be said, and liburcu must be asked */
bool wki_readers_wait(void);
/* wki_readers_look - the same at once: nobody stays in a section for more than a few microseconds, or it is false */
bool wki_readers_look(void);

#endif
