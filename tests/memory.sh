#!/bin/sh
# python_memory_limit: MemoryError at the limit, a worker that goes on, and an error in thread mode, which has nobody to
# limit. Not under a sanitizer, which maps terabytes.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
: "${SQLITE3:=sqlite3}"

if [ -n "${PYUDF_SANITIZER-}" ]; then
	skip "python_memory_limit" "a sanitizer maps more than any limit"
	finish
fi

# sql MODE SQL...: what the shell prints, errors too
sql() {
	mode=$1
	shift
	(for statement in ".load $PYUDF_BUILD/pyudf" "SELECT python_define('n = 0
def big(mib):
  global n
  n += 1
  return len(bytearray(mib << 20))
def tick(): return n');" "$@"; do
		printf '%s\n' "$statement"
	done) | PYUDF_EXECUTION_MODE=$mode "$SQLITE3" -batch -init /dev/null :memory: 2>/dev/stdout | sed 1d
}

is "MemoryError at the limit, and the worker goes on" "$(sql process "PRAGMA python_memory_limit=500;" \
	"SELECT big(1000);" "SELECT big(100), tick();" "PRAGMA python_memory_limit=0;" "SELECT big(1000), tick();")" \
	"500
Runtime error near line 9: python function big: MemoryError (<define 1>:5) (7)
104857600|2
0
1048576000|1"
is "an error in thread mode" "$(sql thread "PRAGMA python_memory_limit=500;" "SELECT big(1);")" \
	"500
Runtime error near line 9: python function big: python_memory_limit needs process mode: it is about workers; 0 is none"
finish
