#!/bin/sh
# Installs into an empty place, uses what is there from another folder, and takes it away again. Prevents an extension
# that finds its package only in the build tree, and files that stay behind.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL # of the `make check` that runs this
: "${PYUDF_LIBDIR:=/usr/local/lib}" "${PYUDF_DATADIR:=/usr/local/share/pyudf}" "${SQLITE3:=sqlite3}"

root=$(mktemp -d "${TMPDIR:-/tmp}/pyudf-install.XXXXXX") || exit 1
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$root/elsewhere"
log=$root/log
lib=$root/dest$PYUDF_LIBDIR

# sql SQL: what the shell prints for it, with the installed extension loaded (complaints go into the test's log)
sql() {
	printf '.load %s/pyudf\n%s\n' "$lib" "$1" |
		(cd "$root/elsewhere" && "$SQLITE3" -batch -bail -init /dev/null :memory:)
}

failed=
make -C "$PYUDF_BUILD" install DESTDIR="$root/dest" >"$log" 2>&1 || failed=$(tail -n 20 "$log")
check "make install" "$failed"

missing=
for file in "$PYUDF_LIBDIR/pyudf.so" "$PYUDF_LIBDIR/pyudf/pyudf/__init__.py" \
	"$PYUDF_LIBDIR/pyudf/pyudf/_runtime.abi3.so" "$PYUDF_DATADIR/sql/demo.sql"; do
	[ -f "$root/dest$file" ] || missing="$missing $file"
done
check "all parts are there" "$missing"
is "the package is complete" "$(cd "$lib/pyudf/pyudf" && ls)" "$(cd "$PYUDF_BUILD/pyudf/pyudf" && ls -I __pycache__)"
check "no libtool files" "$(find "$root/dest" -name '*.la')"

why=
command -v "$SQLITE3" >/dev/null || why="no sqlite3 shell"
[ "${PYUDF_SANITIZER-}" = thread ] && why="the thread sanitizer"
if [ -z "$why" ]; then
	version=$(sed -n 's/^AC_INIT(\[pyudf\], \[\(.*\)\])$/\1/p' "$PYUDF_SOURCE/configure.ac")
	is "pyudf_version()" "$(sql 'SELECT pyudf_version();')" "$version"
	for mode in process thread; do
		is "a function in mode $mode" "$(PYUDF_EXECUTION_MODE=$mode sql "
			SELECT python_define('twice', 'lambda x: 2 * x');
			SELECT twice(21);")" "twice
42"
	done
else
	for name in "pyudf_version()" "a function in mode process" "a function in mode thread"; do
		skip "$name" "$why"
	done
fi

failed=
make -C "$PYUDF_BUILD" uninstall DESTDIR="$root/dest" >"$log" 2>&1 || failed=$(tail -n 20 "$log")
check "make uninstall" "$failed"
check "nothing stays behind" "$(find "$root/dest" ! -type d
	for dir in "$lib/pyudf" "$root/dest$PYUDF_DATADIR"; do [ ! -e "$dir" ] || echo "$dir"; done)"
finish
