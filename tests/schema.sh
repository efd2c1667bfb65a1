#!/bin/sh
# A database file must not run Python: each way in which a schema can hold a call is written by a shell that allows it, and
# opened by another one. Prevents that a hostile file defines or evaluates code in whoever writes to it.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
: "${SQLITE3:=sqlite3}"

if [ "${PYUDF_SANITIZER-}" = thread ]; then
	skip "what a schema may call" "the thread sanitizer crashes in sh, and the shell's workers need it"
	finish
fi

root=$(mktemp -d "${TMPDIR:-/tmp}/pyudf-schema.XXXXXX") || exit 1
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM

# sql FILE SQL...: what a shell of its own prints, errors too
sql() {
	file=$1
	shift
	"$SQLITE3" -batch -init /dev/null "$file" ".load $PYUDF_BUILD/pyudf" "$@" 2>&1
}

# refused NAME CREATE USE: wherever it is refused, at CREATE or at use, no Python runs
refused() {
	rm -f "$root/db" "$root/ran"
	sql "$root/db" "$2" >/dev/null
	answer=$(sql "$root/db" "$3")
	if [ -e "$root/ran" ]; then
		check "$1" "Python ran: $answer"
	else
		check "$1"
	fi
}

run="python_eval('open(\"$root/ran\", \"w\") and 1')"
define="python_define('f', 'open(\"$root/ran\", \"w\") and len')"

# The call itself has to be one that runs, or nothing here can fail.
sql "$root/db" "SELECT $run" >/dev/null
[ -e "$root/ran" ] || check "the call runs when it is called" "it does not"

for call in "$run" "$define"; do
	name=${call%%(*}
	refused "$name in a CHECK" "CREATE TABLE t(a CHECK ($call))" "INSERT INTO t VALUES (1)"
	refused "$name in a DEFAULT" "CREATE TABLE t(a, b DEFAULT ($call))" "INSERT INTO t(a) VALUES (1)"
	refused "$name in a view" "CREATE VIEW t AS SELECT $call AS a" "SELECT * FROM t"
	refused "$name in a trigger" "CREATE TABLE t(a); CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT $call; END" \
		"INSERT INTO t VALUES (1)"
	refused "$name in a generated column" "CREATE TABLE t(a, b AS ($call))" "INSERT INTO t VALUES (1); SELECT * FROM t"
	refused "$name in an index" "CREATE TABLE t(a); CREATE INDEX i ON t($call)" "INSERT INTO t VALUES (1)"
	refused "$name in a partial index" "CREATE TABLE t(a); CREATE INDEX i ON t(a) WHERE $call" "INSERT INTO t VALUES (1)"
done
finish
