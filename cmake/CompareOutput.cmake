# cmake -DPROGRAM=... [-DEMULATOR=...] -DEXPECTED=FILE -P CompareOutput.cmake
# Runs a program, which must succeed, and print what is in the file, if there is that file. Addresses differ from run to
# run: the file has them as 0x.
execute_process(COMMAND ${EMULATOR} "${PROGRAM}" OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
if(NOT EXISTS "${EXPECTED}")
	return()
endif()
file(READ "${EXPECTED}" expected)
string(REGEX REPLACE "at 0x[0-9a-f]+" "at 0x" printed "${printed}")
if(NOT printed STREQUAL expected)
	message(FATAL_ERROR "${PROGRAM} printed\n${printed}and not, as in ${EXPECTED},\n${expected}")
endif()
