"""What a row of python_map costs: a part of bench/run.

A million rows, one INTEGER in and out, through functions that give it back, in
both modes; and a function of fifty microseconds over one and two workers. The
functions are those of mapped.py. DuckDB runs the same ones over the same rows,
as its native and as its Arrow functions, with one thread and with two. The cost
is net of what there is without the function: of

    SELECT sum(value) FROM python_map('same', 'SELECT i, x FROM m')

less that of the inner query alone, SELECT i, x FROM m, stepped through and read
by the host; and in DuckDB, of

    SELECT sum(same(x)) FROM m

less that of SELECT sum(x) FROM m.

What the shortest map costs is the whole time of its statement, beside that of a
scalar function over the same 100 rows.
"""

import os
import statistics
import sys

from peers import HERE, Peer

DUCKDB_PEER = os.path.join(HERE, 'duckdb_peer.py')

PEERS = ['thread', 'process', 'DuckDB, 1 thread', 'DuckDB, 2 threads']
OURS = ['thread', 'process']

MAP = "SELECT sum(value) FROM python_map('{0}', 'SELECT i, x FROM {1}')"
CALL = 'SELECT sum({0}(x)) FROM {1}'
INNER = 'SELECT i, x FROM {0}'
WITHOUT = 'SELECT sum(x) FROM {0}'

# Name, pyudf's function, DuckDB's type and function.
CASES = [
    ('the same value', 'same', 'native', 'same'),
    ("a list", 'same_list', None, None),
    ('a NumPy array', 'same_numpy', None, None),
    ('an Arrow array', 'same_arrow', 'arrow', 'same'),
    ('50 us of Python', 'busy_50', 'native', 'busy_50'),
    ('50 us, Arrow', None, 'arrow', 'busy_column'),
]
BUSY = 50  # of the rows, one in so many for those

SHORT_ROWS = 100
SHORT_TIMES = 200  # statements a sample


def table_of(case):
    return 'm_busy' if case[0].startswith('50') else 'm'


def rows_of(case, rows):
    return rows // BUSY if table_of(case) == 'm_busy' else rows


def tables(rows):
    return ('m', rows), ('m_busy', rows // BUSY), ('m_short', SHORT_ROWS)


def start_ours(bench, mode):
    rows, python = bench.options.map_rows, bench.find_duckdb()
    peer = bench.start_mode(mode, python=python)
    peer.time('run', f"PRAGMA python_path = '{HERE}'")
    peer.time('run', "SELECT python_import('mapped')")
    if python:
        peer.time('run', "SELECT python_import('mapped_columns')")
    peer.time('run', 'PRAGMA python_workers = 2')
    for table, count in tables(rows):
        peer.time('run', f'CREATE TABLE {table}(i INTEGER PRIMARY KEY, x)')
        peer.time('run', f'INSERT INTO {table} WITH RECURSIVE s(i) AS (SELECT 1'
                  f' UNION ALL SELECT i + 1 FROM s LIMIT {count})'
                  ' SELECT i, i * 1000003 FROM s')
    return peer


def start_duckdb(bench, threads):
    peer = Peer([bench.find_duckdb(), DUCKDB_PEER])
    for kind in 'native', 'arrow':
        for _, _, its_kind, function in CASES:
            if its_kind == kind:
                peer.time('define', f'{function}_{kind}', function, kind)
    for table, count in tables(bench.options.map_rows):
        peer.time('run', f'CREATE TABLE {table} AS SELECT i, i * 1000003 AS x'
                  f' FROM range(1, {count} + 1) r(i)')
    peer.time('run', f'SET threads = {threads}')
    return peer


def start_all(bench):
    peers = {mode: start_ours(bench, mode) for mode in OURS}
    if bench.find_duckdb():
        peers[PEERS[2]] = start_duckdb(bench, 1)
        peers[PEERS[3]] = start_duckdb(bench, 2)
    return peers


def query(bench, name, case):
    """The peer's query of a case; None where it has none."""
    _, ours, kind, function = case
    if name not in OURS:
        return kind and CALL.format(f'{function}_{kind}', table_of(case))
    if not ours or (ours.startswith('same_') and not bench.find_duckdb()):
        return None
    return MAP.format(ours, table_of(case))


def net(peer, name, case, sql, rows):
    """Nanoseconds a row."""
    request, without = ('read', INNER) if name in OURS else ('run', WITHOUT)
    without = peer.time(request, without.format(table_of(case)))
    return (peer.time('run', sql) - without) / rows_of(case, rows)


def short(peers):
    """Nanoseconds a statement of SHORT_ROWS rows: {what: nanoseconds}."""
    took = {mode: peers[mode].time('again', str(SHORT_TIMES), MAP.format(
        'same', 'm_short').replace('sum', 'count')) for mode in OURS}
    took['calls'] = peers['thread'].time('again', str(SHORT_TIMES), CALL.format(
        'same', 'm_short').replace('sum', 'count'))
    return {what: ns / SHORT_TIMES for what, ns in took.items()}


def check(bench, peers, case):
    """All peers must come to the same value."""
    values = {name: peer.value('run', query(bench, name, case))
              for name, peer in peers.items() if query(bench, name, case)}
    if len(set(values.values())) > 1:
        sys.exit(f'{case[0]}: these differ: {values}')


def measure(bench, repeat):
    """{case: {peer: [net, ...]}}, and the short statements."""
    peers = start_all(bench)
    rows = bench.options.map_rows
    samples = {case[0]: {} for case in CASES}
    shorts = {}
    for case in CASES:
        check(bench, peers, case)
    short(peers)
    for _ in range(repeat):
        for case in CASES:
            costs = bench.quietly(
                lambda: {name: net(peer, name, case, query(bench, name, case), rows)
                         for name, peer in peers.items()
                         if query(bench, name, case)})
            for name, cost in costs.items():
                samples[case[0]].setdefault(name, []).append(cost)
        for what, ns in bench.quietly(lambda: short(peers)).items():
            shorts.setdefault(what, []).append(ns)
    for peer in peers.values():
        peer.close()
    return samples, shorts


def print_table(samples, shorts, bench, repeat):
    line = '{:<30} {:>9} {:>9} {:>17} {:>18}'.format
    cost = {case: {name: statistics.median(values)
                   for name, values in costs.items()}
            for case, costs in samples.items()}
    print(line(f'maps, ns a row, net ({repeat})', *PEERS))
    for case, costs in cost.items():
        print(line(case, *(f'{costs[name]:.1f}' if name in costs else '-'
                           for name in PEERS)))
    busy = cost['50 us of Python']
    print(f"50 us over 2 workers, thread / process: "
          f"{busy['thread'] / busy['process']:.2f} (>= 1.8)")
    if bench.duckdb_missing:
        print(f'DuckDB, NumPy and pyarrow are missing: {bench.duckdb_missing}')
    else:
        arrow = min(cost['an Arrow array'][name] for name in PEERS[2:])
        for case in 'a NumPy array', 'an Arrow array':
            for mode in OURS:
                print(f"{case}, {mode} mode / DuckDB's Arrow: "
                      f'{cost[case][mode] / arrow:.2f} (<= 2)')
    took = {what: statistics.median(values) for what, values in shorts.items()}
    for mode in OURS:
        print(f'a map of {SHORT_ROWS} rows, {mode} mode: {took[mode] / 1e3:.1f} us;'
              f' as many calls in thread mode: {took["calls"] / 1e3:.1f} us;'
              f' ratio {took[mode] / took["calls"]:.2f} (<= 1.2)')
    print(flush=True)
