"""How many arguments a function takes, and how each arrives."""

import collections
import functools
import math
import typing
import unittest

import tap
from pyudf import DataTypes, udf
from pyudf._errors import UsageError
from pyudf._signature import (is_coroutine, is_generator, signature)
from pyudf._udf import DEFAULT, spec_of


def sig(function, spec=DEFAULT):
    return signature('f', function, spec)


def codes(function, count, spec=DEFAULT):
    return list(sig(function, spec).codes[:count])


class Method:
    def f(self, a, b=1):
        return a

    def __call__(self, x, y):
        return x


class Arity(unittest.TestCase):
    def test_counts(self):
        def wrapped(f):
            @functools.wraps(f)
            def g(*args, **keywords):
                return f(*args, **keywords)
            return g
        for function, low, high in [
                (lambda: 0, 0, 0),
                (lambda a, b: 0, 2, 2),
                (lambda a, /, b=1: 0, 1, 2),
                (lambda *a: 0, 0, -1),
                (lambda a, b=1, *c, d=2, **e: 0, 1, -1),
                (Method().f, 1, 2),
                (Method(), 2, 2),
                (Method.f, 2, 3),
                (functools.partial(lambda a, b, c: 0, 1), 2, 2),
                (functools.lru_cache(lambda a: 0), 1, 1),
                (wrapped(lambda a, b: 0), 2, 2),
                (math.sqrt, 1, 1),
                (math.hypot, 0, -1),
                (max, 0, -1),
                (str.upper, 1, 1)]:
            with self.subTest(function):
                self.assertEqual((sig(function).min, sig(function).max),
                                 (low, high))

    def test_what_sql_cannot_call(self):
        with self.assertRaisesRegex(UsageError, "keyword-only parameter 'k'"):
            sig(lambda a, *, k: 0)
        many = ', '.join(f'a{i}' for i in range(128))
        with self.assertRaisesRegex(UsageError, 'at most 127'):
            sig(eval(f'lambda {many}: 0'))
        sig(eval(f'lambda {many[:-6]}: 0'))

    def test_kinds(self):
        def gen():
            yield

        async def agen():
            yield

        async def co():
            return 1
        self.assertTrue(is_generator(gen) and is_generator(agen))
        self.assertTrue(is_coroutine(co) and is_coroutine(functools.partial(co)))
        self.assertFalse(is_generator(co) or is_coroutine(gen)
                         or is_coroutine(len) or is_generator(Method()))


class Texts(unittest.TestCase):
    def test_arguments_and_result(self):
        def f(s: str, n: int = 3, *rest: 'float', k=None) -> typing.Optional[int]:
            return 1

        def g(a, b='x' * 100):
            return 1
        self.assertEqual(sig(f).arguments,
                         's: str, n: int = 3, *rest: float, k=None')
        self.assertEqual(sig(f).result.replace('Union[int, NoneType]',
                                               'Optional[int]')
                         .replace('int | None', 'Optional[int]'),
                         'Optional[int]')
        self.assertTrue(sig(g).arguments.endswith('...'))
        self.assertEqual(sig(g).result, '')
        h = udf(f, result_type=DataTypes.BIGINT())
        self.assertEqual(sig(h, spec_of(h)).result, 'BIGINT')


class Codes(unittest.TestCase):
    def test_annotations(self):
        UserDict = typing.TypedDict('UserDict', {'a': int})
        Flag = typing.NewType('Flag', bool)
        for note, code in [
                (bool, 1), ('bool', 1), (typing.Optional[bool], 1),
                (bool | None, 1), ('bool | None', 1), (Flag, 1),
                (typing.Annotated[bool, 'x'], 1), (memoryview, 2), (dict, 3),
                (list, 3), (dict[str, int], 3), (typing.List[int], 3),
                (typing.Optional[typing.Dict[str, int]], 3), (dict | list, 3),
                (UserDict, 3), (int, 0), (bool | int, 0), (typing.Any, 0),
                ('no.such.name', 0), ('1 +', 0), (None, 0), (3, 0),
                (collections.OrderedDict, 0), (typing.Union[bool, dict], 0)]:
            def f(x):
                return x
            f.__annotations__['x'] = note
            f.__globals__.setdefault('typing', typing)
            with self.subTest(note):
                self.assertEqual(codes(f, 1), [code])

    def test_rest(self):
        def f(a, *b: bool):
            return a
        self.assertEqual(codes(f, 4), [0, 1, 1, 1])
        self.assertEqual(codes(Method().f, 2), [0, 0])

    def test_input_types(self):
        f = udf(lambda a, b, c: 0, ['BOOLEAN', DataTypes.ARRAY('INT'), 'INT'])
        self.assertEqual(codes(f, 3, spec_of(f)), [1, 3, 0])
        f = udf(lambda a, b: 0, ['INT'])
        with self.assertRaisesRegex(UsageError, '1 input_types for 2'):
            sig(f, spec_of(f))


if __name__ == '__main__':
    tap.main()
