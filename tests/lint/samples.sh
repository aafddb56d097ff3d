#!/usr/bin/env bash
# The C that a document shows is C that is built and run: it stands in a file below examples/, each of which is a test.
#
#   `examples/hello.c`:            on a line of its own: the next C block is that file
#   From `examples/cache.c`:       until the next such line or heading: every C block, and in a table with a column "C"
#                                  every piece of code in that column, stands in that file, whatever its indentation
#
# There is no other C in README.md and docs/*.md; and where they talk of functions, these are in the public headers.
source "$(dirname "$0")/common.bash"

named=0
for document in README.md docs/*.md; do
	while IFS= read -r complaint; do
		[[ $complaint == files:* ]] && ((named += ${complaint#files:})) || complain "$document:$complaint"
	done < <(awk -f tests/lint/samples.awk "$document")
done

# names FILE...: the library's names in them.
names() {
	grep -ohEw '(wk|WK)_[A-Za-z0-9_]+' "$@" | sort -u
}
while IFS= read -r name; do
	complain "there is no $name: $(grep -lw "$name" README.md docs/*.md | tr '\n' ' ')"
done < <(comm -23 <(names README.md docs/{lifecycle,cookbook,peers}.md) <(names include/weakref.h include/weakref/*.h))
((named > 0)) || complain "no document shows a sample"

exit $((complaints > 0))
