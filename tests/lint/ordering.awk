# With lexer.awk: checks the tags of atomic operations and prints docs/ordering.md. Complaints go to standard error.

BEGIN {
	first_waiting = 1
	reach = 6 # lines from the end of a tag's comment to its operation
	tag_form = "^[A-Z][A-Z0-9]*-[0-9]+ (relaxed|acquire|release|acq_rel|seq_cst); pairs: [^;]+; weaker: .+; check: .+$"
	count = split(tests, paths, " ")
	for (i = 1; i <= count; i++)
		know_test(paths[i])
}

FNR == 1 {
	end_file()
	file = FILENAME
	sub(/^src\//, "", file)
	place = ""
}

{
	code = lex($0)
	for (i = 1; i <= comment_count; i++)
		read_tag(comments[i])
	note_place(code)
	read_operations(code)
}

END {
	end_file()
	for (i = 1; i <= tag_count; i++)
		check_references(tags[i])
	if (complained)
		exit 1
	print_page()
}

function complain(where, message) {
	print where ": " message >"/dev/stderr"
	complained = 1
}

# Under which names a tag may speak of a test: explore/count for tests/explore/count_explore.c, and so on.
function know_test(path) {
	sub(/^tests\//, "", path)
	known[path] = 1
	sub(/\.c$/, "", path)
	known[path] = 1
	sub(/_(test|explore)$/, "", path)
	known[path] = 1
}

# --- reading ---

function read_tag(text, tag, fields) {
	if (text !~ /^[A-Z][A-Z0-9]*-[0-9]+[ ;]/ || text !~ /pairs:|weaker:/)
		return
	tag = text
	sub(/[ ;].*/, "", tag)
	if (text !~ tag_form)
		complain(FILENAME ":" FNR, "tag " tag " is not of the form \"TAG order; pairs: …; weaker: …; check: …\"")
	else if (tag in order_of)
		complain(FILENAME ":" FNR, "tag " tag " is taken already: " file_of[tag])
	else
		add_tag(tag, text)
}

function add_tag(tag, text, prefix) {
	tags[++tag_count] = tag
	file_of[tag] = file
	line_of[tag] = FNR
	order_of[tag] = between(text, " ", "; pairs: ")
	pairs_of[tag] = between(text, "; pairs: ", "; weaker: ")
	weaker_of[tag] = between(text, "; weaker: ", "; check: ")
	check_of[tag] = substr(text, index(text, "; check: ") + 9)
	waiting[++last_waiting] = tag

	prefix = tag
	sub(/-.*/, "", prefix)
	if (prefix in module_of_prefix && module_of_prefix[prefix] != module(file))
		complain(FILENAME ":" FNR, "prefix " prefix " belongs to " module_of_prefix[prefix])
	module_of_prefix[prefix] = module(file)
}

# A source and its header are one module and share a prefix.
function module(file) {
	sub(/\.[ch]$/, "", file)
	return file
}

function between(text, left, right, rest) {
	rest = substr(text, index(text, left) + length(left))
	return substr(rest, 1, index(rest, right) - 1)
}

# The function or macro that the line belongs to: what begins in the first column and is called something(.
function note_place(code, name) {
	if (code ~ /^#[ \t]*define[ \t]+[A-Za-z_]/) {
		name = code
		sub(/^#[ \t]*define[ \t]+/, "", name)
		sub(/[^A-Za-z0-9_].*/, "", name)
		place = name
	} else if (code ~ /^}/) {
		place = ""
	} else if (code ~ /^[A-Za-z_]/) {
		name = code
		gsub(/__attribute__ *\(\([^)]*(\([^)]*\))?[^)]*\)\)/, "", name)
		if (match(name, /[A-Za-z_][A-Za-z0-9_]* *\(/)) {
			name = substr(name, RSTART, RLENGTH)
			sub(/ *\($/, "", name)
			place = name
		}
	}
}

function read_operations(code, name) {
	while (match(code, /atomic_[a-z0-9_]+_(relaxed|acquire|release|acq_rel|seq_cst)\(/)) {
		name = substr(code, RSTART, RLENGTH - 1)
		code = substr(code, RSTART + RLENGTH)
		take_tag(name, first_argument(code))
	}
}

function first_argument(text, depth, i, c) {
	depth = 0
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (depth == 0 && (c == "," || c == ")"))
			break
		depth += (c == "(") - (c == ")")
	}
	text = trim(substr(text, 1, i - 1))
	sub(/^\(wki_[a-z0-9_]+ \*\)\(uintptr_t\)/, "", text) # a cast that only takes const away
	return text
}

# The oldest tag that no operation has taken and that is near enough belongs to this one.
function take_tag(name, argument, tag, order) {
	while (first_waiting <= last_waiting && line_of[waiting[first_waiting]] < FNR - reach)
		complain_unused(waiting[first_waiting++])
	if (first_waiting > last_waiting) {
		complain(FILENAME ":" FNR, name " has no tag of its own in the " reach " lines above")
		return
	}
	tag = waiting[first_waiting++]
	order = order_in(name)
	if (order != order_of[tag])
		complain(FILENAME ":" FNR, name ", but tag " tag " says " order_of[tag])
	place_of[tag] = place
	operation_of[tag] = substr(name, 8, length(name) - 8 - length(order)) "(" argument ")"
}

function order_in(name) {
	if (name ~ /_acq_rel$/)
		return "acq_rel"
	if (name ~ /_seq_cst$/)
		return "seq_cst"
	sub(/.*_/, "", name)
	return name
}

function complain_unused(tag) {
	complain("src/" file_of[tag] ":" line_of[tag], "tag " tag " has no operation in the " reach " lines below")
}

function end_file() {
	while (first_waiting <= last_waiting)
		complain_unused(waiting[first_waiting++])
	first_waiting = 1
	last_waiting = 0
}

# --- checking ---

function check_references(tag, where, words, count, i) {
	where = "src/" file_of[tag] ":" line_of[tag]
	count = split(pairs_of[tag], words, /[^A-Z0-9-]+/)
	for (i = 1; i <= count; i++)
		if (words[i] ~ /^[A-Z][A-Z0-9]*-[0-9]+$/ && !(words[i] in order_of))
			complain(where, tag " pairs with " words[i] ", which does not exist")
	if (pairs_of[tag] !~ /^none/ && pairs_of[tag] !~ /^[A-Z][A-Z0-9]*-[0-9]+/)
		complain(where, tag " pairs with neither a tag nor none")
	count = split(check_of[tag], words, /[^A-Za-z0-9_\/.]+/)
	for (i = 1; i <= count; i++)
		if (words[i] ~ /^(explore|model|unit|api|stress)\/[a-z]/ && !(words[i] in known))
			complain(where, tag " is checked by " words[i] ", which does not exist")
}

# --- printing ---

function print_page(i, tag, layer, last) {
	print "# Memory order"
	print ""
	print "Every atomic operation of the library, made by `./dev docs` from the tags beside the operations in `src/`: change them"
	print "there. Two operations that pair make what was done before the one visible after the other. A failed `cas` orders as"
	print "`base/atomic.h` says. A relaxed operation stands here with the reason why it may be."
	sort_tags()
	for (i = 1; i <= tag_count; i++) {
		tag = tags[i]
		layer = file_of[tag]
		sub(/\/.*/, "", layer)
		if (layer != last)
			print_heading(layer)
		last = layer
		print_row(tag)
	}
}

# Tags of one module stand together already; by number inside.
function sort_tags(i, j, tag) {
	for (i = 2; i <= tag_count; i++) {
		tag = tags[i]
		for (j = i - 1; j >= 1 && follows(tags[j], tag); j--)
			tags[j + 1] = tags[j]
		tags[j + 1] = tag
	}
}

function follows(tag, other, first, second) {
	first = tag
	second = other
	sub(/.*-/, "", first)
	sub(/.*-/, "", second)
	return module(file_of[tag]) == module(file_of[other]) && first + 0 > second + 0
}

function print_heading(layer) {
	print ""
	print "## " layer
	print ""
	print "| tag | where | operation | order | pairs with | breaks if weaker | checked by |"
	print "|---|---|---|---|---|---|---|"
}

function print_row(tag, where) {
	where = file_of[tag] (place_of[tag] == "" ? "" : ":" place_of[tag])
	print "| " tag " | `" where "` | `" cell(operation_of[tag]) "` | " order_of[tag] " | " cell(pairs_of[tag]) " | " \
		cell(weaker_of[tag]) " | " cell(check_of[tag]) " |"
}

function cell(text) {
	gsub(/\|/, "\\|", text)
	return text
}
