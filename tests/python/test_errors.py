"""Exceptions as texts."""

import tap
from pyudf._errors import UsageError, describe, nearest
from sessions import FUNCTION, SessionTest

CODE, TYPE, TEXT, FILE, LINE, TRACEBACK = range(6)


class Describe(SessionTest):
    def told(self, function, *args):
        try:
            function(*args)
        except BaseException as exc:
            fields = describe(exc, self.session, function)
            return [f.decode() if isinstance(f, bytes) else f for f in fields]
        self.fail('no exception')

    def test_place_and_traceback(self):
        f, g = (row[FUNCTION] for row in self.source(
            'import json\n'
            'def f(x):\n'
            '    raise ValueError("bad input")\n'
            'def g(x):\n'
            '    return json.loads(x)\n'))
        told = self.told(f, 1)
        self.assertEqual(told[:5],
                         [1, 'ValueError', 'bad input', '<define 1>', 3])
        self.assertIn('    raise ValueError("bad input")', told[TRACEBACK])
        told = self.told(g, '[')
        self.assertEqual(told[TYPE:LINE + 1],
                         ['json.decoder.JSONDecodeError',
                          'Expecting value: line 1 column 2 (char 1)',
                          '<define 1>', 5])
        # Where no code of the user's was running: the function is the place.
        told = describe(TypeError('a result'), self.session, f)
        self.assertEqual(told[FILE:TRACEBACK], (b'<define 1>', 2))
        self.assertEqual(describe(TypeError(), None, len)[FILE:TRACEBACK],
                         (None, 0))

    def test_classes(self):
        f = self.source('class MyError(Exception): pass\n'
                        'def f(x): raise MyError(x)\n')[0][FUNCTION]
        self.assertEqual(self.told(f, 'x')[TYPE], 'MyError')

    def test_syntax_errors(self):
        told = self.told(self.source, 'x = 1\ndef f(:\n')
        self.assertEqual((told[TYPE], told[FILE], told[LINE]),
                         ('SyntaxError', '<define 1>', 2))
        self.assertNotIn('<define', told[TEXT])
        path = self.write('broken.py', '\n\ndef f(:\n')
        told = self.told(self.imported, path)
        self.assertEqual((told[FILE], told[LINE]), (path, 3))

    def test_definitions_that_fail(self):
        told = self.told(self.source, 'x = 1\n1 / 0\n')
        self.assertEqual(told[:5], [1, 'ZeroDivisionError', 'division by zero',
                                    '<define 1>', 2])
        self.assertIn('1 / 0', told[TRACEBACK])
        self.assertNotIn('_session.py', told[TRACEBACK])
        told = self.told(self.source, 'class E(Exception): pass\nraise E(1)\n')
        self.assertEqual(told[TYPE], 'E')

    def test_chains(self):
        f = self.source('def f(x):\n'
                        '    try:\n'
                        '        1 / 0\n'
                        '    except ZeroDivisionError as exc:\n'
                        '        raise KeyError("k") from exc\n')[0][FUNCTION]
        told = self.told(f, 1)
        self.assertEqual((told[TYPE], told[TEXT], told[LINE]),
                         ('KeyError', "'k'", 5))
        self.assertIn('division by zero', told[TRACEBACK])
        self.assertIn('direct cause', told[TRACEBACK])

    def test_hard_ones(self):
        class Bad(Exception):
            def __str__(self):
                raise ValueError

        def raises(exc):
            raise exc
        self.assertEqual(self.told(raises, Bad())[TEXT],
                         '<exception str() failed>')
        self.assertEqual(self.told(raises, ValueError('a\udcff'))[TEXT],
                         'a\\udcff')
        self.assertEqual(self.told(raises, MemoryError())[CODE], 3)
        self.assertEqual(self.told(raises, SystemExit(3))[TYPE:FILE],
                         ['SystemExit', '3'])
        self.assertEqual(self.told(raises, KeyboardInterrupt())[TYPE],
                         'KeyboardInterrupt')
        self.assertEqual(self.told(raises, UsageError('this'))[:3],
                         [2, None, 'this'])

        class Placeless(SyntaxError):
            filename = property(lambda self: 1 / 0)

        class Name(str):
            def __format__(self, spec):
                raise SystemExit
        Placeless.__qualname__ = Name('Named')
        told = self.told(raises, Placeless('it'))
        self.assertEqual((told[TYPE], told[TEXT], told[FILE]),
                         (f'{__name__}.Named'.removeprefix('__main__.'), 'it', __file__))
        self.assertIn('in raises\n', told[TRACEBACK])
        group = ExceptionGroup('many', [ValueError(1), KeyError(2)])
        self.assertIn('KeyError', self.told(raises, group)[TRACEBACK])

    def test_two_sessions_with_one_file_name(self):
        from pyudf._session import Session
        other = Session(None)
        self.addCleanup(other.close)
        f = self.source('def f(): raise ValueError("one")')[0][FUNCTION]
        other.define(1, 0, 0, 'pyudf_session2.define1', None,
                     'def f(): raise ValueError("two")', None, None)
        other.show_sources(['<define 1>'])
        self.assertIn('ValueError("one")', self.told(f)[TRACEBACK])

    def test_sources_are_shown_while_an_error_is_told(self):
        import linecache
        self.source('def g(): pass')
        f = self.source('def f(): raise ValueError("one")')[0][FUNCTION]
        self.assertIn('ValueError("one")', self.told(f)[TRACEBACK])
        self.assertEqual([n for n in linecache.cache if n[0] == '<'], [])


class Nearest(tap.unittest.TestCase):
    def test_names(self):
        self.assertEqual(nearest('slgu', ['slug', 'x']),
                         "; did you mean 'slug'?")
        self.assertEqual(nearest('SLUG', ['slug']), "; did you mean 'slug'?")
        self.assertEqual(nearest('abc', ['xyz']), '')


if __name__ == '__main__':
    tap.main()
