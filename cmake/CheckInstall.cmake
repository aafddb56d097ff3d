# cmake -DBUILD_DIR=... -DGENERATOR=... -DC_COMPILER=... -P CheckInstall.cmake
# Installs into a directory below BUILD_DIR and builds and runs a program against it in the three ways that a user may:
# pkg-config, pkg-config --static, and CMake's find_package.
set(work "${BUILD_DIR}/check-install")
set(prefix "${work}/prefix")
set(source "${work}/program.c")

function(run)
	execute_process(COMMAND ${ARGN} WORKING_DIRECTORY "${work}" OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
	set(output "${output}" PARENT_SCOPE)
endfunction()

function(build_with_pkg_config name library_form)
	run(${CMAKE_COMMAND} -E env "PKG_CONFIG_PATH=${pkgconfig_dir}" pkg-config --cflags --libs ${ARGN} weakref)
	string(REPLACE "-lweakref" "${library_form}" flags "${output}")
	separate_arguments(flags UNIX_COMMAND "${flags}")
	run("${C_COMPILER}" "${source}" -o ${name} ${flags} "-Wl,-rpath,${library_dir}")
	run("./${name}")
endfunction()

file(REMOVE_RECURSE "${work}")
file(WRITE "${source}" [[
#include <weakref.h>
int main(void)
{
	return wk_version() == WK_VERSION ? 0 : 1;
}
]])
file(WRITE "${work}/CMakeLists.txt" [[
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C)
find_package(weakref REQUIRED)
add_executable(with-cmake program.c)
target_link_libraries(with-cmake PRIVATE weakref::weakref)
]])

run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${prefix}")
file(GLOB_RECURSE package "${prefix}/weakref.pc")
cmake_path(GET package PARENT_PATH pkgconfig_dir)
cmake_path(GET pkgconfig_dir PARENT_PATH library_dir)

build_with_pkg_config(with-pkg-config "-lweakref")
build_with_pkg_config(with-static-library "${library_dir}/libweakref.a" --static)

run("${CMAKE_COMMAND}" -S . -B build -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_C_COMPILER=${C_COMPILER}")
run("${CMAKE_COMMAND}" --build build)
run(build/with-cmake)
