#!/usr/bin/env bash
# Atomic accesses go through base/atomic.h, whose names end in a memory order. Elsewhere: no <stdatomic.h>, no builtin,
# no _Atomic (use the types of base/atomic.h), no C11 function, no fence.
source "$(dirname "$0")/common.bash"

orders='(relaxed|acquire|release|acq_rel|seq_cst)'
mapfile -t files < <({ library_sources | grep -v '^src/base/atomic\.h$'; public_headers; })

complain_of '#[ \t]*include[ \t]*<(stdatomic\.h|atomic)>' "C11 atomics are used in base/atomic.h only" "${files[@]}"
complain_of '__atomic_|__sync_|__c11_atomic|\b_Atomic\b|\bmemory_order_|\batomic_(bool|flag|u?int|u?char|size_t|uintptr_t)\b' \
	"use the types and operations of base/atomic.h" "${files[@]}"

# What begins with atomic_ and is called must end in an order.
for file in "${files[@]}"; do
	while IFS=: read -r line call; do
		[[ $call =~ _${orders}\($ ]] || complain "$file:$line: ${call%?} does not name its memory order"
	done < <(code "$file" | grep -noE '\batomic_[a-z0-9_]+[ \t]*\(' || true)
done

exit $((complaints > 0))
