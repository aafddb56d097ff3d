#!/usr/bin/env bash
# Only src/sync uses liburcu and ConcurrencyKit; what they look like is nobody else's business.
source "$(dirname "$0")/common.bash"

mapfile -t files < <({ library_sources | grep -v '^src/sync/'; public_headers; })
complain_of '#[ \t]*include[ \t]*<(urcu|ck_|rculist|rcuhlist)' "liburcu and ck are included in src/sync only" "${files[@]}"
complain_of '\b(urcu_|cds_|rcu_|synchronize_rcu|call_rcu|ck_[a-z])' "liburcu and ck are used in src/sync only" "${files[@]}"

exit $((complaints > 0))
