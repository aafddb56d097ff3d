# WEAKREF_SANITIZE for everything in the tree, and what follows from it for liburcu.

# liburcu's read-side functions cost 2 ns inlined and 20 ns called. Sanitizers call them: inlined, UBSan reports a
# misalignment inside the header of liburcu 0.13, and ThreadSanitizer sees half of liburcu's protocol, that is a race.
set(WEAKREF_RCU_INLINE 1)
if(NOT WEAKREF_SANITIZE STREQUAL "none")
	set(WEAKREF_RCU_INLINE 0)
endif()

if(WEAKREF_SANITIZE STREQUAL "address")
	set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(WEAKREF_SANITIZE STREQUAL "thread")
	set(sanitize -fsanitize=thread)
elseif(NOT WEAKREF_SANITIZE STREQUAL "none")
	message(FATAL_ERROR "WEAKREF_SANITIZE is none, address or thread, not ${WEAKREF_SANITIZE}")
endif()

if(sanitize)
	add_compile_options(${sanitize} -O1 -g -fno-omit-frame-pointer)
	add_link_options(${sanitize})
endif()
