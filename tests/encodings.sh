#!/bin/sh
# The tests of values and errors again in UTF-16 databases, in both byte orders: what SQLite hands over is then another
# encoding, and what crosses to Python must not be.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
: "${SQLTEST:=$PYUDF_BUILD/tests/sqltest}"

# Under the thread sanitizer workers need it preloaded, which sh does not bear: sqltest gets it alone.

for encoding in UTF-16le UTF-16be; do
	for file in values errors define overloads; do
		# The exit status is the runner's, as a whole file that does not run has no line that says "not ok".
		if answer=$(env ${SANITIZER_PRELOAD:+"LD_PRELOAD=$SANITIZER_PRELOAD"} "$SQLTEST" --load "$PYUDF_BUILD/pyudf" --encoding $encoding \
			"$PYUDF_SOURCE/tests/sql/$file.test" 2>&1); then
			check "$file.test in $encoding"
		else
			check "$file.test in $encoding" "$(printf '%s\n' "$answer" | grep -v '^ok ')
failed"
		fi
	done
done
finish
