# cmake -DHEADER=weakref/cell.h -DINCLUDE_DIR=... -DC_COMPILERS=a,b -DCXX_COMPILERS=... -P HeaderAlone.cmake
# A public header must compile by itself, and twice, as C11 and as C++17, with every compiler given.
set(warnings -Wall -Wextra -Wconversion -Wundef -Werror)

function(compile_alone standard language compilers)
	string(REPLACE "," ";" compilers "${compilers}")
	foreach(compiler IN LISTS compilers)
		execute_process(
			COMMAND echo "#include <${HEADER}>\n#include <${HEADER}>"
			COMMAND "${compiler}" -x ${language} -std=${standard} ${warnings} ${ARGN}
				"-I${INCLUDE_DIR}" -fsyntax-only -
			COMMAND_ERROR_IS_FATAL ANY)
	endforeach()
endfunction()

compile_alone(c11 c "${C_COMPILERS}" -Wmissing-prototypes)
compile_alone(c++17 c++ "${CXX_COMPILERS}")
