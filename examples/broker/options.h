#ifndef BROKER_OPTIONS_H
#define BROKER_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

struct options {
	const char *bind; /* numeric address */
	int port;         /* 0: a free one */
	unsigned threads; /* event loops */
	size_t max_clients;
	size_t output_limit;   /* bytes of replies that may wait for one client */
	uint64_t backlog_soft; /* dead objects above which the making of new ones is slowed down; 0: the library's */
	uint64_t backlog_hard; /* dead objects above which none is made; 0: none */
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_SHOWN, /* --help or --version did what was asked */
	OPTIONS_WRONG  /* said so on stderr */
};

enum options_result options_parse(struct options *options, int count, char **arguments);

#endif
