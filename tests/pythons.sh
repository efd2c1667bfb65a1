#!/bin/sh
# The same two files under every CPython that is here, in both modes, from the shell and from inside a Python of another
# version; and Pythons that will not do. Prevents a binary that is tied to the Python it was built with.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
: "${SQLITE3:=sqlite3}" "${PYUDF_PYTHON:=python3}"

if [ "${PYUDF_SANITIZER-}" = thread ]; then
	skip "other Pythons" "the thread sanitizer crashes in sh, and the shell's workers need it"
	finish
fi

root=$(mktemp -d "${TMPDIR:-/tmp}/pyudf-pythons.XXXXXX") || exit 1
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM

# sql PYTHON MODE SQL...: what the shell prints, errors too
sql() {
	PYUDF_PYTHON=$1 PYUDF_EXECUTION_MODE=$2
	export PYUDF_PYTHON PYUDF_EXECUTION_MODE
	shift 2
	(cd / && "$SQLITE3" -batch -init /dev/null :memory: ".load $PYUDF_BUILD/pyudf" "$@" 2>&1)
}

# has NAME TEXT PATTERN: passes where TEXT has a line that matches
has() {
	if printf '%s\n' "$2" | grep -Eq -- "$3"; then
		check "$1"
	else
		check "$1" "no line matches: $3
$2"
	fi
}

slug="SELECT python_define('def slug(s): return s.lower().replace('' '', ''-'')')"

# Every Python to be found, one a version, as its real executable.
for python in "$PYUDF_PYTHON" python3 python3.10 python3.11 python3.12 python3.13 python3.14 \
	/usr/bin/python3 "$HOME"/.pyenv/versions/*/bin/python3; do
	"$python" -c 'import sys; print(*sys.version_info[:2], sys.executable)' 2>/dev/null
done | sort -u -k 2n,2 >"$root/found"

# ---- each of them, in both modes ----

found=0
while read -r major minor python; do
	[ "$major" = 3 ] && [ "$minor" -ge 11 ] || continue
	found=$((found + 1))
	for mode in process thread; do
		is "Python 3.$minor, $mode" "$(sql "$python" $mode "$slug" "SELECT slug('Hello World')" \
			"SELECT python_version() LIKE 'CPython 3.$minor.%$mode mode'")" "slug
hello-world
1"
	done
	# A venv: its packages, and no others.
	venv=$root/venv$minor
	if "$python" -m venv --without-pip "$venv" >"$root/log" 2>&1; then
		site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
		echo "def version(): return '$minor'" >"$site/pyudf_venv_module.py"
		for mode in process thread; do
			is "Python 3.$minor in a venv, $mode" "$(sql "$venv/bin/python" $mode \
				"SELECT python_import('pyudf_venv_module')" "SELECT version()")" "version
$minor"
		done
	else
		skip "Python 3.$minor in a venv" "this Python makes no venv"
	fi
done <"$root/found"
[ $found -ge 2 ] || skip "a Python of another version" "there is only one here"

# ---- inside a Python host, whatever its version ----

# Through ctypes, as many a Python's sqlite3 module is built without extensions: it leaves the GIL for each call, and
# again with the GIL kept by the caller, as some hosts do.
cat >"$root/host.py" <<'EOP'
import ctypes, sys
build, mode, kept = sys.argv[1:]
lib = (ctypes.PyDLL if kept == 'kept' else ctypes.CDLL)('libsqlite3.so.0')
p, db, error = ctypes.c_void_p, ctypes.c_void_p(), ctypes.c_char_p()
lib.sqlite3_open(b':memory:', ctypes.byref(db))
lib.sqlite3_enable_load_extension(db, 1)
assert lib.sqlite3_load_extension(db, (build + '/pyudf').encode(), None, ctypes.byref(error)) == 0, error.value
@ctypes.PYFUNCTYPE(ctypes.c_int, p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p), p)
def show(arg, count, values, names):
    print(values[0].decode())
    return 0
def run(sql):
    if lib.sqlite3_exec(db, sql.encode(), show, None, ctypes.byref(error)):
        print(error.value.decode())
run('PRAGMA python_execution_mode=' + mode)
run("SELECT python_define('f', 'lambda x: x + 1')")
run('SELECT sum(f(x)) FROM (SELECT 1 AS x UNION ALL SELECT 2)')
own = sys.version.split()[0]
run("SELECT python_version() LIKE 'CPython %s %%'" % own if mode == 'thread' else 'SELECT 1')
lib.sqlite3_close(db)
EOP
while read -r major minor python; do
	[ "$major" = 3 ] || continue
	for kept in left kept; do
		name="inside Python 3.$minor, the GIL $kept"
		is "$name, process" "$("$python" "$root/host.py" "$PYUDF_BUILD" process $kept 2>&1)" "process
f
5
1"
		if [ "$minor" -ge 11 ]; then
			is "$name, thread" "$("$python" "$root/host.py" "$PYUDF_BUILD" thread $kept 2>&1)" "thread
f
5
1"
		else
			has "$name, thread: an error that says so" \
				"$("$python" "$root/host.py" "$PYUDF_BUILD" thread $kept 2>&1)" \
				"this process has 3\.$minor\.[0-9]+; PRAGMA python_execution_mode=process works"
		fi
	done
done <"$root/found"

# ---- Pythons that will not do: said at the first use, not at load ----

for mode in process thread; do
	is "not there, $mode: loading is fine" "$(sql /nowhere/python3 $mode "SELECT 1")" 1
	has "not there, $mode" "$(sql /nowhere/python3 $mode "$slug")" 'python_executable /nowhere/python3: No such file'
	has "not executable, $mode" "$(sql /etc/passwd $mode "$slug")" 'python_executable /etc/passwd: Permission denied'
	# It writes for ever: into a memory that must have an end.
	has "no Python, and verbose, $mode" "$(sql "$(command -v yes)" $mode "$slug")" 'python_executable .*/yes: '
	has "no Python at all, $mode" "$(sql /bin/true $mode "$slug")" 'python_executable /bin/true: it '
done

old=$(awk '$1 == 3 && $2 < 11 { print $3; exit }' "$root/found")
if [ -n "$old" ]; then
	for mode in process thread; do
		has "below 3.11, $mode" "$(sql "$old" $mode "$slug")" 'it is Python 3\.[0-9.]+; pyudf needs 3\.11 or newer'
	done
else
	skip "below 3.11" "there is none here"
fi

# No shared libpython: this one says so when it is asked, and is a Python like any other in process mode.
real=$("$PYUDF_PYTHON" -c 'import sys; print(sys.executable)')
cat >"$root/static" <<EOP
#!/bin/sh
case "\$2" in
*INSTSONAME*) printf '3.11.99\n\n' ;;
*) exec "$real" "\$@" ;;
esac
EOP
chmod +x "$root/static"
has "no shared libpython, thread" "$(sql "$root/static" thread "$slug")" \
	'thread mode needs a shared libpython, and .*has none; PRAGMA python_execution_mode=process works'
is "no shared libpython, process" "$(sql "$root/static" process "$slug" "SELECT slug('A B')")" "slug
a-b"

finish
