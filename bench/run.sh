#!/usr/bin/env bash
# Runs the benchmark that was built in BUILD_DIR, under a header that says where and of what the figures are.
# Arguments go to weakref_bench (--help lists them). Without --json the results are kept in BUILD_DIR/bench/results.json.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
bench=${BUILD_DIR:?set BUILD_DIR to where the build is}/bench/weakref_bench

for argument in "$@"; do
	if [ "$argument" = --help ]; then
		exec "$bench" --help
	fi
done

field() { # the value of one line of lscpu
	lscpu | sed -n "s/^$1: *//p" | head -n 1
}

cached() { # a variable of the build's CMake cache
	sed -n "s/^$1:[A-Z]*=//p" "$BUILD_DIR/CMakeCache.txt"
}

commit=$(git -C "$top" describe --always --dirty 2>/dev/null || echo unknown)
compiler=$(cached CMAKE_C_COMPILER)
type=$(cached CMAKE_BUILD_TYPE)

echo "machine   $(uname -m), $(nproc) cores, $(field 'Model name'), L3 $(field 'L3 cache'), load $(cut -d' ' -f1 /proc/loadavg)"
echo "system    $(. /etc/os-release && echo "$PRETTY_NAME"), Linux $(uname -r)"
echo "compiler  $("$compiler" --version | head -n 1), $type ($(cached "CMAKE_C_FLAGS_${type^^}"))"
echo "commit    $commit"
echo

keep=(--json "$BUILD_DIR/bench/results.json")
for argument in "$@"; do
	if [ "$argument" = --json ]; then
		keep=()
	fi
done
exec "$bench" "${keep[@]}" "$@"
