# The few lines of TAP that the shell tests share: . "$srcdir/tests/tap.sh"; each test ends with `finish`.
# By hand: eval "$(make -s -C build test-env)"; sh tests/layers.sh

: "${PYUDF_SOURCE:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${PYUDF_BUILD:=$PYUDF_SOURCE/build}"
tap_count=0

# check NAME [OUTPUT]: passes where OUTPUT (what a check found to complain about) is empty.
check() {
	tap_count=$((tap_count + 1))
	if [ -z "${2-}" ]; then
		printf 'ok %d - %s\n' $tap_count "$1"
	else
		printf 'not ok %d - %s\n' $tap_count "$1"
		printf '%s\n' "$2" | sed 's/^/# /'
	fi
}

# is NAME GOT EXPECTED
is() {
	if [ "$2" = "$3" ]; then check "$1"; else check "$1" "got:
$2
expected:
$3"; fi
}

skip() {
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s # SKIP %s\n' $tap_count "$1" "$2"
}

# TAP says what failed; a status of its own would count as one more failure.
finish() {
	echo "1..$tap_count"
	exit 0
}
