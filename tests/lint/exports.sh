#!/usr/bin/env bash
# The shared library exports what the public headers declare, all of it and nothing else, and each name is wk_*.
# BUILD_DIR: where it was built.
source "$(dirname "$0")/common.bash"

library=${BUILD_DIR:-build/release}/libweakref.so
[[ -e $library ]] || { echo "$library is not there: build it first" && exit 1; }

exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u)
declared=$(find include -name '*.h' -exec cat {} + | grep -E '^WK_API ' |
	sed -E 's/^[^(]*[ *(]\(?(wk_[a-z0-9_]+)\)?\(.*/\1/' | sort -u)
[[ -n $exported ]] || complain "$library exports nothing"

for name in $(comm -23 <(echo "$exported") <(echo "$declared")); do
	complain "exported, but no public header declares it: $name"
done
for name in $(comm -13 <(echo "$exported") <(echo "$declared")); do
	complain "declared, but not exported: $name"
done
for name in $exported; do
	[[ $name == wk_* ]] || complain "exported, but not wk_*: $name"
done

exit $((complaints > 0))
