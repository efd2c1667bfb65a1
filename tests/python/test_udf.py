"""The package's public face: udf, ScalarFunction, DataTypes."""

import asyncio
import math
import pickle
import unittest

import tap
import pyudf
from pyudf import DataTypes, ScalarFunction, udf
from pyudf._udf import decorated_in, spec_of, target


@udf
def plain(x):
    """The doc."""
    return x + 1


@udf(result_type='BIGINT', deterministic=True, name='other')
def configured(x, y=2):
    return x * y


class Scale(ScalarFunction):
    def __init__(self, factor):
        self.factor = factor

    def eval(self, x):
        return x * self.factor


class Udf(unittest.TestCase):
    def test_the_function_stays_a_function(self):
        self.assertEqual(plain(1), 2)
        self.assertEqual((plain.__name__, plain.__doc__), ('plain', 'The doc.'))
        self.assertEqual(configured(3), 6)
        self.assertIs(pickle.loads(pickle.dumps(plain)), plain)

    def test_defaults_are_the_careful_ones(self):
        spec = spec_of(plain)
        self.assertEqual(
            (spec.deterministic, spec.direct_only, spec.innocuous,
             spec.null_call, spec.mode, spec.result_type),
            (False, True, False, True, 0, None))

    def test_what_is_said_is_kept(self):
        spec = spec_of(configured)
        self.assertEqual((spec.deterministic, spec.name, spec.result_type),
                         (True, 'other', 'BIGINT'))
        spec = spec_of(udf(plain, [DataTypes.INT()], DataTypes.DOUBLE(), True,
                           mode='process', null_call=False, direct_only=False,
                           innocuous=True))
        self.assertEqual((spec.input_types, spec.result_type, spec.mode,
                          spec.null_call, spec.direct_only, spec.innocuous),
                         (['INT'], 'DOUBLE', 1, False, False, True))

    def test_one_function_may_be_declared_twice(self):
        def f(x):
            return x
        a = udf(f, name='a')
        b = udf(f, name='b')
        self.assertIsNone(spec_of(f))
        self.assertEqual((spec_of(a).name, spec_of(b).name), ('a', 'b'))
        self.assertEqual((a(1), b(2)), (1, 2))

    def test_what_is_no_plain_function(self):
        root = udf(math.sqrt, result_type='DOUBLE')
        self.assertEqual(root(9), 3)
        self.assertIs(target(root), math.sqrt)
        scale = udf(Scale(3), result_type='BIGINT')
        self.assertEqual(scale(4), 12)
        self.assertEqual(target(scale)(5), 15)

        @udf
        class Twice(ScalarFunction):
            def eval(self, x):
                return 2 * x
        self.assertEqual(Twice(4), 8)

    def test_async(self):
        @udf
        async def f(x):
            return x
        self.assertEqual(asyncio.run(f(3)), 3)

    def test_wrong_declarations_say_so(self):
        bad = [
            (TypeError, 'no_such', dict(no_such=1)),
            (ValueError, 'timeout must be', dict(timeout=-1)),
            (ValueError, 'timeout must be', dict(timeout=True)),
            (TypeError, 'cache', dict(cache=5)),
            (TypeError, 'deterministic', dict(deterministic=1)),
            (TypeError, 'name must be', dict(name=3)),
            (ValueError, 'mode must be', dict(mode='threads')),
            (ValueError, "one of 'general', 'list', 'numpy', 'pandas', 'arrow', not 'x'", dict(func_type='x')),
            (ValueError, "'BIGIN' is no SQL type", dict(result_type='BIGIN')),
            (TypeError, 'result_type must be', dict(result_type=int)),
            (ValueError, 'input_types', dict(input_types=['INT', 'x'])),
            (ValueError, 'compile is for functions of single values',
             dict(compile='numba', func_type='list')),
        ]
        for error, text, keywords in bad:
            with self.subTest(keywords):
                with self.assertRaisesRegex(error, text):
                    udf(**keywords)(len)
        with self.assertRaisesRegex(TypeError, 'not int'):
            udf(3)

    def test_the_module_knows_what_it_declared(self):
        self.assertEqual(decorated_in(globals())[:2], [plain, configured])


class Types(unittest.TestCase):
    def test_texts(self):
        d = DataTypes
        for made, text in [
                (d.BIGINT(), 'BIGINT'),
                (d.STRING(False), 'STRING NOT NULL'),
                (d.INT().not_null(), 'INT NOT NULL'),
                (d.INT(False).nullable(), 'INT'),
                (d.DECIMAL(10, 2), 'DECIMAL(10, 2)'),
                (d.VARCHAR(5), 'VARCHAR(5)'),
                (d.TIMESTAMP(3), 'TIMESTAMP(3)'),
                (d.ARRAY(d.INT()), 'ARRAY<INT>'),
                (d.MAP('STRING', d.DOUBLE()), 'MAP<STRING, DOUBLE>'),
                (d.ROW([d.FIELD('a', d.INT()), d.FIELD('b', 'DATE')]),
                 'ROW<a INT, b DATE>')]:
            self.assertEqual(str(made), text)
            self.assertEqual(made, eval(repr(made), vars(pyudf)))
        self.assertNotEqual(d.INT(), 'INT')


class Versions(unittest.TestCase):
    def test_c_and_python_agree(self):
        from pyudf import _runtime
        self.assertEqual(pyudf.__version__, _runtime.version)
        self.assertEqual(pyudf._abi, _runtime.abi)


if __name__ == '__main__':
    tap.main()
