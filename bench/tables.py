"""What a row of a table function costs: a part of bench/run.

The generators of tabular.py, as they are in pyudf and in APSW's
apsw.ext.make_virtual_module: a million rows of one column and of ten, all of
them looked at by count(), and calls of one row each from a join. The cost is
net of SQLite: less that of the same query over rows that cost nothing to make,
of functions in C (series.c), which are in each peer's own SQLite. In process
mode, rows are made while SQLite is at work; the last column compares the net
costs all the same.
"""

import statistics
import sys

from peers import HERE

PEERS = ['thread', 'process', 'APSW']
TENS = ' '.join(f'f{i}' for i in range(10))

# Name, what the rows are divided by, query, function, asked of thread / APSW,
# asked of process / thread.
CASES = [
    ('one column', 1, 'SELECT count(value) FROM {}({})', 'numbers', 0.5, 1.3),
    ('ten columns', 5, 'SELECT ' + ', '.join(f'count({c})' for c in TENS.split())
     + ' FROM {}({})', 'tens', 0.4, 1.3),
    ('a call a row, of one row each', 10,
     'SELECT count(value) FROM once CROSS JOIN {}(once.x)', 'numbers', 0.5, None),
]


def start(bench, name, rows):
    """A peer with the functions and the table; None where there is none."""
    if name == 'APSW':
        peer = bench.start_apsw()
        if not peer:
            return None
        peer.time('table', 'numbers', 'value')
        peer.time('table', 'tens', TENS)
    else:
        peer = bench.start_mode(name)
        peer.time('run', f"PRAGMA python_path = '{HERE}'")
        peer.time('run', "SELECT python_import('tabular')")
    peer.time('load', bench.series)
    peer.time('run', 'CREATE TABLE once AS WITH RECURSIVE s(i) AS (SELECT 1 UNION'
              f' ALL SELECT i + 1 FROM s LIMIT {rows // CASES[2][1]})'
              ' SELECT 1 AS x FROM s')
    return peer


def net(peer, case, rows):
    """Nanoseconds a row."""
    _, divisor, query, function, _, _ = case
    count = rows // divisor
    without = peer.time('run', query.format('c_' + function, count))
    return (peer.time('run', query.format(function, count)) - without) / count


def check(peers, case, rows):
    """All peers must give the rows that those in C give."""
    _, divisor, query, function, _, _ = case
    query = query.replace('count', 'sum')
    values = {(name, prefix): peer.value('run', query.format(
        prefix + function, rows // divisor))
        for name, peer in peers.items() for prefix in ('', 'c_')}
    if len(set(values.values())) != 1:
        sys.exit(f'{case[0]}: these differ: {values}')


def measure(bench, rows, repeat):
    """{case: {peer: [net, ...]}}"""
    peers = {name: start(bench, name, rows) for name in PEERS}
    peers = {name: peer for name, peer in peers.items() if peer}
    samples = {case[0]: {name: [] for name in peers} for case in CASES}
    for case in CASES:
        check(peers, case, rows)
    for _ in range(repeat):
        for case in CASES:
            costs = bench.quietly(lambda: {name: net(peer, case, rows)
                                           for name, peer in peers.items()})
            for name, cost in costs.items():
                samples[case[0]][name].append(cost)
    for peer in peers.values():
        peer.close()
    return samples


def beside(ratio, asked):
    """A ratio, and at most what is asked of it."""
    return f'{ratio:.2f} (<= {asked})' if asked else f'{ratio:.2f}'


def print_table(samples, bench, repeat):
    line = '{:<34} {:>9} {:>9} {:>9} {:>18} {:>18}'.format
    print(line(f'table functions, ns a row ({repeat})', *PEERS, 'thread / APSW',
               'process / thread'))
    for case in CASES:
        cost = {name: statistics.median(costs)
                for name, costs in samples[case[0]].items()}
        print(line(case[0], *(f'{cost[name]:.1f}' if name in cost else 'missing'
                              for name in PEERS),
                   beside(cost['thread'] / cost['APSW'], case[4])
                   if 'APSW' in cost else '-',
                   beside(cost['process'] / cost['thread'], case[5])))
    if bench.apsw_missing:
        print(f'APSW is missing: {bench.apsw_missing}')
    print(flush=True)
