#ifndef BROKER_TEST_PROCESS_H
#define BROKER_TEST_PROCESS_H

/* A broker that runs beside the test. */

#include <stdbool.h>
#include <sys/types.h>

struct process {
	pid_t pid; /* 0: it has ended */
	int port;
	int output;       /* its standard output */
	char text[16384]; /* what came out of it */
	size_t length;
};

/* Starts `program` with these arguments (NULL at the end) and waits for the line that tells its port. */
bool process_start(struct process *process, const char *program, const char *const *arguments);

/* Waits for the end; the exit status, or -1: a signal ended it. process->text holds all its output then. */
int process_wait(struct process *process);

/* The most memory it ever had, in KiB; -1: not known. */
long process_peak_memory(const struct process *process);

/* In the final table created and destroyed of this type agree, and there were some. */
bool process_settled(const struct process *process, const char *type);

/* process_wait after this signal. */
int process_end(struct process *process, int signal);

#endif
