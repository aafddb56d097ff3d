# Sourced by each lint: goes to the root of the tree, names what is checked, counts complaints.
# A lint prints one line a complaint and ends with `exit $((complaints > 0))`.
# LINT_ROOT lints another tree.
set -euo pipefail
lint_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cd "${LINT_ROOT:-$lint_dir/../..}"
complaints=0

complain() {
	echo "$*"
	((complaints += 1))
}

# Layers in the order in which a file may not look back: each includes itself and what stands before it.
layers=(base sync reclaim core notify collect runtime)

# The library's sources, in the order of the layers.
library_sources() {
	local layer
	for layer in "${layers[@]}"; do
		[[ ! -d src/$layer ]] || find "src/$layer" -name '*.[ch]' | sort
	done
}

public_headers() {
	find include -name '*.h' | sort
}

# code FILE: the file without its comments and without what is inside its strings, line for line.
code() {
	awk -f "$lint_dir/lexer.awk" -f "$lint_dir/code.awk" "$1"
}

# complain_of PATTERN MESSAGE FILE...: one complaint for each line of code that matches the extended regular expression.
complain_of() {
	local pattern=$1 message=$2 file hit
	shift 2
	for file in "$@"; do
		while IFS= read -r hit; do
			complain "$file:${hit%%:*}: $message"
		done < <(code "$file" | grep -nE "$pattern" || true)
	done
}
