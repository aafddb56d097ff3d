/* The broker: a multithreaded server for Redis clients, written as a server author would use libweakref. */

#include <stdlib.h>

#include "options.h"
#include "server.h"

int main(int count, char **arguments)
{
	struct options options;

	switch (options_parse(&options, count, arguments)) {
	case OPTIONS_RUN:
		return server_run(&options);
	case OPTIONS_SHOWN:
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		break;
	}
	return EXIT_FAILURE;
}
