# Each examples/*.c is a small program, and each in examples/python and examples/cookbook, which docs/python.md and
# docs/cookbook.md show. Where there are tests, each is one: it succeeds, and prints what stands in the .out file beside it,
# if there is one. What needs libuv and hiredis (the broker) stands in a directory of its own.
file(GLOB samples CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}/examples"
	"${CMAKE_CURRENT_SOURCE_DIR}/examples/*.c" "${CMAKE_CURRENT_SOURCE_DIR}/examples/python/*.c"
	"${CMAKE_CURRENT_SOURCE_DIR}/examples/cookbook/*.c")
foreach(sample IN LISTS samples)
	string(REGEX REPLACE "\\.c$" "" stem "${sample}")
	string(REPLACE "/" "." name "example.${stem}")
	add_executable(${name} "${CMAKE_CURRENT_SOURCE_DIR}/examples/${sample}")
	target_link_libraries(${name} PRIVATE weakref::weakref Threads::Threads)
	if(WEAKREF_BUILD_TESTS)
		weakref_register_test(${name} TIER quick COMMAND "${CMAKE_COMMAND}" "-DPROGRAM=$<TARGET_FILE:${name}>"
			"-DEMULATOR=${CMAKE_CROSSCOMPILING_EMULATOR}"
			"-DEXPECTED=${CMAKE_CURRENT_SOURCE_DIR}/examples/${stem}.out"
			-P "${PROJECT_SOURCE_DIR}/cmake/CompareOutput.cmake")
	endif()
endforeach()

pkg_check_modules(LIBUV IMPORTED_TARGET libuv)
pkg_check_modules(HIREDIS IMPORTED_TARGET hiredis)
if(NOT LIBUV_FOUND OR NOT HIREDIS_FOUND)
	message(STATUS "examples/broker is left out: it needs libuv and hiredis")
elseif(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/examples/CMakeLists.txt")
	add_subdirectory(examples)
endif()
