"""What a row costs an aggregate and a window function: a part of bench/run.

The same way as for scalar functions, net of SQLite: the time of a query with
the function less that of the query with count() in its place, divided by the
rows. In a window, count() too is called three times a row: for the row that
comes, for the one that leaves, and for the value.

The peers have APSW beside them, the newest that there is, with a SQLite of its
own. All Python peers run the classes of bodies.py. Process mode runs them beside
SQLite's work, where it can: the last column compares the whole time of queries.
Over two workers (parallel=True) a step should take half the time; in thread mode
it does not.
"""

import statistics
import sys

from peers import HERE

PEERS = ['C', 'thread', 'process', 'CPython', 'APSW']
OURS = ['thread', 'process']

GROUP = 'SELECT {}(x) FROM agg'
GROUPS = 'SELECT count(v) FROM (SELECT {}(x) AS v FROM agg GROUP BY i)'
WINDOW = ('SELECT count(v) FROM (SELECT {}(x) OVER (ORDER BY i ROWS BETWEEN'
          ' %s FOLLOWING) AS v FROM agg_part)')
BUSY = 'SELECT {}(x) FROM agg_part'

# Name, query, function, whether only pyudf runs it.
CASES = [
    ('sum, one group', GROUP, 'addup', False),
    ('sum, one group, accumulator', GROUP, 'accumulate_up', True),
    ('sum, a group a row', GROUPS, 'addup', False),
    ('window of 3 rows', WINDOW % '1 PRECEDING AND 1', 'addup', False),
    ('window of 100 rows', WINDOW % '50 PRECEDING AND 49', 'addup', False),
    ('a step of some 1 us', BUSY, 'busy_1', True),
    ('a step of some 5 us', BUSY, 'busy_5', True),
    ('the same over 2 workers', BUSY, 'spread_5', True),
]
PART = 5  # of the rows, one in so many for what takes long


def rows_of(query, rows):
    return rows if 'agg_part' not in query else rows // PART


def start(bench, name, rows):
    """A peer with the functions and the tables; None where there is none."""
    if name == 'C':
        peer = bench.start_host()
    elif name in OURS:
        peer = bench.start_mode(name)
        peer.time('run', f"PRAGMA python_path = '{HERE}'")
        peer.time('run', "SELECT python_import('bodies')")
        peer.time('run', "SELECT python_import('spread')")
        peer.time('run', 'PRAGMA python_workers = 2')
    else:
        peer = bench.start_apsw() if name == 'APSW' else bench.start_cpython()
        if not peer:
            return None
        peer.time('aggregate', 'addup', 'addup')
        peer.time('window', 'addup_window', 'addup')
    for table, count in ('agg', rows), ('agg_part', rows // PART):
        peer.time('run', f'CREATE TABLE {table}(i INTEGER PRIMARY KEY, x)')
        peer.time('run', f'INSERT INTO {table} WITH RECURSIVE s(i) AS (SELECT 1'
                  f' UNION ALL SELECT i + 1 FROM s LIMIT {count})'
                  ' SELECT i, i FROM s')
    return peer


def call(name, query, function):
    """The name under which the peer has the function for this query."""
    if name == 'C':
        return 'c_' + function
    return function + '_window' if 'OVER' in query and name not in OURS else function


def pair(peer, name, case, rows):
    """(net nanoseconds a row, those of the whole query with the function)."""
    _, query, function, _ = case
    without = peer.time('run', query.format('count'))
    with_it = peer.time('run', query.format(call(name, query, function)))
    count = rows_of(query, rows)
    return (with_it - without) / count, with_it / count


def check(peers, case):
    """All peers must come to the same value."""
    _, query, function, only_ours = case
    query = query.replace('count(v)', 'sum(v)')
    values = {name: peer.value('run', query.format(call(name, query, function)))
              for name, peer in peers.items()
              if name in OURS or not only_ours}
    if len(set(values.values())) != 1:
        sys.exit(f'{case[0]}: these differ: {values}')


def measure(bench, rows, repeat):
    """{case: {peer: [(net, whole), ...]}}"""
    peers = {name: start(bench, name, rows) for name in PEERS}
    peers = {name: peer for name, peer in peers.items() if peer}
    samples = {case[0]: {} for case in CASES}
    for case in CASES:
        check(peers, case)
    for _ in range(repeat):
        for case in CASES:
            pairs = bench.quietly(
                lambda: {name: pair(peer, name, case, rows)
                         for name, peer in peers.items()
                         if name in OURS or not case[3]})
            for name, sample in pairs.items():
                samples[case[0]].setdefault(name, []).append(sample)
    for peer in peers.values():
        peer.close()
    return samples


def print_table(samples, bench, repeat):
    line = '{:<28} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10} {:>10} {:>16}'.format
    print(line(f'ns a row, net ({repeat} pairs)', *PEERS, 'thread /',
               'thread /', 'process/thread'))
    print(line('', '', '', '', '', '', 'CPython', 'APSW', 'whole queries'))
    for case, peers in samples.items():
        net, whole = ({name: statistics.median(sample[i] for sample in pairs)
                       for name, pairs in peers.items()} for i in (0, 1))
        print(line(case, *(f'{net[name]:.1f}' if name in net else
                           'missing' if name == 'APSW' and 'C' in net else '-'
                           for name in PEERS),
                   *(f"{net['thread'] / net[other]:.2f}" if other in net else '-'
                     for other in ('CPython', 'APSW')),
                   f"{whole['process'] / whole['thread']:.2f}"))
    if bench.apsw_missing:
        print(f'APSW is missing: {bench.apsw_missing}')
    print()
