# How a test is declared. Every test has a tier (a CTest label) and a time limit.

set(WEAKREF_TIMEOUT_quick 120)
set(WEAKREF_TIMEOUT_slow 600)
if(NOT WEAKREF_SANITIZE STREQUAL "none")
	set(WEAKREF_TIMEOUT_quick 300)
	set(WEAKREF_TIMEOUT_slow 1800)
endif()

# weakref_test_tier(result source): `slow` if the first line of the source is a comment "tier: slow", else `quick`.
function(weakref_test_tier result source)
	file(STRINGS "${source}" first_line LIMIT_COUNT 1)
	if(first_line MATCHES "^(//|/\\*) *tier: *slow")
		set(${result} slow PARENT_SCOPE)
	else()
		set(${result} quick PARENT_SCOPE)
	endif()
endfunction()

# weakref_register_test(name TIER quick|slow COMMAND command...)
function(weakref_register_test name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIER" "COMMAND")
	add_test(NAME ${name} COMMAND ${arg_COMMAND})
	set_tests_properties(${name} PROPERTIES
		LABELS ${arg_TIER}
		TIMEOUT ${WEAKREF_TIMEOUT_${arg_TIER}}
		ENVIRONMENT "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1;UBSAN_OPTIONS=print_stacktrace=1;TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
endfunction()

# weakref_add_test(name SOURCES file... LIBRARIES target...): one executable, one test; the first source names the tier.
function(weakref_add_test name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
	add_executable(${name} ${arg_SOURCES})
	target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
	target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} Threads::Threads)
	list(GET arg_SOURCES 0 first)
	weakref_test_tier(tier "${first}")
	weakref_register_test(${name} TIER ${tier} COMMAND ${name})
endfunction()
