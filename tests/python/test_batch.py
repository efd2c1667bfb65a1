#!/usr/bin/env python3
"""Rows as batches, through the runtime's table: scalar functions, batch functions of
lists, and what functions of every kind may return. What needs NumPy, pandas or a
library of Arrow's is in test_batch_arrays.py."""

import tap
from batches import BatchTest, Failed, Host, Json, Text, put

LIST = 'from pyudf import DataTypes, udf\n@udf(func_type="list")\n'
ROW = ('from pyudf import udf\n'
       '@udf(func_type="list", result_type="ROW<a BIGINT, b STRING>")\n')
ALL = [(None,), (0,), (-1,), (2**63 - 1,), (-2**63,), (0.5,), (float('inf'),),
       ('',), ('a\0b\0',), ('\u20ac\U0001f600',), (Text(b'\xff\x00\xed\xa0\x80'),),
       (b'',), (b'\0\xff\0',)]


class Scalar(BatchTest):
    """Prevents that a map of a plain function differs from its calls."""

    def test_all_types(self):
        self.assertEqual(self.map('def f(x): return x', ALL),
                         [row[0] for row in ALL])

    def test_types_in_python(self):
        self.assertEqual(
            self.map('def f(x): return type(x).__name__', ALL[:2] + ALL[5:8] + ALL[-1:]),
            ['NoneType', 'int', 'float', 'float', 'str', 'bytes'])

    def test_no_row(self):
        number = self.define('def f(x): raise ValueError')
        self.assertEqual(self.host.map(number, []), [])

    def test_annotations(self):
        number = self.define('def f(a: bool, b: dict, c: memoryview):\n'
                             '    return [a, b, type(c).__name__]')
        self.assertEqual(self.host.map(number, [(1, '{"x": [1]}', b'')]),
                         [Json('[true,{"x":[1]},"memoryview"]')])

    def test_json_keeps_its_subtype(self):
        [value] = self.map('def f(x): return {"a": x}', [(1,)])
        self.assertEqual((type(value), value), (Json, '{"a":1}'))

    def test_null_call(self):
        source = ('from pyudf import udf\n@udf(null_call=False)\n'
                  'def f(x, y): return [x, y]')
        self.assertEqual(self.map(source, [(1, None), (None, 'a'), (1, 2)]),
                         [None, None, Json('[1,2]')])

    def test_failing_row(self):
        number = self.define('def f(x): return 6 // x')
        failed = self.fails('ZeroDivisionError', self.host.map, number,
                            [(1,), (2,), (0,), (3,)])
        self.assertEqual((failed.done, failed.rows), (2, [6, 3]))

    def test_failing_result(self):
        number = self.define('def f(x): return 2**x')
        failed = self.fails('OverflowError: .* does not fit into 64 bits',
                            self.host.map, number, [(1,), (63,)])
        self.assertEqual((failed.done, failed.rows), (1, [2]))

    def test_number_of_arguments(self):
        number = self.define('def f(x, y): return x')
        self.fails('takes 2 arguments, got 1', self.host.map, number, [(1,)])

    def test_bytes_that_are_no_batch(self):
        number = self.define('def f(x): return x')
        whole = put(1) + put('text')
        for cut in range(1, len(whole)):
            if cut == 16:
                continue
            with self.subTest(cut=cut):
                self.fails('cannot be read', self.host.map_bytes, number,
                           whole[:cut], 2, 1)

    def test_dropped_while_it_runs(self):
        """Prevents that the callable is used after its definition has gone."""
        import builtins
        host, calls = self.host, []
        builtins.pyudf_hook = lambda: calls or calls.append(host.forget(1))
        self.addCleanup(delattr, builtins, 'pyudf_hook')
        for source in ('def f(x):\n    pyudf_hook()\n    return x',
                       LIST + 'def f(x):\n    pyudf_hook()\n    return x',
                       'async def f(x):\n    pyudf_hook()\n    return x'):
            calls.clear()
            host.define(source, 1)
            self.assertEqual(host.map(1, [(1,), (2,)]), [1, 2])
            self.fails('no function 1.0', host.map, 1, [(1,)])


class Lists(BatchTest):
    """Prevents that columns lose or change values, and that what a function returns
    is taken for something else."""

    def test_all_types(self):
        self.assertEqual(self.map(LIST + 'def f(x): return x', ALL),
                         [row[0] for row in ALL])

    def test_columns(self):
        self.assertEqual(
            self.map(LIST + 'def f(*columns): return [repr(columns)] * 2',
                     [(1, 'a', None), (2, 'b', b'')]),
            ["([1, 2], ['a', 'b'], [None, b''])"] * 2)

    def test_annotations(self):
        self.assertEqual(
            self.map(LIST + 'def f(a: bool, b: list): return list(zip(a, b))',
                     [(1, '[2]'), (0, None), (None, '[]')]),
            ['[true,[2]]', '[false,null]', '[null,[]]'])

    def test_many_columns(self):
        row = tuple(range(127))
        self.assertEqual(self.map(LIST + 'def f(*c): return list(map(sum, zip(*c)))',
                                  [row, row[::-1]]), [8001, 8001])

    def test_no_row_no_call(self):
        number = self.define(LIST + 'def f(x): raise ValueError')
        self.assertEqual(self.host.map(number, []), [])

    def test_null_call(self):
        source = ('from pyudf import udf\n@udf(func_type="list", null_call=False)\n'
                  'def f(x, y): return [len(x)] * len(x)')
        number = self.define(source)
        self.assertEqual(self.host.map(number, [(1, None), (1, 2), (None, 1), (3, 4)]),
                         [None, 2, None, 2])
        self.assertEqual(self.host.call(number, 1, 2), 1)

    def test_null_call_of_nothing_but_null(self):
        source = ('from pyudf import udf\n@udf(func_type="list", null_call=False)\n'
                  'def f(x): raise ValueError')
        number = self.define(source)
        self.assertEqual(self.host.map(number, [(None,), (None,)]), [None, None])
        self.assertIsNone(self.host.call(number, None))

    def test_sequences(self):
        for made in ('tuple(x)', 'range(2)', 'array.array("d", [0, 1])',
                     'collections.deque(x)', 'dict(enumerate(x)).values()',
                     'type("L", (list,), {})(x)'):
            source = f'import array, collections\n{LIST}def f(x): return {made}'
            with self.subTest(made=made):
                if 'values' in made:
                    self.fails("TypeError: returned an object of type 'dict_values'",
                               self.map, source, [(0,), (1,)])
                else:
                    self.assertEqual(self.map(source, [(0,), (1,)]), [0, 1])

    def test_lengths(self):
        number = self.define(LIST + 'def f(x): return [0] * x[0]')
        for count, rows, text in ((3, 4, '3 values for 4 rows'),
                                  (1, 2, '1 value for 2 rows'),
                                  (0, 1, '0 values for 1 row'),
                                  (5, 4, '5 values for 4 rows')):
            failed = self.fails(f'^ValueError: returned {text}$', self.host.map,
                                number, [(count,)] * rows)
            self.assertEqual((failed.done, failed.rows), (0, []))

    def test_what_is_no_column(self):
        for made, kind in (('None', 'NoneType'), ('1', 'int'), ('"ab"', 'str'),
                           ('b"ab"', 'bytes'), ('{0: 1, 1: 2}', 'dict'),
                           ('(v for v in x)', 'generator'), ('set(x)', 'set'),
                           ('memoryview(b"ab")', 'memoryview')):
            with self.subTest(made=made):
                failed = self.fails(
                    f"TypeError: returned an object of type '{kind}'; a batch function returns a list",
                    self.map, LIST + f'def f(x): return {made}', [(0,), (1,)])
                self.assertEqual(failed.done, 0)

    def test_what_is_no_value(self):
        failed = self.fails("TypeError: a result of type 'complex'", self.map,
                            LIST + 'def f(x): return [1, 1j]', [(0,), (1,)])
        self.assertEqual((failed.done, failed.rows), (0, []))

    def test_list_that_shrinks(self):
        """The conversion of an item may run code of the user's."""
        source = ('import enum\n' + LIST + 'def f(x):\n'
                  '    result = [None] * len(x)\n'
                  '    class E(enum.Enum):\n'
                  '        A = 1\n'
                  '    class V:\n'
                  '        __class__ = property(lambda s: result.clear() or E)\n'
                  '    result[0] = V()\n'
                  '    return result')
        self.fails('Error', self.map, source, [(0,), (1,)])

    def test_error_of_the_function(self):
        failed = self.fails('^ValueError: bad', self.map,
                            LIST + 'def f(x): raise ValueError("bad")', [(0,)])
        self.assertEqual(failed.done, 0)
        self.assertNotIn('_batch', failed.traceback)

    def test_calls(self):
        number = self.define(LIST + 'def f(x): return [v for v in x]')
        for row in ALL:
            self.assertEqual(self.host.call(number, *row), row[0])
        number = self.define(LIST + 'def f(x): return [[v] for v in x]')
        self.assertEqual(type(self.host.call(number, 1)), Json)

    def test_big_text(self):
        text = 'x' * (1 << 20)
        number = self.define(LIST + 'def f(x): return x')
        self.assertEqual(self.host.map(number, [(text,), (text,)]), [text, text])
        self.assertEqual(self.host.call(number, text), text)

    def test_many_rows(self):
        rows = [(i,) for i in range(100000)]
        self.assertEqual(sum(self.map(LIST + 'def f(x): return x', rows)),
                         sum(range(100000)))


class Columns(BatchTest):
    """Prevents that columns of a result are taken in a wrong order."""

    def test_tuple_and_dict(self):
        for made in 'x, [str(v) for v in x]', '{"b": [str(v) for v in x], "a": x}':
            self.assertEqual(self.map(ROW + f'def f(x): return {made}',
                                      [(1,), (2,)], width=2), [(1, '1'), (2, '2')])

    def test_null_call(self):
        source = ROW.replace('func_type', 'null_call=False, func_type')
        self.assertEqual(self.map(source + 'def f(x): return x, x', [(1,), (None,), (2,)],
                                  width=2), [(1, 1), (None, None), (2, 2)])

    def test_wrong(self):
        for made, text in (
                ('x,', 'ValueError: returned 1 column instead of 2: a, b'),
                ('(x, x, x)', 'ValueError: returned 3 columns instead of 2: a, b'),
                ('{"a": x}', 'ValueError: returned the columns a instead of a, b'),
                ('{"a": x, "c": x}', 'returned the columns a, c instead of a, b'),
                ('(x, x[:1])', 'ValueError: returned 1 value for 2 rows'),
                ('[x, x]', "TypeError: returned an object of type 'list'; a batch function returns a tuple of columns"),
                ('x, 1', "TypeError: returned an object of type 'int'")):
            with self.subTest(made=made):
                self.fails(text, self.map, ROW + f'def f(x): return {made}',
                           [(1,), (2,)], width=2)

    def test_call_gives_an_object(self):
        number = self.define(ROW + 'def f(x): return [[v] for v in x], [None]')
        value = self.host.call(number, 1)
        self.assertEqual((value, type(value)), ('{"a":[1],"b":null}', Json))
        number = self.define(ROW + 'def f(x): return x, x')
        self.assertEqual(self.host.call(number, 'nan'), '{"a":"nan","b":"nan"}')
        self.assertEqual(
            self.host.call(self.define(ROW + 'def f(x): return [float("nan")], x'), 1),
            '{"a":null,"b":1}')

    def test_manifest(self):
        for text, columns in (
                ('ROW<a BIGINT, b STRING>', 'a\tBIGINT\nb\tSTRING'),
                ('ROW(a DECIMAL(5, 2), b ROW<c INT, d INT>) NOT NULL',
                 'a\tDECIMAL(5, 2)\nb\tROW<c INT, d INT>'),
                ('ROW<>', ''), ('BIGINT', '')):
            _, manifest = self.host.define(
                'from pyudf import udf\n'
                f'@udf(func_type="list", result_type={text!r})\ndef f(x): return x')
            self.assertEqual(manifest[12], columns)
            self.assertEqual(manifest[2] & 64, 64)

    def test_rows_that_are_none(self):
        for text, error in (('ROW', 'is not written ROW<name TYPE'),
                            ('ROW<a>', "'a' in 'ROW<a>' is not a name and an SQL type"),
                            ('ROW<a INT, a INT>', "has two fields 'a'"),
                            ('ROW<a INT,>', 'is not a name and an SQL type')):
            self.fails(error, self.host.define,
                       'from pyudf import udf\n'
                       f'@udf(func_type="list", result_type={text!r})\ndef f(x): return x')

    def test_without_a_parameter(self):
        self.fails("'f' has func_type='list' and no parameter", self.host.define,
                   LIST + 'def f(): return []')
        number, manifest = self.host.define(LIST + 'def f(*x): return x[0]')
        self.assertEqual(manifest[5:7], [1, -1])


class Both(BatchTest):
    def test_spaces_are_apart(self):
        other = Host()
        self.addCleanup(other.close)
        mine = self.define(LIST + 'def f(x): return ["mine"]')
        theirs, _ = other.define(LIST + 'def f(x): return ["theirs"]')
        self.assertEqual(self.host.call(mine, 1), 'mine')
        self.assertEqual(other.call(theirs, 1), 'theirs')
        with self.assertRaises(Failed):
            other.call(theirs)


if __name__ == '__main__':
    tap.main()
