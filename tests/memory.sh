#!/bin/sh
# Memory. python_memory_limit: MemoryError at the limit, a worker that goes on, and an error in thread mode, which has
# nobody to limit. And python_map, whose rows pass through: a million of them take no more than a thousand do. Not under a
# sanitizer, which maps terabytes, and keeps for a while what was freed.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
: "${SQLITE3:=sqlite3}"

if [ -n "${PYUDF_SANITIZER-}" ]; then
	skip "python_memory_limit, python_map's memory" "a sanitizer maps more than any limit"
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

# Peaks of the host and of whoever ran the function, in KiB, before and after a million rows of 48 bytes: kept in memory,
# keys, arguments and results would be over 100 MiB.
map_peaks() {
	map="SELECT count(*) || '|' || sum(length(value)) FROM python_map('same', 'WITH RECURSIVE s(i) AS
  (SELECT 1 UNION ALL SELECT i + 1 FROM s LIMIT %d) SELECT i, printf(''%%032d'', i) FROM s', 1);"
	peaks=".system sed -n 's/VmHWM://p' /proc/\$PPID/status
SELECT peak();"
	# shellcheck disable=SC2059 # the format is the query
	printf '%s\n' ".load $PYUDF_BUILD/pyudf" "SELECT python_define('
def same(x): return x
def peak(): return next(line.split()[1] for line in open(\"/proc/self/status\") if line.startswith(\"VmHWM\"))');" \
		"$(printf "$map" 1000)" "$peaks" "$(printf "$map" 1000000)" "$peaks" |
		PYUDF_EXECUTION_MODE=$1 "$SQLITE3" -batch -init /dev/null :memory: 2>&1 | sed 1d
}

for mode in thread process; do
	# shellcheck disable=SC2016 # awk's
	is "python_map of a million rows takes no more memory than one of a thousand, $mode mode" "$(map_peaks $mode | awk '
		NR == 1 || NR == 4 { print; next }
		NR < 4 { before[NR] = $1; next }
		NR < 7 { grew = $1 - before[NR - 3]; print (grew < 16384 ? "bounded" : NR ": " grew " KiB more"); next }
		{ print }')" "1000|32000
1000000|32000000
bounded
bounded"
done
finish
