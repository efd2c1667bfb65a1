#!/bin/sh
# Functions that numba compiles, by udf(compile="numba") and by numba's own cfunc, in both modes, under the Python of
# build/venv, which ./bootstrap check makes and puts numba into. Prevents that what numba gives is known from
# documentation alone, and that an error in compiled code is lost.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
: "${SQLITE3:=sqlite3}"
venv=$PYUDF_BUILD/venv/bin/python

if [ "${PYUDF_SANITIZER-}" = thread ]; then
	skip "numba in both modes" "the thread sanitizer crashes in sh, and the shell's workers need it"
	finish
fi
if ! why=$("$venv" -c 'import numba' 2>&1); then
	skip "numba in both modes" "no numba in $venv, ./bootstrap check installs it: $(printf '%s\n' "$why" | tail -n 1)"
	finish
fi

expected='plus(a: int64, b: int64) -> int64 [native]
ratio(a: int64, b: double) -> DOUBLE [native]
is_even(n: int64) -> bool [native]
other_way(flag: bool) -> BOOLEAN [native]
bound(n: int64) -> int [native]
six(a: int64, b: int64, c: int64, d: int64, e: int64, f: int64) -> int64 [native]
top(n: int64) -> int64 [native]
own(x: double, n: int32) -> double [native]
3|integer|7|-9223372036854775808
0.25|real|0.5|3.0
1|0|integer|0|1|
21|21|21
2.5|6.0|null
4|3
error|python function ratio: ZeroDivisionError: division by zero (<define 1>:6)
error|python function bound: ValueError: 11 is over the bound (<define 1>:13)
error|python function six: ValueError: six (<define 1>:17)
error|python function plus: TypeError: argument 2 (b) must be an INTEGER for int64, not REAL
error|python function own: OverflowError: argument 2 (n): 2147483648 is out of range of int32
5|3|1
5|7
error|python function bound: ValueError: 12 is over the bound (<define 1>:13)'
for mode in process thread; do
	is "what numba has compiled, $mode" "$(
		PYUDF_PYTHON=$venv PYUDF_EXECUTABLE=$venv PYUDF_EXECUTION_MODE=$mode
		export PYUDF_PYTHON PYUDF_EXECUTABLE PYUDF_EXECUTION_MODE
		"$SQLITE3" -batch -init /dev/null :memory: 2>&1 <<-EOS | sed 's/^Runtime error near line [0-9]*: /error|/; s/float division/division/'
			.load $PYUDF_BUILD/pyudf
			.output /dev/null
			SELECT python_define('from pyudf import udf
			@udf(compile="numba")
			def plus(a: int, b: int) -> int: return a + b
			@udf(input_types=["BIGINT", "DOUBLE"], result_type="DOUBLE", compile="numba")
			def ratio(a, b):
			    return a / b
			@udf(compile="numba", deterministic=True)
			def is_even(n: int) -> bool: return n % 2 == 0
			@udf(compile="numba", result_type="BOOLEAN")
			def other_way(flag: bool): return not flag
			@udf(compile="numba", result_type="int")
			def bound(n: int):
			    if n > 10: raise ValueError(f"{n} is over the bound")
			    return n
			@udf(compile="numba")
			def six(a: int, b: int, c: int, d: int, e: int, f: int) -> int:
			    if a < 0: raise ValueError("six")
			    return a + b + c + d + e + f');
			SELECT python_define('import numba
			@numba.cfunc("int64(int64)")
			def top(n): return n + 1');
			SELECT python_define('own', 'numba.cfunc("float64(float64, int32)")(lambda x, n: x * n)');
			.output stdout
			SELECT name || '(' || arguments || ') -> ' || result || iif(flags LIKE '%native%', ' [native]', '') FROM python_functions;
			SELECT plus(1, 2), typeof(plus(1, 2)), plus(3, 4), plus(9223372036854775807, 1);
			SELECT ratio(1, 4), typeof(ratio(1, 4)), ratio(1, 2), ratio(9007199254740993, 3002399751580331);
			SELECT is_even(4), is_even(5), typeof(is_even(1)), other_way(7), other_way(0), other_way(NULL);
			SELECT six(1, 2, 3, 4, 5, 6) FROM (VALUES (1), (2), (3)) LIMIT 0;
			SELECT group_concat(six(column1, 2, 3, 4, 5, 6), '|') FROM (VALUES (1), (1), (1));
			SELECT own(1.25, 2), own(2, 3), typeof(own(NULL, 3));
			SELECT python_eval('plus(a0, 1)', 3), python_eval('bound(3)');
			SELECT ratio(1, column1) FROM (VALUES (1), (1), (0)) LIMIT 1 OFFSET 2;
			SELECT bound(11);
			SELECT six(-1, 2, 3, 4, 5, 6);
			SELECT plus(1, 2.0);
			SELECT own(1, 2147483648);
			SELECT sum(plus(column1, 1)), count(*), min(is_even(column1 * 2)) FROM (VALUES (0), (1), (1));
			SELECT sum(top(column1)), sum(top(top(column1))) FROM (VALUES (1), (2));
			SELECT bound(column1) FROM (VALUES (1), (2), (12)) LIMIT 1 OFFSET 2;
		EOS
	)" "$expected"
done

# What it cannot compile is said at definition.
expected='error|python_define: ValueError: udf: compile='\''numba'\'' needs the type of the parameter '\''a'\'' of '\''f'\'': annotate it, or say input_types
error|python_define: ValueError: udf: compile='\''numba'\'' needs the type of the result of '\''f'\'': annotate it, or say result_type
error|python_define: ValueError: udf: compile='\''numba'\'': the parameter '\''a'\'' of '\''f'\'' is str; BOOLEAN, BIGINT and DOUBLE (bool, int, float) can be compiled
error|python_define: ValueError: udf: numba cannot compile '\''f'\'''
for mode in process thread; do
	is "what numba cannot compile, $mode" "$(
		PYUDF_PYTHON=$venv PYUDF_EXECUTABLE=$venv PYUDF_EXECUTION_MODE=$mode
		export PYUDF_PYTHON PYUDF_EXECUTABLE PYUDF_EXECUTION_MODE
		"$SQLITE3" -batch -init /dev/null :memory: 2>&1 <<-EOS | sed 's/^Runtime error near line [0-9]*: /error|/; s/ (<define.*//; s/\(cannot compile .f.\): ..*/\1/'
			.load $PYUDF_BUILD/pyudf
			SELECT python_define('from pyudf import udf
			@udf(compile="numba")
			def f(a) -> int: return a');
			SELECT python_define('from pyudf import udf
			@udf(compile="numba")
			def f(a: int): return a');
			SELECT python_define('from pyudf import udf
			@udf(compile="numba")
			def f(a: str) -> int: return a');
			SELECT python_define('from pyudf import udf
			@udf(compile="numba")
			def f(a: int) -> int: return open("x").read()');
		EOS
	)" "$expected"
done

finish
