"""Which callables carry compiled code, and what udf(compile=...) refuses."""

import ctypes
import gc
import sys
import unittest
from ctypes import (CFUNCTYPE, PYFUNCTYPE, c_bool, c_char_p, c_double, c_float,
                    c_int, c_int64, c_longdouble, c_size_t, c_uint8, c_void_p)
from unittest import mock

import tap
from pyudf import _native, udf
from pyudf._errors import UsageError
from pyudf._udf import DEFAULT, spec_of, target

LIBM = ctypes.CDLL('libm.so.6')
REAL = CFUNCTYPE(c_double, c_double)


def of(function):
    native = _native.native_of(target(function), DEFAULT)
    if native is None:
        return None
    names = [_native.NAMES[kind] for kind in native.types]
    return _native.NAMES[native.result], names, native.parameters


class Recognised(unittest.TestCase):
    def test_pointers_with_types(self):
        self.assertEqual(of(REAL(('cos', LIBM))), ('double', ['double'], ['a0']))
        kind = CFUNCTYPE(c_bool, c_int, c_size_t, c_uint8, c_float)
        self.assertEqual(of(kind(('cos', LIBM))),
                         ('bool', ['int32', 'uint64', 'uint8', 'float'],
                          ['a0', 'a1', 'a2', 'a3']))

    def test_functions_of_a_library(self):
        library = ctypes.CDLL('libm.so.6')
        self.assertIsNone(of(library.cos))
        library.cos.restype = c_double
        self.assertIsNone(of(library.cos))
        library.cos.argtypes = [c_double]
        self.assertEqual(of(library.cos), ('double', ['double'], ['a0']))
        self.assertEqual(of(udf(library.cos)), ('double', ['double'], ['a0']))

    def test_the_address_is_the_code_s(self):
        cos = REAL(('cos', LIBM))
        native = _native.native_of(cos, DEFAULT)
        self.assertEqual(native.address, ctypes.cast(cos, c_void_p).value)
        self.assertEqual(REAL(native.address)(0), 1)

    def test_looking_at_it_leaves_no_reference(self):
        cos = REAL(('cos', LIBM))
        before = sys.getrefcount(cos)
        _native.native_of(cos, DEFAULT)
        self.assertEqual(sys.getrefcount(cos), before)

    def test_nothing_else(self):
        class Own(c_double):
            pass
        for kind in (CFUNCTYPE(None, c_double), CFUNCTYPE(c_double, c_char_p),
                     CFUNCTYPE(c_void_p), CFUNCTYPE(c_double, Own),
                     CFUNCTYPE(c_longdouble, c_double), PYFUNCTYPE(c_int),
                     CFUNCTYPE(c_double, c_double, use_errno=True)):
            self.assertIsNone(of(kind(('cos', LIBM))), kind)
        self.assertIsNone(of(ctypes.pythonapi.Py_IsInitialized))
        self.assertIsNone(of(abs))
        self.assertIsNone(of(lambda x: x))

    def test_a_null_pointer_is_refused(self):
        with self.assertRaisesRegex(UsageError, '^a function pointer that is '
                                    'NULL cannot be called$'):
            of(REAL())

    def test_errcheck_is_python(self):
        cos = REAL(('cos', LIBM))
        cos.errcheck = lambda result, function, arguments: result
        self.assertIsNone(of(cos))


class Callbacks(unittest.TestCase):
    """Their code is Python, however they come."""

    def test_made_by_ctypes(self):
        def double(x):
            return 2 * x
        callback = REAL(double)
        self.assertIs(target(callback), double)
        self.assertIs(target(udf(callback, name='double')), double)
        self.assertIsNone(of(callback))

    def test_a_cast_of_one(self):
        def double(x):
            return 2 * x
        cast = ctypes.cast(REAL(double), REAL)
        self.assertIs(target(cast), double)
        cast = ctypes.cast(ctypes.cast(REAL(double), c_void_p), REAL)
        self.assertIs(target(cast), double)

    def test_of_any_callable(self):
        class Caller:
            def __call__(self, x):
                return x
        caller = Caller()
        self.assertIs(target(REAL(caller)), caller)
        self.assertIs(target(REAL(float)), float)

    def test_the_search_ends(self):
        holder = REAL(('cos', LIBM))
        ctypes.cast(holder, c_void_p)  # which has it hold itself
        self.assertIs(target(holder), holder)
        del holder
        gc.collect()


class Refused(unittest.TestCase):
    def refused(self, kind, pattern, *args, **more):
        with self.assertRaisesRegex(kind, pattern):
            udf(*args, **more)

    def test_what_compile_is(self):
        self.refused(ValueError, "^udf: compile must be 'numba' or None, not "
                     "'cython'$", lambda x: x, compile='cython')
        self.refused(TypeError, "^udf: compile='numba' wants a Python function, "
                     'not builtin_function_or_method$', abs, compile='numba')

    def test_types_come_before_numba(self):
        def f(x: int, y=2) -> int:
            return x
        with mock.patch.dict(sys.modules, numba=None):
            self.refused(ValueError, "parameter 'y' of 'f' has a default", f,
                         compile='numba')
            self.refused(ValueError, 'takes any number of arguments',
                         lambda *x: x, compile='numba')
            self.refused(ValueError, "parameter 'x' of '<lambda>': annotate it",
                         lambda x: x, compile='numba')
            self.refused(ValueError, "is VARCHAR.10.; BOOLEAN, BIGINT and DOUBLE",
                         lambda x: x, 'VARCHAR(10)', 'INT', compile='numba')
            self.refused(ValueError, 'has 2 input_types for 1 parameters',
                         lambda x: x, ['INT', 'INT'], 'INT', compile='numba')

    def test_without_numba(self):
        with mock.patch.dict(sys.modules):
            sys.modules.pop('numba', None)

            class Nowhere:
                @staticmethod
                def find_spec(name, path=None, target=None):
                    if name == 'numba':
                        raise ModuleNotFoundError("No module named 'numba'",
                                                  name='numba')
            with mock.patch.object(sys, 'meta_path', [Nowhere, *sys.meta_path]):
                self.refused(ValueError, "^udf: compile='numba' needs numba, which "
                             'this Python does not have: pip install numba$',
                             lambda x: x, 'INT', 'INT', compile='numba')

    def test_with_a_numba_that_does_not_come_up(self):
        with mock.patch.dict(sys.modules):
            sys.modules.pop('numba', None)

            class Broken:
                @staticmethod
                def find_spec(name, path=None, target=None):
                    if name == 'numba':
                        raise ImportError('Numba needs NumPy 1.0 or less\nfor so')
            with mock.patch.object(sys, 'meta_path', [Broken, *sys.meta_path]):
                self.refused(ValueError, 'numba, which cannot be imported: Numba '
                             'needs NumPy 1.0 or less$',
                             lambda x: x, 'INT', 'INT', compile='numba')

    def test_the_rest_stays(self):
        @udf
        def f(x):
            return x
        self.assertIsNone(spec_of(f).native)
        self.assertEqual(c_int64(f(3)).value, 3)


if __name__ == '__main__':
    tap.main()
