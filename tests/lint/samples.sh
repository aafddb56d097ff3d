#!/usr/bin/env bash
# A program that a document shows is a file that is built and run: the block after the file's name equals the file.
source "$(dirname "$0")/common.bash"

# shown DOCUMENT FILE: the first C block after a line that is `FILE`:
shown() {
	awk -v name="\`$2\`:" '
		$0 == name { near = 1 }
		near && /^```c$/ { inside = 1; next }
		inside && /^```$/ { exit }
		inside { print }' "$1"
}

named=0
for document in README.md docs/*.md; do
	[[ -e $document ]] || continue
	while IFS= read -r file; do
		((named += 1))
		if [[ ! -e $file ]]; then
			complain "$document: $file is not there"
		elif ! diff -q <(shown "$document" "$file") "$file" >/dev/null; then
			complain "$document: what it shows of $file is not what is there"
		fi
	done < <(sed -nE 's/^`(examples\/[^`]+\.c)`:$/\1/p' "$document")
done
((named > 0)) || complain "no document shows a sample"

exit $((complaints > 0))
