"""DuckDB as a peer of bench/run: see bench/host.c.

Speaks the same lines on standard input and output; in place of an extension
that is loaded,

    define <tab> NAME <tab> FUNCTION <tab> TYPE
                            registers a function of mapped.py that takes and
                            returns a BIGINT; TYPE is native or arrow
"""

import os
import sys
import time

import duckdb
import mapped


def main():
    db = duckdb.connect()
    for line in sys.stdin:
        request, *arguments = line.rstrip('\n').split('\t')
        value = None
        began = time.perf_counter_ns()
        try:
            if request == 'version':
                value = duckdb.__version__
            elif request == 'define':
                name, function, kind = arguments
                db.create_function(name, getattr(mapped, function), ['BIGINT'],
                                   'BIGINT', type=kind)
            else:
                rows = db.execute(*arguments).fetchall()
                value = rows[-1][0] if rows else None
        except duckdb.Error as e:
            status, value = 'error', e
        else:
            status = 'ok'
        took = time.perf_counter_ns() - began
        print(status, took, str(value).replace('\n', ' '), sep='\t', flush=True)
    os._exit(0)  # its module counts what it leaves behind, and tells


main()
