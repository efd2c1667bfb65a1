#!/bin/sh
# sqltest_self.sh: tests of the test runner, in TAP. A runner that lets a wrong result pass makes every other test
# worthless, so most checks here are on what must fail. Run by make check.
#
# SQLTEST is the runner, srcdir the top of the sources. CC builds the stub extension; without it, those are skipped.

srcdir=${srcdir:-$(dirname "$0")/..}
SQLTEST=${SQLTEST:-./tests/sqltest}
case $SQLTEST in /*) ;; *) SQLTEST=$(pwd)/$SQLTEST ;; esac
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
trap 'exit 99' HUP INT TERM
cd "$srcdir/tests/runner/fixtures" || exit 99

count=0
failed=0

report() {
    count=$((count + 1))
    [ "$1" = ok ] || failed=1
    echo "$1 $count - $2"
}

# The lines of a TAP stream as words: +LINE passed, ~LINE skipped, -LINE failed. A plan that does not fit, or none, adds
# a word, and so does a number out of order. Without a sanitizer's runtime preloaded, which ends mawk.
summary() {
    LD_PRELOAD='' awk '
        function word(sign) {
            match($0, /:[0-9]+ /)
            printf "%s%s", s, sign (RSTART ? substr($0, RSTART + 1, RLENGTH - 2) : "0")
            s = " "
        }
        function number(n) { if (n != ++last) printf " number%d", n }
        /^ok / { number($2) }
        /^not ok / { number($3) }
        /^ok .* # SKIP / { word("~"); next }
        /^ok / { word("+"); next }
        /^not ok / { word("-"); next }
        /^1\.\./ { plan = substr($0, 4); if (plan != last) printf " plan%d", plan }
        END { if (plan == "") printf " noplan"; print "" }' "$work/out"
}

# check NAME STATUS SUMMARY PATTERN ARGUMENT...: runs sqltest; some line of its output must match the PATTERN.
check() {
    name=$1 status=$2 want=$3 pattern=$4
    shift 4
    "$SQLTEST" "$@" >"$work/out" 2>"$work/err"
    got_status=$?
    got=$(summary)
    if [ "$got_status" = "$status" ] && [ "$got" = "$want" ] &&
        cat "$work/out" "$work/err" | grep -Eq -e "$pattern"; then
        report ok "$name"
    else
        report "not ok" "$name"
        echo "# sqltest $*"
        echo "# expected status $status: $want / $pattern"
        echo "# got status $got_status: $got"
        cat "$work/out" "$work/err" | sed 's/^/#   /'
    fi
}

# Good files

check "every type of value" 0 "+3 +13 +23 +30 +39 +46 +56 +63" '^TAP version 13$' render.test
check "sort modes and counts" 0 "+3 +6 +9 +23 +37 +51 +57 +61 +64 +67 +73 +79" '^1\.\.12$' sort.test
check "hashes and thresholds" 0 "+3 +10 +15 +24 +29 +36 +41" '^1\.\.7$' hash.test
check "skipif, onlyif" 0 "~4 ~8 +13 ~18 ~22 +26 ~30 +35 +39 ~45" \
    '^ok 1 - skip\.test:4 query: not SQL # SKIP skipif sqlite$' \
    skip.test
check "halt" 0 "+1 ~4" '^ok 2 - halt\.test:4 halt # SKIP ' halt.test
check "CR LF, comments, no newline at the end" 0 "+2 +5 +12 +20" \
    '^ok 2 - crlf\.test:5 statement: INSERT INTO t VALUES$' \
    crlf.test
check "errors that are expected" 0 "+3 +6 +9 +15 +18 +25" '^1\.\.6$' error.test
check "named connections" 0 "+3 +7 +11 +15 +21 +27 +30 +33" '^ok 6 - connection\.test:27 reopen$' connection.test
check "named connections on one file" 0 "+3 +7 +10 +14 +17 +20 +23" '' --db "$work/shared.db" shared.test
check "each file has a fresh database" 0 "+3 +7 +10 +14 +17 +20 +23 +3 +7 +10 +14 +17 +20 +23" '' \
    --db "$work/shared.db" shared.test shared.test
check "default encoding" 0 "~2 +8 +13" '' encoding.test
check "UTF-16be" 0 "+2 ~8 +13" '' --encoding UTF-16be encoding.test
check "UTF-16le in a file" 0 "~2 ~8 +13" '' --encoding UTF-16le --db "$work/utf16.db" encoding.test
check "variables" 0 "+1 +7" '' --var 'GREETING=a+b (c)' var.test
check "no variables unless asked for" 0 "+1" '' var_off.test
check "two files" 0 "+1 +1 ~4" '^ok 1 - var_off\.test:1 query: ' var_off.test halt.test

# What must fail

check "wrong value" 1 "-1 +9" \
    '^# wrong result from value 4 on|^# bad_value\.test:1: wrong result from value 4 on$' bad_value.test
check "wrong number of values" 1 "-1 -6 -13 -17 -20" '^# bad_count\.test:13: wrong result' bad_count.test
check "wrong count of rows" 1 "-1 -6 -13 -17 -20" '^# bad_count\.test:17: wrong count of rows$' bad_count.test
check "wrong hash" 1 "-1 -6 -11 -16" '^# bad_hash\.test:11: wrong hash$' bad_hash.test
check "wrong order" 1 "-1 -7 -13" '^# bad_order\.test:1: wrong result from value 1 on$' bad_order.test
check "wrong number of columns" 1 "-1 -6 -13" '^# bad_columns\.test:6: wrong number of columns: expected 3, got 2$' \
    bad_columns.test
check "query that fails" 1 "-1 -5 -10 +15" \
    '^# bad_query\.test:1: query failed: no such table: missing$' bad_query.test
check "query that fails after a row" 1 "-1 -5 -10 +15" \
    '^# bad_query\.test:5: query failed: integer overflow$' bad_query.test
check "statement that fails" 1 "-1 -4" '^# bad_ok\.test:1: statement failed: no such table: missing$' bad_ok.test
check "no directive out of SQL" 1 "-1 -4" 'FROM "\\# TODO later"$' bad_ok.test
check "statement that should fail" 1 "-1 -4" '^# bad_error\.test:1: the statement succeeded' bad_error.test
check "wrong message" 1 "-1 -4 -10 -13 -17" '^# bad_regex\.test:1: wrong message$' bad_regex.test
check "bad regex" 1 "-1 -4 -10 -13 -17" '^# bad_regex\.test:17: bad regex: ' bad_regex.test
check "wrong result under a label" 1 "+1 +6 -11 +16" \
    'not that of line 1, which has the same label, one$' bad_label.test
check "wrong label of a skipped query" 1 "+3 -9" 'not that of line 3,' skip_label.test
check "empty file" 1 "-0" 'no record in the file' empty.test
check "file of comments" 1 "-2" 'no record in the file' empty_comment.test
check "missing file" 1 "-0 +1" '^# missing\.test: cannot read missing\.test: No such file' missing.test var_off.test
check "directory for a file" 1 "-0" 'cannot read \.: ' .
check "everything skipped" 1 "~2 -0" '^# no record ran$' all_skipped.test
check "nothing but halt" 1 "~2 -0" '^# no record ran$' halt_only.test
check "database that cannot be opened" 1 "-1" 'cannot open /nonexistent/db' --db /nonexistent/db var_off.test
check "extension that cannot be loaded" 1 "-1" \
    'cannot load /nonexistent\.so: ' --mode thread --load /nonexistent.so var_off.test
check "mode without an extension" 1 "-1" 'python_execution_mode=thread: nothing came back' --mode thread var_off.test

# parse NAME MESSAGE RECORD: RECORD, which may hold escapes of printf, cannot be understood, and ends the file.
parse() {
    printf "statement ok\nSELECT 1\n\n$3\n\nstatement ok\nSELECT 1\n" >"$work/parse.test"
    check "parse error: $1" 1 "+1 -4" "^# .*parse\.test:4: $2" "$work/parse.test"
}

parse "unknown record" 'unknown record "mode"' 'mode thread'
parse "statement of no kind" 'a statement is ok, error or count, not ""' 'statement'
parse "statement of an unknown kind" 'a statement is .*"okay"' 'statement okay\nSELECT 1'
parse "more than a statement" 'unexpected "please"' 'statement ok please\nSELECT 1'
parse "no SQL" 'no SQL' 'statement ok\n'
parse "result of a statement" 'a statement has no results' 'statement ok\nSELECT 1\n----\n1'
parse "bad count" 'statement count needs a number, not "x"' 'statement count x\nSELECT 1'
parse "two regexes" 'two regexes' 'statement error x\nSELECT 1\n----\nx'
parse "no regex" '---- without a regex' 'statement error\nSELECT 1\n----'
parse "no types" 'the types of a query' 'query\nSELECT 1\n----\n1'
parse "bad types" 'the types of a query .*"IX"' 'query IX\nSELECT 1\n----\n1'
parse "bad sort mode" 'a sort mode is .*"sorted"' 'query I sorted\nSELECT 1\n----\n1'
parse "more than a label" 'unexpected "b"' 'query I nosort a b\nSELECT 1\n----\n1'
parse "no results" 'a query without ----' 'query I\nSELECT 1'
parse "no threshold" 'hash-threshold needs a number' 'hash-threshold'
parse "no whole number" 'hash-threshold needs a number, not "8x"' 'hash-threshold 8x'
parse "skipif what" 'skipif needs a name' 'skipif\nstatement ok\nSELECT 1'
parse "no name of a connection" 'connection needs a name' 'connection\nstatement ok\nSELECT 1'
parse "connection without a record" 'no record after connection' 'connection x'
parse "no empty line" 'an empty line is missing' 'reopen\nSELECT 1'

printf 'statement ok\nSELECT 1\0\n' >"$work/nul.test"
check "NUL in a file" 1 "-0" 'holds a NUL byte' "$work/nul.test"

# Long lines and many lines

awk 'BEGIN {
    printf "query IT nosort\nSELECT length(x), x FROM (SELECT %c", 39
    for (i = 0; i < 300000; i++) printf "0123456789"
    printf "%c AS x)\n----\n3000000\n", 39
    for (i = 0; i < 300000; i++) printf "0123456789"
    print "\n"
    for (i = 0; i < 20000; i++) printf "query I nosort label-%d\nSELECT %d\n----\n%d\n\n", i % 5000, i % 5000, i % 5000
}' >"$work/long.test"
"$SQLTEST" "$work/long.test" >"$work/out"
if [ "$?" = 0 ] && [ "$(tail -n 1 "$work/out")" = 1..20001 ]; then
    report ok "long lines, many records and labels"
else
    report "not ok" "long lines, many records and labels"
fi

awk 'BEGIN {
    for (i = 0; i < 5000; i++) printf "query I nosort label-%d\nSELECT 1\n----\n1\n\n", i
    for (i = 0; i < 5000; i++) printf "query I nosort label-%d\nSELECT 2\n----\n2\n\n", i
}' >"$work/labels.test"
"$SQLTEST" "$work/labels.test" >"$work/out"
if [ "$?" = 1 ] && [ "$(tail -n 1 "$work/out")" = "# 5000 of 10000 failed" ]; then
    report ok "many labels are remembered"
else
    report "not ok" "many labels are remembered"
fi

# Usage

check "help" 0 " noplan" '^  --encoding E ' --help
check "no file" 2 " noplan" 'no FILE'
check "bad mode" 2 " noplan" '--mode cannot be threads' --mode threads var_off.test
check "bad encoding" 2 " noplan" '--encoding cannot be UTF-16' --encoding UTF-16 var_off.test
check "bad variable" 2 " noplan" '--var needs NAME=VALUE' --var =x var_off.test
check "bad option" 2 " noplan" 'usage:' --bad var_off.test

# With an extension

if ${CC:-cc} ${CPPFLAGS} -fPIC -shared -o "$work/stub.so" stub.c 2>"$work/err"; then
    check "both modes" 0 "+2 ~8 +13 +15 ~2 +8 +13 +15" '^ok 6 - mode\.test:8 \[process\] query: PRAGMA' \
        --load "$work/stub.so" --db "$work/mode.db" mode.test
    check "one mode" 0 "~2 +8 +13 +15" '' --load "$work/stub.so" --db "$work/mode.db" --mode process mode.test
    check "mode that is not taken" 1 "-1" 'python_execution_mode=thread: nothing came back' \
        --load "$work/stub.so" --mode thread var_off.test
    STUB_OTHER=1
    export STUB_OTHER
    check "mode that is another" 1 "-1 -1" 'python_execution_mode=process: other came back' \
        --load "$work/stub.so" --db "$work/mode.db" var_off.test
    unset STUB_OTHER
    check "connection that cannot be closed" 1 "+1 -2" 'cannot close connection default: ' \
        --load "$work/stub.so" --mode thread --db "$work/mode.db" bad_close.test
else
    count=$((count + 1))
    echo "ok $count - with an extension # SKIP no compiler"
    sed 's/^/# /' "$work/err"
fi

echo "1..$count"
exit $failed
