#!/bin/sh
# NumPy's scalars and arrays as results, in both modes, under the Python of build/venv, which ./bootstrap check makes and
# puts NumPy into. Prevents that NumPy's types are known in the converter's own tests alone.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
: "${SQLITE3:=sqlite3}"
venv=$PYUDF_BUILD/venv/bin/python

if [ "${PYUDF_SANITIZER-}" = thread ]; then
	skip "NumPy in both modes" "the thread sanitizer crashes in sh, and the shell's workers need it"
	finish
fi
if ! "$venv" -c 'import numpy' 2>/dev/null; then
	skip "NumPy in both modes" "no NumPy in $venv: ./bootstrap check installs it"
	finish
fi

expected='3|integer
-8|integer
1|integer
0.5|real
0.25|real
text|text
2024-02-29|text
000102|blob
{"a":[0,1],"b":3}|text
overflow|python function out: OverflowError'
for mode in process thread; do
	is "results of NumPy's types, $mode" "$(
		PYUDF_PYTHON=$venv PYUDF_EXECUTION_MODE=$mode
		export PYUDF_PYTHON PYUDF_EXECUTION_MODE
		"$SQLITE3" -batch -init /dev/null :memory: 2>&1 <<-EOS | sed 's/^Runtime error near line [0-9]*: /overflow|/; s/Error: .*/Error/'
			.load $PYUDF_BUILD/pyudf
			.output /dev/null
			SELECT python_define('import numpy as n
			def out(x): return eval(x)');
			.output stdout
			SELECT out(column1), typeof(out(column1)) FROM (VALUES ('n.int64(3)'), ('n.int8(-8)'), ('n.bool_(True)'),
			 ('n.float64(0.5)'), ('n.float32(0.25)'), ('n.str_("text")'), ('n.datetime64("2024-02-29")'));
			SELECT hex(out('n.arange(3, dtype="u1")')), typeof(out('n.arange(3, dtype="u1")'));
			SELECT out('{"a": n.arange(2), "b": n.int32(3)}'), 'text';
			SELECT out('n.uint64(2**64-1)');
		EOS
	)" "$expected"
done

answer=$(PYTHONPATH=$PYUDF_BUILD/pyudf "$venv" "$PYUDF_SOURCE/tests/python/test_adapt.py" 2>&1 | grep -E '^(not ok|ok .*SKIP|1\.\.)')
case $answer in
1..[1-9]*) check "the converter's own tests, none skipped" ;;
*) check "the converter's own tests, none skipped" "$answer" ;;
esac

finish
