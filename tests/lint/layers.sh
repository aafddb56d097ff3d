#!/usr/bin/env bash
# Includes go one way: runtime, collect, notify, core, reclaim, sync, base; a file includes its own layer and those
# after it. A header-only protocol includes nothing but base and other such protocols, so that an explorer or a model
# checker can drive it alone. No file includes a .c file.
source "$(dirname "$0")/common.bash"

protocols=(core/count.h core/watch.h core/cell.h collect/slots.h reclaim/mailbox.h reclaim/link.h)
freestanding=(stdbool.h stddef.h stdint.h)

rank() { # of a layer, -1 if it is none
	local index
	for index in "${!layers[@]}"; do
		[[ ${layers[index]} != "$1" ]] || { echo "$index" && return; }
	done
	echo -1
}

is_one_of() {
	local wanted=$1 word
	shift
	for word in "$@"; do
		[[ $word != "$wanted" ]] || return 0
	done
	return 1
}

check_layer() { # FILE LINE INCLUDED
	local layer=${1#src/} other=${3%%/*}
	layer=${layer%%/*}
	if [[ $3 == *.c ]]; then
		complain "$1:$2: includes a .c file: $3"
	elif [[ $3 == weakref.h || $3 == weakref/* ]]; then
		return
	elif [[ ! -e src/$3 ]]; then
		complain "$1:$2: \"$3\" is not <layer>/<file> below src/ nor a public header"
	elif (($(rank "$other") < 0 || $(rank "$other") > $(rank "$layer"))); then
		complain "$1:$2: layer $layer must not include layer $other: \"$3\""
	fi
}

check_protocol() { # FILE LINE INCLUDED
	is_one_of "${1#src/}" "${protocols[@]}" || return 0
	[[ $3 == base/* ]] || is_one_of "$3" "${protocols[@]}" "${freestanding[@]}" ||
		complain "$1:$2: a header-only protocol must not include $3"
}

while IFS=: read -r file line directive; do
	included=$(sed -E 's/^[^"<]*["<]([^">]*)[">].*/\1/' <<<"$directive")
	[[ $directive == *\<* ]] || check_layer "$file" "$line" "$included"
	check_protocol "$file" "$line" "$included"
done < <(library_sources | xargs -r grep -nHE '^[ \t]*#[ \t]*include[ \t]*["<]' || true)

exit $((complaints > 0))
