# With lexer.awk: a C file without its comments and the insides of its strings, line for line.
{ print lex($0) }
