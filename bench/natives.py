"""What a row costs a function that carries compiled code: a part of bench/run.

Functions of the C library, called by pyudf in thread mode by their address, and
the same in C, registered by the host itself (host.c: c_labs, ...). Both are in
one process and on one connection. As for scalar functions the cost is net of
SQLite: less that of the query without the call. The last column is what matters:
calling through pyudf should be no more than three times C.
"""

import statistics
import sys
import time

TABLE_ROWS = 100  # as in bench/run: the values stay in the processor's cache
WARM_S = 0.1

_C = 'ctypes.CFUNCTYPE({})(("{}", ctypes.CDLL("libm.so.6")))'

# Name, the function, ctypes' result and arguments, SQL's arguments.
CASES = [
    ('labs(long)', 'labs', 'ctypes.c_long, ctypes.c_long', '{0}i'),
    ('fabs(double)', 'fabs', 'ctypes.c_double, ctypes.c_double', '{0}r'),
    ('fma(double, double, double)', 'fma', ', '.join(['ctypes.c_double'] * 4),
     '{0}r, {0}r, {0}r'),
    ('cos(double)', 'cos', 'ctypes.c_double, ctypes.c_double', '{0}r'),
]


def start(bench, rows):
    peer = bench.start_mode('thread')
    for _, function, types, _ in CASES:
        bench.define(peer, 'py_' + function, _C.format(types, function))
    flags = peer.value('run', "SELECT group_concat(DISTINCT flags LIKE '%native%')"
                              ' FROM python_functions')
    if flags != '1':
        sys.exit('these are not all native')
    for table, column, count in (
            ('t', '-i * 1000003 AS i, -i * 1.5 AS r', TABLE_ROWS),
            ('n', 'i', rows // TABLE_ROWS)):
        peer.time('run', f'CREATE TABLE {table} AS WITH RECURSIVE s(i) AS (SELECT 1'
                  f' UNION ALL SELECT i + 1 FROM s LIMIT {count})'
                  f' SELECT {column} FROM s')
    return peer


def query(function, arguments):
    return ('SELECT count({}) FROM n CROSS JOIN t'.format(
        f'{function}({arguments})' if function else arguments.split(',')[0]))


def measure(bench, rows, repeat):
    """{case: {'C' or 'thread': [nanoseconds a row, ...]}}"""
    peer = start(bench, rows)
    samples = {case[0]: {'C': [], 'thread': []} for case in CASES}

    def net(name, case):
        _, function, _, arguments = case
        arguments = arguments.format('t.')
        prefix = 'c_' if name == 'C' else 'py_'
        with_it = query(prefix + function, arguments)
        began = time.monotonic()
        while time.monotonic() - began < WARM_S:
            peer.time('run', with_it)
        without = peer.time('run', query(None, arguments))
        return (peer.time('run', with_it) - without) / rows

    for case in CASES:
        wrong = peer.value('run', 'SELECT count(*) FROM t WHERE c_{0}({1}) IS NOT '
                           'py_{0}({1})'.format(case[1], case[3].format('')))
        if wrong != '0':
            sys.exit(f'{case[0]}: these differ')
    for _ in range(repeat):
        for case in CASES:
            pair = bench.quietly(lambda: {name: net(name, case)
                                          for name in ('C', 'thread')})
            for name, cost in pair.items():
                samples[case[0]][name].append(cost)
    peer.close()
    return samples


def print_table(samples, repeat):
    line = '{:<38} {:>8} {:>8} {:>12}'.format
    print(line(f'compiled, ns a row ({repeat} pairs)', 'C', 'thread',
               'thread / C'))
    for case, costs in samples.items():
        cost = {name: statistics.median(values)
                for name, values in costs.items()}
        print(line(case, f"{cost['C']:.1f}", f"{cost['thread']:.1f}",
                   f"{cost['thread'] / cost['C']:.2f}"))
    print()
