# lex(line): the code of a line of C, comments and the insides of strings left out. The comments that end on the line
# are comments[1..comment_count]. State is carried from line to line; call it once for each, in order.

FNR == 1 {
	lexing = "code"
	comment = ""
}

function lex(line, code, rest) {
	comment_count = 0
	code = ""
	rest = line
	while (rest != "") {
		if (lexing == "comment")
			rest = lex_comment(rest)
		else if (match(rest, /"([^"\\]|\\.)*"|'([^'\\]|\\.)*'|\/\*|\/\//)) {
			code = code substr(rest, 1, RSTART - 1)
			rest = lex_token(substr(rest, RSTART, RLENGTH), substr(rest, RSTART + RLENGTH))
			code = code lexed
		} else {
			code = code rest
			rest = ""
		}
	}
	return code
}

# A comment goes on: up to its end, or to the end of the line.
function lex_comment(rest, end, part) {
	end = index(rest, "*/")
	part = end ? substr(rest, 1, end - 1) : rest
	sub(/\\$/, "", part)
	sub(/^[ \t]*\*/, "", part)
	comment = comment " " part
	if (!end)
		return ""
	lexing = "code"
	comments[++comment_count] = trim(comment)
	return substr(rest, end + 2)
}

# A string, or the beginning of a comment. Leaves what stands for it in `lexed`, returns what follows.
function lex_token(token, rest) {
	lexed = " "
	if (token == "//") {
		comments[++comment_count] = trim(rest)
		return ""
	}
	if (token == "/*") {
		lexing = "comment"
		comment = ""
		return rest
	}
	lexed = substr(token, 1, 1) substr(token, 1, 1)
	return rest
}

function trim(text) {
	gsub(/[ \t]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	return text
}
