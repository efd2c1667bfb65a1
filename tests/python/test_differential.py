"""The same statements over the same functions give the same rows and the same errors
in both modes: functions and statements made at random, of table functions, maps, batch,
async and compiled functions, and sets of rows.

$DIFFERENTIAL_SEED: another start; $DIFFERENTIAL_ROUNDS: more of them. A failure names
what it takes to see it again.
"""

import os
import random
import sqlite3
import sys
import unittest

import tap
from test_extension import BUILD, HOST

SEED = int(os.environ.get('DIFFERENTIAL_SEED', 1))
ROUNDS = int(os.environ.get('DIFFERENTIAL_ROUNDS', 10))
STATEMENTS = 60  # a round

VALUES = ['NULL', '0', '1', '-1', '7', '41', '9223372036854775807', '-9223372036854775807', '0.0', '-0.5',
          '1e308', '9e999', '-9e999', "''", "'text'", "'é😀'", "'7'", "'a' || char(0) || 'b'", "x''", "x'00ff'",
          "CAST(x'61ff62' AS TEXT)", "'[1, 2]'", 'zeroblob(40000)', "printf('%.*c', 40000, 'x')"]

# What a function does with x, and when it is another's turn.
RESULTS = ['x', 'x', 'x', 'None', 'repr(x)[:30]', 'type(x).__name__', 'str(x)[:50]', 'x + 1', 'x * 2', '-x',
           'len(x)', '[x]', '{"v": x}', '(x, 1)', 'float("nan")', 'float("inf")', '2 ** 70', '-2 ** 63', 'object()',
           '"a\\0b"', 'b"\\0\\xff"', '"\\udcff"', '"\\ud800"', 'Decimal("1.10")', 'date(2024, 2, 29)', 'True',
           '"x" * 50000', 'int(x)', 'x[::-1]', 'memoryview(b"mv")', '{1, 2}', 'x / 0', 'sys.exit(3)',
           'raised(ValueError("no " + repr(x)[:20]))', 'raised(KeyError("k"))', 'raised(OSError(2, "gone"))']
CONDITIONS = ['True', 'x is None', 'isinstance(x, int)', 'isinstance(x, str)', 'x == 7',
              'isinstance(x, (int, float)) and x > 3', 'isinstance(x, bytes)', 'False']

HEAD = '''
import asyncio, ctypes, sys
from datetime import date
from decimal import Decimal
from pyudf import udf, udtf
def raised(exc): raise exc
'''
COMPILED = '''
m = ctypes.CDLL("libm.so.6")
def _pointer(function, result, *args):
    function.restype, function.argtypes = result, args
    return function
c1 = udf(_pointer(m.fabs, ctypes.c_double, ctypes.c_double), name="c1")
c2 = udf(_pointer(m.hypot, ctypes.c_double, ctypes.c_double, ctypes.c_double), name="c2")
c3 = udf(_pointer(m.abs, ctypes.c_int, ctypes.c_int), name="c3")
'''


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, choices):
        return self.random.choice(choices)

    def body(self):
        """_name(x): one thing for most values, something else for some."""
        usual = self.pick(['x', 'x', 'x', self.pick(RESULTS)])
        return f'{self.pick(RESULTS)} if {self.pick(CONDITIONS)} else {usual}'

    def functions(self):
        """Source; s1, s2: scalar, l1: list, a1: async, t1 ... t3: table, r1: of rows."""
        null = self.pick(['', 'null_call=False'])
        lines = [HEAD]
        for name in 's1', 'l1', 'a1', 't1', 't2':
            lines.append(f'def _{name}(x): return {self.body()}')
        lines.append(f'@udf({null})\ndef s1(x): return _s1(x)')
        lines.append(f'@udf\ndef s2(x, y=5): return x if {self.pick(CONDITIONS)} else y')
        lines.append('@udf(func_type="list")\ndef l1(xs): return '
                     + self.pick(['[_l1(x) for x in xs]'] * 5
                                 + ['xs[1:]', 'tuple(xs)', '[1] * len(xs)', '5', 'None']))
        lines.append(f'@udf({null})\nasync def a1(x):\n    await asyncio.sleep(0)\n    return _a1(x)')
        lines.append('def t1(x):\n    for i in range(%s): yield %s' % (
            self.pick(['3', '70', '0', 'min(x, 90)', 'int(x) % 90']), self.pick(['_t1(x)', 'i', '_t1(i)', '[i, x]'])))
        lines.append('t1 = udtf(t1)')
        lines.append('@udtf(result_types=["%s", "STRING", "DOUBLE"])\ndef t2(x, n=4):\n    for i in range(n): '
                     'yield %s' % (self.pick(['BIGINT', 'STRING', 'BYTES', 'BOOLEAN']),
                                   self.pick(['_t2(x), i, i / 2', '(i, _t2(i), x)', '[_t2(i), x, i]', 'i, i'])))
        lines.append('@udtf\ndef t3(rows, k=2):\n    yield len(rows)\n    for row in rows:\n'
                     '        if len(row) > k: yield row[0]\n        else: yield row[-1]')
        lines.append('def r1(rows): return %s' % self.pick(
            ['[list(map(repr, r))[:3] for r in rows][:5]', 'len(rows)', 'sum(r[0] for r in rows)', 'rows.columns',
             'max(rows)[0]', '[len(list(rows)), len(list(rows))]']))
        return '\n'.join(lines) + COMPILED

    def value(self):
        return self.pick(VALUES)

    def limit(self):
        order = self.pick(['', '', ' ORDER BY 1', ' ORDER BY 2, 1 DESC'])
        return order + self.pick(['', '', '', f' LIMIT {self.random.randrange(8)}',
                                  f' LIMIT {self.random.randrange(80)} OFFSET {self.random.randrange(8)}'])

    def scalar(self):
        return self.pick(['s1', 's1', 's2', 'l1', 'l1', 'a1', 'a1', 'c1', 'c3'])

    def table(self, arg):
        return self.pick([f't1({arg})', f't1({arg})', f't2({arg})', f't2({arg}, {self.random.randrange(-1, 90)})',
                          f'(SELECT value, x FROM t1 WHERE x = {arg})', f't2 WHERE x = {arg} AND n = 3'])

    def query(self):
        """For a map: a key and one argument, or two."""
        where = self.pick(['', '', ' WHERE i > %d', ' WHERE i = %d'])
        where = where and where % self.random.randrange(20)
        return self.pick(['SELECT i, a FROM t', 'SELECT i, a FROM t', 'SELECT a, b FROM t', 'SELECT b, a FROM t',
                          'SELECT i, s1(a) FROM t', 'SELECT i, a, b FROM t']) + where

    def map(self, depth=0):
        name = self.pick(['s1', 's2', 'l1', 'a1', 't1', 't1', 'c1', 'c2', 'c3'])
        query = self.query()
        if not depth and self.random.random() < 0.15:
            query = 'SELECT key, value FROM ' + self.map(1)
        query = query.replace("'", "''")
        return "python_map('%s', '%s', %d, %d)" % (name, query, self.pick([1, 2]), self.pick([1, 2, 7, 100]))

    def rows(self):
        return '(SELECT python_rows(%s) FROM t WHERE i > %d)' % (
            self.pick(['a', 'a, b', 'i, a, b', 'i']), self.random.randrange(30))

    def statement(self):
        arg, limit = self.value(), self.limit()
        return self.pick([
            lambda: f'SELECT * FROM {self.table(arg)}{limit}',
            lambda: f'SELECT * FROM {self.table(arg)}{limit}',
            lambda: f'SELECT t.i, x.* FROM t, {self.pick(["t1(t.a)", "t2(t.b)", "t2(t.i, 3)"])} AS x{limit}',
            lambda: f'SELECT t.i, x.* FROM t LEFT JOIN t1(t.b) AS x ON x.value IS NOT t.b{limit}',
            lambda: f'SELECT x.rowid, t.i FROM t2({arg}) AS x JOIN t ON t.a IS x.f0{limit}',
            lambda: f'SELECT i, {self.scalar()}(a) FROM t{limit}',
            lambda: f'SELECT {self.scalar()}({arg}), c2({self.value()}, {self.value()})',
            lambda: f'SELECT key, value FROM {self.map()}{limit}',
            lambda: f'SELECT key, value FROM {self.map()}{limit}',
            lambda: f'SELECT key, value FROM {self.map()}{limit}',
            lambda: f'SELECT count(*), count(value), max(value), min(key) FROM {self.map()}',
            lambda: f'SELECT m.key, x.* FROM {self.map()} AS m, t1(m.value) AS x{limit}',
            lambda: f'SELECT m.key, {self.scalar()}(m.value) FROM {self.map()} AS m{limit}',
            lambda: f'SELECT r1({self.rows()}), {self.scalar()}({arg})',
            lambda: f'SELECT * FROM t3({self.rows()}, {self.random.randrange(4)}){limit}',
            lambda: f'SELECT count(*), sum(length(value)) FROM t1({arg}) WHERE value IS NOT {self.value()}',
        ])()


class Side:
    """One connection in one mode."""

    def __init__(self, mode):
        self.db = sqlite3.connect(':memory:', isolation_level=None)
        self.db.enable_load_extension(True)
        self.db.load_extension(os.path.join(BUILD, 'pyudf'))
        self.db.text_factory = bytes
        self.set('execution_mode', mode)
        # The version that the host is of: others say some things in other words.
        self.set('executable', sys.executable)
        self.set('workers', '2')

    def set(self, name, value):
        self.db.execute('UPDATE python_settings SET value = ? WHERE name = ?', (value, 'python_' + name))

    def run(self, statement):
        """Types and values of all rows, what went wrong, and what was logged of it: a map
        may have run rows behind those that were told, and logged their errors."""
        rows, error = [], None
        before = self.db.execute('SELECT coalesce(max(id), 0) FROM python_errors').fetchone()[0]
        try:
            for row in self.db.execute(statement):
                rows.append([(type(value).__name__, repr(value)) for value in row])
        except sqlite3.Error as exc:
            error = f'{type(exc).__name__}: {exc}'
        logged = self.db.execute('SELECT function, type, message, file, line FROM python_errors '
                                 'WHERE id > ? AND instr(?, message)', (before, error or '')).fetchall()
        return rows, error, logged[:1]


class Differential(unittest.TestCase):
    maxDiff = 2000

    def one_round(self, seed):
        maker = Maker(seed)
        sides = [Side('process'), Side('thread')]
        source = maker.functions()
        data = ', '.join(f'({i}, {maker.value()}, {maker.value()})' for i in range(1, 41))
        worth = 0
        for side in sides:
            side.db.execute('CREATE TABLE t(i INTEGER PRIMARY KEY, a, b)')
            side.db.execute('INSERT INTO t VALUES ' + data)
            side.db.execute('SELECT python_define(?)', (source,)).fetchall()
        for number in range(STATEMENTS):
            if maker.random.random() < 0.1:
                value = maker.pick(['null', 'raise'])
                for side in sides:
                    side.set('on_error', value)
            statement = maker.statement()
            process, thread = (side.run(statement) for side in sides)
            worth += process[1] is None and len(process[0]) > 1
            self.assertEqual(process, thread, f'seed {seed}, statement {number}: {statement}\n{source}')
        for side in sides:
            side.db.close()
        return worth

    def test_both_modes(self):
        worth = 0
        for seed in range(SEED * 1000, SEED * 1000 + ROUNDS):
            with self.subTest(seed=seed):
                worth += self.one_round(seed)
        # Not all of it fails.
        self.assertGreater(worth, ROUNDS * STATEMENTS // 5)


if __name__ == '__main__':
    if HOST is None:
        print('1..0 # SKIP no Python whose sqlite3 loads extensions')
        sys.exit(0)
    if sys.executable != HOST:
        os.execv(HOST, [HOST, __file__])
    tap.main()
