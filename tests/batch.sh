#!/bin/sh
# Batch functions of NumPy's arrays, pandas' Series and Arrow's arrays, under the Python of build/venv, which
# ./bootstrap check makes and puts these libraries into: through the runtime's table, and from SQL in both modes.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
venv=$PYUDF_BUILD/venv/bin/python

if [ "${PYUDF_SANITIZER-}" = thread ]; then
	skip "batches of arrays" "the thread sanitizer crashes in sh, and the workers need it"
	finish
fi
if ! "$venv" -c 'import numpy, pandas, pyarrow' 2>/dev/null; then
	skip "batches of arrays" "no NumPy, pandas and pyarrow in $venv: ./bootstrap check installs them"
	finish
fi

# told COMMAND...: each of its results as one of ours
told() {
	"$@" >"$PYUDF_BUILD/tests/batch.out" 2>&1
	status=$?
	[ $status = 0 ] || check "$2 ends well" "status $status
$(tail -n 5 "$PYUDF_BUILD/tests/batch.out")"
	while read -r line; do
		case $line in
		'ok '*'# SKIP '*) skip "$(echo "$line" | sed 's/^ok [0-9]* - //; s/ # SKIP.*//')" "${line##*# SKIP }" ;;
		'ok '*) check "$(echo "$line" | sed 's/^ok [0-9]* - //')" ;;
		'not ok '*) check "$(echo "$line" | sed 's/^not ok [0-9]* - //')" "failed" ;;
		'#'*) echo "$line" ;;
		esac
	done <"$PYUDF_BUILD/tests/batch.out"
	rm -f "$PYUDF_BUILD/tests/batch.out"
}

told "$venv" "$PYUDF_SOURCE/tests/python/test_batch_arrays.py"
PYUDF_PYTHON=$venv
export PYUDF_PYTHON
told "$SQLTEST" --load "$PYUDF_BUILD/pyudf" "$PYUDF_SOURCE/tests/batch_arrays.test"
finish
