#!/usr/bin/env bash
# What hides a finding instead of mending it, and what belongs to one machine, has no place in the tree.
source "$(dirname "$0")/common.bash"

list_files() {
	find . \( -path ./.git -o -path ./build \) -prune -o -type f -print | sed 's|^\./||' | sort
}

refuse() { # PATTERN MESSAGE: in any text file but this lint
	local hit
	while IFS= read -r hit; do
		complain "$(cut -d: -f1,2 <<<"$hit"): $2"
	done < <(list_files | grep -vx 'tests/lint/forbidden\.sh' | tr '\n' '\0' | xargs -0 -r grep -nHIE -- "$1" || true)
}

refuse 'no_sanitize|no_instrument_function|disable_sanitizer_instrumentation' "no code is hidden from a sanitizer"
refuse '__lsan_(ignore|disable)|__tsan_ignore|ANNOTATE_(IGNORE|BENIGN)|__(asan|lsan|tsan|ubsan)_default_suppressions' \
	"no finding is suppressed"
refuse '(SAN_OPTIONS|OPTIONS)=.*(suppressions=|detect_leaks=0|halt_on_error=0|report_bugs=0)' "no finding is suppressed"
refuse '(^|[^[:alnum:]_.$}])/(home|root|work)/' "a path of one machine"

while IFS= read -r file; do
	complain "$file: a suppression file"
done < <(list_files | grep -iE '\.supp$|suppress' || true)

exit $((complaints > 0))
