#!/bin/sh
# NumPy's scalars and arrays as results, and its arrays and pandas' Series as what an aggregate function gets, in both
# modes, under the Python of build/venv, which ./bootstrap check makes and puts NumPy and pandas into. Prevents that
# their types are known in the converter's own tests alone.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
: "${SQLITE3:=sqlite3}"
venv=$PYUDF_BUILD/venv/bin/python

if [ "${PYUDF_SANITIZER-}" = thread ]; then
	skip "NumPy in both modes" "the thread sanitizer crashes in sh, and the shell's workers need it"
	finish
fi
if ! "$venv" -c 'import numpy, pandas' 2>/dev/null; then
	skip "NumPy in both modes" "no NumPy and pandas in $venv: ./bootstrap check installs them"
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

# As aggregates, and over a window: of integers, of integers with NULLs, of floats with NULLs, of NULLs alone, of no row,
# of texts.
expected='[b'\''a\x00'\'', b'\''b'\'']
[1, '\''a'\'', None]
[9007199254740993, None, 0.5]
int64:3|float64:2|float64:2|float64:0||object:2
int64:3|Int64:2|float64:2|float64:0|float64:0|text:2
6|4|2.75||0.0|
2.0|2.0|1.375|||
3|5|3
0.0|1|5'
for mode in process thread; do
	is "arrays and Series of a whole group, $mode" "$(
		PYUDF_PYTHON=$venv PYUDF_EXECUTION_MODE=$mode
		export PYUDF_PYTHON PYUDF_EXECUTION_MODE
		"$SQLITE3" -batch -init /dev/null :memory: 2>&1 <<-EOS
			.load $PYUDF_BUILD/pyudf
			.output /dev/null
			SELECT python_define('from pyudf import udaf
			import numpy, pandas
			@udaf(func_type="numpy")
			def array(x):
			    assert type(x) is numpy.ndarray
			    given = x[~numpy.isnan(x)] if x.dtype.kind == "f" else x
			    return f"{x.dtype}:{given.size}" if x.size else ""
			@udaf(func_type="numpy")
			def listed(x): return repr(x.tolist())
			@udaf(func_type="pandas")
			def series(x):
			    assert type(x) is pandas.Series
			    kind = "text" if str(x.dtype) in ("object", "str") else x.dtype
			    return f"{kind}:{x.count()}"
			added = udaf(lambda x: x.sum(), func_type="pandas")
			mean = udaf(lambda x: x.mean(), func_type="pandas")
			@udaf(func_type="numpy")
			def dot(x, y): return numpy.dot(x, y)');
			CREATE TABLE t(i, j, x, n, s);
			INSERT INTO t VALUES (1, 1, 0.5, NULL, 'a'), (2, NULL, NULL, NULL, 'b'), (3, 3, 2.25, NULL, 'c');
			.output stdout
			SELECT listed(column1) FROM (VALUES (x'6100'), (x'62'));
			SELECT listed(column1) FROM (VALUES (1), ('a'), (NULL));
			SELECT listed(column1) FROM (VALUES (9007199254740993), (NULL), (0.5));
			SELECT array(i), array(j), array(x), array(n), array(i) FILTER (WHERE 0), array(s) FILTER (WHERE i < 3) FROM t;
			SELECT series(i), series(j), series(x), series(n), series(i) FILTER (WHERE 0), series(s) FILTER (WHERE i < 3) FROM t;
			SELECT added(i), added(j), added(x), NULL, added(i) FILTER (WHERE 0), NULL FROM t;
			SELECT mean(i), mean(j), mean(x), mean(n), mean(i) FILTER (WHERE 0), NULL FROM t;
			SELECT group_concat(v, '|') FROM (SELECT added(i) OVER (ORDER BY i ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS v FROM t);
			SELECT group_concat(v, '|') FROM (SELECT dot(i, i) OVER (ORDER BY i ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS v FROM t);
		EOS
	)" "$expected"
done

# Sets of rows, as columns.
expected="(array([1, 2, 3]), array([ 1., nan,  3.]), array(['a', b'b\\x00', None], dtype=object))
()
['c0', 'c1', 'c2'] 3 6 4 int64 Int64
[] 0"
for mode in process thread; do
	is "rows as arrays and DataFrames, $mode" "$(
		PYUDF_PYTHON=$venv PYUDF_EXECUTION_MODE=$mode
		export PYUDF_PYTHON PYUDF_EXECUTION_MODE
		"$SQLITE3" -batch -init /dev/null :memory: 2>&1 <<-EOS
			.load $PYUDF_BUILD/pyudf
			.output /dev/null
			SELECT python_define('from pyudf._rowset import rows_as
			def arrays(rows): return repr(rows_as(rows, "numpy"))
			def frame(rows):
			    frame = rows_as(rows, "pandas")
			    text = f"{list(frame.columns)} {len(frame)}"
			    return f"{text} {frame.c0.sum()} {frame.c1.sum()} {frame.c0.dtype} {frame.c1.dtype}" if len(frame) else text');
			CREATE TABLE t(i, j, s);
			INSERT INTO t VALUES (1, 1, 'a'), (2, NULL, x'6200'), (3, 3, NULL);
			.output stdout
			SELECT arrays((SELECT python_rows(i, j, s) FROM t));
			SELECT arrays((SELECT python_rows(i, j, s) FROM t WHERE 0));
			SELECT frame((SELECT python_rows(i, j, s) FROM t));
			SELECT frame((SELECT python_rows(i, j, s) FROM t WHERE 0));
		EOS
	)" "$expected"
done

if "$venv" -c 'import pyarrow' 2>/dev/null; then
	is "rows as an Arrow table" "$(
		PYUDF_PYTHON=$venv
		export PYUDF_PYTHON
		"$SQLITE3" -batch -init /dev/null :memory: 2>&1 <<-EOS
			.load $PYUDF_BUILD/pyudf
			.output /dev/null
			SELECT python_define('from pyudf._rowset import rows_as
			def tabled(rows):
			    table = rows_as(rows, "arrow")
			    return f"{type(table).__name__} {table.to_pydict()} {[str(f.type) for f in table.schema]}"');
			.output stdout
			SELECT tabled((SELECT python_rows(column1, column2, 0.5) FROM (VALUES (1, 'a'), (NULL, 'b'))));
			SELECT tabled((SELECT python_rows(1) WHERE 0));
		EOS
	)" "Table {'c0': [1, None], 'c1': ['a', 'b'], 'c2': [0.5, 0.5]} ['int64', 'string', 'double']
Table {} []"
else
	skip "rows as an Arrow table" "no pyarrow in $venv"
fi

answer=$(PYTHONPATH=$PYUDF_BUILD/pyudf "$venv" "$PYUDF_SOURCE/tests/python/test_adapt.py" 2>&1 | grep -E '^(not ok|ok .*SKIP|1\.\.)')
case $answer in
1..[1-9]*) check "the converter's own tests, none skipped" ;;
*) check "the converter's own tests, none skipped" "$answer" ;;
esac

finish
