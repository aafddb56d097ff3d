/*
 * tests/support/child.c
 */
#define _GNU_SOURCE
#include "support/child.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool child_main(int argc, char **argv, const struct child_case *cases, size_t count)
{
	const struct rlimit no_core = { 0, 0 };
	size_t i;

	if (argc != 3 || strcmp(argv[1], "child") != 0)
		return false;
	setrlimit(RLIMIT_CORE, &no_core);
	for (i = 0; i < count; i++) {
		if (strcmp(argv[2], cases[i].name) == 0) {
			cases[i].run();
			exit(0);
		}
	}
	fprintf(stderr, "no scenario %s\n", argv[2]);
	exit(2);
}

static void child_read(int descriptor, char *output, size_t size)
{
	char rest[256];
	size_t used = 0;
	ssize_t got;

	while (used + 1 < size && (got = read(descriptor, output + used, size - 1 - used)) > 0)
		used += (size_t)got;
	output[used] = '\0';
	while (read(descriptor, rest, sizeof(rest)) > 0)
		;
}

struct child_end child_run(const char *name)
{
	char path[] = "/proc/self/exe", word[] = "child", scenario[64];
	char *arguments[] = { path, word, scenario, NULL };
	posix_spawn_file_actions_t actions;
	struct child_end end = { .status = -1 };
	int ends[2];
	pid_t child;

	snprintf(scenario, sizeof(scenario), "%s", name);
	if (pipe(ends) != 0)
		return end;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	if (posix_spawn(&child, path, &actions, NULL, arguments, environ) == 0) {
		close(ends[1]);
		child_read(ends[0], end.output, sizeof(end.output));
		waitpid(child, &end.status, 0);
	} else {
		close(ends[1]);
	}
	close(ends[0]);
	posix_spawn_file_actions_destroy(&actions);
	return end;
}

static bool child_expected(const struct child_end *end, bool expected)
{
	if (!expected)
		fprintf(stderr, "child ended with status %#x and said:\n%s\n", (unsigned)end->status, end->output);
	return expected;
}

bool child_exited(const struct child_end *end, int code)
{
	return child_expected(end, WIFEXITED(end->status) && WEXITSTATUS(end->status) == code);
}

bool child_aborted(const struct child_end *end)
{
	return child_expected(end, WIFSIGNALED(end->status) && WTERMSIG(end->status) == SIGABRT);
}

bool child_said(const struct child_end *end, const char *text)
{
	return child_expected(end, strstr(end->output, text) != NULL);
}

bool child_passes(const char *name)
{
	struct child_end end = child_run(name);

	return child_exited(&end, 0);
}

void child_check_that(bool holds, const char *text, const char *file, int line)
{
	if (holds)
		return;
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
	_exit(1);
}
