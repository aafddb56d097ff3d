#!/usr/bin/env bash
# Turns a results.json of weakref_bench into the tables of docs/performance.md: one table a benchmark, a line for each
# n and number of threads, median (min to max) in nanoseconds, and ours in parts of the best of the others.
set -euo pipefail

sed -n 's/[{}"]//g; s/^ *bench: //p' "${1:?usage: tables.sh results.json}" | sed 's/, [a-z_]*: /|/g; s/,$//' | awk -F'|' '
function number(value) { return value < 10 ? sprintf("%.1f", value) : sprintf("%.0f", value) }
{
	bench = $1; name = $2; cell = $1 "|" $4 "|" $3
	if (!(bench in seen)) { seen[bench] = 1; benches[++bench_count] = bench }
	if (!(cell in lines)) { lines[cell] = 1; order[bench, ++line_count[bench]] = cell }
	if (!((bench, name) in column)) { column[bench, name] = 1; names[bench, ++name_count[bench]] = name }
	median[cell, name] = $5
	text[cell, name] = number($5) " (" number($6) " to " number($7) ")"
	if (name != "weakref" && name != "striped flat map" && (!(cell in best) || $5 + 0 < best[cell])) best[cell] = $5 + 0
}
END {
	for (b = 1; b <= bench_count; b++) {
		bench = benches[b]
		printf "### %s\n\n| n | threads |", bench
		for (i = 1; i <= name_count[bench]; i++) printf " %s |", names[bench, i]
		printf " ratio |\n|---|---|"
		for (i = 1; i <= name_count[bench]; i++) printf "---|"
		printf "---|\n"
		for (l = 1; l <= line_count[bench]; l++) {
			cell = order[bench, l]
			split(cell, part, "|")
			printf "| %s | %s |", part[2], part[3]
			for (i = 1; i <= name_count[bench]; i++) printf " %s |", text[cell, names[bench, i]]
			if ((cell in best) && ((cell, "weakref") in median)) printf " %.2f", median[cell, "weakref"] / best[cell]
			printf " |\n"
		}
		printf "\n"
	}
}'
