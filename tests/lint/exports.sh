#!/usr/bin/env bash
# The shared library exports wk_* only, and only what a public header declares. BUILD_DIR: where it was built.
source "$(dirname "$0")/common.bash"

library=${BUILD_DIR:-build/release}/libweakref.so
[[ -e $library ]] || { echo "$library is not there: build it first" && exit 1; }

exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u)
[[ -n $exported ]] || complain "$library exports nothing"
for name in $exported; do
	if [[ $name != wk_* ]]; then
		complain "exported, but not wk_*: $name"
	elif ! grep -rqw -- "$name" include; then
		complain "exported, but in no public header: $name"
	fi
done

exit $((complaints > 0))
