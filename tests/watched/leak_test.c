/*
 * A program under LeakSanitizer that keeps containers until it exits, as many do: nothing of theirs is a leak. What it really loses
 * would be one, so with an argument it loses an object, and must be told.
 */
#include <weakref.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct item {
	long number;
};
WK_DEFINE_TYPE(item_type, struct item, .flags = 0);

static wk_value_dict *kept, *remembered;
static struct item *items[100];

static void fill(void)
{
	const wk_value_dict_options strong = { .struct_size = sizeof(strong), .name = "kept", .values = WK_VALUES_STRONG };
	const wk_value_dict_options weak = { .struct_size = sizeof(weak), .name = "remembered" };

	kept = wk_value_dict_new(&strong, NULL);
	remembered = wk_value_dict_new(&weak, NULL);
	for (unsigned i = 0; i < 100; i++) {
		struct item *item = wk_new(&item_type);

		items[i] = wk_new(&item_type);
		if (wk_value_dict_set(kept, wk_key_u64(i), item) < 0 ||
		    wk_value_dict_set(remembered, wk_key_u64(i), items[i]) < 0)
			exit(2);
		wk_release(item);
	}
}

static int run(char *program, char *argument)
{
	char *arguments[] = { program, argument, NULL };
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		execv(program, arguments);
		_exit(127);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static __attribute__((noinline)) void lose(void)
{
	struct item *volatile lost = wk_new(&item_type);

	lost->number = 1;
	lost = NULL;
}

int main(int argc, char **argv)
{
	int clean, losing;

	if (argc > 1) {
		if (argv[1][0] == 'k')
			fill();
		else
			for (unsigned i = 0; i < 100; i++)
				lose();
		return 0;
	}
	clean = run(argv[0], "keep");
	losing = run(argv[0], "lose");
	printf("keeping ended with %d, losing with %d\n", clean, losing);
	return clean == 0 && losing != 0 && losing != 127 ? 0 : 1;
}
