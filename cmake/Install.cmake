# Headers, both libraries, pkg-config `weakref` (with --static for the archive) and the CMake package `weakref`,
# whose one target is weakref::weakref.
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/weakref")

install(TARGETS weakref EXPORT weakref-targets)
install(TARGETS weakref_static)
install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(EXPORT weakref-targets NAMESPACE weakref:: DESTINATION "${package_dir}")

configure_package_config_file(cmake/weakref-config.cmake.in weakref-config.cmake
	INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(weakref-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
	"${CMAKE_CURRENT_BINARY_DIR}/weakref-config.cmake"
	"${CMAKE_CURRENT_BINARY_DIR}/weakref-config-version.cmake"
	DESTINATION "${package_dir}")

# Found from where the file lies, so that an install to any prefix is right.
file(RELATIVE_PATH prefix_from_pcfiledir "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file(cmake/weakref.pc.in weakref.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/weakref.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
