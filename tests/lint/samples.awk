# Reads a document and says what it shows of the files that it names: see samples.sh. Prints LINE: COMPLAINT, and at the end
# files:NUMBER of the files that were named.

function complain(message) {
	print FNR ": " message
}

# One line without its indentation, and with single spaces.
function squeeze(text) {
	gsub(/[ \t]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	return text
}

# The file's text as squeezed lines, with a line end before each.
function content(name,    line, text) {
	if (name in contents)
		return contents[name]
	text = ""
	while ((getline line < name) > 0)
		text = text "\n" squeeze(line)
	close(name)
	if (text == "")
		complain(name " is not there")
	files++
	return contents[name] = text "\n"
}

function whole(name,    line, text) {
	content(name)
	while ((getline line < name) > 0)
		text = text line "\n"
	close(name)
	return text
}

function name_of(line) {
	match(line, /`[^`]*`/)
	return substr(line, RSTART + 1, RLENGTH - 2)
}

function check_block() {
	if (mode == "whole" && raw != whole(file))
		complain("what it shows of " file " is not what is there")
	else if (mode == "from" && index(content(file), block "\n") == 0)
		complain("this block does not stand in " file)
	else if (mode == "")
		complain("C that belongs to no file")
	if (mode == "whole")
		mode = ""
}

function check_row(    cells, pieces, count, i) {
	count = split($0, cells, / *\| */)
	if (column > count)
		return
	count = split(cells[column], pieces, /`/)
	for (i = 2; i <= count; i += 2)
		if (index(content(file), squeeze(pieces[i])) == 0)
			complain(file " has no " pieces[i])
}

# Where in the table's head the column "C" is; 0 if there is none.
function find_column(    cells, count, i) {
	count = split($0, cells, / *\| */)
	for (i = 1; i <= count; i++)
		if (cells[i] == "C")
			return i
	return 0
}

/^```c$/ && !inside {
	inside = 1
	raw = block = ""
	next
}
/^```$/ && inside {
	check_block()
	inside = 0
	next
}
inside {
	raw = raw $0 "\n"
	block = block "\n" squeeze($0)
	next
}
/^`examples\/[^`]+\.c`:$/ {
	mode = "whole"
	file = name_of($0)
	next
}
/^From `examples\/[^`]+\.c`:$/ {
	mode = "from"
	file = name_of($0)
	next
}
/^#/ {
	mode = ""
}
/^\|/ {
	if (!table)
		column = mode == "from" ? find_column() : 0
	else if (column)
		check_row()
	table = 1
	next
}
{
	table = 0
}
END {
	print "files:" files + 0
}
