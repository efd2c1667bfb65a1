#!/usr/bin/env python3
"""Batch functions of NumPy's arrays, pandas' Series and Arrow's arrays: what they get
for every type of SQL's, and what is made of every type of theirs."""

import math
import sys
import unittest

import tap
from batches import BatchTest, Json, Text

try:
    import numpy
except ImportError as exc:
    numpy = None
try:
    import pandas
except ImportError as exc:
    pandas = None

LIBRARIES = ('numpy', 'pandas', 'pyarrow', 'nanoarrow', 'polars')


def there(library):
    try:
        __import__(library)
        return True
    except ImportError:
        return False


def needs(*libraries):
    gone = [n for n in libraries if not there(n)]
    return unittest.skipIf(gone, f'no {", ".join(gone)} in this Python')


def declared(kind, more='', head=''):
    return (f'import sys\nfrom pyudf import DataTypes, udf\n{head}\n'
            f'@udf(func_type="{kind}"{more})\n')


NUMPY = declared('numpy', head='import numpy, numpy as np')
PANDAS = declared('pandas', head='import numpy as np, pandas, pandas as pd')
ARROW = declared('arrow', head='import pyarrow as pa, pyarrow.compute as pc')

INTEGERS = [(0,), (-1,), (2**63 - 1,), (-2**63,)]
REALS = [(0.5,), (-0.0,), (math.inf,), (-math.inf,), (5e-324,)]
TEXTS = [('',), ('abc',), ('\u20ac\U0001f600\0x',), ('\xe9' * 300,)]
BLOBS = [(b'',), (b'\0a\0\0',), (bytes(range(256)),)]
BROKEN = [(Text(b'a\xff\xc3('),), (Text(b'\xed\xa0\x80\xf4\x90\x80\x80'),),
          (Text(b'\xc0\x80\xe2\x82'),)]


class Arrays(BatchTest):
    KIND = None

    def identity(self, rows, more=''):
        number = self.define(declared(self.KIND, more) + 'def f(x): return x')
        found = self.host.map(number, rows)
        self.assertEqual(list(map(repr, found)), [repr(row[0]) for row in rows])
        for row in rows:
            self.assertEqual(repr(self.host.call(number, *row)), repr(row[0]))

    def told(self, rows, expression, parameters='x', head=None):
        """What the expression says of a batch's columns."""
        source = head or declared(self.KIND)
        number = self.define(f'{source}def f({parameters}): '
                             f'return [str({expression})] * len(x)')
        found = set(self.host.map(number, rows))
        self.assertEqual(len(found), 1)
        return found.pop()

    def made(self, source, expression, rows=2):
        """What becomes of the result of an expression."""
        number = self.define(f'{source}def f(x): return {expression}')
        return self.host.map(number, [(i,) for i in range(rows)])


class AllTypes:
    """Prevents that a value changes on its way."""

    def test_integers(self):
        self.identity(INTEGERS)
        self.identity(INTEGERS + [(None,)])

    def test_reals(self):
        self.identity(REALS)

    def test_texts(self):
        self.identity(TEXTS)
        self.identity(TEXTS + [(None,)])
        self.identity([('a\0',), ('b',), (None,)])

    def test_blobs(self):
        self.identity(BLOBS)
        self.identity(BLOBS + [(None,)])

    def test_big(self):
        self.identity([('x' * (1 << 20),), ('\u20ac',), (None,)])
        self.identity([(b'\0' * (1 << 20),)])

    def test_many_rows(self):
        number = self.define(declared(self.KIND) + 'def f(x): return x')
        for rows in ([(i,) for i in range(100000)],
                     [(str(i),) for i in range(100000)]):
            self.assertEqual(self.host.map(number, rows), [row[0] for row in rows])

    def test_no_row_no_call(self):
        number = self.define(declared(self.KIND) + 'def f(x): raise ValueError')
        self.assertEqual(self.host.map(number, []), [])

    def test_null_call(self):
        number = self.define(declared(self.KIND, ', null_call=False')
                             + 'def f(x, y): return [len(x)] * len(x)')
        self.assertEqual(
            self.host.map(number, [(1, None), ('a', 2), (None, 1), ('b', 4)]),
            [None, 2, None, 2])
        self.assertIsNone(self.host.call(number, None, 1))

    def test_lengths(self):
        number = self.define(declared(self.KIND) + 'def f(x): return x[:3]')
        failed = self.fails('^ValueError: returned 3 values for 4 rows$',
                            self.host.map, number, [(1,)] * 4)
        self.assertEqual((failed.done, failed.rows), (0, []))

    def test_what_is_no_column(self):
        self.fails("TypeError: returned an object of type 'int'; a batch function "
                   'returns a list', self.map,
                   declared(self.KIND) + 'def f(x): return len(x)', [(1,)])


@needs('numpy')
class Numpy(Arrays, AllTypes):
    KIND = 'numpy'

    def test_broken_text(self):
        self.identity(BROKEN)
        self.identity(BROKEN + [(Text(b'\xff\0'),)])
        for (text,) in BROKEN + TEXTS[:3] + [(Text(b'\xe0\x9f\xbf\xf0\x8f\xbf\xbf\xed'),)]:
            data = text if isinstance(text, bytes) else text.encode()
            self.assertEqual(self.told([(text,)], 'ascii(x[0].item() if hasattr(x[0], "item") else x[0])'),
                             ascii(data.decode('utf-8', 'surrogateescape')))

    def test_reals_with_null(self):
        self.identity([(0.5,), (None,)])

    def test_types(self):
        """Prevents that a column's type depends on more than its values."""
        for rows, wanted in (
                ([(1,), (2,)], 'ndarray int64'),
                ([(1,), (None,)], 'MaskedArray int64'),
                ([(0.5,)], 'ndarray float64'),
                ([(0.5,), (None,)], 'MaskedArray float64'),
                ([(1,), (0.5,)], 'ndarray float64'),
                ([(2**53,), (0.5,), (None,)], 'MaskedArray float64'),
                ([(2**53 + 1,), (0.5,)], 'ndarray object'),
                ([(-2**63,), (0.5,)], 'ndarray object'),
                ([('a',), ('\u20ac\U0001f600',)], 'ndarray <U2'),
                ([('a',), (None,)], 'MaskedArray <U1'),
                ([('',)], 'ndarray <U1'),
                ([('a\0',)], 'ndarray object'),
                ([('\0a',)], 'ndarray <U2'),
                ([('x' * 5000,)] + [('',)] * 1000, 'ndarray object'),
                ([('x' * 4000,)] + [('',)] * 1000, 'ndarray <U4000'),
                ([('x' * 40000,)] * 1000, 'ndarray <U40000'),
                ([(b'a',)], 'ndarray object'), ([(b'a',), (None,)], 'MaskedArray object'),
                ([(1,), ('a',)], 'ndarray object'), ([(None,)], 'MaskedArray float64')):
            with self.subTest(wanted=wanted):
                self.assertEqual(
                    self.told(rows, 'type(x).__name__ + " " + str(x.dtype)'), wanted)

    def test_declared(self):
        """What a column of nothing but NULL is, and bool and JSON."""
        for note, kind in (('int', 'int64'), ('float', 'float64'), ('bool', 'bool'),
                           ('str', '<U1'), ('bytes', 'object'), ('"int"', 'int64'),
                           ('numpy.ndarray', 'float64')):
            self.assertEqual(self.told([(None,)], 'x.dtype', f'x: {note}', NUMPY), kind)
        for text, kind in (('BIGINT', 'int64'), ('BOOLEAN', 'bool'), ('DOUBLE', 'float64'),
                           ('VARCHAR(3)', '<U1'), ('BYTES', 'object')):
            head = declared('numpy', f', input_types=["{text}"]')
            self.assertEqual(self.told([(None,)], 'x.dtype', head=head), kind)
        self.assertEqual(self.told([(2,), (0,)], '[x.dtype, x.tolist()]', 'x: bool'),
                         "[dtype('bool'), [True, False]]")
        self.assertEqual(
            self.told([(2,), (None,)], '[x.dtype, x.tolist()]', 'x: bool'),
            "[dtype('bool'), [True, None]]")
        self.assertEqual(
            self.told([(2,), ('a',)], '[x.dtype, x.tolist()]', 'x: bool'),
            "[dtype('O'), [True, 'a']]")
        self.assertEqual(
            self.told([('[1,2]',), ('[3,4]',), (None,)], '[x.dtype, x.shape, x.tolist()]', 'x: list'),
            "[dtype('O'), (3,), [[1, 2], [3, 4], None]]")

    def test_columns_can_be_written(self):
        number = self.define(NUMPY + 'def f(x):\n    x += 1\n    return x')
        self.assertEqual(self.host.map(number, [(1,), (2,)]), [2, 3])

    def test_results(self):
        for made, wanted in (
                *((f'np.array([1, 0], "{t}")', [1, 0])
                  for t in ('i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'i8', 'u8', '>i2', '>i8',
                            '>u8', '?')),
                *((f'np.array([1.5, np.nan], "{t}")', [1.5, None])
                  for t in ('f2', 'f4', 'f8', '>f4', '>f8', 'g')),
                ('np.array([np.inf, -np.inf])', [math.inf, -math.inf]),
                ('np.arange(4)[::2]', [0, 2]), ('np.arange(2)[::-1]', [1, 0]),
                ('np.arange(4).reshape(2, 2)[:, 1]', [1, 3]),
                ('np.array([1, 1])[:1].repeat(2)', [1, 1]),
                ('np.broadcast_to(np.int64(7), 2)', [7, 7]),
                ('np.array(["a", "\u20ac\U0001f600"])', ['a', '\u20ac\U0001f600']),
                ('np.array(["a", "bc"], ">U2")', ['a', 'bc']),
                ('np.array(["a", "b"])[::-1]', ['b', 'a']),
                ('np.array(["", ""])', ['', '']), ('np.zeros(2, "U0")', ['', '']),
                ('np.array([b"a", b"b\\0c"])', [b'a', b'b\0c']),
                ('np.array([b"", b""])', [b'', b'']),
                ('np.array(["\\udcff", "\\ud800"])',
                 [Text(b'\xff'), Text(b'\xed\xa0\x80')]),
                ('np.array([1, None], object)', [1, None]),
                ('np.array(["a", b"b"], object)', ['a', b'b']),
                ('np.array(["2024-02-29", "NaT"], "M8[D]")', ['2024-02-29', None]),
                ('np.array(["2024-02", "2025-01"], "M8[M]")', ['2024-02-01', '2025-01-01']),
                ('np.array(["2024-02-29T12:00", "NaT"], "M8[s]")', ['2024-02-29 12:00:00', None]),
                ('np.array(["2024-02-29T12:00:00.5", "NaT"], "M8[ms]")',
                 ['2024-02-29 12:00:00.500000', None]),
                ('np.array(["2024-02-29T12:00", "NaT"], "M8[ns]")', ['2024-02-29 12:00:00', None]),
                ('np.array(["2024-02-29T12:00:00.000000001", "NaT"], "M8[ns]")',
                 ['2024-02-29 12:00:00.000000001', None]),
                ('np.array(["12024-02-29", "NaT"], "M8[D]")', ['12024-02-29', None]),
                ('np.array(["NaT", "NaT"], "M8")', [None, None]),
                ('np.ma.array([1, 2], mask=[0, 1])', [1, None]),
                ('np.ma.array([1, 2])', [1, 2]), ('np.ma.masked_all(2)', [None, None]),
                ('np.ma.array([0, 2**63], "u8", mask=[0, 1])', [0, None]),
                ('np.ma.array(["a", "b"], mask=[1, 0])', [None, 'b']),
                ('np.ma.array([b"a", b"b"], mask=[1, 0])', [None, b'b']),
                ('np.ma.array(["a", "b"], object, mask=[1, 0])', [None, 'b']),
                ('np.ma.array(["2024-02-29"] * 2, "M8[D]", mask=[1, 0])', [None, '2024-02-29']),
                ('np.array([(1, 2.5), (3, 4)], "i4,f8")', [Json('{"f0":1,"f1":2.5}'), Json('{"f0":3,"f1":4.0}')]),
                ('list(np.arange(2))', [0, 1]), ('[np.float32(.5), None]', [.5, None]),
                ('[np.arange(2).tolist()] * 2', [Json('[0,1]')] * 2)):
            with self.subTest(made=made):
                found = self.made(NUMPY, made)
                self.assertEqual([(type(v), v) for v in found],
                                 [(type(v), v) for v in wanted])

    @unittest.skipUnless(numpy and hasattr(numpy.dtypes, 'StringDType'),
                         'no StringDType in this NumPy')
    def test_strings_of_any_length(self):
        made = 'np.array(["a", "\u20ac"], np.dtypes.StringDType())'
        self.assertEqual(self.made(NUMPY, made), ['a', '\u20ac'])

    def test_refused(self):
        for made, text in (
                ('np.array([0, 2**63], "u8")', 'OverflowError: 9223372036854775808 does not fit into 64 bits \\(row 2\\)'),
                ('np.array([1j, 0])', 'TypeError: returned an array of complex128, which has no form in SQL'),
                ('np.array([1, 0], "m8[s]")', 'TypeError: returned an array of timedelta64\\[s\\], which'),
                ('np.zeros(2, "V3")', 'TypeError: returned an array of \\|V3, which'),
                ('np.zeros((2, 2))', 'ValueError: returned an array of shape \\(2, 2\\); a column has one dimension'),
                ('np.array(1)', 'ValueError: returned an array of shape \\(\\)'),
                ('np.float64(1)', "TypeError: returned an object of type 'numpy.float64'; a batch"),
                ('np.zeros(2)[:1]', 'ValueError: returned 1 value for 2 rows'),
                ('[1j, 0]', "TypeError: a result of type 'complex'"),
                ('np.array([2**64, 0])', 'OverflowError'),
                ('np.frombuffer(b"\\0\\0\\x11\\0" * 2, "U1")', 'ValueError: row 1 has a code point beyond U\\+10FFFF')):
            with self.subTest(made=made):
                failed = self.fails(text, self.made, NUMPY, made)
                self.assertEqual((failed.done, failed.rows), (0, []))

    def test_several_columns(self):
        source = declared('numpy', ', result_type="ROW<a INT, b STRING>"', 'import numpy as np')
        for made in ('x, x.astype("U")', '{"b": x.astype("U"), "a": x}',
                     'np.array(list(zip(x.astype("U"), x)), [("b", "U3"), ("a", int)])',
                     'np.rec.fromarrays([x, x.astype("U")], names="a,b")'):
            self.assertEqual(self.map(source + f'def f(x): return {made}', [(1,), (2,)],
                                      width=2), [(1, '1'), (2, '2')])
        number = self.define(source + 'def f(x): return x, x')
        self.assertEqual(self.host.call(number, 1), '{"a":1,"b":1}')
        self.assertEqual(self.host.call(number, None), '{"a":null,"b":null}')

    def test_missing(self):
        hidden = sys.modules['numpy']
        sys.modules['numpy'] = None
        try:
            self.fails("'f' has func_type='numpy', which needs numpy: install it into "
                       'the Python at ', self.define, declared('numpy') + 'def f(x): 0')
        finally:
            sys.modules['numpy'] = hidden


@needs('numpy', 'pandas')
class Pandas(Arrays, AllTypes):
    KIND = 'pandas'

    def test_broken_text(self):
        self.identity(BROKEN + [(None,)])

    def test_types(self):
        for rows, wanted in (
                ([(1,), (2,)], 'int64 1 2'), ([(1,), (None,)], 'Int64 1 <NA>'),
                ([(0.5,), (1.0,)], 'float64 0.5 1.0'), ([(0.5,), (None,)], 'float64 0.5 nan'),
                ([(1,), (0.5,)], 'float64 1.0 0.5'),
                ([(2**53 + 1,), (0.5,)], 'object 9007199254740993 0.5'),
                ([('a',), ('b',)], 'string a b'), ([('a',), (None,)], 'string a <NA>'),
                ([(b'a',), (None,)], "object b'a' <NA>"), ([(1,), ('a',)], 'object 1 a'),
                ([(None,), (None,)], 'float64 nan nan')):
            with self.subTest(wanted=wanted):
                self.assertEqual(
                    self.told(rows, '" ".join([str(x.dtype), *map(str, x)])'), wanted)

    def test_declared(self):
        for note, kind in (('int', 'Int64'), ('float', 'float64'), ('bool', 'boolean'),
                           ('str', 'string'), ('bytes', 'object'),
                           ('pandas.Series', 'float64')):
            self.assertEqual(self.told([(None,)], 'x.dtype', f'x: {note}', PANDAS), kind)
        self.assertEqual(self.told([(2,), (0,)], '[str(x.dtype), x.tolist()]', 'x: bool'),
                         "['bool', [True, False]]")
        self.assertEqual(self.told([(2,), (None,)], '[str(x.dtype), x.tolist()]', 'x: bool'),
                         "['boolean', [True, <NA>]]")
        self.assertEqual(
            self.told([('[1,2]',), ('[3,4]',), (None,)], '[str(x.dtype), x.tolist()]', 'x: list'),
            "['object', [[1, 2], [3, 4], <NA>]]")

    def test_results(self):
        for made, wanted in (
                ('x', [0, 1]), ('x + .5', [.5, 1.5]), ('x > 0', [0, 1]),
                ('x.astype("Int64").where(x > 0)', [None, 1]),
                ('x.astype("Float64").where(x > 0)', [None, 1.0]),
                ('(x > 0).astype("boolean").where(x > 0)', [None, 1]),
                ('x.astype("UInt64")', [0, 1]), ('x.astype("int8")', [0, 1]),
                ('x.astype(str)', ['0', '1']),
                ('x.astype("string").where(x > 0)', [None, '1']),
                ('x.astype(object).where(x > 0, None)', [None, 1]),
                ('pd.Series([pd.NA, 1], dtype=object)', [None, 1]),
                ('pd.Series(["a", None], dtype="category")', ['a', None]),
                ('pd.to_datetime(pd.Series(["2024-02-29", None]))', ['2024-02-29 00:00:00', None]),
                ('pd.to_datetime(pd.Series(["2024-02-29 12:00", None])).dt.tz_localize("UTC")',
                 ['2024-02-29 12:00:00+00:00', None]),
                ('pd.Series(x.to_numpy(), index=[7, 3])', [0, 1]),
                ('x[::-1]', [1, 0]), ('x.to_numpy()', [0, 1]),
                ('x.array', [0, 1]), ('x.astype("Int64").array', [0, 1]),
                ('pd.Index(x)', [0, 1]), ('pd.Index(["a", "b"])', ['a', 'b']),
                ('x.tolist()', [0, 1]), ('pd.RangeIndex(2)', [0, 1]),
                ('x.astype("Sparse[int]")', [0, 1])):
            with self.subTest(made=made):
                found = self.made(PANDAS, made)
                self.assertEqual([(type(v), v) for v in found],
                                 [(type(v), v) for v in wanted])

    @needs('pyarrow')
    def test_arrow_types(self):
        for made, wanted in (
                ('pd.Series([1, None], dtype="int64[pyarrow]")', [1, None]),
                ('pd.Series([.5, None], dtype="double[pyarrow]")', [.5, None]),
                ('pd.Series(["a", None], dtype="string[pyarrow]")', ['a', None])):
            self.assertEqual(self.made(PANDAS, made), wanted)

    def test_refused(self):
        for made, text in (
                ('pd.to_timedelta(x)', 'TypeError: returned an array of timedelta64\\[ns\\], which'),
                ('x.astype("UInt64") + 2**63', 'OverflowError: 9223372036854775808 does not fit'),
                ('x * 1j', 'TypeError: returned an array of complex128, which'),
                ('x.to_frame()', "TypeError: returned an object of type 'pandas.*DataFrame'; a batch"),
                ('x.sum()', "TypeError: returned an object of type 'numpy.int64'"),
                ('x[x > 0]', 'ValueError: returned 1 value for 2 rows'),
                ('pd.MultiIndex.from_arrays([x, x])', 'TypeError: returned a pandas MultiIndex')):
            with self.subTest(made=made):
                self.fails(text, self.made, PANDAS, made)

    def test_several_columns(self):
        source = declared('pandas', ', result_type="ROW<a INT, b STRING>"', 'import pandas as pd')
        for made in ('x, x.astype(str)', 'pd.DataFrame({"b": x.astype(str), "a": x})',
                     'dict(a=x, b=x.astype(str))'):
            self.assertEqual(self.map(source + f'def f(x): return {made}', [(1,), (2,)],
                                      width=2), [(1, '1'), (2, '2')])
        self.fails('ValueError: returned the columns a, c instead of a, b', self.map,
                   source + 'def f(x): return pd.DataFrame(dict(a=x, c=x))', [(1,)])
        self.fails('ValueError: returned 1 value for 2 rows', self.map,
                   source + 'def f(x): return pd.DataFrame(dict(a=x, b=x))[:1]', [(1,), (2,)])

    def test_pyflinks(self):
        source = ('from pyudf import udf\n'
                  "@udf(result_type='BIGINT', func_type='pandas')\n"
                  'def add(i, j):\n    return i + j')
        number = self.define(source)
        self.assertEqual(self.host.map(number, [(1, 2), (None, 1)]), [3, None])
        self.assertEqual(self.host.call(number, 1, 2), 3)


@needs('pyarrow')
class Arrow(Arrays, AllTypes):
    KIND = 'arrow'

    def test_types(self):
        for rows, wanted in (
                ([(1,), (None,)], 'int64'), ([(0.5,)], 'double'), ([(1,), (0.5,)], 'double'),
                ([('a',)], 'string'), ([(b'a',), (None,)], 'binary'), ([(None,)], 'null')):
            self.assertEqual(self.told(rows, 'x.validate(full=True) or x.type'), wanted)
        self.assertEqual(self.told([(1,), (None,), (0.5,)], 'x.to_pylist()'), '[1.0, None, 0.5]')

    def test_declared(self):
        for note, kind in (('int', 'int64'), ('float', 'double'), ('bool', 'bool'),
                           ('str', 'string'), ('bytes', 'binary'), ('pa.Array', 'null')):
            self.assertEqual(
                self.told([(None,)] * 9, 'x.validate(full=True) or [x.type, x.null_count]',
                          f'x: {note}', ARROW), f"[DataType({kind}), 9]")
        self.assertEqual(self.told([(2,), (0,), (None,)] * 9, 'x[-5:]',
                                   'x: bool').split(), '[ false, null, true, false, null ]'.split())
        self.assertEqual(self.told([('[1]',)], '[x.type, x.to_pylist()]', 'x: list'),
                         "[DataType(string), ['[1]']]")

    def test_kept(self):
        """Prevents that an array which the function keeps points into a batch."""
        number = self.define(ARROW.replace('@udf', 'kept = []\n@udf') +
                             'def f(x):\n    kept.append(x)\n'
                             '    return [sum(map(len, k.to_pylist())) for k in kept][-1:] * len(x)')
        for i in range(5):
            self.assertEqual(self.host.map(number, [('x' * i,)] * 3), [3 * i] * 3)

    def test_refused_columns(self):
        for rows, text in (
                ([(None,), (1,), ('a',)], 'TypeError: column x is INTEGER in row 2 and TEXT in row 3'),
                ([(2**53 + 1,), (0.5,)], 'TypeError: column x is INTEGER in row 1 and REAL in row 2'),
                ([(b'',), ('a',)], 'TypeError: column x is BLOB in row 1 and TEXT in row 2'),
                ([('a',), BROKEN[0]], 'ValueError: column x has text in row 2 of the batch that is not valid UTF-8')):
            failed = self.fails(text, self.map, ARROW + 'def f(x): return x', rows)
            self.assertEqual((failed.done, failed.rows), (0, []))
        self.fails('column rest is INTEGER', self.map, ARROW + 'def f(x, *rest): return x',
                   [(1, 1, 1), (1, 1, 'a')])

    def test_results(self):
        for made, wanted in (
                *((f'pa.array([1, None], pa.{t}())', [1, None])
                  for t in ('int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64')),
                *((f'pa.array([1.5, None], pa.{t}())', [1.5, None]) for t in ('float32', 'float64')),
                ('pa.array([1.5, -2], pa.float64()).cast(pa.float16())', [1.5, -2.0]),
                ('pa.array([True, None])', [1, None]),
                *((f'pa.array(["\u20ac", None], pa.{t}())', ['\u20ac', None])
                  for t in ('string', 'large_string', 'string_view')),
                ('pa.array(["a" * 13, "b" * 12], pa.string_view())', ['a' * 13, 'b' * 12]),
                *((f'pa.array([b"a\\0", None], pa.{t}())', [b'a\0', None])
                  for t in ('binary', 'large_binary', 'binary_view')),
                ('pa.array([b"ab", None], pa.binary(2))', [b'ab', None]),
                ('pa.nulls(2)', [None, None]), ('pa.nulls(2, pa.int64())', [None, None]),
                ('pa.array(list(range(20)))[9:11]', [9, 10]),
                ('pa.array([True] * 9 + [None])[8:]', [1, None]),
                ('pa.array(["a", "b", None])[1:]', ['b', None]),
                ('pa.chunked_array([[1], [], [None]])', [1, None]),
                ('pa.chunked_array([["a"], ["b", "c"]])[1:]', ['b', 'c']),
                ('pa.array(["a", "b"]).dictionary_encode()', ['a', 'b']),
                ('pa.array([[1, 2], None])', [Json('[1,2]'), None]),
                ('pa.array([{"a": 1}, {"a": None}])', [Json('{"a":1}'), Json('{"a":null}')]),
                ('pa.array(["2024-02-29", None]).cast(pa.date32())', ['2024-02-29', None]),
                ('pa.array(["2024-02-29 12:00:00", None]).cast(pa.timestamp("us"))', ['2024-02-29 12:00:00', None]),
                ('pa.array(["1.50", None]).cast(pa.decimal128(5, 2))', ['1.50', None]),
                ('pa.array([float("nan"), float("inf")])', [None, math.inf]),
                ('pc.add(x, 1)', [1, 2]), ('x.to_pylist()', [0, 1])):
            with self.subTest(made=made):
                found = self.made(ARROW, made)
                self.assertEqual([(type(v), v) for v in found],
                                 [(type(v), v) for v in wanted])

    def test_refused(self):
        for made, text in (
                ('pa.array([2**63, 0], pa.uint64())', 'OverflowError: 9223372036854775808 does not fit into 64 bits'),
                ('pa.array([1, 2], pa.duration("s"))', 'TypeError'),
                ('x[:1]', 'ValueError: returned 1 value for 2 rows'),
                ('pc.sum(x)', "TypeError: returned an object of type 'pyarrow.lib.Int64Scalar'"),
                ('type("A", (), {"__arrow_c_array__": lambda s: 7})()', 'Error')):
            with self.subTest(made=made):
                self.fails(text, self.made, ARROW, made)

    def test_several_columns(self):
        source = ARROW.replace('func_type', 'result_type="ROW<a INT, b STRING>", func_type')
        text = 'pc.cast(x, pa.string())'
        for made in (f'x, {text}', f'dict(b={text}, a=x)', f'pa.record_batch([x, {text}], names=["a", "b"])',
                     f'pa.record_batch([{text}, x], names=["b", "a"])[:]',
                     f'pa.table(dict(b={text}, a=x))',
                     'pa.table(dict(b=["x", "1", "2"], a=[0, 1, 2]))[1:]',
                     'pa.concat_tables([pa.table(dict(a=[i], b=[str(i)])) for i in (1, 2)])',
                     f'pa.StructArray.from_arrays([x, {text}], ["a", "b"])',
                     'pa.StructArray.from_arrays([pa.array([0, 1, 2]), pa.array(["0", "1", "2"])], ["a", "b"])[1:]',
                     f'pa.table(dict(b={text}.dictionary_encode(), a=x))'):
            with self.subTest(made=made):
                self.assertEqual(self.map(source + f'def f(x): return {made}', [(1,), (2,)],
                                          width=2), [(1, '1'), (2, '2')])
        for made, text in (('pa.table(dict(a=x, c=x))', 'returned the columns a, c instead of a, b'),
                           ('pa.table(dict(a=x, b=x))[:1]', 'returned 1 value for 2 rows'),
                           ('x', "TypeError: returned an object of type 'pyarrow.lib.Int64Array'; a batch function returns a tuple")):
            self.fails(text, self.map, source + f'def f(x): return {made}', [(1,), (2,)])

    def test_struct_with_nulls(self):
        source = ARROW.replace('func_type', 'result_type="ROW<a INT>", func_type')
        made = 'pa.StructArray.from_arrays([pa.array([1, 2])], ["a"], mask=pa.array([True, False]))'
        self.assertEqual(self.map(source + f'def f(x): return {made}', [(1,), (2,)]), [None, 2])

    def test_other_objects(self):
        """Any object with the method will do."""
        head = ARROW.replace('@udf', 'class Mine:\n'
                             '    def __init__(self, array): self.array = array\n'
                             '    def __arrow_c_array__(self, requested_schema=None):\n'
                             '        return self.array.__arrow_c_array__()\n@udf')
        self.assertEqual(self.made(head, 'Mine(x)'), [0, 1])
        self.fails("TypeError: returned an Arrow array of format 'tdD', which pyudf does not know",
                   self.made, head, 'Mine(pa.array([1, 2], pa.date32()))')

    def hidden(self, *libraries):
        for library in libraries:
            self.addCleanup(sys.modules.__setitem__, library, sys.modules.get(library))
            if library not in sys.modules:
                self.addCleanup(sys.modules.pop, library, None)
            sys.modules[library] = None

    def other_library(self):
        for rows in (INTEGERS + [(None,)], REALS, [('a\0',), (None,)], [(b'a\0',)]):
            self.assertEqual(self.map(declared('arrow') + 'def f(x): return x', rows),
                             [row[0] for row in rows])

    @needs('nanoarrow')
    def test_nanoarrow(self):
        self.hidden('pyarrow')
        self.assertEqual(self.told([(1,)], 'type(x).__module__').split('.')[0], 'nanoarrow')
        self.other_library()

    @needs('polars')
    def test_polars(self):
        self.hidden('pyarrow', 'nanoarrow')
        self.assertEqual(self.told([(1,)], 'type(x).__module__').split('.')[0], 'polars')
        self.other_library()
        self.assertEqual(self.map(declared('arrow') + 'def f(x): return x * 2', [(1,), (2,)]), [2, 4])

    def test_missing(self):
        self.hidden('pyarrow', 'nanoarrow', 'polars')
        self.fails("'f' has func_type='arrow', which needs pyarrow, nanoarrow or polars: install",
                   self.define, declared('arrow') + 'def f(x): 0')


if __name__ == '__main__':
    tap.main()
