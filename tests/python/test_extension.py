"""The extension in a host that is a Python: functions and modules that use the
very connection that calls them, and a host that changes its directory.

Each test runs in a fresh Python, so that a crash is one failure.
"""

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

import tap

BUILD = os.environ.get('PYUDF_BUILD', '.')

DRIVER = '''
import builtins, os, sqlite3, sys
sys.dont_write_bytecode = True
db = builtins.DB = sqlite3.connect(':memory:', isolation_level=None)
db.enable_load_extension(True)
db.load_extension(EXTENSION)

def ask(sql, *args):
    try:
        return db.execute(sql, args).fetchone()[0]
    except sqlite3.Error as exc:
        return f'error: {exc}'
builtins.ask = ask
said = builtins.said = []  # what the connection answered to functions

def say(sql):
    said.append(ask(sql))
builtins.say = say

def write(path, text):
    with open(path, 'w') as file:
        file.write(text)

def use(mode):
    db.execute('UPDATE python_settings SET value = ? '
               "WHERE name = 'python_execution_mode'", (mode,))
'''


def find_host():
    """A Python whose sqlite3 loads extensions: not all are built for it."""
    code = ("import sqlite3, sys; sqlite3.connect('').enable_load_extension; "
            'assert sys.version_info >= (3, 11)')
    for python in sys.executable, '/usr/bin/python3':
        try:
            subprocess.run([python, '-c', code], capture_output=True, check=True)
            return python
        except (OSError, subprocess.CalledProcessError):
            pass
    return None


HOST = find_host()


@unittest.skipUnless(HOST, 'no Python whose sqlite3 loads extensions')
class ExtensionTest(unittest.TestCase):
    def run_python(self, code):
        """Runs the code in a folder of its own; the lines that it printed."""
        extension = os.path.abspath(os.path.join(BUILD, 'pyudf'))
        with tempfile.TemporaryDirectory(prefix='pyudf-test-') as folder:
            done = subprocess.run(
                [HOST, '-c',
                 f'EXTENSION = {extension!r}' + DRIVER + textwrap.dedent(code)],
                cwd=os.path.realpath(folder), capture_output=True, text=True,
                timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split('\n')[:-1]


class Changed(ExtensionTest):
    """A file that changes between its definition and the next time it is made."""

    def test_columns(self):
        # Rows of as many columns as the file now says were written where there was
        # room for those that SQL knows.
        out = self.run_python('''
            def version(columns):
                write('tables.py', f"""from pyudf import udf, udtf
            COLUMNS = [f'c{{i}}' for i in range({columns})]
            @udtf(columns=COLUMNS)
            def rows(n):
                for i in range(n): yield (i,) * len(COLUMNS)
            @udf(func_type='list', result_type='ROW<' + ', '.join(
                f'{{c}} INT' for c in COLUMNS) + '>')
            def batch(x): return (x,) * len(COLUMNS)
            """)
            for mode in 'process', 'thread':
                use(mode)
                version(2)
                print(ask("SELECT python_import('./tables.py')"))
                print(ask('SELECT c1 FROM rows(1)'))
                db.execute("CREATE VIRTUAL TABLE temp.m USING "
                           "python_map(batch, 'SELECT 1, 5')")
                db.execute("CREATE VIRTUAL TABLE temp.r USING "
                           "python_map(rows, 'SELECT 1, 1')")
                print(ask('SELECT c1 FROM m'), ask('SELECT c1 FROM r'))
                version(40)
                db.execute("UPDATE python_settings SET value = '/tmp' "
                           "WHERE name = 'python_path'")
                print(ask('SELECT c1 FROM rows(1)'))
                print(ask('SELECT c1 FROM m'), ask('SELECT c1 FROM r'))
                db.execute('DROP TABLE m')
                db.execute('DROP TABLE r')
                print(ask('SELECT python_reload()'), ask('SELECT c39 FROM rows(1)'))
                db.execute("UPDATE python_settings SET value = '' "
                           "WHERE name = 'python_path'")
        ''')
        by_now = ('has 40 columns by now, and 2 when it was defined: '
                  'python_reload() or define it anew')
        self.assertEqual(out, 2 * [
            'rows,batch', '0', '5 0',
            f'error: python function rows: {by_now}',
            f'error: python function batch: {by_now} '
            f'error: python function rows: {by_now}',
            'rows,batch 0'])


class Nested(ExtensionTest):
    """In thread mode: what is changed while it is being changed."""

    def test_a_drop_in_a_reload(self):
        # A failed one freed the slots of functions that the reload found new.
        out = self.run_python('''
            use('thread')
            sys.path.insert(0, os.getcwd())
            write('ma.py', 'def fa(x): return x')
            write('mb.py', 'def fb(x): return x')
            write('mc.py', 'def fc(x): return x')
            print(ask("SELECT python_import('ma') || python_import('mb') || "
                      "python_import('mc')"))
            write('ma.py', 'def fa(x): return x\\ndef new(x, y=1): return x + y')
            write('mb.py', "say(\\"SELECT python_drop('none')\\")\\n"
                           "say(\\"SELECT python_drop('fc')\\")\\n"
                           "keep = ['x' * i for i in range(200)]\\n"
                           'def fb(x): return x')
            print(ask('SELECT python_reload()'))
            print(*said, sep='\\n')
            print(ask('SELECT new(1) + new(1, 2)'))
            print(ask('SELECT fc(1)'))
            ''')
        self.assertEqual(out, [
            'fafbfc', 'fa,new,fb',
            'error: python_drop: no such python function: none', 'fc', '5',
            'error: no such python function: fc (did you mean fb?)'])

    def test_a_definition_in_a_definition(self):
        out = self.run_python('''
            use('thread')
            write('m.py', "say(\\"SELECT python_define('a', 'len')\\")\\n"
                          'keep = ["x" * i for i in range(200)]\\n'
                          'def f(x, y=0): return x')
            print(ask("SELECT python_import('./m.py')"), ask('SELECT f(4)'))
            print(ask('SELECT python_reload()'), ask('SELECT f(5, 6)'))
            print(*said, sep='\\n')
            print(ask('SELECT count(*) FROM python_functions'))
            ''')
        refused = 'error: python_define: another definition is being made'
        self.assertEqual(out, ['f 4', 'f 5', refused, refused, '1'])

    def test_sql_when_a_function_is_closed(self):
        # The statement's end began to sweep again, amidst the sweep.
        out = self.run_python('''
            use('thread')
            source = """
            from pyudf import udf, ScalarFunction
            class F(ScalarFunction):
                def eval(self, x):
                    return x
                def close(self):
                    say("SELECT python_eval('1')")
                    say("SELECT python_define('late', 'lambda: 7')")
                    say("SELECT python_drop('late')")
                    say("SELECT python_define('last', 'lambda: 8')")
            %s = udf(F())
            """
            for name in 'f', 'g':
                print(ask('SELECT python_define(?)', source % name))
            print(ask("SELECT python_drop('f') || python_drop('g')"))
            print(ask('SELECT last()'), said)
            print(ask("SELECT python_define('h', 'lambda: 9')"), ask('SELECT h()'))
            print(ask('SELECT group_concat(name) FROM python_functions'))
            ''')
        once = "1, 'late', 'late', 'last'"
        self.assertEqual(out, ['f', 'g', 'fg', f'8 [{once}, {once}]', 'h 9',
                               'last,h'])


class Directory(ExtensionTest):
    """A host that changes its directory, while a worker keeps its own."""

    def both(self, code):
        answers = [self.run_python(f'use({mode!r})\n' + textwrap.dedent(code))
                   for mode in ('process', 'thread')]
        self.assertEqual(*answers)
        return answers[0]

    def test_a_file_is_the_hosts(self):
        out = self.both('''
            os.makedirs('sub')
            write('m.py', 'def f(): return "here"')
            write('sub/m.py', 'def f(): return "sub"')
            print(ask("SELECT python_eval('1')"))
            os.chdir('sub')
            for path in './m.py', 'm.py', '  m.py:f ', '../m.py', './none.py':
                print(ask('SELECT python_import(?)', path).replace(
                    os.path.dirname(os.getcwd()), '<folder>'), ask('SELECT f()'))
            os.chdir('..')
            print(ask('SELECT python_reload()'), ask('SELECT f()'))
            print(ask('SELECT source FROM python_functions'))
            use('thread')
            print(ask('SELECT f()'))
            ''')
        self.assertEqual(out, [
            '1', 'f sub', 'f sub', 'f sub', 'f here', 'error: python_import: '
            '<folder>/sub/none.py: No such file or directory here', 'f here',
            'm.py:1', 'here'])

    def test_entries_of_python_path_are_the_hosts(self):
        out = self.both('''
            os.makedirs('sub/lib')
            write('sub/lib/m_of_lib.py', 'def f(): return "lib"')
            write('sub/m_of_sub.py', 'def g(): return "sub"')
            os.chdir('sub')
            where = os.getcwd()
            shown = ask("PRAGMA python_path='lib::.:./lib:/usr'")
            print(shown.replace(where, '<here>'))
            print(ask('PRAGMA python_path') == shown)
            os.chdir('/')
            print(ask("SELECT python_import('m_of_lib')"))
            print(ask("SELECT python_import('m_of_sub')"))
            ''')
        self.assertEqual(out, ['<here>/lib::<here>:<here>/lib:/usr', 'True', 'f',
                               'g'])


if __name__ == '__main__':
    tap.main()
