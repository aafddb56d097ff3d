#include "process.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 16 };

static void run(const char *program, const char *const *arguments, int output)
{
	const char *all[MAX_ARGUMENTS + 2] = { program };

	for (int i = 0; i < MAX_ARGUMENTS && arguments[i]; i++)
		all[i + 1] = arguments[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves no server behind */
	dup2(output, STDOUT_FILENO);
	execv(program, (char **)all);
	perror(program);
	_exit(127);
}

/* One more piece of output; false: there is none. */
static bool read_output(struct process *process)
{
	size_t room = sizeof process->text - 1 - process->length;
	ssize_t came = read(process->output, process->text + process->length, room);

	if (came <= 0)
		return false;
	process->length += (size_t)came;
	process->text[process->length] = '\0';
	return true;
}

bool process_start(struct process *process, const char *program, const char *const *arguments)
{
	int ends[2];

	*process = (struct process){ .port = -1 };
	if (pipe(ends) < 0)
		return false;
	process->output = ends[0];
	process->pid = fork();
	if (process->pid == 0) {
		close(ends[0]);
		run(program, arguments, ends[1]);
	}
	close(ends[1]);
	while (process->pid > 0 && !strchr(process->text, '\n') && read_output(process))
		;
	return sscanf(process->text, "listening on 127.0.0.1:%d", &process->port) == 1;
}

int process_wait(struct process *process)
{
	int status;

	while (read_output(process))
		;
	close(process->output);
	if (waitpid(process->pid, &status, 0) != process->pid)
		return -1;
	process->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int process_end(struct process *process, int signal)
{
	if (kill(process->pid, signal) < 0)
		return -1;
	return process_wait(process);
}

bool process_settled(const struct process *process, const char *type)
{
	const char *line = strstr(process->text, type);
	unsigned long long created, destroyed;

	return line && sscanf(line + strlen(type), "%llu %llu", &created, &destroyed) == 2 && created > 0 &&
	       created == destroyed;
}

long process_peak_memory(const struct process *process)
{
	char name[32], line[128];
	long peak = -1;
	FILE *status;

	snprintf(name, sizeof name, "/proc/%d/status", (int)process->pid);
	status = fopen(name, "r");
	if (!status)
		return -1;
	while (peak < 0 && fgets(line, sizeof line, status))
		if (sscanf(line, "VmHWM: %ld", &peak) != 1)
			peak = -1;
	fclose(status);
	return peak;
}
