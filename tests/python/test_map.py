"""python_map in a host that is a Python: what ends a map before its end, and
what it tells and takes meanwhile.

Each test runs in a fresh Python, so that a crash is one failure.
"""

import os
import pty
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest

import tap
from test_extension import BUILD, HOST

HAS_LIMITS = HOST and not subprocess.run(
    [HOST, '-c', 'import sqlite3; sqlite3.Connection.setlimit'],
    stderr=subprocess.DEVNULL).returncode

DRIVER = '''
import os, re, signal, sqlite3, sys, textwrap, threading, time
sys.dont_write_bytecode = True

def connect(mode, workers=2):
    db = sqlite3.connect(':memory:', isolation_level=None,
                         check_same_thread=False)
    db.enable_load_extension(True)
    db.load_extension(EXTENSION)
    for name, value in ('execution_mode', mode), ('workers', workers):
        db.execute("UPDATE python_settings SET value = ? WHERE name = ?",
                   (value, 'python_' + name))
    return db

def count_to(n):
    return (f'WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 '
            f'FROM c LIMIT {n}) SELECT i, i FROM c')

def start(db, name, query, more=''):
    return db.execute(
        'SELECT key, value FROM python_map(?, ?)' + more, (name, query))

def error(db, name, query, more=''):
    try:
        start(db, name, query, more).fetchall()
    except sqlite3.Error as exc:
        return str(exc)

def define(db, source):
    db.execute('SELECT python_define(?)', (textwrap.dedent(source),))

def workers(db):
    return db.execute('SELECT pid FROM python_workers WHERE own').fetchall()
'''


class Map(unittest.TestCase):
    def host(self, code, *modes):
        """Runs the code once for each mode; what it printed."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        script = (f"EXTENSION = {os.path.join(BUILD, 'pyudf')!r}\n"
                  f'FOLDER = {folder.name!r}\n' + DRIVER +
                  f'for MODE in {modes or ("process", "thread")!r}:\n' +
                  textwrap.indent(textwrap.dedent(code), '    '))
        done = subprocess.run(
            [HOST, '-c', script], text=True, capture_output=True, timeout=120,
            env=dict(os.environ, PYTHONPATH=''))
        self.assertEqual((done.returncode, done.stderr), (0, ''), done.stdout)
        return done.stdout

    # Rows that nobody wants must not be run, and who ran them goes on.
    def test_an_end_before_the_end(self):
        self.host('''
            calls = FOLDER + '/' + MODE
            db = connect(MODE)
            define(db, f"""
            import os, time
            state = []
            def note(x):
                state.append(x)
                with open({calls!r}, 'a') as file: file.write('.')
                time.sleep(0.002)
                return x
            def noted(): return len(state)
            def pid(): return os.getpid()
            """)
            db.execute('SELECT pid()').fetchone()
            before = db.execute('SELECT pid()').fetchone()
            for end in 'limit', 'reset', 'close', 'error':
                if end == 'limit':
                    rows = start(db, 'note', count_to(10**6), ' LIMIT 5').fetchall()
                    assert rows == [(i, i) for i in range(1, 6)], rows
                elif end == 'error':
                    error(db, 'note', f"{count_to(100)} UNION ALL SELECT 1, x'00' + abs(-9223372036854775808)")
                else:
                    cursor = start(db, 'note', count_to(10**6))
                    assert next(cursor) == (1, 1)
                    if end == 'close': cursor.close()
                    del cursor
            assert os.path.getsize(calls) < 50000, os.path.getsize(calls)
            assert db.execute('SELECT noted() > 0').fetchone() == (1,)
            assert db.execute('SELECT pid()').fetchone() == before
            assert start(db, 'note', count_to(50)).fetchall()[-1] == (50, 50)
            db.close()
        ''')

    # A row that does not end must not hold up who has had enough rows.
    def test_a_row_that_is_in_the_way(self):
        self.host('''
            db = connect(MODE)
            define(db, """
            import os, time
            def hang(x):
                while x > 40: time.sleep(0.01)
                return x
            def pid(): return os.getpid()
            """)
            before = db.execute('SELECT pid()').fetchone()
            rows = start(db, 'hang', count_to(1000), ' LIMIT 20').fetchall()
            assert len(rows) == 20
            assert db.execute('SELECT pid()').fetchone() == before
        ''', 'process')

    def test_an_interrupt(self):
        self.host('''
            db = connect(MODE)
            define(db, """
            import time
            def slow(x):
                time.sleep(0.005)
                return x
            def same(x): return x
            """)
            timer = threading.Timer(0.3, db.interrupt)
            timer.start()
            assert error(db, 'slow', count_to(10**6)) == 'interrupted'
            assert len(start(db, 'same', count_to(1000)).fetchall()) == 1000
            # Of the query's own, while the workers have nothing to do.
            timer = threading.Timer(0.3, db.interrupt)
            timer.start()
            endless = 'WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c) SELECT i, i FROM c'
            assert error(db, 'same', endless + ' WHERE i < 0') == 'interrupted'
            db.close()
        ''')

    # The worker that died has had a batch, whose keys are told; once more only
    # where that is asked for and the function says that it may.
    def test_a_worker_that_dies(self):
        self.host('''
            db = connect(MODE)
            flag = FOLDER + '/flag'
            define(db, f"""
            import os
            from pyudf import udf
            @udf(deterministic=True)
            def once(x):
                if x == 3000 and not os.path.exists({flag!r}):
                    open({flag!r}, 'w').close()
                    os.kill(os.getpid(), 9)
                return x
            @udf
            def die(x):
                if x == 3000: os.kill(os.getpid(), 9)
                return x
            """)
            said = r'python function die: worker \\d+ was killed by SIGKILL at keys? '
            assert re.match(said, error(db, 'die', count_to(5000)))
            db.execute("UPDATE python_settings SET value = 'retry' WHERE name = 'python_on_crash'")
            assert re.match(said, error(db, 'die', count_to(5000)))
            assert db.execute("SELECT count(*) FROM python_errors WHERE function = 'die'").fetchone() == (2,)
            rows = start(db, 'once', count_to(5000)).fetchall()
            assert rows == [(i, i) for i in range(1, 5001)]
            assert os.path.exists(flag)
            db.close()
        ''', 'process')

    def test_what_is_said_of_it(self):
        out = self.host('''
            db = connect(MODE)
            define(db, """
            import os
            def die(x):
                if x == 20: os.abort()
                return x
            """)
            print(error(db, 'die', count_to(5000)))
            print(error(db, 'die', 'SELECT 7, 20'))
        ''', 'process')
        lines = out.splitlines()
        said = r'python function die: worker \d+ was killed by SIGABRT at key'
        self.assertRegex(lines[0], said + r's 1 to 32$')
        self.assertRegex(lines[1], said + r' 7$')

    # From outside, at any time: an error or all rows, and the next statement works.
    def test_workers_that_are_killed(self):
        self.host('''
            db = connect(MODE)
            define(db, """
            import time
            def nap(x):
                time.sleep(0.0005)
                return x
            """)
            for turn in range(6):
                cursor = start(db, 'nap', count_to(3000))
                rows = [next(cursor) for _ in range(200 * turn + 1)]
                for pid, in workers(db)[turn % 2:]:
                    os.kill(pid, signal.SIGKILL)
                try:
                    rows += cursor.fetchall()
                    assert len(rows) == 3000
                except sqlite3.Error as exc:
                    assert 'SIGKILL' in str(exc) or 'has ended' in str(exc), exc
                assert rows == [(i, i) for i in range(1, len(rows) + 1)]
                assert len(start(db, 'nap', count_to(300)).fetchall()) == 300
            db.close()
        ''', 'process')

    # Whatever the number of rows and their size.
    @unittest.skipIf(os.environ.get('PYUDF_SANITIZER'),
                     'a sanitizer maps more than the limit')
    def test_memory(self):
        self.host('''
            import resource
            resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20))
            db = connect(MODE)
            define(db, """
            def same(x): return x
            def wide(x): return 'w' * 20000
            """)
            db.execute('PRAGMA temp_store = memory')
            asked = 'SELECT count(*), sum(length(value)) FROM python_map(?, ?)'
            rows = db.execute(asked, ('same', count_to(10**6))).fetchone()
            assert rows[0] == 10**6, rows
            rows = db.execute(asked, ('wide', count_to(50000))).fetchone()
            assert rows == (50000, 10**9), rows
            wide = count_to(200).replace('SELECT i, i', 'SELECT i, zeroblob(5000000)')
            rows = db.execute(asked, ('same', wide)).fetchone()
            assert rows == (200, 10**9), rows
        ''', 'process')

    # Two at once, in the same workers: each has its own rows.
    def test_two_maps(self):
        self.host('''
            db = connect(MODE)
            define(db, 'def same(x): return x')
            one, two = [start(db, 'same', count_to(30000)) for _ in range(2)]
            ours = [next(one) for _ in range(100)]
            theirs = [next(two) for _ in range(7000)]
            ours += [next(one) for _ in range(9000)]
            one.close()
            theirs += two.fetchall()
            assert ours == [(i, i) for i in range(1, 9101)]
            assert theirs == [(i, i) for i in range(1, 30001)]
            # What is set meanwhile is for what comes then.
            one = start(db, 'same', count_to(30000))
            next(one)
            db.execute("UPDATE python_settings SET value = '/tmp' WHERE name = 'python_path'")
            assert len(one.fetchall()) == 29999
            one = start(db, 'same', count_to(30000))
            next(one)
            other = 'thread' if MODE == 'process' else 'process'
            db.execute("UPDATE python_settings SET value = ? WHERE name = 'python_execution_mode'", (other,))
            assert len(one.fetchall()) == 29999
            db.close()
        ''')

    # A result that SQLite does not take is the error of its row.
    @unittest.skipUnless(HAS_LIMITS, "this Python's sqlite3 sets no limits")
    def test_a_result_too_long(self):
        out = self.host('''
            db = connect(MODE)
            define(db, 'def wide(n): return "w" * n')
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100000)
            query = 'SELECT i, iif(i = 7, 100001, 100000) FROM (%s)' % count_to(20)
            try:
                start(db, 'wide', query).fetchall()
            except sqlite3.Error as exc:
                print(exc)
            assert error(db, 'wide', query, ' LIMIT 6') is None
        ''')
        self.assertEqual(
            out, "python function wide: a result of 100001 bytes is over "
            "SQLite's limit at key 7\n" * 2)

    # The crew is the parent's.
    def test_a_fork(self):
        out = self.host('''
            db = connect(MODE)
            define(db, 'def same(x): return x')
            cursor = start(db, 'same', count_to(20000))
            assert next(cursor) == (1, 1)
            child = os.fork()
            if not child:
                try:
                    cursor.fetchall()
                except sqlite3.Error as exc:
                    print(exc, flush=True)
                del cursor
                print(len(start(db, 'same', count_to(100)).fetchall()), flush=True)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert len(cursor.fetchall()) == 19999
            db.close()
        ''', 'process')
        self.assertEqual(
            out, 'python_map: this process was forked while the statement ran: '
            'run it anew\n100\n')

    # More connections than workers that there may be: nobody waits for another.
    def test_a_bound_on_workers(self):
        self.host('''
            os.environ['PYUDF_MAX_WORKERS'] = '3'
            dbs = [connect(MODE, 8) for _ in range(2)]
            for db in dbs:
                define(db, 'import time\\ndef nap(x):\\n  time.sleep(0.01)\\n  return x')
            cursors = [start(db, 'nap', count_to(100)) for db in dbs]
            for cursor in cursors:
                assert len(cursor.fetchall()) == 100
        ''', 'process')


class Progress(unittest.TestCase):
    CODE = '''
db = connect(MODE)
db.execute("UPDATE python_settings SET value = 'on' WHERE name = 'python_progress'")
define(db, 'import time\\ndef nap(x):\\n  time.sleep(0.01)\\n  return x')
assert len(start(db, 'nap', count_to(WORTH)).fetchall()) == WORTH
'''

    def run_on_terminal(self, mode, rows):
        script = (f"EXTENSION = {os.path.join(BUILD, 'pyudf')!r}\n"
                  f'MODE, WORTH = {mode!r}, {rows}\n' + DRIVER + self.CODE)
        ours, theirs = pty.openpty()
        try:
            with tempfile.TemporaryFile() as out:
                host = subprocess.Popen([HOST, '-c', script], stdin=theirs,
                                        stdout=out, stderr=theirs)
                os.close(theirs)
                said = b''
                while True:
                    try:
                        more = os.read(ours, 4096)
                    except OSError:  # the host has ended
                        break
                    if not more:
                        break
                    said += more
                self.assertEqual(host.wait(), 0, said)
                out.seek(0)
                self.assertEqual(out.read(), b'')
        finally:
            os.close(ours)
        return said.decode()

    # On a terminal, and nothing is left on its line.
    def test_a_line(self):
        for mode, crew in ('process', r', [12] workers?'), ('thread', ''):
            said = self.run_on_terminal(mode, 400)
            lines = said.split('\033[K\r')
            self.assertGreater(len(lines), 1, said)
            for line in lines[:-1]:
                self.assertRegex(
                    line, r'^python_map nap: \d+ rows, \d+ rows/s' + crew +
                    r', \d+\.\d s$')
            self.assertEqual(lines[-1], '\033[K')
            counts = [int(n) for n in re.findall(r'(\d+) rows,', said)]
            self.assertEqual(counts, sorted(counts))

    def test_none_for_what_is_quick(self):
        self.assertEqual(self.run_on_terminal('process', 5), '')

    def test_none_without_a_terminal(self):
        script = (f"EXTENSION = {os.path.join(BUILD, 'pyudf')!r}\n"
                  f"MODE, WORTH = 'process', 400\n" + DRIVER + self.CODE)
        done = subprocess.run([HOST, '-c', script], capture_output=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, b'', b''))


if __name__ == '__main__':
    if HOST is None:
        print('1..0 # SKIP no Python whose sqlite3 loads extensions')
        sys.exit(0)
    tap.main()
