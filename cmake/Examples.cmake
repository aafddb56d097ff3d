# Each examples/*.c is a small program and, where there are tests, one of them; what needs libuv and hiredis
# (the broker) stands in a directory of its own.
file(GLOB samples CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/examples/*.c")
foreach(sample IN LISTS samples)
	cmake_path(GET sample STEM name)
	add_executable(example.${name} "${sample}")
	target_link_libraries(example.${name} PRIVATE weakref::weakref Threads::Threads)
	if(WEAKREF_BUILD_TESTS)
		weakref_register_test(example.${name} TIER quick COMMAND example.${name})
	endif()
endforeach()

pkg_check_modules(LIBUV IMPORTED_TARGET libuv)
pkg_check_modules(HIREDIS IMPORTED_TARGET hiredis)
if(NOT LIBUV_FOUND OR NOT HIREDIS_FOUND)
	message(STATUS "examples/broker is left out: it needs libuv and hiredis")
elseif(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/examples/CMakeLists.txt")
	add_subdirectory(examples)
endif()
