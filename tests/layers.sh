#!/bin/sh
# The layers of docs/design.md, checked: who includes whom, what the modules export and need, and that every file is
# in the build. Prevents the slow way in which a layer that "only this once" includes its neighbour stops being one.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
cd "$PYUDF_SOURCE" || exit 1

# includes DIR...: "file: included" for each #include there; own headers as paths below ext/, others as <name>.
includes() {
	for dir; do
		find "ext/$dir" -name '*.[ch]'
	done | sort | while read -r file; do
		sed -n 's/^[ 	]*#[ 	]*include[ 	]*\([<"][^>"]*[>"]\).*/\1/p' "$file" | while read -r name; do
			case $name in
			'<'*) echo "$file: $name"; continue ;;
			esac
			name=${name#\"} name=${name%\"}
			if [ -f "$(dirname "$file")/$name" ]; then
				name=$(cd "$(dirname "$file")/$(dirname "$name")" && pwd)/$(basename "$name")
				name=${name#"$PWD/ext/"}
			fi
			case $name in
			Python.h | sqlite3*.h) name="<$name>" ;;
			esac
			echo "$file: $name"
		done
	done
}

# only DIR ALLOWED...: own headers that DIR includes from elsewhere than ALLOWED
only() {
	dir=$1
	shift
	includes "$dir" | grep -v '<' | grep -vE ": ($(echo "$@" | tr ' ' '|'))/[^/]*\$"
}

check "base includes neither SQLite nor Python" "$(includes base | grep -E '<(sqlite3|Python\.h)')"
check "engine includes neither SQLite nor Python" "$(includes engine | grep -E '<(sqlite3|Python\.h)')"
check "sqlite includes no Python" "$(includes sqlite | grep -F '<Python.h')"
check "python includes no SQLite" "$(includes python | grep -F '<sqlite3')"
check "base includes only base" "$(only base base)"
check "engine includes only engine and base" "$(only engine engine base)"
check "sqlite includes only sqlite, engine and base" "$(only sqlite sqlite engine base)"
check "python includes only python and base" "$(only python python base)"

# A header that needs another one included before it breaks at the next reordering.
for header in $(find ext -name '*.h' | sort); do
	case $header in
	ext/python/*) flags=${PYUDF_CPPFLAGS-} ;;
	*) flags= ;;
	esac
	# shellcheck disable=SC2086 # several flags
	check "$header stands alone" "$(echo "#include \"${header#ext/}\"" |
		${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -Iext $flags -x c - 2>&1)"
done

check "no file of ext/ is longer than 450 lines" "$(find ext -type f \( -name '*.[ch]' -o -name '*.py' \) -exec wc -l {} + |
	awk '$2 != "total" && $1 > 450 { print $2 ": " $1 }')"

# A file that is in no list is not built, not run, and missing from the release.
check "every file is listed in Makefile.am" "$(
	{
		find ext -name '*.[ch]' -o -name '*.py'
		find tests -name '*.[ch]' -o -name '*.py' -o -name '*.sh' -o -name '*.test'
		find sql -type f
	} 2>/dev/null | sort | while read -r file; do
		awk -v file="$file" '{ for (i = 1; i <= NF; i++) if ($i == file || $i ".c" == file) found = 1 }
			END { exit !found }' Makefile.am || echo "$file"
	done)"

exports() { nm -D --defined-only "$1" | awk '{ print $3 }' | sort | tr '\n' ' '; }
needs() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
module=$PYUDF_BUILD/pyudf.so
runtime=$PYUDF_BUILD/pyudf/pyudf/_runtime.abi3.so
is "pyudf.so exports its entry point only" "$(exports "$module")" "sqlite3_pyudf_init "
is "the runtime exports its two entry points only" "$(exports "$runtime")" "PyInit__runtime pyudf_runtime "
check "pyudf.so needs neither libpython nor libsqlite3" "$(needs "$module" | grep -E 'libpython|libsqlite3')"
check "the runtime needs neither libpython nor libsqlite3" "$(needs "$runtime" | grep -E 'libpython|libsqlite3')"
# Private names are not part of the limited API, but for those that its own macros and declarations stand for.
check "the runtime uses no private symbol of Python" "$(nm -D --undefined-only "$runtime" | awk '{ print $2 }' | grep '^_Py' |
	grep -vxE '_Py_(Dealloc|NoneStruct|TrueStruct|FalseStruct|EllipsisObject|NotImplementedStruct)|_Py[A-Za-z_]+_SizeT')"
finish
