"""python_define: what a source registers."""

import pickle
import sys

import tap
from sessions import (ARGUMENTS, CODES, FLAGS, FUNCTION, MAX, MIN, MODE, MODULE,
                      NAME, PLACE, RESULT, SessionTest)


class Source(SessionTest):
    def test_public_functions(self):
        rows = self.source('import math\n'
                           'from os.path import join\n'
                           'LIMIT = 3\n'
                           'def b(s: str, n: int = 3) -> str:\n'
                           '    return s * n\n'
                           'def a(x): return _helper(x)\n'
                           'def _helper(x): return x + LIMIT\n'
                           'class Helper: pass\n'
                           'square = lambda x: x * x\n')
        self.assertEqual(self.names(rows), ['b', 'a', 'square'])
        row = rows[0]
        self.assertEqual(
            (row[MIN], row[MAX], row[ARGUMENTS], row[RESULT], row[MODULE],
             row[PLACE], row[FLAGS], row[MODE], len(row[CODES])),
            (1, 2, 's: str, n: int = 3', 'str', 'pyudf_session1.define1',
             '<define 1>:4', 2 | 8, 0, 127))
        self.assertEqual(rows[1][FUNCTION](1), 4)

    def test_decorated_ones_only(self):
        rows = self.source(
            'from pyudf import udf\n'
            'import math, functools\n'
            'def public(x): return x\n'
            '@udf(name="second", mode="thread", deterministic=True,\n'
            '     direct_only=False, innocuous=True, null_call=False)\n'
            'def _hidden(x): return x\n'
            'root = udf(math.sqrt)\n'
            'inc = udf(lambda x: x + 1)\n'
            '@functools.lru_cache\n'
            '@udf\n'
            'def cached(x): return x\n')
        self.assertEqual(self.names(rows), ['second', 'root', 'inc', 'cached'])
        self.assertEqual((rows[0][FLAGS], rows[0][MODE]), (1 | 4, 2))
        self.assertEqual(rows[1][FUNCTION](9), 3)
        self.assertTrue(hasattr(rows[3][FUNCTION], 'cache_info'))

    def test_declared_in_a_loop_or_under_one_name(self):
        rows = self.source('from pyudf import udf\n'
                           'for n in (1, 2):\n'
                           '    @udf(name=f"add{n}")\n'
                           '    def add(x, n=n): return x + n\n'
                           '@udf\n'
                           'def f(x): return 1\n'
                           '@udf\n'
                           'def f(x, y): return 2\n'
                           '@udf\n'
                           'def f(x): return 3\n')
        self.assertEqual([(r[NAME], r[MIN]) for r in rows],
                         [('add1', 1), ('add2', 1), ('f', 2), ('f', 1)])
        self.assertEqual(rows[0][FUNCTION](1), 2)
        self.assertEqual(rows[2][FUNCTION](0, 0), 2)
        self.assertEqual(rows[3][FUNCTION](0), 3)

    def test_a_declaration_by_a_helper_of_another_module(self):
        self.write('deco_helper.py',
                   'from pyudf import udf\n'
                   'def mine(f): return udf(f, deterministic=True)\n')
        sys.path.insert(0, self.folder)
        self.addCleanup(sys.path.remove, self.folder)
        rows = self.source('from deco_helper import mine\n'
                           '@mine\n'
                           'def f(x): return x\n'
                           'def g(x): return x\n')
        self.assertEqual(self.names(rows), ['f'])
        self.assertTrue(rows[0][FLAGS] & 1)

    def test_the_module_is_a_real_one(self):
        rows = self.source('import dataclasses, typing\n'
                           '@dataclasses.dataclass\n'
                           'class P:\n'
                           '    x: "int"\n'
                           'def hints(): return typing.get_type_hints(P)\n'
                           'def p(x): return P(x)\n')
        self.assertEqual(rows[0][FUNCTION](), {'x': int})
        p = rows[1][FUNCTION](1)
        self.assertEqual(pickle.loads(pickle.dumps(p)), p)
        name = rows[0][MODULE]
        self.assertIn(name, sys.modules)
        self.session.forget(1)
        self.assertNotIn(name, sys.modules)
        self.assertNotIn('pyudf_session1', sys.modules)
        self.assertEqual(rows[1][FUNCTION](2).x, 2)  # statements may be open

    def test_a_margin_is_no_error(self):
        rows = self.source('\n    def f(x):\n        return x\n'
                           '    def g(x):\n        return f(x)\n')
        self.assertEqual(self.names(rows), ['f', 'g'])
        self.assertEqual(rows[0][PLACE], '<define 1>:2')

    def test_what_cannot_be_registered_says_why(self):
        refused = self.refused
        refused('defines no function.*x .int.', self.source, 'x = 3')
        refused('defines nothing', self.source, '')
        refused('begin its name with _', self.source,
                'def ok(x): return x\nclass A:\n def step(self, x): 0')
        refused('keyword-only', self.source,
                'class A:\n def step(self, *, x): 0\n def finalize(self): 0')
        refused('but no create_accumulator', self.source,
                'class A:\n def accumulate(self, a, x): 0\n'
                ' def get_value(self, a): 0')
        refused("'f' yields rows, so it is a table function", self.source,
                'from pyudf import udf\n@udf\ndef f(x): yield x')
        refused('keyword-only', self.source, 'def f(*, x): return x')
        refused('longer than 255', self.source,
                f'def {"f" * 256}(x): return x')
        refused('cannot be the name', self.source,
                'from pyudf import udf\n@udf(name="a\\nb")\ndef f(x): 0')
        refused('not valid UTF-8', self.source, 'def f(): "\udcff"')
        with self.assertRaises(SyntaxError):
            self.source('def f(:')
        with self.assertRaises(SystemExit):
            self.source('raise SystemExit(3)')
        self.assertEqual([m for m in sys.modules if 'pyudf_s' in m], [])

    def test_unicode_names(self):
        rows = self.source('def größe(x): return x')
        self.assertEqual(self.names(rows), ['größe'])

    def test_made_again_in_the_same_order(self):
        text = 'def a(x): return 1\ndef b(x): return 2\ndef c(x): return 3\n'
        rows = self.source(text, expect='c\na')
        self.assertEqual(self.names(rows), ['c', 'a'])
        self.refused(r'python_reload\(\)', self.source, text, expect='a\nd')

    def test_a_failed_replacement_leaves_the_old_one(self):
        self.source('def a(x): return 1\n', number=7)
        module = sys.modules['pyudf_session1.define7']
        with self.assertRaises(ZeroDivisionError):
            self.source('1 / 0', number=7)
        self.assertIs(sys.modules['pyudf_session1.define7'], module)
        rows = self.source('def a(x): return 2\n', number=7)
        self.assertEqual(rows[0][FUNCTION](0), 2)
        self.assertIsNot(sys.modules['pyudf_session1.define7'], module)

    def test_stateful_functions(self):
        rows = self.source(
            'from pyudf import ScalarFunction, udf\n'
            'log = []\n'
            'class Count(ScalarFunction):\n'
            '    def open(self, context): self.n = 10; log.append("open")\n'
            '    def eval(self, by: int = 1): self.n += by; return self.n\n'
            '    def close(self): log.append("close")\n'
            'count = udf(Count(), result_type="BIGINT")\n')
        row, = rows
        self.assertEqual((row[NAME], row[MIN], row[MAX], row[ARGUMENTS],
                          row[RESULT]), ('count', 0, 1, 'by: int = 1', 'BIGINT'))
        self.assertEqual((row[FUNCTION](), row[FUNCTION](5)), (11, 16))
        log = sys.modules[row[MODULE]].log
        self.session.forget(1)
        self.assertEqual(log, ['open', 'close'])
        row, = self.source('from pyudf import ScalarFunction\n'
                           'class Twice(ScalarFunction):\n'
                           '    def eval(self, x): return 2 * x\n')
        self.assertEqual((row[NAME], row[FUNCTION](4)), ('Twice', 8))

    def test_async(self):
        row, = self.source('import asyncio\n'
                           'async def f(x):\n'
                           '    await asyncio.sleep(0)\n'
                           '    return x + 1\n')
        self.assertEqual(row[FUNCTION](1), 2)

        async def host():  # that runs SQL, which calls f
            return row[FUNCTION](2)
        import asyncio
        self.assertEqual(asyncio.run(host()), 3)


class Named(SessionTest):
    def test_expressions(self):
        for source, argument, want in [
                ('lambda x: x + 1', 1, 2),
                ('  \n lambda x: math.sqrt(x) ', 9, 3),
                ('math.sqrt', 9, 3),
                ('os.path.basename', '/a/b', 'b'),
                ('xml.sax.saxutils.escape', '<', '&lt;'),
                ('str.upper', 'a', 'A'),
                ('int', '7', 7),
                ('functools.partial(max, 3)', 5, 5),
                ('lambda time: time + (lambda math: math)(1)', 1, 2),
                ('lambda x: [json for json in [x]][0]', 5, 5),
                ('(lambda x:\n  x)', 4, 4)]:
            with self.subTest(source):
                row = self.named('f', source)
                self.assertEqual((row[NAME], row[FUNCTION](argument)),
                                 ('f', want))

    def test_names_that_are_no_modules(self):
        row = self.named('f', 'lambda x: no_such_name_x')
        with self.assertRaisesRegex(NameError, 'no_such_name_x'):
            row[FUNCTION](1)
        # A parameter is not imported, whatever its name.
        sys.modules.pop('this', None)
        self.named('f', 'lambda this: this')
        self.assertNotIn('this', sys.modules)

    def test_defs(self):
        for source in ('def g(x): return 7',
                       'import math\ndef _helper(): 0\ndef g(x): return 7',
                       'def helper(): 0\ndef f(x): return 7',
                       'g = lambda x: 7',
                       'def _g(x): return 7',
                       '  def g(x):\n    return 7\n',
                       'from pyudf import udf\ndef h(): 0\n'
                       '@udf(name="z")\ndef g(x): return 7'):
            with self.subTest(source):
                row = self.named('f', source)
                self.assertEqual((row[NAME], row[FUNCTION](0)), ('f', 7))

    def test_errors(self):
        self.refused('defines a, b', self.named, 'f',
                     'def a(): 0\ndef b(): 0')
        self.refused('neither an expression', self.named, 'f', 'import math')
        self.refused("type 'int', which cannot be called", self.named, 'f', '3')
        self.refused('declare it with udtf', self.named, 'f',
                     'from pyudf import udf\n@udf\ndef f(x): yield x')
        self.refused('keyword-only', self.named, 'f',
                     'class A:\n def step(self, *, x): 0\n def finalize(self): 0')
        self.refused("'' cannot be the name", self.named, '', 'len')
        with self.assertRaises(SyntaxError) as caught:
            self.named('f', 'lambda x: (')
        self.assertEqual(caught.exception.filename, '<define 7>')


class Eval(SessionTest):
    def eval(self, text, *args):
        return self.session.expression(text, len(args))(*args)

    def test_names(self):
        self.source('def twice(x): return 2 * x\ndef math(): return "mine"\n')
        self.assertEqual(self.eval('twice(a0) + a1', 3, 4), 10)
        self.assertEqual(self.eval('math()'), 'mine')
        self.session.forget(1)
        self.assertEqual(self.eval('math.floor(math.pi)'), 3)
        with self.assertRaises(NameError):
            self.eval('twice(1)')

    def test_a_new_definition_is_seen_by_old_expressions(self):
        self.source('def f(): return 1')
        self.assertEqual(self.eval('f()'), 1)
        self.source('def f(): return 2')
        self.assertEqual(self.eval('f()'), 2)
        self.session.forget(2)
        self.assertEqual(self.eval('f()'), 1)

    def test_names_that_several_definitions_have(self):
        self.source('def f(): return 1\ndef g(): return "g"')
        self.source('def f(x): return 2')
        self.source('def f(x, y): return 3')
        self.session.forget(2)
        self.assertEqual(self.eval('f(0, 0)'), 3)
        self.source('def f(x, y): return 4', number=3)
        self.assertEqual(self.eval('f(0, 0)'), 4)
        self.session.forget(3)
        self.assertEqual(self.eval('f()'), 1)
        self.session.forget(1)
        for text in ('f()', 'g()'):
            with self.assertRaises(NameError):
                self.eval(text)

    def test_inner_scopes(self):
        self.assertEqual(self.eval('[a0 for _ in range(2)]', 1), [1, 1])
        self.assertEqual(self.eval('(y := a0) + y', 2), 4)
        self.assertEqual(self.eval(' a0 # end', 3), 3)

    def test_only_expressions(self):
        for text in ('', 'x = 1', '1), (2', 'import os', 'yield 1', '1\n2'):
            with self.subTest(text), self.assertRaises(SyntaxError):
                self.eval(text)

    def test_many_expressions_are_not_kept(self):
        for i in range(1000):
            self.assertEqual(self.eval(f'{i}'), i)
        self.assertLessEqual(len(self.session._expressions), 256)

    def test_long_expressions_are_not_kept(self):
        self.assertEqual(len(self.eval(repr('x' * 5000))), 5000)
        self.assertEqual(self.session._expressions, {})


if __name__ == '__main__':
    tap.main()
