#!/bin/sh
# What README.md shows is what comes. Prevents a README that once was true.
#	```sql blocks are given to the sqlite3 shell, with pyudf loaded; each section (##) is a session of its own.
#	A ```text block after one is all that it prints, errors as a terminal shows them; a pid there stands for any.
#	```python, ```c and ```js blocks are programs, and are run where that can be: they print 42.
# readme.sh --update writes what comes into README.md's ```text blocks.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
: "${SQLITE3:=sqlite3}" "${CC:=cc}"
readme=$PYUDF_SOURCE/README.md

why=
command -v "$SQLITE3" >/dev/null || why="no sqlite3 shell"
[ "${PYUDF_SANITIZER-}" = thread ] && why="the thread sanitizer"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/pyudf-readme.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
ln -s "$PYUDF_BUILD" "$tmp/build"
ln -s "$PYUDF_SOURCE/sql" "$tmp/sql"

# Files <section>.sql, in which each block opens by printing "@ its number"; block.<number> is what it should print, title.<number>
# its section; program.<n>.<language>.
awk -v dir="$tmp" '
	/^## / || NR == 1 { section++; title = $0; sub("^#+ ", "", title) }
	/^```./ {
		language = substr($0, 4)
		if (language == "sql") {
			block++
			file = dir "/" section ".sql"
			print ".print @ " block > file
			print title > (dir "/title." block)
		} else if (language == "text") {
			file = dir "/block." block
		} else if (language ~ /^(python|c|js)$/) {
			file = dir "/program." ++programs "." language
		}
		next
	}
	/^```$/ { file = ""; next }
	file { print > file }' "$readme"

# Errors as on a terminal, pids all the same
normal() { sed -E 's/^(Runtime|Parse) error near line [0-9]+:/\1 error:/; s/worker [0-9]+ was/worker 4711 was/'; }

# run MODE: all that the blocks print, into got.<number>
run() {
	for session in "$tmp"/*.sql; do
		{ echo ".load ./build/pyudf"; cat "$session"; } |
			(cd "$tmp" && PYUDF_EXECUTION_MODE=$1 "$SQLITE3" -batch -init /dev/null :memory: 2>&1)
	done | normal | awk -v dir="$tmp" '$1 == "@" && NF == 2 { at = $2; printf "" > (dir "/got." at); next } { print > (dir "/got." at) }'
}

if [ "${1-}" = --update ]; then
	run process
	awk -v dir="$tmp" '
		/^```sql$/ { block++ }
		/^```text$/ { print; file = dir "/got." block; while ((getline line < file) > 0) if (line == "") empty = empty "\n"; else { print empty line; empty = "" }
			empty = ""; skip = 1; next }
		/^```$/ { skip = 0 }
		!skip' "$readme" >"$tmp/new" && cat "$tmp/new" >"$readme"
	exit
fi

number=0
[ -n "$why" ] || run process
while number=$((number + 1)) && [ -f "$tmp/title.$number" ]; do
	name="block $number, $(cat "$tmp/title.$number")"
	if [ -n "$why" ]; then
		skip "$name" "$why"
	else
		is "$name" "$(cat "$tmp/got.$number")" "$(cat "$tmp/block.$number" 2>/dev/null)"
	fi
done

# program FILE: runs it
# shellcheck disable=SC2086 # several flags
program() {
	case $1 in
	*.python) "$host_python" "$1" ;;
	*.js) cp "$1" "$tmp/program.mjs" && node "$tmp/program.mjs" ;;
	*.c) $CC ${CPPFLAGS-} -o "$tmp/program" "$1" ${SQLITE_LIBS--lsqlite3} && "$tmp/program" ;;
	esac
}

# The first Python that can load extensions
for host_python in "${PYUDF_PYTHON:-python3}" python3 /usr/bin/python3 none; do
	"$host_python" -c 'import sqlite3; sqlite3.Connection.enable_load_extension' 2>/dev/null && break
done
# A program that is not instrumented itself needs the sanitizer's library first: the C compiler does without.
for file in "$tmp"/program.*; do
	language=${file##*.}
	because=$why
	[ -n "${PYUDF_SANITIZER-}" ] && because="a sanitizer"
	case $language in
	python) [ "$host_python" = none ] && because="no Python that loads extensions" ;;
	js) node -e 'require("node:sqlite")' 2>/dev/null || because="no node:sqlite" ;;
	c) mv "$file" "$tmp/$language.c"; file=$tmp/$language.c ;;
	esac
	if [ -n "$because" ]; then
		skip "the program in $language" "$because"
		continue
	fi
	sed "s|/usr/local/lib/pyudf|$PYUDF_BUILD/pyudf|" "$file" >"$tmp/ready.$language"
	result=$(program "$tmp/ready.$language" 2>&1)
	case $result in
	*42*) check "the program in $language" ;;
	*) is "the program in $language" "$result" 42 ;;
	esac
done
finish
