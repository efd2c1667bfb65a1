"""The runtime in a Python that is not pyudf's own: the host is Python.

Each test runs in a fresh Python, which drives the runtime's table by ctypes.
"""

import os
import subprocess
import sys
import textwrap
import unittest

import tap
import pyudf

PACKAGE = os.path.dirname(os.path.abspath(pyudf.__file__))
PARENT = os.path.dirname(PACKAGE)

DRIVER = '''
import ctypes, os, sys, threading
PARENT = os.environ['TEST_PARENT']
OWNED = 0
lib = ctypes.CDLL(PARENT + '/pyudf/_runtime.abi3.so')  # leaves the GIL
P, U = ctypes.c_void_p, ctypes.c_uint32

class Value(ctypes.Structure):
    _fields_ = [('type', U), ('flags', U), ('integer', ctypes.c_int64),
                ('len', ctypes.c_uint64)]

class Err(ctypes.Structure):
    _fields_ = [('code', ctypes.c_int), ('line', ctypes.c_int),
                ('type', ctypes.c_char_p), ('text', ctypes.c_char_p),
                ('file', ctypes.c_char_p), ('traceback', ctypes.c_char_p)]

class Buf(ctypes.Structure):
    _fields_ = [('data', P), ('len', ctypes.c_size_t), ('size', ctypes.c_size_t),
                ('failed', ctypes.c_int)]

class Definition(ctypes.Structure):
    _fields_ = [('id', U), ('kind', U), ('reload', U),
                ('serial', ctypes.c_uint64)] + [
        (n, ctypes.c_char_p) for n in ('module', 'name', 'source', 'names',
                                       'expect')]

F = ctypes.CFUNCTYPE
I = ctypes.c_int
class Table(ctypes.Structure):
    _fields_ = [('abi', U), ('size', U),
                ('start', F(I, ctypes.c_char_p, I, P)),
                ('attach', F(None)), ('detach', F(None)),
                ('space_new', F(P, ctypes.c_char_p, P)),
                ('space_free', F(None, P)),
                ('define', F(I, P, P, P, P)), ('forget', F(None, P, U)),
                ('call', F(I, P, U, U, P, U, P, P)),
                ('eval', F(I, P, ctypes.c_char_p, P, U, P, P))]

lib.pyudf_runtime.restype = ctypes.POINTER(Table)
rt = lib.pyudf_runtime().contents
err = Err()

def start():
    return rt.start(PARENT.encode(), OWNED, ctypes.byref(err))

# A call with attach and detach around it has to be one call of C's for the GIL
# to be left meanwhile; PYFUNCTYPE keeps it, which attach must bear as well.
G = ctypes.PYFUNCTYPE
def held(field, *types):
    address = ctypes.cast(getattr(rt, field), P).value
    return G(*types)(address)
new = held('space_new', P, ctypes.c_char_p, P)
define = held('define', I, P, P, P, P)
call = held('call', I, P, U, U, P, U, P, P)
evaluate = held('eval', I, P, ctypes.c_char_p, P, U, P, P)

def make(space, source, number=1):
    d = Definition(id=number, serial=number, source=source,
                   module=b'pyudf_session1.define%d' % number)
    b = Buf()
    return define(space, ctypes.byref(d), ctypes.byref(b), ctypes.byref(err))

def run(space, argument, number=1):
    v, r = Value(1, 0, argument, 0), Value()
    rc = call(space, number, 0, ctypes.byref(v), 1, ctypes.byref(r),
              ctypes.byref(err))
    return rc or r.integer
'''


class HostTest(unittest.TestCase):
    def python(self, code, **environ):
        """Runs the code; what it printed."""
        done = subprocess.run(
            [sys.executable, '-c', DRIVER + textwrap.dedent(code)],
            env={**os.environ, 'TEST_PARENT': PARENT, **environ},
            input='for the host\n', capture_output=True, text=True, timeout=60)
        self.stderr = done.stderr
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split('\n')[:-1]


class Host(HostTest):
    def test_output_of_functions_is_led_away(self):
        out = self.python('''
            assert start() == 0, err.text
            assert PARENT not in sys.path
            space = new(None, None)
            assert make(space, b"def f(x):\\n  print('from f')\\n  return x") == 0
            assert run(space, 3) == 3
            r = Value()
            evaluate(space, b"print('from eval')", None, 0, ctypes.byref(r), None)
            print('from the host')
            ''')
        self.assertEqual(out, ['from the host'])
        self.assertEqual(self.stderr.split('\n')[:2], ['from f', 'from eval'])

    def test_the_input_of_the_host_is_left_alone(self):
        self.python('''
            assert start() == 0, err.text
            space = new(None, None)
            r = Value()
            assert evaluate(space, b"input('prompt')", None, 0, ctypes.byref(r),
                            ctypes.byref(err)) == -1
            assert err.type == b'EOFError', err.type
            assert input() == 'for the host'
            ''')
        self.assertEqual(self.stderr.split('\n')[0], 'prompt')

    def test_the_gil_held_and_left(self):
        out = self.python('''
            assert start() == 0
            space = new(None, None)
            source = b"""
            import threading
            local = threading.local()
            def f(x):
                local.n = getattr(local, 'n', 0) + 1
                return local.n
            """
            assert make(space, source) == 0, err.text
            attach = held('attach', None)
            detach = held('detach', None)
            results = []
            def many():
                for i in range(100):
                    attach(); n = run(space, i); detach()
                results.append(n)
            threads = [threading.Thread(target=many) for _ in range(4)]
            for t in threads: t.start()
            for t in threads: t.join()
            print(results)
            ''')
        self.assertEqual(out, ['[100, 100, 100, 100]'])

    def test_after_fork(self):
        out = self.python('''
            assert start() == 0
            space = new(None, None)
            assert make(space, b"def f(x): return x + 1") == 0
            attach, detach = held('attach', None), held('detach', None)
            attach(); run(space, 1); detach()
            pid = os.fork()
            if pid == 0:
                attach(); n = run(space, 41); detach()
                t = threading.Thread(target=lambda: (attach(), detach()))
                t.start(); t.join()
                os._exit(n)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            ''')
        self.assertEqual(out, ['42'])

    def test_another_package_of_that_name(self):
        out = self.python('''
            import types
            sys.modules['pyudf'] = other = types.ModuleType('pyudf')
            other.__version__ = '0.0.9'
            print(start(), err.code, err.text.decode())
            ''')
        self.assertRegex(out[0], r"-1 2 .*another package pyudf .*0\.0\.9.*"
                                 r'python_execution_mode=process works')

    def test_the_same_package_imported_by_the_host(self):
        out = self.python('''
            sys.path.insert(0, PARENT)
            import pyudf
            print(start())
            ''')
        self.assertEqual(out, ['0'])

    def test_subinterpreters_are_refused(self):
        out = self.python('''
            import textwrap
            try:
                import _interpreters as sub
                one = sub.create('legacy')
            except ImportError:
                import _xxsubinterpreters as sub
                one = sub.create(isolated=False)
            if sys.version_info < (3, 12):
                # It cannot tell which one calls: any is one too many.
                print(start(), err.text.decode())
            else:
                code = """
            import ctypes, os
            lib = ctypes.CDLL(os.environ['TEST_PARENT']
                              + '/pyudf/_runtime.abi3.so')
            class Head(ctypes.Structure):
                _fields_ = [('abi', ctypes.c_uint32), ('size', ctypes.c_uint32),
                    ('start', ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p,
                                               ctypes.c_int, ctypes.c_void_p))]
            lib.pyudf_runtime.restype = ctypes.POINTER(Head)
            err = (ctypes.c_void_p * 5)()
            rc = lib.pyudf_runtime().contents.start(b'/', 0, ctypes.byref(err))
            print(rc, ctypes.string_at(err[2]).decode(), flush=True)
            """
                sub.run_string(one, textwrap.dedent(code))
            sub.destroy(one)
            ''')
        self.assertRegex(out[0], '-1 .*subinterpreter')


class Streams(HostTest):
    def test_owned(self):
        out = self.python('''
            OWNED = 1
            assert start() == 0
            space = new(None, None)
            make(space, b"import sys\\ndef f(x):\\n  print('f')\\n"
                        b"  return len(sys.stdin.read())")
            assert run(space, 3) == 0
            os.write(1, b'host\\n')
            ''')
        self.assertEqual(out, ['host'])
        self.assertEqual(self.stderr, 'f\n')


SQLITE = '''
import ctypes, os, sys, threading, time
P, I = ctypes.c_void_p, ctypes.c_int
rows = []

@ctypes.PYFUNCTYPE(I, P, I, ctypes.POINTER(ctypes.c_char_p), P)
def collect(arg, count, values, names):
    rows.append(values[0].decode())
    return 0

class Database:
    "A connection in thread mode; held: the GIL is kept during calls."
    def __init__(self, held):
        kind = ctypes.PyDLL if held else ctypes.CDLL
        self.lib, self.db = kind('libsqlite3.so.0'), P()
        self.lib.sqlite3_open(b':memory:', ctypes.byref(self.db))
        self.lib.sqlite3_enable_load_extension(self.db, 1)
        path = os.environ['PYUDF_BUILD'] + '/pyudf'
        assert self.lib.sqlite3_load_extension(
            self.db, path.encode(), None, None) == 0
        self.run('PRAGMA python_execution_mode = thread')

    def run(self, sql):
        error = ctypes.c_char_p()
        if self.lib.sqlite3_exec(self.db, sql.encode(), collect, None,
                                 ctypes.byref(error)):
            rows.append(error.value.decode())

    def close(self):
        assert self.lib.sqlite3_close(self.db) == 0

UP_TO = ('(WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c'
         ' WHERE x < %d) SELECT x FROM c)')
'''


class Threads(HostTest):
    def both(self, code):
        return self.python(SQLITE + textwrap.dedent(code))

    # A long statement must not keep the host's own threads from Python for longer
    # than a thread of Python's would: counted beside one, as machines are busy.
    def test_a_statement_shares_the_gil(self):
        out = self.both('''
            SECONDS = 1.5
            db = Database(False)
            db.run("SELECT python_define('f', 'lambda x: x + 1')")
            stop = False
            def statement():
                while not stop: db.run('SELECT sum(f(x)) FROM ' + UP_TO % 20000)
            def plain():
                while not stop: sum(x + 1 for x in range(20000))
            def turns():
                until, count = time.monotonic() + SECONDS, 0
                while time.monotonic() < until:
                    time.sleep(0)
                    count += 1
                return count
            def beside(busy):
                global stop
                stop, counts = False, []
                first = threading.Thread(target=busy)
                others = [threading.Thread(
                    target=lambda: counts.append(turns())) for _ in range(2)]
                for t in [first] + others: t.start()
                for t in others: t.join()
                stop = True
                first.join()
                return min(counts)
            ours, pythons = beside(statement), beside(plain)
            print(set(rows[2:]), ours > 0, ours * 3 >= pythons,
                  '' if ours * 3 >= pythons else (ours, pythons))
            db.close()
            ''')
        self.assertEqual(out, ["{'200030000'} True True "])

    # A thread that waits for the extension with the GIL, while another, in Python
    # on the extension's behalf, waits for the GIL: neither went on.
    def test_the_gil_held_in_two_threads(self):
        for first, second in (True, True), (True, False):
            out = self.both(f'''
                sys.setswitchinterval(1e-6)
                start = threading.Barrier(2)
                dbs = [Database({first}), Database({second})]
                def use(db):
                    start.wait()
                    db.run("SELECT python_define('f', 'lambda x: time.sleep(0)"
                           " or x + 1')")
                    for _ in range(5):
                        db.run('SELECT sum(f(x)) FROM ' + UP_TO % 100)
                threads = [threading.Thread(target=use, args=[db]) for db in dbs]
                for t in threads: t.start()
                for t in threads: t.join()
                for db in dbs: db.close()
                print(sorted(rows))
                ''')
            self.assertEqual(out, [str(sorted(
                ['thread'] * 2 + ['f'] * 2 + ['5150'] * 10))])

    # Who looks whether a call may be ended has Python code run, which leaves the
    # GIL: another thread then waited for the lock with it.
    def test_a_call_is_ended_while_another_begins(self):
        out = self.both("""
            looked = threading.Event()
            def hook(event, args):
                if event == 'sys._current_frames':
                    looked.set()
                    time.sleep(0.3)
            sys.addaudithook(hook)
            dbs = [Database(False), Database(False)]
            dbs[0].run('PRAGMA python_timeout = 100')
            def endless():
                dbs[0].run("SELECT python_eval('exec(\\"while 1: pass\\")')")
            def quick():
                looked.wait()
                dbs[1].run("SELECT python_eval('6 * 7')")
            threads = [threading.Thread(target=f) for f in (endless, quick)]
            for t in threads: t.start()
            for t in threads: t.join()
            print(sorted(rows[3:]))
            """)
        self.assertEqual(out, ["['42', 'python_eval: timed out after 100 ms']"])

    # 3.11 takes every thread for the GIL's owner once there was a subinterpreter.
    def test_a_subinterpreter_that_was(self):
        out = self.both("""
            try:
                import _interpreters as sub
                one = sub.create('legacy')
            except ImportError:
                import _xxsubinterpreters as sub
                one = sub.create(isolated=False)
            sub.destroy(one)
            db = Database(False)
            db.run("SELECT python_eval('6 * 7')")
            print(rows[1:])
            """)
        self.assertRegex(out[0], "42|subinterpreter")


if __name__ == '__main__':
    tap.main()
