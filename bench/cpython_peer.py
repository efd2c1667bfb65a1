"""CPython's own sqlite3 module as a peer of bench/run: see bench/host.c.

Speaks the same lines on standard input and output; in place of an extension
that is loaded, `define <tab> NAME <tab> SOURCE` registers what SOURCE says, for
any number of arguments.
"""

import sqlite3
import sys
import time


def answer(status, began, value):
    took = time.perf_counter_ns() - began
    print(status, took, str(value).replace('\n', ' '), sep='\t', flush=True)


def version(db):
    text, = db.execute("SELECT sqlite_version() || ' ' || sqlite_source_id()"
                       ).fetchone()
    return text


def run(db, sql):
    rows = db.execute(sql).fetchall()
    return rows[-1][0] if rows else None


def main():
    db = sqlite3.connect(':memory:', isolation_level=None)
    for line in sys.stdin:
        request, *arguments = line.rstrip('\n').split('\t')
        began = time.perf_counter_ns()
        try:
            if request == 'version':
                value = version(db)
            elif request == 'define':
                name, source = arguments
                value = db.create_function(name, -1, eval(source))
            else:
                value = run(db, *arguments)
        except sqlite3.Error as e:
            answer('error', began, e)
        else:
            answer('ok', began, value)


main()
