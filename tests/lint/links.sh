#!/usr/bin/env bash
# What a document links to in the tree is there: files, and headings within them.
source "$(dirname "$0")/common.bash"

# anchors DOCUMENT: its headings as they are linked to.
anchors() {
	sed -nE 's/^#+ //p' "$1" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-'
}

while IFS=: read -r document target; do
	[[ $target != *://* ]] || continue
	file=$(dirname "$document")/${target%%#*}
	[[ $target != \#* ]] || file=$document
	if [[ ! -e $file ]]; then
		complain "$document: there is no $target"
	elif [[ $target == *#* ]] && ! grep -qxF -- "${target#*#}" <(anchors "$file"); then
		complain "$document: $target names no heading"
	fi
done < <(grep -oE '\]\([^)]+\)' README.md docs/*.md docs/decisions/*.md | sed -E 's/\]\((.*)\)$/\1/')

exit $((complaints > 0))
