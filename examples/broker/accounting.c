#include "accounting.h"

#include <inttypes.h>
#include <stdio.h>
#include <weakref.h>

static void print_type(const wk_type *type, const wk_census *census, void *context)
{
	bool *balanced = context;

	printf("%-24s %12" PRIu64 " %12" PRIu64 " %8" PRId64 "\n", type->name, census->created, census->destroyed,
		(int64_t)(census->created - census->destroyed));
	*balanced &= census->created == census->destroyed;
}

static bool print_types(void)
{
	bool balanced = true;

	printf("%-24s %12s %12s %8s\n", "type", "created", "destroyed", "left");
	wk_runtime_each_type(print_type, &balanced);
	return balanced;
}

static void print_total(void)
{
	wk_stats stats = { .struct_size = sizeof stats };

	wk_runtime_stats(&stats);
	printf("total created=%" PRIu64 " destroyed=%" PRIu64 " callbacks=%" PRIu64 " backlog_peak=%" PRIu64 "\n",
		stats.objects_created, stats.objects_destroyed, stats.callbacks_run + stats.destroys_run,
		stats.backlog_peak);
}

bool accounting_settle(uint64_t timeout_ns)
{
	wk_shutdown_report report = { .struct_size = sizeof report };
	int status = wk_runtime_shutdown(timeout_ns, &report);
	bool balanced = print_types();

	print_total();
	if (status < 0 || report.not_run > 0 || report.still_alive > 0) {
		printf("shutdown: %s, %" PRIu64 " not run, %" PRIu64 " still alive\n", wk_strerror(status),
			report.not_run, report.still_alive);
		balanced = false;
	}
	puts(balanced ? "balanced" : "NOT balanced");
	fflush(stdout);
	return balanced;
}
