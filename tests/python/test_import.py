"""python_import: modules, files, picks, reloading."""

import os
import sys

import tap
from sessions import (FUNCTION, MODULE, NAME, PLACE, SessionTest)


class Modules(SessionTest):
    def setUp(self):
        super().setUp()
        sys.path.insert(0, self.folder)
        before = set(sys.modules)

        def restore():
            sys.path.remove(self.folder)
            for name in set(sys.modules) - before:
                if name.startswith('user_'):
                    del sys.modules[name]
        self.addCleanup(restore)

    def test_public_functions(self):
        self.write('user_a.py', 'from os.path import join\n'
                                'def f(x): return x\n'
                                'def _g(x): return x\n'
                                'class C: pass\n')
        rows = self.imported('user_a')
        self.assertEqual(self.names(rows), ['f'])
        self.assertEqual((rows[0][MODULE], rows[0][PLACE]),
                         ('user_a', 'user_a.py:2'))

    def test_all(self):
        self.write('user_b.py', '__all__ = ["g", "N", "C"]\nN = 3\n'
                                'class C: pass\n'
                                'def f(x): return x\ndef g(x): return x\n')
        self.assertEqual(self.names(self.imported('user_b')), ['g'])

    def test_decorated_also_in_submodules(self):
        self.write('user_p/__init__.py', 'from .text import slug\n'
                                         'from user_q import other\n')
        self.write('user_p/text.py', 'from pyudf import udf\n'
                                     '@udf\ndef slug(s): return s\n'
                                     'def plain(s): return s\n')
        self.write('user_q.py', 'from pyudf import udf\n'
                                '@udf\ndef other(s): return s\n')
        self.assertEqual(self.names(self.imported('user_p')), ['slug'])
        self.assertEqual(self.names(self.imported('user_p.text')), ['slug'])
        self.assertEqual(self.names(self.imported('user_p', 'other')), ['other'])

    def test_builtin_and_installed_modules(self):
        names = self.names(self.imported('math'))
        self.assertIn('sqrt', names)
        self.assertIn('hypot', names)
        self.assertIn('median', self.names(self.imported('statistics')))
        names = self.names(self.imported('glob'))  # iglob is a generator
        self.assertIn('glob', names)
        self.assertIn('iglob', names)
        self.refused('no function to register', self.imported, 'errno')

    def test_own_modules_are_not_guessed_at(self):
        self.write('user_c.py', 'def f(x): return x\nclass g:\n'
                                ' def step(self, x): 0\n')
        self.refused(r"class 'g' has step\(\) but no finalize", self.imported,
                     'user_c')
        self.assertEqual(self.names(self.imported('user_c', 'f')), ['f'])

    def test_picks(self):
        self.write('user_d.py', 'from pyudf import udf\n'
                                'def f(x): return 1\n'
                                '@udf(name="gg")\n'
                                'def g(x): return 2\n'
                                'class C:\n'
                                '    @staticmethod\n'
                                '    def m(x): return 3\n')
        rows = self.imported('user_d', 'f , g, gg as h,C.m, f AS ff')
        self.assertEqual([(r[NAME], r[FUNCTION](0)) for r in rows],
                         [('f', 1), ('gg', 2), ('h', 2), ('m', 3), ('ff', 1)])
        self.assertEqual(self.names(self.imported('user_d:f')), ['f'])
        self.assertEqual(self.names(self.imported('math:sqrt')), ['sqrt'])
        self.refused("has no function 'ff'; did you mean 'f'", self.imported,
                     'user_d', 'ff')
        self.refused("did you mean 'sqrt'", self.imported, 'math', 'sqr')
        self.refused('neither a name', self.imported, 'user_d', 'f,')
        self.refused('neither a name', self.imported, 'user_d', 'f to g')
        self.refused('names a function already', self.imported, 'user_d:f', 'g')
        self.refused("'pi' is of type 'float'", self.imported, 'math', 'pi')
        self.refused('is empty', self.imported, ' ')

    def test_modules_that_fail(self):
        with self.assertRaisesRegex(ModuleNotFoundError, 'user_none'):
            self.imported('user_none')
        self.write('user_e.py', '1 / 0')
        with self.assertRaises(ZeroDivisionError):
            self.imported('user_e')

    def test_reload(self):
        self.write('user_f.py', 'def f(x): return 1\ndef old(x): return 1\n')
        self.assertEqual(self.imported('user_f')[0][FUNCTION](0), 1)
        # The same size within the same second: bytecode must not be trusted.
        self.write('user_f.py', 'def f(x): return 2\ndef new(x): return 1\n')
        self.assertEqual(self.imported('user_f')[0][FUNCTION](0), 1)
        rows = self.imported('user_f', reload=1)
        self.assertEqual(rows[0][FUNCTION](0), 2)
        self.assertEqual(self.names(rows), ['f', 'new'])

    def test_reload_takes_changed_submodules_along(self):
        self.write('user_g/__init__.py', 'from .part import f\n__all__ = ["f"]')
        part = self.write('user_g/part.py', 'def f(x): return 1\n')
        self.assertEqual(self.imported('user_g')[0][FUNCTION](0), 1)
        self.write('user_g/part.py', 'def f(x): return 2\n')
        os.utime(part, (1, 1))
        self.assertEqual(self.imported('user_g', reload=1)[0][FUNCTION](0), 2)

    def test_reload_of_declarations(self):
        head = 'from pyudf import udf\n'
        self.write('user_h.py', head + '@udf\ndef f(x): return 1\n')
        self.assertEqual(self.names(self.imported('user_h')), ['f'])
        self.write('user_h.py', head + '@udf\ndef g(x): return 1\n')
        # importlib.reload() itself leaves f in the module.
        self.assertEqual(self.names(self.imported('user_h', reload=1)), ['g'])
        self.assertEqual(self.names(self.imported('user_h')), ['g'])

    def test_reload_keeps_what_is_not_defined_there(self):
        self.write('user_j.py', 'from os.path import join\nimport os\n'
                   'cache = globals().get("cache") or {}\n'
                   'def f(x): return 1\ndef g(x): return len(cache)\n')
        self.imported('user_j')
        module = sys.modules['user_j']
        module.cache['x'] = cache = module.cache
        self.write('user_j.py', 'cache = globals().get("cache") or {}\n'
                   'def g(x): return len(cache)\n')
        self.assertEqual(self.names(self.imported('user_j', reload=1)), ['g'])
        self.assertIs(module.cache, cache)
        self.assertTrue(callable(module.join))

    def test_one_that_changed_since(self):
        self.write('user_i.py', 'def f(x): return 1\n')
        self.refused(r"'g' is no longer in user_i.*python_reload\(\)",
                     self.imported, 'user_i', expect='f\ng')

    def test_path_of_the_session(self):
        from pyudf._session import Session
        session = Session(f'{self.folder}/x:/no/such/dir')
        self.assertEqual(sys.path[:2], [f'{self.folder}/x', '/no/such/dir'])
        session.close()
        self.assertNotIn('/no/such/dir', sys.path)


class Files(SessionTest):
    def test_a_file(self):
        path = self.write('slug.py', 'import dataclasses\n'
                                     '@dataclasses.dataclass\n'
                                     'class P: x: int\n'
                                     'def slug(s): return P(s)\n')
        row, = self.imported(path)
        self.assertEqual((row[NAME], row[MODULE], row[PLACE]),
                         ('slug', 'slug', 'slug.py:4'))
        self.assertNotIn('slug', sys.modules)
        self.assertEqual(row[FUNCTION](1).x, 1)
        self.assertEqual(self.names(self.imported(path + ':slug')), ['slug'])
        self.refused("module 'slug' has no function 'slag'; did you mean 'slug'",
                     self.imported, path, 'slag')
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        self.assertEqual(self.names(self.imported('slug.py')), ['slug'])
        self.refused('No such file', self.imported, 'slag.py')

    def test_two_sessions_have_two_modules(self):
        from pyudf._session import Session
        path = self.write('state.py', 'n = 0\n'
                                      'def count():\n'
                                      '    global n\n'
                                      '    n += 1\n'
                                      '    return n\n')
        first, = self.imported(path)
        other = Session(None)
        second, = other.define(1, 2, 0, None, None, path, None, None)
        self.assertEqual((first[FUNCTION](), first[FUNCTION](),
                          second[FUNCTION]()), (1, 2, 1))
        self.assertEqual(first[MODULE], second[MODULE])
        other.close()

    def test_what_lies_beside_it(self):
        self.write('beside_it.py', 'def help(x): return x + 1\n')
        path = self.write('main.py', 'from beside_it import help as _help\n'
                                     'def f(x): return _help(x)\n')
        self.addCleanup(sys.modules.pop, 'beside_it', None)
        before = list(sys.path)
        self.assertEqual(self.imported(path)[0][FUNCTION](1), 2)
        self.assertEqual(sys.path, before)

    def test_run_anew(self):
        path = self.write('again.py', 'def f(x): return 1\n')
        self.assertEqual(self.imported(path, number=1)[0][FUNCTION](0), 1)
        self.write('again.py', 'def f(x): return 2\n')
        rows = self.imported(path, number=1, reload=1)
        self.assertEqual(rows[0][FUNCTION](0), 2)
        self.session.forget(1)
        self.assertEqual([m for m in sys.modules if 'pyudf_file' in m], [])

    def test_decorated(self):
        path = self.write('deco.py', 'from pyudf import udf\n'
                                     '@udf\ndef f(x): return 1\n'
                                     'def g(x): return 1\n')
        self.assertEqual(self.names(self.imported(path)), ['f'])


if __name__ == '__main__':
    tap.main()
