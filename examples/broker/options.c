#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weakref.h>

enum { MAX_THREADS = 256 };

static const char usage[] =
	"Usage: broker [OPTION]...\n"
	"A server that speaks RESP2: redis-cli, redis-benchmark and Redis client libraries talk to it.\n"
	"\n"
	"  -p, --port=PORT          TCP port, 0 for a free one (6379)\n"
	"  -b, --bind=ADDRESS       numeric address to listen on (127.0.0.1)\n"
	"  -t, --threads=N          event loops, one a thread (one a core)\n"
	"  -c, --max-clients=N      clients served at once (10000)\n"
	"  -o, --output-limit=BYTES replies and messages that may wait for a client before it is dropped (67108864)\n"
	"      --backlog-soft=N     dead objects above which making new ones is slowed down (1048576)\n"
	"      --backlog-hard=N     dead objects above which no new ones are made (none)\n"
	"  -h, --help               show this\n"
	"  -V, --version            show the version\n"
	"\n"
	"It knows GET, SET, MGET, DEL, EXISTS, DBSIZE, FLUSHALL; SUBSCRIBE, UNSUBSCRIBE, PUBLISH, PUBSUB CHANNELS, PUBSUB\n"
	"NUMSUB; PING, ECHO, QUIT, INFO, CONFIG GET, COMMAND, CLIENT ID, CLIENT KILL ID.\n"
	"\n"
	"It prints \"listening on ADDRESS:PORT\" when clients can connect. SIGTERM and SIGINT end it: it closes its\n"
	"clients, gives everything back, and prints how many objects of each type were made and destroyed. The exit\n"
	"status is 0 only if these agree.\n";

enum { OPTION_BACKLOG_SOFT = 256, OPTION_BACKLOG_HARD };

static const struct option long_options[] = {
	{ "port", required_argument, NULL, 'p' },
	{ "bind", required_argument, NULL, 'b' },
	{ "threads", required_argument, NULL, 't' },
	{ "max-clients", required_argument, NULL, 'c' },
	{ "output-limit", required_argument, NULL, 'o' },
	{ "backlog-soft", required_argument, NULL, OPTION_BACKLOG_SOFT },
	{ "backlog-hard", required_argument, NULL, OPTION_BACKLOG_HARD },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static uint64_t number_of(const char *text, uint64_t least, uint64_t most, bool *wrong)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && number >= least && number <= most)
		return number;
	fprintf(stderr, "broker: '%s' is not a number from %llu to %llu\n", text, (unsigned long long)least,
		(unsigned long long)most);
	*wrong = true;
	return 0;
}

static bool take_option(struct options *options, int letter, const char *text)
{
	bool wrong = false;

	switch (letter) {
	case 'p':
		options->port = (int)number_of(text, 0, 65535, &wrong);
		break;
	case 'b':
		options->bind = text;
		break;
	case 't':
		options->threads = (unsigned)number_of(text, 1, MAX_THREADS, &wrong);
		break;
	case 'c':
		options->max_clients = number_of(text, 1, UINT32_MAX, &wrong);
		break;
	case 'o':
		options->output_limit = number_of(text, 1, SIZE_MAX, &wrong);
		break;
	case OPTION_BACKLOG_SOFT:
		options->backlog_soft = number_of(text, 1, UINT64_MAX, &wrong);
		break;
	case OPTION_BACKLOG_HARD:
		options->backlog_hard = number_of(text, 1, UINT64_MAX, &wrong);
		break;
	default:
		return false;
	}
	return !wrong;
}

static struct options defaults(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return (struct options){
		.bind = "127.0.0.1",
		.port = 6379,
		.threads = cores < 1          ? 1
			: cores > MAX_THREADS ? MAX_THREADS
					      : (unsigned)cores,
		.max_clients = 10000,
		.output_limit = 64 * 1024 * 1024,
	};
}

enum options_result options_parse(struct options *options, int count, char **arguments)
{
	int letter;

	*options = defaults();
	while ((letter = getopt_long(count, arguments, "p:b:t:c:o:hV", long_options, NULL)) != -1) {
		if (letter == 'h') {
			fputs(usage, stdout);
			return OPTIONS_SHOWN;
		}
		if (letter == 'V') {
			puts("broker (libweakref " WK_VERSION_STRING ")");
			return OPTIONS_SHOWN;
		}
		if (!take_option(options, letter, optarg))
			return OPTIONS_WRONG;
	}
	if (optind == count)
		return OPTIONS_RUN;
	fprintf(stderr, "broker: unexpected '%s'; try --help\n", arguments[optind]);
	return OPTIONS_WRONG;
}
