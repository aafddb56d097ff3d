#!/usr/bin/env bash
# Every atomic operation in src/ carries a tag, in a comment of its own at most six lines above it or behind it:
#
#	/* CNT-4 release; pairs: CNT-5; weaker: the memory could be reused too early; check: explore/count */
#
# The order is that of the operation's name; a prefix belongs to one file and its header, a tag to one operation; pairs are tags, or
# none; a test named as explore/…, model/…, unit/…, api/… or stress/… exists.
# docs/ordering.md is made from the tags: `ordering.sh --write` makes it, `ordering.sh` checks it.
source "$(dirname "$0")/common.bash"

page=docs/ordering.md
made=$(mktemp)
trap 'rm -f "$made"' EXIT

mapfile -t files < <(library_sources | grep -v '^src/base/atomic\.h$')
tests=$({ find tests stress -name '*.c' 2>/dev/null || true; } | tr '\n' ' ')
awk -v tests="$tests" -f "$lint_dir/lexer.awk" -f "$lint_dir/ordering.awk" "${files[@]}" >"$made" || exit 1

if [[ ${1:-} == --write ]]; then
	mkdir -p docs
	cp "$made" "$page"
elif ! diff -u "$page" "$made"; then
	complain "$page does not say what the sources say: run ./dev docs"
fi

exit $((complaints > 0))
