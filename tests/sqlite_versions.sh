#!/bin/sh
# sqlite_versions.sh CACHE [VERSION...]
#
# Builds libsqlite3.so from several releases of SQLite, and prints the path of each, one a line. Tests run against one by
#   LD_LIBRARY_PATH=$(dirname "$path") tests/test_pragma ...
# The sources are those that the crate libsqlite3-sys carries, got with cargo, by its version; SQLite's own is in the path
# printed. A VERSION that ends in -debug is built with SQLITE_DEBUG and SQLITE_ENABLE_API_ARMOR. What lies in CACHE already
# is not built again. Without cargo or without the network: "SKIP: why" on standard output, and success.
set -eu

test $# -ge 1 || { echo "usage: $0 CACHE [VERSION...]" >&2; exit 2; }
mkdir -p "$1"
cache=$(cd "$1" && pwd)
shift
# 3.35.4, 3.38.2, 3.41.2, 3.46.0, 3.51.3, 3.54.1
test $# -gt 0 || set -- 0.22.2 0.24.2 0.26.0 0.30.1 0.37.0 0.40.0 0.22.2-debug 0.30.1-debug 0.40.0-debug
: "${CC:=cc}"
CARGO_HOME=$cache/cargo
export CARGO_HOME

command -v cargo >/dev/null 2>&1 || { echo "SKIP: no cargo"; exit 0; }

# Fetches a version of the crate; prints the folder its sources are in.
source_of() {
	crate=$cache/crate-$1
	if ! ls -d "$CARGO_HOME"/registry/src/*/libsqlite3-sys-"$1" >/dev/null 2>&1; then
		mkdir -p "$crate/src"
		: >"$crate/src/lib.rs"
		cat >"$crate/Cargo.toml" <<-END
			[package]
			name = "sqlite-versions"
			version = "0.0.0"
			edition = "2018"
			[dependencies]
			libsqlite3-sys = "=$1"
			[workspace]
		END
		cargo fetch --quiet --manifest-path "$crate/Cargo.toml" >"$cache/cargo.log" 2>&1 || return 1
	fi
	ls -d "$CARGO_HOME"/registry/src/*/libsqlite3-sys-"$1"/sqlite3
}

for version; do
	crate=${version%-debug}
	source=$(source_of "$crate") || { echo "SKIP: cargo cannot fetch libsqlite3-sys $crate, see $cache/cargo.log"; exit 0; }
	release=$(sed -n 's/^#define SQLITE_VERSION  *"\(.*\)".*/\1/p' "$source/sqlite3.h")
	flags=
	test "$version" = "$crate" || { release=$release-debug; flags="-DSQLITE_DEBUG -DSQLITE_ENABLE_API_ARMOR"; }
	out=$cache/$release
	if ! test -f "$out/libsqlite3.so"; then
		mkdir -p "$out"
		# The features that Debian's build has and the tests use.
		# shellcheck disable=SC2086
		$CC -O1 -g -w -fPIC -shared $flags -DSQLITE_THREADSAFE=1 -DSQLITE_ENABLE_DESERIALIZE -DSQLITE_ENABLE_FTS5 \
			-DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_ENABLE_COLUMN_METADATA \
			-DSQLITE_ENABLE_UNLOCK_NOTIFY -DSQLITE_ENABLE_DBSTAT_VTAB -DSQLITE_ENABLE_LOAD_EXTENSION \
			-Wl,-soname,libsqlite3.so.0 -o "$out/libsqlite3.so.0.part" "$source/sqlite3.c" -lm -ldl -lpthread
		mv "$out/libsqlite3.so.0.part" "$out/libsqlite3.so.0"
		ln -sf libsqlite3.so.0 "$out/libsqlite3.so"
		cp "$source/sqlite3.h" "$source/sqlite3ext.h" "$out"
	fi
	echo "$out/libsqlite3.so"
done
