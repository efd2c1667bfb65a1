"""Results of other types than SQLite's, and JSON."""

import collections
import dataclasses
import datetime
import decimal
import enum
import pathlib
import unittest
import uuid

import tap
from pyudf._adapt import adapt, encode, json_text, json_value

try:
    import numpy
except ImportError:
    numpy = None


class Color(enum.Enum):
    RED = 'red'
    DAY = datetime.date(2024, 2, 29)
    PAIR = (1, 2)


class Number(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


class Scalars(unittest.TestCase):
    def test_each_type(self):
        d = datetime
        key = uuid.UUID('12345678123456781234567812345678')
        for obj, want in [
                (decimal.Decimal('1.50'), '1.50'),
                (d.date(2024, 2, 29), '2024-02-29'),
                (d.time(1, 2, 3), '01:02:03'),
                (d.datetime(2024, 2, 29, 1, 2, 3), '2024-02-29 01:02:03'),
                (d.datetime(2024, 2, 29, 1, 2, 3, 4000, d.timezone.utc),
                 '2024-02-29 01:02:03.004000+00:00'),
                (key, '12345678-1234-5678-1234-567812345678'),
                (pathlib.PurePosixPath('/a'), '/a'),
                (Color.RED, 'red'),
                (Color.DAY, '2024-02-29'),
                (Color.PAIR, ('[1,2]',))]:
            with self.subTest(obj):
                self.assertEqual(adapt(obj), want)

    def test_what_has_no_form(self):
        for obj in (object(), 1j, {1, 2}, Point, len, datetime.timedelta(1)):
            with self.assertRaisesRegex(TypeError, type(obj).__name__):
                adapt(obj)

    def test_big_numbers_are_never_floats(self):
        for number in (2**63, -2**63 - 1, 10**5000):
            with self.assertRaisesRegex(OverflowError, '64 bits'):
                adapt(number)


class Json(unittest.TestCase):
    def test_nesting(self):
        Pair = collections.namedtuple('Pair', 'a b')
        for obj, want in [
                ({}, '{}'),
                ([1, 2.5, None, True, 'ä"'], '[1,2.5,null,true,"ä\\""]'),
                ({'a': {'b': [Point(1, Point(2))]}},
                 '{"a":{"b":[{"x":1,"y":{"x":2,"y":null}}]}}'),
                (Pair(1, 2), '[1,2]'),
                (collections.OrderedDict(a=1), '{"a":1}'),
                ([decimal.Decimal('1.0'), datetime.date(2024, 1, 1), Color.RED,
                  Number.ONE, Color.PAIR], '["1.0","2024-01-01","red",1,[1,2]]'),
                ({1: 'a', None: 'b'}, '{"1":"a","null":"b"}'),
                ({datetime.date(2024, 1, 1): {uuid.UUID(int=0): 1}},
                 '{"2024-01-01":'
                 '{"00000000-0000-0000-0000-000000000000":1}}'),
                (2**70 and [2**70], '[1180591620717411303424]')]:
            with self.subTest(obj):
                self.assertEqual(adapt(obj), (want,))

    def test_what_json_does_not_have(self):
        for number in (float('nan'), float('inf')):
            with self.assertRaises(ValueError):
                json_text([number])
        for obj in ([object()], [b'x'], {b'k': 1}, [{1}]):
            with self.assertRaisesRegex(TypeError, 'no form in JSON'):
                json_text(obj)
        loop = []
        loop.append(loop)
        with self.assertRaises(ValueError):
            json_text(loop)

    def test_in(self):
        self.assertEqual(json_value('{"a": [1, null]}'), {'a': [1, None]})
        with self.assertRaises(ValueError):
            json_value('nothing')


class Text(unittest.TestCase):
    def test_surrogates(self):
        for raw in (b'a\xffb', b'\xed\xa0\x80', b'\x80\x80'):
            text = raw.decode('utf-8', 'surrogateescape')
            self.assertEqual(encode(text), raw)
        self.assertEqual(encode('\ud800\udcffä'), b'\xed\xa0\x80\xff\xc3\xa4')


@unittest.skipUnless(numpy, 'no numpy')
class Numpy(unittest.TestCase):
    def test_scalars(self):
        n = numpy
        for obj, want in [(n.int8(-3), -3), (n.uint64(7), 7),
                          (n.float32(0.5), 0.5), (n.longdouble(0.5), 0.5),
                          (n.bool_(True), True), (n.str_('a'), 'a'),
                          (n.datetime64('2024-02-29'), '2024-02-29'),
                          (n.datetime64('NaT'), None)]:
            with self.subTest(obj):
                self.assertEqual(adapt(obj), want)
        with self.assertRaises(OverflowError):
            adapt(n.uint64(2**64 - 1))
        with self.assertRaises(TypeError):
            adapt(n.complex128(1j))

    def test_arrays(self):
        array = numpy.arange(3, dtype='u1')
        self.assertEqual(bytes(adapt(array)), b'\0\1\2')
        self.assertEqual(json_text({'a': array, 'b': numpy.int64(3)}),
                         '{"a":[0,1,2],"b":3}')


if __name__ == '__main__':
    tap.main()
