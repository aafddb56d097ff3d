# The presets turn these into errors (CMAKE_COMPILE_WARNING_AS_ERROR); somebody who builds a release with a
# compiler that we have not seen only reads them.
add_compile_options(-Wall -Wextra -Wconversion -Wundef $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>)
