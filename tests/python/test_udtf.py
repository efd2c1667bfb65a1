"""The decorators `udtf` and `udtaf`: columns, and what cannot be declared."""

import dataclasses
import typing
import unittest

import tap
from sessions import (COLUMNS, KIND, ORDERED_BY, PARAMETERS, ROWS, SessionTest)
from pyudf import (DataTypes, TableAggregateFunction, TableFunction, udtaf, udtf)


class Point(typing.NamedTuple):
    x: int
    y: float


@dataclasses.dataclass
class Pair:
    key: str
    value: 'int'


class Columns(SessionTest):
    def columns(self, source, header='from pyudf import udtf, DataTypes\n'):
        row = self.source(header + source)[0]
        self.assertEqual(row[KIND], 3)
        return row[COLUMNS].replace('\t', ' ').split('\n')

    def test_declared(self):
        for said, columns in [
                ('columns=["a", "b"]', ['a ', 'b ']),
                ('columns=["a INT", ("b", "STRING")]', ['a INTEGER', 'b TEXT']),
                ('columns={"a": "DOUBLE", "b": DataTypes.BYTES()}',
                 ['a REAL', 'b BLOB']),
                ('columns="a, b DECIMAL(3, 1)"', ['a ', 'b TEXT']),
                ('columns=["a", "b"], result_types=["BIGINT", "STRING"]',
                 ['a INTEGER', 'b TEXT']),
                ('result_types=["INT", "ROW<x INT, y INT>"]',
                 ['f0 INTEGER', 'f1 ']),
                ('result_types="BIGINT"', ['value INTEGER']),
                ('result_types=["ROW<x INT, y ROW<a INT, b INT>>"]',
                 ['x INTEGER', 'y ']),
                ('', ['value '])]:
            with self.subTest(said):
                self.assertEqual(self.columns(
                    f'@udtf({said})\ndef f(): yield 1, 2'), columns)

    def test_annotated(self):
        header = ('from typing import *\nfrom dataclasses import dataclass\n'
                  'from datetime import date\n'
                  '@dataclass\nclass Pair:\n key: str\n value: "int"\n'
                  'class Point(NamedTuple):\n x: int\n y: float\n'
                  'class Dict(TypedDict):\n a: bool\n b: Optional[bytes]\n')
        for note, columns in [
                ('Iterator[int]', ['value INTEGER']),
                ('"Iterator[str]"', ['value TEXT']),
                ('Iterator[tuple[int, str]]', ['f0 INTEGER', 'f1 TEXT']),
                ('Generator[Point, None, None]', ['x INTEGER', 'y REAL']),
                ('Iterable[Pair]', ['key TEXT', 'value INTEGER']),
                ('Iterator[Dict]', ['a INTEGER', 'b BLOB']),
                ('Iterator[float | None]', ['value REAL']),
                ('Iterator[int | str]', ['value ']),
                ('Iterator[date]', ['value TEXT']),
                ('Iterator[tuple[int, ...]]', ['value ']),
                ('Iterator["nowhere"]', ['value ']),
                ('"no such name"', ['value ']),
                ('Iterator', ['value '])]:
            with self.subTest(note):
                self.assertEqual(
                    self.columns(f'def f() -> {note}:\n yield 1', header),
                    columns)

    def test_the_rest_of_a_row(self):
        row = self.source('from pyudf import udtf\n'
                          '@udtf(columns="a, b", rows=7, ordered_by="A, b desc")\n'
                          'def f(x, y=1, *more): yield 1, 2')[0]
        self.assertEqual(row[PARAMETERS], 'x\ny\n*more')
        self.assertEqual(row[ORDERED_BY], 'a\tASC\nb\tDESC')
        self.assertEqual(row[ROWS], 7)

    def test_what_cannot_be_registered(self):
        for said, text in [
                ('columns=["a", "A"]', "two columns 'A'"),
                ('columns=["", "b"]', "'' cannot be the name of a column"),
                ('columns=["a\\tb"]', 'cannot be the name of a column'),
                ('columns=["c%d" % i for i in range(2000)]', '2000 columns'),
                ('ordered_by="z"', "ordered_by='z' is not a column"),
                ('ordered_by="value UP"', "ordered_by='value UP' is not")]:
            with self.subTest(said):
                self.refused(text, self.source, 'from pyudf import udtf\n'
                             f'@udtf({said})\ndef f(): yield 1')
        self.refused("'f' cannot be a table function: it is async", self.source,
                     'from pyudf import udtf\n@udtf\nasync def f(): return []')


class Declarations(unittest.TestCase):
    def test_what_is_returned_is_callable(self):
        @udtf(columns=['a'])
        def f(n):
            yield from range(n)
        self.assertEqual(list(f(3)), [0, 1, 2])
        made = udtf(lambda n: [n], columns='a')
        self.assertEqual(made(3), [3])

        class Words(TableFunction):
            def eval(self, text):
                yield from text.split()
        self.assertEqual(list(udtf(Words())('a b')), ['a', 'b'])
        self.assertEqual(list(udtf(Words)('a b')), ['a', 'b'])

    def test_a_table_aggregate(self):
        class Rows(list):
            columns = 1

        class Top2(TableAggregateFunction):
            def create_accumulator(self):
                return []

            def accumulate(self, best, x):
                best.append(x)
                best.sort(reverse=True)
                del best[2:]

            def emit_value(self, best):
                yield from enumerate(best, 1)
        top2 = udtaf(Top2(), columns=['rank', 'x'])
        self.assertEqual(list(top2(Rows([(1,), (5,), (3,)]))), [(1, 5), (2, 3)])
        self.assertEqual(list(top2(Rows())), [])
        with self.assertRaisesRegex(TypeError, 'a set of rows is wanted'):
            top2(5)

    def test_errors(self):
        for error, text, keywords in [
                (TypeError, 'columns are names', dict(columns=[3])),
                (ValueError, 'columns has none', dict(columns=[])),
                (ValueError, 'result_types has none', dict(result_types=[])),
                (ValueError, "column a: 'NOTYPE' is no SQL type",
                 dict(columns=['a NOTYPE'])),
                (ValueError, '1 columns, and 2 result_types',
                 dict(columns=['a'], result_types=['INT', 'INT'])),
                (ValueError, 'rows must be', dict(rows=-1)),
                (ValueError, 'rows must be', dict(rows=True)),
                (ValueError, 'func_type must be', dict(func_type='x')),
                (TypeError, 'deterministic', dict(deterministic=1)),
                (ValueError, 'mode', dict(mode='x')),
                (ValueError, 'timeout', dict(timeout=-1))]:
            with self.subTest(keywords):
                with self.assertRaisesRegex(error, text):
                    udtf(**keywords)(lambda: [])
        with self.assertRaisesRegex(TypeError, 'not class int'):
            udtf(int)
        with self.assertRaisesRegex(TypeError, 'TableAggregateFunction is expected'):
            udtaf(lambda rows: [])


if __name__ == '__main__':
    tap.main()
